"""From a picture file to a net's input blob, as Caffe's own front ends make it."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import BadInput, nearest

MOST_PIXELS = 100_000_000  # of one picture: a small file can claim any number
ILSVRC_MEAN = (104.0, 117.0, 123.0)  # blue, green, red: what the Model Zoo's ImageNet nets subtract
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

    def __post_init__(self) -> None:
        for field, found, known in (("channel order", self.order, ORDERS), ("resize", self.resize, RESIZES)):
            if found not in known:
                raise BadInput(f"{field}: found {found!r}, expected one of {list(known)}{nearest(found, known)}")


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """A picture file as (H, W, 3), uint8, RGB, the way up that its camera noted. Raises ``BadInput``.

    Grey becomes three equal channels, 16 bits become 8, palettes and CMYK become RGB; an alpha channel is dropped, as
    Caffe's ``io.load_image`` drops it. Of several frames the first is taken.
    """
    try:
        if not Path(path).stat().st_size:
            raise BadInput(f"{path}: is empty, expected a picture")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's warning of many pixels: refused just below
            with Image.open(path) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise BadInput(
                        f"{path}: claims {picture.width} x {picture.height} pixels, expected {MOST_PIXELS} at most"
                    )
                return np.asarray(_rgb(ImageOps.exif_transpose(picture), path))
    except BadInput:
        raise
    except UnidentifiedImageError:
        raise BadInput(f"{path}: is no picture that can be read, expected a JPEG, PNG or the like") from None
    except Image.DecompressionBombError as error:
        raise BadInput(f"{path}: claims too many pixels, expected {MOST_PIXELS} at most ({error})") from None
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or f'is a damaged picture ({error})'}") from None
    except Exception as error:  # Pillow's readers meet damaged files with whatever their parts raise
        raise BadInput(f"{path}: is a damaged picture ({error})") from None


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


def _rgb(picture: Any, path: Any) -> Any:
    if picture.mode.startswith("I"):  # 16 bits, or 32 that mostly hold 16
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise BadInput(f"{path}: holds grey values from {values.min()} to {values.max()}, expected 16 bits at most")
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        raise BadInput(f"{path}: holds floating-point grey values, expected a picture of 8 or 16 bits")
    return picture.convert("RGB")


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
