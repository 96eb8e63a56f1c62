"""From Caffe's files to a ``Net``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..caffe_models.catalogue import Model
from ..caffe_models.definition import read_net
from ..caffe_models.deploy import deploy_view
from ..caffe_models.phases import for_state
from ..caffe_models.weights import Weights, fit, read_all_weights, read_weights
from ..cpu.prepared import constant
from ..errors import BadInput, names
from ..layers.arrays import Shape
from .graph import Graph
from .net import Net
from .parameters import Specs, parameter_specs, with_borrowed
from .random_weights import random_weights

Path = str | os.PathLike[str]


def load(
    prototxt: Path,
    weights: Path | Weights | None = None,
    *,
    device: str = "auto",
    dtype: str = "float32",
    phase: str = "TEST",
    level: int = 0,
    stages: Iterable[str] = (),
    deploy: bool = False,
    partial: bool = False,
    flat: bool = False,
    shapes: Mapping[str, Shape] | None = None,
    seed: int | None = None,
    exact: bool = False,
) -> Net:
    """A net from a prototxt (text or binary; V0, V1 or V2) and its weights (``.caffemodel`` or ``.caffemodel.h5``).

    ``phase``, ``level`` and ``stages`` choose layers as Caffe's ``include`` and ``exclude`` do. ``deploy=True`` takes the
    deploy view of a train_val file: data layers become inputs, what needs labels is left out. ``shapes`` replaces input
    shapes. ``partial=True`` lets the file hold layers that the net lacks and, with a ``seed``, draws those that the file
    lacks, as Caffe does for fine-tuning. ``flat=True`` makes kernels of the matrices of inner products, as Caffe's net
    surgery does, where the numbers are as many. Without ``weights`` the seed draws all; with neither, a net that has parameters is
    refused: nothing is ever filled with zeros in silence. ``exact=True`` makes every convolution a direct sum of products; by default
    those in single precision on the CPU whose kernels are 3 x 3 or 5 x 5 go Winograd's shorter way, which rounds a little more.

    Raises ``BadInput``: one line that names the file, the field, what was found and what was expected.
    """
    stages = names("stages", stages)
    message = for_state(read_net(prototxt), phase=phase, level=level, stages=stages, source=str(prototxt))
    if deploy:
        message, _notes = deploy_view(message)
    return build(
        message,
        weights,
        source=str(prototxt),
        device=device,
        dtype=dtype,
        partial=partial,
        flat=flat,
        shapes=shapes,
        seed=seed,
        exact=exact,
    )


def load_model(model: Model, *, device: str = "auto", dtype: str = "float32") -> Net:
    """The net of a model that the catalogue knows (``find_model``)."""
    weights = read_all_weights(model.weights)
    _settle(weights.blobs)
    return load(model.prototxt, weights, device=device, dtype=dtype, partial=True, flat=model.flat)


def build(
    message: object,
    weights: Path | Weights | None = None,
    *,
    source: str = "",
    device: str = "auto",
    dtype: str = "float32",
    partial: bool = False,
    flat: bool = False,
    shapes: Mapping[str, Shape] | None = None,
    seed: int | None = None,
    exact: bool = False,
) -> Net:
    """A net from an upgraded ``NetParameter``, filtered for one state; the rest as in ``load``."""
    graph = Graph(message, source, exact)
    specs = parameter_specs(graph, shapes)
    if weights is None and seed is None and specs:
        raise BadInput(
            f"{source}: found no weights, expected a file for the parameters of {len(specs)} layers, or a seed"
        )
    parameters = random_weights(specs, seed) if seed is not None else {}
    if weights is not None:
        parameters |= _fitted(graph, specs, weights, partial=partial, missing=partial and seed is not None, flat=flat)
    if isinstance(weights, Weights):  # these are the caller's, to write to
        parameters = {layer: [a if constant(a) else a.copy() for a in arrays] for layer, arrays in parameters.items()}
    _settle(parameters)
    return Net(graph, parameters, message=message, dtype=dtype, device=device)


def _settle(parameters: Mapping[str, Sequence[np.ndarray]]) -> None:
    """From here on nobody writes to weights that were made here, so that what is made of them can be kept beside them."""
    for array in (array for arrays in parameters.values() for array in arrays):
        shared: object = array
        while isinstance(shared, np.ndarray):
            shared.setflags(write=False)
            shared = shared.base


def _fitted(
    graph: Graph, specs: Specs, weights: Path | Weights, *, partial: bool, missing: bool, flat: bool
) -> dict[str, list[np.ndarray]]:
    """The file's arrays in the shapes that the net expects."""
    found = weights if isinstance(weights, Weights) else read_weights(weights)
    blobs = Weights(found.path, with_borrowed(graph, found.blobs))
    expected = {layer: [spec.shape for spec in own] for layer, own in specs.items()}
    return fit(blobs, expected, partial=missing, surplus=partial, flat=flat)
