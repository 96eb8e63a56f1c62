"""Reading the mean image that is subtracted from every input."""

from __future__ import annotations

import numpy as np

from ..errors import BadInput
from . import files
from .files import FilePath
from .wire import blob


def read_mean(path: FilePath) -> np.ndarray:
    """The mean of a .binaryproto (a BlobProto) or .npy file: (C, H, W), float32, channels in the net's order (mostly BGR).

    One number per channel, as ``np.save`` of a vector gives it, is returned as (C, 1, 1).
    """
    with files.mapped(path) as content:
        kind = files.kind(content)
        if kind not in (files.BINARY, files.NPY):
            raise BadInput(f"{path}: is {kind}, expected a mean image (.binaryproto or .npy)")
        try:
            mean = _load_npy(path) if kind == files.NPY else blob(content)
        except BadInput as error:
            raise BadInput(f"{error}; expected a mean image (.binaryproto or .npy)") from None
    if mean.ndim == 4 and mean.shape[0] == 1:
        mean = mean[0]
    if mean.ndim == 1:
        mean = mean[:, None, None]
    if mean.ndim != 3 or mean.size == 0:
        raise BadInput(f"{path}: shape {mean.shape}, expected a mean image (C, H, W)")
    mean = np.array(mean, dtype=np.float32)
    if not np.isfinite(mean).all():
        raise BadInput(f"{path}: holds values that are not finite, expected a mean image")
    return mean


def _load_npy(path: FilePath) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: a header cannot claim what is not there
    except Exception as error:  # the header is Python text: its parser raises whatever its parts raise
        raise BadInput(f"{path}: is a damaged .npy file: {error}") from None
    if array.dtype.kind not in "fiu":
        raise BadInput(f"{path}: holds {array.dtype}")
    return array
