"""EBP's difficult subset, at its limits."""

from __future__ import annotations

import numpy as np

from thinktwice.repro.protocols.difficult import difficult

SIZE = (10, 40)  # a quarter of it is 100


def test_small_and_not_alone():
    just, below = np.array([[0, 0, 10, 10]]), np.array([[0, 0, 11, 9]])
    assert not difficult(just, SIZE, 2)  # "smaller than"
    assert difficult(below, SIZE, 2)
    assert not difficult(below, SIZE, 1)


def test_all_boxes_of_the_category_count_together():
    assert difficult(np.array([[0, 0, 5, 9], [20, 0, 25, 10]]), SIZE, 3)
    assert not difficult(np.array([[0, 0, 10, 9], [20, 0, 22, 5]]), SIZE, 3)
    assert not difficult(np.array([[0, 0, 10, 5], [0, 0, 10, 5]]), SIZE, 3)  # what two boxes share counts twice


def test_another_share():
    assert difficult(np.array([[0, 0, 10, 10]]), SIZE, 2, small=0.26)
