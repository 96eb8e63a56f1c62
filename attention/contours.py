"""One box for each part of a map: the bounding boxes of its external contours.

Global Perception (2018), §3.2: where an image shows an object twice, one tightest box covers both and all between them.
How the map is thresholded, and which of several boxes is *the* prediction, the paper does not say.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..errors import BadInput

NEIGHBOURS = np.ones((3, 3), bool)  # a contour runs around pixels that touch, at corners too


def contour_boxes(energy: np.ndarray, mask: np.ndarray, min_area: int = 1) -> np.ndarray:
    """Boxes (parts, 4), half-open, of the parts of ``mask`` (H, W), the part that holds the most ``energy`` (H, W) first.

    A part is what an external contour encloses: pixels that touch at an edge or corner, with their holes and all in them.
    Parts of fewer than ``min_area`` pixels are left out; if none is left, the whole map. Raises ``BadInput``.
    """
    if energy.ndim != 2 or mask.shape != energy.shape:
        raise BadInput(f"contours: found shapes {energy.shape} and {mask.shape}, expected a map and a mask (H, W)")
    if min_area < 1:
        raise BadInput(f"contours: found the smallest area {min_area}, expected 1 pixel at least")
    parts, number = ndimage.label(ndimage.binary_fill_holes(mask), NEIGHBOURS)
    held = np.bincount(parts.ravel(), np.maximum(energy, 0).ravel().astype(float), number + 1)
    areas = np.bincount(parts.ravel(), minlength=number + 1)
    spans = ndimage.find_objects(parts)
    boxes = [
        (columns.start, rows.start, columns.stop, rows.stop)
        for part in np.argsort(-held[1:], kind="stable")
        if areas[part + 1] >= min_area
        for rows, columns in [spans[part]]
    ]
    return np.array(boxes or [(0, 0, mask.shape[1], mask.shape[0])])
