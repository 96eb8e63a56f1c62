"""What is kept beside weights: made once, of arrays that nobody can write to, for as long as these live."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from thinktwice.cpu import convolution
from thinktwice.cpu import prepared as kept
from thinktwice.cpu.prepared import constant, prepared
from thinktwice.executor.graph import Graph
from thinktwice.executor.net import Net
from thinktwice.layers.correlation import Geometry

from .. import nets

GEOMETRY = Geometry((3, 3), (1, 1), (1, 1), (1, 1))
STRIDED = Geometry((3, 3), (2, 2), (1, 1), (1, 1))


def filters(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(5, 4, 3, 3)).astype(np.float32)


def frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def made() -> np.ndarray:
    return np.zeros(3, np.float32)


def test_arrays_that_somebody_can_write_to_are_not_constant() -> None:
    weights = filters()
    assert not constant(weights)
    view = frozen(weights.view())
    assert not constant(view)
    assert not constant(frozen(view[1:]))
    assert not constant(frozen(weights.reshape(5, -1)))
    assert not constant(np.broadcast_to(weights, (2, *weights.shape)))
    frozen(weights)
    for array in (weights, view, view[1:], weights.swapaxes(0, 1), np.broadcast_to(weights, (2, *weights.shape))):
        assert constant(array)
    assert constant(np.frombuffer(b"12345678", np.float32))
    assert not constant([1.0])


def test_made_once_for_each_purpose() -> None:
    weights = frozen(filters())
    first = prepared(weights, "one", made)
    assert prepared(weights, "one", made) is first
    assert prepared(weights, "another", made) is not first
    assert prepared(frozen(filters()), "one", made) is not first  # as large, but not these


def test_made_anew_of_what_somebody_can_write_to() -> None:
    weights = filters()
    view = frozen(weights.view())
    for array in (weights, view):
        assert prepared(array, "one", made) is not prepared(array, "one", made)
        assert id(array) not in kept._kept


def test_dropped_when_the_weights_die(monkeypatch: pytest.MonkeyPatch) -> None:
    failed: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", failed.append)
    monkeypatch.setattr(sys, "excepthook", lambda *error: failed.append(error))
    weights = frozen(filters())
    key = id(weights)
    prepared(weights, "one", made)
    kept._kept.pop(key)  # as if two threads had come at once: both take care of the end
    prepared(weights, "one", made)
    assert key in kept._kept
    del weights
    gc.collect()
    assert key not in kept._kept
    assert failed == []


@pytest.fixture
def packed(build: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What has been packed for the engine so far."""
    done: list[Any] = []
    pack = convolution._packed
    monkeypatch.setattr(convolution, "_packed", lambda weights: done.append(weights) or pack(weights))
    return done


def ways(x: np.ndarray, weights: np.ndarray) -> list[Callable[[], np.ndarray]]:
    signal = np.ones((len(x), len(weights), 3, 4), np.float32)
    return [
        lambda: convolution.correlate(x, weights, GEOMETRY),
        lambda: convolution.correlate_transposed(signal, weights, STRIDED, x.shape[2:]),
    ]


@pytest.mark.parametrize("way", [0, 1], ids=["forward", "input gradient"])
def test_constant_weights_are_packed_once(packed: list[Any], way: int) -> None:
    x, weights = np.ones((2, 4, 6, 7), np.float32), frozen(filters())
    run = ways(x, weights)[way]
    first, number = run(), len(packed)
    assert number == (1, 4)[way]  # once for each phase of a transposed convolution
    assert np.array_equal(run(), first)
    assert len(packed) == number


@pytest.mark.parametrize("way", [0, 1], ids=["forward", "input gradient"])
@pytest.mark.parametrize("seen_through", [lambda a: a, lambda a: frozen(a.view())], ids=["writable", "read-only view"])
def test_weights_that_change_are_seen_to_change(packed: list[Any], way: int, seen_through: Any) -> None:
    x, weights = np.ones((2, 4, 6, 7), np.float32), filters()
    run = ways(x, seen_through(weights))[way]
    run()
    weights[...] = filters(1)
    assert np.array_equal(run(), ways(x, filters(1))[way]())


NET = nets.data(1, 4, 6, 7) + nets.layer(
    "conv", "Convolution", "data", "convolution_param { num_output: 5 kernel_size: 3 pad: 1 bias_term: false }"
)


def test_a_net_over_a_solvers_arrays_follows_them(packed: list[Any]) -> None:
    """A solver updates in place what its nets hold as read-only views."""
    weights, x = filters(), np.ones((1, 4, 6, 7), np.float32)
    net = Net(Graph(nets.parse_net(NET)), {"conv": [weights]})
    assert not net.params["conv"][0].flags.writeable
    assert np.shares_memory(net.params["conv"][0], weights)
    net.forward(data=x)
    weights[...] = filters(1)
    expected = convolution.correlate(x, filters(1), GEOMETRY)
    assert np.array_equal(net.forward(data=x)["conv"], expected)


def test_a_net_of_weights_given_in_memory_has_its_own_copy(packed: list[Any]) -> None:
    """So it computes, bit for bit, as one that reads them from a file: the ways that only constant weights go are open to it."""
    weights, x = filters(), np.ones((1, 4, 6, 7), np.float32)
    net = nets.make(NET, {"conv": [weights]}, "float32")
    before = net.forward(data=x)["conv"]
    weights[...] = 0
    assert np.array_equal(net.forward(data=x)["conv"], before)
    assert len(packed) == 1


def test_a_net_of_arrays_that_stay_packs_them_once(packed: list[Any]) -> None:
    net = nets.make(NET, {"conv": [frozen(filters())]}, "float32")
    other = Net(Graph(net.message), net.params)  # one that shares its weights
    for _ in range(2):
        net.forward(data=np.ones((1, 4, 6, 7), np.float32))
        other.forward(data=np.ones((3, 4, 6, 7), np.float32))
    assert len(packed) == 1
