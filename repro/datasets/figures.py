"""Eight figures that share many of their parts: roofs look like sails, spots sit on ladybirds, mushrooms and butterflies.

A figure is a list of parts, painted in order; a part is a polygon in the figure's own frame (x to the right, y down, about
-1 to 1) with its colour. Hues, proportions and the number of spots, stripes and petals are drawn anew each time.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Colour = tuple[int, int, int]

DARK: Colour = (38, 34, 42)
WHITE: Colour = (250, 248, 240)
CREAM: Colour = (235, 222, 196)
LIT_PANE: Colour = (250, 226, 120)
BLUE_PANE: Colour = (170, 205, 230)


class Part(NamedTuple):
    """A filled polygon: ``points`` (n, 2) as x, y; ``outline`` draws a darker rim around it."""

    points: np.ndarray
    colour: Colour
    outline: bool = True


class Figure(NamedTuple):
    """How a class looks, and by how many degrees either way it may be turned."""

    draw: Callable[[np.random.Generator], list[Part]]
    turn: float


# -- the figures ------------------------------------------------------------------------------------------------------


def fish(rng: np.random.Generator) -> list[Part]:
    skin, band = two_colours(rng)
    height = rng.uniform(0.40, 0.55)
    tail = polygon([(-0.45, 0), (-0.95, -0.48), (-0.80, 0), (-0.95, 0.48)])
    fins = [polygon([(-0.2, -height * 0.8), (0.05, -height - 0.3), (0.35, -height * 0.8)])]
    fins += [polygon([(-0.15, height * 0.8), (-0.05, height + 0.25), (0.2, height * 0.85)])]
    body = ellipse(0.15, 0, 0.75, height)
    bands = [_slice_of_ellipse(x, x + 0.14, 0.15, 0.75, height) for x in np.linspace(-0.3, 0.3, rng.integers(2, 4))]
    return [
        *(Part(p, band) for p in (tail, *fins)),
        Part(body, skin),
        *(Part(p, band, False) for p in bands),
        *_eye(0.62, -0.12, 0.13),
    ]


def ladybird(rng: np.random.Generator) -> list[Part]:
    wing = colour(rng)
    legs = [stroke([(side * 0.5, y), (side * 0.85, y + dy)], 0.09) for side in (-1, 1) for y, dy in LEGS]
    feelers = [stroke([(side * 0.12, -0.7), (side * 0.35, -0.98)], 0.07) for side in (-1, 1)]
    rows = np.linspace(-0.18, 0.55, rng.integers(2, 4))
    spots = [disc(side * rng.uniform(0.27, 0.4), y, rng.uniform(0.11, 0.16)) for y in rows for side in (-1, 1)]
    return [
        *(Part(p, DARK, False) for p in (*legs, *feelers)),
        Part(ellipse(0, -0.55, 0.4, 0.32), DARK),
        *(Part(disc(side * 0.2, -0.68, 0.09), WHITE, False) for side in (-1, 1)),
        Part(ellipse(0, 0.18, 0.70, 0.74), wing),
        *(Part(p, DARK, False) for p in spots),
        Part(stroke([(0, -0.5), (0, 0.92)], 0.06), DARK, False),
    ]


LEGS = [(-0.15, -0.22), (0.2, 0.05), (0.5, 0.3)]


def flower(rng: np.random.Generator) -> list[Part]:
    petal, heart = two_colours(rng)
    green = hsv(rng.uniform(0.22, 0.42), 0.55, rng.uniform(0.4, 0.7))
    number, length = int(rng.integers(5, 9)), rng.uniform(0.30, 0.36)
    angles = rng.uniform(0, 2 * np.pi) + np.arange(number) * 2 * np.pi / number
    petals = [
        ellipse(0.40 * np.cos(a), -0.3 + 0.40 * np.sin(a), length, min(0.95 / number, 0.22) + 0.06, a) for a in angles
    ]
    return [
        Part(stroke([(0, -0.2), (0.06, 0.4), (0, 1.0)], 0.09), green),
        Part(ellipse(0.25, 0.62, 0.26, 0.11, -0.6), green),
        *(Part(p, petal) for p in petals),
        Part(disc(0, -0.3, 0.22), heart),
    ]


def sailboat(rng: np.random.Generator) -> list[Part]:
    hull, sail = two_colours(rng)
    jib = sail if rng.random() < 0.5 else WHITE
    deck = rng.uniform(0.35, 0.45)
    return [
        Part(stroke([(0, -0.98), (0, deck)], 0.07), DARK, False),
        Part(polygon([(0.07, -0.9), (0.07, deck - 0.1), (rng.uniform(0.6, 0.8), deck - 0.1)]), sail),
        Part(polygon([(-0.07, -0.75), (-0.07, deck - 0.1), (-rng.uniform(0.45, 0.65), deck - 0.1)]), jib),
        Part(polygon([(-0.9, deck), (0.95, deck), (0.6, deck + 0.45), (-0.6, deck + 0.45)]), hull),
        Part(stroke([(-0.8, deck + 0.17), (0.83, deck + 0.17)], 0.1), WHITE, False),
    ]


def tree(rng: np.random.Generator) -> list[Part]:
    leaf, bark = colour(rng), hsv(rng.uniform(0.05, 0.08), 0.55, rng.uniform(0.35, 0.5))
    trunk = Part(polygon([(-0.12, 0.3), (0.12, 0.3), (0.17, 1.0), (-0.17, 1.0)]), bark)
    tiers = np.linspace(-0.95, 0.05, rng.integers(3, 5))
    widths = np.linspace(rng.uniform(0.35, 0.45), rng.uniform(0.7, 0.8), len(tiers))
    needles = [polygon([(0, y), (w, y + 0.65), (-w, y + 0.65)]) for y, w in zip(tiers, widths, strict=True)]
    return [trunk, *(Part(p, leaf) for p in reversed(needles))]


def mushroom(rng: np.random.Generator) -> list[Part]:
    cap = colour(rng)
    spot = WHITE if rng.random() < 0.6 else DARK
    top = [(0.9 * np.cos(a), 0.1 - 0.85 * np.sin(a)) for a in np.linspace(0, np.pi, 30)]
    brim = [(0.9 * np.cos(a), 0.1 + 0.14 * np.sin(a)) for a in np.linspace(np.pi, 0, 15)]
    spots = [disc(x, y, rng.uniform(0.09, 0.15)) for x, y in CAP_SPOTS if rng.random() < 0.85]
    return [
        Part(polygon([(-0.24, 0.1), (0.24, 0.1), (0.34, 0.9), (0.0, 0.98), (-0.34, 0.9)]), CREAM),
        Part(polygon([*top, *brim]), cap),
        *(Part(p, spot, False) for p in spots),
    ]


CAP_SPOTS = [(-0.55, -0.12), (-0.18, -0.02), (0.28, -0.08), (0.58, -0.15), (-0.28, -0.45), (0.12, -0.42)]


def butterfly(rng: np.random.Generator) -> list[Part]:
    wing, mark = two_colours(rng)
    spread = rng.uniform(0.85, 1.0)
    parts = []
    for side in (-1, 1):
        lower = ellipse(side * 0.40 * spread, 0.42, 0.36, 0.32, side * 0.6)
        upper = ellipse(side * 0.52 * spread, -0.28, 0.52, 0.36, -side * 0.6)
        parts += [Part(lower, mark), Part(upper, wing)]
        parts += [Part(disc(side * 0.62 * spread, -0.36, 0.16), mark, False)]
        parts += [Part(disc(side * 0.42 * spread, 0.44, 0.12), wing, False)]
        parts += [Part(stroke([(0, -0.5), (side * 0.12, -0.78), (side * 0.3, -0.95)], 0.06), DARK, False)]
    return [*parts, Part(ellipse(0, 0.05, 0.1, 0.62), DARK)]


def house(rng: np.random.Generator) -> list[Part]:
    wall, roof = two_colours(rng)
    pane = LIT_PANE if rng.random() < 0.5 else BLUE_PANE
    half = rng.uniform(0.58, 0.72)
    side = rng.choice([-1, 1])
    return [
        Part(rectangle(side * 0.41, -0.55, 0.22, 0.7), wall),
        Part(rectangle(0, 0.41, 2 * half, 1.02), wall),
        Part(polygon([(-half - 0.22, -0.05), (0, -0.9), (half + 0.22, -0.05)]), roof),
        Part(rectangle(-side * half * 0.45, 0.61, 0.32, 0.62), roof),
        Part(rectangle(side * half * 0.45, 0.3, 0.38, 0.34), pane),
    ]


FIGURES: dict[str, Figure] = {
    "fish": Figure(fish, 35),
    "ladybird": Figure(ladybird, 180),
    "flower": Figure(flower, 30),
    "sailboat": Figure(sailboat, 15),
    "tree": Figure(tree, 12),
    "mushroom": Figure(mushroom, 25),
    "butterfly": Figure(butterfly, 60),
    "house": Figure(house, 10),
}
"""Every class by name; a label is a place in this order."""


# -- polygons ---------------------------------------------------------------------------------------------------------


def polygon(points: list[tuple[float, float]]) -> np.ndarray:
    return np.array(points, np.float64)


def rectangle(x: float, y: float, width: float, height: float) -> np.ndarray:
    """A rectangle around (x, y)."""
    w, h = width / 2, height / 2
    return polygon([(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)])


def ellipse(x: float, y: float, rx: float, ry: float, angle: float = 0.0) -> np.ndarray:
    """The rim of an ellipse around (x, y), turned by ``angle`` (radians)."""
    a = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    u, v = rx * np.cos(a), ry * np.sin(a)
    return np.stack([x + u * np.cos(angle) - v * np.sin(angle), y + u * np.sin(angle) + v * np.cos(angle)], 1)


def disc(x: float, y: float, radius: float) -> np.ndarray:
    return ellipse(x, y, radius, radius)


def stroke(points: np.ndarray | list[tuple[float, float]], width: float) -> np.ndarray:
    """A line of some width through the points."""
    path = np.asarray(points, np.float64)
    along = np.gradient(path, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], 1) / np.linalg.norm(along, axis=1, keepdims=True) * width / 2
    return np.concatenate([path + across, (path - across)[::-1]])


def _slice_of_ellipse(x0: float, x1: float, centre: float, rx: float, ry: float) -> np.ndarray:
    """What lies between two uprights of an ellipse around (centre, 0)."""
    x = np.linspace(x0, x1, 8)
    y = ry * np.sqrt(np.clip(1 - ((x - centre) / rx) ** 2, 0, None))
    return np.concatenate([np.stack([x, -y], 1), np.stack([x, y], 1)[::-1]])


def _eye(x: float, y: float, radius: float) -> list[Part]:
    return [Part(disc(x, y, radius), WHITE, False), Part(disc(x + radius * 0.2, y, radius * 0.55), DARK, False)]


# -- colours ----------------------------------------------------------------------------------------------------------


def colour(rng: np.random.Generator, hue: float | None = None) -> Colour:
    """A clear colour, of any hue (0 to 1) where none is given."""
    hue = rng.random() if hue is None else hue
    return hsv(hue, rng.uniform(0.55, 0.9), rng.uniform(0.65, 0.98))


def two_colours(rng: np.random.Generator) -> tuple[Colour, Colour]:
    """Two clear colours that stand off each other."""
    hue = rng.random()
    return colour(rng, hue), colour(rng, (hue + rng.uniform(0.25, 0.75)) % 1)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """The RGB colour (0 to 255) of a hue, saturation and value (0 to 1)."""
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)
