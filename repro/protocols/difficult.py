"""The difficult subset of Excitation Backprop (2016), §4.1: small objects among others."""

from __future__ import annotations

import numpy as np

from ...attention.boxes import area

SMALL = 1 / 4  # of the image


def difficult(boxes: np.ndarray, size: tuple[int, int], categories: int, small: float = SMALL) -> bool:
    """Whether a category is difficult to find in an image of ``size`` (H, W) that shows so many ``categories``.

    "(1) the total area of bounding boxes (or segments) of the testing category is smaller than 1/4 the size of the image and
    (2) there is at least one other distracting category in the image". Areas that two boxes (n, 4) share count twice.
    """
    return bool(area(boxes).sum() < small * size[0] * size[1]) and categories > 1
