"""Writing nets and weights in Caffe's own formats; what is read back is what was written, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from google.protobuf import text_format

from ..errors import BadInput, nearest
from . import files, schema
from .files import FilePath
from .weights import Weights
from .wire import NAME_AND_BLOBS, V2, Piece, encoded_blob, encoded_field

PROTOBUF_LIMIT = 2**31 - 1  # bytes; neither protobuf nor Caffe reads a larger message


def write_net_text(net: Any, path: FilePath) -> None:
    """A NetParameter as a prototxt."""
    with files.replacing(path) as temporary:
        temporary.write_text(text_format.MessageToString(net, as_utf8=True), encoding="utf-8")


def write_caffemodel(net: Any, weights: Weights, path: FilePath) -> None:
    """A V2 NetParameter and its weights as a .caffemodel: ``data``, or ``double_data`` where an array is float64.

    BadInput: weights without their layer, or other than float32 and float64, or more than protobuf's 2 GiB (HDF5 has no
    such limit).
    """
    _check(net, weights, str(path))
    pieces = list(_encoded_net(net, weights))
    total = sum(len(piece) for piece in pieces)
    if total > PROTOBUF_LIMIT:
        raise BadInput(
            f"{path}: would have {total} bytes, protobuf ends at {PROTOBUF_LIMIT}; write .caffemodel.h5 instead"
        )
    with files.replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines(pieces)


def write_hdf5(net: Any, weights: Weights, path: FilePath) -> None:
    """The weights as a .caffemodel.h5: a dataset ``data/<layer>/<blob>``, and as in Caffe a group for every layer."""
    _check(net, weights, str(path))
    with files.replacing(path) as temporary:
        try:
            with h5py.File(temporary, "w") as file:
                data = file.create_group("data")
                for layer in net.layer:
                    group = data.require_group(layer.name) if layer.name else data
                    for index, array in enumerate(weights.blobs.get(layer.name, ())):
                        group.create_dataset(str(index), data=array)
        except (ValueError, TypeError, RuntimeError) as error:  # two layers, one inside the name of the other
            raise BadInput(f"{path}: HDF5 cannot hold layer {layer.name!r}: {error}") from None


def _check(net: Any, weights: Weights, path: str) -> None:
    names = [layer.name for layer in net.layer]
    for name, arrays in weights.blobs.items():
        if names.count(name) != 1:
            problem = nearest(name, names) if name not in names else ", but several of this name"
            raise BadInput(f"{path}: weights of layer {name!r}, expected one layer of this name in the net{problem}")
        for index, array in enumerate(arrays):
            if array.dtype not in (np.float32, np.float64):
                raise BadInput(f"{path}: layer {name!r} blob {index} is {array.dtype}, expected float32 or float64")


def _encoded_net(net: Any, weights: Weights) -> Iterator[Piece]:
    """The message in pieces, since the weights themselves need not be copied."""
    blobs_number = NAME_AND_BLOBS[V2][1]
    head = schema.copy(net)
    head.ClearField("layer")
    yield head.SerializeToString(deterministic=True)
    for layer in net.layer:
        pieces: list[Piece] = [layer.SerializeToString(deterministic=True)]
        for array in weights.blobs.get(layer.name, ()):
            pieces += encoded_field(blobs_number, encoded_blob(array))
        yield from encoded_field(V2, pieces)
