"""A whole scene: a ground, loose parts, figures with their shadows, something before them, and the photograph of it all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...images import Box
from .camera import photograph
from .classes import CLASSES, KINDS
from .clutter import cover, scatter
from .drawing import FINE, Bounds, Canvas, Light, Part, View, averaged, extent
from .exact import Chance
from .grounds import ground

EDITION = 1  # to be counted up when any pixel of any scene changes
PARTS = ("single", "multi")
SPLITS = ("train", "val", "test")
SIDE = 112  # of a picture of the single part
LONGER = 192  # side of a picture of the multi part
LEAST_SEEN, FEWEST_PIXELS = 0.4, 80  # of an object that is not called difficult


class Thing(NamedTuple):
    """An object in a scene: its class, the bounds of its visible pixels, and the part of it within the picture that is visible."""

    label: int
    box: Box
    seen: float
    truncated: bool
    difficult: bool

    @property
    def name(self) -> str:
        return CLASSES[self.label]


class Scene(NamedTuple):
    """``image`` (H, W, 3), uint8 RGB; ``mask`` (H, W), uint8: k where more than half of a pixel is the k-th thing, from 1."""

    image: np.ndarray
    mask: np.ndarray
    things: tuple[Thing, ...]


class _Placed(NamedTuple):
    label: int
    parts: list[Part]
    view: View
    bounds: Bounds


def scene(seed: int, part: str, split: str, number: int) -> Scene:
    """Picture ``number`` of a split of a part, the same for a seed on every machine, whatever else was drawn."""
    c = _chance(seed, part, split, number)
    return _single(c) if part == "single" else _multi(c)


def label_of(seed: int, split: str, number: int) -> int:
    """The class that a picture of the single part shows."""
    return _any_class(_chance(seed, "single", split, number))


def _chance(seed: int, part: str, split: str, number: int) -> Chance:
    return Chance(seed, PARTS.index(part), SPLITS.index(split), number)


def _any_class(c: Chance) -> int:
    return c.whole(0, len(CLASSES) - 1)


def _single(c: Chance) -> Scene:
    """One large object of any class."""
    side = SIDE * FINE
    label = _any_class(c)
    size = c.between(0.5, 0.95) * side
    return _scene(c, side, side, [(label, size)], c.whole(2, 8))


def _multi(c: Chance) -> Scene:
    """One to four objects of several sizes, anywhere."""
    longer, shorter = LONGER * FINE, c.one_of((128, 144, 160)) * FINE
    height, width = (shorter, longer) if c.often(0.65) else (longer, shorter)
    count = c.one_of((1, 1, 2, 2, 2, 2, 3, 3, 3, 4))
    labels: list[int] = []
    for _ in range(count):
        again = labels and c.often(0.2)
        labels.append(labels[0] if again else _any_class(c))
    largest = 0.85 if count < 3 else 0.7
    sizes = [(0.18 + (largest - 0.18) * _rather_small(c)) * shorter for _ in labels]
    return _scene(c, height, width, list(zip(labels, sizes, strict=True)), c.whole(3, 12))


def _rather_small(c: Chance) -> float:
    part = c.unit()
    return part * (0.7 + 0.3 * part)


def _scene(c: Chance, height: int, width: int, wanted: Sequence[tuple[int, float]], loose: int) -> Scene:
    light = Light.by_chance(c)
    canvas = Canvas(ground(c, height, width, light), light)
    scatter(c, canvas, loose)
    placed = _arranged(c, height, width, wanted)
    areas = []
    for figure in placed:
        covered = canvas.add(figure.parts, figure.view)
        _cast_shadow(c, canvas, covered, figure)
        areas.append(_count(covered))
    cover(c, canvas)
    mask, things = _things(canvas, placed, areas)
    return Scene(photograph(c, canvas.colours), mask, things)


# -- where things are --------------------------------------------------------------------------------------------------


def _arranged(c: Chance, height: int, width: int, wanted: Sequence[tuple[int, float]]) -> list[_Placed]:
    """Every object at a place where it hides little of the others, those with lower feet before the others."""
    placed: list[_Placed] = []
    for label, size in wanted:
        parts = KINDS[CLASSES[label]].draw(c)
        view = View((0.0, 0.0), 1.0, c.between(-1, 1) * KINDS[CLASSES[label]].turn, c.sign() * c.between(0.8, 1.05))
        left, top, right, bottom = extent(parts, view)
        for trial in range(40):
            scale = size / max(right - left, bottom - top) * (1.0 if trial < 20 else 0.7)
            x = _somewhere(c, (right - left) * scale, width)
            y = _somewhere(c, (bottom - top) * scale, height)
            bounds = (x, y, x + (right - left) * scale, y + (bottom - top) * scale)
            if all(_hidden(bounds, other.bounds) < 0.5 for other in placed):
                break
        view = view._replace(origin=(x - left * scale, y - top * scale), scale=scale)
        placed.append(_Placed(label, parts, view, bounds))
    return sorted(placed, key=lambda figure: figure.bounds[3])


def _somewhere(c: Chance, size: float, room: float) -> float:
    """Where something of this size starts: within the room, or up to a tenth of it outside."""
    margin = 0.1 * size if c.often(0.3) else 0.0
    return c.between(-margin, room - size + margin) if room > size else (room - size) / 2


def _hidden(a: Bounds, b: Bounds) -> float:
    """The overlap of two boxes as a part of the smaller."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return max(wide, 0.0) * max(high, 0.0) / smaller


# -- shadows -----------------------------------------------------------------------------------------------------------


def _cast_shadow(c: Chance, canvas: Canvas, covered: np.ndarray, figure: _Placed) -> None:
    """Away from the light: over the floor that the figure stands on, or softly over what is behind it."""
    small = averaged(covered)
    lx, ly, _ = canvas.light.towards
    size = (figure.bounds[3] - figure.bounds[1]) / FINE
    if KINDS[CLASSES[figure.label]].stands and c.often(0.7):
        shadow = _on_floor(small, figure.bounds[3] / FINE, c.between(0.2, 0.45), -lx * c.between(0.8, 1.6))
    else:
        shadow = _shifted(small, int(-ly * 0.12 * size), int(-lx * 0.12 * size))
    for _ in range(2 if size < 50 else 4):
        shadow = _spread(shadow)
    strength = c.between(0.25, 0.6)
    canvas.colours *= 1 - strength * np.repeat(np.repeat(shadow, FINE, 0), FINE, 1) * (1 - covered)


def _on_floor(shape: np.ndarray, foot: float, flat: float, slant: float) -> np.ndarray:
    """The shape laid down from its foot, towards the viewer or away, as the light would lay it."""
    height, width = shape.shape
    up = (foot - 0.5 - np.arange(height)) / flat
    rows = np.floor(foot - 0.5 - up).astype(np.int64)
    columns = np.arange(width)[None, :] - np.floor(slant * up * flat).astype(np.int64)[:, None]
    inside = ((rows >= 0) & (rows < height) & (up >= -3))[:, None] & (columns >= 0) & (columns < width)
    return np.where(inside, shape[_within(rows, height)[:, None], _within(columns, width)], 0.0)


def _shifted(shape: np.ndarray, down: int, right: int) -> np.ndarray:
    height, width = shape.shape
    rows, columns = np.arange(height) - down, np.arange(width) - right
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))[None, :]
    return np.where(inside, shape[_within(rows, height)[:, None], _within(columns, width)[None, :]], 0.0)


def _within(index: np.ndarray, size: int) -> np.ndarray:
    return np.minimum(np.maximum(index, 0), size - 1)


def _spread(shape: np.ndarray) -> np.ndarray:
    """Blurred over five pixels each way."""
    for _ in range(2):
        wide = shape.copy()
        wide[2:] += shape[:-2]
        wide[:-2] += shape[2:]
        shape = (wide * (1 / 3)).T
    return shape


# -- what is to be seen ------------------------------------------------------------------------------------------------


def _things(canvas: Canvas, placed: Sequence[_Placed], areas: Sequence[int]) -> tuple[np.ndarray, tuple[Thing, ...]]:
    """The masks' numbers, and the things that show at least one pixel."""
    height, width = canvas.size
    mask = np.zeros((height // FINE, width // FINE), np.uint8)
    things: list[Thing] = []
    for figure, visible, area in zip(placed, canvas.visible, areas, strict=True):
        own = averaged(visible) > 0.5
        if not own.any():
            continue
        left, top, right, bottom = figure.bounds
        seen = _count(visible) / max(area, 1)
        few = np.count_nonzero(own) < FEWEST_PIXELS
        truncated = left < -1 or top < -1 or right > width + 1 or bottom > height + 1
        things.append(Thing(figure.label, _bounds(own), seen, truncated, bool(seen < LEAST_SEEN or few)))
        mask[own] = len(things)
    return mask, tuple(things)


def _bounds(mask: np.ndarray) -> Box:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def _count(covered: np.ndarray) -> int:
    return int(np.count_nonzero(covered > 0.5))
