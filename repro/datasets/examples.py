"""A picture of a data set and what is known to be in it: the one form that every reader gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

Span = tuple[float, float, float, float]


class Object(NamedTuple):
    """One object: its class by index and name, its box, and what VOC says of it.

    ``box`` is (x0, y0, x1, y1), half-open, from 0, in the pixels of the picture that the boxes were drawn in.
    """

    label: int
    name: str
    box: Span
    difficult: bool = False
    truncated: bool = False


@dataclass(frozen=True)
class Example:
    """A picture file, and the objects in it.

    ``size`` (H, W) is what boxes refer to; the file may be smaller (``file_size``). ``label``: the picture's own class, where
    it has one. ``mask``: a file with VOC's class index of every pixel (0 background, 255 neither); ``instances``: one with
    the number of the object, from 1.
    """

    path: Path
    size: tuple[int, int]
    objects: tuple[Object, ...]
    label: int | None = None
    mask: Path | None = None
    instances: Path | None = None
    file_size: tuple[int, int] | None = None

    @property
    def labels(self) -> tuple[int, ...]:
        """The classes that objects have, each once, in order."""
        return tuple(sorted({thing.label for thing in self.objects}))

    def present(self, classes: int) -> np.ndarray:
        """1 for each class that is there, 0 for the others: (classes,), float32. Objects that are hard to see count as well."""
        present = np.zeros(classes, np.float32)
        present[list(self.labels)] = 1
        return present

    def boxes(self, label: int | None = None) -> np.ndarray:
        """The boxes (n, 4) of a class, or of all objects."""
        own = [thing.box for thing in self.objects if label is None or thing.label == label]
        return np.array(own, np.float64).reshape(-1, 4)

    @property
    def covered(self) -> float:
        """The part of the picture that its boxes cover together."""
        mask = np.zeros(self.size, bool)
        for x0, y0, x1, y1 in self.boxes().round().astype(int):
            mask[y0:y1, x0:x1] = True
        return float(mask.mean())
