"""Means over classes, and choices made on the other half."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.repro.protocols.averages import class_mean
from thinktwice.repro.protocols.halves import best_of_other_half


def test_rare_classes_weigh_as_much_as_frequent_ones():
    assert class_mean(np.array([1.0, 1, 0, 0]), np.array([7, 7, 7, 2])) == pytest.approx((2 / 3 + 0) / 2)
    assert class_mean(np.array([[1.0, 0], [0, 0], [0, 1]]), np.array([3, 3, 1])).tolist() == [0.25, 0.5]


def test_of_nothing_there_is_no_mean():
    assert np.isnan(class_mean(np.zeros(0), np.zeros(0, int)))
    assert np.isnan(class_mean(np.zeros((0, 3)), np.zeros(0, int))).tolist() == [True] * 3


def test_each_half_takes_the_best_of_the_other():
    quality = np.array([[0, 5, 1], [9, 0, 0], [0, 1, 5.0]])  # image, choice
    second = np.array([False, True, False])
    best = best_of_other_half(second, lambda some: quality[some].sum(0))
    assert best.tolist() == [0, 1, 0]  # 6 of choice 1 and 6 of choice 2 on the first half: the first wins


@pytest.mark.parametrize("second", [[False, False], [True], []])
def test_without_another_half_there_is_no_choice(second):
    def never(some):
        raise AssertionError

    assert best_of_other_half(np.array(second), never).tolist() == [-1] * len(second)
