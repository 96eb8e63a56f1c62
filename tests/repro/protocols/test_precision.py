"""Average precision, on rankings whose value is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from thinktwice.repro.protocols.precision import average_precision


@pytest.mark.parametrize(
    ("ranking", "expected"),
    [
        ([1, 1, 0, 0], 1),
        ([0, 0, 1], 1 / 3),
        ([1, 0, 1, 0, 1], (1 + 2 / 3 + 3 / 5) / 3),
        ([0, 1, 1, 0], 2 / 3),  # precision rises from 1/2 to 2/3: the higher one holds below as well
    ],
)
def test_rankings_by_hand(ranking, expected):
    scores = -np.arange(len(ranking), dtype=float)
    assert average_precision(scores, np.array(ranking)) == pytest.approx(expected)


def test_the_order_of_pictures_is_no_matter():
    rng = np.random.default_rng(0)
    scores, present = rng.random(40), rng.random(40) < 0.3
    order = rng.permutation(40)
    assert average_precision(scores[order], present[order]) == average_precision(scores, present)


def test_a_class_that_is_nowhere_has_none():
    assert math.isnan(average_precision(np.ones(3), np.zeros(3)))
