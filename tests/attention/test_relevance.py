"""Relevance propagation: each rule on layers of its own, what it conserves, and what it becomes in the limit."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import thinktwice as tt
from thinktwice.attention.lrp_alphabeta import alphabeta_rule
from thinktwice.attention.lrp_epsilon import epsilon_rule
from thinktwice.errors import BadInput
from thinktwice.executor.rules import Rule

from ..nets import data, layer, make
from ..oracles import correlation, small_net

TEXT = small_net.PROTOTXT
X = np.random.default_rng(1).normal(size=(2, 2, 5, 6))


# -- one layer at a time ------------------------------------------------------------------------------------------------

CONV = "convolution_param { num_output: 4 kernel_size: 2 stride: 2 pad: 1 group: 2 }"
LAYERS: dict[str, tuple[Any, ...]] = {
    "Convolution": (CONV, (4, 1, 2, 2), (2, 4, 3, 3),
                    {"stride": (2, 2), "pad": (1, 1), "group": 2}),
    "InnerProduct": ("inner_product_param { num_output: 4 }", (4, 40), (2, 4), {}),
}  # fmt: skip


def one_layer(kind: str, rng: np.random.Generator, signed: bool) -> tuple:
    """A net of one layer over a (2, 2, 4, 5) image, its data and its connections."""
    options, shape, top, geometry = LAYERS[kind]
    x = rng.normal(size=(2, 2, 4, 5)) if signed else rng.uniform(size=(2, 2, 4, 5))
    weights, bias = rng.normal(size=shape), rng.normal(size=4)
    net = make(data(*x.shape) + layer("top", kind, "data", options), {"top": (weights, bias)})
    if kind == "Convolution":
        edges = list(correlation.convolution_edges(x.shape, weights.shape, **geometry))
    else:
        edges = list(correlation.inner_product_edges(x.shape, 4))
    return net, x, weights, bias, edges, rng.normal(size=top)


def walked(net: tt.Net, x: np.ndarray, relevance: np.ndarray, rule: Rule) -> np.ndarray:
    """Relevance at the image, from a pass that keeps only what the rule reads."""
    trace = net.forward(data=x, blobs=["top"], rule=rule, to=["data"])
    return net.backward(trace, {"top": relevance}, rule, to=["data"])["data"]


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bias_option", ["share", "ignore"])
@pytest.mark.parametrize("epsilon", [0.0, 0.01, 3.0])
@pytest.mark.parametrize("kind", LAYERS)
def test_epsilon(kind: str, epsilon: float, bias_option: str, signed: bool) -> None:
    net, x, weights, bias, edges, relevance = one_layer(kind, np.random.default_rng(0), signed)
    z, expected = np.zeros(relevance.shape), np.zeros(x.shape)
    for index in np.ndindex(z.shape):
        z[index] = bias[index[1]] if bias_option == "share" else 0
    for above, below, w in edges:
        z[above] += x[below] * weights[w]
    for above, below, w in edges:
        stable = z[above] + epsilon if z[above] >= 0 else z[above] - epsilon
        expected[below] += x[below] * weights[w] / stable * relevance[above]
    found = walked(net, x, relevance, epsilon_rule(epsilon, bias_option))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)
    kept = z - bias.reshape(-1, *(1,) * (z.ndim - 2)) if bias_option == "share" else z
    stable = z + epsilon * np.where(z >= 0, 1, -1)
    np.testing.assert_allclose(found.sum(), (relevance * kept / stable).sum(), rtol=1e-9)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bias_option", ["share", "ignore"])
@pytest.mark.parametrize("alpha", [1.0, 2.0, 3.5])
@pytest.mark.parametrize("kind", LAYERS)
def test_alpha_beta(kind: str, alpha: float, bias_option: str, signed: bool) -> None:
    net, x, weights, bias, edges, relevance = one_layer(kind, np.random.default_rng(0), signed)
    expected = np.zeros(x.shape)
    for factor, part in ((alpha, lambda v: max(v, 0)), (1 - alpha, lambda v: min(v, 0))):
        z = np.zeros(relevance.shape)
        for index in np.ndindex(z.shape):
            z[index] = part(bias[index[1]]) if bias_option == "share" else 0
        for above, below, w in edges:
            z[above] += part(x[below] * weights[w])
        for above, below, w in edges:
            if z[above] != 0:
                expected[below] += factor * part(x[below] * weights[w]) / z[above] * relevance[above]
    found = walked(net, x, relevance, alphabeta_rule(alpha, bias_option))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


def test_what_an_alpha_beta_layer_hands_down() -> None:
    """Without biases: all, where there are inputs for and against; alpha or -beta times it, where there are only such."""
    x, weights = np.array([[1.0, 2.0, 0.0]]), np.array([[1, -1, 5], [1, 3, -9], [-2, -1, 4], [0, 0, 7]])
    net = make(data(1, 3) + layer("top", "InnerProduct", "data", "inner_product_param { num_output: 4 }"),
               {"top": (weights, [9, 9, 9, 9])})  # fmt: skip
    handed = [
        walked(net, x, np.eye(4)[[j]], alphabeta_rule(2.5, "ignore")).sum() for j in range(4)
    ]  # for and against; for; against; neither
    np.testing.assert_allclose(np.array(handed), [1, 2.5, -1.5, 0], rtol=1e-12)


@pytest.mark.parametrize("rule", [epsilon_rule(0), alphabeta_rule(1, "ignore"), alphabeta_rule(2, "ignore")])
def test_layers_without_weights_pass_everything_on(rule: Rule) -> None:
    """Maxima to their winner; averages and sums in proportion, signed or not; activations and normalisations as it is."""
    rng = np.random.default_rng(4)
    x = abs(rng.normal(size=(2, 3, 6, 6))) + 0.1
    text = (
        data(*x.shape)
        + layer("norm", "LRN", "data", "lrn_param { local_size: 3 alpha: 2 }")
        + layer("bn", "BatchNorm", "norm")
        + layer("scale", "Scale", "bn", "scale_param { bias_term: true }")
        + layer("squash", "Sigmoid", "scale")
        + layer("ave", "Pooling", "squash", "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }")
        + layer("max", "Pooling", "squash", "pooling_param { kernel_size: 3 stride: 2 pad: 1 }")
        + layer("sum", "Eltwise", "ave max", "eltwise_param { coeff: 2 coeff: -0.3 }")
        + layer("top", "Concat", "sum ave")
    )
    weights = {
        "bn": (rng.normal(size=3), abs(rng.normal(size=3)), [1]),
        "scale": (rng.normal(size=3), rng.normal(size=3)),
    }
    net = make(text, weights)
    relevance = rng.normal(size=net.forward(data=x)["top"].shape)
    found = walked(net, x, relevance, rule)
    for n in range(2):
        np.testing.assert_allclose(found[n].sum(), relevance[n].sum(), rtol=1e-9)


def test_averages_and_sums_in_proportion_to_what_they_add() -> None:
    x = np.array([[[[1.0, 3.0], [-2.0, 6.0]]]])
    text = data(1, 1, 2, 2) + layer("ave", "Pooling", "data", "pooling_param { pool: AVE kernel_size: 2 }")
    text += layer("max", "Pooling", "data", "pooling_param { kernel_size: 2 }")
    net = make(text + layer("top", "Eltwise", "ave max", "eltwise_param { coeff: 1 coeff: -1 }"))
    found = walked(net, x, np.full((1, 1, 1, 1), 8.0), epsilon_rule(0))
    # ave = 2, max = 6, top = -4: ave has 2 / -4 of 8, max the rest, and of ave's -4 a pixel x has x / 8
    np.testing.assert_allclose(found[0, 0], [[-0.5, -1.5], [1.0, 12.0 - 3.0]], rtol=1e-12)


# -- whole nets -----------------------------------------------------------------------------------------------------------


def without_biases(seed: int = 1) -> dict[str, tuple[np.ndarray, ...]]:
    return {name: (w, 0 * b) for name, (w, b) in small_net.random_weights(seed).items()}


def test_the_epsilon_rule_conserves_the_score_where_nothing_else_takes_part() -> None:
    """Biases ignored, or none there, and epsilon 0: the pixels' relevance adds up to the class's score."""
    found = tt.attend(make(TEXT, without_biases()), X, range(4), "lrp-epsilon", epsilon=0.0)
    np.testing.assert_allclose(found.map.sum((2, 3)), found.scores, rtol=1e-10)
    ignored = tt.attend(make(TEXT, small_net.random_weights(1)), X, range(4), "lrp-epsilon", epsilon=0.0, bias="ignore")
    np.testing.assert_allclose(ignored.map.sum((2, 3)), ignored.scores, rtol=1e-8)
    shared = tt.attend(make(TEXT, small_net.random_weights(1)), X, range(4), "lrp-epsilon", epsilon=0.0)
    assert not np.allclose(shared.map.sum((2, 3)), shared.scores, rtol=1e-2), "biases keep their share"


def test_the_loss_shrinks_with_epsilon() -> None:
    net = make(TEXT, without_biases())
    losses = []
    for epsilon in (1.0, 0.1, 0.01, 0.001):
        found = tt.attend(net, X, 2, "lrp-epsilon", epsilon=epsilon)
        losses.append(abs(found.map.sum((2, 3)) - found.scores).sum())
    assert all(small < 0.2 * large for large, small in pairwise(losses)), losses


def test_the_limit_of_the_epsilon_rule_is_the_gradient_times_the_image() -> None:
    net = make(TEXT, small_net.random_weights(2))
    signal = np.zeros((4, 2, 4))
    signal[np.arange(4), :, np.arange(4)] = 1
    gradient = net.backward(net.forward(data=X), {"fc": signal})["data"]
    found = tt.attend(net, X, range(4), "lrp-epsilon", epsilon=1e-12)
    np.testing.assert_allclose(found.map, (gradient * X).sum(2).swapaxes(0, 1), rtol=1e-8, atol=1e-10)


def test_alpha_1_without_biases_is_excitation_backprop_times_the_score() -> None:
    """beta = 0 leaves the positive parts; of activations that are not negative, these are excitation's (eq. 5)."""
    net = make(TEXT, small_net.random_weights(0))
    relevance = tt.attend(net, X, range(4), "lrp-alphabeta", at="pool1", alpha=1.0, bias="ignore")
    mass = tt.attend(net, X, range(4), "mwp", at="pool1")
    assert mass.map.any((2, 3)).all()
    np.testing.assert_allclose(relevance.map, mass.map * relevance.scores[..., None, None], rtol=1e-10)


def test_a_map_of_scores_starts_as_each_positions_own_share() -> None:
    text = data(1, 1, 1, 3) + layer("c", "Convolution", "data", "convolution_param { num_output: 1 kernel_size: 1 }")
    x = np.array([[[[1.0, 2.0, 4.0]]]])
    net = make(text, {"c": ([[[[0.5]]]], [0])})
    found = tt.attend(net, x, 0, "lrp-epsilon", epsilon=0.0).map[0, 0, 0]
    weights = np.exp(x.ravel() / 2) / np.exp(x.ravel() / 2).sum()
    np.testing.assert_allclose(found, weights * x.ravel() / 2, rtol=1e-12)


@pytest.mark.parametrize(
    ("method", "options", "line"),
    [
        ("lrp-alphabeta", {"alpha": 0.5}, r"option alpha: found 0.5, expected a number of at least 1"),
        ("lrp-epsilon", {"epsilon": -1.0}, r"option epsilon: found -1.0, expected a number of at least 0"),
        ("lrp-epsilon", {"epsilon": float("nan")}, r"option epsilon: found nan, expected a number of at least 0"),
        ("lrp-epsilon", {"bias": "no"}, r"option bias: found 'no', expected one of \['share', 'ignore'\]"),
    ],
)
def test_options_out_of_range(method: str, options: dict, line: str) -> None:
    with pytest.raises(BadInput, match=line):
        tt.attend(make(TEXT, without_biases()), X, 0, method, **options)
