"""Convolutions on the engine against their definition in float64: drawn geometries, N != C != H != W, and the widths of tiles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from thinktwice.cpu.convolution import (
    Bank,
    correlate,
    correlate_together,
    correlate_transposed,
    correlate_transposed_together,
    correlate_weights,
)
from thinktwice.cpu.finish import finish
from thinktwice.layers.arrival import Arrival
from thinktwice.layers.correlation import Geometry

from ..oracles import windows
from .walls import SANITIZED, between_walls

pytestmark = pytest.mark.usefixtures("build")
DRAWN = settings(
    max_examples=20 if SANITIZED else 60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
UNIT = np.finfo(np.float32).eps / 2
WIDTHS = [1, 3, 7, 8, 9, 15, 16, 17, 33]  # channels around those of registers and tiles


class Case(NamedTuple):
    """A batch of images, and a convolution that has room on them; ``channels`` and ``outputs`` are of one group."""

    images: int
    channels: int
    outputs: int
    size: tuple[int, int]
    geometry: Geometry
    seed: int = 0

    @property
    def image(self) -> np.ndarray:
        return numbers((self.images, self.geometry.group * self.channels, *self.size), self.seed)

    @property
    def weights(self) -> np.ndarray:
        return numbers((self.geometry.group * self.outputs, self.channels, *self.geometry.kernel), self.seed + 1)

    @property
    def bias(self) -> np.ndarray:
        return numbers((self.geometry.group * self.outputs,), self.seed + 2)

    @property
    def signal(self) -> np.ndarray:
        top = windows.positions(self.size, self.geometry)
        return numbers((self.images, self.geometry.group * self.outputs, *top), self.seed + 3)


def numbers(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """A third of them 0, so that some sums have no product but 0: these are exactly 0."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=shape) * (rng.random(shape) < 2 / 3)).astype(np.float32)


def pairs(least: int, most: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(least, most), st.integers(least, most))


@st.composite
def cases(draw: Any) -> Case:
    size = (draw(st.integers(1, 12)), draw(st.one_of(st.integers(1, 40), st.integers(63, 70))))
    group, seed = draw(st.sampled_from([1, 1, 2, 3])), draw(st.integers(0, 99))
    geometry = Geometry(draw(pairs(1, 5)), draw(pairs(1, 4)), draw(pairs(0, 6)), draw(pairs(1, 3)), group)
    assume(min(windows.positions(size, geometry)) >= 1)
    channels, outputs = draw(st.sampled_from(WIDTHS)), draw(st.sampled_from(WIDTHS))
    images = draw(st.sampled_from([0, 1, 2, 5, 11]))
    assume(len({images, group * channels, *size}) == 4)
    return Case(images, channels, outputs, size, geometry, seed)


def plain(kernel: tuple[int, int] = (3, 3), pad: tuple[int, int] = (0, 0), group: int = 1) -> Geometry:
    return Geometry(kernel, (1, 1), pad, (1, 1), group)


POINTWISE = [  # planes that end within a register, or within a tile, which goes on with the next image
    Case(5, 3, 9, size, plain((1, 1), group=2))
    for size in [
        (1, 1),
        (2, 1),
        (1, 47),
        (6, 8),
        (7, 7),
        (2, 32),
        (5, 13),
        (1, 96),
        (1, 97),
        (4, 37),
        (1, 769),
        (29, 31),
    ]
]
LARGE = {
    "planes that do not fit into a cache": Case(1, 33, 5, (90, 71), plain(pad=(1, 1))),
    "weights that do not fit into a cache": Case(2, 64, 97, (6, 9), plain((5, 5), pad=(2, 2))),
    "a wide signal": Case(2, 5, 129, (40, 53), plain()),
    "one pixel": Case(3, 17, 9, (1, 1), plain((5, 3), pad=(4, 6))),
    "no pixel but padding under a window": Case(2, 3, 5, (1, 2), Geometry((2, 2), (3, 2), (6, 5), (1, 2), 1)),
}
EXAMPLES = [pytest.param(case, id=f"{case.size[0]} x {case.size[1]} pointwise") for case in POINTWISE]
EXAMPLES += [pytest.param(case, id=name) for name, case in LARGE.items()]


def check_forward(case: Case) -> None:
    x, weights, bias, geometry = case.image, case.weights, case.bias, case.geometry
    expected, magnitude = sums(windows.correlate, x, weights, geometry)
    close(between_walls(correlate, x, weights, geometry), expected, magnitude, weights[0].size)
    with_bias = between_walls(correlate, x, weights, geometry, bias)
    column = bias.astype(float)[:, None, None]
    close(with_bias, expected + column, magnitude + abs(column), weights[0].size + 1)
    rectified = between_walls(correlate, x, weights, geometry, bias, True)
    assert np.array_equal(rectified, np.maximum(with_bias, 0))


def check_transposed(case: Case) -> None:
    signal, weights, geometry = case.signal, case.weights, case.geometry
    expected, magnitude = sums(windows.correlate_transposed, signal, weights, geometry, case.size)
    terms = case.outputs * weights[0, 0].size
    close(between_walls(correlate_transposed, signal, weights, geometry, case.size), expected, magnitude, terms)


def check_weights(case: Case) -> None:
    x, signal, geometry = case.image, case.signal, case.geometry
    expected, magnitude = sums(windows.correlate_weights, x, signal, geometry)
    close(between_walls(correlate_weights, x, signal, geometry), expected, magnitude, signal[:, 0].size)


def sums(oracle: Any, one: np.ndarray, other: np.ndarray, *where: Any) -> tuple[np.ndarray, np.ndarray]:
    """Of products, and of their magnitudes."""
    return oracle(one, other, *where), oracle(abs(one), abs(other), *where)


def close(found: np.ndarray, expected: np.ndarray, magnitude: np.ndarray, terms: int) -> None:
    """A sum of n products in any order, with or without fused multiply-adds, is off by at most n u / (1 - n u) times the sum of
    their magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, §3.1); one more u for the oracle's own rounding."""
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    bound = (terms + 1) * UNIT
    assert (abs(found - expected) <= bound / (1 - bound) * magnitude).all()


@DRAWN
@given(case=cases())
def test_forward(case: Case) -> None:
    check_forward(case)


@DRAWN
@given(case=cases())
def test_input_gradient(case: Case) -> None:
    check_transposed(case)


@DRAWN
@given(case=cases())
def test_weight_gradient(case: Case) -> None:
    check_weights(case)


@pytest.mark.parametrize("case", EXAMPLES)
@pytest.mark.parametrize("check", [check_forward, check_transposed, check_weights])
def test_at_the_edges_of_tiles_planes_and_caches(check: Any, case: Case) -> None:
    check(case)


@DRAWN
@given(case=cases(), seed=st.integers(0, 99))
@example(case=Case(1, 1, 1, (6, 7), plain()), seed=0)
def test_nan_and_infinity_stay_in_the_windows_that_see_them(case: Case, seed: int) -> None:
    """Not in a window that wraps around the end of a row, nor in a neighbouring plane."""
    geometry, rng = case.geometry, np.random.default_rng(seed)
    weights = case.weights + np.float32(10)  # none is 0, which times infinity would be NaN
    x, signal = spoilt(case.image, rng), spoilt(case.signal, rng)
    with np.errstate(invalid="ignore"):
        same_kind(between_walls(correlate, x, weights, geometry), windows.correlate(x, weights, geometry))
        found = between_walls(correlate_transposed, signal, weights, geometry, case.size)
        same_kind(found, windows.correlate_transposed(signal, weights, geometry, case.size))
        found = between_walls(correlate_weights, x, case.signal, geometry)
        same_kind(found, windows.correlate_weights(x, case.signal, geometry))
        found = between_walls(correlate_weights, case.image, signal, geometry)
        same_kind(found, windows.correlate_weights(case.image, signal, geometry))


def spoilt(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One number in three hundred, and one of each batch."""
    images = images.copy()
    images[rng.random(images.shape) < 1 / 300] = np.inf
    if images.size:
        images.reshape(-1)[rng.integers(images.size)] = np.nan
        images.reshape(-1)[rng.integers(images.size)] = -np.inf
    return images


def same_kind(found: np.ndarray, expected: np.ndarray) -> None:
    """Finite, NaN, or the same infinity."""
    found, expected = (np.where(np.isfinite(array), 0, array) for array in (found, expected))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "geometry", [plain((1, 1)), plain(pad=(1, 2)), Geometry((3, 2), (2, 3), (1, 1), (2, 1))], ids=str
)
def test_sums_of_nothing_but_zeros_are_exactly_zero(geometry: Geometry) -> None:
    """Excitation backprop shares nothing out where the sum that it divides by is 0."""
    case = Case(2, 10, 19, (8, 9), geometry)
    x, weights, signal = case.image, case.weights, case.signal
    x[:, ::2] = 0
    weights[:, 1::2] = 0
    assert not np.any(between_walls(correlate, x, weights, geometry))
    weights[::2], signal[:, 1::2] = 0, 0
    assert not np.any(between_walls(correlate_transposed, signal, weights, geometry, case.size))
    gradient = between_walls(correlate_weights, x, signal, geometry)
    assert not np.any(gradient[:, ::2])
    assert not np.any(gradient[1::2])
    assert np.any(gradient)


@pytest.mark.parametrize("geometry", [plain((1, 1)), plain(pad=(1, 1))], ids=str)
def test_arrays_with_gaps(geometry: Geometry) -> None:
    case = Case(3, 8, 5, (9, 11), geometry)
    x, weights, signal = case.image, case.weights, case.signal
    for view in (gaps, backwards, lying, among_others):
        pairs = [(view(array), array) for array in (x, weights, signal)]
        (x_, x), (weights_, weights), (signal_, signal) = pairs
        assert not x_.flags.c_contiguous
        assert not signal_.flags.c_contiguous
        same(correlate(x_, weights_, geometry), correlate(x, weights, geometry))
        found = correlate_transposed(signal_, weights_, geometry, case.size)
        same(found, correlate_transposed(signal, weights, geometry, case.size))
        same(correlate_weights(x_, signal_, geometry), correlate_weights(x, signal, geometry))
    # Two bytes between images: from one to the next it is no whole number of floats.
    records = np.zeros(len(x), [("image", x.dtype, x.shape[1:]), ("label", np.int16)])
    records["image"] = x
    same(correlate(records["image"], weights, geometry), correlate(x, weights, geometry))
    one = np.broadcast_to(x[:1], x.shape)
    same(correlate(one, weights, geometry), correlate(one.copy(), weights, geometry))


def gaps(array: np.ndarray) -> np.ndarray:
    """The same numbers in every second place of every axis."""
    wide = np.full([2 * n for n in array.shape], np.nan, array.dtype)[::2, ::2, ::2, ::2]
    wide[...] = array
    return wide


def backwards(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array[:, ::-1, :, ::-1])[:, ::-1, :, ::-1]


def lying(array: np.ndarray) -> np.ndarray:
    """Channels last in memory."""
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def among_others(array: np.ndarray) -> np.ndarray:
    """The same channels between two others."""
    wide = np.full((len(array), array.shape[1] + 2, *array.shape[2:]), np.nan, array.dtype)
    wide[:, 1:-1] = array
    return wide[:, 1:-1]


def same(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(found, expected, strict=True)


PARTS = st.sets(st.sampled_from(["onto", "times", "where"]), min_size=1)


@DRAWN
@given(case=cases(), targets=st.integers(1, 3), parts=PARTS)
@example(case=POINTWISE[8], targets=2, parts={"onto", "where"})
@example(case=LARGE["planes that do not fit into a cache"], targets=2, parts={"onto", "times", "where"})
def test_what_becomes_of_an_input_gradient(case: Case, targets: int, parts: set[str]) -> None:
    """For several targets of the same images: bit for bit what NumPy makes of the input gradient alone."""
    geometry = replace(case.geometry, stride=(1, 1))
    assume(min(windows.positions(case.size, geometry)) >= 1)
    case = case._replace(geometry=geometry)
    signal = np.concatenate([case.signal + np.float32(k) for k in range(targets)])
    plain_sums = correlate_transposed(signal, case.weights, geometry, case.size)
    given = {"onto": numbers(plain_sums.shape, 7), "times": numbers(case.image.shape, 8), "where": case.image}
    arrival = Arrival(**{part: given[part] for part in sorted(parts)})
    last = finish(arrival, 3)
    assert last
    found = correlate_transposed(signal, case.weights, geometry, case.size, last)
    same(found, expected_at(arrival, plain_sums))


def expected_at(arrival: Arrival, sums: np.ndarray) -> np.ndarray:
    def shared(array: np.ndarray) -> np.ndarray:
        return np.concatenate([array] * (len(sums) // len(array))) if len(array) else sums

    sums = sums if arrival.times is None else shared(arrival.times) * sums
    sums = sums if arrival.onto is None else arrival.onto + sums
    return sums if arrival.where is None else sums * (shared(arrival.where) > 0)


@DRAWN
@given(case=cases(), cut=st.integers(0, 11))
@example(case=Case(11, 16, 17, (1, 769), plain((1, 1))), cut=3)
def test_a_batch_in_parts_is_the_same_bit_for_bit(case: Case, cut: int) -> None:
    x, weights, bias, signal, geometry = case.image, case.weights, case.bias, case.signal, case.geometry
    parts = (slice(0, cut), slice(cut, cut + 1), slice(cut + 1, None))
    whole = correlate(x, weights, geometry, bias)
    same(whole, np.concatenate([correlate(x[part], weights, geometry, bias) for part in parts]))
    whole = correlate_transposed(signal, weights, geometry, case.size)
    same(
        whole,
        np.concatenate([correlate_transposed(signal[part], weights, geometry, case.size) for part in parts]),
    )


@pytest.mark.parametrize("group", [1, 3])
@pytest.mark.parametrize("outputs", [(1, 9, 16), (8, 8), (33, 2)])
@pytest.mark.parametrize("images", [1, 4])
def test_banks_over_one_source_are_each_alone(group: int, outputs: tuple[int, ...], images: int) -> None:
    """Some write beside each other into one array, some are clamped at 0."""
    geometry, x = Geometry((1, 1), (1, 1), (0, 0), (1, 1), group), numbers((images, 5 * group, 7, 6), 0)
    weights = [numbers((n * group, 5, 1, 1), seed) for seed, n in enumerate(outputs)]
    biases = [numbers((n * group,), seed + 7) if seed % 2 else None for seed, n in enumerate(outputs)]
    joined = np.empty((images, group * sum(outputs) + 2, 7, 6), np.float32)
    places = [joined[:, group * sum(outputs[:i]) + 1 :][:, : group * n] for i, n in enumerate(outputs)]
    banks = [Bank(*bank, i % 2 == 0, places[i]) for i, bank in enumerate(zip(weights, biases, strict=True))]
    for y, (w, b, rectified, _) in zip(correlate_together(x, banks, geometry), banks, strict=True):
        np.testing.assert_array_equal(y, correlate(x, w, geometry, b, rectified))


@pytest.mark.parametrize("group", [1, 3])
@pytest.mark.parametrize("outputs", [(1, 9, 16), (40, 8)])
@pytest.mark.parametrize("last", [(), ("times",), ("onto", "where"), ("onto", "times", "where")])
def test_gradients_that_are_sent_together_are_the_sum_of_each(
    group: int, outputs: tuple[int, ...], last: tuple
) -> None:
    geometry, shape = Geometry((1, 1), (1, 1), (0, 0), (1, 1), group), (2, 19 * group, 7, 6)
    weights = [numbers((n * group, 19, 1, 1), seed) for seed, n in enumerate(outputs)]
    signals = [numbers((4, n * group, 7, 6), seed + 7) for seed, n in enumerate(outputs)]  # two targets of two images
    meets = {name: numbers((4, *shape[1:]) if name == "onto" else shape, 20) for name in last}
    expected = meets.get("onto")
    for number, (signal, w) in enumerate(zip(signals, weights, strict=True), start=1):
        met = Arrival(expected, meets.get("times"), meets.get("where") if number == len(outputs) else None)
        expected = correlate_transposed(signal, w, geometry, (7, 6), finish(met, 3))
    senders = list(zip(signals, weights, strict=True))
    found = correlate_transposed_together(senders, geometry, (7, 6), finish(Arrival(**meets), 3))
    np.testing.assert_array_equal(found, expected)
