"""A forward pass: what it computes, what it keeps, what it lets go, and what it refuses before it starts."""

from __future__ import annotations

import numpy as np
import pytest

import thinktwice as tt

from ..nets import BLOBS, data, deep, image, layer, make, relu
from . import watch

FC = "inner_product_param { num_output: 3 bias_term: false }"
CONV = "convolution_param { num_output: 2 kernel_size: 3 pad: 1 bias_term: false }"
CHAIN = (
    data(2, 1, 4, 5)
    + layer("c1", "Convolution", "data", CONV)
    + relu("c1")
    + layer("p1", "Pooling", "c1", "pooling_param { kernel_size: 2 stride: 2 }")
    + layer("c2", "Convolution", "p1", CONV)
    + relu("c2")
    + layer("fc", "InnerProduct", "c2", FC)
    + layer("prob", "Softmax", "fc")
)
X = np.random.default_rng(0).normal(size=(2, 1, 4, 5))


def chain() -> tt.Net:
    rng = np.random.default_rng(0)
    shapes = {"c1": (2, 1, 3, 3), "c2": (2, 2, 3, 3), "fc": (3, 12)}
    return make(CHAIN, {name: (rng.normal(size=shape),) for name, shape in shapes.items()})


# -- what is computed ---------------------------------------------------------------------------------------------------


def test_every_blob_without_further_words() -> None:
    trace = chain().forward(data=X)
    assert trace.blobs == ["data", "c1", "p1", "c2", "fc", "prob"]
    assert (trace.version("c1", before="relu_c1") < 0).any()
    assert np.array_equal(trace["c1"], np.maximum(trace.version("c1", before="relu_c1"), 0))
    assert np.array_equal(trace.version("c1", before="p1"), trace["c1"])
    assert "c9" not in trace
    assert {blob: trace.shape(blob) for blob in trace.blobs} == chain().shapes()


def test_only_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    net = chain()
    called = watch.calls(monkeypatch, net, "forward")
    trace = net.forward(data=X, blobs=["p1"])
    assert called == ["c1", "p1"]  # c1 is its ReLU as well
    assert trace.blobs == ["p1"]
    assert trace.shape("c1") == (2, 2, 4, 5)
    with pytest.raises(
        tt.BadInput, match=r"blob 'c1': found it not kept by this forward pass, expected one of \['p1'\]"
    ):
        trace["c1"]
    with pytest.raises(tt.BadInput, match="blob 'fc': found no shape, since this forward pass did not reach it"):
        trace.shape("fc")


def test_nothing_below_a_given_blob(monkeypatch: pytest.MonkeyPatch) -> None:
    net = chain()
    whole = net.forward(data=X)
    called = watch.calls(monkeypatch, net, "forward")
    trace = net.forward(c2=whole["c2"])
    assert called == ["fc", "prob"]
    assert trace.blobs == ["c2", "fc", "prob"]
    assert np.array_equal(trace["prob"], whole["prob"])


def test_a_given_blob_stays_as_it_was_given() -> None:
    """A branch above it is computed from it, its own maker is not asked, and of two tops only the other is made."""
    net = make(data(1, 4) + layer("cut", "Slice", "data").replace('top: "cut"', 'top: "a" top: "b"')
               + layer("sum", "Eltwise", "a b"))  # fmt: skip
    trace = net.forward(data=np.array([[1.0, 2, 3, 4]]), a=np.array([[10.0, 20]]))
    assert (trace["a"].tolist(), trace["b"].tolist(), trace["sum"].tolist()) == ([[10, 20]], [[3, 4]], [[13, 24]])


def test_other_sizes_than_the_prototxts() -> None:
    net = make(data(2, 1, 4, 5) + layer("c1", "Convolution", "data", CONV), {"c1": (np.ones((2, 1, 3, 3)),)})
    assert net.forward(data=np.ones((3, 1, 9, 7)))["c1"].shape == (3, 2, 9, 7)
    assert net.shapes(data=(3, 1, 9, 7))["c1"] == (3, 2, 9, 7)
    one = net.forward(data=X[:1])["c1"]
    np.testing.assert_allclose(one, net.forward(data=X)["c1"][:1], rtol=1e-14)


def test_inputs_by_name_or_in_a_table() -> None:
    net = make(data(1, 3, name="a/b") + data(1, 3, name="c") + layer("sum", "Eltwise", "a/b c"))
    assert net.forward({"a/b": [[1, 2, 3]]}, c=[[1, 1, 1]])["sum"].tolist() == [[2, 3, 4]]


def test_a_relu_that_alone_reads_a_convolution_is_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    net = chain()
    whole = net.forward(data=X)
    called = watch.calls(monkeypatch, net, "forward")
    trace = net.forward(data=X, blobs=["c1", "c2"])
    assert called == ["c1", "p1", "c2"]
    for blob in ("c1", "c2"):
        assert np.array_equal(trace[blob], whole[blob])


# -- what is kept -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "layers", "values"),
    [
        ({"blobs": ["fc"]}, {"fc"}, {("fc", None)}),
        ({"blobs": ["prob", "c1"]}, {"prob", "c1"}, {("prob", None), ("c1", None)}),
        # ReLUs read their tops (which the convolutions made), MAX pooling its switches, convolutions nothing
        ({"blobs": ["fc"], "rule": "gradient", "to": ["data"]}, {"fc", "c1", "c2"},
         {("fc", None), ("c1", None), ("c2", None)}),
        ({"blobs": ["fc"], "rule": "guided", "to": ["p1"]}, {"fc", "c2"}, {("fc", None), ("c2", None)}),
        ({"blobs": ["prob"], "rule": "gradient", "to": ["fc"]}, {"prob"}, {("prob", None)}),
        # excitation reads the bottoms of layers with weights
        ({"blobs": ["fc"], "rule": "excitation", "to": ["p1"]}, {"fc", "c2", "p1"},
         {("fc", None), ("c2", None), ("p1", None)}),
        ({"blobs": ["fc"], "rule": "excitation", "to": ["fc"]}, {"fc"}, {("fc", None)}),
        # so do gradients of weights; down to the first of them
        ({"blobs": ["fc"], "rule": "gradient", "params": True}, {"fc", "c1", "c2", "p1"},
         {("fc", None), ("c1", None), ("c2", None), ("p1", None), ("data", None)}),
    ],
)  # fmt: skip
def test_only_the_promised_arrays_stay(
    monkeypatch: pytest.MonkeyPatch, asked: dict, layers: set[str], values: set[tuple[str, str | None]]
) -> None:
    net = chain()
    arrays = watch.Arrays(monkeypatch, net)
    trace = net.forward(data=X.copy(), **asked)
    assert arrays.alive == layers
    assert set(trace.values) == {net.graph.version(*value) for value in values}
    saved = {net.graph.nodes[number].layer.name for number in trace.saved}
    wants_switches = asked.get("rule") and (asked.get("params") or asked.get("to") == ["data"])
    assert ("p1" in saved) == bool(wants_switches)


def test_arrays_are_freed_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a layer starts, its bottom is there, and nothing that was read to the end before."""
    net = chain()
    arrays = watch.Arrays(monkeypatch, net)
    net.forward(data=X, blobs=["prob"])
    assert arrays.alive_at == {
        "c1": set(), "p1": {"c1"}, "c2": {"p1"}, "fc": {"c2"}, "prob": {"fc"},
    }  # fmt: skip


def test_a_branch_waits_for_its_last_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    text = data(1, 3) + layer("a", "TanH", "data") + layer("b", "TanH", "a") + layer("c", "TanH", "b")
    net = make(text + layer("d", "Eltwise", "c a") + layer("e", "TanH", "d"))
    arrays = watch.Arrays(monkeypatch, net)
    net.forward(data=np.ones((1, 3)), blobs=["e"])
    assert arrays.alive_at == {"a": set(), "b": {"a"}, "c": {"a", "b"}, "d": {"a", "c"}, "e": {"d"}}


def test_what_was_given_and_not_needed_is_not_kept() -> None:
    net = make(data(1, 3) + data(1, 3, name="other") + layer("a", "TanH", "data") + layer("b", "TanH", "other"))
    assert net.forward(data=np.ones((1, 3)), other=np.ones((1, 3)), blobs=["a"]).blobs == ["a"]


@pytest.mark.parametrize("rule", ["gradient", "guided", "excitation"])
@pytest.mark.parametrize("to", BLOBS)
def test_a_walk_over_the_lean_trace_is_the_walk_over_the_whole(rule: str, to: str) -> None:
    net, _ = deep()
    signal = np.random.default_rng(1).normal(size=(3, 2, 4))
    lean = net.forward(data=image(), blobs=["fc2"], rule=rule, to=[to])
    found, expected = (
        net.backward(trace, {"fc2": signal}, rule, to=[to])[to] for trace in (lean, net.forward(data=image()))
    )
    assert np.array_equal(found, expected)
    assert found.any()


# -- what is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input 'data': found no array given, expected an array for it"),
        (
            {"data": X[:, :, :2]},
            r"layer 'fc' \(InnerProduct\): found a bottom of shape \(2, 2, 1, 3\), which needs parame",
        ),
        ({"data": np.ones((2, 3, 4, 5))}, r"layer 'c1' \(Convolution\): found a bottom of shape \(2, 3, 4, 5\)"),
        ({"data": np.ones((2, 4))}, r"layer 'c1' \(Convolution\)"),
        ({"data": np.ones(())}, r"layer 'c1' \(Convolution\)"),
        ({"data": X, "dta": X}, "blob: found 'dta', expected a blob of this net; the nearest known name is 'data'"),
        ({"data": "cat.jpg"}, "blob 'data': found str, expected numbers"),
        ({"data": X[:0]}, r"blob 'data': found shape \(0, 1, 4, 5\), expected at least one number"),
        ({"data": None}, "blob 'data': found NoneType, expected numbers"),
        ({"data": X * 1j}, "blob 'data': found ndarray, expected numbers"),
        ({"data": [[1], [2, 3]]}, "blob 'data': found list, expected numbers"),
        ({"data": X, "blobs": ["f"]}, "blob: found 'f', expected a blob of this net; the nearest known name is 'fc'"),
        ({"data": X, "blobs": ["fc"], "rule": "gradient", "to": ["dat"]}, "blob: found 'dat'.* is 'data'"),
        (
            {"data": X, "blobs": ["fc"], "rule": "exitation"},
            "rule: found 'exitation'.*nearest known name is 'excitation'",
        ),
    ],
)
def test_bad_input_is_refused_before_anything_is_computed(
    monkeypatch: pytest.MonkeyPatch, inputs: dict, message: str
) -> None:
    net = chain()
    called = watch.calls(monkeypatch, net, "forward")
    with pytest.raises(tt.BadInput, match=message):
        net.forward(**inputs)
    assert called == []
