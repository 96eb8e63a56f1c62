"""Sliding kernels against the layers' NumPy way, bit for bit: drawn geometries, N != C != H != W, ties, NaN, -infinity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from thinktwice.cuda import kernels
from thinktwice.layers.correlation import Geometry, correlate, correlate_transposed, correlate_weights
from thinktwice.layers.pooling import Pooling, Windows

from ..layers import bench

pytestmark = pytest.mark.usefixtures("host", "without_engine")
TYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
DRAWN = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SPECIAL = np.array([np.nan, np.inf, -np.inf, np.finfo(np.float32).min, -0.0, 0.0, 1.0, 1.0])
sizes = st.tuples(st.integers(1, 23), st.integers(1, 37))
common = st.sampled_from([((2, 2), (2, 2)), ((3, 3), (2, 2)), ((3, 3), (1, 1))])  # those that are unrolled
odd = st.tuples(*(st.tuples(st.integers(1, 5), st.integers(1, 4)) for _ in range(2)))


@pytest.fixture
def without_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which would do convolutions by itself."""
    monkeypatch.setattr("thinktwice.cpu.engine.serves", lambda *arrays: False)


def same(found: Any, expected: Any) -> None:
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected, strict=True)


def numbers(shape: tuple[int, ...], dtype: Any, seed: int, special: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=shape).astype(dtype)
    if not special:
        return drawn
    few = rng.choice(SPECIAL, shape).astype(dtype)  # ties everywhere, and windows of nothing but NaN and -infinity
    return np.where(rng.random(shape) < 0.7, few, drawn)


@st.composite
def geometries(draw: Any) -> tuple[Geometry, tuple[int, int]]:
    (kernel, stride), size = draw(st.one_of(common, odd)), draw(sizes)
    pad = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (2, 3)]))
    geometry = Geometry(kernel, stride, pad, dilation, group=draw(st.sampled_from([1, 3])))
    assume(min(geometry.reduced(size)) >= 1)
    return geometry, size


@TYPES
@DRAWN
@given(drawn=geometries(), images=st.integers(0, 4), seed=st.integers(0, 99))
def test_im2col_and_col2im(by_numpy: Callable, dtype: Any, drawn: Any, images: int, seed: int) -> None:
    geometry, size = drawn
    x = numbers((images, 6, *size), dtype, seed)
    weights = numbers((9, 6 // geometry.group, *geometry.kernel), dtype, seed + 1)
    signal = numbers((2, images, 9, *geometry.reduced(size)), dtype, seed + 2)
    work = (
        lambda: correlate(x, weights, geometry),
        lambda: correlate_transposed(signal, weights, geometry, size),
        lambda: correlate_weights(x, signal[0], geometry),
    )
    for way in work:
        same(way(), by_numpy(way))


def test_filters_too_large_for_one_chunk(by_numpy: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thinktwice.layers.correlation.PATCH_BYTES", 1)
    geometry = Geometry((3, 2), (2, 1), (1, 2), (1, 1))
    x, weights = numbers((5, 2, 9, 7), np.float32, 0), numbers((3, 2, 3, 2), np.float32, 1)
    same(correlate(x, weights, geometry), by_numpy(lambda: correlate(x, weights, geometry)))


@st.composite
def poolings(draw: Any, method: str) -> tuple[Pooling, tuple[int, int]]:
    (kernel, stride), size = draw(st.one_of(common, odd)), draw(sizes)
    if draw(st.integers(0, 9)) == 0:
        return bench.make("Pooling", f"pooling_param {{ pool: {method} global_pooling: true }}"), size
    pad = [draw(st.integers(0, k - 1)) if method != "STOCHASTIC" else 0 for k in kernel]
    pairs = zip(("kernel", "stride", "pad"), (kernel, stride, pad), strict=True)
    options = " ".join(f"{name}_h: {h} {name}_w: {w}" for name, (h, w) in pairs)
    pooling = bench.make("Pooling", f"pooling_param {{ pool: {method} {options} }}")
    assume(min(pooling.windows(size).positions) >= 1)
    return pooling, size


@TYPES
@DRAWN
@given(drawn=poolings("MAX"), images=st.integers(0, 3), seed=st.integers(0, 99), special=st.booleans())
def test_max_pooling(by_numpy: Callable, dtype: Any, drawn: Any, images: int, seed: int, special: bool) -> None:
    pooling, size = drawn
    x = numbers((images, 2, *size), dtype, seed, special)
    y, winners = pooling._maxima(x)
    expected, expected_winners = by_numpy(lambda: pooling._maxima(x))
    same(y, expected)
    same(winners, expected_winners)
    signal = numbers((3, *y.shape), dtype, seed + 1)  # three targets over one plane of winners

    def back() -> np.ndarray:
        return pooling.to_winners(signal, winners, x.shape)

    same(back(), by_numpy(back))


def test_a_window_of_more_cells_than_a_byte_numbers(by_numpy: Callable) -> None:
    for kernel, number in ((11, np.int8), (12, np.int16), (200, np.int32)):
        pooling = bench.make("Pooling", f"pooling_param {{ pool: MAX kernel_size: {kernel} stride: 3 }}")
        x = numbers((1, 2, 203, 207), np.float32, kernel)
        y, winners = pooling._maxima(x)
        assert winners.dtype == number
        expected, expected_winners = by_numpy(lambda x=x, pooling=pooling: pooling._maxima(x))
        same(y, expected)
        same(winners, expected_winners)


@pytest.mark.parametrize("method", ["AVE", "STOCHASTIC"])
@TYPES
@DRAWN
@given(data=st.data(), images=st.integers(0, 3), seed=st.integers(0, 99))
def test_sums_over_windows(by_numpy: Callable, dtype: Any, method: str, data: Any, images: int, seed: int) -> None:
    pooling, size = data.draw(poolings(method))
    x = numbers((images, 2, *size), dtype, seed)
    same(pooling.window_sums(x), by_numpy(lambda: pooling.window_sums(x)))
    signal = numbers((3, images, 2, *pooling.windows(size).positions), dtype, seed + 1)
    same(pooling.spread(signal, x.shape), by_numpy(lambda: pooling.spread(signal, x.shape)))
    same(pooling.spread(signal, x.shape, times=x), by_numpy(lambda: pooling.spread(signal, x.shape, times=x)))


def test_what_no_kernel_takes_is_left_to_numpy() -> None:
    """Arrays with gaps, and types without an instance: the kernel says so, and has touched nothing."""
    windows = Windows((4, 6), (2, 2), (2, 2), (0, 0), (2, 3))
    for x in (np.ones((2, 4, 12), np.float32)[..., ::2], np.ones((2, 4, 6), np.float16), np.ones((2, 4, 6), ">f4")):
        sums = np.full((2, 2, 3), 7, x.dtype)
        assert not kernels.window_sums(x, windows.record(), sums)
        assert (sums == 7).all()


def test_offsets_past_2_to_the_31() -> None:
    """A plane of 2^31.3 pixels, of which only those are real memory that a wide stride reads."""
    windows = Windows((1 << 16, 40_000), (2, 2), (4096, 4096), (0, 0), (16, 10))
    x = np.zeros((1, 1, *windows.size), np.float32)
    x[0, 0, 15 * 4096 + 1, 9 * 4096 + 1] = 5  # number 2,457,677,... of the array, the last window's last cell
    assert 5 in x.reshape(-1)[2**31 :][(15 * 4096 + 1) * 40_000 + 9 * 4096 + 1 - 2**31 :][:1]
    maxima, winners = np.empty((1, 1, 16, 10), np.float32), np.empty((1, 1, 16, 10), np.int8)
    assert kernels.max_pool(x, windows.record(), maxima, winners)
    assert (maxima[0, 0, 15, 9], winners[0, 0, 15, 9]) == (5, 3)
    assert maxima.sum() == 5
    patches = np.empty((1, 1, 2, 2, 16, 10), np.float32)
    assert kernels.im2col(x, windows.record(), patches)
    assert (patches[0, 0, 1, 1, 15, 9], patches.sum()) == (5, 5)
    sums = np.empty((1, 1, 16, 10), np.float32)
    assert kernels.window_sums(x, windows.record(), sums)
    assert (sums[0, 0, 15, 9], sums.sum()) == (5, 5)
