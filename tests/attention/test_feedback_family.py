"""Every feedback method against a literal program for it: maps, gates and curves, in the paper's mode and the program's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import thinktwice as tt
from thinktwice.attention.global_perception import trace_norm_slope
from thinktwice.attention.methods import METHODS

from ..nets import make
from ..oracles import feedback_family as oracle
from ..oracles import resizing
from ..oracles.chain import Chain

TARGETS = np.array([[4, 0, 2], [1, 1, 3]])  # (N, K); the second image is asked for one class twice


def plain(seed: int) -> Chain:
    """(3, 11, 10): conv - ReLU - overlapping maxima - conv - ReLU - averages - conv - ReLU - fc - ReLU - fc."""
    return (
        Chain((3, 11, 10), seed)
        .convolution("c1", 4, 3, pad=1).relu("r1").pooling("p1", "MAX", 3, 2)
        .convolution("c2", 5, 3, pad=1).relu("r2").pooling("p2", "AVE", 2, 1)
        .convolution("c3", 3, 1).relu("r3")
        .inner_product("f1", 6).relu("r4")
        .inner_product("f2", 5)
    )  # fmt: skip


def normalised(seed: int) -> Chain:
    """With LRN between the first ReLU and pooling, and before the first convolution."""
    return (
        Chain((3, 9, 8), seed)
        .normalisation("n0", 3, 0.5)
        .convolution("c1", 4, 3, pad=1).relu("r1").normalisation("n1", 5, 2.0).pooling("p1", "MAX", 2, 2)
        .convolution("c2", 4, 2).relu("r2")
        .inner_product("f2", 5)
    )  # fmt: skip


def averaged(seed: int) -> Chain:
    """Without maxima: gp's singular vectors leave 1e-17 where 0 is meant, and that decides ties between closed neurons."""
    return (
        Chain((3, 9, 8), seed)
        .convolution("c1", 4, 3, pad=1).relu("r1").normalisation("n1", 3, 1.0).pooling("p1", "AVE", 3, 2)
        .convolution("c2", 5, 2).relu("r2")
        .inner_product("f1", 6).relu("r3")
        .inner_product("f2", 5)
    )  # fmt: skip


def vgg(seed: int) -> Chain:
    """ReLUs with the names of VGG16's, for what the authors tell of that net."""
    chain = Chain((3, 8, 7), seed)
    for block, convolutions in ((2, 2), (3, 3), (4, 3), (5, 2)):
        for number in range(1, convolutions + 1):
            chain.convolution(f"conv{block}_{number}", 3, 3, pad=1).relu(f"relu{block}_{number}")
        if block == 3:
            chain.pooling("pool3", "MAX", 2, 1)
    return chain.inner_product("fc6", 6).relu("relu6").inner_product("fc8", 5)


CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [  # method, options, the oracle's options for them
    ("feedback", {"sparsity": 1.0}, {"sparsity": 1.0}),
    ("feedback", {"where": "all", "sparsity": 0.3, "iterations": 7}, {"everywhere": True, "sparsity": 0.3, "iterations": 7}),
    ("feedback", {"start": "open", "step": "literal", "sparsity": 0.2}, {"open_start": True, "literal": True, "sparsity": 0.2}),
    ("feedback-hard", {}, {}),
    ("feedback-hard", {"iterations": 3, "lrn": "gradient"}, {"iterations": 3, "frozen_lrn": False}),
    ("feedback-hard", {"iterations": 2, "forward_mask": False}, {"iterations": 2, "mask": False}),
    ("gp", {"rank_weight": 1.0}, {"rank_weight": 1.0}),
    ("gp", {"where": "all", "rank_weight": 0.4, "smoothing": 0.1, "minor": 0.3, "iterations": 4},
     {"everywhere": True, "rank_weight": 0.4, "mu": 0.1, "minor": 0.3, "iterations": 4}),
    ("fr", {}, {}),
    ("fr", {"mode": "demo"}, {"mode": "demo"}),
    ("fr", {"threshold": "mean", "ratio": 0.5}, {"threshold": "mean", "ratio": 0.5}),
    ("fsp", {}, {}),
    ("fsp", {"mode": "demo"}, {"mode": "demo"}),
    ("fsp", {"threshold": "mean"}, {"threshold": "mean"}),
    ("fsp-fr", {}, {}),
    ("fsp-fr", {"mode": "demo"}, {"mode": "demo"}),
    ("fsp-fr", {"simultaneously": False}, {"together": False}),
    ("fsp-fr", {"mode": "demo", "simultaneously": False}, {"mode": "demo", "together": False}),
    ("summation", {}, {}),
    ("summation", {"mode": "demo"}, {"mode": "demo"}),
]  # fmt: skip


def test_every_method_with_gates_has_an_oracle() -> None:
    chain = plain(0)
    net, image = make(chain.prototxt, chain.weights), np.ones((1, *chain.image))
    with_gates = {name for name in METHODS if name != "cam" and tt.attend(net, image, 0, name).gates}
    assert with_gates == set(oracle.FAMILY) == {method for method, _, _ in CASES}


# Nets whose maps are not mostly empty: a few large weights of a small layer easily close all of it.
NETS = {
    "gp": [(averaged, 0), (averaged, 1)],
    "feedback": [(plain, 11), (normalised, 3)],
    "feedback-hard": [(plain, 11), (normalised, 3)],
}
PRUNED = [(plain, 11), (normalised, 3), (vgg, 5)]
EVERY = [(*net, *case) for case in CASES for net in NETS.get(case[0], PRUNED)]


@pytest.mark.parametrize(
    ("build", "seed", "method", "options", "literal"),
    EVERY,
    ids=[f"{m}-{o}-{build.__name__}{seed}" for build, seed, m, o, _ in EVERY],
)
def test_maps_gates_and_curves(
    build: Callable[[int], Chain], seed: int, method: str, options: Mapping[str, Any], literal: Mapping[str, Any]
) -> None:
    chain = build(seed)
    image = np.random.default_rng(seed + 50).normal(size=(2, *chain.image))
    found = tt.attend(make(chain.prototxt, chain.weights), image, TARGETS, method, **options)
    assert found.curve is not None
    full = 0
    for n, k in np.ndindex(TARGETS.shape):
        told = oracle.FAMILY[method](chain, image[n], TARGETS[n, k], **literal)
        scale = abs(told.map).max()
        np.testing.assert_allclose(found.map[n, k], told.map, rtol=1e-9, atol=1e-9 * (scale or 1))
        assert set(found.gates) == set(told.gates)
        for name, z in told.gates.items():
            assert np.array_equal(found.gates[name][n, k], z), name
        assert len(found.curve) >= len(told.curve), "others may go on longer, and then this one stays as it is"
        for number, scores in enumerate(found.curve[:, n, k]):
            expected = told.curve[min(number, len(told.curve) - 1)]
            np.testing.assert_allclose(scores, expected, rtol=1e-9, atol=1e-9)
        full += bool(scale)
    assert full >= 3, "most of these maps are empty: this shows little"


def test_one_target_of_one_image_alone() -> None:
    chain = plain(3)
    net, image = make(chain.prototxt, chain.weights), np.random.default_rng(3).normal(size=chain.image)
    for method in set(oracle.FAMILY) - {"gp"}:
        options = {"sparsity": 1.0} if method == "feedback" else {}  # lambda is calibrated: its default may move
        found, told = tt.attend(net, image, 2, method, **options), oracle.FAMILY[method](chain, image, 2, **options)
        np.testing.assert_allclose(found.map[0, 0], told.map, rtol=1e-9, atol=1e-9 * abs(told.map).max())
        np.testing.assert_allclose(found.curve[:, 0, 0], told.curve, rtol=1e-9, atol=1e-9)


def test_the_printed_inverse_of_gp_is_its_formula() -> None:
    """Eq. 11 to the letter, V diag(1 / sqrt(gamma + mu)) U^T, for square maps."""
    z = np.random.default_rng(0).random(size=(2, 3, 4, 4))
    found = trace_norm_slope(z, {"inverse": "printed", "minor": 0.2, "smoothing": 0.05})
    for place in np.ndindex(2, 3):
        u, gamma, vt = np.linalg.svd(z[place])
        inverse = np.zeros((4, 4))
        for value, left, right in zip(gamma, u.T, vt, strict=True):
            if value >= 0.2 * gamma[0]:
                inverse += np.outer(right, left) / np.sqrt(value + 0.05)
        np.testing.assert_allclose(found[place], (inverse @ z[place] + inverse.T @ z[place]) / 2, rtol=1e-10)


def test_the_trace_norms_slope_is_its_derivative() -> None:
    """With no smoothing and nothing dropped, (g^-1 z + g^-T z) / 2 is the derivative of the sum of singular values."""
    z, h = np.random.default_rng(0).random(size=(4, 5)), 1e-6
    found = trace_norm_slope(z[None, None], {"inverse": "derived", "minor": 0.0, "smoothing": 1e-12})[0, 0]
    for index in np.ndindex(4, 5):
        moved = np.zeros((4, 5))
        moved[index] = h
        sides = [np.linalg.svd(z + sign * moved, compute_uv=False).sum() for sign in (1, -1)]
        assert abs(found[index] - (sides[0] - sides[1]) / (2 * h)) < 1e-7


def test_what_speaks_against_the_target_is_cut_from_the_summation() -> None:
    """Before any pruning the layers' sums have both signs."""
    chain = plain(3)
    net, image = make(chain.prototxt, chain.weights), np.random.default_rng(3).normal(size=chain.image)
    found = tt.attend(net, image, 2, "summation", iterations=0).map[0, 0]
    read = chain.forward(image.ravel())
    a, _ = chain.contributions(read, 2, {relu.name: np.ones(1) for relu in chain.relus})
    planes = [a[relu.name].reshape(relu.shape).sum(0) for relu in chain.relus if relu.convolved]
    total = np.sum([resizing.bilinear(plane, *chain.image[1:]) for plane in planes], 0)
    assert total.min() < 0 < total.max()
    kept = np.maximum(total, 0)
    np.testing.assert_allclose(found, kept / np.sqrt((kept**2).sum()), rtol=1e-9, atol=1e-12)
