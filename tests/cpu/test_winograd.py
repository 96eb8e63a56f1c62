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
