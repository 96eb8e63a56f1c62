"""From a picture file to a net's input blob, as Caffe's own front ends make it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ..caffe_models.catalogue import ILSVRC_MEAN, Model
from ..caffe_models.pictures import MOST_PIXELS, read_image
from ..errors import BadInput, nearest

__all__ = ["ILSVRC_MEAN", "Box", "Preprocessing", "prepare", "read_image", "seen"]

ORDERS = ("BGR", "RGB")
RESIZES = ("squash", "shorter")


class Box(NamedTuple):
    """Pixels of a picture: right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes a blob: resized, channels in ``order``, minus ``mean``, times ``scale``, as in Caffe.

    ``resize``: ``squash`` resizes the whole picture to the net's input (bilinear); ``shorter`` makes its shorter side
    ``side`` pixels (by default just enough to cover the input) and takes the centre. ``mean``: in the net's channel order,
    one number, one per channel, or an image (C, H, W). An image of another size than the input is resized for ``squash``,
    as pycaffe does, and for ``shorter`` its centre is taken, as Caffe's data layers do.
    """

    mean: float | tuple[float, ...] | np.ndarray = ILSVRC_MEAN
    order: str = "BGR"
    scale: float = 1.0
    resize: str = "squash"
    side: int | None = None

    @classmethod
    def of(cls, model: Model, **others: Any) -> Preprocessing:
        """How a model of the catalogue wants its pictures; ``others``: resize and side."""
        return cls(model.mean, model.order, model.scale, **others)

    def __post_init__(self) -> None:
        for field, found, known in (("channel order", self.order, ORDERS), ("resize", self.resize, RESIZES)):
            if found not in known:
                raise BadInput(f"{field}: found {found!r}, expected one of {list(known)}{nearest(found, known)}")


def prepare(image: np.ndarray, shape: tuple[int, int, int], preprocessing: Preprocessing) -> np.ndarray:
    """A picture (H, W, 3), uint8, RGB, as the float32 blob (C, H, W) of the given shape. Raises ``BadInput``."""
    channels, height, width = shape
    if channels not in (1, 3):
        raise BadInput(f"image: found a net whose input has {channels} channels, expected 1 or 3")
    picture = Image.fromarray(image)
    picture = picture.convert("L") if channels == 1 else picture
    (tall, wide), (top, left) = _resized(image.shape[:2], (height, width), preprocessing)
    resized = picture.resize((wide, tall), Image.Resampling.BILINEAR).crop((left, top, left + width, top + height))
    pixels = np.asarray(resized, np.float32).reshape(height, width, channels)
    if preprocessing.order == "BGR":
        pixels = pixels[..., ::-1]
    centred = pixels.transpose(2, 0, 1) - _mean(shape, preprocessing)
    return np.ascontiguousarray(centred * np.float32(preprocessing.scale), np.float32)


def seen(image: tuple[int, ...], shape: tuple[int, int], preprocessing: Preprocessing) -> Box:
    """The part of a picture (H, W) that a net with input (H, W) gets to see: all, or the centre."""
    resized, corner = _resized(image, shape, preprocessing)
    top, left = (round(start * n / m) for start, n, m in zip(corner, image, resized, strict=True))
    height, width = (round(size * n / m) for size, n, m in zip(shape, image, resized, strict=True))
    return Box(left, top, min(left + width, image[1]), min(top + height, image[0]))


def _resized(
    image: tuple[int, ...], shape: tuple[int, int], preprocessing: Preprocessing
) -> tuple[tuple[int, int], tuple[int, int]]:
    """The size (H, W) that a picture is resized to, and the corner (top, left) at which the net's input is cut out."""
    if preprocessing.resize == "squash":
        return shape, (0, 0)
    side = preprocessing.side
    if side is not None and side < max(shape):
        raise BadInput(f"resize: found a shorter side of {side}, expected the net's input of {max(shape)} at least")
    zoom = side / min(image) if side else max(size / n for size, n in zip(shape, image, strict=True))
    tall, wide = (max(size, round(n * zoom)) for size, n in zip(shape, image, strict=True))
    if tall * wide > MOST_PIXELS:
        raise BadInput(f"image: found {image[1]} x {image[0]} pixels, which its shorter side makes {wide} x {tall}")
    return (tall, wide), ((tall - shape[0]) // 2, (wide - shape[1]) // 2)


def _mean(shape: tuple[int, int, int], preprocessing: Preprocessing) -> np.ndarray:
    """The mean as an array that broadcasts against (C, H, W)."""
    mean = np.asarray(preprocessing.mean, np.float32)
    if mean.ndim == 0:
        return mean
    if mean.ndim == 1:
        mean = mean[:, None, None]
    if len(mean) != shape[0]:
        raise BadInput(f"mean: found {len(mean)} channels, expected {shape[0]} as in the net's input")
    if mean.shape[1:] in ((1, 1), shape[1:]):
        return mean
    rows, columns = shape[1:]
    if preprocessing.resize == "shorter" and mean.shape[1] >= rows and mean.shape[2] >= columns:
        top, left = (mean.shape[1] - rows) // 2, (mean.shape[2] - columns) // 2
        return mean[:, top : top + rows, left : left + columns]
    planes = [Image.fromarray(plane).resize((columns, rows), Image.Resampling.BILINEAR) for plane in mean]
    return np.stack([np.asarray(plane) for plane in planes])
