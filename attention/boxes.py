"""From maps to boxes: a threshold, the pixels above it, and the tightest box around them.

Boxes are (x0, y0, x1, y1), half-open: x1 and y1 are the first column and row outside. All functions take maps (..., H, W) and
answer for each of them. Maps on a GPU are sorted and looked through there: only their boxes come back.
"""

from __future__ import annotations

import numpy as np

from ..cuda import kernels
from ..errors import BadInput
from ..executor.device import to_numpy
from ..layers.arrays import Array, array_module, where_it_lies
from .maps import flattened

POWERS = (1, 2)  # energy is the map, or its square


@where_it_lies
def energy_box(maps: Array, fraction: float = 0.95, power: int = 1) -> np.ndarray:
    """The tightest box of the pixels that hold ``fraction`` of a map's energy: (..., 4), integers, in the map's pixels.

    Look and Think Twice (2015), §4.2 (95 %), and TPAMI (2018), Procedure 1 (99 %), which say no more than that; see
    ``energy_mask``. A map without energy gives the whole map.
    """
    return tightest_box(_of_energy(maps, fraction, power))


@where_it_lies
def mean_box(maps: Array, alpha: float) -> np.ndarray:
    """The tightest box of the pixels above ``alpha`` times the map's mean: (..., 4), integers, in the map's pixels.

    Excitation Backprop (2016), §4.2. Where no pixel lies above (a map of one value), the whole map.
    """
    return tightest_box(_above_mean(maps, alpha))


@where_it_lies
def energy_mask(maps: Array, fraction: float = 0.95, power: int = 1) -> np.ndarray:
    """The fewest brightest pixels whose energies sum to ``fraction`` of all, and those as bright as the last of them.

    A pixel's energy is its value (``power`` 1) or the square of it (2: what TPAMI's l2-normalised maps sum to); values
    below 0 hold none. Where all is 0, every pixel is as bright as the last. Raises ``BadInput``.
    """
    return to_numpy(_of_energy(maps, fraction, power))


@where_it_lies
def mean_mask(maps: Array, alpha: float) -> np.ndarray:
    """The pixels above ``alpha`` times the map's mean. Raises ``BadInput``."""
    return to_numpy(_above_mean(maps, alpha))


def _of_energy(maps: Array, fraction: float, power: int) -> Array:
    if not 0 < fraction <= 1:
        raise BadInput(f"energy: found the fraction {fraction}, expected a number above 0 and up to 1")
    if power not in POWERS:
        raise BadInput(f"energy: found the power {power}, expected one of {list(POWERS)}")
    values = _checked(maps)
    xp = array_module(values)
    energy = xp.maximum(values, 0) ** power
    return energy >= _last_needed(flattened(energy), fraction)[..., None, None]


def _last_needed(energy: Array, fraction: float) -> Array:
    """Energies (..., pixels) -> the last one (...) that is needed, the greatest first, for ``fraction`` of their sum."""
    xp = array_module(energy)
    ascending = xp.sort(energy, -1)
    threshold = xp.empty(energy.shape[:-1])
    if kernels.energy_threshold(ascending, fraction, threshold):
        return threshold
    descending = ascending[..., ::-1]
    sums = descending.cumsum(-1)
    last = (sums >= fraction * sums[..., -1:]).argmax(-1)
    return xp.take_along_axis(descending, last[..., None], -1)[..., 0]


def _above_mean(maps: Array, alpha: float) -> Array:
    if not np.isfinite(alpha):
        raise BadInput(f"mean: found the factor {alpha}, expected a finite number")
    values = _checked(maps)
    return values > alpha * values.mean((-2, -1), keepdims=True)


@where_it_lies
def tightest_box(masks: Array) -> np.ndarray:
    """The box of all true pixels (..., H, W) -> (..., 4); where there are none, the whole."""
    boxes = array_module(masks).empty((*masks.shape[:-2], 4), np.int32)
    if masks.dtype == bool and kernels.tightest_box(masks.view(np.int8), boxes):
        return to_numpy(boxes).astype(int)
    x0, x1 = _ends(masks.any(-2))
    y0, y1 = _ends(masks.any(-1))
    return to_numpy(array_module(masks).stack([x0, y0, x1, y1], -1))


def to_image(boxes: np.ndarray, map_size: tuple[int, int], image_size: tuple[float, float]) -> np.ndarray:
    """Boxes of a map (H, W) in the pixels of an image (H, W) that the map covers: (..., 4), not rounded."""
    y, x = (there / here for here, there in zip(map_size, image_size, strict=True))
    return np.asarray(boxes) * np.array([x, y, x, y])


def whole_pixels(boxes: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """The smallest boxes of whole pixels, at least one and inside the image (H, W), that hold the given ones: integers."""
    height, width = image_size
    start = np.floor(np.asarray(boxes)[..., :2] + NEARLY).clip(0, [width - 1, height - 1])
    end = np.ceil(np.asarray(boxes)[..., 2:] - NEARLY).clip(start + 1, [width, height])
    return np.concatenate([start, end], -1).astype(int)


NEARLY = 1e-9  # 56 * (375 / 224) is a hair above 93.75: rounding outwards must not turn such a hair into a pixel


def crop(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The part of an image (H, W, 3) in a box of whole pixels."""
    x0, y0, x1, y1 = box
    return image[y0:y1, x0:x1]


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (..., 4) that broadcast against each other; 0 where both are empty."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    overlap = np.concatenate([np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])], -1)
    common = area(overlap)
    union = area(a) + area(b) - common
    return np.divide(common, union, out=np.zeros_like(union), where=union > 0)


def area(boxes: np.ndarray) -> np.ndarray:
    """Pixels in boxes (..., 4); 0 where an end lies before its start."""
    boxes = np.asarray(boxes)
    return (boxes[..., 2:] - boxes[..., :2]).clip(0).prod(-1)


def _ends(hit: Array) -> tuple[Array, Array]:
    """The first true place along the last axis, and the one after the last; all of it where none is true."""
    xp, size = array_module(hit), hit.shape[-1]
    return hit.argmax(-1), xp.where(hit.any(-1), size - hit[..., ::-1].argmax(-1), size)


def _checked(maps: Array) -> Array:
    """Maps in double precision: sums of 50 000 pixels are compared."""
    values = maps.astype(np.float64)
    if values.ndim < 2 or not (values.shape[-1] and values.shape[-2]):
        raise BadInput(f"map: found shape {values.shape}, expected (..., H, W) with at least one pixel")
    finite = int(array_module(values).isfinite(values).sum())
    if finite < values.size:
        raise BadInput(f"map: found {values.size - finite} values that are not finite, expected numbers")
    return values
