"""A net as an ONNX model: static shapes, Caffe's names, Caffe's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import BadInput, nearest

OPSET = 19  # pooling of older ones is computed wrongly at some borders by onnxruntime
IR_VERSION = 9

Shape = tuple[int, ...]


def export_onnx(net: Any, shapes: Mapping[str, Shape] | None = None, every_blob: bool = False) -> Any:
    """The ``onnx.ModelProto`` of a net, with its weights; it computes what the net's forward pass computes.

    Inputs have the prototxt's shapes, or those in ``shapes`` (``{"data": (1, 3, 227, 227)}``). Values are named as in
    ``value_names``, weights ``<layer>/<i>``. Outputs are the net's outputs, or with ``every_blob`` every version of every
    blob that a layer makes. A float64 net becomes a model in double, which is valid ONNX; onnxruntime itself lacks
    double for some operators, Conv among them.

    Raises ``BadInput``: no onnx installed, an input without a shape, a layer that ONNX has no form for.
    """
    helper = _onnx().helper
    graph, known = net.graph, _all_known(net.graph, shapes)
    names, typed = _names(graph), helper.np_dtype_to_tensor_dtype(np.dtype(net.dtype))
    infos = [helper.make_tensor_value_info(*row) for row in zip(names[0], [typed] * len(known), known, strict=True)]
    nodes, initializers, given = [], [], []
    for node in graph.nodes:
        if node.layer.type == "Input":
            given += node.tops
        elif node.tops:  # a layer without tops (Silence, a loss that nobody asks for) computes nothing
            place = _written(net, node, known, *names)
            nodes += place.nodes
            initializers += place.initializers
    made = [value for value in range(len(known)) if value not in given]
    outputs = made if every_blob else [value for value in graph.outputs.values() if value in made]
    if not outputs:
        raise BadInput(f"{graph.source or 'net'}: found no layer that computes a blob, expected at least one")
    model = helper.make_graph(
        nodes,
        net.name or "net",
        [infos[value] for value in given],
        [infos[value] for value in outputs],
        initializers,
        value_info=[infos[value] for value in made if value not in outputs],
    )
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(model, producer_name="thinktwice", opset_imports=[opset], ir_version=IR_VERSION)


def value_names(graph: Any) -> list[str]:
    """The ONNX name of every value of an ``executor.graph.Graph``.

    The last version of a blob has the blob's name. An earlier one, which an in-place layer overwrites, is named
    after the layer that does: ``conv1@relu1`` is ``conv1`` as ``relu1`` reads it.
    """
    return _names(graph)[0]


class Names:
    """Names that are given once: ONNX has one name space for values and weights, Caffe has several."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unique(self, wanted: str) -> str:
        """``wanted``, or with a number behind it where that is taken."""
        name, number = wanted, 2
        while name in self._taken:
            name, number = f"{wanted}#{number}", number + 1
        self._taken.add(name)
        return name


def _names(graph: Any) -> tuple[list[str], Names]:
    """All values' names, and the names that are still free for everything else."""
    names = Names()
    result = {values[-1]: names.unique(blob) for blob, values in graph.versions.items()}
    for blob, values in graph.versions.items():
        for earlier, later in pairwise(values):
            result[earlier] = names.unique(f"{blob}@{graph.nodes[graph.makers[later]].layer.name}")
    return [result[value] for value in range(len(result))], names


def _written(net: Any, node: Any, shapes: list[Shape], values: list[str], names: Names) -> Any:
    """One layer in ONNX's operators."""
    from .onnx_ops import OPERATORS, Place

    layer = node.layer
    if layer.type not in OPERATORS:
        raise BadInput(
            f"{layer.where}: type: found {layer.type!r}, which has no form in ONNX, expected one of those that have"
            f"{nearest(layer.type, OPERATORS)}"
        )
    if layer.random:
        raise layer.refuse("phase", "TRAIN", "TEST: what a layer draws at random cannot be exported")
    bottoms, parameters = [shapes[value] for value in node.bottoms], net.params.get(layer.name, ())
    needed, found = [spec.shape for spec in layer.parameter_specs(bottoms)], [array.shape for array in parameters]
    if needed != found:
        raise BadInput(
            f"{layer.where}: found a bottom of shape {bottoms[0]}, which needs parameters {needed}, expected one that "
            f"fits the parameters {found}"
        )
    place = Place(
        layer,
        [values[value] for value in node.bottoms],
        bottoms,
        [shapes[value] for value in node.tops],
        [_on_cpu(array) for array in parameters],
        np.dtype(net.dtype),
        names,
    )
    made = OPERATORS[layer.type](place)
    place.name_tops([made] if isinstance(made, str) else made, [values[value] for value in node.tops])
    return place


def _all_known(graph: Any, inputs: Mapping[str, Shape] | None) -> list[Shape]:
    shapes = graph.shapes(inputs)
    for name, value in graph.inputs.items():
        if shapes[value] is None:
            raise BadInput(
                f"input {name!r}: found no shape in the file, expected one in `shapes`: ONNX shapes are static"
            )
    return shapes


def _on_cpu(array: Any) -> np.ndarray:
    return array if isinstance(array, np.ndarray) else array.get()


def _onnx() -> Any:
    try:
        import onnx
    except ImportError:
        raise BadInput(
            "onnx: found it not installed, expected it for ONNX export: pip install 'thinktwice[cpu]'"
        ) from None
    return onnx
