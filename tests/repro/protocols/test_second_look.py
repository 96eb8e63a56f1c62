"""What counts as a right answer where a picture shows several things."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.attention.think_twice import think_twice
from thinktwice.repro.protocols.second_look import among, dominant, look_twice, precision

from ...nets import data, layer, make


def test_the_dominant_category_has_the_largest_boxes_taken_together():
    small, two, wide = np.array([[0, 0, 4, 4]]), np.array([[0, 0, 4, 4], [9, 9, 12, 12]]), np.array([[0, 0, 24, 1]])
    assert dominant([5, 8, 2], [small, two, wide]) == 8
    assert dominant([5, 8], [small, small]) == 5


def test_top_answers():
    assert among([3, 1, 4], 1, top=2)
    assert not among([3, 1, 4], 4, top=2)


@pytest.mark.parametrize(
    ("answers", "categories", "share"),
    [
        ([3, 1, 4, 5, 9], [1, 3], 1),
        ([3, 1, 4, 5, 9], [4, 3], 0.5),
        ([3, 1, 4, 5, 9], [7], 0),
        ([3, 1, 4], [1, 3, 4, 9], 1),  # three answers only
    ],
)
def test_precision_at_the_number_of_categories(answers, categories, share):
    assert precision(answers, categories) == share


def test_both_looks_are_kept():
    """Class 0's map lies where the one bright pixel is; in its crop, which is brighter than the whole, class 8 wins."""
    weights = np.zeros((9, 3, 8, 8))
    weights[0, :, 2:4, 2:4] = 1
    weights[1] = -1 / 64
    weights[2:] = np.array([1, 2, 3, 4, 5, 6, 30])[:, None, None, None] / 64
    text = data(1, 3, 8, 8) + layer("fc", "InnerProduct", "data", "inner_product_param { num_output: 9 }")
    net = make(text, {"fc": [weights.reshape(9, -1), np.zeros(9)]})
    image = np.zeros((8, 8, 3), np.uint8)
    image[2, 2] = 200

    def prepare(picture):
        rows, columns = (np.arange(8) * size // 8 for size in picture.shape[:2])
        return picture[rows][:, columns].transpose(2, 0, 1) / 200.0

    found = look_twice(net, image, prepare, "gradient", {})
    thought = think_twice(net, image, prepare, "gradient", top=5)
    assert found == {"first": thought.first.classes.tolist(), "final": thought.final.classes.tolist()}
    assert found["first"] == [0, 8, 7, 6, 5]
    assert found["final"][:2] == [8, 0]
