"""Scaling and rotating: where every pixel comes from, and that nothing happens unless asked for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from thinktwice.errors import BadInput
from thinktwice.solver.augmentation import Augmentation, turned
from thinktwice.solver.data_layer import DataLayer
from thinktwice.solver.transformation import Transformation

from .making import layer

IMAGE = np.random.default_rng(0).integers(0, 256, (3, 9, 14), np.uint8)


def literal(image: np.ndarray, scale: float, degrees: float) -> np.ndarray:
    """Bilinear at the place that a pixel had before; beyond the edges the image is mirrored again and again."""
    out, (_, height, width) = np.zeros(image.shape), image.shape
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    for i, j in np.ndindex(height, width):
        right, down = (j + 0.5 - width / 2) / scale, (i + 0.5 - height / 2) / scale
        x = width / 2 + right * cos - down * sin - 0.5
        y = height / 2 + right * sin + down * cos - 0.5
        for row in (math.floor(y), math.floor(y) + 1):
            for column in (math.floor(x), math.floor(x) + 1):
                weight = (1 - abs(y - row)) * (1 - abs(x - column))
                out[:, i, j] += weight * image[:, _mirrored(row, height), _mirrored(column, width)]
    return out


def _mirrored(index: int, size: int) -> int:
    index %= 2 * size
    return min(index, 2 * size - 1 - index)


@pytest.mark.parametrize(("scale", "degrees"), [(1.3, 0), (0.8, 0), (1, 20), (0.7, -35), (0.2, 170), (3, 90)])
def test_every_pixel_comes_from_its_place(scale, degrees):
    np.testing.assert_allclose(turned(IMAGE, scale, degrees), literal(IMAGE, scale, degrees), atol=1e-4)


def test_rotation_is_counter_clockwise_and_scale_enlarges():
    square = IMAGE[:, :, :9]
    np.testing.assert_allclose(turned(square, 1, 90), np.rot90(square, 1, (1, 2)), atol=1e-4)
    away = np.hypot(*(np.mgrid[:41, :41] - 20))
    for scale in (0.5, 2):
        hill = turned(np.exp(-((away / 3) ** 2))[None], scale, 0)[0]
        np.testing.assert_allclose(hill[12:29, 12:29], np.exp(-((away / scale / 3) ** 2))[12:29, 12:29], atol=0.06)


def test_nothing_asked_changes_nothing():
    np.testing.assert_array_equal(turned(IMAGE, 1, 0), IMAGE)


def step(more: str, tmp_path, phase: str = "TRAIN", transform: str = "") -> Transformation:
    message = layer("ImageData", transform=transform, more=f"augmentation_param {{ {more} }}")
    return Transformation(DataLayer(message, tmp_path, phase, 3))


def test_a_layer_asks_for_it_in_training_only(tmp_path):
    ranges = "min_scale: 0.5 max_scale: 2 min_rotation: -10 max_rotation: 30"
    assert step(ranges, tmp_path).augmentation == Augmentation((0.5, 2), (-10, 30))
    assert step(ranges, tmp_path, "TEST").augmentation is None
    assert step("", tmp_path).augmentation is None


def test_draws_fill_their_range_and_come_before_crop_and_mirror(tmp_path):
    made = step("max_scale: 1.5 max_rotation: 20", tmp_path)
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).random((1, 21, 21)), (0, 2, 2)).astype(np.float32)
    drawn = []
    for number in range(40):
        result = made(smooth, number, "")
        np.testing.assert_array_equal(result, made(smooth, number, ""))
        drawn.append(_nearest_turn(smooth, result))
    scales, angles = np.transpose(drawn)
    assert scales.min() < 1.1 and scales.max() > 1.4 and angles.min() < 4 and angles.max() > 16
    cropped = step("max_scale: 1.5 max_rotation: 20", tmp_path, transform="crop_size: 13 mirror: true")
    for number in range(40):  # the crop's own draws do not depend on it
        plain = step("", tmp_path, transform="crop_size: 13 mirror: true")(made(smooth, number, ""), number, "")
        np.testing.assert_array_equal(cropped(smooth, number, ""), plain)


def _nearest_turn(image: np.ndarray, result: np.ndarray) -> tuple[float, float]:
    grid = [(scale, angle) for scale in np.linspace(1, 1.5, 11) for angle in np.linspace(0, 20, 11)]
    return min(grid, key=lambda asked: float(np.abs(turned(image, *asked) - result).sum()))


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ("min_scale: 0", "found scales from 0 to 1, expected a range within 0.1 to 10"),
        ("min_scale: 2", "found scales from 2 to 1, expected a range"),
        ("max_scale: nan", "found scales from 1 to nan"),
        ("max_rotation: 200", "found rotations from 0 to 200 degrees, expected a range within -180 to 180"),
        ("max_rotation: -5", "found rotations from 0 to -5 degrees"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(tmp_path, more, line):
    with pytest.raises(BadInput, match=f"layer 'data' .ImageData.: augmentation_param: {line}"):
        step(more, tmp_path)
