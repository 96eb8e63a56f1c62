"""Shapes as signed distances: below 0 inside, above 0 outside, in the units of the frame that they are drawn in.

Every shape has ``distance(x, y)`` for arrays of places, and ``far(dx, dy)``: the greatest x * dx + y * dy of its places, or a
little more (its support function), which gives its bounds under any view.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np

from .exact import Point, clip, direction, root, sine


class Shape(Protocol):
    def far(self, dx: float, dy: float) -> float: ...

    def distance(self, x: np.ndarray, y: np.ndarray) -> np.ndarray: ...


class Limb(NamedTuple):
    """A chain of round, tapered segments through ``points``, as thick as ``radii`` there."""

    points: Sequence[Point]
    radii: Sequence[float]

    def far(self, dx: float, dy: float) -> float:
        length = root(dx * dx + dy * dy)
        return max(x * dx + y * dy + length * r for (x, y), r in zip(self.points, self.radii, strict=True))

    def distance(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        ends = pairwise(zip(self.points, self.radii, strict=True))
        return _least([_segment(x, y, *start, *end) for start, end in ends])


class Oval(NamedTuple):
    """An ellipse; ``turned`` degrees clockwise."""

    centre: Point
    wide: float
    high: float
    turned: float = 0.0

    def far(self, dx: float, dy: float) -> float:
        c, s = direction(self.turned)
        u, v = (c * dx + s * dy) * self.wide, (c * dy - s * dx) * self.high
        return self.centre[0] * dx + self.centre[1] * dy + root(u * u + v * v)

    def distance(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        c, s = direction(self.turned)
        dx, dy = x - self.centre[0], y - self.centre[1]
        u, v = (c * dx + s * dy) / self.wide, (c * dy - s * dx) / self.high
        inward = np.sqrt(u * u + v * v)
        u, v = u / self.wide, v / self.high
        return inward * (inward - 1) / (np.sqrt(u * u + v * v) + 1e-9)


class Polygon(NamedTuple):
    """The inside of a closed line through ``points``, with corners rounded by ``round``, which is added all around."""

    points: Sequence[Point]
    round: float = 0.0

    def far(self, dx: float, dy: float) -> float:
        return _farthest(self.points, dx, dy, self.round)

    def distance(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        nearest = np.full(x.shape, 1e9)
        inside = np.zeros(x.shape, bool)
        for (ax, ay), (bx, by) in pairwise([*self.points, self.points[0]]):
            ex, ey = bx - ax, by - ay
            px, py = x - ax, y - ay
            along = clip((px * ex + py * ey) / (ex * ex + ey * ey + 1e-12))
            dx, dy = px - along * ex, py - along * ey
            nearest = np.minimum(nearest, dx * dx + dy * dy)
            if ey != 0:
                inside ^= ((py >= 0) != (y >= by)) & (px < py * (ex / ey))
        far = np.sqrt(nearest)
        return np.where(inside, -far, far) - self.round


class Ring(NamedTuple):
    """A circle's line, ``thick`` to either side."""

    centre: Point
    radius: float
    thick: float

    def far(self, dx: float, dy: float) -> float:
        return _farthest([self.centre], dx, dy, self.radius + self.thick)

    def distance(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        dx, dy = x - self.centre[0], y - self.centre[1]
        return abs(np.sqrt(dx * dx + dy * dy) - self.radius) - self.thick


class Blend(NamedTuple):
    """Shapes that flow into each other where they are nearer than ``flow``."""

    shapes: Sequence[Shape]
    flow: float

    def far(self, dx: float, dy: float) -> float:
        return max(shape.far(dx, dy) for shape in self.shapes) + self.flow / 8

    def distance(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        first, *others = (shape.distance(x, y) for shape in self.shapes)
        for other in others:
            near = np.maximum(self.flow - abs(first - other), 0)
            first = np.minimum(first, other) - near * near * (0.25 / self.flow)
        return first


class Overlap(NamedTuple):
    """What lies in the shape and in the ``other``; with ``without``, in the shape alone."""

    shape: Shape
    other: Shape
    without: bool = False

    def far(self, dx: float, dy: float) -> float:
        whole = self.shape.far(dx, dy)
        return whole if self.without else min(whole, self.other.far(dx, dy))

    def distance(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        other = self.other.distance(x, y)
        return np.maximum(self.shape.distance(x, y), -other if self.without else other)


class Lines(NamedTuple):
    """Separate straight lines, all equally thick."""

    pairs: Sequence[tuple[Point, Point]]
    radius: float

    def far(self, dx: float, dy: float) -> float:
        return _farthest([point for pair in self.pairs for point in pair], dx, dy, self.radius)

    def distance(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return _least([_segment(x, y, start, self.radius, end, self.radius) for start, end in self.pairs])


def arc(centre: Point, radius: float, start: float, stop: float, count: int = 8, flat: float = 1.0) -> list[Point]:
    """Points on a circle from ``start`` to ``stop`` degrees; ``flat`` presses it vertically."""
    angles = [start + (stop - start) * number / (count - 1) for number in range(count)]
    x, y = centre
    return [(x + radius * float(sine(a + 90.0)), y + radius * flat * float(sine(a))) for a in angles]


def curve(points: Sequence[Point], pieces: int = 4) -> list[Point]:
    """A smooth line through the points (Catmull and Rom's), ``pieces`` to each stretch."""
    padded = [points[0], *points, points[-1]]
    line = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        for number in range(pieces):
            t = number / pieces
            line.append((_catmull(a[0], b[0], c[0], d[0], t), _catmull(a[1], b[1], c[1], d[1], t)))
    return [*line, points[-1]]


def closed_curve(points: Sequence[Point], pieces: int = 3) -> list[Point]:
    """A smooth closed line through the points."""
    count = len(points)
    line = []
    for number in range(count):
        a, b, c, d = (points[(number + shift) % count] for shift in (-1, 0, 1, 2))
        for piece in range(pieces):
            t = piece / pieces
            line.append((_catmull(a[0], b[0], c[0], d[0], t), _catmull(a[1], b[1], c[1], d[1], t)))
    return line


def reach(start: Point, degrees: float, length: float) -> Point:
    """The point ``length`` away in the direction of ``degrees`` (0: right, 90: down)."""
    x, y = direction(degrees)
    return start[0] + length * x, start[1] + length * y


def middle(a: Point, b: Point, part: float = 0.5) -> Point:
    return a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1])


def _catmull(a: float, b: float, c: float, d: float, t: float) -> float:
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def _segment(x: np.ndarray, y: np.ndarray, start: Point, thick: float, end: Point, thick_end: float) -> np.ndarray:
    ex, ey = end[0] - start[0], end[1] - start[1]
    px, py = x - start[0], y - start[1]
    along = clip((px * ex + py * ey) / (ex * ex + ey * ey + 1e-12))
    dx, dy = px - along * ex, py - along * ey
    return np.sqrt(dx * dx + dy * dy) - (thick + along * (thick_end - thick))


def _least(distances: Sequence[np.ndarray]) -> np.ndarray:
    first, *others = distances
    for other in others:
        first = np.minimum(first, other)
    return first


def _farthest(points: Sequence[Point], dx: float, dy: float, margin: float) -> float:
    return max(x * dx + y * dy for x, y in points) + margin * root(dx * dx + dy * dy)
