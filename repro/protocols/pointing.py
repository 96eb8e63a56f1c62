"""The pointing game: does the map's maximum lie on the object?

Excitation Backprop (2016), §4.1, with boxes and no tolerance as in Feedback CNN (TPAMI 2018), Table 2. Excitation Backprop
counts a maximum within 15 pixels of the object as a hit, in pictures of VOC's size: ``tolerance``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

Place = tuple[float, float]  # x, y


def point(map_: np.ndarray, size: tuple[float, float], blur: float = 0.02) -> Place:
    """Where a map (H, W) is greatest, as (x, y) in an image of ``size`` (H, W): the centre of that pixel.

    The map is blurred first by ``blur`` times its longer side (0.02: what Excitation Backprop does to gradient maps). Of
    equal maxima the first in raster order counts.
    """
    height, width = map_.shape
    smooth = blurred(map_, blur)
    y, x = np.unravel_index(int(np.argmax(smooth)), smooth.shape)
    return (float(x) + 0.5) * size[1] / width, (float(y) + 0.5) * size[0] / height


def blurred(map_: np.ndarray, blur: float) -> np.ndarray:
    """A map (H, W) under a Gaussian whose sigma is ``blur`` times its longer side; 0 leaves it as it is."""
    return ndimage.gaussian_filter(map_.astype(np.float64), blur * max(map_.shape)) if blur else map_


def centre(size: tuple[float, float]) -> Place:
    """Where the papers' baseline points, whatever an image of ``size`` (H, W) shows."""
    return size[1] / 2, size[0] / 2


def hits(where: Place, boxes: np.ndarray, tolerance: float = 0) -> bool:
    """Whether a point (x, y) lies in one of the boxes (n, 4), or not farther than ``tolerance`` pixels from it."""
    return any(inside(where, box) or 0 < distance(where, box) <= tolerance for box in boxes)


def inside(place: Place | None, box: Sequence[float] | np.ndarray) -> bool:
    """Whether a place (x, y), if there is one, lies in a box (left, top, right, bottom), the last two exclusive."""
    return place is not None and bool(box[0] <= place[0] < box[2] and box[1] <= place[1] < box[3])


def distance(place: Place, box: Sequence[float] | np.ndarray) -> float:
    """How far a place (x, y) lies from the nearest point of a box (left, top, right, bottom)."""
    x, y = place
    return float(np.hypot(max(box[0] - x, 0, x - box[2]), max(box[1] - y, 0, y - box[3])))
