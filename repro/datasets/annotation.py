"""PASCAL's annotation files: one XML file per picture, with its size and its objects' boxes.

VOC counts pixels from 1, ImageNet (from whose files the numbers 0 and width - 1 can be read) from 0: ``first``. Both name the last
pixel of a box, not the one after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from ...errors import BadInput
from .examples import Span


class Noted(NamedTuple):
    """An object as an annotation has it: its box (x0, y0, x1, y1) is half-open, from 0."""

    name: str
    box: Span
    difficult: bool
    truncated: bool


class Annotation(NamedTuple):
    """A picture's file name and size (H, W), and what was noted in it."""

    file: str
    size: tuple[int, int]
    objects: tuple[Noted, ...]


def read_annotation(path: Path, first: int) -> Annotation:
    """Raises ``BadInput``: one line that names the file, the field, what was found, what was expected."""
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}, expected a picture's annotation") from None
    except ElementTree.ParseError as error:
        raise BadInput(f"{path}: is no XML ({error}), expected a picture's annotation") from None
    if root.tag != "annotation":
        raise BadInput(f"{path}: found <{root.tag}>, expected <annotation>")
    size = (_number(root, "size/height", path), _number(root, "size/width", path))
    if min(size) < 1:
        raise BadInput(f"{path}: size: found {size[1]:g} x {size[0]:g} pixels, expected 1 at least")
    objects = tuple(_noted(element, path, first, number) for number, element in enumerate(root.iter("object"), start=1))
    return Annotation(_text(root, "filename", path), (int(size[0]), int(size[1])), objects)


def annotation_xml(
    folder: str, file: str, size: tuple[int, int], objects: Sequence[Noted], first: int, segmented: bool
) -> str:
    """The XML of an annotation, as VOC's own files are laid out."""
    root = ElementTree.Element("annotation")
    _add(root, "folder", folder)
    _add(root, "filename", file)
    source = _add(root, "source")
    _add(source, "database", "thinktwice scenes")
    shape = _add(root, "size")
    for tag, number in (("width", size[1]), ("height", size[0]), ("depth", 3)):
        _add(shape, tag, number)
    _add(root, "segmented", int(segmented))
    for thing in objects:
        element = _add(root, "object")
        _add(element, "name", thing.name)
        _add(element, "pose", "Unspecified")
        _add(element, "truncated", int(thing.truncated))
        _add(element, "difficult", int(thing.difficult))
        box = _add(element, "bndbox")
        x0, y0, x1, y1 = (int(value) for value in thing.box)
        for tag, number in (
            ("xmin", x0 + first),
            ("ymin", y0 + first),
            ("xmax", x1 - 1 + first),
            ("ymax", y1 - 1 + first),
        ):
            _add(box, tag, number)
    ElementTree.indent(root, "\t")
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _noted(element: ElementTree.Element, path: Path, first: int, number: int) -> Noted:
    where = f"object {number}: "
    left, top, right, bottom = (
        _number(element, f"bndbox/{side}", path, where) for side in ("xmin", "ymin", "xmax", "ymax")
    )
    if left < first or top < first or right < left or bottom < top:
        found = f"{left:g} {top:g} {right:g} {bottom:g}"
        raise BadInput(f"{path}: {where}bndbox: found {found}, expected xmin ymin xmax ymax in order, from {first}")
    box = (left - first, top - first, right - first + 1, bottom - first + 1)
    flags = (_flag(element, tag, path, where) for tag in ("difficult", "truncated"))
    return Noted(_text(element, "name", path, where), box, *flags)


def _text(element: ElementTree.Element, tag: str, path: Path, where: str = "") -> str:
    text = (element.findtext(tag) or "").strip()
    if not text:
        raise BadInput(f"{path}: {where}{tag}: found nothing, expected a text")
    return text


def _number(element: ElementTree.Element, tag: str, path: Path, where: str = "") -> float:
    text = _text(element, tag, path, where)
    try:
        number = float(text)  # a few of VOC's corners lie between pixels
    except ValueError:
        number = float("nan")
    if not abs(number) < 1e9:
        raise BadInput(f"{path}: {where}{tag}: found {text!r}, expected a number of pixels")
    return number


def _flag(element: ElementTree.Element, tag: str, path: Path, where: str) -> bool:
    """0 or 1; where the tag is left out, as older files may, 0."""
    if element.find(tag) is None:
        return False
    text = _text(element, tag, path, where)
    if text not in ("0", "1"):
        raise BadInput(f"{path}: {where}{tag}: found {text!r}, expected 0 or 1")
    return text == "1"


def _add(parent: ElementTree.Element, tag: str, text: object = None) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag)
    element.text = None if text is None else str(text)
    return element
