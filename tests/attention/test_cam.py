"""Class activation maps: both orders of average and classifier, the gradient's view of them, and nets that have none."""

from __future__ import annotations

import numpy as np
import pytest

import thinktwice as tt
from thinktwice.caffe_models.definition import parse_net
from thinktwice.errors import BadInput
from thinktwice.executor.load import build

from ..nets import data, layer, make, relu

X = np.random.default_rng(0).normal(size=(2, 3, 6, 5))
RNG = np.random.default_rng(1)
CONV, TOP = (RNG.normal(size=(4, 3, 3, 3)), RNG.normal(size=4)), (RNG.normal(size=(5, 4)), RNG.normal(size=5))

FEATURES = data(2, 3, 6, 5) + layer("f", "Convolution", "data", "convolution_param { num_output: 4 kernel_size: 3 }")
FEATURES += relu("f")
GAP = layer("pool", "Pooling", "f", "pooling_param { pool: AVE global_pooling: true }")
POINTWISE = "convolution_param { num_output: 5 kernel_size: 1 }"


def after(text: str, net_weights: dict | None = None, kernel: bool = False) -> tt.Net:
    """A net whose classifier `top` has the weights TOP, as a matrix or as 1x1 kernels."""
    w = TOP[0].reshape(5, 4, 1, 1) if kernel else TOP[0]
    return make(FEATURES + text, {"f": CONV, "top": (w, TOP[1]), **(net_weights or {})})


ABOVE = {
    "fully connected": after(GAP + layer("top", "InnerProduct", "pool", "inner_product_param { num_output: 5 }")),
    "transposed": after(
        GAP + layer("top", "InnerProduct", "pool", "inner_product_param { num_output: 5 transpose: true }"),
        {"top": (TOP[0].T, TOP[1])},
    ),
    "dropped and flattened": after(
        GAP + layer("drop", "Dropout", "pool", top="pool") + layer("flat", "Flatten", "pool")
        + layer("top", "InnerProduct", "flat", "inner_product_param { num_output: 5 }")
    ),
    "a 1x1 convolution": after(GAP + layer("top", "Convolution", "pool", POINTWISE), kernel=True),
    "a window as large as the plane": after(
        layer("pool", "Pooling", "f", "pooling_param { pool: AVE kernel_h: 4 kernel_w: 3 }")
        + layer("top", "InnerProduct", "pool", "inner_product_param { num_output: 5 }")
    ),
}  # fmt: skip


def weighted(net: tt.Net, targets: list[int]) -> np.ndarray:
    """sum_k w_ck f_k(u), as eq. 2 has it."""
    features = net.forward(data=X)["f"]
    maps = np.zeros((2, len(targets), 4, 3))
    for n, t, k, i, j in np.ndindex(2, len(targets), *features.shape[1:]):
        maps[n, t, i, j] += TOP[0][targets[t], k] * features[n, k, i, j]
    return maps


@pytest.mark.parametrize("kind", ABOVE)
def test_a_classifier_above_the_average(kind: str) -> None:
    net, targets = ABOVE[kind], [4, 0, 4]
    found = tt.attend(net, X, targets, "cam")
    assert found.at == "f"
    np.testing.assert_allclose(found.map, weighted(net, targets), rtol=1e-12, atol=1e-13)
    with_bias = found.map.mean((2, 3)) + TOP[1][targets]
    np.testing.assert_allclose(with_bias, found.scores, rtol=1e-12)


@pytest.mark.parametrize("rectified", [False, True])
def test_a_classifier_below_the_average(rectified: bool) -> None:
    """The class's own map of scores, as the average reads it."""
    text = layer("top", "Convolution", "f", POINTWISE) + (relu("top") if rectified else "")
    net = after(text + layer("pool", "Pooling", "top", "pooling_param { pool: AVE global_pooling: true }"), kernel=True)
    found = tt.attend(net, X, [1, 3], "cam")
    assert found.at == "top"
    assert np.array_equal(found.map, net.forward(data=X)["top"][:, [1, 3]])
    np.testing.assert_allclose(found.map.mean((2, 3)), found.scores, rtol=1e-12)


def gradient_times_features(net: tt.Net, at: str, target: int) -> np.ndarray:
    trace = net.forward(data=X)
    signal = np.zeros(trace.shape(net.outputs[-1]))
    signal[:, target] = 1
    return (net.backward(trace, {net.outputs[-1]: signal})[at] * trace[at]).sum(1)


@pytest.mark.parametrize("kind", ABOVE)
def test_it_is_the_gradient_times_the_features_and_grad_cam_but_for_the_number_of_positions(kind: str) -> None:
    net, positions = ABOVE[kind], 4 * 3
    for target in range(5):
        cam = tt.attend(net, X, target, "cam").map[:, 0]
        np.testing.assert_allclose(gradient_times_features(net, "f", target) * positions, cam, rtol=1e-10, atol=1e-12)
        grad_cam = tt.attend(net, X, target, "grad-cam")
        assert grad_cam.at == "f"
        np.testing.assert_allclose(grad_cam.map[:, 0] * positions, np.maximum(cam, 0), rtol=1e-10, atol=1e-12)


def test_on_a_larger_image_a_sliding_average_leaves_the_map_alone() -> None:
    """Dense evaluation: the window of 4 x 3 has several places, and the features' map goes on over all of them."""
    text = layer("pool", "Pooling", "f", "pooling_param { pool: AVE kernel_h: 4 kernel_w: 3 stride: 1 }")
    net = after(text + layer("top", "Convolution", "pool", POINTWISE), kernel=True)
    large = np.random.default_rng(5).normal(size=(1, 3, 9, 11))
    found = tt.attend(net, large, 2, "cam")
    assert found.map.shape == (1, 1, 7, 9)
    scores = net.forward(data=large)["top"][0, 2]
    assert scores.shape == (4, 7)
    np.testing.assert_allclose(found.map[0, 0, 2:6, 3:6].mean() + TOP[1][2], scores[2, 3], rtol=1e-12)


def test_the_contrast_is_twice_the_positive_part() -> None:
    net = ABOVE["fully connected"]
    plain, contrast = (tt.attend(net, X, [0, 1], "cam", contrastive=c).map for c in (False, True))
    assert (plain < 0).any()
    assert (plain > 0).any()
    np.testing.assert_allclose(contrast, 2 * np.maximum(plain, 0), rtol=1e-15)


TOP_LAYER = "inner_product_param { num_output: 5 }"
REFUSED = {
    "no average": layer("top", "InnerProduct", "f", TOP_LAYER),
    "a maximum": GAP.replace("AVE", "MAX") + layer("top", "InnerProduct", "pool", TOP_LAYER),
    "a layer between": GAP + layer("mid", "InnerProduct", "pool", "inner_product_param { num_output: 6 }") + relu("mid")
    + layer("top", "InnerProduct", "mid", TOP_LAYER),
    "an average of maxima": layer("max", "Pooling", "f", "pooling_param { kernel_size: 2 }")
    + layer("top", "Pooling", "max", "pooling_param { pool: AVE global_pooling: true }"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_nets_without_a_class_activation_map(kind: str) -> None:
    net = make_random(FEATURES + REFUSED[kind])
    with pytest.raises(
        BadInput, match=r"^method 'cam': score 'top': found no average over positions next to the classif"
    ):
        tt.attend(net, X, 0, "cam")


def test_an_average_that_leaves_several_positions_to_a_fully_connected_layer() -> None:
    text = layer("pool", "Pooling", "f", "pooling_param { pool: AVE kernel_size: 2 }")
    net = make_random(FEATURES + text + layer("top", "InnerProduct", "pool", "inner_product_param { num_output: 5 }"))
    with pytest.raises(BadInput, match=r"found a classifier of 24 weights per class over 4 feature maps"):
        tt.attend(net, X, 0, "cam")


def test_the_map_lies_below_the_average_only() -> None:
    with pytest.raises(BadInput, match="at: found 'data', expected 'f': a class activation map lies below the average"):
        tt.attend(ABOVE["fully connected"], X, 0, "cam", at="data")


def make_random(text: str) -> tt.Net:
    return build(parse_net(text), seed=0, device="cpu", dtype="float64")


# -- grad-cam's own ------------------------------------------------------------------------------------------------------


def test_grad_cam_is_read_at_the_last_convolutional_features_not_at_what_pools_them() -> None:
    text = FEATURES + layer("norm", "LRN", "f") + layer("pool", "Pooling", "norm", "pooling_param { kernel_size: 2 }")
    text += layer("fc6", "InnerProduct", "pool", "inner_product_param { num_output: 6 }") + relu("fc6")
    net = make_random(text + layer("top", "InnerProduct", "fc6", "inner_product_param { num_output: 5 }"))
    found = tt.attend(net, X, [1, 2], "grad-cam")
    assert found.at == "f"
    trace = net.forward(data=X)
    for k, target in enumerate([1, 2]):
        signal = np.zeros((2, 5))
        signal[:, target] = 1
        gradient = net.backward(trace, {"top": signal})["f"]
        expected = np.zeros((2, 4, 3))
        for n, c in np.ndindex(2, 4):
            expected[n] += gradient[n, c].mean() * trace["f"][n, c]
        np.testing.assert_allclose(found.map[:, k], np.maximum(expected, 0), rtol=1e-11, atol=1e-14)
    assert found.map.any()


def test_grad_cam_wants_positions() -> None:
    with pytest.raises(BadInput, match=r"at: found blob 'top' of shape \(2, 5\), expected one with 4 axes"):
        tt.attend(ABOVE["fully connected"], X, 0, "grad-cam", at="top")


def test_the_real_classifier(shared) -> None:
    """SqueezeNet: the classifier lies below its average, and grad-cam's place is what the classifier reads."""
    model = shared / "models" / "squeezenet_v1.0"
    net = tt.load(model / "deploy.prototxt", model / "squeezenet_v1.0.caffemodel", device="cpu")
    image = np.load(shared / "golden" / "squeezenet" / "elephant_zebra_1.npz")["input/data"]
    cam, grad_cam = tt.attend(net, image, [340, 386], "cam"), tt.attend(net, image, [340, 386], "grad-cam")
    assert (cam.at, grad_cam.at) == ("conv10", "fire9/concat")
    np.testing.assert_allclose(cam.map.mean((2, 3)), cam.scores, rtol=1e-4)
    zebra, elephant = (np.unravel_index(values.argmax(), values.shape) for values in cam.map[0])
    assert elephant[0] < 7 < zebra[0], "the elephant stands behind, that is above, the zebra"
