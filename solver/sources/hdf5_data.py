"""HDF5Data: data sets of the HDF5 files that a text file lists (src/caffe/layers/hdf5_data_layer.cpp)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from ...errors import BadInput, nearest
from ..data_layer import DataLayer, find
from .epochs import Epochs
from .lists import read_lines

Shape = tuple[int, ...]


class HDF5Data:
    """Tops: each the data set of its name, (N, ...) rows of it as float32. Nothing is transformed, as in Caffe.

    Files are looked for from the current directory, then beside the list. As in Caffe, one file at a time is in memory.
    """

    def __init__(self, layer: DataLayer):
        layer.expect_tops(1, None)
        layer.expect_no_change()
        param = layer.message.hdf5_data_param
        self.names = list(layer.message.top)
        self.files = _read_list(layer.find("hdf5_data_param.source", param.source))
        heads = [_head(path, self.names) for path in self.files]
        for path, head in zip(self.files, heads, strict=True):
            _expect_same_rows(path, self.names, head, self.files[0], heads[0])
        batch_size = layer.batch_size("hdf5_data_param")
        rows = tuple(head[0][0] for head in heads)
        self.epochs = Epochs(rows, batch_size, param.shuffle, layer.seed)
        self.starts = np.cumsum((0, *rows))
        self.shapes: list[Shape] = [(batch_size, *shape[1:]) for shape in heads[0]]
        self._loaded: tuple[int, list[np.ndarray]] = (-1, [])

    def batch(self, index: int) -> list[np.ndarray]:
        """The tops of batch number ``index``. Raises ``BadInput``."""
        places = np.array([place for _, place in self.epochs.items(index)])
        owners = np.searchsorted(self.starts, places, side="right") - 1
        runs = np.split(np.arange(len(places)), np.flatnonzero(np.diff(owners)) + 1)
        pieces = [self._rows(int(owners[run[0]]), places[run]) for run in runs]
        return [np.concatenate(top) for top in zip(*pieces, strict=True)]

    def _rows(self, owner: int, places: np.ndarray) -> list[np.ndarray]:
        """Rows of one file, for each top."""
        if self._loaded[0] != owner:
            self._loaded = (-1, [])  # freed before the next one is read
            self._loaded = (owner, _read(self.files[owner], self.names))
        return [array[places - self.starts[owner]] for array in self._loaded[1]]


def _read_list(source: Path) -> list[Path]:
    files = []
    for line, name in read_lines(source, "path of an HDF5 file"):
        path, looked = find(name, source.parent)
        if path is None:
            raise BadInput(
                f"{source}: line {line}: found {name[:80]!r}, expected an HDF5 file; there is none at {' or '.join(looked)}"
            )
        files.append(Path(path))
    return files


def _head(path: Path, names: list[str]) -> list[Shape]:
    """The shapes of a file's data sets: as many rows in each, of numbers."""
    with _opened(path) as file:
        shapes = [_data_set(file, name, path).shape for name in names]
    for name, shape in zip(names, shapes, strict=True):
        if not shape or not shape[0]:
            raise BadInput(f"{path}: data set {name!r}: found shape {shape}, expected rows")
        if shape[0] != shapes[0][0]:
            raise BadInput(
                f"{path}: data set {name!r}: found {shape[0]} rows, expected {shapes[0][0]} as in data set {names[0]!r}"
            )
    return shapes


def _expect_same_rows(path: Path, names: list[str], head: list[Shape], first: Path, expected: list[Shape]) -> None:
    for name, found, wanted in zip(names, head, expected, strict=True):
        if found[1:] != wanted[1:]:
            raise BadInput(
                f"{path}: data set {name!r}: found rows of shape {found[1:]}, expected {wanted[1:]} as in {first}"
            )


def _read(path: Path, names: list[str]) -> list[np.ndarray]:
    with _opened(path) as file:
        return [_data_set(file, name, path).astype(np.float32)[()] for name in names]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path, "r") as file:
            yield file
    except BadInput:
        raise
    except Exception as error:  # libhdf5 meets a damaged file with whatever its parts raise
        raise BadInput(f"{path}: is no HDF5 file that can be read: {error}") from None


def _data_set(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        raise BadInput(f"{path}: found no data set {name!r}, expected one for this top{nearest(name, file)}")
    if found.dtype.kind not in "fiu":
        raise BadInput(f"{path}: data set {name!r}: found {found.dtype}, expected numbers")
    return found
