"""Max pooling on the engine against the layer's NumPy way, number for number: ties, NaN, clipped windows, short rows."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from thinktwice.cpu import pooling
from thinktwice.cpu.engine import Engine
from thinktwice.cpu.finish import finish
from thinktwice.layers.arrival import Arrival
from thinktwice.layers.pooling import Windows

KERNELS = [
    *[((3, 3), (1, 1)), ((3, 3), (2, 2)), ((2, 2), (2, 2)), ((2, 3), (1, 2)), ((5, 4), (3, 1))],
    *[((3, 3), (3, 3)), ((2, 2), (1, 3)), ((5, 5), (1, 1)), ((3, 5), (1, 1)), ((2, 2), (1, 1))],
]


def windows(kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int], size: tuple[int, int]) -> Windows:
    """As Caffe rounds: up, without windows that begin beyond the border."""
    positions = []
    for n, k, s, p in zip(size, kernel, stride, pad, strict=True):
        out = -(-(n + 2 * p - k) // s) + 1
        positions.append(out - 1 if any(pad) and (out - 1) * s >= n + p else out)
    return Windows(size, kernel, stride, pad, tuple(positions))


PADS = [
    (0, 0),
    (1, 1),
    (1, 0),
    (2, 0),
    (0, 2),
    (2, 2),
    None,
]  # None: half of the kernel, with stride 1 as many windows as pixels
SIZES = [(5, 6), (4, 8), (7, 7), (14, 14), (9, 35), (6, 64), (3, 113)]
CASES = [
    (kernel, stride, pad or half, size)
    for (kernel, stride), pad, size in product(KERNELS, PADS, SIZES)
    for half in [tuple(k // 2 for k in kernel)]
    if all(p < k <= n + 2 * p for k, p, n in zip(kernel, pad or half, size, strict=True))
]


@pytest.mark.parametrize(("kernel", "stride", "pad", "size"), CASES)
def test_maxima_and_winners(build: Engine, kernel: tuple, stride: tuple, pad: tuple, size: tuple) -> None:
    w, rng = windows(kernel, stride, pad, size), np.random.default_rng(0)
    x = np.round(2 * rng.normal(size=(3, *size))).astype(np.float32)  # ties everywhere
    x[rng.random(x.shape) < 0.05] = np.nan
    x[rng.random(x.shape) < 0.05] = -np.inf
    y, winners = np.empty((3, *w.positions), np.float32), np.empty((3, *w.positions), np.int8)
    assert pooling.max_pool(x, w, y, winners)
    signal = rng.normal(size=(2, *y.shape)).astype(np.float32)
    whole = np.full(2 * x.size + 32, 7, np.float32)  # with something around the pixels that is to stay
    pixels = whole[16:-16].reshape(2, *x.shape)
    assert pooling.to_winners(signal, winners, w, pixels)
    assert (whole[:16] == 7).all()
    assert (whole[-16:] == 7).all()
    expected_pixels = np.zeros(pixels.shape)
    for plane, row, column in product(*map(range, y.shape)):
        best, winner, place = literal(x[plane], w, row, column)
        assert (y[plane, row, column], winners[plane, row, column]) == (best, winner)
        if winner >= 0:
            expected_pixels[:, plane, *place] += signal[:, plane, row, column]
    np.testing.assert_allclose(pixels, expected_pixels, rtol=1e-5, atol=1e-6)


def literal(plane: np.ndarray, w: Windows, row: int, column: int) -> tuple[float, int, tuple[int, int]]:
    """The window's maximum, the first cell in raster order that has it, and where that lies."""
    best, winner, place = np.finfo(np.float32).min, -1, (0, 0)
    for i, j in product(range(w.kernel[0]), range(w.kernel[1])):
        h, x = row * w.stride[0] - w.pad[0] + i, column * w.stride[1] - w.pad[1] + j
        if 0 <= h < w.size[0] and 0 <= x < w.size[1] and plane[h, x] > best:
            best, winner, place = plane[h, x], i * w.kernel[1] + j, (h, x)
    return best, winner, place


def test_windows_of_more_cells_than_a_byte_can_number_are_left_to_the_kernel() -> None:
    x, w = np.ones((1, 12, 12), np.float32), windows((12, 12), (1, 1), (0, 0), (12, 12))
    assert not pooling.max_pool(x, w, np.empty((1, 1, 1), np.float32), np.empty((1, 1, 1), np.int16))


def test_what_becomes_of_the_pixels(build: Engine) -> None:
    """Several targets share the winners and what they meet."""
    w, rng = windows((3, 3), (2, 2), (1, 1), (9, 14)), np.random.default_rng(0)
    x, y = rng.normal(size=(4, 9, 14)).astype(np.float32), np.empty((4, *w.positions), np.float32)
    winners = np.empty(y.shape, np.int8)
    assert pooling.max_pool(x, w, y, winners)
    signal, onto = (rng.normal(size=(3, *shape)).astype(np.float32) for shape in (y.shape, x.shape))
    alone, found = np.empty_like(onto), np.empty_like(onto)
    assert pooling.to_winners(signal, winners, w, alone)
    assert pooling.to_winners(signal, winners, w, found, finish(Arrival(onto=onto, where=x), 2))
    np.testing.assert_array_equal(found, (onto + alone) * (x > 0))
