"""Every layer type and option as ONNX: a valid model that computes what Caffe's layer computes."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NamedTuple

import numpy as np
import pytest

from thinktwice.caffe_models.definition import parse_net
from thinktwice.caffe_models.onnx_export import export_onnx, value_names
from thinktwice.caffe_models.phases import for_state
from thinktwice.errors import BadInput
from thinktwice.executor.crosscheck import crosscheck, random_inputs
from thinktwice.executor.graph import Graph
from thinktwice.executor.net import Net
from thinktwice.executor.parameters import parameter_specs
from thinktwice.layers.data_source import DataSource
from thinktwice.layers.registry import layer_types

onnx = pytest.importorskip("onnx", reason="the extra `cpu` is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `cpu` is not installed")

X = (2, 4, 7, 5)  # N, C, H, W, all different


class Case(NamedTuple):
    """A layer ``l`` from ``x`` (and ``z``) to ``y`` (and more tops)."""

    shapes: list[tuple[int, ...]]  # of x and z
    options: str  # the layer's own options; or all layers in full
    tops: tuple[str, ...] = ()  # beside y
    loss: str = ""  # loss_param


CASES = {
    "Input": Case([X], 'layer { name: "l" type: "Split" bottom: "x" top: "y" }'),
    "Convolution": Case([X], "num_output: 6 kernel_size: 3"),
    "Convolution no bias": Case([X], "num_output: 6 kernel_size: 3 bias_term: false"),
    "Convolution rectangle": Case(
        [X], "num_output: 6 kernel_h: 3 kernel_w: 2 pad_h: 2 pad_w: 1 stride_h: 2 stride_w: 3"
    ),
    "Convolution group dilation": Case([(2, 4, 9, 8)], "num_output: 6 kernel_size: 3 group: 2 dilation: 2 pad: 1"),
    "Convolution 1-D": Case([(2, 3, 11)], "num_output: 4 kernel_size: 3 stride: 2 pad: 1"),
    "Convolution 3-D": Case([(2, 3, 5, 6, 4)], "num_output: 4 kernel_size: 3 kernel_size: 2 kernel_size: 1 pad: 1"),
    "Convolution axis 2": Case([(2, 3, 4, 6, 5)], "num_output: 5 kernel_size: 3 axis: 2"),
    "Convolution axis 0": Case([(3, 6, 5)], "num_output: 5 kernel_size: 3 axis: 0"),
    "Deconvolution": Case([X], "num_output: 6 kernel_size: 3"),
    "Deconvolution group": Case([X], "num_output: 6 kernel_size: 4 stride: 2 pad: 1 group: 2"),
    "Deconvolution dilation": Case([X], "num_output: 6 kernel_size: 3 stride: 3 dilation: 2 bias_term: false"),
    "Deconvolution axis 2": Case([(2, 3, 4, 6, 5)], "num_output: 5 kernel_size: 2 stride: 2 axis: 2"),
    "InnerProduct": Case([X], "num_output: 6"),
    "InnerProduct axis": Case([X], "num_output: 6 axis: 2"),
    "InnerProduct axis 0": Case([(3, 5)], "num_output: 6 axis: 0"),
    "InnerProduct transpose": Case([X], "num_output: 6 axis: -1 transpose: true bias_term: false"),
    "Pooling": Case([X], "kernel_size: 2"),
    "Pooling max ceil": Case([(2, 3, 8, 7)], "kernel_size: 3 stride: 2"),
    "Pooling max floor": Case([(2, 3, 8, 7)], "kernel_size: 3 stride: 2 round_mode: FLOOR"),
    "Pooling max clip": Case([(2, 3, 7, 6)], "kernel_h: 2 kernel_w: 3 stride: 3 pad: 1"),
    "Pooling max global": Case([X], "global_pooling: true"),
    "Pooling max beyond": Case([(2, 3, 7, 6)], "kernel_size: 2 stride: 4"),
    "Pooling mask": Case([X], "kernel_size: 3 stride: 2 pad: 1", tops=("m",)),
    "Pooling mask global": Case([X], "global_pooling: true", tops=("m",)),
    "Pooling mask beyond": Case([(2, 3, 7, 10)], "kernel_size: 2 stride: 4", tops=("m",)),
    "Pooling ave ceil": Case([(2, 3, 8, 9)], "pool: AVE kernel_size: 3 stride: 2"),
    "Pooling ave pad": Case([(2, 3, 7, 8)], "pool: AVE kernel_size: 3 stride: 2 pad: 1"),
    "Pooling ave pad 2": Case([(2, 3, 6, 9)], "pool: AVE kernel_h: 5 kernel_w: 4 stride: 3 pad_h: 2 pad_w: 3"),
    "Pooling ave floor": Case([(2, 3, 8, 7)], "pool: AVE kernel_size: 3 stride: 2 pad: 2 round_mode: FLOOR"),
    "Pooling ave global": Case([X], "pool: AVE global_pooling: true"),
    "Pooling stochastic": Case([X], "pool: STOCHASTIC kernel_size: 3 stride: 2"),
    "Pooling stochastic ceil": Case([(2, 3, 8, 6)], "pool: STOCHASTIC kernel_size: 3 stride: 2"),
    "ReLU": Case([X], ""),
    "ReLU slope": Case([X], "negative_slope: 0.1"),
    "ReLU negative slope": Case([X], "negative_slope: -0.3"),
    "PReLU": Case([X], ""),
    "PReLU shared": Case([X], "channel_shared: true"),
    "PReLU 2 axes": Case([(3, 5)], ""),
    "ELU": Case([X], "alpha: 0.7"),
    "Sigmoid": Case([X], ""),
    "TanH": Case([X], ""),
    "Power": Case([X], "power: 2 scale: 0.5 shift: 3"),
    "Power 3": Case([X], "power: 3 scale: -0.5"),
    "Power 1": Case([X], "scale: 2 shift: -1"),
    "Power nothing": Case([X], ""),
    "Power 0": Case([X], "power: 0"),
    "Power root": Case([X], "power: 0.5 shift: 10"),
    "Power root of negatives": Case([X], "power: 0.5"),
    "Power constant": Case([X], "power: 3 scale: 0 shift: 2"),
    "Exp": Case([X], ""),
    "Exp base": Case([X], "base: 3 scale: -0.5 shift: 0.1"),
    "Log": Case([X], "shift: 10"),
    "Log base": Case([X], "base: 10 scale: 0.5 shift: 8"),
    "Log of negatives": Case([X], ""),
    "AbsVal": Case([X], ""),
    "BNLL": Case([X], ""),
    "Threshold": Case([X], "threshold: 0.25"),
    "Swish": Case([X], "beta: 1.5"),
    "Clip": Case([X], "min: -0.5 max: 1"),
    "Clip reversed": Case([X], "min: 1 max: -0.5"),
    "LRN": Case([(2, 7, 4, 3)], "local_size: 5 alpha: 3 beta: 0.6 k: 2"),
    "LRN wide": Case([X], "local_size: 7 alpha: 10"),
    "LRN within": Case([X], "local_size: 3 alpha: 3 beta: 0.6 k: 2 norm_region: WITHIN_CHANNEL"),
    "LRN within wide": Case([X], "local_size: 9 alpha: 3 norm_region: WITHIN_CHANNEL"),
    "BatchNorm": Case([X], "eps: 0.01"),
    "BatchNorm 2 axes": Case([(3, 5)], ""),
    "BatchNorm 5 axes": Case([(2, 3, 4, 5, 2)], ""),
    "BatchNorm batch": Case([X], "use_global_stats: false eps: 0.01"),
    "Scale": Case([X], ""),
    "Scale bias": Case([X], "bias_term: true"),
    "Scale axes": Case([X], "axis: 1 num_axes: 2 bias_term: true"),
    "Scale last": Case([X], "axis: -1"),
    "Scale all": Case([X], "axis: 1 num_axes: -1"),
    "Scale number": Case([X], "num_axes: 0 bias_term: true"),
    "Scale by bottom": Case([X, (2, 4)], "axis: 0"),
    "Scale by bottom, bias": Case([X, (4, 7)], "bias_term: true"),
    "Scale by bottom, number": Case([X, ()], ""),
    "Bias": Case([X], ""),
    "Bias axes": Case([X], "axis: -2 num_axes: -1"),
    "Bias of bottom": Case([X, (7,)], "axis: 2"),
    "MVN": Case([X], ""),
    "MVN across": Case([X], "across_channels: true eps: 0.1"),
    "MVN mean": Case([X], "normalize_variance: false"),
    "MVN 3 axes": Case([(2, 4, 7)], "across_channels: true"),
    "Concat": Case([X, (2, 3, 7, 5)], ""),
    "Concat axis": Case([X, (2, 4, 6, 5)], "axis: -2"),
    "Concat dim": Case([X, (2, 4, 7, 3)], "concat_dim: 3"),
    "Slice": Case([X], "", tops=("b",)),
    "Slice points": Case(
        [X],
        "axis: 2 slice_point: 1 slice_point: 4",
        tops=(
            "b",
            "c",
        ),
    ),
    "Split": Case([X], "", tops=("b",)),
    "Eltwise": Case([X, X], ""),
    "Eltwise coeff": Case([X, X], "coeff: 0.5 coeff: -2"),
    "Eltwise prod": Case([X, X], "operation: PROD"),
    "Eltwise max": Case([X, X], "operation: MAX"),
    "Flatten": Case([X], ""),
    "Flatten axes": Case([X], "axis: 0 end_axis: -2"),
    "Reshape": Case([X], "shape { dim: 0 dim: -1 dim: 7 }"),
    "Reshape axes": Case([X], "shape { dim: 5 dim: 1 dim: 7 } axis: 2 num_axes: 2"),
    "Reshape append": Case([X], "shape { dim: 1 } axis: -1 num_axes: 0"),
    "Crop": Case([X, (2, 3, 4, 2)], "offset: 1 offset: 2"),
    "Crop axis": Case([X, (2, 3, 4, 2)], "axis: 1 offset: 1"),
    "Tile": Case([X], "tiles: 3"),
    "Tile axis": Case([X], "axis: -2 tiles: 2"),
    "Reduction": Case([X], "coeff: 0.5"),
    "Reduction asum": Case([X], "operation: ASUM axis: 1"),
    "Reduction sumsq": Case([X], "operation: SUMSQ axis: 2 coeff: -2"),
    "Reduction mean": Case([X], "operation: MEAN axis: -1"),
    "ArgMax": Case([X], ""),
    "ArgMax top k": Case([X], "top_k: 3 out_max_val: true"),
    "ArgMax axis": Case([X], "axis: 1 top_k: 2"),
    "ArgMax axis values": Case([X], "axis: -1 top_k: 2 out_max_val: true"),
    "ArgMax 2 axes": Case([(3, 5)], "top_k: 2 out_max_val: true"),
    "Softmax": Case([X], ""),
    "Softmax axis": Case([X], "axis: -1"),
    "SoftmaxWithLoss": Case([(5, 7), (5,)], ""),
    "SoftmaxWithLoss places": Case([X, (2, 1, 7, 5)], "", tops=("p",)),
    "SoftmaxWithLoss axis": Case([(2, 7, 5, 4), (2, 7, 5)], "axis: -1", tops=("p",)),
    **{
        f"SoftmaxWithLoss {mode}": Case([X, (2, 7, 5)], "", loss=f"ignore_label: 2 normalization: {mode}")
        for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE")
    },
    "SigmoidCrossEntropyLoss": Case([(5, 7), (5, 7)], ""),
    **{
        f"SigmoidCrossEntropyLoss {mode}": Case([X, (2, 140)], "", loss=f"ignore_label: 1 normalization: {mode}")
        for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE")
    },
    "EuclideanLoss": Case([X, (2, 140)], ""),
    "Dropout": Case([X], "dropout_ratio: 0.3"),
    "Silence": Case(
        [X],
        'layer { name: "l" type: "Silence" bottom: "x" } layer { name: "r" type: "ReLU" bottom: "x" top: "y" }',
    ),
    "Accuracy": Case([(9, 5), (9,)], ""),
    "Accuracy top k": Case([X, (2, 7, 5)], "top_k: 2", tops=("per_class",)),
    "Accuracy ignore": Case([(2, 7, 5, 4), (2, 7, 5)], "axis: -1 ignore_label: 1", tops=("per_class",)),
    "Feedback": Case([X], ""),
}
OPTIONS = {
    "ArgMax": "argmax_param",
    "BatchNorm": "batch_norm_param",
    "Deconvolution": "convolution_param",
    "InnerProduct": "inner_product_param",
    "SoftmaxWithLoss": "softmax_param",
}


def case_net(name: str, dtype: str = "float32") -> Net:
    """The net of one case, with one input per shape; the case's first word is the layer's type."""
    case, kind = CASES[name], name.split()[0]
    text = case.options
    if not text.startswith("layer"):
        bottoms = "".join(f'bottom: "{blob}" ' for blob in "xz"[: len(case.shapes)])
        tops = "".join(f'top: "{blob}" ' for blob in ("y", *case.tops))
        options = f"{OPTIONS.get(kind, f'{kind.lower()}_param')} {{ {text} }}" if text else ""
        loss = f"loss_param {{ {case.loss} }}" if case.loss else ""
        text = f'layer {{ name: "l" type: "{kind}" {bottoms} {tops} {options} {loss} }}'
    return random_net(text, dtype, **dict(zip("xz", case.shapes, strict=False)))


def random_net(text: str, dtype: str = "float32", **inputs: tuple[int, ...]) -> Net:
    """A net with these inputs and random weights, none of them 0 or 1."""
    for blob, shape in inputs.items():
        dims = "".join(f"dim: {n} " for n in shape)
        text = f'layer {{ name: "{blob}" type: "Input" top: "{blob}" input_param {{ shape {{ {dims} }} }} }} {text}'
    message = for_state(parse_net(text))
    graph, rng = Graph(message), np.random.default_rng(1)
    parameters = {
        layer: [rng.normal(0, 1, s.shape) if len(s.shape) > 1 else rng.uniform(0.3, 1.7, s.shape) for s in specs]
        for layer, specs in parameter_specs(graph).items()
    }
    return Net(graph, parameters, message, dtype=dtype, device="cpu")


def case_inputs(net: Net) -> dict[str, np.ndarray]:
    """Random numbers of size 1 (``random_inputs`` makes images of size 50), labels where labels are read."""
    rng, drawn = np.random.default_rng(2), random_inputs(net, seed=3)
    labels = [node.bottoms[1] for node in net.graph.nodes if len(node.bottoms) == 2 and node.layer.type in LABELLED]
    return {
        blob: array if net.graph.inputs[blob] in labels else rng.normal(0, 1, array.shape).astype(array.dtype)
        for blob, array in drawn.items()
    }


LABELLED = ("SoftmaxWithLoss", "Accuracy", "SigmoidCrossEntropyLoss")


@pytest.mark.parametrize("name", CASES)
def test_every_layer_and_option(name):
    net = case_net(name)
    onnx.checker.check_model(export_onnx(net), full_check=True)
    onnx.checker.check_model(export_onnx(net, every_blob=True), full_check=True)
    with np.errstate(all="ignore"):
        report = crosscheck(net, case_inputs(net), tolerance=1e-5)
    assert report.rows
    assert report.agrees, report.first_divergence


def test_the_table_is_complete():
    evaluated = {name for name, kind in layer_types().items() if not issubclass(kind, DataSource)}
    assert {name.split()[0] for name in CASES} == evaluated


@pytest.mark.parametrize("seed", range(60))
def test_pooling_windows_of_any_geometry(seed):
    rng = np.random.default_rng(seed)
    kernel, stride, size = rng.integers(1, 6, 2), rng.integers(1, 6, 2), rng.integers(5, 12, 2)
    method, rounding = ("MAX", "AVE")[seed % 2], rng.choice(["CEIL", "FLOOR"])
    pad = [rng.integers(0, k) for k in kernel] if rng.random() < 0.7 else [0, 0]
    options = f"pool: {method} round_mode: {rounding} " + " ".join(
        f"{field}_{axis}: {value}"
        for field, values in (("kernel", kernel), ("stride", stride), ("pad", pad))
        for axis, value in zip("hw", values, strict=True)
    )
    text = f'layer {{ name: "l" type: "Pooling" bottom: "x" top: "y" pooling_param {{ {options} }} }}'
    net = random_net(text, x=(2, 3, *map(int, size)))
    with np.errstate(all="ignore"):  # a stride beyond the kernel: Caffe too divides by 0 in windows that lie on nothing
        report = crosscheck(net, case_inputs(net), tolerance=1e-6)
    assert report.agrees, (options, size, report.first_divergence)


@pytest.mark.parametrize("name", ["ArgMax top k", "ArgMax axis", "Pooling mask", "Accuracy top k", "Eltwise max"])
def test_ties_are_broken_as_in_caffe(name):
    net = case_net(name)
    inputs = {blob: np.round(array) for blob, array in case_inputs(net).items()}
    assert len(np.unique(inputs["x"])) < 10
    assert crosscheck(net, inputs, tolerance=0).agrees


def test_ignored_labels_may_be_no_class():
    net = random_net(
        'layer { name: "l" type: "SoftmaxWithLoss" bottom: "x" bottom: "z" top: "y" loss_param { ignore_label: 255 } }'
        'layer { name: "a" type: "Accuracy" bottom: "x" bottom: "z" top: "a" accuracy_param { ignore_label: 255 } }',
        x=X,
        z=(2, 7, 5),
    )
    inputs = random_inputs(net)
    inputs["z"][:, ::2] = 255
    assert crosscheck(net, inputs).agrees
    inputs["z"][...] = 255  # nothing is left to count: the normalizer is 1, the accuracy 0
    assert crosscheck(net, inputs).agrees


def test_batch_norm_without_statistics():
    net = case_net("BatchNorm")
    mean, variance, _ = net.params["l"]
    empty = Net(net.graph, {"l": [mean, variance, np.zeros(1)]}, net.message, device="cpu")
    assert crosscheck(empty, case_inputs(empty)).agrees


IN_PLACE = """
layer { name: "conv1" type: "Convolution" bottom: "x" top: "conv1" convolution_param { num_output: 3 kernel_size: 2 } }
layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1" }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "ip" type: "InnerProduct" bottom: "conv1" top: "ip/0" inner_product_param { num_output: 5 } }
layer { name: "side" type: "ReLU" bottom: "conv1" top: "conv1@bn1" }
"""


def test_names_are_caffes_and_never_twice():
    """Every version has its name; a blob called like a weight or like a version keeps its name, the other yields."""
    net = random_net(IN_PLACE, x=X)
    assert value_names(net.graph) == ["x", "conv1@bn1#2", "conv1@relu1", "conv1", "ip/0", "conv1@bn1"]
    model = export_onnx(net)
    assert [output.name for output in model.graph.output] == ["ip/0", "conv1@bn1"]
    weights = [weight.name for weight in model.graph.initializer if "constant" not in weight.name]
    assert weights == ["conv1/0", "conv1/1", "bn1/0", "bn1/1", "ip/0#2", "ip/1"]
    every = export_onnx(net, every_blob=True)
    assert [output.name for output in every.graph.output] == value_names(net.graph)[1:]
    onnx.checker.check_model(every, full_check=True)
    assert crosscheck(net, case_inputs(net)).agrees


def test_an_input_overwritten_in_place():
    net = random_net('layer { name: "double" type: "Power" bottom: "x" top: "x" power_param { scale: 2 } }', x=(2, 3))
    model = export_onnx(net)
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["x@double", "x"]
    report = crosscheck(net, {"x": np.ones((2, 3))})
    assert report.agrees and [row.blob for row in report.rows] == ["x"]


def test_other_input_shapes():
    net = random_net(IN_PLACE, x=X)
    model = export_onnx(net, shapes={"x": (5, *X[1:])})
    assert [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim] == [5, *X[1:]]
    with pytest.raises(BadInput, match=r"layer 'ip' \(InnerProduct\).*needs parameters"):
        export_onnx(net, shapes={"x": (2, 4, 9, 9)})
    with pytest.raises(BadInput, match="input: found 'y', expected"):
        export_onnx(net, shapes={"y": X})


def test_an_input_without_a_shape():
    net = Net(Graph(for_state(parse_net('input: "x" layer { name: "r" type: "ReLU" bottom: "x" top: "y" }'))), {})
    with pytest.raises(BadInput, match="input 'x': found no shape"):
        export_onnx(net)
    assert export_onnx(net, shapes={"x": (2, 3)}).graph.output[0].name == "y"


def test_model_is_readable_by_the_oldest_onnxruntime():
    model = export_onnx(case_net("Pooling ave pad"))
    assert model.ir_version <= 10 and [opset.version for opset in model.opset_import] == [19]


def test_layers_without_a_form_in_onnx_are_named(monkeypatch):
    monkeypatch.delitem(import_module("thinktwice.caffe_models.onnx_ops").OPERATORS, "ReLU")
    with pytest.raises(BadInput, match=r"layer 'l' \(ReLU\): type: found 'ReLU', which has no form in ONNX"):
        export_onnx(case_net("ReLU"))


def test_what_is_drawn_at_random_is_refused():
    net = random_net('layer { name: "drop" type: "Dropout" bottom: "x" top: "y" phase: TRAIN }', x=X)
    with pytest.raises(BadInput, match=r"layer 'drop' \(Dropout\): phase: found TRAIN, expected TEST"):
        export_onnx(net)


def test_a_net_that_computes_nothing():
    with pytest.raises(BadInput, match="found no layer that computes a blob"):
        export_onnx(random_net("", x=X))


def test_without_onnx(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(BadInput, match=r"pip install 'thinktwice\[cpu\]'"):
        export_onnx(case_net("ReLU"))


@pytest.mark.parametrize("name", ["Convolution", "Pooling ave pad", "LRN", "SoftmaxWithLoss"])
def test_float64_models_are_valid(name):
    model = export_onnx(case_net(name, "float64"))
    onnx.checker.check_model(model, full_check=True)
    assert {value.type.tensor_type.elem_type for value in model.graph.input} == {onnx.TensorProto.DOUBLE}
