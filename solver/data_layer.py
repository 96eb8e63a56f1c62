"""A data layer as a training net states it: its message, and what it is read with."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BadInput


@dataclass(frozen=True)
class DataLayer:
    """``message``: an upgraded ``LayerParameter``. ``folder``: of the prototxt, whose name is ``definition`` (for errors)."""

    message: Any
    folder: Path
    phase: str  # TRAIN or TEST
    seed: int
    definition: str = ""

    @property
    def where(self) -> str:
        source = f"{self.definition}: " if self.definition else ""
        return f"{source}layer {self.message.name!r} ({self.message.type})"

    def refuse(self, field: str, found: Any, expected: str) -> BadInput:
        """A ``BadInput`` that names the file, this layer and one of its fields."""
        return BadInput(f"{self.where}: {field}: found {found}, expected {expected}")

    def expect_tops(self, fewest: int, most: int | None) -> None:
        """Raises ``BadInput`` for another number of tops than Caffe allows, or for any bottom."""
        tops = len(self.message.top)
        if tops < fewest or (most is not None and tops > most):
            wanted = f"at least {fewest}" if most is None else f"{fewest}" if fewest == most else f"{fewest} to {most}"
            raise self.refuse("top", f"{tops} blobs", wanted)
        if self.message.bottom:
            raise self.refuse("bottom", f"{len(self.message.bottom)} blobs", "0")

    def expect_no_change(self) -> None:
        """Raises ``BadInput`` where images are to be changed that this layer type, as in Caffe, gives as they are."""
        for field in ("transform_param", "augmentation_param"):
            if self.message.HasField(field):
                raise self.refuse(field, "one", f"none: {self.message.type} does not transform its data")

    def batch_size(self, field: str) -> int:
        """The ``batch_size`` of the message ``field``. Raises ``BadInput`` for 0."""
        size = getattr(self.message, field).batch_size
        if size < 1:
            raise self.refuse(f"{field}.batch_size", size, "a positive number")
        return size

    def find(self, field: str, name: str) -> Path:
        """The file or folder that a field names: from the current directory as in Caffe, or else beside the prototxt."""
        if not name:
            raise self.refuse(field, "none", "the name of a file")
        found, looked = find(name, self.folder)
        if found is None:
            raise self.refuse(field, repr(name), f"a file; there is none at {' or '.join(looked)}")
        return Path(found)


def find(name: str, folder: str | os.PathLike[str]) -> tuple[str | None, list[str]]:
    """Where ``name`` is, and where it was looked for: in the current directory, or else in ``folder``."""
    looked = list(dict.fromkeys((name, os.path.join(folder, name))))  # noqa: PTH118 (called for each of a million lines)
    return next((place for place in looked if os.path.exists(place)), None), looked  # noqa: PTH110
