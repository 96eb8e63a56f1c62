"""Overlaps of boxes from maps, against the definitions step by step."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.attention.box_rule import box_rule
from thinktwice.repro.protocols.boxes import ALPHAS, MEAN_RULES, overlaps


def overlap(a, b):
    """IoU of two boxes of whole pixels, by counting them."""
    first, second = ({(x, y) for x in range(c[0], c[2]) for y in range(c[1], c[3])} for c in (a, b))
    return len(first & second) / len(first | second)


def test_alphas_are_the_papers():
    assert list(ALPHAS) == [number / 2 for number in range(21)]
    assert [rule.alpha for rule in MEAN_RULES] == list(ALPHAS)


@pytest.mark.parametrize("seed", range(4))
def test_mean_boxes_pixel_by_pixel(seed):
    rng = np.random.default_rng(seed)
    map_ = rng.random((6, 9)) ** 8
    truth = np.array([[4, 0, 18, 6], [0, 2, 8, 12]])
    found = overlaps(map_, MEAN_RULES, truth, (12, 18))  # each pixel of the map is 2 x 2 of the image's
    for alpha, value in zip(ALPHAS, found, strict=True):
        above = [(x, y) for y in range(6) for x in range(9) if map_[y, x] > alpha * map_.mean()]
        above = above or [(0, 0), (8, 5)]
        xs, ys = zip(*above, strict=True)
        box = (2 * min(xs), 2 * min(ys), 2 * max(xs) + 2, 2 * max(ys) + 2)
        assert value == pytest.approx(max(overlap(box, one) for one in truth))


def test_energy_and_contours_by_hand():
    map_ = np.zeros((10, 10))
    map_[1:3, 1:5] = 6  # 48
    map_[7:9, 6:9] = 8  # 48
    map_[5, 5] = 4  # 4 of 100
    truth = np.array([[1, 1, 5, 3]])
    energy, whole, contour = overlaps(
        map_, [box_rule(text) for text in ("energy:0.95", "energy:1", "contours:energy:0.95")], truth, (10, 10)
    )
    assert energy == whole == pytest.approx(8 / 64)  # both parts in one box
    assert contour == 1  # the first of two equally strong parts
