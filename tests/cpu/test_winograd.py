"""Winograd's way against the direct one in float64, on every build; when it is taken, and when not."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.cpu import convolution, winograd
from thinktwice.cpu.engine import Engine
from thinktwice.layers.correlation import Geometry, correlate, correlate_transposed

ROUNDING = 5e-6  # of the largest result: a few times what a direct sum in float32 loses


def geometry(pad: tuple[int, int] = (1, 1), group: int = 1) -> Geometry:
    return Geometry((3, 3), (1, 1), pad, (1, 1), group)


def filters(outputs: int, channels: int) -> np.ndarray:
    drawn = np.random.default_rng((outputs, channels)).normal(size=(outputs, channels, 3, 3)).astype(np.float32)
    drawn.setflags(write=False)
    return drawn


@pytest.mark.parametrize("side", [2, 4])
@pytest.mark.parametrize("size", [(3, 3), (4, 4), (5, 9), (8, 17), (14, 14), (23, 30), (5, 70)])
@pytest.mark.parametrize(("images", "group", "channels", "outputs"), [(1, 1, 1, 1), (2, 1, 5, 9), (3, 2, 8, 17)])
@pytest.mark.parametrize("pad", [(0, 0), (1, 1), (2, 0)])
def test_both_ways(
    build: Engine,
    monkeypatch: pytest.MonkeyPatch,
    side: int,
    size: tuple[int, int],
    images: int,
    group: int,
    channels: int,
    outputs: int,
    pad: tuple[int, int],
) -> None:
    monkeypatch.setattr(winograd, "suitable", lambda *shape: side)
    rng, g = np.random.default_rng(0), geometry(pad, group)
    x, weights = (
        rng.normal(size=(images, channels * group, *size)).astype(np.float32),
        filters(outputs * group, channels),
    )
    bias = rng.normal(size=outputs * group).astype(np.float32)
    signal = rng.normal(size=(images, outputs * group, *g.reduced(size))).astype(np.float32)
    expected = correlate(x.astype(float), weights.astype(float), g, bias.astype(float))
    near(convolution.correlate(x, weights, g, bias), expected)
    near(convolution.correlate(x, weights, g, bias, rectified=True), np.maximum(expected, 0))
    below = correlate_transposed(signal.astype(float), weights.astype(float), g, size)
    near(convolution.correlate_transposed(signal, weights, g, size), below)


def near(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert abs(found - expected).max() <= ROUNDING * max(1, abs(expected).max())


@pytest.mark.parametrize(("size", "side"), [((14, 14), 4), ((7, 7), 2), ((28, 3), 2), ((56, 56), 4)])
def test_it_does_not_hang_on_the_batch(build: Engine, size: tuple[int, int], side: int) -> None:
    x, weights = np.random.default_rng(1).normal(size=(7, 32, *size)).astype(np.float32), filters(32, 32)
    assert winograd.suitable(32, 32, size, geometry()) == side
    whole = convolution.correlate(x, weights, geometry())
    each = [convolution.correlate(x[i : i + 1], weights, geometry()) for i in range(7)]
    assert np.array_equal(whole, np.concatenate(each))


@pytest.mark.parametrize(
    ("channels", "outputs", "size", "g"),
    [
        (8, 64, (28, 28), geometry()),  # few channels
        (64, 64, (5, 5), geometry()),  # small planes
        (64, 64, (28, 28), Geometry((3, 3), (2, 2), (1, 1), (1, 1))),
        (64, 64, (28, 28), Geometry((3, 3), (1, 1), (2, 2), (2, 2))),
        (64, 64, (28, 28), Geometry((5, 5), (1, 1), (2, 2), (1, 1))),
    ],
)
def test_when_the_direct_way_is_taken(channels: int, outputs: int, size: tuple[int, int], g: Geometry) -> None:
    assert not winograd.suitable(channels, outputs, size, g)


def test_exactly_keeps_to_direct_sums(build: Engine) -> None:
    """Where all products of a sum are 0 it is exactly 0, which Winograd's way does not promise."""
    x, weights = np.zeros((1, 32, 28, 28), np.float32), filters(32, 32)
    x[:, :, 9, 9] = 1e3
    assert winograd.suitable(32, 32, (28, 28), geometry())
    with winograd.exactly():
        assert not winograd.suitable(32, 32, (28, 28), geometry())
        y = convolution.correlate(x, weights, geometry())
    seen = np.zeros((28, 28), bool)
    seen[8:11, 8:11] = True
    assert (y[..., ~seen] == 0).all()
    assert (y[..., seen] != 0).any()


def sparse(images: int, channels: int, size: tuple[int, int], seed: int) -> np.ndarray:
    """Activations: most are 0, also in whole regions, and the others differ by many orders of magnitude."""
    rng = np.random.default_rng(seed)
    x = (10.0 ** rng.uniform(-6, 2, (images, channels, *size)) * (rng.random((images, channels, *size)) > 0.7)).astype(
        np.float32
    )
    x[:, :, size[0] // 2 :, : size[1] // 2] = 0
    x[:, : channels // 2] = 0
    x[:, 0, 0, 0] = x[:, 0, -1, -1] = 1e3
    return x


@pytest.mark.parametrize("side", [2, 4])
@pytest.mark.parametrize("size", [(14, 14), (7, 7), (9, 30), (28, 28)])
@pytest.mark.parametrize("group", [1, 2])
def test_guarded_sums_are_0_where_all_products_are_and_never_mostly_rounding(
    build: Engine, monkeypatch: pytest.MonkeyPatch, side: int, size: tuple[int, int], group: int
) -> None:
    """What excitation backprop divides by."""
    monkeypatch.setattr(winograd, "suitable", lambda *shape: side)
    x, weights = sparse(2, 24 * group, size, side), np.maximum(filters(32 * group, 24), 0)
    weights[0], weights[1, 1:] = 0, 0
    weights.setflags(write=False)
    expected = correlate(x.astype(float), weights.astype(float), geometry(group=group))
    assert (expected == 0).any() and (expected > 0).any()
    found = convolution.correlate(x, weights, geometry(group=group), guarded=True)
    assert np.array_equal(found == 0, expected == 0)
    assert (found >= 0).all()
    some = expected > 0
    assert abs(found[some] / expected[some] - 1).max() < 0.02
    assert abs(np.median(found[some] / expected[some]) - 1) < 1e-6
    unguarded = convolution.correlate(x, weights, geometry(group=group))
    assert not np.array_equal(unguarded == 0, expected == 0)  # so that this test could fail


def test_guarded_sums_of_what_is_not_finite_or_all_0(build: Engine) -> None:
    x, weights = np.zeros((1, 32, 14, 14), np.float32), np.maximum(filters(32, 32), 0)
    weights.setflags(write=False)
    assert (convolution.correlate(x, weights, geometry(), guarded=True) == 0).all()
    x[0, 3, 5, 5] = np.nan
    found = convolution.correlate(x, weights, geometry(), guarded=True)
    assert np.isnan(found[0, :, 4:7, 4:7]).any()


def test_guarded_sums_of_weights_in_another_order(build: Engine) -> None:
    weights = np.asfortranarray(np.maximum(filters(32, 32), 0))
    weights.setflags(write=False)
    x = sparse(1, 32, (14, 14), 0)
    expected = correlate(x.astype(float), weights.astype(float), geometry())
    found = convolution.correlate(x, weights, geometry(), guarded=True)
    assert np.array_equal(found == 0, expected == 0)
    some = expected > 0
    assert abs(found[some] / expected[some] - 1).max() < 0.02
