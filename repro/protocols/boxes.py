"""Boxes from maps, against the true ones: found, if one is met at an overlap (IoU) of more than one half.

Look and Think Twice (2015), §4.2: the box of 95 % of the map's energy. Excitation Backprop (2016), §4.2: the box of the pixels
above alpha times the map's mean, alpha in 0:0.5:10 chosen on other images. The class is given in both.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...attention.box_rule import BoxRule, box_rule
from ...attention.boxes import iou, to_image

ALPHAS = tuple(np.arange(0, 10.5, 0.5).tolist())
MEAN_RULES = tuple(box_rule(f"mean:{alpha:g}") for alpha in ALPHAS)
ENERGY_RULE = box_rule("energy:0.95")
FOUND = 0.5  # an overlap above it


def overlaps(map_: np.ndarray, rules: Sequence[BoxRule], truth: np.ndarray, size: tuple[int, int]) -> list[float]:
    """For each rule the greatest overlap of its box of a map (H, W) with one of the true boxes (n, 4) of an image of ``size``.

    A rule that gives several boxes, one per contour, is judged by the first: the one that holds the most of the map.
    """
    boxes = np.stack([rule(map_)[0] for rule in rules])
    return iou(to_image(boxes, map_.shape, size)[:, None], truth[None]).max(1).tolist()
