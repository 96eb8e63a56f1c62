"""Look and think twice: a net looks at the whole picture, then once more at what made it think of each of its guesses.

Cao et al.: Look and Think Twice (2015), §4.3. The first glance at the whole picture gives five classes; each class's map gives
a box, the box a crop of the original picture; each crop gives five classes again; of these 25 pairs of class and
confidence the five best are the answer. The paper does not say what becomes of a class that several crops name: ``merge``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import BadInput, nearest
from ..executor.net import Net
from .answers import answer_blob, probabilities_of
from .attend import attend
from .boxes import crop, energy_box, to_image, whole_pixels

Prepare = Callable[[np.ndarray], np.ndarray]  # a picture (H, W, 3), uint8, RGB -> what the net takes, (C, H, W)

MERGES: dict[str, Callable[[float, float], float]] = {"max": max, "sum": lambda a, b: a + b}


@dataclass(frozen=True)
class Glance:
    """Class indices (..., top) and their confidences (..., top), the most confident first."""

    classes: np.ndarray
    confidences: np.ndarray


@dataclass(frozen=True)
class SecondThought:
    """The ``first`` glance; for each of its classes a box (top, 4), in whole pixels of the picture, half-open, and the glance
    at its ``crops`` (top, top); the ``final`` answer."""

    first: Glance
    boxes: np.ndarray
    crops: Glance
    final: Glance


def think_twice(
    net: Net,
    image: np.ndarray,
    prepare: Prepare,
    method: str = "feedback",
    *,
    top: int = 5,
    fraction: float = 0.95,
    power: int = 1,
    merge: str = "max",
    options: Mapping[str, Any] | None = None,
) -> SecondThought:
    """Classify ``image`` (H, W, 3), uint8, RGB, twice.

    ``prepare`` resizes a whole picture to the net's input; it is called for ``image`` and for each crop. Boxes hold
    ``fraction`` of the energy (the map to the ``power``) of each class's map by ``method`` with its ``options``, read at the
    size of the net's input. ``merge``: a class that several crops name has the greatest of its confidences (``max``), or
    their ``sum``; equal ones stand in the order of their indices. Four passes, each for all classes at once. Raises ``BadInput``.
    """
    if merge not in MERGES:
        raise BadInput(f"merge: found {merge!r}, expected one of {list(MERGES)}{nearest(merge, MERGES)}")
    if top < 1:
        raise BadInput(f"top: found {top}, expected 1 or more")
    answering = answer_blob(net)
    whole = prepare(image)
    first = _glance(probabilities_of(net, whole[None], answering), top)
    maps = attend(net, whole, first.classes, method, **(options or {})).resized(*whole.shape[1:])[0]
    size = (image.shape[0], image.shape[1])
    boxes = whole_pixels(to_image(energy_box(maps, fraction, power), whole.shape[1:], size), size)
    zoomed = np.stack([prepare(crop(image, box)) for box in boxes])
    crops = _glance(probabilities_of(net, zoomed, answering), top)
    first = Glance(first.classes[0], first.confidences[0])
    return SecondThought(first, boxes, crops, _merged(crops, merge, top))


def _glance(probabilities: np.ndarray, top: int) -> Glance:
    """(N, classes) -> the best of each row; equal ones in the order of their indices."""
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    return Glance(best, np.take_along_axis(probabilities, best, 1))


def _merged(crops: Glance, merge: str, top: int) -> Glance:
    """The best distinct classes of all crops."""
    confidence: dict[int, float] = {}
    for index, value in zip(crops.classes.ravel().tolist(), crops.confidences.ravel().tolist(), strict=True):
        confidence[index] = MERGES[merge](confidence[index], value) if index in confidence else value
    ranked = sorted(confidence, key=lambda index: (-confidence[index], index))[:top]
    return Glance(np.array(ranked), np.array([confidence[index] for index in ranked]))
