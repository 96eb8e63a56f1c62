"""A canvas: parts of figures are painted on it, rounded by light, and it keeps count of what of each figure stays visible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .exact import Chance, Point, clip, direction, root
from .paints import Paint
from .shapes import Shape

Bounds = tuple[float, float, float, float]  # left, top, right, bottom

FINE = 2  # drawn so many times larger, each part with soft edges, then averaged down
HALO = 4  # fine pixels: how far the shade reaches that a part throws on its own figure


class Frame(NamedTuple):
    """Where a paint's u axis starts and which way it goes, in the figure's units."""

    origin: Point = (0.0, 0.0)
    degrees: float = 0.0


class Part(NamedTuple):
    """A piece of a figure. ``bulge``: how far in from its rim the surface curves, 0 for a flat one; ``gloss`` from 0 to 1."""

    shape: Shape
    paint: Paint
    bulge: float = 0.1
    frame: Frame = Frame()
    gloss: float = 0.0


class View(NamedTuple):
    """How a figure's frame lies on the canvas: ``origin`` in fine pixels, ``scale`` fine pixels to a unit, turned clockwise.

    ``wide`` stretches it along its own x axis first, as a turn away from the viewer would; negative: it is mirrored.
    """

    origin: Point
    scale: float
    degrees: float = 0.0
    wide: float = 1.0

    def bounds(self, shape: Shape) -> Bounds:
        """Of a shape on the canvas."""
        (c, s), (x, y) = direction(self.degrees), self.origin
        across, down = (c * self.wide, -s), (s * self.wide, c)
        right, bottom = shape.far(*across), shape.far(*down)
        left, top = -shape.far(-across[0], -across[1]), -shape.far(-down[0], -down[1])
        return x + self.scale * left, y + self.scale * top, x + self.scale * right, y + self.scale * bottom

    def units(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The places in the figure's frame of canvas columns x (w,) and rows y (h,): (h, w) each."""
        c, s = direction(self.degrees)
        dx, dy = ((x - self.origin[0]) / self.scale)[None, :], ((y - self.origin[1]) / self.scale)[:, None]
        return (c * dx + s * dy) / self.wide, c * dy - s * dx


class Light(NamedTuple):
    """The unit vector towards the light in the picture (x right, y down, z to the viewer), and how much comes from all sides."""

    towards: tuple[float, float, float]
    ambient: float

    @classmethod
    def by_chance(cls, c: Chance) -> Light:
        """From above, from one side or the other."""
        x, y, z = c.between(-0.9, 0.9), c.between(-0.9, -0.25), c.between(0.45, 0.9)
        length = root(x * x + y * y + z * z)
        return cls((x / length, y / length, z / length), c.between(0.42, 0.62))


class Canvas:
    """A picture in the making: ``colours`` (3, H, W) from 0 to 1, in fine pixels, and ``visible``, (H, W) per figure."""

    def __init__(self, colours: np.ndarray, light: Light):
        self.colours = colours
        self.light = light
        self.visible: list[np.ndarray] = []
        self.size = colours.shape[1:]
        self._y, self._x = (np.arange(n, dtype=np.float64) + 0.5 for n in self.size)

    def add(self, parts: Sequence[Part], view: View, *, figure: bool = True, blur: float = 1.0) -> np.ndarray:
        """Paint the parts in order: what they cover (H, W). ``figure``: keep count of it. ``blur``: rims' width, fine pixels."""
        cover = np.zeros(self.size)
        for part in parts:
            self._paint(part, view, cover, blur)
        if figure:
            self.visible.append(cover)
        return cover

    def _paint(self, part: Part, view: View, cover: np.ndarray, blur: float) -> None:
        window = self._window(view.bounds(part.shape), HALO + blur)
        if window is None:
            return
        x, y = view.units(self._x[window[1]], self._y[window[0]])
        far = part.shape.distance(x, y) * view.scale
        alpha = clip(0.5 - far / blur)
        under, below = self.colours[:, window[0], window[1]], cover[window]
        under *= 1 - 0.4 * clip(1 - far / HALO) * below
        surface = part.paint(*_turned(x, y, part.frame), 1 / view.scale)
        shade, glint = self._lit(far, part.bulge * view.scale, part.gloss)
        under += (clip(surface * shade + glint) - under) * alpha
        below += alpha * (1 - below)
        for other in self.visible:
            other[window] *= 1 - alpha

    def _window(self, bounds: Bounds, margin: float) -> tuple[slice, slice] | None:
        left, top, right, bottom = bounds
        x0, x1 = max(int(left - margin), 0), min(int(right + margin) + 1, self.size[1])
        y0, y1 = max(int(top - margin), 0), min(int(bottom + margin) + 1, self.size[0])
        return (slice(y0, y1), slice(x0, x1)) if x1 - x0 > 2 and y1 - y0 > 2 else None

    def _lit(self, far: np.ndarray, bulge: float, gloss: float) -> tuple[np.ndarray | float, np.ndarray | float]:
        """How bright a surface is, and the light's reflection on it: round within ``bulge`` of the rim, else flat."""
        lx, ly, lz = self.light.towards
        strong = 1.2 - self.light.ambient
        if bulge < 1:
            return self.light.ambient + strong * lz, 0.0
        slope = 1 - clip(-far / bulge)
        nx, ny = _differences(far)
        nx, ny = nx * slope, ny * slope
        nz = np.sqrt(np.maximum(1 - nx * nx - ny * ny, 0))
        facing = np.maximum(nx * lx + ny * ly + nz * lz, 0)
        glint: np.ndarray | float = 0.0
        if gloss:
            glint = np.maximum(nx * lx * 0.8 + ny * ly * 0.8 + nz * (0.4 + 0.6 * lz), 0)
            for _ in range(4):
                glint = glint * glint
            glint = gloss * 0.7 * glint
        return self.light.ambient + strong * facing, glint


def averaged(fine: np.ndarray) -> np.ndarray:
    """(..., H, W) in fine pixels -> in the picture's own."""
    rows = fine[..., 0::2, :] + fine[..., 1::2, :]
    return (rows[..., 0::2] + rows[..., 1::2]) * 0.25


def extent(parts: Sequence[Part], view: View) -> Bounds:
    """The bounds of all parts under a view."""
    left, top, right, bottom = zip(*(view.bounds(part.shape) for part in parts), strict=True)
    return min(left), min(top), max(right), max(bottom)


def _turned(x: np.ndarray, y: np.ndarray, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    if frame.degrees == 0:
        return x - frame.origin[0], y - frame.origin[1]
    c, s = direction(frame.degrees)
    dx, dy = x - frame.origin[0], y - frame.origin[1]
    return c * dx + s * dy, c * dy - s * dx


def _differences(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The slope along x and y, in steps of one pixel; 0 at the border."""
    x, y = np.zeros(values.shape), np.zeros(values.shape)
    x[:, 1:-1] = (values[:, 2:] - values[:, :-2]) * 0.5
    y[1:-1] = (values[2:] - values[:-2]) * 0.5
    return x, y
