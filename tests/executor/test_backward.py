"""A walk back: many targets, many starts, early stops, versions of blobs, shared weights, and what it needs to find."""

from __future__ import annotations

import numpy as np
import pytest

import thinktwice as tt
from thinktwice.executor.rules import Rule, find_rule, reads, register_rule

from ..nets import BLOBS, data, deep, image, layer, make, relu
from . import watch

RULES = ["gradient", "guided", "excitation"]
NET, _ = deep()
TRACE = NET.forward(data=image())
SIGNALS = np.random.default_rng(0).normal(size=(5, 2, 4))


@pytest.mark.parametrize("rule", RULES)
def test_k_targets_are_k_walks(rule: str) -> None:
    together = NET.backward(TRACE, {"fc2": SIGNALS}, rule)
    assert together.blobs == TRACE.blobs == [*BLOBS, "fc2"]
    for k, signal in enumerate(SIGNALS):
        alone = NET.backward(TRACE, {"fc2": signal}, rule)
        for blob in TRACE.blobs:
            assert alone[blob].shape == TRACE.shape(blob)
            assert together[blob].shape == (5, *TRACE.shape(blob))
            np.testing.assert_allclose(together[blob][k], alone[blob], rtol=1e-12, atol=1e-14)


def test_the_signal_at_a_start_is_what_was_given() -> None:
    assert np.array_equal(NET.backward(TRACE, {"fc2": SIGNALS})["fc2"], SIGNALS)


def test_signals_of_several_starts_add_up() -> None:
    inner = np.random.default_rng(1).normal(size=TRACE.shape("p1"))
    both = NET.backward(TRACE, {"fc2": SIGNALS[0], "p1": inner})
    top, bottom = NET.backward(TRACE, {"fc2": SIGNALS[0]}), NET.backward(TRACE, {"p1": inner})
    np.testing.assert_allclose(both["data"], top["data"] + bottom["data"], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(both["p1"], top["p1"] + inner, rtol=1e-12)
    assert np.array_equal(both["all"], top["all"])
    assert "all" not in bottom


def test_a_blob_with_many_readers_gets_the_sum() -> None:
    net = make(data(1, 2) + layer("a", "Power", "data", "power_param { scale: 3 }")
               + layer("b", "Power", "data", "power_param { scale: -1 }") + layer("sum", "Eltwise", "a b data"))  # fmt: skip
    walk = net.backward(net.forward(data=[[1, 2]]), {"sum": [[1, 10]]})
    assert walk["data"].tolist() == [[3, 30]]


@pytest.mark.parametrize("rule", RULES)
def test_nothing_is_done_below_the_end(monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
    net, _ = deep()
    trace = net.forward(data=image())
    linear = watch.calls(monkeypatch, net, "transposed")  # the layers with weights, under any rule
    walk = net.backward(trace, {"fc2": SIGNALS}, rule, to=["p1"])
    assert linear == ["fc2", "fc1", "right", "left"]
    assert walk.blobs == ["p1"]
    linear.clear()
    net.backward(trace, {"fc2": SIGNALS}, rule, to=["all"])
    assert linear == ["fc2", "fc1"]
    linear.clear()
    assert np.array_equal(net.backward(trace, {"fc2": SIGNALS}, rule, to=["fc2"])["fc2"], SIGNALS)
    assert linear == []


def test_only_branches_towards_the_end_are_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    net, _ = deep()
    trace = net.forward(data=image())
    linear = watch.calls(monkeypatch, net, "transposed")
    net.backward(trace, {"fc2": SIGNALS}, to=["left"])
    assert linear == ["fc2", "fc1"]


def test_signals_above_and_below_an_in_place_layer() -> None:
    walk = NET.backward(TRACE, {"fc2": SIGNALS})
    above, below = walk["c1"], walk.version("c1", before="relu_c1")
    assert np.array_equal(walk.version("c1", before="n1"), above)
    assert np.array_equal(below, above * (TRACE["c1"] > 0))
    assert not np.array_equal(below, above)
    asked = NET.backward(TRACE, {"fc2": SIGNALS}, to=["c1"])
    assert np.array_equal(asked.version("c1", before="relu_c1"), below)
    assert np.array_equal(asked["c1"], above)


def test_one_number_will_do_for_one_number() -> None:
    net = make(data(2, 3) + layer("sum", "Reduction", "data"))
    trace = net.forward(data=[[1, 2, 3], [4, 5, 6]])
    assert net.backward(trace, {"sum": 2})["data"].tolist() == [[2, 2, 2]] * 2
    assert net.backward(trace, {"sum": [1, -1]})["data"].shape == (2, 2, 3)


# -- walks that cannot be -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signals", "asked", "message"),
    [
        ({}, {}, "signals: found different numbers of targets, expected at least one signal"),
        ({"fc2": np.ones((2, 5))}, {}, r"signal at 'fc2': found shape \(2, 5\), expected \(2, 4\), or \(K, 2, 4\)"),
        ({"fc2": np.ones((3, 2, 4)), "fc1": np.ones((2, 2, 6))}, {}, "signals: found different numbers of targets"),
        ({"fc2": np.ones((3, 2, 4)), "fc1": np.ones((2, 6))}, {}, "signals: found different numbers of targets"),
        (
            {"fc2": np.ones((3, 2, 4))},
            {"params": True},
            "signals: found a target axis, expected none where the weights'",
        ),
        ({"fc": np.ones((2, 4))}, {}, "blob: found 'fc', expected a blob of this net; the nearest known name is 'fc"),
        ({"fc2": np.ones((2, 4))}, {"to": ["fc3"]}, "blob: found 'fc3', expected a blob of this net"),
        ({"p1": np.ones((2, 4, 4, 4))}, {"to": ["fc1"]}, "blob 'fc1': found no signal in this walk"),
        ({"fc2": np.ones((2, 4))}, {"rule": "gradiant"}, "rule: found 'gradiant'.*nearest known name is 'gradient'"),
        ({"fc2": "up"}, {}, "blob 'fc2': found str, expected numbers"),
    ],
)
def test_bad_questions(signals: dict, asked: dict, message: str) -> None:
    with pytest.raises(tt.BadInput, match=message):
        NET.backward(TRACE, signals, **asked)


def test_a_walk_over_freed_arrays_says_how_to_keep_them() -> None:
    trace = NET.forward(data=image(), blobs=["fc2"])
    with pytest.raises(
        tt.BadInput, match=r"layer 'relu_fc1' \(ReLU\): found its tops freed, expected a forward pass that"
    ):
        NET.backward(trace, {"fc2": SIGNALS}, to=["data"])
    trace = NET.forward(data=image(), blobs=["fc2"], rule="gradient", to=["data"])
    with pytest.raises(tt.BadInput, match=r"layer 'fc1' \(InnerProduct\): found its bottoms freed.*name the rule"):
        NET.backward(trace, {"fc2": SIGNALS}, "excitation", to=["data"])
    with pytest.raises(tt.BadInput, match=r"layer 'fc1' \(InnerProduct\): found its bottoms freed"):
        NET.backward(trace, {"fc2": SIGNALS[0]}, params=True)


def test_a_walk_may_not_cross_a_layer_without_a_gradient() -> None:
    net = make(data(2, 3) + layer("best", "ArgMax", "data"))
    trace = net.forward(data=np.ones((2, 3)))
    with pytest.raises(
        tt.BadInput, match=r"layer 'best' \(ArgMax\): found a signal, expected a layer that has a gradient"
    ):
        net.backward(trace, {"best": np.ones(trace.shape("best"))})


def test_a_trace_from_an_inner_blob_is_walked_down_to_there() -> None:
    """PReLU's gradient reads its bottom, which nobody made: the walk must end above it."""
    net = make(data(2, 3) + layer("a", "TanH", "data") + layer("slope", "PReLU", "a", top="a") + layer("b", "TanH", "a"),
               {"slope": ([0.1, 0.2, 0.3],)})  # fmt: skip
    whole = net.forward(data=np.ones((2, 3)))
    walk = net.backward(net.forward(a=whole["a"]), {"b": np.ones((2, 3))})
    assert walk.blobs == ["a", "b"]
    assert np.array_equal(walk["a"], net.backward(whole, {"b": np.ones((2, 3))})["a"])


def test_a_walk_below_where_the_forward_pass_began_is_refused() -> None:
    trace = NET.forward(fc1=TRACE["fc1"])
    with pytest.raises(
        tt.BadInput, match=r"layer 'relu_fc1' \(ReLU\): found no bottom 'fc1', since the forward pass began"
    ):
        NET.backward(trace, {"fc2": SIGNALS}, to=["data"])


def test_a_sum_is_divided_by_what_a_later_layer_leaves_in_its_place() -> None:
    """The ReLU in place comes after the reader that the walk starts from; the lean pass must still run it."""
    net = make(
        data(1, 4, name="a") + data(1, 4, name="b") + layer("s", "Eltwise", "a b")
        + layer("early", "InnerProduct", "s", "inner_product_param { num_output: 2 bias_term: false }") + relu("s")
        + layer("late", "TanH", "s"),
        {"early": (np.arange(8).reshape(2, 4),)},
    )  # fmt: skip
    inputs = {"a": [[1, 2, 3, 4]], "b": [[1, -5, 1, 1]]}
    lean = net.forward(inputs, blobs=["early"], rule="excitation", to=["a"])
    found, expected = (
        net.backward(trace, {"early": [[1, 1]]}, "excitation", to=["a"])["a"] for trace in (lean, net.forward(inputs))
    )
    assert np.array_equal(found, expected)
    assert expected[0, 1] == 0 != expected[0, 0]


# -- rules ------------------------------------------------------------------------------------------------------------------


def test_rules_are_found_by_name_or_are_themselves() -> None:
    assert {find_rule(name).name for name in RULES} == set(RULES)
    mine = Rule("mine")
    assert find_rule(mine) is mine
    with pytest.raises(tt.BadInput, match=r"rule: found 'excite', expected one of \[.*'excitation'.*\]"):
        find_rule("excite")


def test_a_rule_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from thinktwice.executor import rules

    monkeypatch.setattr(rules, "_RULES", dict(rules._RULES))

    @reads("bottoms")
    def signed(step, signals):
        return [signals[0] * np.sign(step.bottoms[0])]

    register_rule(Rule("signed", {"TanH": signed}))
    net = make(data(1, 3) + layer("a", "TanH", "data") + layer("b", "Power", "a", "power_param { scale: 2 }"))
    trace = net.forward(data=[[-1, 0, 5]], blobs=["b"], rule="signed", to=["data"])
    assert net.backward(trace, {"b": [[1, 1, 1]]}, "signed", to=["data"])["data"].tolist() == [[-2, 0, 2]]
    with pytest.raises(tt.BadInput, match="nearest known name is 'signed'"):
        net.backward(trace, {"b": [[1, 1, 1]]}, "singed")


# -- weights -----------------------------------------------------------------------------------------------------------------


CONV = 'convolution_param { num_output: 2 kernel_size: 2 } param { name: "w" } param { name: "b" }'
SIAMESE = (
    data(2, 1, 3, 4, name="left") + data(2, 1, 3, 4, name="right")
    + layer("one", "Convolution", "left", CONV) + relu("one")
    + layer("two", "Convolution", "right", CONV) + relu("two")
    + layer("own", "InnerProduct", "one", "inner_product_param { num_output: 12 }")
    + layer("flat", "Flatten", "two")
    + layer("loss", "EuclideanLoss", "own flat")
)  # fmt: skip


def siamese(w: np.ndarray, b: np.ndarray, own: np.ndarray) -> tt.Net:
    return make(SIAMESE, {"one": (w, b), "two": (w, b), "own": (own, np.zeros(12))})


def test_gradients_of_shared_weights_add_up() -> None:
    rng = np.random.default_rng(3)
    w, b, own = rng.normal(size=(2, 1, 2, 2)), rng.normal(size=2), rng.normal(size=(12, 12))
    inputs = {"left": rng.normal(size=(2, 1, 3, 4)), "right": rng.normal(size=(2, 1, 3, 4))}
    net = siamese(w, b, own)
    assert net.params["one"][0] is net.params["two"][0] or np.shares_memory(net.params["one"][0], net.params["two"][0])
    walks = [
        net.backward(trace, {"loss": 1}, params=True)
        for trace in (net.forward(inputs), net.forward(inputs, blobs=["loss"], rule="gradient", params=True))
    ]
    for walk in walks:
        for parameter, found in zip((w, b, own), (*walk.params["one"], walk.params["own"][0]), strict=True):
            expected = np.zeros(parameter.shape)
            for index in np.ndindex(parameter.shape):
                middle, sides = parameter[index], []
                for parameter[index] in (middle + 1e-6, middle - 1e-6):
                    sides.append(float(siamese(w, b, own).forward(inputs)["loss"].item()))
                parameter[index] = middle
                expected[index] = (sides[0] - sides[1]) / 2e-6
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
        for one, two in zip(walk.params["one"], walk.params["two"], strict=True):
            assert np.array_equal(one, two)


def test_weights_that_no_signal_reaches_have_derivative_zero() -> None:
    net = make(
        data(1, 2)
        + layer("a", "InnerProduct", "data", "inner_product_param { num_output: 2 }")
        + layer("b", "InnerProduct", "data", "inner_product_param { num_output: 3 }"),
        {"a": (np.ones((2, 2)), np.ones(2)), "b": (np.ones((3, 2)), np.ones(3))},
    )
    walk = net.backward(net.forward(data=[[1, 2]]), {"a": [[1, 0]]}, params=True)
    assert walk.params["a"][0].tolist() == [[1, 2], [0, 0]]
    assert [array.tolist() for array in walk.params["b"]] == [[[0, 0]] * 3, [0, 0, 0]]


def test_shares_of_other_shapes_are_refused_unless_permitted() -> None:
    text = (
        data(1, 4)
        + layer(
            "a", "InnerProduct", "data", 'inner_product_param { num_output: 2 bias_term: false } param { name: "w" }'
        )
        + layer(
            "b", "InnerProduct", "a", 'inner_product_param { num_output: 4 bias_term: false } param { name: "w" %s }'
        )
    )
    w = np.arange(8.0).reshape(2, 4)
    with pytest.raises(
        tt.BadInput, match=r"layer 'b' .*param 0: found shape \(4, 2\), expected \(2, 4\) as shared with 'a'"
    ):
        make(text % "", {"a": (w,), "b": (w.reshape(4, 2),)})
    net = make(text % "share_mode: PERMISSIVE", {"a": (w,), "b": (w.reshape(4, 2),)})
    assert np.array_equal(net.params["b"][0], w.reshape(4, 2))
    walk = net.backward(net.forward(data=[[1, 0, 0, 0]]), {"b": [[1, 0, 0, 0]]}, params=True)
    assert np.array_equal(walk.params["a"][0].ravel(), walk.params["b"][0].ravel())
