"""Boxes: hand-made maps with literal answers, a slow oracle, and what must hold for any map."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thinktwice.attention.box_rule import box_rule
from thinktwice.attention.boxes import (
    area,
    crop,
    energy_box,
    energy_mask,
    iou,
    mean_box,
    mean_mask,
    tightest_box,
    to_image,
    whole_pixels,
)
from thinktwice.errors import BadInput

small_maps = arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 7)), elements=st.integers(-2, 9).map(float))


def literal_energy_box(values, fraction, power):
    """The specification, word for word, trying one threshold after the other."""
    energy = [[max(v, 0.0) ** power for v in row] for row in values.tolist()]
    flat = sorted((e for row in energy for e in row), reverse=True)
    total, held = 0.0, []
    for e in flat:
        total += e
        held.append(total)
    threshold = next(e for e, sum_so_far in zip(flat, held, strict=True) if sum_so_far >= fraction * total)
    inside = [(x, y) for y, row in enumerate(energy) for x, e in enumerate(row) if e >= threshold]
    xs, ys = [x for x, _ in inside], [y for _, y in inside]
    return [min(xs), min(ys), max(xs) + 1, max(ys) + 1]


# --- energy -------------------------------------------------------------------------------------------------

SPOT = np.zeros((5, 6))
SPOT[1, 2:4] = [60, 30]
SPOT[3, 2] = 6
SPOT[4, 5] = 4


@pytest.mark.parametrize(
    ("fraction", "power", "expected"),
    [
        (0.5, 1, [2, 1, 3, 2]),  # 60 of 100
        (0.6, 1, [2, 1, 3, 2]),  # exactly reached is reached
        (0.61, 1, [2, 1, 4, 2]),
        (0.95, 1, [2, 1, 4, 4]),  # 60 + 30 + 6
        (0.97, 1, [2, 1, 6, 5]),
        (1.0, 1, [2, 1, 6, 5]),
        (0.95, 2, [2, 1, 4, 2]),  # 3600 + 900 of 4552
        (0.99, 2, [2, 1, 4, 4]),  # and 36
    ],
)
def test_energy_box_of_a_known_map(fraction, power, expected):
    assert energy_box(SPOT, fraction, power).tolist() == expected


def test_all_that_are_as_bright_as_the_last_are_in():
    ties = np.array([[5, 1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]])
    # 5 of 8 are not 0.7 of them, 6 are: the first pixel of 1 is the last one needed, its two equals are in with it.
    assert energy_box(ties, 0.7).tolist() == [0, 0, 4, 3]
    assert energy_box(ties, 0.6).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("values", [np.zeros((4, 7)), -np.ones((4, 7)), np.ones((4, 7))])
def test_a_map_without_energy_or_without_differences_is_whole(values):
    assert energy_box(values).tolist() == [0, 0, 7, 4]


def test_negative_values_hold_no_energy_whatever_the_power():
    values = np.array([[-9.0, 0, 0], [0, 1, 0]])
    assert energy_box(values, 0.95, 1).tolist() == energy_box(values, 0.95, 2).tolist() == [1, 1, 2, 2]


@given(small_maps, st.sampled_from([0.1, 0.5, 0.8, 0.95, 0.99, 1.0]), st.sampled_from([1, 2]))
def test_energy_box_is_the_literal_one(values, fraction, power):
    assert energy_box(values, fraction, power).tolist() == literal_energy_box(values, fraction, power)


@given(arrays(np.float32, (2, 3, 4, 5), elements=st.integers(0, 9).map(float)))
def test_leading_axes_are_maps_of_their_own(values):
    for index in np.ndindex(2, 3):
        assert energy_box(values)[index].tolist() == energy_box(values[index]).tolist()
        assert mean_box(values, 1.5)[index].tolist() == mean_box(values[index], 1.5).tolist()


@given(small_maps, st.sampled_from([0.3, 0.95]), st.integers(-3, 3))
def test_the_scale_of_a_map_does_not_matter(values, fraction, exponent):
    assert np.array_equal(energy_mask(values * 2.0**exponent, fraction), energy_mask(values, fraction))


@given(small_maps, st.sampled_from([1, 2]))
def test_more_energy_never_makes_a_smaller_box(values, power):
    masks = [energy_mask(values, fraction, power) for fraction in (0.2, 0.5, 0.9, 1.0)]
    assert all((less <= more).all() for less, more in pairwise(masks))


# --- mean ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [(0, [2, 1, 6, 5]), (1, [2, 1, 6, 5]), (1.5, [2, 1, 4, 4]), (2, [2, 1, 4, 2]), (9, [2, 1, 3, 2])],
)
def test_mean_box_of_a_known_map(alpha, expected):
    assert mean_box(SPOT, alpha).tolist() == expected  # the mean is 100 / 30


def test_a_pixel_at_the_threshold_is_not_above_it():
    values = np.array([[4.0, 2, 2, 0]])  # mean 2
    assert mean_mask(values, 1).tolist() == [[True, False, False, False]]


@pytest.mark.parametrize(("values", "alpha"), [(np.zeros((3, 4)), 1), (np.ones((3, 4)), 1), (SPOT[:3, :4], 50)])
def test_where_nothing_lies_above_the_whole_is_the_box(values, alpha):
    assert mean_box(values, alpha).tolist() == [0, 0, 4, 3]


# --- boxes --------------------------------------------------------------------------------------------------


def test_tightest_box_is_half_open():
    mask = np.zeros((4, 6), bool)
    mask[1, 2] = mask[2, 4] = True
    assert tightest_box(mask).tolist() == [2, 1, 5, 3]


def test_boxes_scale_by_each_axis_of_its_own():
    boxes = [[0, 0, 224, 224], [112, 56, 113, 57]]
    expected = [[0, 0, 500, 375], [250, 93.75, 250 + 500 / 224, 93.75 + 375 / 224]]
    assert to_image(boxes, (224, 224), (375, 500)).tolist() == pytest.approx(np.array(expected), rel=1e-15)


def test_neighbouring_boxes_stay_neighbours_in_the_image():
    left, right = to_image([[0, 0, 100, 9], [100, 0, 224, 9]], (9, 224), (9, 333))
    assert left[2] == right[0]


def test_whole_pixels_hold_the_box_and_a_hair_adds_none():
    boxes = [[0.2, 1.0, 2.4, 3.0], [1 + 1e-12, 0, 2 + 1e-12, 2], [3.9, 2.9, 4, 3]]
    assert whole_pixels(boxes, (3, 4)).tolist() == [[0, 1, 3, 3], [1, 0, 2, 2], [3, 2, 4, 3]]


@given(st.integers(1, 50), st.integers(1, 9), st.data())
def test_whole_pixels_are_never_empty_and_never_outside(size, pixels, data):
    start = data.draw(st.integers(0, pixels - 1))
    box = [start, 0, data.draw(st.integers(start + 1, pixels)), 1]
    x0, y0, x1, y1 = whole_pixels(to_image(box, (1, pixels), (1, size)), (1, size))
    assert (y0, y1) == (0, 1)
    assert 0 <= x0 < x1 <= size


def test_a_crop_is_what_lies_in_the_box():
    image = np.arange(4 * 5 * 3).reshape(4, 5, 3)
    assert np.array_equal(crop(image, np.array([1, 0, 4, 2])), image[:2, 1:4])


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0, 0, 2, 2], [0, 0, 2, 2], 1),
        ([0, 0, 2, 2], [1, 1, 3, 3], 1 / 7),
        ([0, 0, 2, 2], [2, 0, 4, 2], 0),  # they share an edge, no pixel
        ([0, 0, 4, 4], [1, 1, 3, 3], 1 / 4),
        ([0, 0, 2, 2], [5, 5, 6, 6], 0),
        ([1, 1, 1, 1], [1, 1, 1, 1], 0),
    ],
)
def test_iou(a, b, expected):
    assert iou(a, b) == iou(b, a) == pytest.approx(expected)


def test_iou_counts_pixels_and_broadcasts():
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 5, (6, 2))
    boxes = np.concatenate([starts, starts + rng.integers(1, 5, (6, 2))], 1)
    pixels = [{(x, y) for x in range(x0, x1) for y in range(y0, y1)} for x0, y0, x1, y1 in boxes.tolist()]
    expected = [[len(a & b) / len(a | b) for b in pixels] for a in pixels]
    assert np.allclose(iou(boxes[:, None], boxes[None]), expected, rtol=1e-15)
    assert area(boxes).tolist() == [len(one) for one in pixels]


# --- rules by name ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("energy:0.6", energy_box(SPOT, 0.6)[None]),
        ("energy:0.99:2", energy_box(SPOT, 0.99, 2)[None]),
        ("mean:1.5", mean_box(SPOT, 1.5)[None]),
        ("mean:0", mean_box(SPOT, 0)[None]),
        ("contours", [[2, 1, 4, 2], [2, 3, 3, 4]]),
        ("contours:energy:0.9", [[2, 1, 4, 2]]),
        ("contours:mean:1", [[2, 1, 4, 2], [2, 3, 3, 4], [5, 4, 6, 5]]),
    ],
)
def test_a_rule_does_what_its_words_say(text, expected):
    rule = box_rule(text)
    assert rule.text == text
    assert np.array_equal(rule(SPOT), expected)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("enrgy:0.5", "the nearest known name is 'energy'"),
        ("energy", "expected energy:FRACTION"),
        ("energy:0.95:2:1", "expected energy:FRACTION"),
        ("energy:95", "found the fraction 95"),
        ("energy:0", "found the fraction 0"),
        ("energy:0.9:3", "found the power 3"),
        ("energy:0.9:1.5", "found the power 1.5"),
        ("energy:half", "found 'half', expected a number"),
        ("mean:nan", "found 'nan', expected a number"),
        ("mean", "expected energy:FRACTION"),
        ("contours:20", "found 'contours:20'"),
        ("", "found ''"),
    ],
)
def test_a_rule_that_is_none_is_told(text, told):
    with pytest.raises(BadInput, match="boxes: ") as error:
        box_rule(text)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: energy_box(np.ones((2, 2)), 1.5), "fraction 1.5"),
        (lambda: energy_box(np.ones((2, 2)), 0.5, 3), "power 3"),
        (lambda: energy_box(np.array([[1, np.nan]])), "found 1 values that are not finite"),
        (lambda: energy_box(np.ones(4)), "found shape (4,)"),
        (lambda: energy_box(np.ones((3, 0, 2))), "found shape (3, 0, 2)"),
        (lambda: mean_box(np.ones((2, 2)), np.inf), "factor inf"),
    ],
)
def test_bad_maps_and_numbers_are_told(call, told):
    with pytest.raises(BadInput) as error:
        call()
    assert told in str(error.value)
