"""Looking twice: on a net whose maps are known by construction, and against the steps done one by one."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.attention import think_twice as module
from thinktwice.attention.attend import attend
from thinktwice.attention.think_twice import Glance, think_twice
from thinktwice.attention.two_stage import two_stage
from thinktwice.errors import BadInput
from thinktwice.executor.net import Net

from ..nets import data, layer, make, relu

SIDE = 8
# Class -> where its template is not 0: x0, y0, x1, y1 in the net's input. A linear net's gradient is its template.
TEMPLATES = {0: (4, 2, 8, 6), 1: (0, 0, 2, 8), 2: (0, 0, 8, 8), 3: (3, 7, 4, 8), 4: (1, 1, 3, 5), 5: (6, 6, 7, 7)}
IMAGE = np.random.default_rng(5).integers(
    0, 256, (80, 160, 3), np.uint8
)  # 10 rows and 20 columns for each of the input's


@pytest.fixture(scope="module")
def linear() -> Net:
    weights = np.zeros((6, 3, SIDE, SIDE))
    rng = np.random.default_rng(0)
    for index, (x0, y0, x1, y1) in TEMPLATES.items():
        weights[index, :, y0:y1, x0:x1] = rng.choice([-1, 1], (3, y1 - y0, x1 - x0)) / 100
    text = data(1, 3, SIDE, SIDE) + layer("fc", "InnerProduct", "data", "inner_product_param { num_output: 6 }")
    return make(text, {"fc": [weights.reshape(6, -1), np.zeros(6)]})


@pytest.fixture(scope="module")
def deep() -> Net:
    rng = np.random.default_rng(1)
    text = (
        data(1, 3, SIDE, SIDE)
        + layer("conv", "Convolution", "data", "convolution_param { num_output: 7 kernel_size: 3 pad: 1 }")
        + relu("conv")
        + layer("pool", "Pooling", "conv", "pooling_param { kernel_size: 2 stride: 2 }")
        + layer("fc", "InnerProduct", "pool", "inner_product_param { num_output: 9 }")
        + layer("prob", "Softmax", "fc")
    )
    shapes = {"conv": [(7, 3, 3, 3), (7,)], "fc": [(9, 7 * 16), (9,)]}
    return make(text, {name: [rng.normal(0, 0.3, shape) for shape in own] for name, own in shapes.items()})


def prepare(picture: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) at the input's size, the nearest pixel of each place: (3, 8, 8)."""
    rows, columns = (((np.arange(SIDE) + 0.5) * size / SIDE).astype(int) for size in picture.shape[:2])
    return picture[rows][:, columns].transpose(2, 0, 1) / 64.0


def softmax(scores):
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def best(net: Net, picture: np.ndarray, top: int) -> list[tuple[int, float]]:
    """Classes and confidences of one picture, the net run for it alone."""
    scores = net.forward(data=prepare(picture)[None])["fc"][0]
    return sorted(enumerate(softmax(scores).tolist()), key=lambda pair: (-pair[1], pair[0]))[:top]


# --- the two glances ----------------------------------------------------------------------------------------


def test_boxes_are_the_templates_in_the_pixels_of_the_image(linear):
    thought = think_twice(linear, IMAGE, prepare, "gradient", top=6, fraction=1.0)
    assert sorted(thought.first.classes) == list(TEMPLATES)
    for index, box in zip(thought.first.classes.tolist(), thought.boxes.tolist(), strict=True):
        x0, y0, x1, y1 = TEMPLATES[index]
        assert box == [20 * x0, 10 * y0, 20 * x1, 10 * y1]


@pytest.mark.parametrize("merge", ["max", "sum"])
@pytest.mark.parametrize("top", [1, 3, 5])
def test_the_answer_is_that_of_the_steps_done_one_by_one(linear, merge, top):
    thought = think_twice(linear, IMAGE, prepare, "gradient", top=top, fraction=1.0, merge=merge)
    first = best(linear, IMAGE, top)
    assert thought.first.classes.tolist() == [index for index, _ in first]
    pairs = []
    for number, (index, _) in enumerate(first):
        x0, y0, x1, y1 = TEMPLATES[index]
        seen = best(linear, IMAGE[10 * y0 : 10 * y1, 20 * x0 : 20 * x1], top)
        assert thought.crops.classes[number].tolist() == [index for index, _ in seen]
        assert np.allclose(thought.crops.confidences[number], [value for _, value in seen], rtol=1e-12)
        pairs += seen
    assert len(pairs) == top * top
    values = {index: [value for other, value in pairs if other == index] for index, _ in pairs}
    merged = {index: max(own) if merge == "max" else sum(own) for index, own in values.items()}
    ranked = sorted(merged, key=lambda index: -merged[index])[:top]
    assert thought.final.classes.tolist() == ranked
    assert np.allclose(thought.final.confidences, [merged[index] for index in ranked], rtol=1e-12)


@pytest.mark.parametrize("method", ["gradient", "mwp", "feedback"])
def test_any_method_will_do_and_boxes_lie_in_the_image(deep, method):
    thought = think_twice(deep, IMAGE[:, :33], prepare, method)
    assert thought.boxes.shape == (5, 4)
    assert (thought.boxes[:, :2] >= 0).all()
    assert (thought.boxes[:, 2:] <= [33, 80]).all()
    assert (thought.boxes[:, 2:] > thought.boxes[:, :2]).all()
    assert len(set(thought.final.classes.tolist())) == 5
    assert (np.diff(thought.final.confidences) <= 0).all()


def test_options_reach_the_method(deep):
    by_sum = think_twice(deep, IMAGE, prepare, "gradient", fraction=0.3, options={"reduce": "sum_abs"})
    by_max = think_twice(deep, IMAGE, prepare, "gradient", fraction=0.3)
    assert by_sum.boxes.tolist() != by_max.boxes.tolist()


def test_crops_share_one_pass_and_the_picture_is_prepared_once(deep, monkeypatch):
    batches, prepared, run = [], [], module.probabilities_of
    monkeypatch.setattr(module, "probabilities_of", lambda net, x, blob: batches.append(len(x)) or run(net, x, blob))
    thought = think_twice(
        deep, IMAGE, lambda picture: prepared.append(picture.shape[:2]) or prepare(picture), "gradient"
    )
    assert batches == [1, 5]
    assert prepared == [(80, 160)] + [(y1 - y0, x1 - x0) for x0, y0, x1, y1 in thought.boxes.tolist()]


def test_where_there_are_fewer_classes_all_are_looked_at(linear):
    thought = think_twice(linear, IMAGE, prepare, "gradient", top=50)
    assert thought.boxes.shape == (6, 4)
    assert thought.crops.classes.shape == (6, 6)
    assert sorted(thought.final.classes.tolist()) == list(TEMPLATES)


def test_a_picture_of_one_pixel_is_its_own_crop(deep):
    thought = think_twice(deep, IMAGE[:1, :1], prepare, "gradient")
    assert thought.boxes.tolist() == [[0, 0, 1, 1]] * 5
    assert thought.final.classes.tolist() == thought.first.classes.tolist()


# --- how classes that several crops name are merged ------------------------------------------------------------

CROPS = Glance(
    np.array([[7, 2, 5], [7, 9, 2], [2, 7, 4]]), np.array([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1], [0.55, 0.4, 0.05]])
)


@pytest.mark.parametrize(
    ("merge", "classes", "confidences"),
    [("max", [7, 2, 9], [0.6, 0.55, 0.3]), ("sum", [7, 2, 9], [1.5, 0.95, 0.3])],
)
def test_a_class_counts_once(merge, classes, confidences):
    final = module._merged(CROPS, merge, 3)
    assert final.classes.tolist() == classes
    assert final.confidences == pytest.approx(confidences)


def test_the_sum_may_rank_otherwise_than_the_maximum():
    crops = Glance(np.array([[1, 2], [3, 2]]), np.array([[0.6, 0.4], [0.55, 0.45]]))
    assert module._merged(crops, "max", 2).classes.tolist() == [1, 3]
    assert module._merged(crops, "sum", 2).classes.tolist() == [2, 1]


def test_equals_stand_in_the_order_of_their_indices():
    crops = Glance(np.array([[8, 3], [5, 1]]), np.array([[0.5, 0.25], [0.5, 0.25]]))
    assert module._merged(crops, "max", 3).classes.tolist() == [5, 8, 1]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"merge": "maximum"}, "expected one of ['max', 'sum']; the nearest known name is 'max'"),
        ({"top": 0}, "top: found 0"),
        ({"method": "gradiant"}, "the nearest known name is 'gradient'"),
        ({"fraction": 2}, "found the fraction 2"),
        ({"options": {"reduse": "sum"}}, "the nearest known name is 'reduce'"),
    ],
)
def test_bad_settings_are_told(linear, settings, told):
    with pytest.raises(BadInput) as error:
        think_twice(linear, IMAGE, prepare, **{"method": "gradient", **settings})
    assert told in str(error.value)


# --- two stages ---------------------------------------------------------------------------------------------


def test_the_second_box_lies_in_the_first_as_the_template_in_the_input(linear):
    found = two_stage(linear, IMAGE, [0, 1, 2], prepare, ("gradient", "gradient"), fraction=1.0)
    assert found.first.tolist() == [[80, 20, 160, 60], [0, 0, 40, 80], [0, 0, 160, 80]]
    assert found.boxes.tolist() == [[120, 30, 160, 50], [0, 0, 10, 80], [0, 0, 160, 80]]


def test_a_box_in_a_crop_is_not_rounded(linear):
    """70 pixels high, 8 rows: the first box is rounded outwards to pixels, the second one stays as it is."""
    found = two_stage(linear, IMAGE[:70], [0], prepare, ("gradient", "gradient"), fraction=1.0)
    assert found.first.tolist() == [[80, 17, 160, 53]]  # 17.5 to 52.5
    assert found.boxes.tolist() == [[120, 17 + 36 * 2 / 8, 160, 17 + 36 * 6 / 8]]


def test_each_stage_has_its_method_and_targets_are_independent(deep):
    together = two_stage(
        deep, IMAGE, [3, 0, 8], prepare, ("mwp", "gradient"), fraction=0.6, options=({}, {"reduce": "sum_abs"})
    )
    for number, target in enumerate([3, 0, 8]):
        rough = attend(deep, prepare(IMAGE), target, "mwp").resized(SIDE, SIDE)[0, 0]
        assert np.allclose(together.first_maps[number], rough)
        x0, y0, x1, y1 = together.first[number]
        precise = attend(deep, prepare(IMAGE[y0:y1, x0:x1]), target, "gradient", reduce="sum_abs").map[0, 0]
        assert np.allclose(together.maps[number], precise)
        left, top, right, bottom = together.boxes[number]
        assert x0 <= left < right <= x1
        assert y0 <= top < bottom <= y1


def test_the_paper_s_own_methods_are_the_default(deep):
    found = two_stage(deep, IMAGE, [2], prepare)
    expected = two_stage(deep, IMAGE, [2], prepare, ("summation", "fsp-fr"), fraction=0.99, power=1)
    assert np.array_equal(found.boxes, expected.boxes)
    assert found.boxes.shape == (1, 4)
