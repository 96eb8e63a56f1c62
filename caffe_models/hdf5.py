"""Caffe's HDF5 layout of weights: a dataset ``data/<layer>/<blob index>`` for each blob.

A layer name with a slash ("conv1/7x7_s2") is, to HDF5, a group within a group: a group that holds datasets is a layer,
whatever its depth. A shared blob is stored once, with the layer that owns it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..errors import BadInput
from .files import FilePath
from .wire import check_shape

DEFLATE_LIMIT = 1032  # how many bytes one compressed byte can stand for


def read_blobs(path: FilePath) -> dict[str, tuple[np.ndarray, ...]]:
    """Layer name -> read-only arrays in blob order, of the file's float type (float32 or float64)."""
    reader = _Reader(str(path), Path(path).stat().st_size)
    try:
        with h5py.File(path, "r") as file:
            data = file.get("data")
            if not isinstance(data, h5py.Group):
                raise BadInput(f"{path}: has no group 'data', expected Caffe's data/<layer>/<blob> (.caffemodel.h5)")
            reader.collect(data, "")
    except BadInput:
        raise
    except Exception as error:  # libhdf5 meets a damaged file with whatever its parts raise
        raise BadInput(f"{path}: is a damaged HDF5 file: {error}") from None
    return reader.blobs


@dataclass
class _Reader:
    path: str
    size: int  # of the file in bytes
    blobs: dict[str, tuple[np.ndarray, ...]] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)

    def collect(self, group: Any, name: str) -> None:
        """The blobs of the layer that a group is, and of the layers below it."""
        indexed = {}
        for key in group:
            inner = f"{name}/{key}" if name else key
            where = f"{self.path}: data/{inner}"
            item = self._own(group, key, where)
            if isinstance(item, h5py.Group):
                self.collect(item, inner)
            elif isinstance(item, h5py.Dataset) and name and key.isdecimal():
                indexed[int(key)] = read_array(item, self.size, where)
            else:
                raise BadInput(f"{where} is no blob, expected data/<layer>/<blob index>")
        if sorted(indexed) != list(range(len(indexed))):
            raise BadInput(f"{self.path}: layer {name!r} has blobs {sorted(indexed)}, expected 0, 1, ... without a gap")
        if indexed:
            self.blobs[name] = tuple(indexed[index] for index in sorted(indexed))

    def _own(self, group: Any, key: str, where: str) -> Any:
        """A member of a group that lies in this file and is met once: no way around in circles or out of the file."""
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise BadInput(f"{where} is a link to elsewhere, expected a blob or layer of this file")
        item = group[key]
        address = h5py.h5o.get_info(item.id).addr
        if address in self.seen:
            raise BadInput(f"{where} is in the file under another name already")
        self.seen.add(address)
        return item


def read_array(dataset: h5py.Dataset, file_size: int, where: str) -> np.ndarray:
    """A read-only array of float32 or float64, which the file of this many bytes really holds. Raises ``BadInput``."""
    dtype = dataset.dtype.newbyteorder("=")
    if dtype not in (np.float32, np.float64) or dataset.shape is None:
        raise BadInput(f"{where}: is of type {dataset.dtype}, expected float32 or float64")
    stored = min(dataset.id.get_storage_size(), file_size) * (DEFLATE_LIMIT if dataset.compression else 1)
    check_shape(dataset.shape, dataset.size, where)
    if dataset.nbytes > stored or dataset.external or dataset.is_virtual:
        raise BadInput(f"{where}: shape {dataset.shape} means more values than the file holds for it")
    array = np.empty(dataset.shape, dtype)
    if array.size:
        dataset.read_direct(array)
    array.setflags(write=False)
    return array
