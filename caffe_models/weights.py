"""Reading weights: ``.caffemodel`` (V0, V1, V2) and ``.caffemodel.h5``, and fitting them to a net."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import BadInput, nearest
from . import files, hdf5
from .files import FilePath
from .wire import Span, blob, layer_blobs

Shape = tuple[int, ...]
WEIGHTS = "weights (.caffemodel or .caffemodel.h5)"


@dataclass(frozen=True)
class Weights:
    """The blobs of every layer that has any, as in the file: layer name -> read-only arrays of the file's shapes."""

    path: str
    blobs: Mapping[str, tuple[np.ndarray, ...]]


def read_all_weights(paths: Sequence[FilePath]) -> Weights:
    """The weights of several files as one: of a layer that two of them have, the later one's, as `caffe train --weights a,b`."""
    read = [read_weights(path) for path in paths]
    blobs = {layer: arrays for weights in read for layer, arrays in weights.blobs.items()}
    return Weights(", ".join(weights.path for weights in read), blobs)


def read_weights(path: FilePath) -> Weights:
    """The weights of a .caffemodel or .caffemodel.h5; which of them it is, the content decides.

    Arrays are float32, or float64 where the file has doubles. Older files have four axes everywhere (a bias of 96
    values is (1, 1, 1, 96)); they are kept, :func:`fit` knows them. Memory: the weights themselves, once.
    """
    with files.mapped(path) as content:
        kind = files.kind(content)
        if kind == files.BINARY:
            try:
                return Weights(str(path), _from_caffemodel(content))
            except BadInput as error:
                raise BadInput(f"{error}; expected {WEIGHTS}") from None
    if kind == files.HDF5:
        return Weights(str(path), hdf5.read_blobs(path))
    found = "a text (a definition has no weights)" if kind == files.TEXT else kind
    raise BadInput(f"{path}: is {found}, expected {WEIGHTS}")


def _from_caffemodel(content: Span) -> dict[str, tuple[np.ndarray, ...]]:
    blobs: dict[str, tuple[np.ndarray, ...]] = {}
    layers = 0
    for name, spans in layer_blobs(content):
        layers += 1
        if name in blobs and spans:
            raise BadInput(f"{content.where}: two layers of the name {name!r} have weights")
        if spans:
            blobs[name] = tuple(
                _array(span, f"{content.where}: layer {name!r}: blob {i}") for i, span in enumerate(spans)
            )
    if not layers:
        raise BadInput(f"{content.where}: holds no layers")
    return blobs


def _array(span: Span, where: str) -> np.ndarray:
    array = blob(replace(span, where=where))
    span.forget()
    return array


def fit(
    weights: Weights,
    expected: Mapping[str, Sequence[Shape]],
    *,
    partial: bool = False,
    surplus: bool = False,
    flat: bool = False,
) -> dict[str, list[np.ndarray]]:
    """The arrays for a net whose layers expect these shapes: layer name -> one array per shape, of exactly that shape.

    A shape fits when it is the same once leading ones are dropped or added: older files have four axes everywhere.
    Nothing is ever filled in. ``surplus``: layers of the file that the net lacks are left out, as Caffe does
    (GoogLeNet's two training classifiers). ``partial``: this, and layers that the file lacks are left out of the
    result. A layer that both have must fit in every case. ``flat``: of a blob of as many numbers but another shape, the
    numbers are taken in their order: so Caffe's net_surgery.ipynb makes kernels (O, C, H, W) of a matrix (O, C*H*W).

    BadInput: one line with everything that is missing, left over, or of another shape.
    """
    problems = []
    fitted: dict[str, list[np.ndarray]] = {}
    for layer, shapes in expected.items():
        arrays = weights.blobs.get(layer)
        if arrays is None:
            if shapes and not partial:
                problems.append(f"layer {layer!r} has no weights in the file{nearest(layer, weights.blobs)}")
            continue
        if len(arrays) != len(shapes):
            problems.append(f"layer {layer!r} has {len(arrays)} blobs, expected {len(shapes)}")
            continue
        fitted[layer] = []
        for index, (array, shape) in enumerate(zip(arrays, shapes, strict=True)):
            same = _without_leading_ones(array.shape) == _without_leading_ones(shape)
            if same or (flat and array.size == math.prod(shape)):
                fitted[layer].append(array.reshape(shape))
            else:
                problems.append(f"layer {layer!r} blob {index} is {_told(array.shape)}, expected {_told(shape)}")
    if not (partial or surplus):
        left_over = [layer for layer in weights.blobs if layer not in expected]
        problems += [f"layer {layer!r} of the file is not in the net" for layer in left_over]
    if problems:
        raise BadInput(f"{weights.path}: {'; '.join(problems)}")
    return fitted


def _without_leading_ones(shape: Sequence[int]) -> Shape:
    first = next((axis for axis, dim in enumerate(shape) if dim != 1), len(shape))
    return tuple(shape[first:])


def _told(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "one value"
