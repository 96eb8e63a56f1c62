"""ImageData: pictures and labels that a text file lists (src/caffe/layers/image_data_layer.cpp)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...caffe_models.pictures import read_pixels
from ...errors import BadInput
from ..data_layer import DataLayer, find
from ..resizing import resized
from ..transformation import Transformation
from .epochs import Epochs, skipped
from .images import stacked
from .lists import read_lines, whole_number


class Picture(NamedTuple):
    path: str
    label: int
    line: int  # of the list, from 1


class ImageData:
    """Tops: images (N, C, H, W), C = 3 (BGR) or 1, and labels (N,).

    A line of the list is a path and a label: the path follows ``root_folder`` letter by letter, as in Caffe, and is looked
    for from the current directory, then beside the prototxt, or without a root folder beside the list. All pictures must be there
    at the start. A batch's images are of one size: that of its first.
    """

    def __init__(self, layer: DataLayer):
        layer.expect_tops(2, 2)
        param = layer.message.image_data_param
        self.colour: bool = param.is_color
        self.size = (param.new_height, param.new_width)
        if (self.size[0] == 0) != (self.size[1] == 0):
            found = f"new_height {self.size[0]} and new_width {self.size[1]}"
            raise layer.refuse("image_data_param", found, "both or none of them")
        transform = layer.message.transform_param
        if transform.force_gray if self.colour else transform.force_color:
            forced = "force_gray" if transform.force_gray else "force_color"
            raise layer.refuse(
                f"transform_param.{forced}", "true", "image_data_param.is_color, which decides this here"
            )
        self.source = layer.find("image_data_param.source", param.source)
        self.pictures = _read_list(self.source, param.root_folder, layer.folder)
        batch_size = layer.batch_size("image_data_param")
        if param.rand_skip > len(self.pictures):
            expected = f"at most the {len(self.pictures)} pictures of {self.source}"
            raise layer.refuse("image_data_param.rand_skip", param.rand_skip, expected)
        skip = skipped(param.rand_skip, layer.seed)
        self.epochs = Epochs((len(self.pictures),), batch_size, param.shuffle, layer.seed, skip)
        self.transform = Transformation(layer)
        _, first = self.epochs.items(0)[0]
        image = self.transform.shape(self._pixels(self.pictures[first]).shape)
        self.shapes: list[tuple[int, ...]] = [(batch_size, *image), (batch_size,)]

    def batch(self, index: int) -> list[np.ndarray]:
        """The tops of batch number ``index``. Raises ``BadInput``."""
        chosen = [(number, self.pictures[place]) for number, place in self.epochs.items(index)]
        images = [self.transform(self._pixels(picture), number, picture.path) for number, picture in chosen]
        return [
            stacked(images, [picture.path for _, picture in chosen]),
            np.array([picture.label for _, picture in chosen], np.float32),
        ]

    def _pixels(self, picture: Picture) -> np.ndarray:
        """A picture as (C, H, W), uint8."""
        try:
            pixels = read_pixels(picture.path, self.colour)
        except BadInput as error:
            raise BadInput(f"{self.source}: line {picture.line}: {error}") from None
        return (resized(pixels, *self.size) if self.size[0] else pixels).transpose(2, 0, 1)


def _read_list(source: Path, root_folder: str, folder: Path) -> list[Picture]:
    beside = folder if root_folder else source.parent
    return [_picture(source, line, text, root_folder, beside) for line, text in read_lines(source, "path label")]


def _picture(source: Path, line: int, text: str, root_folder: str, beside: Path) -> Picture:
    where = f"{source}: line {line}"
    name, _, label = text.rpartition(" ") if " " in text else text.rpartition("\t")
    if not name.strip():
        raise BadInput(f"{where}: found {text[:80]!r}, expected a path, a space and a label")
    path, looked = find(root_folder + name.strip(), beside)
    if path is None:
        raise BadInput(f"{where}: found {name.strip()!r}, expected a picture; there is none at {' or '.join(looked)}")
    return Picture(os.fspath(path), whole_number(label, where, "a label"), line)
