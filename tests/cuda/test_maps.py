"""Kernels from a signal to a map, from map to map, and to boxes, against their NumPy way, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from thinktwice.attention.boxes import energy_box, energy_mask, tightest_box
from thinktwice.attention.maps import KERNELS, REDUCTIONS, over_channels, resize
from thinktwice.cuda import kernels

from .test_slide import TYPES, numbers, same

pytestmark = pytest.mark.usefixtures("host")


@TYPES
@pytest.mark.parametrize("how", sorted(REDUCTIONS))
@pytest.mark.parametrize(
    "shape", [(3, 2, 5, 7, 11), (2, 1, 1, 3, 4), (2, 64, 37, 41), (1, 2, 3, 1, 1), (0, 2, 3, 2, 2)]
)
def test_channels_become_one(by_numpy: Callable, dtype: Any, how: str, shape: tuple) -> None:
    signal = numbers(shape, dtype, 0)
    same(over_channels(signal, how), by_numpy(lambda: over_channels(signal, how)))
    signal[..., :1, :, ::3] = np.nan
    same(over_channels(signal, how), by_numpy(lambda: over_channels(signal, how)))


@TYPES
@pytest.mark.parametrize("how", sorted(KERNELS))
@pytest.mark.parametrize("size", [(1, 1), (7, 11), (31, 29), (5, 60), (224, 1)])
@pytest.mark.parametrize("shape", [(7, 11), (2, 3, 7, 11), (1, 1), (3, 1, 9), (2, 19, 1), (0, 4, 3), (2, 40, 37)])
def test_resizing(by_numpy: Callable, dtype: Any, how: str, size: tuple, shape: tuple) -> None:
    maps = numbers(shape, dtype, 0)
    same(resize(maps, *size, how), by_numpy(lambda: resize(maps, *size, how)))
    maps[..., :1, ::3] = np.nan  # stays where it is seen, and leaves no range to clip to
    same(resize(maps, *size, how), by_numpy(lambda: resize(maps, *size, how)))


def test_a_part_of_a_map_is_resized_as_its_copy() -> None:
    maps = numbers((2, 9, 13), np.float32, 0)[:, 1:8, 2:12]
    same(resize(maps, 20, 30), resize(maps.copy(), 20, 30))


def test_numbers_without_a_kernel_are_resized_too() -> None:
    maps = numbers((2, 5, 7), np.float32, 0)
    found = resize(maps.astype(np.float16), 11, 6)
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, resize(maps, 11, 6), atol=0.01)


def test_no_kernel_takes_another_number_of_neighbours() -> None:
    x, y = numbers((4, 5), np.float32, 0), np.full((4, 5), 7, np.float32)
    source, weights = np.zeros((3, 5), np.int32), np.ones((3, 5), np.float32)
    assert not kernels.resize_columns(x, source, weights, y)
    assert not kernels.resize_rows(x, source[:, :4].copy(), weights[:, :4].copy(), None, None, y)
    assert (y == 7).all()


def test_rows_past_2_to_the_31() -> None:
    """Of a plane of 2^31.3 numbers only those rows are real memory that are seen."""
    x = np.zeros((1, 1 << 16, 40_000), np.float32)
    x[0, 60_001, 39_999] = 5
    source, weights = np.array([[0], [60_001]], np.int32), np.array([[1], [2]], np.float32)
    y = np.empty((1, 1, 40_000), np.float32)
    assert kernels.resize_rows(x, source, weights, None, None, y)
    assert (y[0, 0, -1], y.sum()) == (10, 10)


@pytest.mark.parametrize("fraction", [1e-9, 0.1, 0.5, 0.95, 0.99, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (3, 1, 2), (5, 7, 11), (2, 3, 57, 61), (0, 4, 5)])
def test_what_holds_most_of_the_energy(by_numpy: Callable, fraction: float, shape: tuple) -> None:
    """Of whole numbers, whose sums are exact in any order; with ties, zeros, negative numbers, and maps of nothing else."""
    maps = np.floor(9 * numbers(shape, np.float32, 0))
    maps[:1] = -1
    maps[1:2, ..., 1:] = -1
    for power in (1, 2):
        for answer in (energy_mask, energy_box):
            found = answer(maps, fraction, power)
            same(found, by_numpy(lambda answer=answer, power=power: answer(maps, fraction, power)))


@pytest.mark.parametrize("pixels", [2, 3, 56 * 56])
def test_all_of_the_energy_is_in_what_has_some(pixels: int) -> None:
    """However it is added up, by one thread or by several."""
    drawn = np.random.default_rng(0).uniform(-1, 1, (40, 1, pixels))
    maps = np.where(drawn > 0, 0.1 + drawn, 0)
    maps[:, :, :1] = 0.3
    same(energy_mask(maps, 1.0), maps > 0)


@pytest.mark.parametrize("shape", [(1, 1), (7, 11), (2, 3, 8, 31), (2, 1, 257), (3, 257, 1), (0, 4, 5)])
@pytest.mark.parametrize("share", [0, 0.02, 0.5, 1])
def test_the_tightest_box(by_numpy: Callable, shape: tuple, share: float) -> None:
    masks = np.random.default_rng(0).random(shape) < share
    same(tightest_box(masks), by_numpy(lambda: tightest_box(masks)))
    for part in (masks[..., ::-1], masks.astype(float)):  # which no kernel reads
        same(tightest_box(part), by_numpy(lambda part=part: tightest_box(part)))


def test_a_box_is_around_every_single_pixel() -> None:
    size = (6, 9)
    masks = np.eye(54, dtype=bool).reshape(54, *size)
    expected = [[x, y, x + 1, y + 1] for y, x in np.ndindex(*size)]
    assert tightest_box(masks).tolist() == expected
    assert tightest_box(masks[0] | masks[-1]).tolist() == [0, 0, 9, 6]
    assert tightest_box(masks[5 * 9] | masks[3 * 9 + 8]).tolist() == [0, 3, 9, 6]
