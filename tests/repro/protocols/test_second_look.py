"""What counts as a right answer where a picture shows several things."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.attention.think_twice import think_twice
from thinktwice.repro.protocols.second_look import look_twice, precision, right

from ...nets import data, layer, make


def test_any_of_the_things_there_may_be_named_first():
    assert right([3, 1, 4, 5, 9], [1, 3]) == (1, 1, 1)
    assert right([3, 1, 4, 5, 9], [5, 1]) == (0, 1, 0.5)
    assert right([3, 1, 4, 5, 9], [7, 3, 2]) == (1, 1 / 3, 1 / 3)


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
