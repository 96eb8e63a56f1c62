"""The cross-check agrees where both programs do, names the first layer where they do not, and covers every real net."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from thinktwice.caffe_models.definition import parse_net, read_net
from thinktwice.caffe_models.deploy import deploy_view
from thinktwice.caffe_models.phases import for_state
from thinktwice.errors import BadInput
from thinktwice.executor import crosscheck as module
from thinktwice.executor.crosscheck import crosscheck, random_inputs, relative_error
from thinktwice.executor.load import build, load
from thinktwice.executor.net import Net

from ..conftest import SHARED

onnx = pytest.importorskip("onnx", reason="the extra `cpu` is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `cpu` is not installed")

TEXT = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 11 dim: 9 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 2 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2" convolution_param { num_output: 5 kernel_size: 2 } }
layer { name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }
layer { name: "fc" type: "InnerProduct" bottom: "conv2" top: "fc" inner_product_param { num_output: 6 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
layer { name: "best" type: "ArgMax" bottom: "fc" top: "best" }
layer { name: "hit" type: "Accuracy" bottom: "fc" bottom: "label" top: "hit" }
"""


def net_of(text: str = TEXT, **options) -> Net:
    return build(for_state(parse_net(text)), device="cpu", seed=0, **options)


def perturbed(monkeypatch: pytest.MonkeyPatch, weight: str, change) -> None:
    """Let onnxruntime compute with other weights than the net has."""
    export = module.export_onnx

    def broken(*args, **options):
        model = export(*args, **options)
        tensor = next(tensor for tensor in model.graph.initializer if tensor.name == weight)
        tensor.CopyFrom(onnx.numpy_helper.from_array(change(onnx.numpy_helper.to_array(tensor)), weight))
        return model

    monkeypatch.setattr(module, "export_onnx", broken)


def test_a_row_for_every_version_of_every_blob():
    report = crosscheck(net_of())
    assert [(row.layer, row.blob) for row in report.rows] == [
        ("conv1", "conv1@relu1"),
        ("relu1", "conv1"),
        ("pool1", "pool1"),
        ("conv2", "conv2@relu2"),
        ("relu2", "conv2"),
        ("fc", "fc"),
        ("prob", "prob"),
        ("best", "best"),
        ("hit", "hit"),
    ]
    assert [row.shape for row in report.rows][2:4] == [(2, 4, 5, 4), (2, 5, 4, 3)]
    assert report.agrees and report.first_divergence is None
    assert max(row.error for row in report.rows) < 1e-5


def test_the_first_diverging_layer_is_named(monkeypatch):
    def one_weight(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array[1, 2, 0, 1] += 0.05 * np.abs(array).max()
        return array

    perturbed(monkeypatch, "conv2/0", one_weight)
    report = crosscheck(net_of())
    assert not report.agrees
    assert (report.first_divergence.layer, report.first_divergence.blob) == ("conv2", "conv2@relu2")
    assert report.first_divergence.error > 1e-4
    assert [row.agrees for row in report.rows[:3]] == [True] * 3
    assert crosscheck(net_of(), tolerance=1.0).agrees


def test_an_operator_that_computes_something_else_is_named(monkeypatch):
    ops = import_module("thinktwice.caffe_models.onnx_ops")
    monkeypatch.setitem(ops.OPERATORS, "ArgMax", lambda place: place.op("Add", ops.arg_max(place), 1.0))
    assert crosscheck(net_of()).first_divergence.layer == "best"


def test_near_ties_are_no_divergence(monkeypatch):
    """Two scores that differ by less than the tolerance: whoever wins them, ArgMax and Threshold are right."""
    net = net_of("""
        layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 } } }
        layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 2 } }
        layer { name: "best" type: "ArgMax" bottom: "fc" top: "best" }
        layer { name: "above" type: "Threshold" bottom: "fc" top: "above" threshold_param { threshold: 1 } }
    """)
    net = Net(net.graph, {"fc": [np.eye(2), np.array([0, -1e-6])]}, net.message, device="cpu")
    inputs = {"data": np.ones((1, 2))}
    assert net.forward(inputs)["best"] == 0
    perturbed(monkeypatch, "fc/1", lambda array: np.array([0, 1e-6], np.float32))
    assert crosscheck(net, inputs).agrees
    report = crosscheck(net, inputs, tolerance=1e-7)
    assert [row.layer for row in report.rows if not row.agrees] == ["fc"]


def test_float64_where_onnxruntime_has_it():
    inputs, without_filters = TEXT.splitlines()[1:3], [line for line in TEXT.splitlines()[3:] if "conv" not in line]
    fully_connected = TEXT.splitlines()[8].replace("conv2", "data")
    net = net_of("\n".join([*inputs, fully_connected, *without_filters]), dtype="float64")
    assert net.layers == ["data", "label", "fc", "prob", "best", "hit"]
    report = crosscheck(net, tolerance=1e-13)
    assert report.agrees, report.first_divergence
    with pytest.raises(BadInput, match=r"float64.*expected a float32 net.*conv1"):
        crosscheck(net_of(dtype="float64"))


def test_relative_error():
    a = np.array([1.0, -4.0, 2.0], np.float32)
    assert relative_error(a, a) == 0
    assert relative_error(a, a + np.array([0, 0, 1], np.float32)) == 0.25
    assert relative_error(a, a[:2]) == np.inf
    assert relative_error(a, np.array([1, np.nan, 2], np.float32)) == np.inf
    assert relative_error(np.array([np.nan, np.inf, 1]), np.array([np.nan, np.inf, 1])) == 0
    assert relative_error(np.array([np.nan, np.inf, 2]), np.array([np.nan, np.inf, 1])) == 0.5
    assert relative_error(np.array([np.inf]), np.array([-np.inf])) == np.inf
    assert relative_error(np.zeros(2), np.array([0, 1e-30])) == np.inf
    assert relative_error(np.array(2.0), np.array(1.0)) == 0.5


def test_random_inputs():
    net = net_of("""
        layer { name: "data" type: "Input" top: "data" top: "targets" input_param {
          shape { dim: 40 dim: 3 dim: 8 dim: 9 } shape { dim: 40 dim: 7 } } }
        layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 40 dim: 1 } } }
        layer { name: "flat" type: "Flatten" bottom: "label" top: "flat" flatten_param { axis: 0 } }
        layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 7 } }
        layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "flat" top: "loss" }
        layer { name: "entropy" type: "SigmoidCrossEntropyLoss" bottom: "fc" bottom: "targets" top: "entropy" }
    """)
    inputs = random_inputs(net, seed=1)
    assert {blob: array.shape for blob, array in inputs.items()} == {
        "data": (40, 3, 8, 9),
        "targets": (40, 7),
        "label": (40, 1),
    }
    assert {array.dtype for array in inputs.values()} == {net.dtype}
    assert set(inputs["label"].ravel()) == set(range(7))
    assert 0 <= inputs["targets"].min() < 0.1 and 0.9 < inputs["targets"].max() <= 1
    assert 45 < inputs["data"].std() < 52 and abs(inputs["data"]).max() <= 128
    assert all((random_inputs(net, seed=1)[blob] == array).all() for blob, array in inputs.items())
    assert (random_inputs(net, seed=2)["data"] != inputs["data"]).any()
    two = {"data": (2, 3, 8, 9), "targets": (2, 7), "label": (2, 1)}
    assert {blob: array.shape for blob, array in random_inputs(net, shapes=two).items()} == two
    assert crosscheck(net, inputs).agrees


def test_an_input_without_a_shape():
    text = 'input: "data" layer { name: "r" type: "ReLU" bottom: "data" top: "y" }'
    net = net_of(text, shapes={"data": (2, 3)})
    with pytest.raises(BadInput, match="input 'data': found no shape"):
        crosscheck(net)
    assert crosscheck(net, {"data": np.ones((2, 3))}).agrees


def test_only_inputs_are_given():
    with pytest.raises(BadInput, match="input: found 'conv1', expected one of"):
        crosscheck(net_of(), {"conv1": np.ones((2, 4, 9, 7))})
    with pytest.raises(BadInput, match=r"input 'label': found .* expected an array"):
        crosscheck(net_of(), {"data": np.ones((2, 3, 11, 9))})


def test_without_onnxruntime(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BadInput, match=r"pip install 'thinktwice\[cpu\]'"):
        crosscheck(net_of())


def test_blobs_that_nobody_reads_further_are_computed_too():
    """A loss without a top, and Silence, read what no one else does."""
    net = net_of("""
        layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
        layer { name: "prob" type: "Softmax" bottom: "data" top: "prob" }
        layer { name: "loss" type: "EuclideanLoss" bottom: "prob" bottom: "data" }
        layer { name: "abs" type: "AbsVal" bottom: "data" top: "abs" }
        layer { name: "quiet" type: "Silence" bottom: "abs" }
    """)
    assert net.outputs == ["prob"]
    assert [row.blob for row in crosscheck(net).rows] == ["prob", "abs"]
    np.testing.assert_array_equal(net.forward(data=[[1, -2, 3], [0, 0, 0]])["abs"][0], [1, 2, 3])


def test_an_input_overwritten_in_place():
    net = net_of("""
        layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
        layer { name: "double" type: "Power" bottom: "data" top: "data" power_param { scale: 2 } }
    """)
    np.testing.assert_array_equal(net.forward(data=np.ones((2, 3)))["data"], np.full((2, 3), 2))
    assert crosscheck(net).agrees


# -- real nets ------------------------------------------------------------------------------------------------------

GOLDEN = sorted(path.name for path in (SHARED / "golden" / "layers").glob("*"))
MODELS = SHARED / "models"
ZOO = sorted(str(path.relative_to(MODELS)) for path in (MODELS / "zoo_prototxt").rglob("*.prototxt"))
UNTOLD = {"data": (2, 1, 28, 28), "label": (2,), "pair_data": (2, 2, 28, 28), "sim": (2,)}  # MNIST, cut to size nowhere


@pytest.mark.parametrize("case", GOLDEN)
def test_golden_nets(shared: Path, case: str):
    folder = shared / "golden" / "layers" / case
    net = load(folder / "net.prototxt", folder / "net.caffemodel", device="cpu")
    golden = np.load(folder / "golden.npz")
    inputs = {key.removeprefix("input/"): golden[key] for key in golden.files if key.startswith("input/")}
    report = crosscheck(net, inputs)
    assert report.agrees, report.first_divergence


def test_squeezenet(shared: Path):
    folder = shared / "models" / "squeezenet_v1.0"
    image = np.load(shared / "golden" / "squeezenet" / "elephant_zebra_1.npz")["input/data"]
    net = load(folder / "deploy.prototxt", folder / "squeezenet_v1.0.caffemodel", device="cpu")
    report = crosscheck(net, {"data": image})
    assert len(report.rows) == 66
    assert report.agrees, report.first_divergence


@pytest.mark.parametrize("definition", ZOO)
def test_zoo_nets_with_random_weights(shared: Path, definition: str):
    """Every definition, training ones with their losses and measures, for a batch of 1 (2 where files tell no shape)."""
    message, _ = deploy_view(for_state(read_net(shared / "models" / definition)), labels=True)
    for layer in message.layer:
        for shape in layer.input_param.shape:
            shape.dim[0] = 1
    blobs = {top for layer in message.layer if layer.type == "Input" for top in layer.top}
    untold = any(layer.type == "Input" and not layer.input_param.shape for layer in message.layer)
    shapes = {blob: shape for blob, shape in UNTOLD.items() if blob in blobs} if untold else {}
    net = build(message, source=definition, device="cpu", seed=0, shapes=shapes)
    report = crosscheck(net, random_inputs(net, shapes=shapes))
    assert len(report.rows) >= len(net.graph.nodes) - 4
    assert report.agrees, report.first_divergence
