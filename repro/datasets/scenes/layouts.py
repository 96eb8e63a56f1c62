"""Scenes as files: ``single`` in ImageNet's layout, ``multi`` in VOC's.

Pictures are PNG files, in ``JPEGImages`` too: what a JPEG holds depends on the library that wrote it. A picture's own file comes
last and takes its name when it is whole: a picture that is there is complete, with all that belongs to it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from ....errors import BadInput
from .. import imagenet, voc
from ..annotation import Noted, annotation_xml
from ..examples import Example
from .classes import CLASSES
from .compose import Scene, Thing, label_of, scene

SYNSETS = tuple(f"s{index:08d}" for index in range(len(CLASSES)))  # as WordNet's ids, but none of them


class Single:
    """``train/<id>/<id>_<n>.png``, ``val/scenes_val_<n>.png``, ``Annotations``, ``synset_words.txt`` and Caffe's lists."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.seed = folder, seed

    def write(self, split: str, number: int) -> None:
        """One picture and its annotation, if it is not there yet."""
        file = self._file(split, number)
        picture = self.folder / split / file
        if picture.exists():
            return
        shown = scene(self.seed, "single", split, number)
        noted = [_noted(thing, SYNSETS[thing.label]) for thing in shown.things]
        xml = annotation_xml(split, picture.name, shown.mask.shape, noted, imagenet.FIRST, segmented=False)
        write_whole(self.folder / "Annotations" / split / Path(file).with_suffix(".xml"), xml.encode())
        write_whole(picture, _png(Image.fromarray(shown.image)))

    def finish(self, counts: Mapping[str, int]) -> None:
        """The lists, which say of all pictures what class they show."""
        words = "".join(f"{synset} {name}\n" for synset, name in zip(SYNSETS, CLASSES, strict=True))
        write_whole(self.folder / imagenet.WORDS, words.encode())
        for split, count in counts.items():
            lines = [f"{self._file(split, n)} {label_of(self.seed, split, n)}\n" for n in range(count)]
            write_whole(self.folder / f"{split}.txt", "".join(lines).encode())

    def _file(self, split: str, number: int) -> str:
        if split != "train":
            return f"scenes_{split}_{number:08d}.png"
        synset = SYNSETS[label_of(self.seed, split, number)]
        return f"{synset}/{synset}_{number}.png"


class Multi:
    """``Annotations``, ``ImageSets``, ``JPEGImages``, ``SegmentationClass`` and ``SegmentationObject``, and ``classes.txt``.

    Masks have VOC's colours. No pixel is void (255): every object's border is known.
    """

    def __init__(self, folder: Path, seed: int):
        self.folder, self.seed = folder, seed

    def write(self, split: str, number: int) -> None:
        name = _name(split, number)
        picture = self.folder / "JPEGImages" / f"{name}.png"
        if picture.exists():
            return
        shown = scene(self.seed, "multi", split, number)
        noted = [_noted(thing, thing.name) for thing in shown.things]
        xml = annotation_xml("scenes", picture.name, shown.mask.shape, noted, voc.FIRST, segmented=True)
        write_whole(self.folder / "Annotations" / f"{name}.xml", xml.encode())
        write_whole(self.folder / "SegmentationClass" / f"{name}.png", _png(_coloured(class_mask(shown))))
        write_whole(self.folder / "SegmentationObject" / f"{name}.png", _png(_coloured(shown.mask)))
        write_whole(picture, _png(Image.fromarray(shown.image)))

    def finish(self, counts: Mapping[str, int]) -> None:
        """The lists of all pictures, and for each class one that says 1: it is there, 0: only difficult ones, -1: it is not."""
        write_whole(self.folder / "classes.txt", "".join(f"{name}\n" for name in CLASSES).encode())
        for split, count in counts.items():
            names = "".join(f"{_name(split, number)}\n" for number in range(count)).encode()
            for task in ("Main", "Segmentation"):
                write_whole(self.folder / "ImageSets" / task / f"{split}.txt", names)
            examples = voc.Voc(self.folder, split)
            presences = [_presence(example) for example in examples]
            for label, name in enumerate(CLASSES):
                lines = [
                    f"{file} {shown.get(label, -1):2d}\n" for file, shown in zip(examples.names, presences, strict=True)
                ]
                write_whole(self.folder / "ImageSets" / "Main" / f"{name}_{split}.txt", "".join(lines).encode())


LAYOUTS: dict[str, type[Single] | type[Multi]] = {"single": Single, "multi": Multi}


def class_mask(shown: Scene) -> np.ndarray:
    """A scene's mask of classes (H, W), uint8, as VOC has it: 0 is background, a class's index + 1 the class."""
    return np.array([0, *(thing.label + 1 for thing in shown.things)], np.uint8)[shown.mask]


def palette() -> list[int]:
    """VOC's colours, red, green, blue of all 256: each bit triple of an index sets one bit of the three, highest first."""
    colours = []
    for index in range(256):
        for channel in range(3):
            colours.append(sum((index >> (3 * place + channel) & 1) << (7 - place) for place in range(3)))
    return colours


def _name(split: str, number: int) -> str:
    return f"{split}_{number:06d}"


def _noted(thing: Thing, name: str) -> Noted:
    return Noted(name, thing.box, thing.difficult, thing.truncated)


def _presence(example: Example) -> dict[int, int]:
    """Class -> 1, or 0 where all its objects are difficult."""
    return {label: int(any(not o.difficult for o in example.objects if o.label == label)) for label in example.labels}


def _coloured(mask: np.ndarray) -> Image.Image:
    picture = Image.fromarray(mask)
    picture.putpalette(palette())
    return picture


def _png(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "PNG", compress_level=4)
    return content.getvalue()


def write_whole(path: Path, content: bytes) -> None:
    """Whole or not at all. A file that a crash took is drawn again, so nothing waits for the disk."""
    temporary = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror}") from None
