"""Losses and accuracy: what is counted, what is ignored, and what the sum is divided by."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.errors import BadInput

from . import bench

HALF = [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]  # four images, two classes, all undecided: each costs log 2
LOG2 = float(np.log(2))


def loss(type_name: str, options: str, *bottoms: object) -> float:
    layer = bench.make(type_name, options, 2)
    (top,) = bench.forward(layer, bottoms)
    assert layer.is_loss and isinstance(top, np.ndarray) and top.shape == ()
    return float(top)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", 1), ("loss_param { ignore_label: 1 }", 1), ("loss_param { ignore_label: 1 normalization: FULL }", 0.25),
        ("loss_param { ignore_label: 1 normalization: NONE }", 1), ("loss_param { normalization: NONE }", 4),
        ("loss_param { ignore_label: 0 normalization: VALID }", 1),
        ("loss_param { normalize: true ignore_label: 0 }", 1),
        ("loss_param { normalize: false ignore_label: 0 }", 0.75),
        ("loss_param { normalize: false normalization: VALID ignore_label: 0 }", 1), ("loss_weight: 7", 1),
    ],
)  # fmt: skip
def test_softmax_loss_divides_by_what_its_options_say(options: str, expected: float) -> None:
    assert loss("SoftmaxWithLoss", options, HALF, [0, 1, 1, 1]) == pytest.approx(expected * LOG2)


def test_softmax_loss_by_batch_size_counts_images_and_full_counts_places() -> None:
    scores, labels = np.zeros((2, 2, 3)), np.zeros((2, 3))
    for mode, expected in ("BATCH_SIZE", 3), ("FULL", 1):
        found = loss("SoftmaxWithLoss", f"loss_param {{ normalization: {mode} }}", scores, labels)
        assert found == pytest.approx(expected * LOG2)


@pytest.mark.filterwarnings("error")
def test_softmax_loss_of_nothing_valid_is_zero_and_not_nan() -> None:
    layer = bench.make("SoftmaxWithLoss", "loss_param { ignore_label: 1 }", 2)
    assert bench.forward(layer, [HALF, [1, 1, 1, 1]])[0] == 0
    assert not bench.gradient(layer, [HALF, [1, 1, 1, 1]], [[1]])[0].any()


@pytest.mark.filterwarnings("error")
def test_softmax_loss_stops_at_the_least_positive_float() -> None:
    assert loss("SoftmaxWithLoss", "", [[0.0, 1000.0]], [0]) == pytest.approx(87.3365447505531)


def test_softmax_loss_gradient_is_probability_minus_one_hot() -> None:
    layer = bench.make("SoftmaxWithLoss", "loss_param { ignore_label: 9 }", 2)
    to_scores, to_labels = bench.gradient(layer, [HALF[:3], [0, 1, 9]], [[2, 4]])
    assert to_labels is None
    assert to_scores.tolist() == [[[-0.5, 0.5], [0.5, -0.5], [0, 0]], [[-1, 1], [1, -1], [0, 0]]]


def test_softmax_loss_gives_probabilities_at_a_second_top_where_signals_are_lost() -> None:
    layer = bench.make("SoftmaxWithLoss", "softmax_param { axis: -1 }", 2, 2)
    tops = bench.forward(layer, [[[[0, np.log(3)]]], [[1]]])
    np.testing.assert_allclose(tops[1], [[[0.25, 0.75]]])
    assert not bench.gradient(layer, [[[[0, np.log(3)]]], [[1]]], [[0.0], np.ones((1, 1, 1, 2))])[0].any()


def test_a_label_is_cut_to_an_integer_and_must_be_a_class() -> None:
    assert loss("SoftmaxWithLoss", "", [[0, np.log(3)]], [1.9]) == pytest.approx(np.log(4 / 3))
    for label in (2, -1):
        with pytest.raises(BadInput, match=rf"bottom 'b1': found label {label}, expected 0 to 1"):
            loss("SoftmaxWithLoss", "", [[0.0, 0.0]], [label])
    with pytest.raises(BadInput, match="bottom 'b1': found label 255, expected 0 to 1"):
        loss("SoftmaxWithLoss", "loss_param { ignore_label: -1 }", [[0.0, 0.0]], [255])


def test_softmax_loss_ignores_a_label_that_is_no_class() -> None:
    assert loss("SoftmaxWithLoss", "loss_param { ignore_label: 255 }", HALF[:2], [255, 1]) == pytest.approx(LOG2)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", 2), ("loss_param { normalization: FULL }", 1), ("loss_param { normalization: NONE }", 4),
        ("loss_param { ignore_label: -1 }", 1.5), ("loss_param { ignore_label: -1 normalization: VALID }", 1),
        ("loss_param { normalize: true ignore_label: -1 }", 1), ("loss_param { normalize: false }", 2),
    ],
)  # fmt: skip
def test_sigmoid_loss_divides_by_images_unless_told(options: str, expected: float) -> None:
    targets = [[0, 1], [1, -1 if "ignore" in options else 1]]
    assert loss("SigmoidCrossEntropyLoss", options, np.zeros((2, 2)), targets) == pytest.approx(expected * LOG2)


@pytest.mark.filterwarnings("error")
def test_sigmoid_loss_is_stable_far_out_and_takes_soft_targets() -> None:
    assert loss("SigmoidCrossEntropyLoss", "", [[1000.0, -1000.0]], [[1.0, 0.0]]) == 0
    assert loss("SigmoidCrossEntropyLoss", "", [[1000.0, -1000.0]], [[0.0, 1.0]]) == 2000
    assert loss("SigmoidCrossEntropyLoss", "", [[0.0]], [[0.3]]) == pytest.approx(LOG2)


def test_sigmoid_loss_cuts_targets_to_integers_to_find_the_ignored() -> None:
    options = "loss_param { ignore_label: 0 }"
    assert loss("SigmoidCrossEntropyLoss", options, [[0.0, 0.0]], [[0.7, 1.0]]) == pytest.approx(LOG2)


def test_euclidean_loss_halves_the_squares_per_image() -> None:
    bottoms = [[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]]
    assert loss("EuclideanLoss", "", *bottoms) == 7.5
    to_a, to_b = bench.gradient(bench.make("EuclideanLoss", "", 2), bottoms, [[1, 2]])
    assert to_a.tolist() == [[[0.5, 1], [1.5, 2]], [[1, 2], [3, 4]]]
    assert to_b.tolist() == (-to_a).tolist()


def test_a_loss_may_name_no_top() -> None:
    for type_name in ("SoftmaxWithLoss", "SigmoidCrossEntropyLoss", "EuclideanLoss"):
        assert bench.make(type_name, bottoms=2, tops=0).top_shapes([(2, 1), (2, 1)]) == []
        assert bench.forward(bench.make(type_name, bottoms=2, tops=0), [[[1.0], [2.0]], [[0.0], [0.0]]]) == []


SCORES = [[3.0, 1.0, 2.0], [1.0, 1.0, 0.0], [0.0, 5.0, 9.0], [4.0, 6.0, 5.0]]


@pytest.mark.parametrize(
    ("options", "labels", "expected"),
    [
        ("", [0, 2, 2, 0], 0.5), ("", [0, 0, 2, 0], 0.5), ("accuracy_param { top_k: 2 }", [2, 0, 1, 0], 0.75),
        ("accuracy_param { ignore_label: 0 }", [0, 2, 2, 0], 0.5), ("accuracy_param { ignore_label: 7 }", [7] * 4, 0),
        ("accuracy_param { top_k: 3 }", [2, 2, 0, 0], 1),
    ],
)  # fmt: skip
def test_accuracy_counts_a_tie_for_the_last_place_as_wrong(options: str, labels: list[int], expected: float) -> None:
    (top,) = bench.forward(bench.make("Accuracy", options, 2), [SCORES, labels])
    assert isinstance(top, np.ndarray) and top.shape == () and top == expected


@pytest.mark.filterwarnings("error")
def test_accuracy_per_class_at_a_second_top() -> None:
    layer = bench.make("Accuracy", "accuracy_param { ignore_label: 1 }", 2, 2)
    overall, per_class = bench.forward(layer, [SCORES, [0, 1, 2, 0]])
    assert overall == pytest.approx(2 / 3)
    assert per_class.tolist() == [0.5, 0, 1]


def test_accuracy_classifies_every_place_around_its_axis() -> None:
    scores = np.array([[[1, 9], [2, 8], [3, 7]]])  # (1, 3, 2)
    assert bench.forward(bench.make("Accuracy", "", 2), [scores, [[2, 1]]])[0] == 0.5
    last = bench.make("Accuracy", "accuracy_param { axis: -1 }", 2)
    assert bench.forward(last, [scores, [[1, 1, 0]]])[0] == pytest.approx(2 / 3)
    assert not last.differentiable


@pytest.mark.parametrize(
    ("type_name", "options", "bottoms", "message"),
    [
        ("SoftmaxWithLoss", "", [(2, 3), (3,)], "found shapes (2, 3) and (3,), expected the same number of images"),
        ("SoftmaxWithLoss", "", [(2, 3, 4), (2, 3)], "found 6 labels, expected 8, one per place to classify"),
        ("SoftmaxWithLoss", "softmax_param { axis: 3 }", [(2, 3), (2,)], "softmax_param.axis: found 3"),
        ("SigmoidCrossEntropyLoss", "", [(2, 3), (2, 4)], "found shapes (2, 3) and (2, 4), expected as many targets"),
        ("EuclideanLoss", "", [(2, 3), (2, 4)], "found shapes (2, 3) and (2, 4), expected as many numbers per image"),
        ("EuclideanLoss", "", [(2, 3), (1, 3)], "expected the same number of images"),
        ("Accuracy", "", [(2, 3), (3,)], "found 3 labels, expected 2"),
        ("Accuracy", "accuracy_param { top_k: 4 }", [(2, 3), (2,)], "found 4, expected at most 3, the number of"),
    ],
)
def test_bottoms_that_do_not_fit_are_refused(
    type_name: str, options: str, bottoms: list[tuple[int, ...]], message: str
) -> None:
    with pytest.raises(BadInput) as refusal:
        bench.make(type_name, options, 2).top_shapes(bottoms)
    assert message in str(refusal.value)


@pytest.mark.parametrize("type_name", ["Data", "ImageData", "HDF5Data", "MemoryData", "DummyData", "WindowData"])
def test_data_layers_are_known_and_refused(type_name: str) -> None:
    with pytest.raises(BadInput) as refusal:
        bench.make(type_name, "", 0, 2, "train.prototxt")
    assert str(refusal.value) == (
        f"train.prototxt: layer 'l' ({type_name}): type: found {type_name}, which reads its own data, "
        "expected an Input: the deploy view of the net turns data layers into inputs"
    )
