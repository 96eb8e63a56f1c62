"""A workbench for one layer: made from prototxt text, run on frozen arrays, walked back with only what it reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf import text_format

from thinktwice.caffe_models import schema
from thinktwice.layers import layer_class
from thinktwice.layers.layer import Layer, Step


def make(type_name: str, options: str = "", bottoms: int = 1, tops: int = 1, source: str = "") -> Layer:
    """A layer ``l`` with bottoms b0, b1 ... and tops t0, t1 ...; ``options`` are further fields, as in a prototxt."""
    message = schema.new("LayerParameter", name="l", type=type_name)
    message.bottom.extend(f"b{i}" for i in range(bottoms))
    message.top.extend(f"t{i}" for i in range(tops))
    text_format.Merge(options, message)
    return layer_class(type_name)(message, source)


def forward(layer: Layer, bottoms: Sequence[Any], parameters: Sequence[Any] = ()) -> list[np.ndarray]:
    """The tops, which must have the shapes and the type that the layer promises."""
    return _run(layer, *_frozen(bottoms, parameters))[0]


def gradient(layer: Layer, bottoms: Sequence[Any], signals: Sequence[Any], parameters: Sequence[Any] = ()) -> list[Any]:
    """Signals at the bottoms for signals (K, *top.shape), from a step that holds only what the layer reads."""
    return layer.gradient(step(layer, bottoms, parameters), _frozen(signals)[0])


def parameter_gradient(
    layer: Layer, bottoms: Sequence[Any], signals: Sequence[Any], parameters: Sequence[Any]
) -> list[np.ndarray]:
    return layer.parameter_gradient(step(layer, bottoms, parameters, {"bottoms"}), _frozen(signals)[0])


def step(
    layer: Layer, bottoms: Sequence[Any], parameters: Sequence[Any] = (), more: frozenset[str] | set[str] = frozenset()
) -> Step:
    """A forward pass's step with everything freed that neither ``layer.gradient_reads`` nor ``more`` names."""
    bottoms, parameters = _frozen(bottoms, parameters)
    tops, saved = _run(layer, bottoms, parameters)
    parts: dict[str, Any] = {"bottoms": bottoms, "tops": _frozen(tops)[0], "final_tops": tops, "saved": saved}
    for part in parts.keys() - layer.gradient_reads - more:
        parts[part] = None if part == "saved" else [None] * len(parts[part])
    shapes = {"bottom_shapes": [x.shape for x in bottoms], "top_shapes": [y.shape for y in tops]}
    return Step(layer, parameters, **parts, **shapes)


def _run(layer: Layer, bottoms: Sequence[Any], parameters: Sequence[Any]) -> tuple[list[np.ndarray], Any]:
    tops, saved = layer.forward(bottoms, parameters)
    assert [top.shape for top in tops] == layer.top_shapes([x.shape for x in bottoms])
    assert {top.dtype for top in tops} <= {x.dtype for x in bottoms}
    return tops, saved


def _frozen(*groups: Sequence[Any]) -> list[list[np.ndarray]]:
    """Arrays that cannot be written to: a layer leaves its inputs as they are. Lists of numbers become float64."""
    return [[_array(array) for array in group] for group in groups]


def _array(numbers: Any) -> np.ndarray:
    array = np.array(numbers)
    array = array.astype(np.float64) if array.dtype.kind in "iub" else array
    array.flags.writeable = False
    return array
