"""Pictures whose objects are known: a folder of picture files, and ``scenes.json`` with each object's class and box.

``{"a.png": {"cat": [12, 30, 80, 99], "dog": [[0, 0, 40, 60], [90, 8, 150, 70]]}}``: left, top, right, bottom in pixels, the
last two exclusive; a class has one box, or a list of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..images import read_image

LIST = "scenes.json"


@dataclass(frozen=True)
class Annotated:
    """A picture's ``file`` name, its ``image`` (H, W, 3), uint8, RGB, and the ``boxes`` (number, 4) of each class in it."""

    file: str
    image: np.ndarray
    boxes: dict[str, np.ndarray]


def annotated(folder: Path) -> list[Annotated]:
    """All pictures of a folder, in the order of its list. Raises ``BadInput`` for a picture that cannot be read."""
    known = json.loads((folder / LIST).read_text(encoding="utf-8"))
    return [
        Annotated(file, read_image(folder / file), {name: np.reshape(of, (-1, 4)) for name, of in boxes.items()})
        for file, boxes in known.items()
    ]
