"""How blobs hang together: versions of in-place layers, and every way in which a definition can be no net."""

from __future__ import annotations

import pytest

from thinktwice.caffe_models import schema
from thinktwice.caffe_models.definition import parse_net
from thinktwice.errors import BadInput
from thinktwice.executor.graph import Graph
from thinktwice.executor.load import build

from ..nets import data, layer, relu

FC = "inner_product_param { num_output: 3 }"


def graph(text: str) -> Graph:
    return Graph(parse_net(text), "net.prototxt")


CHAIN = (
    data(2, 3, 4, 5)
    + layer("fc", "InnerProduct", "data", FC)
    + relu("fc")
    + layer("drop", "Dropout", "fc", top="fc")
    + layer("prob", "Softmax", "fc")
)


def test_a_layer_in_place_makes_another_version() -> None:
    g = graph(CHAIN)
    assert g.blobs == ["data", "fc", "fc", "fc", "prob"]
    assert g.versions == {"data": [0], "fc": [1, 2, 3], "prob": [4]}
    assert [g.nodes[number].layer.name for number in g.makers] == ["data", "fc", "relu_fc", "drop", "prob"]
    assert g.final("fc") == g.version("fc") == 3
    assert [g.version("fc", before=name) for name in ("relu_fc", "drop", "prob")] == [1, 2, 3]
    assert g.readers == [[1], [2], [3], [4], []]


def test_a_branch_before_an_in_place_layer_keeps_the_earlier_version() -> None:
    g = graph(data(1, 3) + layer("early", "TanH", "data") + relu("data") + layer("late", "TanH", "data"))
    assert (g.version("data", before="early"), g.version("data", before="late")) == (0, 2)
    assert (g.given("data"), g.final("data")) == (0, 2)


def test_inputs_and_outputs() -> None:
    g = graph(
        data(1, 3, name="a") + data(1, 3, name="b") + layer("one", "TanH", "a") + layer("two", "Eltwise", "one b")
    )
    assert (g.inputs, g.outputs) == ({"a": 0, "b": 1}, {"two": 3})
    silent = layer("gone", "Silence", "one").replace('top: "gone"', "")
    assert graph(data(1, 3) + layer("one", "TanH", "data") + layer("two", "TanH", "data") + silent).outputs == {
        "two": 2
    }


def test_one_layer_may_read_a_blob_twice() -> None:
    g = graph(data(1, 3) + layer("double", "Eltwise", "data data"))
    assert g.nodes[1].bottoms == (0, 0)
    assert g.readers[0] == [1]


def test_shapes() -> None:
    assert graph(CHAIN).shapes() == [(2, 3, 4, 5), *[(2, 3)] * 4]
    assert graph(CHAIN).shapes({"data": (7, 1, 2, 2)})[-1] == (7, 3)
    unknown = graph('layer { name: "x" type: "Input" top: "x" }' + layer("t", "TanH", "x"))
    assert unknown.shapes() == [None, None]
    with pytest.raises(BadInput, match=r"net.prototxt: input: found 'dta', expected one of \['data'\]"):
        graph(CHAIN).shapes({"dta": (1,)})


def test_which_layers_a_question_touches() -> None:
    g = graph(
        data(1, 3) + layer("a", "TanH", "data") + layer("b", "TanH", "a") + layer("c", "TanH", "a")
        + layer("d", "Eltwise", "b c") + layer("e", "TanH", "d")
    )  # fmt: skip
    value = {name: g.final(name) for name in g.versions}

    def names(numbers: list[int]) -> str:
        return " ".join(g.nodes[number].layer.name for number in numbers)

    assert names(g.needed_for([value["c"]])) == "data a c"
    assert names(g.needed_for([value["d"]], [value["a"]])) == "b c d"
    assert names(g.needed_for([value["b"]], [value["b"]])) == ""
    assert names(g.between([value["d"]], [value["a"]])) == "b c d"
    assert names(g.between([value["d"]], [value["b"]])) == "d"
    assert names(g.between([value["b"]], [value["c"]])) == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            data(1, 3) + layer("a", "TanH", "dat"),
            "layer 'a': bottom: found 'dat', expected a blob that some layer makes; the nearest known name is 'data'",
        ),
        (
            data(1, 3) + layer("a", "Eltwise", "data b") + layer("b", "TanH", "a"),
            r"layer 'a': bottom: found 'b', which only the later layer 'b' makes \(a cycle, or a wrong order\)",
        ),
        (layer("a", "TanH", "a"), r"layer 'a': bottom: found 'a', which only the later layer 'a' makes"),
        (
            data(1, 3) + layer("a", "TanH", "data") + layer("b", "TanH", "data", top="a"),
            "layer 'b': top: found 'a', which layer 'a' makes already; expected a new name",
        ),
        (
            data(1, 3) + layer("a", "TanH", "data") + layer("a", "TanH", "a", top="b"),
            "layer 'a': found the name twice, expected layers of different names",
        ),
        (data(1, 3) + layer("a", "Poolin", "data"), "layer 'a': type: found 'Poolin'.*nearest known name is 'Pooling'"),
        (data(1, 3) + layer("a", "TanH", "data data"), r"layer 'a' \(TanH\): bottom: found 2 blobs, expected 1"),
        (
            data(1, 3) + layer("a", "Eltwise", "data"),
            r"layer 'a' \(Eltwise\): bottom: found 1 blobs, expected at least 2",
        ),
    ],
)
def test_what_is_no_net_is_told_in_one_line(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=f"^net.prototxt: {message}"):
        graph(text)


def test_a_net_of_no_layers_is_none() -> None:
    with pytest.raises(BadInput, match=r"net.prototxt: layer: found none, expected at least one layer"):
        Graph(schema.new("NetParameter"), "net.prototxt")


def test_unknown_names_are_told_with_the_nearest() -> None:
    g = graph(CHAIN)
    with pytest.raises(
        BadInput, match="blob: found 'prop', expected a blob of this net; the nearest known name is 'prob'"
    ):
        g.final("prop")
    with pytest.raises(
        BadInput, match="layer: found 'dorp', expected a layer of this net; the nearest known name is 'drop'"
    ):
        g.version("fc", before="dorp")
    with pytest.raises(BadInput, match=r"layer 'prob': found bottoms \['fc'\], expected 'data'"):
        g.version("data", before="prob")


@pytest.mark.parametrize("type_name", ["InnerProduct", "Pooling", "LRN"])
def test_a_layer_that_cannot_work_in_place_is_no_error_since_nothing_is_overwritten(type_name: str) -> None:
    """Caffe would compute garbage; here the top is another version of the same name."""
    options = {"InnerProduct": FC, "Pooling": "pooling_param { kernel_size: 1 }"}.get(type_name, "")
    g = graph(data(1, 3, 2, 2) + layer("a", type_name, "data", options, top="data"))
    assert g.versions["data"] == [0, 1]


# -- sizes that no file can mean ------------------------------------------------------------------------------------------------

HUGE = {
    "input": ("", "layer 'x' .*top 'x'"),
    "filters": (layer("big", "InnerProduct", "data", "inner_product_param { num_output: 2000000000 }"), "layer 'big'"),
    "parameters": (
        layer("big", "InnerProduct", "data", "inner_product_param { num_output: 500000000 }"),
        "parameter 0",
    ),
    "copies": (layer("big", "Tile", "data", "tile_param { tiles: 2000000000 }"), "top 'big'"),
    "border": (
        layer("big", "Convolution", "data", "convolution_param { num_output: 1 kernel_size: 1 pad: 2000000 }"),
        "top 'big'",
    ),
}


@pytest.mark.parametrize("case", HUGE)
def test_a_blob_that_caffe_cannot_hold_is_refused_before_memory_is_taken(case: str) -> None:
    text, named = HUGE[case]
    first = data(1, 3, 10**8, 10**8, name="x") if case == "input" else data(2, 3, 5, 5)
    with pytest.raises(BadInput, match=rf"^net\.prototxt: .*{named}.*at most 2147483647 numbers"):
        build(parse_net(first + text), source="net.prototxt", device="cpu", seed=0)


def test_a_forward_pass_refuses_an_input_that_makes_such_a_blob() -> None:
    tiled = layer("big", "Tile", "data", "tile_param { tiles: 1000000000 }")
    net = build(parse_net(data(1, 2) + tiled), source="net.prototxt", device="cpu")
    with pytest.raises(BadInput, match=r"top 'big': found shape .* at most 2147483647 numbers"):
        net.forward(data=[[0.0, 0.0, 0.0]])
    assert Graph(parse_net(data(1, 1) + layer("t", "Tile", "data", "tile_param { tiles: 2147483647 }"))).shapes()
