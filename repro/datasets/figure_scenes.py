"""Pictures of figures on cluttered ground, with labels and exact boxes: an endless data set that needs no download.

Everything follows from the seed: picture 7 of seed 3 is the same picture tomorrow, whatever was drawn before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .figures import DARK, FIGURES, Colour, Part, colour, disc, ellipse, stroke

NAMES = tuple(FIGURES)
SIDE = 96  # of a training picture, pixels
FINE = 4  # drawn this many times larger, then averaged down

Box = tuple[int, int, int, int]


class Thing(NamedTuple):
    """A figure in a scene: its label, and its tight box (left, top, right, bottom), right and bottom exclusive."""

    label: int
    box: Box

    @property
    def name(self) -> str:
        return NAMES[self.label]


class Scene(NamedTuple):
    """``image`` (H, W, 3), uint8 RGB, and what stands in it."""

    image: np.ndarray
    things: tuple[Thing, ...]


def picture(seed: int, index: int) -> Scene:
    """One figure of any class and size on a ground of ``SIDE`` x ``SIDE`` pixels."""
    rng = np.random.default_rng([seed, index])
    canvas = ground(rng, SIDE, SIDE)
    size = rng.uniform(0.45, 0.95) * SIDE
    centre = (_somewhere(rng, size, SIDE), _somewhere(rng, size, SIDE))
    label = int(rng.integers(len(NAMES)))
    return Scene(*_with_figures(rng, canvas, [label], [centre], [size]))


def pictures(seed: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures ``start`` to ``stop`` of a seed: images (N, SIDE, SIDE, 3), uint8 RGB, and labels (N,)."""
    scenes = [picture(seed, index) for index in range(start, stop)]
    return np.stack([scene.image for scene in scenes]), np.array([scene.things[0].label for scene in scenes])


def scene(seed: int, index: int, count: int = 2, height: int = 144, width: int = 192) -> Scene:
    """``count`` figures of different classes, one in each of ``count`` columns of the picture, so that none hides another."""
    rng = np.random.default_rng([seed, index, count])
    canvas = ground(rng, height, width)
    labels = rng.permutation(len(NAMES))[:count].tolist()
    column = width / count
    sizes = [rng.uniform(0.75, 0.98) * min(column, height * 0.62) for _ in labels]
    centres = [
        (place * column + _somewhere(rng, size, column), _somewhere(rng, size, height))
        for place, size in enumerate(sizes)
    ]
    return Scene(*_with_figures(rng, canvas, labels, centres, sizes))


def _somewhere(rng: np.random.Generator, size: float, room: float) -> float:
    """A centre for something of this size that lies within 0 and ``room``."""
    return room / 2 + rng.uniform(-1, 1) * (room - size) / 2


# -- figures on the ground --------------------------------------------------------------------------------------------


def _with_figures(
    rng: np.random.Generator, canvas: Image.Image, labels: Sequence[int], centres: Sequence, sizes: Sequence[float]
) -> tuple[np.ndarray, tuple[Thing, ...]]:
    things = []
    for label, centre, size in zip(labels, centres, sizes, strict=True):
        layer = _figure(rng, label, canvas.size, centre, size)
        _drop_shadow(canvas, layer, size)
        canvas.paste(layer, mask=layer.getchannel("A"))
        things.append(Thing(label, _box(layer)))
    return _grain(rng, canvas), tuple(things)


def _figure(
    rng: np.random.Generator, label: int, size: tuple[int, int], centre: Sequence[float], extent: float
) -> Image.Image:
    """An RGBA layer with one figure that is ``extent`` pixels large (its longer side) around ``centre``."""
    figure = FIGURES[NAMES[label]]
    parts = figure.draw(rng)
    angle = np.deg2rad(rng.uniform(-figure.turn, figure.turn))
    stretch = np.diag([rng.choice([-1.0, 1.0]) * rng.uniform(0.85, 1.1), 1.0])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ stretch
    corners = np.concatenate([part.points for part in parts]) @ turn.T
    low, high = corners.min(0), corners.max(0)
    scale = (extent - 2) / (high - low).max()
    placed = [
        part._replace(points=((part.points @ turn.T) - (low + high) / 2) * scale + np.asarray(centre)) for part in parts
    ]
    return _lit(rng, _painted(placed, size, extent))


def _painted(parts: Sequence[Part], size: tuple[int, int], extent: float) -> Image.Image:
    layer = Image.new("RGBA", (size[0] * FINE, size[1] * FINE))
    draw = ImageDraw.Draw(layer)
    rim = max(1, round(extent * FINE / 60))
    for part in parts:
        points = _fine(part.points)
        draw.polygon(points, fill=(*part.colour, 255))
        if part.outline:
            draw.line([*points, points[0], points[1]], fill=(*_darker(part.colour), 255), width=rim, joint="curve")
    return _averaged(layer)


def _fine(points: np.ndarray) -> list[tuple[int, int]]:
    """Points in pixels of the fine drawing."""
    return [(x, y) for x, y in (points * FINE).round().astype(int).tolist()]


def _averaged(layer: Image.Image) -> Image.Image:
    """The layer at its true size; averaging premultiplied colours keeps black out of the rims."""
    return layer.convert("RGBa").reduce(FINE).convert("RGBA")


def _lit(rng: np.random.Generator, layer: Image.Image) -> Image.Image:
    """Light from above, from one side or the other."""
    pixels = np.asarray(layer).astype(np.float32)
    height, width = pixels.shape[:2]
    y, x = np.mgrid[0:height, 0:width] / max(height, width) - 0.5
    light = 1 - rng.uniform(0.1, 0.35) * (y + rng.choice([-0.7, 0.7]) * x)
    pixels[..., :3] *= light[..., None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _drop_shadow(canvas: Image.Image, layer: Image.Image, extent: float) -> None:
    shift = max(1, round(extent * 0.04))
    shadow = layer.getchannel("A").filter(ImageFilter.GaussianBlur(extent * 0.03)).point(lambda a: a * 0.45)
    canvas.paste(Image.new("RGB", canvas.size, DARK), (shift, shift), shadow)


def _box(layer: Image.Image) -> Box:
    """The tight box of all pixels that the figure covers at least half."""
    mask = np.asarray(layer.getchannel("A")) >= 128
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _darker(colour: Colour) -> Colour:
    red, green, blue = (int(value * 0.45) for value in colour)
    return red, green, blue


# -- the ground -------------------------------------------------------------------------------------------------------


def ground(rng: np.random.Generator, height: int, width: int) -> Image.Image:
    """A ground without figures: soft patches of colour, a weave, and scraps of what figures are made of."""
    soft = _patches(rng, height, width) + _weave(rng, height, width)[..., None]
    canvas = Image.fromarray(soft.clip(0, 255).astype(np.uint8))
    area = height * width / SIDE**2
    layer = Image.new("RGBA", (width * FINE, height * FINE))
    draw = ImageDraw.Draw(layer)
    for _ in range(round(rng.uniform(4, 12) * area)):
        points, tint = _scrap(rng, height, width), colour(rng)
        draw.polygon(_fine(points), fill=(*tint, 255))
    layer = _averaged(layer)
    canvas.paste(layer, mask=layer.getchannel("A").point(lambda a: a * 0.6))
    return canvas


def _patches(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Random colours on a coarse grid, smoothly joined: (H, W, 3)."""
    rows, columns = int(rng.integers(2, 6)), int(rng.integers(2, 6))
    base = rng.uniform(80, 190) + rng.normal(0, 22, 3)
    grid = base + rng.normal(0, 18, (rows, columns, 1)) + rng.normal(0, 16, (rows, columns, 3))
    small = Image.fromarray(grid.clip(0, 255).astype(np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)).astype(np.float32)


def _weave(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A regular pattern of some direction and pace: (H, W)."""
    angle, pace = rng.uniform(0, np.pi), rng.uniform(0.15, 0.9)
    y, x = np.mgrid[0:height, 0:width]
    along = pace * (x * np.cos(angle) + y * np.sin(angle))
    across = pace * (y * np.cos(angle) - x * np.sin(angle))
    return rng.uniform(0, 14) * (np.sin(along) + rng.choice([0, 1]) * np.sin(across))


def _scrap(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A disc, a triangle, a leaf or a stroke somewhere: parts, and no whole."""
    x, y = (rng.uniform(0, 1, 2) * (width, height)).tolist()
    size = rng.uniform(2, 10)
    kind = int(rng.integers(4))
    if kind == 0:
        return disc(x, y, size * 0.7)
    if kind == 1:
        return np.array([x, y]) + rng.normal(0, size, (3, 2))
    if kind == 2:
        return ellipse(x, y, size, size * 0.4, rng.uniform(0, np.pi))
    steps = rng.normal(0, size, 2) + rng.normal(0, size / 3, (4, 2))
    return stroke(np.array([x, y]) + np.cumsum(steps, 0), rng.uniform(1, 2.5))


def _grain(rng: np.random.Generator, canvas: Image.Image) -> np.ndarray:
    """The picture with a camera's noise: (H, W, 3), uint8."""
    noise = rng.normal(0, rng.uniform(1, 4), (canvas.height, canvas.width, 1))
    return (np.asarray(canvas) + noise).round().clip(0, 255).astype(np.uint8)
