"""What is true of gates over a linear approximation, and what is not (Feedback CNN, TPAMI 2018, §3.3-3.5), on random nets.

a^l is the contribution weight of layer l's gates without these themselves, x^l what lies below them; S the target's score in
the linear approximation of the first pass.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import thinktwice as tt
from thinktwice.attention.gates import Gated
from thinktwice.attention.global_perception import trace_norm_slope
from thinktwice.attention.methods import METHODS

from ..nets import data, layer, make, relu
from .gated_nets import (
    TARGETS,
    Gates,
    N,
    frozen_forward,
    gated,
    lrn_derivative,
    of_target,
    random_image,
    random_net,
    recomputed_forward,
)

SEEDS = range(8)
K = TARGETS.shape[1]


def setup(seed: int, **kinds: bool):
    net, image = random_net(seed, **kinds), random_image(seed)
    return net, image, net.forward(data=image), gated(net, image)


def random_gates(of: Gated, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {gate: (rng.random(z.shape) < 0.7).astype(float) for gate, z in of.open().items()}


def score(blobs: Gates, k: int) -> np.ndarray:
    """The target's score of each image (N,)."""
    return blobs["fc2"][np.arange(N), TARGETS[:, k]]


def sums(array: np.ndarray) -> np.ndarray:
    """(N, ...) -> (N,)."""
    return array.reshape(len(array), -1).sum(1)


# -- the oracle itself --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_with_all_gates_open_the_approximation_is_the_net(seed: int) -> None:
    net, image, first, _ = setup(seed)
    for blobs in (frozen_forward(net, first, image, {}), recomputed_forward(net, image, {})):
        np.testing.assert_allclose(blobs["fc2"], first["fc2"], rtol=1e-12)


def test_the_literal_derivative_of_lrn_is_one() -> None:
    for region in ("ACROSS_CHANNELS", "WITHIN_CHANNEL"):
        net = make(
            data(2, 4, 3, 5)
            + layer("n", "LRN", "data", f"lrn_param {{ local_size: 3 alpha: 2 norm_region: {region} }}")
        )
        rng = np.random.default_rng(0)
        x, dx = rng.normal(size=(2, 4, 3, 5)), rng.normal(size=(2, 4, 3, 5))
        moved = [net.forward(data=x + h * dx)["n"] for h in (1e-5, -1e-5)]
        np.testing.assert_allclose(
            lrn_derivative(net.graph.nodes[1].layer, x, dx), (moved[0] - moved[1]) / 2e-5, atol=1e-8
        )


# -- 1: the score can be expanded at every layer -------------------------------------------------------------------------


def test_1_the_score_is_a_sum_over_any_layer_and_the_biases_above_it() -> None:
    """S = sum a z x + b_top + sum over layers m above of beta^m b^m, beta = a z [pre-activation > 0], down to the image."""
    text = (
        data(2, 3, 8, 7)
        + layer("c1", "Convolution", "data", "convolution_param { num_output: 4 kernel_size: 3 }") + relu("c1")
        + layer("p1", "Pooling", "c1", "pooling_param { kernel_size: 3 stride: 2 }")
        + layer("c2", "Convolution", "p1", "convolution_param { num_output: 5 kernel_size: 2 }") + relu("c2")
        + layer("fc1", "InnerProduct", "c2", "inner_product_param { num_output: 6 }") + relu("fc1")
        + layer("fc2", "InnerProduct", "fc1", "inner_product_param { num_output: 5 }")
    )  # fmt: skip
    shapes = {"c1": (4, 3, 3, 3), "c2": (5, 4, 2, 2), "fc1": (6, 10), "fc2": (5, 6)}
    for seed in range(5):
        rng = np.random.default_rng(seed)
        weights = {name: (rng.normal(size=shape), rng.normal(size=shape[0])) for name, shape in shapes.items()}
        net, image = make(text, weights), random_image(seed)
        of, first = gated(net, image), net.forward(data=image)
        gates = random_gates(of, seed)
        passed = of.frozen(gates)
        a, at_image = passed.contributions(), passed.to_image()
        for k in range(K):
            z = of_target(gates, k)
            blobs = frozen_forward(net, first, image, z)
            found = weights["fc2"][1][TARGETS[:, k]]
            for name in ("fc1", "c2", "c1"):
                own, x = a[f"relu_{name}_gates"][k], blobs[f"relu_{name}"]
                np.testing.assert_allclose(
                    found + sums(own * z[f"relu_{name}"] * x), score(blobs, k), rtol=1e-11, atol=1e-10
                )
                beta = own * z[f"relu_{name}"] * (first.version(name, before=f"relu_{name}") > 0)
                found = found + sums(beta * weights[name][1].reshape(-1, *[1] * (beta.ndim - 2)))
            np.testing.assert_allclose(found + sums(at_image[k] * image), score(blobs, k), rtol=1e-11, atol=1e-10)


# -- 2: one layer's gates ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_2_closing_one_layers_gates_removes_their_own_terms(seed: int) -> None:
    net, image, first, of = setup(seed)
    gates = random_gates(of, seed)
    contributions = of.frozen(gates).contributions()
    for k in range(K):
        z = of_target(gates, k)
        before = frozen_forward(net, first, image, z)
        for gate, a in contributions.items():
            relu_name, harmful = gate.removesuffix("_gates"), a[k] <= 0
            after = frozen_forward(net, first, image, {**z, relu_name: z[relu_name] * ~harmful})
            removed = sums(harmful * a[k] * z[relu_name] * before[relu_name])
            np.testing.assert_allclose(score(after, k), score(before, k) - removed, rtol=1e-11, atol=1e-10)


# -- 3 and 6: recovery ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_3_recovery_never_lowers_the_score(seed: int) -> None:
    net, image, first, _ = setup(seed)
    found = tt.attend(net, image, TARGETS, "fr").gates
    for k in range(K):
        z: dict[str, np.ndarray] = {}
        scores = [score(frozen_forward(net, first, image, z), k)]
        for relu_name in reversed(list(found)):
            z[relu_name] = found[relu_name][:, k]
            scores.append(score(frozen_forward(net, first, image, z), k))
        assert all((after >= before - 1e-9).all() for before, after in pairwise(scores))
        assert (scores[-1] > scores[0]).any()


@pytest.mark.parametrize("seed", range(20))
def test_3_with_masks_recomputed_recovery_ends_no_lower(seed: int) -> None:
    """Rectifiers and maxima are convex, and what recovery leaves open has positive weights: without LRN, and where each maximum
    has gates of its own below it."""
    net, image, first, _ = setup(seed, lrn=False, overlap=False, bypass=False)
    result = tt.attend(net, image, TARGETS, "fr")
    for k in range(K):
        z = {name: gate[:, k] for name, gate in result.gates.items()}
        true, frozen = recomputed_forward(net, image, z), frozen_forward(net, first, image, z)
        np.testing.assert_allclose(result.curve[-1][np.arange(N), k], true["fc2"], rtol=1e-11, atol=1e-10)
        assert (score(true, k) >= score(frozen, k) - 1e-9).all()


def test_3_but_not_where_windows_overlap() -> None:
    """A window whose weight is negative shows its second choice when its maximum is closed for another window's sake."""
    lower = []
    for seed in range(10, 20):
        net, image, first, _ = setup(seed, lrn=False, bypass=False)
        result = tt.attend(net, image, TARGETS, "fr")
        for k in range(K):
            z = {name: gate[:, k] for name, gate in result.gates.items()}
            true, frozen = recomputed_forward(net, image, z), frozen_forward(net, first, image, z)
            lower += [seed] * int((score(true, k) < score(frozen, k) - 1e-6).sum())
    assert lower


@pytest.mark.parametrize("seed", SEEDS)
def test_6_recovery_is_idempotent_with_frozen_masks(seed: int) -> None:
    net, image, _, of = setup(seed)
    found = tt.attend(net, image, TARGETS, "fr").gates
    gates = {f"{name}_gates": z.swapaxes(0, 1) for name, z in found.items()}
    for gate, a in of.frozen(gates).contributions().items():
        assert np.array_equal(a > 0, gates[gate] == 1)


# -- 4, 5 and 8: pruning -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_4_one_walk_is_the_sweep_from_the_bottom_up(seed: int) -> None:
    net, image, _, of = setup(seed)
    gates = of.open()
    for _ in range(2):
        swept = dict(gates)
        for gate in gates:  # Algorithm 2: each layer's gates from a walk under those that are set already
            swept[gate] = gates[gate] * (of.frozen(swept).contributions()[gate] > 0)
        at_once = of.frozen(gates).contributions()
        gates = {gate: z * (at_once[gate] > 0) for gate, z in gates.items()}
        assert all(np.array_equal(swept[gate], z) for gate, z in gates.items())
    found = tt.attend(net, image, TARGETS, "fsp", iterations=2).gates
    assert all(np.array_equal(found[gate.removesuffix("_gates")].swapaxes(0, 1), z) for gate, z in gates.items())


@pytest.mark.parametrize("masks", ["frozen", "recomputed"])
@pytest.mark.parametrize("seed", SEEDS)
def test_5_pruning_only_closes_gates_and_ends(seed: int, masks: str) -> None:
    net, image = random_net(seed), random_image(seed)
    runs = [tt.attend(net, image, TARGETS, "fsp", iterations=n, masks=masks) for n in (1, 2, 3, 40)]
    for earlier, later in pairwise(runs):
        assert all((later.gates[name] <= z).all() for name, z in earlier.gates.items())
    assert len(runs[-1].curve) < 41, "it stops by itself"
    assert any((z == 0).any() for z in runs[0].gates.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_without_its_own_gates_pruning_ends_at_recoverys(seed: int) -> None:
    """So closed gates must stay closed, or pruning is recovery: N layers settle in N iterations."""
    net, image, _, of = setup(seed)
    gates = of.open()
    for _ in gates:
        gates = {gate: (a > 0).astype(float) for gate, a in of.frozen(gates).contributions().items()}
    found = tt.attend(net, image, TARGETS, "fr").gates
    assert all(np.array_equal(gates[f"{name}_gates"], z.swapaxes(0, 1)) for name, z in found.items())


def test_8_pruning_can_lower_the_score() -> None:
    """Every layer alone could only gain (2), but what one closes also feeds what another leaves open."""
    lower = []
    for seed in range(40):
        net, image, first, _ = setup(seed, lrn=False)
        gates = tt.attend(net, image, TARGETS, "fsp", iterations=1).gates
        for k in range(K):
            before = score(frozen_forward(net, first, image, {}), k)
            after = score(frozen_forward(net, first, image, {name: z[:, k] for name, z in gates.items()}), k)
            lower += [(seed, image_number, k) for image_number in np.flatnonzero(after < before - 1e-6)]
    assert lower, "the appendix's proof would hold after all"


# -- 7: pooling ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_7_maxima_hand_down_all_they_receive(seed: int) -> None:
    net, _, first, _ = setup(seed)
    maxima = [node for node in net.graph.nodes if node.layer.type == "Pooling" and node.layer.takes_maxima]  # type: ignore[attr-defined]
    for node in maxima:
        signal = np.random.default_rng(seed).normal(size=(K, *first.values[node.tops[0]].shape))
        step = first.step(net.graph.by_name[node.layer.name])
        below = node.layer.gradient(step, [signal])[0]
        np.testing.assert_allclose(below.sum((-1, -2)), signal.sum((-1, -2)), rtol=1e-11, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gates_that_all_but_closed_are_closed_to_the_trace_norm(dtype: type) -> None:
    """Dust far below one rounding of 1 once kept the SVD of a real map from converging."""
    rng = np.random.default_rng(0)
    gates = ((rng.random((2, 3, 9, 7)) > 0.4) * rng.random((2, 3, 9, 7))).astype(dtype)
    dust = np.where(gates > 0, 0, 10.0 ** rng.uniform(-37, -17, gates.shape)).astype(dtype)
    options = METHODS["gp"].checked({})
    assert dust.any()
    assert np.array_equal(trace_norm_slope(gates + dust, options), trace_norm_slope(gates, options))
