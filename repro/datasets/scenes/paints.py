"""What surfaces look like: a paint gives every place (u, v) of a part a colour, (3, h, w), red, green, blue from 0 to 1.

``pixel`` is the size of a pixel in the same units, so that edges in a pattern come out as sharp as the picture allows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .exact import Chance, Point, sine, step
from .noise import cells, fractal, noise

Colour = tuple[float, float, float]
Paint = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """A colour by hue (in turns, any number), saturation and value."""
    red, green, blue = (
        value * (1 - saturation + saturation * min(max(abs((hue + shift) % 1 * 6 - 3) - 1, 0.0), 1.0))
        for shift in (0.0, 2 / 3, 1 / 3)
    )
    return red, green, blue


def vivid(c: Chance) -> Colour:
    """The colour of something lacquered, dyed or printed."""
    return hsv(c.unit(), c.between(0.3, 0.8), c.between(0.3, 0.88))


def pale(c: Chance) -> Colour:
    return hsv(c.unit(), c.between(0.02, 0.2), c.between(0.75, 0.97))


def dark(c: Chance) -> Colour:
    return hsv(c.unit(), c.between(0.05, 0.4), c.between(0.08, 0.25))


def metal(c: Chance) -> Colour:
    return hsv(c.between(0.5, 0.7), c.between(0.0, 0.12), c.between(0.45, 0.85))


def woody(c: Chance) -> Colour:
    return hsv(c.between(0.04, 0.12), c.between(0.35, 0.75), c.between(0.3, 0.8))


def leafy(c: Chance) -> Colour:
    return hsv(c.between(0.19, 0.4), c.between(0.3, 0.75), c.between(0.25, 0.65))


def anything(c: Chance) -> Colour:
    return c.one_of((vivid, vivid, vivid, pale, dark, metal, woody))(c)


def lighter(colour: Colour, part: float) -> Colour:
    """Mixed with white, or for negative parts with black."""
    goal, part = (1.0, part) if part > 0 else (0.0, -part)
    return _each(lambda value: value + part * (goal - value), colour)


def blended(a: Colour, b: Colour, part: float) -> Colour:
    return a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1]), a[2] + part * (b[2] - a[2])


# -- paints -----------------------------------------------------------------------------------------------------------


def plain(colour: Colour) -> Paint:
    """One colour without any grain: for small parts."""
    return lambda u, v, pixel: planes(colour)


def grainy(c: Chance, colour: Colour, strength: float = 0.12, pace: float = 14.0) -> Paint:
    """Uneven as skin, stone, or paint that has seen weather."""
    at, to = _somewhere(c)

    def paint(u: np.ndarray, v: np.ndarray, pixel: float) -> np.ndarray:
        return planes(colour) * (1 + strength * fractal(u * pace + at, v * pace + to, 2))

    return paint


def striped(c: Chance, light: Colour, ink: Colour, pace: float, share: float = 0.5, wobble: float = 0.25) -> Paint:
    """Stripes across u, ``pace`` of them to a unit, of which ``share`` is ink, running unevenly by ``wobble`` of a stripe."""
    at, to = _somewhere(c)
    bend = c.between(1.2, 2.6)

    def paint(u: np.ndarray, v: np.ndarray, pixel: float) -> np.ndarray:
        phase = pace * u + wobble * noise(u * bend * 2 + at, v * bend * 2 + to) + at
        wave = sine(phase * 360) + 0.35 * noise(u * 9 + to, v * 9 + at)
        return mixed(light, ink, step(wave, 1 - 2 * share, max(0.35, pace * pixel * 8)))

    return paint


def meshed(c: Chance, seam: Colour, patch: Colour, pace: float, width: float) -> Paint:
    """Patches with seams between them, ``pace`` to a unit: a giraffe's, or dry earth's."""
    at, to = _somewhere(c)
    second = lighter(patch, -0.25)

    def paint(u: np.ndarray, v: np.ndarray, pixel: float) -> np.ndarray:
        x = u * pace + at + 0.25 * noise(u * pace * 2 + to, v * pace * 2)
        near, far = cells(x, v * pace + to)
        inner = planes(patch) + (planes(second) - planes(patch)) * (1 - near)
        return inner + (planes(seam) - inner) * (1 - step(far - near, width, max(0.08, 2 * pace * pixel)))

    return paint


def spotted(c: Chance, ground: Colour, spot: Colour, pace: float, size: float, hollow: float = 0.0) -> Paint:
    """Scattered spots, ``pace`` to a unit; ``hollow`` is the part of their radius that shows a middle of another colour."""
    at, to = _somewhere(c)
    centre = blended(ground, spot, 0.3)

    def paint(u: np.ndarray, v: np.ndarray, pixel: float) -> np.ndarray:
        x, y = u * pace + at, v * pace + to
        near, _ = cells(x, y)
        near = near + 0.13 * noise(x * 3.1, y * 3.1)
        soft = max(0.08, 1.5 * pace * pixel)
        surface = mixed(ground, spot, 1 - step(near, size, soft))
        if hollow:
            surface = surface + (planes(centre) - surface) * (1 - step(near, size * hollow, soft))
        return surface

    return paint


def wooden(c: Chance, colour: Colour) -> Paint:
    """Fibres along u."""
    at, to = _somewhere(c)

    def paint(u: np.ndarray, v: np.ndarray, pixel: float) -> np.ndarray:
        rings = sine((v * 9 + 1.5 * noise(u * 1.5 + at, v * 3 + to)) * 360)
        return planes(colour) * (1 + 0.1 * rings + 0.12 * noise(u * 4 + to, v * 40 + at))

    return paint


def banded(colours: Sequence[Colour], edges: Sequence[float]) -> Paint:
    """One colour after the other along v, changing at the ``edges``."""

    def paint(u: np.ndarray, v: np.ndarray, pixel: float) -> np.ndarray:
        surface = planes(colours[0])
        for colour, edge in zip(colours[1:], edges, strict=True):
            surface = surface + (planes(colour) - surface) * step(v, edge, max(2 * pixel, 0.01))
        return surface

    return paint


def bellied(paint: Paint, belly: Colour, edge: float, width: float) -> Paint:
    """Another paint with a lighter (or other) belly below v = ``edge``."""

    def with_belly(u: np.ndarray, v: np.ndarray, pixel: float) -> np.ndarray:
        surface = paint(u, v, pixel)
        return surface + (planes(belly) - surface) * step(v, edge, width)

    return with_belly


def shaded(paint: Paint, part: float) -> Paint:
    """Another paint in the shade: ``part`` of its brightness."""
    return lambda u, v, pixel: paint(u, v, pixel) * part


def planes(colour: Colour) -> np.ndarray:
    """A colour that broadcasts against (3, h, w)."""
    return np.array(colour)[:, None, None]


def mixed(a: Colour, b: Colour, part: np.ndarray) -> np.ndarray:
    """From ``a`` where ``part`` (h, w) is 0 to ``b`` where it is 1."""
    return planes(a) + (planes(b) - planes(a)) * part


def _somewhere(c: Chance) -> Point:
    return c.between(0, 200), c.between(0, 200)


def _each(change: Callable[[float], float], colour: Colour) -> Colour:
    return change(colour[0]), change(colour[1]), change(colour[2])
