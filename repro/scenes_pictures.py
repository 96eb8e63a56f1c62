"""Pictures of several objects, as the tables of scenes need them: each category with all its boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import BadInput
from .datasets.examples import Example
from .datasets.voc import Voc


@dataclass(frozen=True)
class Picture:
    """A picture of ``size`` (H, W), the ``categories`` it shows, the true boxes (n, 4) of each, and its mask file, if any."""

    path: Path
    size: tuple[int, int]
    categories: tuple[int, ...]
    boxes: tuple[np.ndarray, ...]
    mask: Path | None

    @classmethod
    def of(cls, example: Example) -> Picture:
        """A category counts unless all its objects are marked difficult; if it counts, so do all its boxes (TorchRay's reading)."""
        categories = tuple(sorted({thing.label for thing in example.objects if not thing.difficult}))
        boxes = tuple(example.boxes(category) for category in categories)
        return cls(example.path, example.size, categories, boxes, example.mask)


def voc_pictures(folder: str | Path, split: str, classes: Sequence[str]) -> list[Picture]:
    """The pictures of a list in VOC's layout that show any category, in its order.

    ``classes``: the names of the categories that the nets know, in the order of their scores: the data set's. Raises ``BadInput``.
    """
    voc = Voc(folder, split)
    if tuple(classes) != tuple(voc.classes):
        raise BadInput(f"{folder}: found the classes {list(voc.classes)}, expected the model's, {list(classes)}")
    return [picture for picture in map(Picture.of, voc) if picture.categories]
