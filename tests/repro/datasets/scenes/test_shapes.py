"""Shapes against what their distances must be at places worked out by hand, and their bounds against all of their places."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.repro.datasets.scenes.shapes import Blend, Limb, Lines, Oval, Overlap, Polygon, Ring, Shape

SQUARE = Polygon([(0, 0), (4, 0), (4, 4), (0, 4)])
SHAPES: dict[str, Shape] = {
    "limb": Limb([(-1, -1), (1, 0), (1, 2)], [0.5, 0.3, 0.1]),
    "oval": Oval((0.5, -0.5), 2, 0.7, 30),
    "polygon": Polygon([(-2, -1), (2, -2), (0, 0), (1, 2)], 0.2),
    "ring": Ring((1, 1), 1.5, 0.2),
    "blend": Blend([Oval((-1, 0), 0.8, 0.8), Oval((1, 0), 0.8, 0.8)], 0.5),
    "overlap": Overlap(Oval((0, 0), 2, 2), Polygon([(-3, -3), (3, -3), (3, 0), (-3, 0)])),
    "rest": Overlap(Oval((0, 0), 2, 2), Oval((1, 0), 2, 2), without=True),
    "lines": Lines([((-2, -2), (2, 2)), ((0, 1), (0, 2))], 0.15),
}


@pytest.mark.parametrize(
    ("shape", "place", "distance"),
    [
        (Limb([(0, 0), (4, 0)], [1, 1]), (2, 3), 2),
        (Limb([(0, 0), (4, 0)], [1, 1]), (7, 4), 4),
        (Limb([(0, 0), (4, 0)], [2, 1]), (2, 0), -1.5),
        (SQUARE, (2, 1), -1),
        (SQUARE, (7, 8), 5),
        (SQUARE, (2, -3), 3),
        (SQUARE._replace(round=0.5), (2, -3), 2.5),
        (Oval((1, 1), 2, 2), (4, 5), 3),
        (Oval((0, 0), 3, 1), (3, 0), 0),
        (Oval((0, 0), 3, 1, 90), (0, 3), 0),
        (Ring((0, 0), 2, 0.5), (0, 0), 1.5),
        (Ring((0, 0), 2, 0.5), (2, 0), -0.5),
        (Overlap(SQUARE, Oval((0, 0), 2, 2)), (3, 3), 18**0.5 - 2),
        (Overlap(SQUARE, Polygon([(0, 0), (2, 0), (2, 4), (0, 4)]), without=True), (1, 2), 1),
        (Blend([SQUARE, Limb([(6, 2), (9, 2)], [1, 1])], 0.5), (2, 2), -2),
        (Blend([Limb([(0, 0), (4, 0)], [1, 1]), Limb([(0, 3), (4, 3)], [1, 1])], 1.0), (2, 1.5), 0.25),
        (Lines([((0, 0), (4, 0)), ((0, 9), (4, 9))], 0.5), (2, 7), 1.5),
    ],
)  # fmt: skip
def test_distances(shape: Shape, place: tuple[float, float], distance: float) -> None:
    x, y = (np.array([[float(value)]]) for value in place)
    assert shape.distance(x, y).item() == pytest.approx(distance, abs=0.01)


@pytest.mark.parametrize("name", SHAPES)
def test_bounds_hold_all_and_little_more(name: str) -> None:
    x, y = np.meshgrid(np.linspace(-4, 4, 401), np.linspace(-4, 4, 401))
    inside = SHAPES[name].distance(x, y) < 0
    loose = {"overlap": 0.8, "rest": 2}.get(name, 0.1)
    for degrees in range(0, 360, 15):
        dx, dy = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        true = (x * dx + y * dy)[inside].max()
        assert true - 0.01 <= SHAPES[name].far(dx, dy) <= true + loose
