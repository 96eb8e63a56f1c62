"""Stochastic pooling while training: which cells are drawn, how often, and where their signal goes."""

from __future__ import annotations

import numpy as np

from thinktwice.layers.layer import Step

from . import bench

TRAIN = "phase: TRAIN pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 }"


def drawn(x: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    (y,), winners = bench.make("Pooling", TRAIN).forward_at_random([x], (), np.random.default_rng(seed))
    return y, winners


def test_a_cell_is_drawn_as_often_as_its_share() -> None:
    """Windows of 1, 2, 3, 4, ten thousand times: within 5 standard deviations."""
    windows = 10**4
    x = np.tile(np.array([[1.0, 2.0], [3.0, 4.0]]), (1, 1, 1, windows))
    y, winners = drawn(x)
    assert np.array_equal(y[0, 0, 0], winners[0, 0, 0] + 1.0)
    for cell, share in enumerate((0.1, 0.2, 0.3, 0.4)):
        error = abs((winners == cell).mean() - share)
        assert error <= 5 * (share * (1 - share) / windows) ** 0.5


def test_zeros_are_not_drawn_but_where_there_is_nothing_else() -> None:
    x = np.array([[[[0.0, 0.0, 0.0, 0.0], [0.0, 5.0, 0.0, 0.0]]]])
    y, winners = drawn(x)
    assert (y.tolist(), winners.tolist()) == ([[[[5, 0]]]], [[[[3, 0]]]])


def test_windows_end_with_the_image() -> None:
    x = np.ones((1, 1, 3, 3))
    for seed in range(20):
        y, winners = drawn(x, seed)
        assert (y == 1).all() and winners[0, 0, 1, 1] == 0 and winners[0, 0, 0, 1] in (0, 2)


def test_the_signal_goes_where_the_number_came_from() -> None:
    x = np.random.default_rng(0).random((2, 3, 6, 4)) + 0.1
    layer = bench.make("Pooling", TRAIN)
    y, winners = drawn(x)
    signal = np.random.default_rng(1).random((1, *y.shape))
    (below,) = layer.gradient(Step(layer, (), [None], [None], [x.shape], [y.shape], winners), [signal])
    assert layer.gradient_reads == {"saved"}
    assert np.array_equal(np.isin(x, y), below[0] != 0)
    assert np.isclose((below[0] * x).sum(), (signal[0] * y).sum())


def test_at_test_time_it_is_the_expectation() -> None:
    layer = bench.make("Pooling", TRAIN.replace("TRAIN", "TEST"))
    assert not layer.random
    assert bench.forward(layer, [[[[[1.0, 3.0], [0.0, 0.0]]]]])[0].tolist() == [[[[2.5]]]]
