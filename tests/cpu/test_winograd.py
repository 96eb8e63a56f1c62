"""Winograd's way against the direct one in float64, on every build; when it is taken, and when not."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from thinktwice.cpu import convolution, winograd
from thinktwice.cpu.engine import Engine
from thinktwice.cpu.winograd import Tile
from thinktwice.layers.correlation import Geometry, correlate, correlate_transposed

ROUNDING = 5e-6  # of the largest result: a few times what a direct sum in float32 loses
ALL = [Tile(4, 3), Tile(2, 3), Tile(2, 5)]


def geometry(pad: tuple[int, int] = (1, 1), group: int = 1, kernel: int = 3) -> Geometry:
    return Geometry((kernel, kernel), (1, 1), pad, (1, 1), group)


def filters(outputs: int, channels: int, kernel: int = 3) -> np.ndarray:
    drawn = (
        np.random.default_rng((outputs, channels)).normal(size=(outputs, channels, kernel, kernel)).astype(np.float32)
    )
    drawn.setflags(write=False)
    return drawn


SIZES, PADS = [(3, 3), (4, 4), (5, 9), (8, 17), (14, 14), (23, 30), (5, 70)], [(0, 0), (1, 1), (2, 0)]
PLANES = [
    (tile, size, pad)
    for tile, size, pad in product(ALL, SIZES, PADS)
    if all(tile.kernel <= n + 2 * p for n, p in zip(size, pad, strict=True))
]


@pytest.mark.parametrize(("tile", "size", "pad"), PLANES, ids=str)
@pytest.mark.parametrize(("images", "group", "channels", "outputs"), [(1, 1, 1, 1), (2, 1, 5, 9), (3, 2, 8, 17)])
def test_both_ways(
    build: Engine,
    monkeypatch: pytest.MonkeyPatch,
    tile: Tile,
    size: tuple[int, int],
    images: int,
    group: int,
    channels: int,
    outputs: int,
    pad: tuple[int, int],
) -> None:
    monkeypatch.setattr(winograd, "suitable", lambda *shape: tile)
    rng, g = np.random.default_rng(0), geometry(pad, group, tile.kernel)
    x, weights = (
        rng.normal(size=(images, channels * group, *size)).astype(np.float32),
        filters(outputs * group, channels, tile.kernel),
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


@pytest.mark.parametrize(
    ("size", "tile"),
    [
        ((14, 14), Tile(4, 3)),
        ((7, 7), Tile(2, 3)),
        ((28, 3), Tile(2, 3)),
        ((28, 28), Tile(4, 3)),
        ((56, 56), Tile(4, 3)),
        ((28, 28), Tile(2, 5)),
        ((14, 14), Tile(2, 5)),
        ((7, 7), Tile(2, 5)),
    ],
    ids=str,
)
def test_it_does_not_hang_on_the_batch(build: Engine, size: tuple[int, int], tile: Tile) -> None:
    """Nor on whether a tile is one of a register's, or one of a few that are left."""
    pad = tile.kernel // 2
    g, weights = geometry((pad, pad), kernel=tile.kernel), filters(32, 32, tile.kernel)
    x = np.random.default_rng(1).normal(size=(7, 32, *size)).astype(np.float32)
    assert winograd.suitable(32, 32, size, g) == tile
    whole = convolution.correlate(x, weights, g)
    each = [convolution.correlate(x[i : i + 1], weights, g) for i in range(7)]
    assert np.array_equal(whole, np.concatenate(each))


@pytest.mark.parametrize(
    ("channels", "outputs", "size", "g"),
    [
        (8, 64, (28, 28), geometry()),  # few channels
        (64, 64, (5, 5), geometry()),  # small planes
        (64, 64, (28, 28), Geometry((3, 3), (2, 2), (1, 1), (1, 1))),
        (64, 64, (28, 28), Geometry((3, 3), (1, 1), (2, 2), (2, 2))),
        (64, 64, (28, 28), Geometry((7, 7), (1, 1), (3, 3), (1, 1))),
        (64, 64, (28, 28), Geometry((5, 3), (1, 1), (2, 1), (1, 1))),
        (64, 64, (28, 28), Geometry((3, 5), (1, 1), (1, 2), (1, 1))),
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


@pytest.mark.parametrize("tile", ALL, ids=str)
@pytest.mark.parametrize("size", [(14, 14), (7, 7), (9, 30), (28, 28)])
@pytest.mark.parametrize("group", [1, 2])
def test_guarded_sums_are_0_where_all_products_are_and_never_mostly_rounding(
    build: Engine, monkeypatch: pytest.MonkeyPatch, tile: Tile, size: tuple[int, int], group: int
) -> None:
    """What excitation backprop divides by."""
    monkeypatch.setattr(winograd, "suitable", lambda *shape: tile)
    g = geometry((tile.kernel // 2, tile.kernel // 2), group, tile.kernel)
    x, weights = sparse(2, 24 * group, size, tile.side), np.maximum(filters(32 * group, 24, tile.kernel), 0)
    weights[0], weights[1, 1:] = 0, 0
    weights.setflags(write=False)
    expected = correlate(x.astype(float), weights.astype(float), g)
    assert (expected == 0).any() and (expected > 0).any()
    found = convolution.correlate(x, weights, g, guarded=True)
    assert np.array_equal(found == 0, expected == 0)
    assert (found >= 0).all()
    some = expected > 0
    assert abs(found[some] / expected[some] - 1).max() < 0.02
    assert abs(np.median(found[some] / expected[some]) - 1) < 1e-6
    unguarded = convolution.correlate(x, weights, g)
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
