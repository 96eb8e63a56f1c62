"""The deconvnet: no forward mask, LRN as a filter, and its contrast."""

from __future__ import annotations

import numpy as np
import pytest

import thinktwice as tt
from thinktwice.errors import BadInput

from ..nets import data, layer, make, relu
from ..oracles import lrn as lrn_oracle
from ..oracles import small_net

TEXT, WEIGHTS = small_net.PROTOTXT, small_net.random_weights(1)
X = np.random.default_rng(1).normal(size=(2, 2, 5, 6))


def test_a_relu_that_was_off_passes_a_positive_signal_and_stops_a_negative_one() -> None:
    text = data(1, 1, 1, 1) + layer("c", "Convolution", "data", "convolution_param { num_output: 2 kernel_size: 1 }")
    text += relu("c") + layer("fc", "InnerProduct", "c", "inner_product_param { num_output: 2 bias_term: false }")
    net = make(text, {"c": ([[[[1]]], [[[10]]]], [-5, -50]), "fc": ([[3, -7], [-3, 7]],)})
    assert not net.forward(data=np.ones((1, 1, 1, 1)))["c"].any()
    maps = tt.attend(net, np.ones((1, 1, 1, 1)), [0, 1], "deconvnet").map
    assert maps.ravel().tolist() == [3, 70]
    assert not tt.attend(net, np.ones((1, 1, 1, 1)), [0, 1], "guided").map.any()


def test_without_relus_it_is_the_gradient() -> None:
    text = data(1, 2, 5, 6) + layer("c", "Convolution", "data", "convolution_param { num_output: 3 kernel_size: 3 }")
    text += layer("pool", "Pooling", "c", "pooling_param { kernel_size: 2 }")
    text += layer("fc", "InnerProduct", "pool", "inner_product_param { num_output: 4 }")
    rng = np.random.default_rng(0)
    net = make(text, {"c": (rng.normal(size=(3, 2, 3, 3)), np.zeros(3)), "fc": (rng.normal(size=(4, 18)), np.zeros(4))})
    deconvnet, gradient = (tt.attend(net, X, [0, 3], method).map for method in ("deconvnet", "gradient"))
    np.testing.assert_allclose(deconvnet, gradient, rtol=1e-12)


@pytest.mark.parametrize("how", ["frozen", "gradient"])
def test_lrn(how: str) -> None:
    """S = sum w y over LRN's tops: frozen, the signal is w scale^-beta; the gradient is what differences of S say."""
    size, alpha, beta, k = 3, 2.0, 0.75, 1.5
    rng = np.random.default_rng(2)
    x, w = rng.normal(size=(1, 4, 2, 3)), rng.normal(size=24)
    text = data(1, 4, 2, 3) + layer(
        "norm", "LRN", "data", f"lrn_param {{ local_size: {size} alpha: {alpha} beta: {beta} k: {k} }}"
    )
    net = make(text + layer("fc", "InnerProduct", "norm", "inner_product_param { num_output: 1 }"), {"fc": ([w], [0])})
    found = tt.attend(net, x, 0, "deconvnet", lrn=how, reduce="sum").map[0, 0]
    if how == "frozen":
        expected = w.reshape(x.shape) * lrn_oracle.scale_across_channels(x, size, alpha, k) ** -beta
    else:
        expected, h = np.zeros(x.shape), 1e-6
        for index in np.ndindex(x.shape):
            ends = [x.copy(), x.copy()]
            ends[0][index] += h
            ends[1][index] -= h
            up, down = (w @ lrn_oracle.across_channels(end, size, alpha, beta, k).ravel() for end in ends)
            expected[index] = (up - down) / (2 * h)
    np.testing.assert_allclose(found, expected[0].sum(0), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("target", range(small_net.CLASSES))
def test_the_contrast_is_the_difference_of_two_normalised_maps(target: int) -> None:
    """The dual's map is that of a net whose classifier has negated weights: nothing on the way down looks at scores."""
    negated = {**WEIGHTS, "fc": (-WEIGHTS["fc"][0], WEIGHTS["fc"][1])}
    own, dual = (tt.attend(make(TEXT, weights), X, target, "deconvnet").map for weights in (WEIGHTS, negated))
    expected = own / own.sum((2, 3), keepdims=True) - dual / dual.sum((2, 3), keepdims=True)
    found = tt.attend(make(TEXT, WEIGHTS), X, target, "deconvnet", contrastive=True).map
    np.testing.assert_allclose(found, np.where(expected > 0, expected, 0), rtol=1e-9, atol=1e-14)
    assert found.any()


def test_a_relu_above_the_classifier_does_not_silence_the_dual() -> None:
    """The dual is made at the classifier. A signal of -1 at the score would be stopped by the ReLU on its way there."""
    text = data(1, 2, 5, 6) + layer("top", "Convolution", "data", "convolution_param { num_output: 3 kernel_size: 3 }")
    text += relu("top") + layer("pool", "Pooling", "top", "pooling_param { pool: AVE global_pooling: true }")
    rng = np.random.default_rng(3)
    below = layer("below", "Convolution", "data", "convolution_param { num_output: 4 kernel_size: 1 }") + relu("below")
    text = text.replace('layer { name: "top"', below + 'layer { name: "top"').replace(
        'type: "Convolution" bottom: "data" top: "top"', 'type: "Convolution" bottom: "below" top: "top"'
    )
    weights = {
        "below": (rng.normal(size=(4, 2, 1, 1)), np.zeros(4)),
        "top": (rng.normal(size=(3, 4, 3, 3)), np.zeros(3)),
    }
    negated = {**weights, "top": (-weights["top"][0], np.zeros(3))}
    own, dual = (tt.attend(make(text, w), X[:1], 1, "deconvnet").map for w in (weights, negated))
    assert dual.any()
    expected = np.maximum(own / own.sum() - dual / dual.sum(), 0)
    found = tt.attend(make(text, weights), X[:1], 1, "deconvnet", contrastive=True).map
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-14)


def test_no_contrast_above_the_classifier() -> None:
    with pytest.raises(BadInput, match="at: found 'fc', expected a blob below the classifier 'fc'"):
        tt.attend(make(TEXT, WEIGHTS), X, 0, "deconvnet", at="fc", contrastive=True)
