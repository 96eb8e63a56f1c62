"""Contours: pictures made of letters, and a literal flood fill."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thinktwice.attention.contours import contour_boxes
from thinktwice.errors import BadInput


def drawn(*rows: str) -> np.ndarray:
    """``.`` is 0, a digit is its value."""
    return np.array([[0.0 if sign == "." else float(sign) for sign in row] for row in rows])


def flood_fill_boxes(energy: np.ndarray, mask: np.ndarray, min_area: int) -> list[list[int]]:
    """The boxes by definition: outside is what walks along edges from beyond the border, parts touch at corners too."""
    height, width = mask.shape
    outside, front = set(), [(-1, -1)]
    while front:
        y, x = front.pop()
        free = -1 <= y <= height and -1 <= x <= width
        if (y, x) in outside or not free or (0 <= y < height and 0 <= x < width and mask[y, x]):
            continue
        outside.add((y, x))
        front += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
    left = {(y, x) for y in range(height) for x in range(width)} - outside
    found = []
    for start in sorted(left):
        part, front = set(), [start]
        while front:
            y, x = front.pop()
            if (y, x) in left:
                left.remove((y, x))
                part.add((y, x))
                front += [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        if len(part) >= min_area:
            ys, xs = [y for y, _ in part], [x for _, x in part]
            held = sum(max(energy[pixel], 0) for pixel in part)
            found.append((-held, [min(xs), min(ys), max(xs) + 1, max(ys) + 1]))
    return [box for _, box in sorted(found, key=lambda one: one[0])] or [[0, 0, width, height]]


def test_two_pandas_have_two_boxes_the_brighter_first():
    pandas = drawn(
        "........",
        ".11...3.",
        ".11..33.",
        ".1...33.",
    )
    assert contour_boxes(pandas, pandas > 0).tolist() == [[5, 1, 7, 4], [1, 1, 3, 4]]


def test_what_touches_at_a_corner_is_one():
    corner = drawn("1...", ".1..", "...1")
    assert contour_boxes(corner, corner > 0).tolist() == [[0, 0, 2, 2], [3, 2, 4, 3]]


def test_what_lies_in_a_hole_belongs_to_what_is_around_it():
    ring = drawn(
        "1111111..",
        "1.....1..",
        "1..9..1.8",
        "1.....1..",
        "1111111..",
    )
    assert contour_boxes(ring, ring > 0).tolist() == [[0, 0, 7, 5], [8, 2, 9, 3]]
    assert contour_boxes(ring, ring > 0, min_area=2).tolist() == [[0, 0, 7, 5]]


def test_a_hole_that_is_open_at_a_corner_is_still_a_hole():
    # Seen from the 8-connected ring, the gap at the corner is closed: background passes along edges alone.
    ring = drawn(".111.", "1...1", "1.5.1", "1...1", ".111.")
    assert contour_boxes(ring, ring > 0).tolist() == [[0, 0, 5, 5]]


def test_equals_keep_the_order_of_their_first_pixels():
    equal = drawn("..1", "1..", "...", "1..")
    assert contour_boxes(equal, equal > 0).tolist() == [[2, 0, 3, 1], [0, 1, 1, 2], [0, 3, 1, 4]]


@pytest.mark.parametrize(("mask", "min_area"), [(np.zeros((2, 3), bool), 1), (np.eye(2, 3, dtype=bool), 3)])
def test_where_no_part_is_left_the_whole_is_the_box(mask, min_area):
    assert contour_boxes(np.ones((2, 3)), mask, min_area).tolist() == [[0, 0, 3, 2]]


@given(arrays(np.int64, (7, 8), elements=st.integers(-1, 3)), st.sampled_from([1, 2, 5]))
def test_boxes_are_those_of_a_flood_fill(values, min_area):
    energy, mask = values.astype(float), values > 0
    assert contour_boxes(energy, mask, min_area).tolist() == flood_fill_boxes(energy, mask, min_area)


def test_boxes_are_those_of_opencv():
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed (extra `segment`)")
    rng = np.random.default_rng(4)
    for _ in range(20):
        mask = rng.random((20, 30)) < rng.uniform(0.1, 0.7)
        outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        expected = sorted([x, y, x + w, y + h] for x, y, w, h in map(cv2.boundingRect, outlines))
        assert sorted(contour_boxes(mask.astype(float), mask).tolist()) == expected


@pytest.mark.parametrize(
    ("energy", "mask", "min_area", "told"),
    [
        (np.ones((2, 3)), np.ones((3, 2), bool), 1, "found shapes (2, 3) and (3, 2)"),
        (np.ones((1, 2, 3)), np.ones((1, 2, 3), bool), 1, "found shapes (1, 2, 3)"),
        (np.ones((2, 3)), np.ones((2, 3), bool), 0, "found the smallest area 0"),
    ],
)
def test_bad_input_is_told(energy, mask, min_area, told):
    with pytest.raises(BadInput) as error:
        contour_boxes(energy, mask, min_area)
    assert told in str(error.value)
