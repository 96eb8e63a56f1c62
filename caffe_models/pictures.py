"""Reading picture files: as a person sees them, and as Caffe's data layers get them from OpenCV."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import BadInput

MOST_PIXELS = 100_000_000  # of one picture: a small file can claim any number


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """A picture file as (H, W, 3), uint8, RGB, the way up that its camera noted. Raises ``BadInput``.

    Grey becomes three equal channels, 16 bits become 8, palettes and CMYK become RGB; an alpha channel is dropped, as
    Caffe's ``io.load_image`` drops it. Of several frames the first is taken.
    """
    with warnings.catch_warnings():  # not below, where a training's thread reads: filters belong to all threads
        warnings.simplefilter("ignore")  # Pillow's warning of many pixels: what is too many is refused
        with _not_empty(path) as file, _opened(file, path) as picture:
            return np.asarray(_rgb(ImageOps.exif_transpose(picture), path))


def read_pixels(path: str | os.PathLike[str], colour: bool = True) -> np.ndarray:
    """A picture file as ``cv::imread`` gives it: (H, W, 3), uint8, BGR, or without ``colour`` (H, W, 1). Raises ``BadInput``.

    Grey values made from a JPEG are its own; those made from other colours may differ from OpenCV's by one level.
    """
    with _not_empty(path) as file, _opened(file, path) as picture:
        return _pixels(picture, colour, path)


def decode_pixels(content: bytes, colour: bool | None, where: str) -> np.ndarray:
    """A picture file's content as ``cv::imdecode`` gives it: like ``read_pixels``, or with ``None`` its own channels.

    These are 1 (grey), 3 (BGR) or 4 (BGRA), of 8 bits, and not turned. Raises ``BadInput``, which names ``where``.
    """
    with _opened(io.BytesIO(content), where) as picture:
        if colour is not None:
            return _pixels(picture, colour, where)
        if picture.mode.startswith(("I", "F")):
            raise BadInput(f"{where}: holds a picture of {picture.mode} pixels, expected 8 bits for each channel")
        if picture.mode in ("L", "1"):
            return np.asarray(picture.convert("L"))[..., None]
        pixels = np.asarray(picture.convert("RGBA" if picture.has_transparency_data else "RGB"))
        return pixels[..., [2, 1, 0, 3][: pixels.shape[-1]]]


def _pixels(picture: Any, colour: bool, path: Any) -> np.ndarray:
    if not colour:
        picture.draft("L", picture.size)  # a JPEG holds grey values of its own
    picture = ImageOps.exif_transpose(picture)
    if colour:
        return np.asarray(_rgb(picture, path))[..., ::-1]
    return np.asarray(picture if picture.mode == "L" else _rgb(picture, path).convert("L"))[..., None]


@contextlib.contextmanager
def _not_empty(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    try:
        if not Path(path).stat().st_size:
            raise BadInput(f"{path}: is empty, expected a picture")
        with Path(path).open("rb") as file:
            yield file
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None


@contextlib.contextmanager
def _opened(file: IO[bytes], path: Any) -> Iterator[Any]:
    """The picture in ``file``; whatever its reading raises becomes one line that names ``path``."""
    try:
        with Image.open(file) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise BadInput(
                    f"{path}: claims {picture.width} x {picture.height} pixels, expected {MOST_PIXELS} at most"
                )
            yield picture
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


def _rgb(picture: Any, path: Any) -> Any:
    if picture.mode.startswith("I"):  # 16 bits, or 32 that mostly hold 16
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise BadInput(f"{path}: holds grey values from {values.min()} to {values.max()}, expected 16 bits at most")
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        raise BadInput(f"{path}: holds floating-point grey values, expected a picture of 8 or 16 bits")
    return picture.convert("RGB")
