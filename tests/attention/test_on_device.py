"""Every method over arrays that are not NumPy's, under CuPy's rules: what it gives on the CPU, it gives on a device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import thinktwice as tt
from thinktwice.attention import boxes
from thinktwice.attention.methods import METHODS
from thinktwice.attention.ranking import rank
from thinktwice.caffe_models.definition import parse_net
from thinktwice.caffe_models.weights import Weights
from thinktwice.executor.load import build
from thinktwice.executor.net import Net

from ..cuda.cudnn_double import CuDNN
from ..oracles import small_net
from .gated_nets import TARGETS, random_image, random_net

TOLERANCE = {"float32": 1e-4, "float64": 1e-10}
LOOPS = sorted(name for name, method in METHODS.items() if "iterations" in method.options)


def on(device: str, text: str, weights: Mapping[str, Sequence[Any]], dtype: str = "float32") -> Net:
    arrays = {layer: tuple(np.asarray(array, dtype) for array in own) for layer, own in weights.items()}
    return build(parse_net(text), Weights("made.caffemodel", arrays), device=device, dtype=dtype)


def both(method: str = "", dtype: str = "float64") -> list[Net]:
    """The oracle's net for a method, on the CPU and on a device."""
    text, weights = small_net.definition(method, 1)
    return [on(device, text, weights, dtype) for device in ("cpu", "cuda")]


def image(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(2, 2, 5, 5))


def choices() -> list[tuple[str, dict[str, Any]]]:
    """Every method by default, and by each choice of each of its options."""
    found: list[tuple[str, dict[str, Any]]] = []
    for name, method in METHODS.items():
        found.append((name, {}))
        for option, told in method.options.items():
            others = [value for value in told.choices or () if value != told.default]
            found += [(name, {option: value}) for value in others]
    return found


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("method", "options"), choices(), ids=str)
def test_maps(cupy: ModuleType, method: str, options: dict[str, Any], dtype: str) -> None:
    text, weights = small_net.definition(method, 1)
    nets = [on(device, text, weights, dtype) for device in ("cpu", "cuda")]
    expected, found = (tt.attend(net, image(), range(small_net.CLASSES), method, **options) for net in nets)
    assert isinstance(found.map, cupy.ndarray)
    agree(found.map.get(), expected.map, dtype)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)
    assert found.gates.keys() == expected.gates.keys()
    for blob, z in expected.gates.items():
        agree(found.gates[blob].get(), z, dtype)
    assert (found.curve is None) == (expected.curve is None)
    rounded = (method, dtype) == ("gp", "float32")  # which gates an SVD cuts off hangs on rounding
    if expected.curve is not None and not rounded:
        agree(found.curve.get(), expected.curve, dtype)


def agree(found: np.ndarray, expected: np.ndarray, dtype: str = "float64") -> None:
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("method", LOOPS)
def test_nets_of_many_layers(cupy: ModuleType, method: str, seed: int) -> None:
    net = random_net(seed)
    there = Net(net.graph, net.params, net.message, "float64", "cuda")
    one, other = (tt.attend(own, random_image(seed), TARGETS, method, iterations=4) for own in (net, there))
    agree(other.map.get(), one.map)
    agree(other.curve.get(), one.curve)


@pytest.mark.parametrize("method", METHODS)
def test_another_device_than_the_current_one(double: ModuleType, method: str) -> None:
    text, weights = small_net.definition(method, 1)
    expected, found = (
        tt.attend(on(device, text, weights), image(), range(small_net.CLASSES), method) for device in ("cpu", "cuda:1")
    )
    assert found.map.device.id == 1
    agree(found.resized(7, 9).get(), expected.resized(7, 9), "float32")
    assert boxes.energy_box(found.map).shape == (2, small_net.CLASSES, 4)
    agree(found.map.get(), expected.map, "float32")


@pytest.mark.parametrize("method", METHODS)
def test_convolutions_by_cudnn(library: CuDNN, method: str) -> None:
    expected, found = (tt.attend(net, image(), range(small_net.CLASSES), method) for net in both(method, "float32"))
    assert library.graphs
    agree(found.map.get(), expected.map, "float32")


@pytest.mark.parametrize("method", METHODS)
def test_a_device_is_waited_for_at_the_end_alone(double: ModuleType, method: str) -> None:
    """Once for the scores, and once for what a method must know of its result; however many images, targets and iterations."""
    _, net = both(method)
    iterations = {"iterations": 12} if method in LOOPS else {}
    double.waits = 0
    tt.attend(net, image(), range(small_net.CLASSES), method, **iterations)
    assert double.waits <= 2


@pytest.mark.parametrize("method", LOOPS)
def test_a_loop_at_rest_tells_as_many_scores(cupy: ModuleType, method: str) -> None:
    """On the CPU it ends where nothing changes; a device goes on and is asked afterwards."""
    told = [tt.attend(net, image(), [0, 3], method, iterations=60) for net in both(method)]
    assert told[0].curve.shape == told[1].curve.shape
    assert told[0].curve.shape[-2] < 60 or method == "feedback-hard", "this loop has not come to rest: it shows nothing"


@pytest.mark.parametrize("method", ["gradient", "mwp", "feedback", "fsp"])
def test_hidden_neurons(cupy: ModuleType, method: str) -> None:
    expected, found = (tt.attend(net, image(), [1, 4], method, score="conv2", position=[1, 0]) for net in both())
    agree(found.map.get(), expected.map)
    np.testing.assert_allclose(found.scores, expected.scores)


def test_channels_share_their_positions(cupy: ModuleType) -> None:
    expected, found = (tt.attend(net, image(), [1, 4], "mwp", score="conv2") for net in both())
    agree(found.map.get(), expected.map)
    np.testing.assert_allclose(found.scores, expected.scores)


def test_boxes(cupy: ModuleType) -> None:
    maps = abs(np.random.default_rng(0).normal(size=(2, 3, 7, 9))) ** 3
    there = cupy.asarray(maps)
    np.testing.assert_array_equal(boxes.energy_box(there, 0.5), boxes.energy_box(maps, 0.5))
    np.testing.assert_array_equal(boxes.energy_mask(there, 0.95, 2), boxes.energy_mask(maps, 0.95, 2))
    np.testing.assert_array_equal(boxes.mean_box(there, 2.0), boxes.mean_box(maps, 2.0))


def test_ranking(cupy: ModuleType) -> None:
    expected, found = (rank(net, image(), [0, 3], "relu2", channels=2, neurons=2) for net in both())
    np.testing.assert_array_equal(found.channels, expected.channels)
    np.testing.assert_array_equal(found.positions, expected.positions)
    agree(found.scores, expected.scores)
