"""``tt.attend``: shapes, targets, priors, places, errors in one line; and maps resized against Pillow and definitions."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

import thinktwice as tt
from thinktwice.attention.maps import over_channels, resize
from thinktwice.attention.method import Question
from thinktwice.attention.methods import METHODS
from thinktwice.attention.places import excitation_blob
from thinktwice.attention.targets import prior, score_blob
from thinktwice.caffe_models.definition import parse_net
from thinktwice.executor.load import build

from ..nets import data, layer, make, relu
from ..oracles import resizing
from ..oracles import small_net as oracle

NET = make(oracle.PROTOTXT, oracle.random_weights(0))
X = np.random.default_rng(0).normal(size=(2, 2, 5, 6))
NETS = {method: make(*oracle.definition(method, 0)) for method in METHODS}
NAMES = sorted(METHODS)
OPTIONS = {"gp": {"rank_weight": 5.0}}  # at its default maps of so small a net are empty


# -- shapes and targets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", NAMES)
def test_several_targets_are_one_after_another(method: str) -> None:
    net, options = NETS[method], OPTIONS.get(method, {})
    together = tt.attend(net, X, [3, 0, 3], method, **options)
    assert together.map.shape[:2] == (2, 3) == together.targets.shape == together.scores.shape
    for k, target in enumerate([3, 0, 3]):
        alone = tt.attend(net, X, target, method, **options)
        assert alone.map.shape[:2] == (2, 1)
        np.testing.assert_allclose(together.map[:, k], alone.map[:, 0], rtol=1e-12, atol=1e-15)
    assert np.array_equal(together.map[:, 0], together.map[:, 2])
    assert not np.array_equal(together.map[:, 0], together.map[:, 1])


@pytest.mark.parametrize("method", NAMES)
def test_images_have_targets_of_their_own(method: str) -> None:
    targets = np.array([[1, 2, 0], [3, 1, 1]])
    found = tt.attend(NETS[method], X, targets, method)
    for n, row in enumerate(targets):
        alone = tt.attend(NETS[method], X[n], row, method)
        assert alone.map.shape[:2] == (1, 3)
        np.testing.assert_allclose(found.map[n], alone.map[0], rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(found.scores[n], alone.scores[0], rtol=1e-12)
    assert np.array_equal(found.targets, targets)


def test_the_answer_tells_how_it_was_made() -> None:
    found = tt.attend(NET, X, [1, 2], "mwp", at="conv1", reduce="positive_sum")
    assert (found.at, found.map.shape) == ("conv1", (2, 2, 5, 6))
    meta = json.loads(json.dumps(found.meta))
    assert meta["options"] == METHODS["mwp"].checked({"reduce": "positive_sum"})
    assert (meta["net"], meta["score"], meta["at"], meta["input"]) == ("oracle", "fc", "conv1", [2, 2, 5, 6])
    assert meta["targets"] == [[1, 2], [1, 2]]
    np.testing.assert_allclose(found.scores, NET.forward(data=X)["fc"][:, [1, 2]])


@pytest.mark.parametrize(("how", "reduced"), [
    ("max_abs", lambda s: abs(s).max(1)), ("sum_abs", lambda s: abs(s).sum(1)), ("sum", lambda s: s.sum(1)),
    ("positive_sum", lambda s: np.maximum(s.sum(1), 0)),
])  # fmt: skip
def test_reductions(how: str, reduced: Any) -> None:
    trace = NET.forward(data=X)
    signal = NET.backward(trace, {"fc": np.eye(4)[[2, 2]]})["data"]
    np.testing.assert_allclose(tt.attend(NET, X, 2, "gradient", reduce=how).map[:, 0], reduced(signal))


def test_the_score_may_be_another_blob() -> None:
    found = tt.attend(NET, X, 1, "gradient", score="pool1")
    weights = np.zeros((2, 3, 3, 3))
    values = NET.forward(data=X)["pool1"][:, 1].reshape(2, -1)
    weights[:, 1] = (np.exp(values) / np.exp(values).sum(1, keepdims=True)).reshape(2, 3, 3)
    signal = NET.backward(NET.forward(data=X), {"pool1": weights})["data"]
    np.testing.assert_allclose(found.map[:, 0], abs(signal).max(1), rtol=1e-12)
    np.testing.assert_allclose(found.scores[:, 0], values.max(1))


# -- the prior --------------------------------------------------------------------------------------------------------


def test_the_prior_is_one_at_a_single_score() -> None:
    found = prior(np.array([[5.0, -1, 700], [2, 3, 1000]]), np.array([[2, 0], [1, 1]]))
    assert found.tolist() == [[[0, 0, 1], [0, 1, 0]], [[1, 0, 0], [0, 1, 0]]]


@pytest.mark.filterwarnings("error")
def test_positions_share_the_prior_by_softmax_of_the_classs_own_scores() -> None:
    scores = np.random.default_rng(1).normal(size=(2, 3, 4, 5))
    scores[1, 2] += 1e4  # exp of this is no number: the softmax must be stable
    targets = np.array([[0, 2], [2, 1]])
    found = prior(scores, targets)
    assert found.shape == (2, 2, 3, 4, 5)
    for n, row in enumerate(targets):
        for k, target in enumerate(row):
            own = np.exp(scores[n, target] - scores[n, target].max())
            np.testing.assert_allclose(found[k, n, target], own / own.sum(), rtol=1e-13)
            assert found[k, n].sum() == pytest.approx(1, rel=1e-13)
            assert not np.delete(found[k, n], target, 0).any()


def fully_convolutional(prob: str = "") -> str:
    return (
        data(1, 2, 6, 7)
        + layer("conv", "Convolution", "data", "convolution_param { num_output: 4 kernel_size: 3 }") + relu("conv")
        + layer("score", "Convolution", "conv", "convolution_param { num_output: 3 kernel_size: 2 }") + prob
    )  # fmt: skip


def random(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    return [rng.normal(size=shape) for shape in shapes]


def test_a_map_of_scores_is_explained_by_its_positions_together() -> None:
    net = make(fully_convolutional(), {"conv": random((4, 2, 3, 3), (4,)), "score": random((3, 4, 2, 2), (3,))})
    x = np.random.default_rng(3).normal(size=(2, 2, 6, 7))
    found = tt.attend(net, x, [0, 2], "mwp", at="conv")
    trace = net.forward(data=x)
    for k, target in enumerate([0, 2]):
        signal = np.zeros((2, 3, 3, 4))
        own = np.exp(trace["score"][:, target])
        signal[:, target] = own / own.sum((1, 2), keepdims=True)
        mass = net.backward(trace, {"score": signal}, "excitation")["conv"]
        np.testing.assert_allclose(found.map[:, k], mass.sum(1), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.scores, trace["score"].max((2, 3))[:, [0, 2]])


@pytest.mark.parametrize("above", ["Softmax", "Sigmoid"])
def test_walks_start_below_what_makes_probabilities(above: str) -> None:
    net = make(
        fully_convolutional(layer("prob", above, "score")),
        {"conv": random((4, 2, 3, 3), (4,)), "score": random((3, 4, 2, 2), (3,))},
    )
    assert score_blob(net) == "score"


@pytest.mark.parametrize("above", ["Softmax", "Sigmoid"])
def test_scores_that_are_overwritten_are_no_scores(above: str) -> None:
    net = make(
        fully_convolutional(layer("prob", above, "score", top="score")),
        {"conv": random((4, 2, 3, 3), (4,)), "score": random((3, 4, 2, 2), (3,))},
    )
    with pytest.raises(
        tt.BadInput, match="score: found 'score' overwritten in place, expected probabilities and scores in"
    ):
        tt.attend(net, np.ones((1, 2, 6, 7)), 0)


@pytest.mark.parametrize("method", ["gradient", "guided"])
def test_a_map_at_the_image_is_below_what_lies_over_it_in_place(method: str) -> None:
    """A net that scales its input in place: the map belongs to the image as it was given."""
    weights = {"fc": random((3, 18), (3,))}
    end = layer("fc", "InnerProduct", "data", "inner_product_param { num_output: 3 }")
    scale = layer("ten", "Power", "data", "power_param { scale: 10 }", top="data")
    x = np.ones((1, 2, 3, 3))
    bare, scaled = (tt.attend(make(data(1, 2, 3, 3) + text, weights), x, 1, method) for text in (end, scale + end))
    np.testing.assert_allclose(scaled.map, 10 * bare.map, rtol=1e-14)


# -- where maps are read ------------------------------------------------------------------------------------------------


def place(blobs: list[str], below: str = "", pools: str = "pool") -> str:
    """The default blob in a chain of layers of these names, image 64 x 48, and a classifier that reads ``below``.

    What is named ``pools`` halves the image.
    """
    text, bottom = data(1, 1, 64, 48), "data"
    for blob in blobs:
        kind = ("Pooling", "pooling_param { kernel_size: 2 stride: 2 }") if blob.startswith(pools) else ("ReLU",)
        text += layer(blob, kind[0], bottom, *kind[1:])
        bottom = blob
    text += layer("classes", "InnerProduct", below or bottom, "inner_product_param { num_output: 2 }")
    net = build(parse_net(text), device="cpu", seed=0)
    return excitation_blob(Question(net, np.zeros((1, 1, 64, 48)), np.zeros((1, 1), int), "classes", None, {}))


def test_the_authors_own_places() -> None:
    assert place(["pool2/3x3_s2", "pool3/3x3_s2", "inception_5b/output"]) == "pool2/3x3_s2"
    assert place(["pool3", "pool4", "conv5_3", "pool5"]) == "pool4"
    assert place(["conv4", "conv5", "pool5", "fc6"]) == "conv5"
    assert place(["pool1", "res4a", "res5c"]) == "res4a"


def test_elsewhere_the_last_pooling_that_still_resolves_the_image() -> None:
    assert place(["p1", "c", "p2", "p3", "p4", "d", "p5", "e"], pools="p") == "p4"
    assert place(["a", "b"]) == "b"
    assert place([]) == "data"
    assert place(["pool1", "top", "pool2", "tip"], below="top") == "pool1"


def test_a_name_of_the_authors_without_its_witness_is_no_net_of_theirs() -> None:
    assert place(["pool4", "pool1", "x"]) == "pool1"
    assert place(["pool1", "res4a", "x"]) == "pool1"


def test_a_pooling_that_is_one_of_several_branches_is_passed_over() -> None:
    """As in an inception module, or beside a shortcut: what goes past it would be missing from the map."""
    pooling = "pooling_param { kernel_size: 3 stride: 1 pad: 1 }"
    text = data(1, 1, 64, 48) + layer("pool1", "Pooling", "data", "pooling_param { kernel_size: 2 stride: 2 }")
    text += layer("branch", "ReLU", "pool1") + layer("pool", "Pooling", "pool1", pooling)
    text += 'layer { name: "both" type: "Concat" bottom: "branch" bottom: "pool" top: "both" }'
    text += layer("classes", "InnerProduct", "both", "inner_product_param { num_output: 2 }")
    net = build(parse_net(text), device="cpu", seed=0)
    question = Question(net, np.zeros((1, 1, 64, 48)), np.zeros((1, 1), int), "classes", None, {})
    assert excitation_blob(question) == "pool1"


def test_methods_choose_their_places() -> None:
    assert {method: tt.attend(NET, X, 0, method).at for method in ("gradient", "guided", "mwp", "c-mwp")} == {
        "gradient": "data", "guided": "data", "mwp": "pool1", "c-mwp": "pool1",
    }  # fmt: skip


# -- bad input ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "c-mvp"}, r"method: found 'c-mvp', expected one of .*nearest known name is 'c-mwp'"),
        ({"method": "mwp", "reduc": "sum"}, r"method 'mwp': found option 'reduc'.*nearest known name is 'reduce'"),
        ({"method": "mwp", "reduce": "mean"}, r"method 'mwp': option reduce: found 'mean', expected one of"),
        ({"at": "pool2"}, r"blob: found 'pool2', expected a blob of this net; the nearest known name is 'pool1'"),
        ({"score": "fd"}, r"blob: found 'fd', expected a blob of this net; the nearest known name is 'fc'"),
        ({"at": "fc"}, r"at: found 'fc', expected a blob below the classifier 'fc'"),
        ({"at": "prob", "method": "mwp"}, r"blob 'prob': found no signal in this walk"),
        ({"at": "fc", "method": "mwp"}, r"at: found blob 'fc' of shape \(2, 4\), expected one with 4 axes"),
        ({"target": 4}, r"target: found class 4, expected 0 to 3"),
        ({"target": -1}, r"target: found class -1, expected 0 to 3"),
        ({"target": 1.0}, r"target: found 1.0, expected a class index"),
        ({"target": True}, r"target: found True, expected a class index"),
        ({"target": []}, r"target: found \[\], expected a class index"),
        ({"target": [[1, 2], [3]]}, r"target: found \[\[1, 2\], \[3\]\], expected a class index"),
        ({"target": [[1], [2], [3]]}, r"target: found 3 rows, expected one for each of 2 images"),
        ({"image": np.zeros((5, 6))}, r"image: found an array of shape \(5, 6\), expected \(N, C, H, W\) or \(C, H, W\)"),
        ({"image": np.zeros((1, 3, 5, 6))}, r"layer 'conv1' .*found a bottom of shape \(1, 3, 5, 6\)"),
        ({"image": np.zeros((1, 2, 9, 6))}, r"layer 'fc' .*found a bottom of shape \(1, 5, 4, 2\)"),
        ({"image": "cat.jpg"}, r"blob 'data': found str, expected numbers"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(tt.BadInput, match=message) as raised:
        tt.attend(NET, **{"image": X, "target": 0, **arguments})
    assert "\n" not in str(raised.value)


def test_unknown_reductions_and_interpolations_are_refused() -> None:
    with pytest.raises(tt.BadInput, match="reduce: found 'mean', expected one of"):
        over_channels(X, "mean")
    with pytest.raises(tt.BadInput, match="interpolation: found 'lanczos', expected one of"):
        resize(X, 8, 8, "lanczos")


# -- resizing -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(28, 35), (23, 31), (7, 90)])
def test_bicubic_is_pillows_inside_and_never_leaves_the_range(height: int, width: int) -> None:
    """Pillow normalises its weights at the border and does not clip: so compare where four pixels are there, and clip."""
    maps = np.random.default_rng(0).uniform(size=(2, 3, 7, 9)).astype(np.float32)
    found = resize(maps, height, width)
    assert found.shape == (2, 3, height, width)
    assert found.dtype == np.float32
    rows, columns = interior(7, height), interior(9, width)
    assert rows.any() and columns.any()
    for index in np.ndindex(2, 3):
        own = maps[index]
        pillow = np.asarray(Image.fromarray(own, mode="F").resize((width, height), Image.Resampling.BICUBIC))
        expected = np.clip(pillow, own.min(), own.max())
        np.testing.assert_allclose(found[index][np.ix_(rows, columns)], expected[np.ix_(rows, columns)], atol=2e-6)
        assert own.min() <= found[index].min() <= found[index].max() <= own.max()


def interior(length: int, size: int) -> np.ndarray:
    """Which of ``size`` pixels have two source pixels to each side of their centre."""
    centre = (np.arange(size) + 0.5) * length / size - 0.5
    return (np.floor(centre) >= 1) & (np.floor(centre) + 2 <= length - 1)


def test_bicubic_clips_an_overshoot_to_a_plateau() -> None:
    step = np.repeat(np.array([[0.0, 0, 0, 1, 1, 1]]), 6, 0)
    found = resize(step, 24, 24)
    assert (found.min(), found.max()) == (0, 1)
    assert (found == 1).sum() > 24 * 9, "overshoot is cut off, not scaled away"


@pytest.mark.parametrize("size", [(28, 35), (13, 17), (7, 9), (3, 4), (1, 1)])
def test_interpolations_are_their_definitions(size: tuple[int, int]) -> None:
    plane = np.random.default_rng(0).normal(size=(7, 9))
    np.testing.assert_allclose(resize(plane, *size), resizing.bicubic(plane, *size), rtol=0, atol=1e-13)
    np.testing.assert_allclose(resize(plane, *size, "bilinear"), resizing.bilinear(plane, *size), rtol=0, atol=1e-13)
    assert np.array_equal(resize(plane, *size, "nearest"), resizing.nearest(plane, *size))


@pytest.mark.parametrize("how", ["bicubic", "bilinear", "nearest"])
def test_the_same_size_and_constant_maps_stay_as_they_are(how: str) -> None:
    plane = np.random.default_rng(0).normal(size=(2, 7, 9)).astype(np.float32)
    assert np.array_equal(resize(plane, 7, 9, how), plane)
    np.testing.assert_allclose(resize(np.full((3, 4), 0.1), 11, 13, how), 0.1, rtol=1e-14)
    assert resize(np.ones((1, 1)), 5, 3, how).tolist() == np.ones((5, 3)).tolist()


def test_an_attention_is_resized_map_by_map() -> None:
    found = tt.attend(NET, X, [0, 1, 2], "mwp")
    resized = found.resized(20, 24)
    assert resized.shape == (2, 3, 20, 24)
    assert np.array_equal(resized[1, 2], resize(found.map[1, 2], 20, 24))
