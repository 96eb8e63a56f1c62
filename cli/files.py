"""Arrays from and to files, and places that can be written to."""

from __future__ import annotations

import hashlib
import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..caffe_models import files
from ..errors import BadInput


def read_arrays(path: str) -> np.ndarray | dict[str, np.ndarray]:
    """The array of a .npy file, or the named arrays of a .npz file: finite numbers. Raises ``BadInput``."""
    with files.mapped(path) as content:
        kind = files.kind(content)
    if kind == files.NPY:
        return _checked(_npy(path), path)
    if zipfile.is_zipfile(path):
        arrays = _npz(path)
        return {name: _checked(array, f"{path}: array {name!r}") for name, array in arrays.items()}
    raise BadInput(f"{path}: is {kind}, expected arrays (.npy or .npz)")


def write_npz(path: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Named arrays as a .npz file; any name will do (``np.savez`` takes no array called "file")."""
    with (
        files.replacing(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as npz,
    ):
        for name, array in arrays.items():
            with npz.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)


def check_writable(path: str | None, what: str, suffix: str | tuple[str, ...] = "") -> None:
    """Refuse a place for results before an hour of work is lost to it; and a name that lies about what it will hold."""
    if path is None:
        return
    if not path.lower().endswith(suffix):
        endings = suffix if isinstance(suffix, str) else " or ".join(suffix)
        raise BadInput(f"{what}: found {path!r}, expected a name that ends in {endings}")
    target = Path(path)
    if target.is_dir():
        raise BadInput(f"{what}: {path} is a folder, expected a file to write")
    if not target.parent.is_dir():
        raise BadInput(f"{what}: {path} cannot be written: there is no folder {target.parent}")
    if not os.access(target.parent, os.W_OK):
        raise BadInput(f"{what}: {path} cannot be written: the folder {target.parent} is not writable")


def sha256(path: str | Path) -> str:
    """The checksum of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _npy(path: str) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: a header cannot claim what is not there
    except Exception as error:  # the header is Python text: its parser raises whatever its parts raise
        raise BadInput(f"{path}: is a damaged .npy file: {error}") from None


def _npz(path: str) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as npz:
            return {info.filename.removesuffix(".npy"): _member(npz, info) for info in npz.infolist()}
    except Exception as error:  # likewise, and zlib's errors
        raise BadInput(f"{path}: is no .npz file that can be read: {error}") from None


def _member(npz: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    with npz.open(info) as member:
        version = np.lib.format.read_magic(member)
        read_header: Any = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read_header(member)
    if math.prod(shape) * dtype.itemsize > info.file_size:
        raise ValueError(f"{info.filename} claims shape {shape} and holds {info.file_size} bytes")
    with npz.open(info) as member:
        return np.lib.format.read_array(member, allow_pickle=False)


def _checked(array: np.ndarray, where: str) -> np.ndarray:
    if array.dtype.kind not in "fiub":
        raise BadInput(f"{where}: found {array.dtype}, expected real numbers")
    wrong = array.size - np.isfinite(array).sum()
    if wrong:
        raise BadInput(f"{where}: found {wrong} values that are not finite, expected numbers")
    return array
