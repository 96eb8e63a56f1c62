"""Pictures are resized as OpenCV does it, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.solver.resizing import resized

from ..oracles import opencv
from .making import picture

SIZES = [(7, 11), (14, 22), (1, 1), (3, 40), (30, 2), (16, 16), (7, 22), (14, 11)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("new", SIZES)
def test_every_pixel_is_that_of_the_literal_formula(size, new):
    image = picture(*size)
    np.testing.assert_array_equal(resized(image, *new), opencv.resize(image, *new))


def test_opencv_itself_gives_the_same():
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(0)
    for height, width, tall, wide in rng.integers(1, 60, (300, 4)).tolist():
        image = picture(height, width)
        expected = cv2.resize(image, (wide, tall), interpolation=cv2.INTER_LINEAR).reshape(tall, wide, 3)
        np.testing.assert_array_equal(resized(image, tall, wide), expected)
        halves = cv2.resize(picture(2 * tall, 2 * wide), (wide, tall)).reshape(tall, wide, 3)
        np.testing.assert_array_equal(resized(picture(2 * tall, 2 * wide), tall, wide), halves)
