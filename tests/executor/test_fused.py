"""What layers do for their neighbours changes no bit: ReLUs taken along on the way up and down, sums where signals meet, blobs made
where a Concat joins them."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.executor.net import Net

from ..nets import data, layer, make, relu

RULES = ["gradient", "guided", "excitation", "deconvnet"]


def convolution(name: str, bottom: str, outputs: int, kernel: int, stride: int = 1) -> str:
    options = f"num_output: {outputs} kernel_size: {kernel} pad: {kernel // 2} stride: {stride}"
    return layer(name, "Convolution", bottom, f"convolution_param {{ {options} }}")


def inception(dtype: str) -> Net:
    """Blobs with several readers, joined ones under one ReLU each, one of them joined with the pooled image, and a stride."""
    text = (
        data(2, 3, 12, 11)
        + convolution("stem", "data", 8, 3, stride=2) + relu("stem")
        + convolution("one", "stem", 4, 1) + relu("one")
        + convolution("three", "stem", 6, 3) + relu("three")
        + layer("pool", "Pooling", "stem", "pooling_param { kernel_size: 3 stride: 1 pad: 1 }")
        + convolution("five", "pool", 5, 5) + relu("five")
        + layer("all", "Concat", "one three five")
        + convolution("left", "all", 4, 1) + relu("left")
        + convolution("right", "all", 4, 3) + relu("right")
        + layer("some", "Concat", "left right pool")
        + layer("small", "Pooling", "some", "pooling_param { kernel_size: 2 stride: 2 }")
        + convolution("out", "small", 6, 1)
        + layer("score", "InnerProduct", "out", "inner_product_param { num_output: 7 }")
    )  # fmt: skip
    shapes = {
        "stem": (8, 3, 3, 3),
        "one": (4, 8, 1, 1),
        "three": (6, 8, 3, 3),
        "five": (5, 8, 5, 5),
        "left": (4, 15, 1, 1),
    }
    shapes |= {"right": (4, 15, 3, 3), "out": (6, 16, 1, 1), "score": (7, 54)}
    rng = np.random.default_rng(0)
    weights = {name: (rng.normal(size=shape), rng.normal(size=shape[0])) for name, shape in shapes.items()}
    return make(text, weights, dtype)


def question(dtype: str) -> tuple[Net, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return inception(dtype), rng.normal(size=(2, 3, 12, 11)).astype(dtype), rng.normal(size=(3, 2, 7)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("to", ["data", "stem", "all", "some", "pool"])
def test_a_walk_to_one_blob_is_the_walk_that_stops_at_each(dtype: str, rule: str, to: str) -> None:
    """Where every blob's signal is wanted, no layer may take another along."""
    net, x, signal = question(dtype)
    everywhere = net.backward(net.forward(data=x), {"score": signal}, rule)
    trace = net.forward(data=x, blobs=["score"], rule=rule, to=[to])
    np.testing.assert_array_equal(net.backward(trace, {"score": signal}, rule, to=[to])[to], everywhere[to])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_kept_changes_no_blob(dtype: str) -> None:
    net, x, _ = question(dtype)
    whole = net.forward(data=x)
    for blob in net.blobs:
        np.testing.assert_array_equal(net.forward(data=x, blobs=[blob])[blob], whole[blob])
    for relu_name in ("one", "three", "five"):
        before = whole.version(relu_name, before=f"relu_{relu_name}")
        np.testing.assert_array_equal(np.maximum(before, 0), whole[relu_name])
    np.testing.assert_array_equal(whole["all"], np.concatenate([whole[name] for name in ("one", "three", "five")], 1))
    np.testing.assert_array_equal(whole["some"], np.concatenate([whole[name] for name in ("left", "right", "pool")], 1))


def test_what_is_joined_shares_its_memory() -> None:
    net, x, _ = question("float32")
    trace = net.forward(data=x)
    for name in ("one", "three", "five"):
        assert np.shares_memory(trace[name], trace["all"])
    for name in ("left", "right"):
        assert np.shares_memory(trace[name], trace["some"])
    assert trace["pool"].flags.c_contiguous  # it has another reader


def test_a_walk_starts_in_the_middle_as_well() -> None:
    """A signal that is given where ReLUs' tops are joined meets them; other signals join it there."""
    net, x, signal = question("float64")
    trace, inner = net.forward(data=x), np.random.default_rng(2).normal(size=(3, 2, 15, 6, 6))
    both = net.backward(trace, {"score": signal, "all": inner}, to=["data"])["data"]
    apart = [net.backward(trace, start, to=["data"])["data"] for start in ({"score": signal}, {"all": inner})]
    np.testing.assert_allclose(both, sum(apart), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("joined", "axis"), [("a b", 1), ("a a", 1), ("a b", 0), ("a b", 3), ("data a", 1)], ids=lambda value: str(value)
)
def test_concats_of_any_kind(joined: str, axis: int) -> None:
    options = f"concat_param {{ axis: {axis} }}"
    text = data(2, 3, 4, 5) + "".join(convolution(name, "data", 3, 1) for name in "ab")
    text += layer("whole", "Concat", joined, options) + layer("again", "Concat", "whole a", "concat_param { axis: 1 }")
    if axis != 1:
        text = text[: text.rindex("layer {")]
    rng = np.random.default_rng(0)
    net = make(text, {name: (rng.normal(size=(3, 3, 1, 1)), rng.normal(size=3)) for name in "ab"}, "float32")
    x = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    before = x.copy()
    trace = net.forward(data=x)
    parts = [trace[name] for name in joined.split()]
    np.testing.assert_array_equal(trace["whole"], np.concatenate(parts, axis))
    if axis == 1:
        np.testing.assert_array_equal(trace["again"], np.concatenate([trace["whole"], trace["a"]], 1))
    assert np.array_equal(x, before)
    assert not np.shares_memory(trace["whole"], x)
    given = net.forward(a=trace["a"], data=x) if axis == 1 else trace
    np.testing.assert_array_equal(given["whole"], trace["whole"])


def branches(between: str) -> Net:
    """Two rectified blobs under a Concat, and another reader of one of them before, between or behind."""
    order = {"all": layer("all", "Concat", "a b"), "c": convolution("c", "all", 4, 3), "d": convolution("d", "a", 4, 3)}
    text = data(2, 3, 6, 5) + "".join(convolution(name, "data", 3, 3) + relu(name) for name in "ab")
    text += "".join(order[name] for name in between.split()) + layer("s", "Eltwise", "c d")
    return drawn(text, {"a": (3, 3), "b": (3, 3), "c": (4, 6), "d": (4, 3)})


def drawn(text: str, channels: dict[str, tuple[int, int]], dtype: str = "float64") -> Net:
    rng = np.random.default_rng(0)
    return make(
        text, {name: (rng.normal(size=(*of, 3, 3)), rng.normal(size=of[0])) for name, of in channels.items()}, dtype
    )


@pytest.mark.parametrize("between", ["all c d", "all d c", "d all c"])
def test_another_reader_of_what_is_joined(between: str) -> None:
    net, rng = branches(between), np.random.default_rng(1)
    trace = net.forward(data=rng.normal(size=(2, 3, 6, 5)))
    signals = {blob: rng.normal(size=(2, *trace.shape(blob))) for blob in ("s", "c", "a")}
    for starts in ({"s": signals["s"]}, {"c": signals["c"], "a": signals["a"]}, signals):
        everywhere = net.backward(trace, starts)["data"]
        np.testing.assert_array_equal(net.backward(trace, starts, to=["data"])["data"], everywhere)


def test_a_relu_whose_bottom_has_other_readers() -> None:
    text = data(2, 3, 6, 5) + convolution("a", "data", 3, 3) + layer("r", "ReLU", "a")
    text += convolution("d", "a", 4, 3) + convolution("c", "r", 4, 3) + layer("s", "Eltwise", "c d")
    net, rng = drawn(text, {"a": (3, 3), "c": (4, 3), "d": (4, 3)}), np.random.default_rng(1)
    trace = net.forward(data=rng.normal(size=(2, 3, 6, 5)))
    signal = {"s": rng.normal(size=(2, *trace.shape("s")))}
    np.testing.assert_array_equal(net.backward(trace, signal, to=["data"])["data"], net.backward(trace, signal)["data"])


def test_a_given_blob_is_not_what_it_would_join() -> None:
    text = data(2, 3, 6, 5) + "".join(convolution(name, "data", 3, 3) + relu(name) for name in "ab")
    text += layer("all", "Concat", "a b") + convolution("c", "all", 4, 3)
    text += layer("turned", "Concat", "b a") + convolution("f", "turned", 4, 3) + layer("s", "Eltwise", "c f")
    net, rng = drawn(text, {"a": (3, 3), "b": (3, 3), "c": (4, 6), "f": (4, 6)}), np.random.default_rng(1)
    trace = net.forward(data=rng.normal(size=(2, 3, 6, 5)), all=rng.normal(size=(2, 6, 6, 5)))
    signal = {"c": rng.normal(size=(2, *trace.shape("c")))}
    np.testing.assert_array_equal(net.backward(trace, signal, to=["data"])["data"], net.backward(trace, signal)["data"])


def test_whoever_else_reads_a_part_finds_it_without_gaps() -> None:
    text = data(2, 3, 6, 5) + "".join(convolution(name, "data", 3, 3) for name in "ab")
    text += layer("y", "LRN", "a") + layer("all", "Concat", "a b")
    net, x = drawn(text, {"a": (3, 3), "b": (3, 3)}, "float32"), np.random.default_rng(1).normal(size=(2, 3, 6, 5))
    np.testing.assert_array_equal(net.forward(data=x)["y"], net.forward(data=x, blobs=["y"])["y"])


def test_blobs_of_five_axes_are_joined_as_well() -> None:
    options = "convolution_param { num_output: 3 kernel_size: 1 axis: 2 }"
    text = data(2, 2, 3, 4, 5) + "".join(layer(name, "Convolution", "data", options) for name in "ab")
    rng = np.random.default_rng(0)
    weights = {name: (rng.normal(size=(3, 3, 1, 1)), rng.normal(size=3)) for name in "ab"}
    trace = make(text + layer("all", "Concat", "a b"), weights, "float32").forward(
        data=rng.normal(size=(2, 2, 3, 4, 5))
    )
    np.testing.assert_array_equal(trace["all"], np.concatenate([trace["a"], trace["b"]], 1))
