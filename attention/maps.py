"""From a signal at a blob to a map, and from a map to the image's size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..cuda import kernels
from ..errors import BadInput
from ..layers.arrays import Array, array_module, where_it_lies

REDUCTIONS: dict[str, Callable[[Array], Array]] = {
    "max_abs": lambda signal: abs(signal).max(-3),
    "sum_abs": lambda signal: abs(signal).sum(-3),
    "l2": lambda signal: (signal**2).sum(-3) ** 0.5,
    "sum": lambda signal: signal.sum(-3),
    "positive_sum": lambda signal: signal.sum(-3).clip(0, None),
}


def over_channels(signal: Array, how: str) -> Array:
    """(..., C, H, W) -> (..., H, W). ``max_abs``: Look and Think Twice §3.4; ``sum``: MWP; ``positive_sum``: c-MWP, where
    channels are summed first and the sum is clamped at 0; ``sum_abs`` and ``l2``: the energies of Feedback CNN."""
    if how not in REDUCTIONS:
        raise BadInput(f"reduce: found {how!r}, expected one of {sorted(REDUCTIONS)}")
    maps = array_module(signal).empty((*signal.shape[:-3], *signal.shape[-2:]), signal.dtype)
    return maps if kernels.over_channels(signal, how, maps) else REDUCTIONS[how](signal)


def normalised(maps: Array, how: str) -> Array:
    """Maps (..., H, W) of l2 norm 1, or of maximum 1; a map of zeros stays."""
    axes = (-2, -1)
    size = (maps**2).sum(axes, keepdims=True) ** 0.5 if how == "l2" else maps.max(axes, keepdims=True)
    return maps / array_module(maps).where(size == 0, 1, size)


def flattened(maps: Array) -> Array:
    """Maps (..., H, W) -> (..., H * W)."""
    return maps.reshape(*maps.shape[:-2], maps.shape[-2] * maps.shape[-1])


@where_it_lies
def resize(maps: Array, height: int, width: int, how: str = "bicubic") -> Array:
    """Maps (..., h, w) at another size (..., height, width), pixel centres at half-integers.

    ``bicubic``: Catmull-Rom (a = -0.5), clipped to each map's own range, as the authors of excitation backprop resize;
    ``bilinear``; ``nearest``. Beyond the border the border's value goes on.
    """
    if how not in KERNELS:
        raise BadInput(f"interpolation: found {how!r}, expected one of {sorted(KERNELS)}")
    xp, maps = array_module(maps), array_module(maps).ascontiguousarray(maps)
    columns, rows = _neighbours(maps, -1, width, how), _neighbours(maps, -2, height, how)
    ends = _range(maps) if how == "bicubic" else (None, None)
    wide = xp.empty((*maps.shape[:-1], width), maps.dtype)
    if not kernels.resize_columns(maps, *columns, wide):
        wide = _summed(maps, -1, *columns)
    resized = xp.empty((*maps.shape[:-2], height, width), maps.dtype)
    if kernels.resize_rows(wide, *rows, *ends, resized):
        return resized
    resized = _summed(wide, -2, *rows)
    return resized if ends[0] is None else _clipped(resized, *ends)


def _range(maps: Array) -> tuple[Array, Array]:
    """The least and the greatest number of each map (..., 1, 1)."""
    pixels = flattened(maps)
    return pixels.min(-1)[..., None, None], pixels.max(-1)[..., None, None]


def _clipped(maps: Array, lowest: Array, highest: Array) -> Array:
    """As the kernel does: where a map holds no number, its range is none either, and the others stay as they are."""
    where = array_module(maps).where
    raised = where(maps < lowest, lowest, maps)
    return where(raised > highest, highest, raised)


def _cubic(t: np.ndarray) -> np.ndarray:
    """Keys's kernel with a = -0.5, for distances ``t`` >= 0."""
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


# name -> (kernel, how many source pixels it reaches to each side)
KERNELS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], int]] = {
    "bicubic": (_cubic, 2),
    "bilinear": (lambda t: np.maximum(1 - t, 0), 1),
    "nearest": (lambda t: (t <= 0.5) * 1.0, 1),
}


def _neighbours(maps: Array, axis: int, size: int, how: str) -> tuple[Array, Array]:
    """Which pixels of ``maps`` each of ``size`` pixels along an axis sees, and their weights: (neighbours, size) both."""
    kernel, reach = KERNELS[how]
    centre = (np.arange(size) + 0.5) * (maps.shape[axis] / size) - 0.5
    if how == "nearest":
        centre = np.floor(centre + 0.5)
    pixels = np.floor(centre).astype(np.int32) + np.arange(1 - reach, 1 + reach, dtype=np.int32)[:, None]
    source, weights = pixels.clip(0, maps.shape[axis] - 1), kernel(abs(centre - pixels)).astype(maps.dtype)
    return array_module(maps).asarray(source), array_module(maps).asarray(weights)


def _summed(maps: Array, axis: int, source: Array, weights: Array) -> Array:
    """What kernels.resize_columns and resize_rows find along the last axis and the one before it."""
    along = weights.reshape(*weights.shape, *[1] * (-1 - axis))
    return sum(weight * maps.take(pixels, axis) for weight, pixels in zip(along, source, strict=True))
