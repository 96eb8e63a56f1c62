"""From Caffe's files to a ``Net``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import numpy as np

from ..caffe_models.definition import read_net
from ..caffe_models.deploy import deploy_view
from ..caffe_models.phases import for_state
from ..caffe_models.weights import Weights, fit, read_weights
from ..errors import BadInput
from ..layers.arrays import Shape
from .graph import Graph
from .net import Net
from .parameters import parameter_specs
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
    shapes: Mapping[str, Shape] | None = None,
    seed: int | None = None,
) -> Net:
    """A net from a prototxt (text or binary; V0, V1 or V2) and its weights (``.caffemodel`` or ``.caffemodel.h5``).

    ``phase``, ``level`` and ``stages`` choose layers as Caffe's ``include`` and ``exclude`` do. ``deploy=True`` takes the
    deploy view of a train_val file: data layers become inputs, what needs labels is left out. ``shapes`` replaces input
    shapes. ``partial=True`` lets the file hold more layers than the net. Without ``weights`` a ``seed`` draws random ones;
    with neither, a net that has parameters is refused: nothing is ever filled with zeros in silence.

    Raises ``BadInput``: one line that names the file, the field, what was found and what was expected.
    """
    message = for_state(read_net(prototxt), phase=phase, level=level, stages=tuple(stages))
    if deploy:
        message, _notes = deploy_view(message)
    return build(message, weights, source=str(prototxt), device=device, dtype=dtype, partial=partial, shapes=shapes, seed=seed)


def build(
    message: object,
    weights: Path | Weights | None = None,
    *,
    source: str = "",
    device: str = "auto",
    dtype: str = "float32",
    partial: bool = False,
    shapes: Mapping[str, Shape] | None = None,
    seed: int | None = None,
) -> Net:
    """A net from an upgraded ``NetParameter``, filtered for one state; the rest as in ``load``."""
    graph = Graph(message, source)
    specs = parameter_specs(graph, shapes)
    parameters = _parameters(specs, weights, source, partial, seed)
    return Net(graph, parameters, message=message, dtype=dtype, device=device)


def _parameters(
    specs: Mapping, weights: Path | Weights | None, source: str, partial: bool, seed: int | None
) -> Mapping[str, list[np.ndarray]]:
    if weights is not None:
        found = weights if isinstance(weights, Weights) else read_weights(weights)
        return fit(found, {layer: [spec.shape for spec in own] for layer, own in specs.items()}, partial=partial)
    if seed is not None or not specs:
        return random_weights(specs, seed or 0)
    raise BadInput(f"{source}: found no weights given, expected a file for the parameters of {len(specs)} layers, or a seed")
