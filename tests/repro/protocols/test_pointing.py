"""Hits, by hand and against a search through all points of a box."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from thinktwice.repro.protocols.pointing import blurred, centre, distance, hits, point

BOX = np.array([[20, 6, 23, 8.0]])


def test_the_centre_is_the_centre():
    assert centre((10, 40)) == (20, 5)
    assert hits(centre((10, 40)), np.array([[20, 5, 21, 6]]))
    assert not hits(centre((10, 40)), np.array([[19, 4, 20, 6]]))  # half-open: the centre's pixel starts at 20


@pytest.mark.parametrize(
    ("where", "tolerance", "hit"),
    [
        ((22.5, 7.5), 0, True),
        ((23.0, 7.0), 0, False),  # on the right edge, which is outside
        ((24.0, 7.0), 1, True),
        ((24.0, 7.0), 0.99, False),
        ((26.0, 12.0), 5, True),  # 3 and 4 beyond the corner
        ((26.0, 12.0), 4.99, False),
        ((5.5, 7.0), 15, True),
        ((4.5, 7.0), 15, False),
    ],
)
def test_a_maximum_beside_the_box_hits_within_the_tolerance(where, tolerance, hit):
    assert hits(where, BOX, tolerance) is hit
    assert hits(where, np.concatenate([[[90, 90, 91, 91]], BOX]), tolerance) is hit  # any box will do
    assert not hits(where, np.zeros((0, 4)), tolerance)


def test_the_distance_is_that_of_the_nearest_of_all_points():
    rng = np.random.default_rng(0)
    for _ in range(50):
        x, y = (rng.integers(0, 40, 2) / 2).tolist()
        left, top, width, height = rng.integers(1, 10, 4).tolist()
        grid = product(np.arange(left, left + width + 0.5, 0.5), np.arange(top, top + height + 0.5, 0.5))
        nearest = min(np.hypot(x - u, y - v) for u, v in grid)
        assert distance((x, y), (left, top, left + width, top + height)) == pytest.approx(nearest)


def test_of_equal_maxima_the_first_in_raster_order_counts():
    map_ = np.zeros((4, 6))
    map_[1, 5] = map_[2, 0] = 1
    assert point(map_, (4, 6), blur=0) == (5.5, 1.5)


def test_the_blur_is_a_part_of_the_longer_side():
    map_ = np.zeros((31, 51))
    map_[15, 25] = 1
    smooth = blurred(map_, 0.04)  # sigma 2.04
    assert smooth[15, 27] / smooth[15, 25] == pytest.approx(np.exp(-(2**2) / (2 * 2.04**2)))
    assert blurred(map_, 0) is map_
