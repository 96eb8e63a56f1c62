"""Recovery is guided backprop; one sweep of hard feedback is guided backprop, or the deconvnet. On random nets."""

from __future__ import annotations

import numpy as np
import pytest

import thinktwice as tt

from .gated_nets import CLASSES, TARGETS, N, random_image, random_net

SEEDS = range(8)
K = TARGETS.shape[1]


def one_hot() -> np.ndarray:
    signal = np.zeros((K, N, CLASSES))
    for n, k in np.ndindex(N, K):
        signal[k, n, TARGETS[n, k]] = 1
    return signal


def same(a: np.ndarray, b: np.ndarray) -> None:
    assert abs(b).max() > 0
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * abs(b).max())


@pytest.mark.parametrize("seed", SEEDS)
def test_recoverys_gates_are_the_signs_of_guided_signals(seed: int) -> None:
    net, image = random_net(seed), random_image(seed)
    found = tt.attend(net, image, TARGETS, "fr")
    walk = net.backward(net.forward(data=image), {"fc2": one_hot()}, rule="guided")
    relus = [node for node in net.graph.nodes if node.layer.type == "ReLU"]
    assert set(found.gates) == {node.layer.name for node in relus}
    for node in relus:
        arriving = walk.signals[node.tops[0]]
        assert np.array_equal(found.gates[node.layer.name].swapaxes(0, 1), arriving > 0)
        assert 0 < (arriving > 0).mean() < 1


@pytest.mark.parametrize("seed", SEEDS)
def test_recovery_is_guided_backprop(seed: int) -> None:
    net, image = random_net(seed), random_image(seed)
    for reduce in ("sum_abs", "l2"):
        same(
            tt.attend(net, image, TARGETS, "fr", reduce=reduce).map,
            tt.attend(net, image, TARGETS, "guided", reduce=reduce).map,
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_one_hard_sweep_is_guided_backprop(seed: int) -> None:
    net, image = random_net(seed), random_image(seed)
    same(
        tt.attend(net, image, TARGETS, "feedback-hard", lrn="gradient").map,
        tt.attend(net, image, TARGETS, "guided").map,
    )


@pytest.mark.parametrize("lrn", ["frozen", "gradient"])
@pytest.mark.parametrize("seed", SEEDS)
def test_one_hard_sweep_without_the_forward_mask_is_the_deconvnet(seed: int, lrn: str) -> None:
    net, image = random_net(seed), random_image(seed)
    found = tt.attend(net, image, TARGETS, "feedback-hard", lrn=lrn, forward_mask=False)
    same(found.map, tt.attend(net, image, TARGETS, "deconvnet", lrn=lrn).map)


def test_the_deconvnet_is_not_the_sweep_with_the_mask() -> None:
    net, image = random_net(1), random_image(1)
    masked = tt.attend(net, image, TARGETS, "feedback-hard").map
    assert not np.allclose(masked, tt.attend(net, image, TARGETS, "deconvnet").map)


@pytest.mark.parametrize("seed", SEEDS)
def test_soft_feedback_with_nothing_to_move_is_the_gradient(seed: int) -> None:
    """The ReLUs' own gates change nothing; nor do gates that all stand open."""
    net, image = random_net(seed), random_image(seed)
    gradient = tt.attend(net, image, TARGETS, "gradient").map
    for options in ({"iterations": 0}, {"rate": 0.0}, {"rate": 0.0, "start": "open"}):
        same(tt.attend(net, image, TARGETS, "feedback", **options).map, gradient)
    same(tt.attend(net, image, TARGETS, "fsp", iterations=0, reduce="max_abs").map, gradient)
    same(
        tt.attend(net, image, TARGETS, "gp", iterations=0).map,
        tt.attend(net, image, TARGETS, "guided").map,
    )
