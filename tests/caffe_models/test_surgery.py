"""Net surgery keeps what a net computes: checked with literal layers, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thinktwice.caffe_models.definition import parse_net
from thinktwice.caffe_models.surgery import (
    fold_batch_norm,
    fully_convolutional,
    truncate,
    weights_of,
    with_batch_size,
    with_input_shape,
)
from thinktwice.caffe_models.weights import Weights
from thinktwice.errors import BadInput

from .examples import random, small_net, small_weights

# --- a literal executor for the layers used here ------------------------------------------------------------


def convolve(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Stride 1, no padding, one group; written from the definition."""
    n, _, h, w = x.shape
    k, _, kh, kw = kernel.shape
    y = np.zeros((n, k, h - kh + 1, w - kw + 1))
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            y[:, :, i, j] = np.tensordot(x[:, :, i : i + kh, j : j + kw], kernel, axes=([1, 2, 3], [1, 2, 3]))
    return y


def run(net: Any, weights: Weights, data: np.ndarray) -> dict[str, np.ndarray]:
    """The last version of every blob."""
    blobs = {"data": data.astype(np.float64)}
    for layer in net.layer:
        if layer.type == "Input":
            continue
        x = blobs[layer.bottom[0]]
        arrays = [array.astype(np.float64) for array in weights.blobs.get(layer.name, ())]
        per_channel = (1, -1) + (1,) * (x.ndim - 2)
        if layer.type == "Convolution":
            param = layer.convolution_param
            kh, kw = (param.kernel_h, param.kernel_w) if param.kernel_h else (param.kernel_size[0],) * 2
            y = convolve(x, arrays[0].reshape(param.num_output, x.shape[1], kh, kw))
            y += arrays[1].reshape(1, -1, 1, 1) if param.bias_term else 0
        elif layer.type == "InnerProduct":
            param = layer.inner_product_param
            matrix = (
                arrays[0].reshape(-1, param.num_output).T
                if param.transpose
                else arrays[0].reshape(param.num_output, -1)
            )
            y = x.reshape(len(x), -1) @ matrix.T + (arrays[1].reshape(1, -1) if param.bias_term else 0)
        elif layer.type == "BatchNorm":
            mean, variance, factor = arrays
            y = (x - (mean / factor).reshape(per_channel)) / np.sqrt(
                (variance / factor).reshape(per_channel) + layer.batch_norm_param.eps
            )
        elif layer.type == "Scale":
            y = x * arrays[0].reshape(per_channel) + (arrays[1].reshape(per_channel) if len(arrays) == 2 else 0)
        elif layer.type == "Flatten":
            y = x.reshape(len(x), -1)
        elif layer.type == "Reshape":
            y = x.reshape([x.shape[i] if d == 0 else d for i, d in enumerate(layer.reshape_param.shape.dim)])
        elif layer.type == "ReLU":
            y = np.maximum(x, 0)
        elif layer.type == "Eltwise":
            y = sum(blobs[bottom] for bottom in layer.bottom)
        else:
            assert layer.type in ("Split", "Dropout"), layer.type
            y = x
        blobs.update(dict.fromkeys(layer.top, y))
    return blobs


def unchanged(net: Any, weights: Weights) -> Any:
    """What surgery must leave alone, to compare afterwards."""
    return net.SerializeToString(), {name: [a.tobytes() for a in arrays] for name, arrays in weights.blobs.items()}


# --- fold_batch_norm ----------------------------------------------------------------------------------------

CONV = 'layer { name: "conv" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 4 kernel_size: 2 %s } }'
IP = 'layer { name: "conv" type: "InnerProduct" bottom: "data" top: "c" inner_product_param { num_output: 4 %s } }'
NORM = 'layer { name: "bn" type: "BatchNorm" bottom: "c" top: "%s" batch_norm_param { eps: 0.01 } }'
SCALE = 'layer { name: "scale" type: "Scale" bottom: "%s" top: "%s" scale_param { bias_term: %s } }'
RELU = 'layer { name: "relu" type: "ReLU" bottom: "%s" top: "%s" }'
DATA = random(2, 3, 5, 6, dtype="float64")


def folding_case(text: str, weight_shape: tuple[int, ...], bias: bool, scale_bias: bool) -> tuple[Any, Weights]:
    blobs = {
        "conv": (random(*weight_shape, dtype="float64"), *([random(4, seed=1, dtype="float64")] if bias else [])),
        "bn": (random(4, seed=2, dtype="float64"), random(4, seed=3, dtype="float64") ** 2 + 0.1, np.array([7.5])),
        # gammas of both signs
        "scale": (np.array([1.5, -2, 0, 0.5]), *([random(4, seed=4, dtype="float64")] if scale_bias else [])),
    }
    net = parse_net(text)
    return net, Weights("w", {layer.name: blobs[layer.name] for layer in net.layer if layer.name in blobs})


FOLDS = {
    "in place": (CONV % "" + NORM % "c" + SCALE % ("c", "c", "true") + RELU % ("c", "c"), (4, 3, 2, 2), "c"),
    "not in place": (CONV % "" + NORM % "b" + SCALE % ("b", "s", "true") + RELU % ("s", "r"), (4, 3, 2, 2), "r"),
    "no bias before": (CONV % "bias_term: false" + NORM % "c" + SCALE % ("c", "c", "true"), (4, 3, 2, 2), "c"),
    "no bias anywhere": (CONV % "bias_term: false" + SCALE % ("c", "s", "false"), (4, 3, 2, 2), "s"),
    "norm only": (CONV % "" + NORM % "b", (4, 3, 2, 2), "b"),
    "scale only": (CONV % "" + SCALE % ("c", "c", "true"), (4, 3, 2, 2), "c"),
    "inner product": (IP % "" + NORM % "c" + SCALE % ("c", "c", "true"), (4, 90), "c"),
    "transposed": (IP % "transpose: true" + NORM % "c" + SCALE % ("c", "s", "true"), (90, 4), "s"),
    "legacy shapes": (IP % "" + NORM % "c" + SCALE % ("c", "s", "true"), (1, 1, 4, 90), "s"),
}


@pytest.mark.parametrize("name", FOLDS)
def test_folding_keeps_the_outputs(name: str):
    text, shape, output = FOLDS[name]
    net, weights = folding_case(text, shape, "bias_term: false }" not in text.split("layer")[1], "true" in text)
    before = unchanged(net, weights)
    folded, folded_weights = fold_batch_norm(net, weights)
    assert not {layer.type for layer in folded.layer} & {"BatchNorm", "Scale"}
    assert set(folded_weights.blobs) == {"conv"}
    np.testing.assert_allclose(
        run(folded, folded_weights, DATA)[output], run(net, weights, DATA)[output], rtol=1e-12, atol=1e-12
    )
    assert unchanged(net, weights) == before


NOT_FOLDED = {
    "another reader before": CONV % "" + RELU % ("c", "r") + NORM % "c",
    "another reader after": CONV % "" + NORM % "b" + RELU % ("c", "r"),
    "something between": CONV % "" + RELU % ("c", "c") + NORM % "b",
    "statistics of the batch": CONV % "" + (NORM % "c").replace("eps", "use_global_stats: false eps"),
    "training": CONV % "" + (NORM % "c").replace('top: "c"', 'top: "c" phase: TRAIN'),
    "scale by a second bottom": CONV % "" + (SCALE % ("c", "s", "false")).replace('"c"', '"c" bottom: "data"'),
    "scale of another axis": CONV % "" + (SCALE % ("c", "s", "false")).replace("bias_term", "axis: 2 bias_term"),
    "shared weights": (CONV % "").replace('top: "c"', 'top: "c" param { name: "w" }') + NORM % "c",
}


@pytest.mark.parametrize("name", NOT_FOLDED)
def test_what_is_not_folded(name: str):
    net, weights = folding_case(NOT_FOLDED[name], (4, 3, 2, 2), True, False)
    folded, folded_weights = fold_batch_norm(net, weights)
    assert folded == net
    assert folded_weights == weights


def test_folding_without_weights():
    net, weights = folding_case(CONV % "" + NORM % "c", (4, 3, 2, 2), True, False)
    with pytest.raises(BadInput, match="layer 'bn': found 0 blobs, expected 3"):
        fold_batch_norm(net, Weights("w", {"conv": weights.blobs["conv"]}))
    with pytest.raises(BadInput, match="layer 'conv': found blobs of shape none"):
        fold_batch_norm(net, Weights("w", {"bn": weights.blobs["bn"]}))


@pytest.mark.parametrize(
    ("layer", "arrays", "expected"),
    [
        ("bn", (random(4), random(5), random(1)), "layer 'bn': found a mean of 4, a variance of 5"),
        ("bn", (random(5), np.ones(5), np.ones(1)), "layer 'conv': has 4 outputs, but what follows it has 5"),
        ("conv", (random(4, 3, 2, 2), random(3)), "expected weights of 4 outputs and a bias"),
        ("conv", (random(4, 3, 2, 2),), "expected weights of 4 outputs and a bias"),
    ],
)
def test_folding_weights_of_another_shape(layer: str, arrays: tuple[np.ndarray, ...], expected: str):
    net, weights = folding_case(CONV % "" + NORM % "c", (4, 3, 2, 2), True, False)
    with pytest.raises(BadInput, match=expected):
        fold_batch_norm(net, Weights("w", {**weights.blobs, layer: arrays}))


# --- fully_convolutional ------------------------------------------------------------------------------------

FLATTEN = 'layer { name: "flat" type: "Flatten" bottom: "data" top: "f" }'
RESHAPE = 'layer { name: "flat" type: "Reshape" bottom: "data" top: "f" reshape_param { shape { dim: 0 dim: -1 %s } } }'
DROP = 'layer { name: "drop" type: "Dropout" bottom: "f" top: "f" }'
FC = 'layer { name: "%s" type: "InnerProduct" bottom: "%s" top: "%s" inner_product_param { num_output: %d %s } }'
TWO = RELU % ("a", "a") + FC % ("fc7", "a", "b", 5, "bias_term: false")
CASES = {
    "plain": FC % ("fc6", "data", "a", 4, "") + TWO,
    "flatten": FLATTEN + FC % ("fc6", "f", "a", 4, "") + TWO,
    "flatten and dropout": FLATTEN + DROP + FC % ("fc6", "f", "a", 4, "") + TWO,
    "reshape": RESHAPE % "" + FC % ("fc6", "f", "a", 4, "") + TWO,
    "reshape to four axes": RESHAPE % "dim: 1 dim: 1" + FC % ("fc6", "f", "a", 4, "") + TWO,
    "transposed": FC % ("fc6", "data", "a", 4, "transpose: true") + TWO,
    "negative axis": FC % ("fc6", "data", "a", 4, "axis: -3") + TWO,
    "flatten between": FC % ("fc6", "data", "a", 4, "")
    + 'layer { name: "f2" type: "Flatten" bottom: "a" top: "g" }'
    + FC % ("fc7", "g", "b", 5, "bias_term: false"),
}


def convolutional_case(text: str, legacy: bool = False) -> tuple[Any, Weights, dict[str, tuple[int, ...]]]:
    net = parse_net('layer { name: "data" type: "Input" top: "data" }' + text)
    first = (90, 4) if "transpose: true" in text else (4, 90)
    weights = Weights(
        "w",
        {
            "fc6": (random(*(1, 1) * legacy, *first, dtype="float64"), random(*(1, 1, 1) * legacy, 4, dtype="float64")),
            "fc7": (random(*(1, 1) * legacy, 5, 4, dtype="float64"),),
        },
    )
    return net, weights, {name: value.shape for name, value in run(net, weights, DATA).items()}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_the_same_numbers_and_a_map_of_them(name: str, legacy: bool):
    net, weights, shapes = convolutional_case(CASES[name], legacy)
    before = unchanged(net, weights)
    conv, conv_weights = fully_convolutional(net, weights, shapes)
    assert [(a.name, list(a.top)) for a in conv.layer] == [(a.name, list(a.top)) for a in net.layer]
    assert not {layer.type for layer in conv.layer} & {"InnerProduct", "Flatten", "Reshape"}
    expected = run(net, weights, DATA)["b"]
    np.testing.assert_allclose(run(conv, conv_weights, DATA)["b"], expected[:, :, None, None], rtol=1e-12)
    large = random(2, 3, 7, 9, dtype="float64")
    windows = run(conv, conv_weights, large)["b"]
    assert windows.shape == (2, 5, 3, 4)
    for i in range(3):
        for j in range(4):
            window = large[:, :, i : i + 5, j : j + 6]
            np.testing.assert_allclose(windows[:, :, i, j], run(net, weights, window)["b"], rtol=1e-10)
    assert unchanged(net, weights) == before


def test_a_rectangular_kernel_and_the_rest_of_the_layer():
    net, weights, shapes = convolutional_case(
        CASES["plain"].replace("num_output: 4", 'weight_filler { type: "xavier" } num_output: 4')
    )
    fc6 = fully_convolutional(net, weights, shapes)[0].layer[1].convolution_param
    assert (fc6.kernel_h, fc6.kernel_w, fc6.weight_filler.type, fc6.bias_term) == (5, 6, "xavier", True)


def test_a_last_flatten_is_left_alone():
    net, weights, shapes = convolutional_case(CASES["plain"])
    text = str(net) + 'layer { name: "end" type: "Flatten" bottom: "data" top: "end" }'
    conv, _ = fully_convolutional(parse_net(text), weights, shapes | {"end": (2, 90)})
    assert conv.layer[-1].type == "Flatten"


CONV_REFUSED = {
    "another axis after": (FC % ("fc7", "a", "b", 5, "axis: 0"), "'fc7' of type 'InnerProduct' reads a as a vector"),
    "a last axis": (
        'layer { name: "p" type: "Softmax" bottom: "a" top: "b" softmax_param { axis: -1 } }',
        "'p' of type",
    ),
    "half changed": ('layer { name: "e" type: "Eltwise" bottom: "a" bottom: "v" top: "b" }', "'e' of type 'Eltwise'"),
    "a recurrent layer": ('layer { name: "l" type: "LSTM" bottom: "a" top: "b" }', "'l' of type 'LSTM'"),
}


@pytest.mark.parametrize("name", CONV_REFUSED)
def test_layers_that_need_a_vector_are_refused(name: str):
    text, expected = CONV_REFUSED[name]
    net = parse_net(FC % ("fc6", "data", "a", 4, "") + text)
    shapes = {"data": (2, 3, 5, 6), "a": (2, 4), "b": (2, 4), "v": (2, 4)}
    weights = Weights("w", {"fc6": (random(4, 90), random(4)), "fc7": (random(5, 8), random(5))})
    with pytest.raises(BadInput, match=expected):
        fully_convolutional(net, weights, shapes)


def test_probabilities_and_losses_follow():
    net = parse_net(
        FC % ("fc6", "data", "a", 4, "")
        + 'layer { name: "p" type: "Softmax" bottom: "a" top: "p" }'
        + 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "a" bottom: "label" top: "loss" }'
    )
    weights = Weights("w", {"fc6": (random(4, 90), random(4))})
    shapes = {"data": (2, 3, 5, 6), "a": (2, 4), "p": (2, 4), "label": (2,), "loss": ()}
    assert [layer.type for layer in fully_convolutional(net, weights, shapes)[0].layer][1:] == [
        "Softmax",
        "SoftmaxWithLoss",
    ]


def test_convolutional_needs_an_image_and_weights():
    net, weights, shapes = convolutional_case(CASES["plain"])
    with pytest.raises(BadInput, match=r"layer 'fc6': reads 'data' of shape \(2, 90\), expected an image"):
        fully_convolutional(net, weights, shapes | {"data": (2, 90)})
    with pytest.raises(BadInput, match="layer 'fc6': found blobs of shape none"):
        fully_convolutional(net, Weights("w", {}), shapes)
    with pytest.raises(BadInput, match=r"the shape of blob .* is not given"):
        fully_convolutional(net, weights, {})


# --- inputs and parts ---------------------------------------------------------------------------------------


def test_input_shape_and_batch_size():
    net = small_net()
    before = net.SerializeToString()
    assert list(with_input_shape(net, data=(1, 3, 9, 8)).layer[0].input_param.shape[0].dim) == [1, 3, 9, 8]
    assert list(with_batch_size(net, 5).layer[0].input_param.shape[0].dim) == [5, 3, 7, 6]
    assert net.SerializeToString() == before


def test_one_of_several_inputs():
    net = parse_net('layer { name: "in" type: "Input" top: "a" top: "b" input_param { shape { dim: 1 dim: 2 } } }')
    shapes = with_input_shape(net, b=(3, 4)).layer[0].input_param.shape
    assert [list(shape.dim) for shape in shapes] == [[1, 2], [3, 4]]
    unknown = parse_net('layer { name: "in" type: "Input" top: "a" top: "b" }')
    with pytest.raises(BadInput, match="'b' still has no shape"):
        with_input_shape(unknown, a=(1, 2))
    assert len(with_input_shape(unknown, a=(1, 2), b=(1,)).layer[0].input_param.shape) == 2


def test_inputs_refused():
    with pytest.raises(BadInput, match="no input 'dat': the net has data"):
        with_input_shape(small_net(), dat=(1, 2))
    for shape in ((), (0, 3), (-1,)):
        with pytest.raises(BadInput, match="positive"):
            with_input_shape(small_net(), data=shape)
    with pytest.raises(BadInput, match="batch size 0"):
        with_batch_size(small_net(), 0)
    with pytest.raises(BadInput, match="shape of data is unknown"):
        with_batch_size(parse_net('layer { name: "d" type: "Input" top: "data" }'), 2)


def test_truncate_keeps_the_last_version_and_nothing_else():
    net = parse_net(
        str(small_net()) + RELU % ("fc", "x") + 'layer { name: "side" type: "ReLU" bottom: "data" top: "s" }'
    )
    assert [layer.name for layer in truncate(net, "conv1").layer] == ["data", "conv1/3x3", "relu1"]
    assert [layer.name for layer in truncate(net, "s").layer] == ["data", "side"]
    assert [layer.name for layer in truncate(net, "fc").layer] == ["data", "conv1/3x3", "relu1", "fc"]
    assert set(weights_of(truncate(net, "conv1"), small_weights()).blobs) == {"conv1/3x3"}
    with pytest.raises(BadInput, match="no blob 'fcc' in the net; the nearest known name is 'fc'"):
        truncate(net, "fcc")
