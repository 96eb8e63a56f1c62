"""Fully connected layers on the engine, against their definition in float64."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.cpu import inner_product
from thinktwice.cpu.engine import Engine

EPS = np.finfo(np.float32).eps


def drawn(images: int, features: int, outputs: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng((images, features, outputs))
    shapes = ((images, features), (outputs, features), (outputs,), (images, outputs))
    x, weights, bias, signal = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    signal[:, ::3] = 0  # rows at which nothing arrives
    return x, weights, bias, signal


@pytest.mark.parametrize("features", [1, 3, 15, 16, 17, 100, 2047, 2049, 5000])
@pytest.mark.parametrize(("images", "outputs"), [(1, 1), (1, 7), (3, 4), (4, 5), (5, 8), (16, 33)])
def test_both_ways(build: Engine, images: int, features: int, outputs: int) -> None:
    x, weights, bias, signal = drawn(images, features, outputs)
    y, z, below = np.empty((images, outputs), np.float32), None, np.empty((images, features), np.float32)
    for used in (weights, np.maximum(weights, 0)):
        positive = used is not weights
        if positive:
            y, z = None, np.empty((images, outputs), np.float32)
        assert inner_product.inner_product(x, weights, bias, y, z)
        assert inner_product.transposed(signal, weights, positive, below)
        exact, shift = used.astype(np.float64), 0 if positive else bias
        within(z if positive else y, x @ exact.T + shift, abs(x) @ abs(exact).T + abs(shift), features)
        within(below, signal @ exact, abs(signal) @ abs(exact), outputs)


@pytest.mark.parametrize("features", [1, 17, 2049])
@pytest.mark.parametrize(("images", "outputs"), [(1, 7), (3, 4), (5, 8), (16, 33)])
def test_one_reading_for_both_changes_no_bit(build: Engine, images: int, features: int, outputs: int) -> None:
    x, weights, bias, _ = drawn(images, features, outputs)
    y, z, together_y, together_z = (np.empty((images, outputs), np.float32) for _ in range(4))
    assert inner_product.inner_product(x, weights, bias, y)
    assert inner_product.inner_product(x, weights, None, None, z)
    assert inner_product.inner_product(x, weights, bias, together_y, together_z)
    np.testing.assert_array_equal(together_y, y)
    np.testing.assert_array_equal(together_z, z)


def within(found: np.ndarray, expected: np.ndarray, magnitude: np.ndarray, terms: int) -> None:
    """As near as float32 comes in a sum of so many terms of this magnitude."""
    assert (abs(found - expected) <= EPS * (2 + np.sqrt(terms)) * magnitude + 1e-30).all()


def test_without_a_bias(build: Engine) -> None:
    x, weights, _, _ = drawn(2, 20, 5)
    y = np.empty((2, 5), np.float32)
    assert inner_product.inner_product(x, weights, None, y)
    np.testing.assert_allclose(y, x @ weights.T, rtol=1e-4, atol=1e-5)


def test_many_images_and_double_precision_are_left_to_matrix_products() -> None:
    weights = np.ones((3, 5), np.float32)
    for images, dtype in ((inner_product.MOST_IMAGES + 1, np.float32), (0, np.float32), (2, np.float64)):
        x, y = np.ones((images, 5), dtype), np.full((images, 3), 7, dtype)
        assert not inner_product.inner_product(x, weights, None, y)
        assert (y == 7).all()


def test_numbers_below_the_normal_range_count_as_0_and_only_here(build: Engine) -> None:
    """A processor takes a hundred times as long for them; a training leaves many."""
    weights, y = np.full((2, 40), 1e-40, np.float32), np.empty((1, 2), np.float32)
    assert inner_product.inner_product(np.ones((1, 40), np.float32), weights, None, y)
    assert (y == 0).all() or build.lanes == 4  # elsewhere than on x86 they may count
    assert (weights * np.float32(2) > 0).all()
