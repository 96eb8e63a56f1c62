"""The pointing game: does the map's maximum lie on the object?

Excitation Backprop (2016), §4.1, with boxes and no tolerance as in Feedback CNN (TPAMI 2018), Table 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage


def point(map_: np.ndarray, size: tuple[float, float], blur: float = 0.02) -> tuple[float, float]:
    """Where a map (H, W) is greatest, as (x, y) in an image of ``size`` (H, W): the centre of that pixel.

    The map is blurred first by ``blur`` times its longer side (0.02: what Excitation Backprop does to gradient maps). Of
    equal maxima the first in raster order counts.
    """
    height, width = map_.shape
    smooth = ndimage.gaussian_filter(map_.astype(np.float64), blur * max(height, width)) if blur else map_
    y, x = np.unravel_index(int(np.argmax(smooth)), smooth.shape)
    return (float(x) + 0.5) * size[1] / width, (float(y) + 0.5) * size[0] / height


def hits(where: tuple[float, float], boxes: np.ndarray) -> bool:
    """Whether a point (x, y) lies in one of the boxes (n, 4)."""
    return any(inside(where, box) for box in boxes)


def inside(place: tuple[float, float] | None, box: Sequence[float] | np.ndarray) -> bool:
    """Whether a place (x, y), if there is one, lies in a box (left, top, right, bottom), the last two exclusive."""
    return place is not None and bool(box[0] <= place[0] < box[2] and box[1] <= place[1] < box[3])
