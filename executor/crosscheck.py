"""Every blob of a net against onnxruntime, an independent program, on the exported graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..caffe_models.onnx_export import export_onnx, value_names
from ..errors import BadInput, nearest
from ..layers.arrays import Shape
from .device import to_numpy
from .graph import Graph, Node
from .net import Net
from .trace import Trace


@dataclass(frozen=True)
class Row:
    """One version of one blob: ``conv1@relu1`` is ``conv1`` as the in-place layer ``relu1`` reads it.

    ``error`` is the greatest difference divided by the blob's greatest magnitude, inf where one side is not finite.
    """

    layer: str
    blob: str
    shape: Shape
    error: float
    agrees: bool


@dataclass(frozen=True)
class Report:
    """One row for every version of every blob that a layer makes, in the net's order."""

    rows: tuple[Row, ...]
    tolerance: float

    @property
    def agrees(self) -> bool:
        return self.first_divergence is None

    @property
    def first_divergence(self) -> Row | None:
        return next((row for row in self.rows if not row.agrees), None)


def crosscheck(net: Net, inputs: Mapping[str, Any] | None = None, tolerance: float = 1e-4, seed: int = 0) -> Report:
    """Compute every blob with this executor and with onnxruntime, unoptimised, and compare them.

    ``inputs``: blob -> array; by default ``random_inputs(net, seed)``. Numbers that are found by comparing (``ArgMax``,
    ``Accuracy``, ``Threshold``, the mask of MAX pooling) jump where two scores nearly tie, however small the rounding
    error below. So these are computed once more here, from the bottoms that onnxruntime had: then both sides see the
    same ties, and must agree exactly.

    Raises ``BadInput``: no onnxruntime installed, a layer that cannot be exported, an operator that onnxruntime lacks.
    """
    inputs = inputs if inputs is not None else random_inputs(net, seed)
    if inner := [blob for blob in inputs if blob not in net.inputs]:
        raise BadInput(f"input: found {inner[0]!r}, expected one of {net.inputs}{nearest(inner[0], net.inputs)}")
    trace = net.forward(inputs)
    theirs = _onnxruntime(net, {name: trace.values[net.graph.inputs[name]] for name in net.inputs})
    return Report(tuple(_rows(net, trace, theirs, tolerance)), tolerance)


def random_inputs(net: Net, seed: int = 0, shapes: Mapping[str, Shape] | None = None) -> dict[str, np.ndarray]:
    """An array for every input, of the prototxt's shape or that in ``shapes``.

    Labels where a layer reads labels, probabilities where SigmoidCrossEntropyLoss reads targets, images without their
    mean, N(0, 50) cut off at 128, where there are 4 axes, and N(0, 1) for everything else.
    """
    rng, known = np.random.default_rng(seed), net.graph.shapes(shapes)
    return {
        name: _random_input(net.graph, value, known, rng).astype(net.dtype) for name, value in net.graph.inputs.items()
    }


# -- random inputs --------------------------------------------------------------------------------------------------

PASSING = ("Split", "Slice", "Concat", "Reshape", "Flatten", "Tile", "Crop")  # a label stays one through these


def _random_input(graph: Graph, value: int, shapes: Sequence[Shape | None], rng: np.random.Generator) -> np.ndarray:
    shape = shapes[value]
    if shape is None:
        raise BadInput(f"input {graph.blobs[value]!r}: found no shape in the file, expected one, or an array")
    roles = list(_roles(graph, value, shapes))
    classes = [number for number in roles if number is not None]
    if classes:
        return rng.integers(0, min(classes), shape)
    if roles:
        return rng.uniform(0, 1, shape)
    return np.clip(rng.normal(0, 50, shape), -128, 128) if len(shape) == 4 else rng.normal(0, 1, shape)


def _roles(graph: Graph, value: int, shapes: Sequence[Shape | None]) -> Iterator[int | None]:
    """What a blob is a target for: the number of classes where it holds labels, ``None`` where it holds probabilities."""
    for node in (graph.nodes[number] for number in graph.readers[value]):
        layer: Any = node.layer
        if layer.type in PASSING:
            for top in node.tops:
                yield from _roles(graph, top, shapes)
        elif value not in node.bottoms[1:]:
            continue
        elif layer.type in ("SoftmaxWithLoss", "Accuracy"):
            scores = shapes[node.bottoms[0]] or ()
            yield scores[layer.along(len(scores))]
        elif layer.type == "SigmoidCrossEntropyLoss":
            yield None


# -- the other program ----------------------------------------------------------------------------------------------


def _onnxruntime(net: Net, inputs: Mapping[str, Any]) -> list[np.ndarray]:
    """Every value of the net, as onnxruntime computes it."""
    try:
        import onnxruntime
    except ImportError:
        raise BadInput(
            "onnxruntime: found it not installed, expected it for the cross-check: pip install 'thinktwice[cpu]'"
        ) from None
    names, arrays = value_names(net.graph), {name: to_numpy(array) for name, array in inputs.items()}
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # every blob, as exported
    options.log_severity_level = 3
    model = export_onnx(net, {name: array.shape for name, array in arrays.items()}, every_blob=True).SerializeToString()
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        del model
        outputs = [output.name for output in session.get_outputs()]
        feed = {names[net.graph.inputs[name]]: array for name, array in arrays.items()}
        values = {**feed, **dict(zip(outputs, session.run(outputs, feed), strict=True))}
    except Exception as error:  # onnxruntime's exceptions share no base but this one
        advice = ", expected a float32 net" if "NOT_IMPLEMENTED" in str(error) and net.dtype != np.float32 else ""
        raise BadInput(f"onnxruntime: found a {net.dtype} net that it cannot compute{advice}: {error}") from None
    return [values[name] for name in names]


# -- comparison -----------------------------------------------------------------------------------------------------


def _rows(net: Net, trace: Trace, theirs: Sequence[np.ndarray], tolerance: float) -> Iterator[Row]:
    names = value_names(net.graph)
    for node in net.graph.nodes:
        if not node.bottoms:
            continue  # an input was given to both
        again = _again(net, node, theirs)
        for index, value in enumerate(node.tops):
            exact = _found_by_comparing(node, index)
            ours = to_numpy(again[index] if exact else trace.values[value])
            error = relative_error(ours, theirs[value])
            agrees = error == 0 if exact else error <= tolerance
            yield Row(node.layer.name, names[value], tuple(ours.shape), error, agrees)


def _found_by_comparing(node: Node, top: int) -> bool:
    """Whether a top jumps where two numbers of the bottoms tie."""
    return node.layer.type in ("ArgMax", "Accuracy", "Threshold") or (node.layer.type == "Pooling" and top == 1)


def _again(net: Net, node: Node, theirs: Sequence[np.ndarray]) -> list[Any]:
    """The tops of such a layer, from onnxruntime's bottoms."""
    if not any(_found_by_comparing(node, top) for top in range(len(node.tops))):
        return []
    bottoms = [net.device.array(theirs[value], net.dtype) for value in node.bottoms]
    return node.layer.forward(bottoms, net.params.get(node.layer.name, ()))[0]


def relative_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The greatest difference by the greatest magnitude of ``ours``; equal infinities and NaNs are no difference."""
    if ours.shape != theirs.shape:
        return float("inf")
    differs = ~((ours == theirs) | (np.isnan(ours) & np.isnan(theirs)))
    if not differs.any():
        return 0.0
    scale = np.abs(ours[np.isfinite(ours)]).max(initial=0)
    worst = np.abs(ours[differs].astype(np.float64) - theirs[differs]).max()
    return float(worst / scale) if scale and np.isfinite(worst) else float("inf")
