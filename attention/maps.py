"""From a signal at a blob to a map, and from a map to the image's size."""

from __future__ import annotations

from collections.abc import Callable

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


@where_it_lies
def resize(maps: Array, height: int, width: int, how: str = "bicubic") -> Array:
    """Maps (..., h, w) at another size (..., height, width), pixel centres at half-integers.

    ``bicubic``: Catmull-Rom (a = -0.5), clipped to each map's own range, as the authors of excitation backprop resize;
    ``bilinear``; ``nearest``. Beyond the border the border's value goes on.
    """
    if how not in KERNELS:
        raise BadInput(f"interpolation: found {how!r}, expected one of {sorted(KERNELS)}")
    rows, columns = (_weights(maps, axis, size, how) for axis, size in ((-2, height), (-1, width)))
    resized = rows @ maps @ columns.T
    if how == "bicubic":
        lowest, highest = maps.min((-2, -1), keepdims=True), maps.max((-2, -1), keepdims=True)
        resized = array_module(maps).clip(resized, lowest, highest)
    return resized


def _cubic(t: Array, xp) -> Array:
    """Keys's kernel with a = -0.5, for distances ``t`` >= 0."""
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return xp.where(t <= 1, near, xp.where(t < 2, far, 0))


# name -> (kernel, how many source pixels it reaches to each side)
KERNELS = {
    "bicubic": (_cubic, 2),
    "bilinear": (lambda t, xp: xp.maximum(1 - t, 0), 1),
    "nearest": (lambda t, xp: (t <= 0.5) * 1.0, 1),
}


def _weights(maps: Array, axis: int, size: int, how: str) -> Array:
    """The interpolation of one axis as a matrix (size, maps.shape[axis])."""
    xp, (kernel, reach), length = array_module(maps), KERNELS[how], maps.shape[axis]
    centre = (xp.arange(size) + 0.5) * (length / size) - 0.5
    if how == "nearest":
        centre = xp.floor(centre + 0.5)
    matrix = xp.zeros((size, length))
    first = xp.floor(centre).astype(int) - reach + 1
    for offset in range(2 * reach):
        source = first + offset
        weight = kernel(abs(centre - source), xp)
        matrix[xp.arange(size), xp.clip(source, 0, length - 1)] += weight
    return matrix.astype(maps.dtype)
