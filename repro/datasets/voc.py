"""PASCAL VOC's layout: ``Annotations``, ``ImageSets``, ``JPEGImages``, ``SegmentationClass``, ``SegmentationObject``.

Serves the real data sets and the generated scenes alike; those name their classes in ``classes.txt``, one to a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import overload

from ...errors import BadInput, nearest
from .annotation import Noted, read_annotation
from .examples import Example, Object
from .lists import read_lines

FIRST = 1  # the number of the first pixel
CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog", "horse",
    "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


class Voc(Sequence[Example]):
    """The pictures of one of the lists in ``ImageSets``; each annotation is read when its picture is asked for.

    ``folder`` holds ``ImageSets``, or is the ``VOCdevkit`` with one such folder in it. ``task``: ``Main`` or ``Segmentation``.
    ``classes``: the names in order. A class's index is its place there; in masks it is one more. Raises ``BadInput``.
    """

    def __init__(self, folder: str | Path, split: str, task: str = "Main"):
        self.folder = _year(Path(folder))
        self.classes = _classes(self.folder)
        lists = self.folder / "ImageSets" / task
        known = sorted(path.stem for path in lists.glob("*.txt"))
        if split not in known:
            raise BadInput(f"{lists}: found no list {split!r}, expected one of {known}{nearest(split, known)}")
        self.names = [line.split()[0] for _, line in read_lines(lists / f"{split}.txt")]

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self._example(name) for name in self.names[index]]
        return self._example(self.names[index])

    def _example(self, name: str) -> Example:
        path = self.folder / "Annotations" / f"{name}.xml"
        annotation = read_annotation(path, FIRST)
        picture = self.folder / "JPEGImages" / annotation.file
        if not picture.is_file():
            raise BadInput(f"{path}: filename: found {annotation.file!r}, expected a picture in {picture.parent}")
        for number, thing in enumerate(annotation.objects, start=1):
            _check_within(thing, annotation.size, f"{path}: object {number}")
        objects = tuple(self._object(thing, path) for thing in annotation.objects)
        mask, instances = (self.folder / f"Segmentation{kind}" / f"{name}.png" for kind in ("Class", "Object"))
        return Example(
            picture,
            annotation.size,
            objects,
            mask=mask if mask.is_file() else None,
            instances=instances if instances.is_file() else None,
        )

    def _object(self, thing: Noted, path: Path) -> Object:
        if thing.name not in self.classes:
            known = nearest(thing.name, self.classes)
            raise BadInput(f"{path}: name: found {thing.name!r}, expected one of {len(self.classes)} classes{known}")
        return Object(self.classes.index(thing.name), thing.name, thing.box, thing.difficult, thing.truncated)


def _check_within(thing: Noted, size: tuple[int, int], where: str) -> None:
    left, top, right, bottom = thing.box
    if right > size[1] or bottom > size[0]:
        found = f"{left + FIRST:g} {top + FIRST:g} {right - 1 + FIRST:g} {bottom - 1 + FIRST:g}"
        raise BadInput(f"{where}: bndbox: found {found}, expected a box within {size[1]} x {size[0]} pixels")


def _year(folder: Path) -> Path:
    if (folder / "ImageSets").is_dir():
        return folder
    years = sorted(path.name for path in folder.glob("*") if (path / "ImageSets").is_dir())
    if len(years) != 1:
        found = f"the folders {years}, each with ImageSets" if years else "no folder ImageSets"
        raise BadInput(f"{folder}: found {found}, expected VOC's layout (Annotations, ImageSets, JPEGImages)")
    return folder / years[0]


def _classes(folder: Path) -> tuple[str, ...]:
    named = folder / "classes.txt"
    return tuple(line for _, line in read_lines(named)) if named.exists() else CLASSES
