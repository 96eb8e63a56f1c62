"""Convolutions with 1 x 1 kernels over one blob run together, and not a bit of what they make or send differs from each alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from thinktwice.cpu import convolution
from thinktwice.cpu.engine import engine
from thinktwice.executor import siblings
from thinktwice.executor.net import Net

from ..nets import data, layer, make, relu

POOL = "pooling_param { kernel_size: 3 stride: 1 pad: 1 }"
RULES = ["gradient", "guided", "excitation", "deconvnet"]
CHANNELS = {"stem": (5, 3), "a": (9, 5), "b": (3, 5), "c": (17, 5), "d": (8, 5), "up": (6, 9), "out": (4, 48)}


def pointwise(name: str, bottom: str, more: str = "") -> str:
    return layer(
        name, "Convolution", bottom, f"convolution_param {{ num_output: {CHANNELS[name][0]} kernel_size: 1 {more}}}"
    )


def doors(order: str, dtype: str = "float32") -> Net:
    """Four siblings at the stem, in this order with a pooling layer that reads it as well; one has no ReLU, one is read twice."""
    text = data(3, 3, 6, 5) + pointwise("stem", "data") + relu("stem")
    for name in order.split():
        text += layer(name, "Pooling", "stem", POOL) if name == "pool" else pointwise(name, "stem")
        text += relu(name) if name in ("a", "b", "c") else ""
    text += pointwise("up", "a") + layer("all", "Concat", "a up b c d pool") + pointwise("out", "all")
    rng = np.random.default_rng(0)
    weights = {name: (rng.normal(size=(*of, 1, 1)), rng.normal(size=of[0])) for name, of in CHANNELS.items()}
    return make(text, weights, dtype)


@contextmanager
def each_alone() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(siblings, "_pointwise", lambda trace, number: None)
        yield


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("order", ["a b c d pool", "pool a b c d", "a b pool c d", "a pool b c d"])
@pytest.mark.parametrize("to", ["data", "stem"])
def test_no_bit_differs(order: str, rule: str, dtype: str, to: str) -> None:
    net, rng = doors(order, dtype), np.random.default_rng(1)
    x, signal = rng.normal(size=(3, 3, 6, 5)).astype(dtype), rng.normal(size=(2, 3, 4, 6, 5)).astype(dtype)
    with each_alone():
        expected = net.forward(data=x)
        below = net.backward(expected, {"out": signal}, rule)
    found = net.forward(data=x)
    for blob in net.blobs:
        np.testing.assert_array_equal(found[blob], expected[blob])
        np.testing.assert_array_equal(net.forward(data=x, blobs=[blob])[blob], expected[blob])
    kept = net.forward(data=x, blobs=["out"], rule=rule, to=[to])
    for trace in (found, kept):
        np.testing.assert_array_equal(net.backward(trace, {"out": signal}, rule, to=[to])[to], below[to])


def test_a_sibling_that_sends_nothing_leaves_the_others_their_turn() -> None:
    """The walk begins above some of them only; the last to send may be any."""
    net, rng = doors("a b c d pool"), np.random.default_rng(1)
    trace = net.forward(data=rng.normal(size=(3, 3, 6, 5)))
    for starts in (("b",), ("a",), ("d", "b"), ("d", "c", "a")):
        signals = {name: rng.normal(size=(2, *trace.shape(name))).astype(np.float32) for name in starts}
        with each_alone():
            expected = net.backward(trace, signals)["data"]
        np.testing.assert_array_equal(net.backward(trace, signals, to=["data"])["data"], expected)


def test_a_given_blob_is_not_made_again() -> None:
    net, x = doors("a b c d pool"), np.ones((3, 3, 6, 5), np.float32)
    b = np.full((3, 3, 6, 5), 2, np.float32)
    trace = net.forward(data=x, b=b)
    np.testing.assert_array_equal(trace["b"], b)
    with each_alone():
        np.testing.assert_array_equal(net.forward(data=x, b=b)["out"], trace["out"])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("shape", "axes"), [((2, 5, 7), "11"), ((2, 5, 3, 4, 3), "11"), ((2, 5, 5, 4, 3), "12")])
def test_blobs_that_are_no_images(shape: tuple[int, ...], axes: str, rule: str) -> None:
    """One or three spatial axes, or another axis of channels for each: then everyone is alone."""
    text, rng = data(*shape), np.random.default_rng(0)
    for name, axis in zip("ab", axes, strict=True):
        options = f"convolution_param {{ num_output: 5 kernel_size: 1 axis: {axis} }}"
        text += layer(name, "Convolution", "data", options)
    text += layer("sum", "Eltwise", "a b")
    rank = {name: len(shape) - int(axis) - 1 for name, axis in zip("ab", axes, strict=True)}
    weights = {name: (rng.normal(size=(5, 5, *[1] * rank[name])), rng.normal(size=5)) for name in "ab"}
    net, x = make(text, weights, "float32"), rng.normal(size=shape).astype(np.float32)
    signal = rng.normal(size=(2, *shape)).astype(np.float32)
    with each_alone():
        expected = net.forward(data=x)
        below = net.backward(expected, {"sum": signal}, rule)["data"]
    trace = net.forward(data=x)
    np.testing.assert_array_equal(trace["sum"], expected["sum"])
    np.testing.assert_array_equal(net.backward(trace, {"sum": signal}, rule, to=["data"])["data"], below)


@pytest.mark.skipif(engine() is None, reason="the engine is not built, or turned off")
def test_they_are_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x, calls = doors("a b c d pool"), np.ones((3, 3, 6, 5), np.float32), []
    multiply = convolution._multiply
    monkeypatch.setattr(
        convolution, "_multiply", lambda *work, **how: (calls.append(len(work[1])), multiply(*work, **how))
    )
    trace = net.forward(data=x, blobs=["out"], rule="gradient", to=["data"])
    assert calls == [1, 4, 1, 1]  # stem, its four readers, up, out
    calls.clear()
    net.backward(trace, {"out": np.ones_like(trace["out"])}, to=["data"])
    assert calls == [1, 1, 4, 1]
