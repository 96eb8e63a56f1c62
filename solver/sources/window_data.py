"""WindowData: windows of pictures that a text file lists, as R-CNN trains (src/caffe/layers/window_data_layer.cpp)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...caffe_models.mean import read_mean
from ...caffe_models.pictures import read_pixels
from ...errors import BadInput
from ..chance import chance
from ..data_layer import DataLayer, find
from ..resizing import resized
from .lists import read_lines, whole_number


class Window(NamedTuple):
    """Pixels of a picture, the last ones included; label 0 is the background."""

    path: str
    label: int
    overlap: float
    x1: int
    y1: int
    x2: int
    y2: int
    line: int  # of the list, from 1


class Placed(NamedTuple):
    """A picture's pixels warped into a part of the net's square input."""

    pixels: np.ndarray
    top: int
    left: int


class WindowData:
    """Tops: windows warped to crop_size (N, 3, crop_size, crop_size), BGR, and labels (N,).

    A batch is first background (overlap below ``bg_threshold``), then ``fg_fraction`` foreground (``fg_threshold`` or above), each drawn
    at random. ``context_pad`` pixels around a window are seen too; what lies beyond the picture is 0, the mean.
    A picture of the list is ``# index``, path, channels, height, width, number of windows, and their lines
    ``label overlap x1 y1 x2 y2``.
    """

    def __init__(self, layer: DataLayer):
        layer.expect_tops(2, 2)
        self.layer, self.param = layer, layer.message.window_data_param
        if layer.message.HasField("augmentation_param"):
            raise layer.refuse("augmentation_param", "one", "none: windows are warped, not scaled and rotated")
        self.batch_size = layer.batch_size("window_data_param")
        transform = layer.message.transform_param
        self.size: int = transform.crop_size
        self.mirror: bool = transform.mirror
        self.mean = _mean(layer, self.size)
        # Caffe reads the old place of the scale, from which its own upgrade of files takes it away.
        self.scale = np.float32(self.param.scale if self.param.HasField("scale") else transform.scale)
        self._check()
        source = layer.find("window_data_param.source", self.param.source)
        self.source = source
        windows = list(_read(source, self.param.root_folder, layer.folder))
        self.foreground = [window for window in windows if window.overlap >= self.param.fg_threshold]
        background = (window for window in windows if window.overlap < self.param.fg_threshold)
        self.background = [
            window._replace(label=0) for window in background if window.overlap < self.param.bg_threshold
        ]
        self.wanted = int(np.float32(self.batch_size) * np.float32(self.param.fg_fraction))  # foreground in a batch
        self._check_windows()
        self.shapes: list[tuple[int, ...]] = [(self.batch_size, 3, self.size, self.size), (self.batch_size,)]

    def batch(self, index: int) -> list[np.ndarray]:
        """The tops of batch number ``index``. Raises ``BadInput``."""
        images = np.zeros(self.shapes[0], np.float32)
        labels = np.zeros(self.shapes[1], np.float32)
        for item in range(self.batch_size):
            rng = chance(self.layer.seed, "window", index * self.batch_size + item)
            choice = self.background if item < self.batch_size - self.wanted else self.foreground
            window = choice[int(rng.integers(len(choice)))]
            self._fill(images[item], window, self.mirror and bool(rng.integers(2)))
            labels[item] = window.label
        return [images, labels]

    def _fill(self, image: np.ndarray, window: Window, mirrored: bool) -> None:
        """One window's pixels into an image of zeros (3, crop_size, crop_size)."""
        try:
            placed = self._placed(read_pixels(window.path), window, mirrored)
        except BadInput as error:
            raise BadInput(f"{self.source}: line {window.line}: {error}") from None
        height, width = placed.pixels.shape[:2]
        rows, columns = slice(placed.top, placed.top + height), slice(placed.left, placed.left + width)
        mean = self.mean[:, rows, columns] if self.mean.shape[1] > 1 else self.mean
        image[:, rows, columns] = (placed.pixels.transpose(2, 0, 1) - mean) * self.scale

    def _placed(self, picture: np.ndarray, window: Window, mirrored: bool) -> Placed:
        """Caffe's arithmetic, with its roundings: the window (with context) cut at the picture's edges, and warped."""
        box = _Box(window.x1, window.y1, window.x2, window.y2)
        square = self.param.crop_mode == "square"
        seen = _expanded(box, self.size, self.param.context_pad, square) if self.param.context_pad or square else box
        height, width = picture.shape[:2]
        cut = _Box(max(seen.x1, 0), max(seen.y1, 0), min(seen.x2, width - 1), min(seen.y2, height - 1))
        if cut.width < 1 or cut.height < 1 or (seen == box and cut != box):
            raise BadInput(f"{window.path}: found a window {tuple(box)}, expected one within {width} x {height} pixels")
        zoom_x, zoom_y = (np.float32(self.size) / np.float32(n) for n in (seen.width, seen.height))
        left, right = _round((cut.x1 - seen.x1) * zoom_x), _round((seen.x2 - cut.x2) * zoom_x)
        top, left = _round((cut.y1 - seen.y1) * zoom_y), right if mirrored else left
        tall = min(_round(cut.height * zoom_y), self.size - top)
        wide = min(_round(cut.width * zoom_x), self.size - left)
        if tall < 1 or wide < 1:
            raise BadInput(
                f"{window.path}: found a window {tuple(box)} that is nothing of the picture, expected a part of it"
            )
        pixels = resized(picture[cut.y1 : cut.y2 + 1, cut.x1 : cut.x2 + 1], tall, wide)
        return Placed(pixels[:, ::-1] if mirrored else pixels, top, left)

    def _check(self) -> None:
        if not self.size:
            raise self.layer.refuse("transform_param.crop_size", self.size, "the size that windows are warped to")
        if self.param.crop_mode not in ("warp", "square"):
            raise self.layer.refuse("window_data_param.crop_mode", repr(self.param.crop_mode), "warp or square")
        if 2 * self.param.context_pad >= self.size:
            found = f"{self.param.context_pad} on both sides"
            raise self.layer.refuse("window_data_param.context_pad", found, f"less than crop_size, {self.size}")
        if not 0 <= self.param.fg_fraction <= 1:
            raise self.layer.refuse("window_data_param.fg_fraction", self.param.fg_fraction, "0 to 1")

    def _check_windows(self) -> None:
        for window in self.foreground:
            if window.label < 1:
                raise BadInput(
                    f"{self.source}: line {window.line}: found label {window.label} of a foreground window, expected 1 or more"
                )
        if (self.wanted and not self.foreground) or (self.wanted < self.batch_size and not self.background):
            found = f"{len(self.foreground)} foreground and {len(self.background)} background windows"
            raise self.layer.refuse("window_data_param.source", found, "some of each that a batch holds")


@dataclass(frozen=True)
class _Box:
    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def width(self) -> int:
        return self.x2 - self.x1 + 1

    @property
    def height(self) -> int:
        return self.y2 - self.y1 + 1

    def __iter__(self) -> Iterator[int]:
        return iter((self.x1, self.y1, self.x2, self.y2))


def _expanded(box: _Box, size: int, pad: int, square: bool) -> _Box:
    """The region that, warped to ``size``, shows the box (or a square around it) with ``pad`` pixels on each side."""
    grow = np.float32(size) / np.float32(size - 2 * pad)
    half_height, half_width = np.float32(box.height) / 2, np.float32(box.width) / 2
    x, y = np.float32(box.x1) + half_width, np.float32(box.y1) + half_height
    if square:
        half_height = half_width = max(half_height, half_width)
    reach_x, reach_y = half_width * grow, half_height * grow
    return _Box(_round(x - reach_x), _round(y - reach_y), _round(x + reach_x), _round(y + reach_y))


def _round(number: np.floating) -> int:
    """As C rounds: halves away from zero."""
    return int(math.copysign(math.floor(abs(number) + 0.5), number))


def _mean(layer: DataLayer, size: int) -> np.ndarray:
    """The centre of the mean image, (3, crop_size, crop_size), or the mean values, (3 or 1, 1, 1)."""
    transform = layer.message.transform_param
    if transform.mean_file and transform.mean_value:
        raise layer.refuse("transform_param", "mean_file and mean_value", "one of them")
    if not transform.mean_file:
        if len(transform.mean_value) not in (0, 1, 3):
            found = f"{len(transform.mean_value)} numbers"
            raise layer.refuse("transform_param.mean_value", found, "one for all channels, or 3")
        return np.array(transform.mean_value or [0], np.float32)[:, None, None]
    path = layer.find("transform_param.mean_file", transform.mean_file)
    mean = read_mean(path)
    if mean.shape[0] != 3 or mean.shape[1] != mean.shape[2] or mean.shape[1] < size:
        raise BadInput(f"{path}: found shape {mean.shape}, expected 3 channels of a square of at least {size} pixels")
    start = (mean.shape[1] - size) // 2
    return mean[:, start : start + size, start : start + size]


def _read(source: Path, root_folder: str, folder: Path) -> Iterator[Window]:
    """The windows of a list. Raises ``BadInput`` at the first line that is not what its place asks for."""
    lines = read_lines(source, "# image_index")
    beside = folder if root_folder else source.parent
    for index, (number, text) in enumerate(lines):
        if text.split() != ["#", str(index)]:
            raise BadInput(f"{source}: line {number}: found {text[:80]!r}, expected '# {index}', the next picture")
        number, name = _next(lines, source, "a picture's path")
        path, looked = find(root_folder + name, beside)
        if path is None:
            raise BadInput(
                f"{source}: line {number}: found {name!r}, expected a picture; there is none at {' or '.join(looked)}"
            )
        channels, _, _, windows = (
            _count(lines, source, what) for what in ("channels", "a height", "a width", "a number of windows")
        )
        if channels != 3:
            raise BadInput(f"{source}: picture {index}: found {channels} channels, expected 3")
        for _ in range(windows):
            yield _window(path, *_next(lines, source, "a window"), source)


def _window(path: str, line: int, text: str, source: Path) -> Window:
    where, fields = f"{source}: line {line}", text.split()
    if len(fields) != 6:
        raise BadInput(f"{where}: found {text[:80]!r}, expected a window: label overlap x1 y1 x2 y2")
    try:
        overlap = float(fields[1])
    except ValueError:
        overlap = math.nan
    if not 0 <= overlap <= 1:
        raise BadInput(f"{where}: found the overlap {fields[1]!r}, expected 0 to 1")
    label, *box = (whole_number(field, where, "a label and corners") for field in (fields[0], *fields[2:]))
    if box[2] < box[0] or box[3] < box[1]:
        raise BadInput(f"{where}: found the corners {box}, expected x1 y1 x2 y2 with x1 <= x2 and y1 <= y2")
    x1, y1, x2, y2 = box
    return Window(path, label, overlap, x1, y1, x2, y2, line)


def _next(lines: Iterator[tuple[int, str]], source: Path, what: str) -> tuple[int, str]:
    line = next(lines, None)
    if line is None:
        raise BadInput(f"{source}: found its end, expected {what}")
    return line


def _count(lines: Iterator[tuple[int, str]], source: Path, what: str) -> int:
    number, text = _next(lines, source, what)
    count = whole_number(text, f"{source}: line {number}", what)
    if count < 0:
        raise BadInput(f"{source}: line {number}: found {count}, expected {what} of 0 or more")
    return count
