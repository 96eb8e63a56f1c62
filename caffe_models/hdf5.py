"""Caffe's HDF5 layout of weights: a dataset ``data/<layer>/<blob index>`` for each blob.

A layer name with a slash ("conv1/7x7_s2") is, to HDF5, a group within a group: a group that holds datasets is a layer,
whatever its depth. A shared blob is stored once, with the layer that owns it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..errors import BadInput
from .files import FilePath
from .wire import check_shape


def read_blobs(path: FilePath) -> dict[str, tuple[np.ndarray, ...]]:
    """Layer name -> read-only arrays in blob order, of the file's float type (float32 or float64)."""
    try:
        with h5py.File(path, "r") as file:
            data = file.get("data")
            if not isinstance(data, h5py.Group):
                raise BadInput(f"{path}: has no group 'data', expected Caffe's data/<layer>/<blob> (.caffemodel.h5)")
            size = Path(path).stat().st_size
            blobs: dict[str, tuple[np.ndarray, ...]] = {}
            _collect(data, "", blobs, str(path), size)
            return blobs
    except BadInput:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, UnicodeError, MemoryError, RecursionError) as error:
        raise BadInput(f"{path}: is not a readable HDF5 file: {error}") from None


def _collect(group: Any, name: str, blobs: dict[str, tuple[np.ndarray, ...]], path: str, size: int) -> None:
    """The blobs of the layer that a group is, and of the layers below it."""
    indexed = {}
    for key in group:
        item = group[key]
        inner = f"{name}/{key}" if name else key
        if isinstance(item, h5py.Group):
            _collect(item, inner, blobs, path, size)
        elif isinstance(item, h5py.Dataset) and name and key.isdecimal():
            indexed[int(key)] = _array(item, f"{path}: data/{inner}", size)
        else:
            raise BadInput(f"{path}: data/{inner} is no blob, expected data/<layer>/<blob index>")
    if sorted(indexed) != list(range(len(indexed))):
        raise BadInput(f"{path}: layer {name!r} has blobs {sorted(indexed)}, expected 0, 1, ... without a gap")
    if indexed:
        blobs[name] = tuple(indexed[index] for index in sorted(indexed))


def _array(dataset: h5py.Dataset, where: str, size: int) -> np.ndarray:
    if dataset.dtype not in (np.float32, np.float64):
        raise BadInput(f"{where}: is of type {dataset.dtype}, expected float32 or float64")
    shape = dataset.shape
    if shape is None:
        raise BadInput(f"{where}: holds nothing")
    count = math.prod(shape)
    check_shape(shape, count, where)
    if dataset.chunks is None and count * dataset.dtype.itemsize > size:
        raise BadInput(f"{where}: shape {shape} means more values than the file has bytes for: truncated or damaged")
    array = np.empty(shape, dataset.dtype.newbyteorder("="))
    dataset.read_direct(array)
    array.setflags(write=False)
    return array
