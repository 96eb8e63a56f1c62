"""The best neurons of a layer after pruning, and what each of them sees."""

from __future__ import annotations

import numpy as np
import pytest

import thinktwice as tt
from thinktwice.attention.ranking import best_channels, best_neurons, neuron_maps, rank
from thinktwice.errors import BadInput

from .gated_nets import TARGETS, N, random_image, random_net, recomputed_forward

K = TARGETS.shape[1]


def test_channels_stand_in_the_order_of_their_maxima() -> None:
    activations = np.zeros((2, 4, 2, 3))
    activations[0, :, 1, 2] = [1, 5, 5, 3]
    activations[1, :, 0, 1] = [0, 0, 2, 0]
    assert best_channels(activations, 3).tolist() == [[1, 2, 3], [2, 0, 1]]


def test_neurons_stand_in_the_order_of_their_activations() -> None:
    positions, scores = best_neurons(np.array([[[1.0, 7, 2], [7, 0, 5]]]), 4)
    assert positions.tolist() == [[[0, 1], [1, 0], [1, 2], [0, 2]]]
    assert scores.tolist() == [[7, 7, 5, 2]]


@pytest.mark.parametrize("seed", range(4))
def test_ranks_are_those_of_the_pruned_net(seed: int) -> None:
    net, image = random_net(seed), random_image(seed)
    found = rank(net, image, TARGETS, "relu_right", channels=3, neurons=2)
    gates = tt.attend(net, image, TARGETS, "fsp").gates
    assert found.blob == net.graph.blobs[net.graph.nodes[net.graph.node("relu_right")].tops[0]]
    assert (found.channels.shape, found.positions.shape, found.scores.shape) == (
        (N, K, 3),
        (N, K, 3, 2, 2),
        (N, K, 3, 2),
    )
    for n, k in np.ndindex(N, K):
        z = {name: gate[:, k] for name, gate in gates.items()}
        active = recomputed_forward(net, image, z)["relu_right"][n] * z["relu_right"][n]
        highest = sorted((-active[c].max(), c) for c in range(len(active)))[:3]
        assert found.channels[n, k].tolist() == [c for _, c in highest]
        for place, (_, c) in enumerate(highest):
            best = sorted((-value, index) for index, value in np.ndenumerate(active[c]))[:2]
            assert found.positions[n, k, place].tolist() == [list(index) for _, index in best]
            np.testing.assert_allclose(found.scores[n, k, place], [-value for value, _ in best], rtol=1e-12)
    assert found.scores.any()


def test_options_are_prunings() -> None:
    net, image = random_net(0), random_image(0)
    unpruned = rank(net, image, 1, "relu_right", 2, 1, iterations=0)
    active = recomputed_forward(net, image, {})["relu_right"]
    assert unpruned.scores[:, 0, 0, 0].tolist() == active.max((1, 2, 3)).tolist()
    assert rank(net, image, 1, "relu_right", 2, 1).scores.tolist() != unpruned.scores.tolist()


def test_each_neuron_is_shown_by_a_recovery_of_its_own() -> None:
    net, image = random_net(1), random_image(1)
    ranking = rank(net, image, [0, 3], "relu_right", channels=2, neurons=3)
    maps = neuron_maps(net, image, ranking, reduce="l2")
    assert maps.shape == (N, 2, 2, 3, 8, 7)
    blob = ranking.blob
    trace = net.forward(data=image)
    for n, k, c, i in np.ndindex(N, 2, 2, 3):
        signal = np.zeros((1, *trace[blob].shape))
        signal[(0, n, ranking.channels[n, k, c], *ranking.positions[n, k, c, i])] = 1
        seen = net.backward(trace, {blob: signal}, rule="guided", to=["data"])["data"][0, n]
        np.testing.assert_allclose(maps[n, k, c, i], np.sqrt((seen**2).sum(0)), rtol=1e-10, atol=1e-12 * maps.max())
    assert maps.any()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"layer": "relu_rigt"}, "layer: found 'relu_rigt', expected a ReLU with rows and columns: .*'relu_right'"),
        ({"layer": "relu_fc1"}, "layer: found 'relu_fc1'"),
        ({"layer": "relu_right", "channels": 7}, "channels: found 7, expected 1 to 6"),
        ({"layer": "relu_right", "neurons": 0}, "neurons: found 0, expected 1 to "),
        ({"layer": "relu_right", "mode": "none"}, "method 'fsp': option mode"),
    ],
)
def test_bad_questions(asked: dict, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        rank(random_net(0), random_image(0), 1, **asked)
