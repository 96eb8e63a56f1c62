"""ImageNet's layout as Caffe's examples use it: a folder per split, ``train.txt`` ("path label" lines) beside it, ``synset_words.txt``.

    train/n02391049/n02391049_7.JPEG   train.txt: n02391049/n02391049_7.JPEG 340   Annotations/train/n02391049/n02391049_7.xml
    val/ILSVRC2012_val_00000001.JPEG   val.txt:   ILSVRC2012_val_00000001.JPEG 65  Annotations/val/ILSVRC2012_val_00000001.xml

ILSVRC's own download has the folders as ``Data/CLS-LOC/train`` and ``Annotations/CLS-LOC/train``: both are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import overload

from PIL import Image, UnidentifiedImageError

from ...errors import BadInput, nearest
from .annotation import Noted, read_annotation
from .examples import Example, Object
from .lists import read_lines

FIRST = 0  # the number of the first pixel
WORDS = "synset_words.txt"


class ImageNet(Sequence[Example]):
    """The pictures of a split (``train``, ``val``, ``test``); sizes and boxes are read when a picture is asked for.

    A picture without an annotation has its class and no objects. Boxes that reach beyond the picture, as a few of the real
    ones do, stay as they are. ``synsets``: the classes' ids in order, ``names``: their first words. Raises ``BadInput``.
    """

    def __init__(self, folder: str | Path, split: str):
        self.folder, self.split = Path(folder), split
        words = [line.partition(" ") for _, line in read_lines(self.folder / WORDS)]
        self.synsets = tuple(synset for synset, _, _ in words)
        self.names = tuple(name.split(",")[0].strip() or synset for synset, _, name in words)
        listed = self.folder / f"{split}.txt"
        if not listed.is_file():
            known = sorted(path.stem for path in self.folder.glob("*.txt") if path.name != WORDS)
            raise BadInput(f"{self.folder}: found no list {split}.txt, expected one of {known}{nearest(split, known)}")
        self.entries = [_entry(line, f"{listed}:{number}", len(words)) for number, line in read_lines(listed)]
        self._pictures = _first_folder((self.folder / split, self.folder / "Data" / "CLS-LOC" / split))
        annotations = self.folder / "Annotations"
        self._annotations = _first_folder((annotations / split, annotations / "CLS-LOC" / split))

    def __len__(self) -> int:
        return len(self.entries)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self._example(*entry) for entry in self.entries[index]]
        return self._example(*self.entries[index])

    def _example(self, file: str, label: int) -> Example:
        picture = self._pictures / file
        noted = self._annotations / Path(file).with_suffix(".xml")
        if not noted.is_file():
            return Example(picture, _size(picture), (), label)
        if not picture.is_file():
            raise BadInput(f"{picture}: is not there, though {self.split}.txt names it")
        annotation = read_annotation(noted, FIRST)
        objects = tuple(self._object(thing, noted) for thing in annotation.objects)
        return Example(picture, annotation.size, objects, label)

    def _object(self, thing: Noted, path: Path) -> Object:
        if thing.name not in self.synsets:
            known = nearest(thing.name, self.synsets)
            raise BadInput(
                f"{path}: name: found {thing.name!r}, expected one of {len(self.synsets)} ids of {WORDS}{known}"
            )
        label = self.synsets.index(thing.name)
        return Object(label, self.names[label], thing.box, thing.difficult, thing.truncated)


def _first_folder(folders: Sequence[Path]) -> Path:
    """The first that is there, or the first of all."""
    return next((folder for folder in folders if folder.is_dir()), folders[0])


def _entry(line: str, where: str, classes: int) -> tuple[str, int]:
    file, _, label = line.rpartition(" ")
    if not file or not label.isdecimal() or int(label) >= classes:
        raise BadInput(f"{where}: found {line!r}, expected a path and a label from 0 to {classes - 1}")
    return file.strip(), int(label)


def _size(picture: Path) -> tuple[int, int]:
    try:
        with Image.open(picture) as image:
            return image.height, image.width
    except (OSError, UnidentifiedImageError) as error:
        raise BadInput(f"{picture}: {getattr(error, 'strerror', None) or 'is no picture that can be read'}") from None
