"""Caffe's layers in ONNX operators: one short function per layer type, and the table of them.

A function takes a ``Place`` and returns its tops as ONNX values, one or a list. Geometry is spelt out: Caffe rounds pooling
up, cuts windows off and divides averages in its own way, so windows are laid by explicit padding and nothing is left to
ONNX's own rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from .onnx_export import Names

Shape = tuple[int, ...]
Operand = str | float | list[int] | np.ndarray  # a value, a number of the net's type, integers, or an array

FLT_MIN = float(np.finfo(np.float32).tiny)


class Place:
    """Where one layer is written: its bottoms (values and shapes), its parameters, and the nodes written so far."""

    def __init__(
        self,
        layer: Any,
        bottoms: Sequence[str],
        shapes: Sequence[Shape],
        top_shapes: Sequence[Shape],
        parameters: Sequence[np.ndarray],
        dtype: np.dtype,
        names: Names,
    ):
        self.layer = layer
        self.message = layer.message
        self.bottoms = list(bottoms)
        self.shapes = [tuple(shape) for shape in shapes]
        self.top_shapes = [tuple(shape) for shape in top_shapes]
        self.parameters = parameters
        self.dtype = dtype
        self.names = names
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []

    @property
    def x(self) -> str:
        """The first bottom."""
        return self.bottoms[0]

    @property
    def shape(self) -> Shape:
        """The first bottom's shape."""
        return self.shapes[0]

    def axis(self, value: int) -> int:
        """An axis of the first bottom, counted from the front."""
        return value % len(self.shape)

    def op(self, kind: str, *operands: Operand, **attributes: Any) -> str:
        """One node with one output: its name."""
        return self.ops(kind, *operands, outputs=1, **attributes)[0]

    def ops(self, kind: str, *operands: Operand, outputs: int, **attributes: Any) -> list[str]:
        """One node: the names of its outputs."""
        name = self.names.unique(f"{self.layer.name}:{kind}")
        made = [name, *(self.names.unique(name) for _ in range(outputs - 1))]
        inputs = [operand if isinstance(operand, str) else self.constant(operand) for operand in operands]
        self.nodes.append(helper.make_node(kind, inputs, made, name=name, **attributes))
        return made

    def constant(self, value: float | list[int] | np.ndarray) -> str:
        if not isinstance(value, np.ndarray):
            value = np.array(value, np.int64 if isinstance(value, list) else self.dtype)
        return self._initializer(value, f"{self.layer.name}:constant")

    def parameter(self, index: int, shape: Shape | None = None, factor: float = 1.0) -> str:
        """The layer's parameter as the initializer ``<layer>/<index>``, shaped so that it broadcasts as ONNX wants."""
        array = self.parameters[index]
        array = array if factor == 1 else (array * factor).astype(self.dtype)
        return self._initializer(array if shape is None else array.reshape(shape), f"{self.layer.name}/{index}")

    def reshape(self, value: str, shape: Sequence[int], given: Shape | None = None) -> str:
        """``value`` under another shape; itself where it has that shape already."""
        return value if tuple(shape) == given else self.op("Reshape", value, list(shape))

    def cast(self, value: str) -> str:
        """``value`` in the net's type."""
        return self.op("Cast", value, to=helper.np_dtype_to_tensor_dtype(self.dtype))

    def integers(self, value: str) -> str:
        """``value`` cut to integers, as C does."""
        return self.op("Cast", value, to=TensorProto.INT64)

    def name_tops(self, made: Sequence[str], tops: Sequence[str]) -> None:
        """Let the values that were made carry the tops' names; one that is a bottom, or a top already, is copied."""
        for value, top in zip(made, tops, strict=True):
            if any(value in node.output for node in self.nodes):
                for node in self.nodes:
                    _rename(node.input, value, top)
                    _rename(node.output, value, top)
            else:
                self.nodes.append(
                    helper.make_node("Identity", [value], [top], name=self.names.unique(f"{top}:Identity"))
                )

    def _initializer(self, array: np.ndarray, name: str) -> str:
        name = self.names.unique(name)
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        return name


def _rename(names: Any, old: str, new: str) -> None:
    for index, name in enumerate(names):
        if name == old:
            names[index] = new


# -- filters --------------------------------------------------------------------------------------------------------


def convolution(p: Place) -> str:
    return _filter(p, "Conv")


def deconvolution(p: Place) -> str:
    return _filter(p, "ConvTranspose")


def _filter(p: Place, kind: str) -> str:
    """ONNX wants one batch axis: Caffe's axes in front of ``axis`` are folded into one, and unfolded again."""
    geometry = p.layer.geometry(p.shape)
    folded = (math.prod(p.shape[: -geometry.rank - 1]), *p.shape[-geometry.rank - 1 :])
    y = p.op(
        kind,
        p.reshape(p.x, folded, p.shape),
        *(p.parameter(index) for index in range(len(p.parameters))),
        kernel_shape=geometry.kernel,
        strides=geometry.stride,
        pads=[*geometry.pad, *geometry.pad],
        dilations=geometry.dilation,
        group=geometry.group,
    )
    return y if folded == p.shape else p.op("Reshape", y, list(p.top_shapes[0]))


def inner_product(p: Place) -> str:
    options, axis = p.message.inner_product_param, p.axis(p.message.inner_product_param.axis)
    rows = (math.prod(p.shape[:axis]), math.prod(p.shape[axis:]))
    weights = [p.parameter(index) for index in range(len(p.parameters))]
    y = p.op("Gemm", p.reshape(p.x, rows, p.shape), *weights, transB=int(not options.transpose))
    return p.reshape(y, p.top_shapes[0], (rows[0], options.num_output))


# -- pooling --------------------------------------------------------------------------------------------------------


def pooling(p: Place) -> str | list[str]:
    """Windows are laid by explicit padding: Caffe's in front, and behind it whatever the last window lacks."""
    options, windows = p.message.pooling_param, p.layer.windows(p.shape)
    if options.pool == options.MAX:
        return _maxima(p, windows)
    means = _means(p, p.x, windows)
    if options.pool == options.AVE:
        ratio = _kernel_over_divisor(windows)
        return means if (ratio == 1).all() else p.op("Mul", means, ratio.astype(p.dtype))
    squares, positive = _means(p, p.op("Mul", p.x, p.x), windows), p.op("Greater", means, 0.0)
    return p.op("Where", positive, p.op("Div", squares, p.op("Where", positive, means, 1.0)), 0.0)


def _maxima(p: Place, windows: Any) -> str | list[str]:
    """MaxPool pads by less than its kernel. Where Caffe's windows lie on nothing but padding (a stride greater than the
    kernel), they find -FLT_MAX in a node of their own."""
    behind, lowest = _behind(windows), float(np.finfo(p.dtype).min)
    own = any(b >= k for b, k in zip(behind, windows.kernel, strict=True))
    x = p.op("Pad", p.x, [0, 0, 0, 0, 0, 0, *behind], lowest) if own else p.x
    geometry = {
        "kernel_shape": windows.kernel,
        "strides": windows.stride,
        "pads": [*windows.pad, *([0, 0] if own else behind)],
    }
    if len(p.top_shapes) == 1:
        return p.op("MaxPool", x, **geometry)
    maxima, indices = p.ops("MaxPool", x, outputs=2, **geometry)
    height, width = windows.size
    if own:
        height, width = height + behind[0], width + behind[1]
    place = p.op("Mod", indices, [height * width])  # ONNX counts through the whole blob, Caffe through one plane
    if width != windows.size[1]:
        row, column = p.op("Div", place, [width]), p.op("Mod", place, [width])
        place = p.op("Add", p.op("Mul", row, [windows.size[1]]), column)
    return [maxima, p.op("Where", p.op("Greater", maxima, lowest), p.cast(place), -1.0)]


def _means(p: Place, x: str, windows: Any) -> str:
    """Each window's sum by the kernel's size. Padding is a node of its own: how to count it is told differently by
    different versions of ONNX and onnxruntime."""
    behind = _behind(windows)
    if any((*windows.pad, *behind)):
        x = p.op("Pad", x, [0, 0, *windows.pad, 0, 0, *behind], 0.0)
    return p.op("AveragePool", x, kernel_shape=windows.kernel, strides=windows.stride)


def _behind(windows: Any) -> list[int]:
    """What the last window lacks, per axis."""
    axes = zip(windows.size, windows.kernel, windows.stride, windows.pad, windows.positions, strict=True)
    return [max(0, (out - 1) * s + k - pad - n) for n, k, s, pad, out in axes]


def _kernel_over_divisor(windows: Any) -> np.ndarray:
    """Caffe divides by the window cut off at size + pad, ONNX by the kernel: the ratio, (pooled H, pooled W)."""
    spans = []
    axes = zip(windows.size, windows.kernel, windows.stride, windows.pad, windows.positions, strict=True)
    for n, k, s, pad, out in axes:
        start = np.arange(out) * s - pad
        spans.append(np.minimum(start + k, n + pad) - start)
    with np.errstate(divide="ignore"):
        return math.prod(windows.kernel) / np.outer(*spans)


# -- one number in, one number out ----------------------------------------------------------------------------------


def relu(p: Place) -> str:
    slope = p.message.relu_param.negative_slope
    return p.op("LeakyRelu", p.x, alpha=slope) if slope else p.op("Relu", p.x)


def prelu(p: Place) -> str:
    return p.op("PRelu", p.x, p.parameter(0, (-1, *(1,) * (len(p.shape) - 2))))


def elu(p: Place) -> str:
    return p.op("Elu", p.x, alpha=p.message.elu_param.alpha)


def sigmoid(p: Place) -> str:
    return p.op("Sigmoid", p.x)


def tanh(p: Place) -> str:
    return p.op("Tanh", p.x)


def power(p: Place) -> str:
    options = p.message.power_param
    if options.power * options.scale == 0:
        return p.op("Expand", float(np.power(options.shift, options.power)), list(p.shape))
    base = _affine(p, p.x, options.scale, options.shift)
    return base if options.power == 1 else p.op("Pow", base, options.power)


def exp(p: Place) -> str:
    options = p.message.exp_param
    exponent = _affine(p, p.x, options.scale, options.shift)
    return p.op("Exp", exponent if options.base == -1 else p.op("Mul", exponent, math.log(options.base)))


def log(p: Place) -> str:
    options = p.message.log_param
    y = p.op("Log", _affine(p, p.x, options.scale, options.shift))
    return y if options.base == -1 else p.op("Mul", y, 1 / math.log(options.base))


def absval(p: Place) -> str:
    return p.op("Abs", p.x)


def bnll(p: Place) -> str:
    return p.op("Softplus", p.x)


def threshold(p: Place) -> str:
    return p.cast(p.op("Greater", p.x, p.message.threshold_param.threshold))


def swish(p: Place) -> str:
    return p.op("Mul", p.x, p.op("Sigmoid", p.op("Mul", p.x, p.message.swish_param.beta)))


def clip(p: Place) -> str:
    options = p.message.clip_param
    return p.op("Max", p.op("Min", p.x, options.max), options.min)  # Clip differs where min > max


def identity(p: Place) -> list[str]:
    return [p.x] * len(p.top_shapes)


def _affine(p: Place, x: str, scale: float, shift: float) -> str:
    x = x if scale == 1 else p.op("Mul", x, scale)
    return x if shift == 0 else p.op("Add", x, shift)


# -- normalization --------------------------------------------------------------------------------------------------


def lrn(p: Place) -> str:
    o = p.message.lrn_param
    if o.norm_region == o.ACROSS_CHANNELS:
        return p.op("LRN", p.x, size=o.local_size, alpha=o.alpha, beta=o.beta, bias=o.k)
    size, pad = o.local_size, (o.local_size - 1) // 2
    squares = p.op("Mul", p.x, p.x)
    means = p.op("AveragePool", squares, kernel_shape=[size] * 2, pads=[pad] * 4, count_include_pad=1)
    return p.op("Mul", p.x, p.op("Pow", _affine(p, means, o.alpha, 1.0), -o.beta))


def batch_norm(p: Place) -> str:
    """Stored statistics are divided by their factor here, once: ``<layer>/0`` and ``<layer>/1`` are mean and variance."""
    options = p.message.batch_norm_param
    if p.layer.stored:
        stored = float(p.parameters[2].reshape(()))
        factor = 1 / stored if stored else 0.0
        channels = p.parameters[0].shape
        ones, zeros = np.ones(channels, p.dtype), np.zeros(channels, p.dtype)
        statistics = (p.parameter(0, factor=factor), p.parameter(1, factor=factor))
        return p.op("BatchNormalization", p.x, ones, zeros, *statistics, epsilon=options.eps)
    axes = [axis for axis in range(len(p.shape)) if axis != 1]
    centred, variance = _centred(p, p.x, axes)
    return p.op("Div", centred, p.op("Sqrt", p.op("Add", variance, options.eps)))


def mvn(p: Place) -> str:
    options = p.message.mvn_param
    x = p.reshape(p.x, p.top_shapes[0], p.shape)
    centred, variance = _centred(p, x, [1, 2, 3] if options.across_channels else [2, 3])
    if not options.normalize_variance:
        return centred
    return p.op("Div", centred, p.op("Add", p.op("Sqrt", variance), options.eps))


def _centred(p: Place, x: str, axes: list[int]) -> tuple[str, str]:
    """x minus its mean over some axes, and its variance over them, which stay as axes of length 1."""
    centred = p.op("Sub", x, p.op("ReduceMean", x, axes, keepdims=1))
    return centred, p.op("ReduceMean", p.op("Mul", centred, centred), axes, keepdims=1)


def scale(p: Place) -> str:
    options = p.message.scale_param
    learnt = len(p.bottoms) == 1
    y = p.op("Mul", p.x, _operand(p, options.axis, 0) if learnt else _second_bottom(p, options.axis))
    return p.op("Add", y, _operand(p, options.axis, int(learnt))) if options.bias_term else y


def bias(p: Place) -> str:
    options = p.message.bias_param
    return p.op("Add", p.x, _operand(p, options.axis, 0) if len(p.bottoms) == 1 else _second_bottom(p, options.axis))


def _operand(p: Place, axis: int, index: int) -> str:
    return p.parameter(index, _spread(p, p.parameters[index].shape, axis))


def _second_bottom(p: Place, axis: int) -> str:
    return p.reshape(p.bottoms[1], _spread(p, p.shapes[1], axis), p.shapes[1])


def _spread(p: Place, operand: Shape, axis: int) -> Shape:
    """The operand's shape with axes of length 1 behind it, so that it stands at ``axis`` of the first bottom."""
    behind = len(p.shape) - p.axis(axis) - len(operand) if operand else 0
    return (*operand, *(1,) * behind)


# -- joining, cutting, reshaping ------------------------------------------------------------------------------------


def concat(p: Place) -> str:
    return p.op("Concat", *p.bottoms, axis=p.layer.along(len(p.shape)))


def slice_(p: Place) -> list[str]:
    axis = p.layer.along(len(p.shape))
    pieces = [shape[axis] for shape in p.top_shapes]
    return p.ops("Split", p.x, pieces, outputs=len(pieces), axis=axis)


def eltwise(p: Place) -> str:
    options = p.message.eltwise_param
    if options.operation == options.SUM:
        terms = zip(list(options.coeff) or [1.0] * len(p.bottoms), p.bottoms, strict=True)
        return p.op("Sum", *(x if c == 1 else p.op("Mul", x, c) for c, x in terms))
    if options.operation == options.MAX:
        return p.op("Max", *p.bottoms)
    first, *others = p.bottoms
    for x in others:
        first = p.op("Mul", first, x)
    return first


def reshape(p: Place) -> str:
    return p.reshape(p.x, p.top_shapes[0], p.shape)


def crop(p: Place) -> str:
    start = p.axis(p.message.crop_param.axis)
    axes = list(range(start, len(p.shape)))
    given = list(p.message.crop_param.offset) or [0]
    offsets = given * len(axes) if len(given) == 1 else given
    ends = [offset + p.shapes[1][axis] for offset, axis in zip(offsets, axes, strict=True)]
    return p.op("Slice", p.x, offsets, ends, axes)


def tile(p: Place) -> str:
    repeats = [1] * len(p.shape)
    repeats[p.axis(p.message.tile_param.axis)] = p.message.tile_param.tiles
    return p.op("Tile", p.x, repeats)


def reduction(p: Place) -> str:
    o = p.message.reduction_param
    kind = {o.SUM: "ReduceSum", o.ASUM: "ReduceL1", o.SUMSQ: "ReduceSumSquare", o.MEAN: "ReduceMean"}[o.operation]
    y = p.op(kind, p.x, list(range(p.axis(o.axis), len(p.shape))), keepdims=0)
    return _affine(p, y, o.coeff, 0.0)


def arg_max(p: Place) -> str:
    options = p.message.argmax_param
    if options.HasField("axis"):
        indices, values = _greatest(p, p.x, p.shape, p.axis(options.axis))
        return values if options.out_max_val else indices
    flat = (p.shape[0], math.prod(p.shape[1:]))
    indices, values = _greatest(p, p.reshape(p.x, flat, p.shape), flat, 1)
    found = p.op("Concat", indices, values, axis=1) if options.out_max_val else indices
    return p.op("Reshape", found, list(p.top_shapes[0]))


def _greatest(p: Place, x: str, shape: Shape, axis: int) -> tuple[str, str]:
    """Indices (as floats) and values of the ``top_k`` greatest. Of equals Caffe takes the greater index, ONNX the
    smaller: so the axis is turned round first."""
    turned = p.op("Slice", x, [-1], [-shape[axis] - 1], [axis], [-1])
    values, places = p.ops("TopK", turned, [p.message.argmax_param.top_k], outputs=2, axis=axis)
    return p.cast(p.op("Sub", p.constant([shape[axis] - 1]), places)), values


# -- probabilities, losses, measures --------------------------------------------------------------------------------


def softmax(p: Place) -> str:
    return p.op("Softmax", p.x, axis=p.axis(p.message.softmax_param.axis))


def softmax_with_loss(p: Place) -> list[str]:
    axis = p.axis(p.message.softmax_param.axis)
    probabilities = p.op("Softmax", p.x, axis=axis)
    folded = _folded(p.shape, axis)
    labels, valid = _labels(p, folded, p.message.loss_param)
    own = p.op("GatherElements", p.reshape(probabilities, folded, p.shape), labels, axis=1)
    losses = p.op("Where", valid, p.op("Neg", p.op("Log", p.op("Max", own, FLT_MIN))), 0.0)
    return [_normalized(p, losses, valid, folded[0], folded[2]), probabilities][: len(p.top_shapes)]


def sigmoid_cross_entropy_loss(p: Place) -> str:
    options, count = p.message.loss_param, math.prod(p.shape)
    targets = p.reshape(p.bottoms[1], p.shape, p.shapes[1])
    known = p.integers(targets)
    valid = _others(p, known, options, p.shape)
    hit = p.cast(p.op("GreaterOrEqual", p.x, 0.0))
    linear = p.op("Mul", p.x, p.op("Sub", targets, hit))
    losses = p.op("Sub", p.op("Softplus", p.op("Neg", p.op("Abs", p.x))), linear)
    return _normalized(p, p.op("Where", valid, losses, 0.0), valid, p.shape[0], count // p.shape[0])


def euclidean_loss(p: Place) -> str:
    difference = p.op("Sub", p.x, p.reshape(p.bottoms[1], p.shape, p.shapes[1]))
    return p.op("Mul", p.op("ReduceSumSquare", difference, keepdims=0), 1 / (2 * p.shape[0]))


def accuracy(p: Place) -> list[str]:
    options = p.message.accuracy_param
    folded = _folded(p.shape, p.axis(options.axis))
    scores = p.reshape(p.x, folded, p.shape)
    labels, valid = _labels(p, folded, options)
    as_good = p.cast(p.op("GreaterOrEqual", scores, p.op("GatherElements", scores, labels, axis=1)))
    among_first = p.op("LessOrEqual", p.op("ReduceSum", as_good, [1], keepdims=1), float(options.top_k))
    right = p.op("And", among_first, valid)
    if len(p.top_shapes) == 1:
        return [_share(p, right, valid, [0, 1, 2])]
    of_class = p.op("Equal", labels, np.arange(folded[1])[:, None])
    per_class = _share(p, p.op("And", right, of_class), p.op("And", valid, of_class), [0, 2])
    return [_share(p, right, valid, [0, 1, 2]), per_class]


def _folded(shape: Shape, axis: int) -> Shape:
    """(outer, C, inner) around the classes' axis."""
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


def _labels(p: Place, folded: Shape, options: Any) -> tuple[str, str]:
    """The second bottom as indices (outer, 1, inner), 0 in the place of ignored ones, and where none is ignored."""
    places = (folded[0], 1, folded[2])
    labels = p.integers(p.reshape(p.bottoms[1], places, p.shapes[1]))
    valid = _others(p, labels, options, places)
    return p.op("Where", valid, labels, np.array(0)), valid


def _others(p: Place, labels: str, options: Any, shape: Shape) -> str:
    """Where a label is not ``ignore_label``."""
    if not options.HasField("ignore_label"):
        return p.constant(np.ones(shape, bool))
    return p.op("Not", p.op("Equal", labels, np.array(options.ignore_label)))


def _normalized(p: Place, losses: str, valid: str, outer: int, inner: int) -> str:
    """The sum of all losses by Caffe's normalizer."""
    numbers = {"FULL": outer * inner, "BATCH_SIZE": outer, "NONE": 1}
    total = p.op("ReduceSum", losses, keepdims=0)
    if p.layer.normalization == "VALID":
        return p.op("Div", total, _at_least_one(p, valid, None))
    return p.op("Div", total, float(max(1, numbers[p.layer.normalization])))


def _share(p: Place, right: str, counted: str, axes: list[int]) -> str:
    return p.op("Div", p.op("ReduceSum", p.cast(right), axes, keepdims=0), _at_least_one(p, counted, axes))


def _at_least_one(p: Place, flags: str, axes: list[int] | None) -> str:
    """How many flags are set, 1 where none is."""
    return p.op("Max", p.op("ReduceSum", p.cast(flags), *([] if axes is None else [axes]), keepdims=0), 1.0)


OPERATORS: dict[str, Callable[[Place], str | list[str]]] = {
    "AbsVal": absval,
    "Accuracy": accuracy,
    "ArgMax": arg_max,
    "BNLL": bnll,
    "BatchNorm": batch_norm,
    "Bias": bias,
    "Clip": clip,
    "Concat": concat,
    "Convolution": convolution,
    "Crop": crop,
    "Deconvolution": deconvolution,
    "Dropout": identity,
    "ELU": elu,
    "Eltwise": eltwise,
    "EuclideanLoss": euclidean_loss,
    "Exp": exp,
    "Feedback": identity,
    "Flatten": reshape,
    "InnerProduct": inner_product,
    "LRN": lrn,
    "Log": log,
    "MVN": mvn,
    "PReLU": prelu,
    "Pooling": pooling,
    "Power": power,
    "ReLU": relu,
    "Reduction": reduction,
    "Reshape": reshape,
    "Scale": scale,
    "Sigmoid": sigmoid,
    "SigmoidCrossEntropyLoss": sigmoid_cross_entropy_loss,
    "Silence": identity,
    "Slice": slice_,
    "Softmax": softmax,
    "SoftmaxWithLoss": softmax_with_loss,
    "Split": identity,
    "Swish": swish,
    "TanH": tanh,
    "Threshold": threshold,
    "Tile": tile,
}
