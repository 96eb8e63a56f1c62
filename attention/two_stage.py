"""Localisation in two stages, since objects vary in size: roughly in the whole picture, precisely in what was found.

TPAMI (2018), Procedure 1: the Summation Energy Map of a class gives a box with 99 % of its energy; this part of the original
picture is the new input, whose FSP-FR energy map gives the final box, again with 99 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..executor.net import Net
from .attend import attend
from .boxes import crop, energy_box, to_image, whole_pixels
from .think_twice import Prepare


@dataclass(frozen=True)
class TwoStage:
    """For each target the rough box ``first`` (K, 4), in whole pixels of the picture, and the final one, ``boxes`` (K, 4), not
    rounded; both half-open. ``first_maps`` and ``maps`` (K, H, W) are the energy maps at the net's input, the latter of the crops."""

    first: np.ndarray
    boxes: np.ndarray
    first_maps: np.ndarray
    maps: np.ndarray


def two_stage(
    net: Net,
    image: np.ndarray,
    targets: Sequence[int],
    prepare: Prepare,
    methods: tuple[str, str] = ("summation", "fsp-fr"),
    *,
    fraction: float = 0.99,
    power: int = 1,
    options: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
) -> TwoStage:
    """Boxes of the classes ``targets`` in ``image`` (H, W, 3), uint8, RGB.

    ``prepare`` resizes a whole picture to the net's input. ``methods`` and their ``options`` are the first and the second
    stage's; the second starts afresh at the crops, all gates open. Boxes hold ``fraction`` of the energy, the map to the
    ``power``. All targets share one pass in each stage. Raises ``BadInput``.
    """
    size = (image.shape[0], image.shape[1])
    whole = prepare(image)
    first_maps = attend(net, whole, targets, methods[0], **options[0]).resized(*whole.shape[1:])[0]
    first = whole_pixels(to_image(energy_box(first_maps, fraction, power), whole.shape[1:], size), size)
    crops = np.stack([prepare(crop(image, box)) for box in first])
    own = np.array(targets)[:, None]
    maps = attend(net, crops, own, methods[1], **options[1]).resized(*whole.shape[1:])[:, 0]
    sizes = [(y1 - y0, x1 - x0) for x0, y0, x1, y1 in first]
    inner = [
        to_image(box, whole.shape[1:], there)
        for box, there in zip(energy_box(maps, fraction, power), sizes, strict=True)
    ]
    return TwoStage(first, np.stack(inner) + first[:, [0, 1, 0, 1]], first_maps, maps)
