"""What training asks of a net: seeds for what is drawn at random, statistics that a pass changes, gradients of some layers."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.errors import BadInput
from thinktwice.executor.net import Net

from ..nets import data, layer, make, relu

TWO_DROPS = (
    data(4, 50)
    + layer("drop1", "Dropout", "data", "phase: TRAIN")
    + layer("drop2", "Dropout", "data", "phase: TRAIN")
)  # fmt: skip


def test_a_seed_repeats_a_pass_and_every_layer_draws_its_own() -> None:
    net, x = make(TWO_DROPS), np.ones((4, 50))
    first, again, other = (net.forward(data=x, seed=seed) for seed in ((1, 2), (1, 2), (1, 3)))
    assert np.array_equal(first["drop1"], again["drop1"])
    assert (first["drop1"] != other["drop1"]).any()
    assert (first["drop1"] != first["drop2"]).any()
    assert np.array_equal(net.forward(data=x, seed=1)["drop1"], net.forward(data=x, seed=(1,))["drop1"])


def test_a_layer_that_draws_needs_a_seed() -> None:
    with pytest.raises(
        BadInput, match=r"layer 'drop1' \(Dropout\): phase: found TRAIN without a seed, expected TEST, or"
    ):
        make(TWO_DROPS).forward(data=np.ones((4, 50)))


def test_a_walk_over_a_pass_with_dropout_reads_its_mask() -> None:
    net, x = make(TWO_DROPS), np.ones((4, 50))
    trace = net.forward(data=x, seed=5, blobs=["drop1"], rule="gradient", to=["data"])
    walk = net.backward(trace, {"drop1": x}, to=["data"])
    assert np.array_equal(walk["data"], trace["drop1"])


def test_statistics_leave_a_pass_in_its_trace_and_the_net_as_it_is() -> None:
    text = data(2, 3, 4) + layer("bn", "BatchNorm", "data", "phase: TRAIN")
    net = make(text, {"bn": (np.ones(3), np.ones(3), np.ones(1))})
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    trace = net.forward(data=x)
    np.testing.assert_allclose(trace.updated["bn"][0], x.mean((0, 2)) + 0.999)
    assert [array.tolist() for array in net.params["bn"]] == [[1, 1, 1], [1, 1, 1], [1]]
    assert make(text.replace("TRAIN", "TEST"), {"bn": net.params["bn"]}).forward(data=x).updated == {}


def two_layers() -> Net:
    text = (
        data(2, 3)
        + layer("low", "InnerProduct", "data", "inner_product_param { num_output: 4 }") + relu("low")
        + layer("high", "InnerProduct", "low", "inner_product_param { num_output: 2 }")
    )  # fmt: skip
    rng = np.random.default_rng(0)
    weights = {"low": (rng.normal(size=(4, 3)), np.ones(4)), "high": (rng.normal(size=(2, 4)), np.zeros(2))}
    return make(text, weights)


def test_gradients_of_some_layers_are_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk ends at the lowest layer that is asked for, and nothing is kept for those below."""
    net, x = two_layers(), np.ones((2, 3))
    signal = {"high": np.ones((2, 2))}
    whole = net.backward(net.forward(data=x), signal, params=True).params
    trace = net.forward(data=x, blobs=["high"], rule="gradient", params=["high"])
    assert "data" not in trace

    def refused(*_: object) -> None:
        raise AssertionError("a step below the lowest layer that learns")

    for name in ("low", "relu_low"):
        monkeypatch.setattr(net.graph.nodes[net.graph.node(name)].layer, "gradient", refused)
        monkeypatch.setattr(net.graph.nodes[net.graph.node(name)].layer, "parameter_gradient", refused)
    monkeypatch.setattr(net.graph.nodes[net.graph.node("high")].layer, "gradient", refused)
    some = net.backward(trace, signal, to=(), params=["high"]).params
    assert list(some) == ["high"]
    for mine, theirs in zip(some["high"], whole["high"], strict=True):
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("call", ["forward", "backward"])
def test_layers_without_parameters_are_refused(call: str) -> None:
    net, x = two_layers(), np.ones((2, 3))
    with pytest.raises(BadInput, match="params: found 'hihg', expected a layer that has parameters; the nearest"):
        if call == "forward":
            net.forward(data=x, blobs=["high"], rule="gradient", params=["hihg"])
        else:
            net.backward(net.forward(data=x), {"high": np.ones((2, 2))}, params=["hihg"])
