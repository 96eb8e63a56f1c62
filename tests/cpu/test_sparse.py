"""Convolutions over images that are mostly 0, against their definition in float64; when they are taken, and that nothing hangs on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from operator import ge

import numpy as np
import pytest

from thinktwice.cpu import convolution, sparse
from thinktwice.cpu.convolution import Bank
from thinktwice.cpu.engine import Engine
from thinktwice.cpu.finish import finish
from thinktwice.cpu.winograd import Tile
from thinktwice.executor.routine import Routine
from thinktwice.layers.arrival import Arrival
from thinktwice.layers.correlation import Geometry, correlate, correlate_transposed

from .walls import between_walls

ROUNDING = 4e-6  # of the largest result, of up to 3750 products one after the other
KERNELS = [((1, 1), (0, 0)), ((3, 3), (1, 1)), ((3, 3), (0, 2)), ((5, 5), (2, 2)), ((1, 4), (0, 3)), ((2, 1), (4, 3))]
SIZES = [(1, 1), (7, 7), (14, 13), (3, 40), (29, 31)]
CASES = [(*case, size) for case in KERNELS for size in SIZES if all(map(ge, size, case[0]))]


@pytest.fixture(autouse=True)
def looked_for(build: Engine) -> Iterator[None]:
    """Zeros are expected, on every build."""
    with sparse.expecting_zeros():
        yield


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse, "most", lambda *case: 1000)


def geometry(kernel: tuple[int, int], pad: tuple[int, int]) -> Geometry:
    return Geometry(kernel, (1, 1), pad, (1, 1))


def filters(*shape: int) -> np.ndarray:
    drawn = np.random.default_rng(shape).normal(size=shape).astype(np.float32)
    drawn.setflags(write=False)
    return drawn


def mostly_zero(*shape: int, share: float = 0.05, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng((*shape, seed))
    return (rng.normal(size=shape) * (rng.random(shape) < share)).astype(np.float32)


def near(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert abs(found - expected).max() <= ROUNDING * max(1, abs(expected).max())


@pytest.mark.parametrize(("kernel", "pad", "size"), CASES)
@pytest.mark.parametrize(("channels", "outputs"), [(1, 1), (5, 17), (33, 7), (16, 150)])
@pytest.mark.usefixtures("always")
def test_both_ways(kernel: tuple, pad: tuple, size: tuple, channels: int, outputs: int) -> None:
    g, weights, bias = geometry(kernel, pad), filters(outputs, channels, *kernel), filters(outputs)
    for share in (0, 0.05, 1):
        x = mostly_zero(2, channels, *size, share=share)
        expected = correlate(x.astype(float), weights.astype(float), g, bias.astype(float))
        near(between_walls(convolution.correlate, x, weights, g, bias), expected)
        near(convolution.correlate(x, weights, g, bias, rectified=True), np.maximum(expected, 0))
        signal = mostly_zero(2, outputs, *g.reduced(size), share=share)
        below = correlate_transposed(signal.astype(float), weights.astype(float), g, size)
        near(between_walls(convolution.correlate_transposed, signal, weights, g, size), below)
        several = np.concatenate([target * signal for target in range(1, 8)])  # by fours, twos and ones
        found = between_walls(convolution.correlate_transposed, several, weights, g, size, None, 7)
        near(found, np.concatenate([target * below for target in range(1, 8)]))


@pytest.mark.parametrize("targets", range(1, 12))
@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.usefixtures("always")
def test_targets_go_together(targets: int, images: int, kernel: int) -> None:
    """They are 0 at the same places, but for one of them; and what becomes of them, each image's targets share."""
    g, weights, size = geometry((kernel, kernel), (kernel // 2,) * 2), filters(18, 21, kernel, kernel), (9, 14)
    signal = np.stack([mostly_zero(images, 18, *size, share=0.2)] * targets) * filters(targets, 1, 1, 1, 1)
    signal[-1] = mostly_zero(images, 18, *size, seed=1)
    onto, times = filters(targets, images, 21, *size), filters(images, 21, *size)
    arrival = Arrival(onto, times, mostly_zero(images, 21, *size, share=0.5))
    whole = signal.reshape(-1, 18, *size)
    below = convolution.correlate_transposed(whole, weights, g, size, finish(arrival, 3), targets)
    expected = correlate_transposed(signal.astype(float), weights.astype(float), g, size)
    near(below.reshape(expected.shape), (onto + times * expected) * (arrival.where > 0))


@pytest.mark.parametrize("targets", [1, 2, 8])
@pytest.mark.usefixtures("always")
def test_several_banks_and_several_senders(targets: int) -> None:
    g, size = geometry((1, 1), (0, 0)), (7, 9)
    weights = [filters(outputs, 12, 1, 1) for outputs in (5, 40, 16)]
    x = mostly_zero(2, 12, *size)
    tops = convolution.correlate_together(x, [Bank(each) for each in weights], g)
    for top, each in zip(tops, weights, strict=True):
        near(top, correlate(x.astype(float), each.astype(float), g))
    signals = [mostly_zero(targets, 2, len(each), *size) for each in weights]
    stacks = [(signal.reshape(-1, *signal.shape[2:]), each) for signal, each in zip(signals, weights, strict=True)]
    below = convolution.correlate_transposed_together(stacks, g, size, None, targets)
    terms = [
        correlate_transposed(s.astype(float), w.astype(float), g, size) for s, w in zip(signals, weights, strict=True)
    ]
    near(below.reshape(terms[0].shape), sum(terms))


@pytest.mark.parametrize(("kernel", "channels"), [(3, 32), (5, 16)])
def test_each_image_goes_its_own_way(kernel: int, channels: int) -> None:
    """Full images as they always go, and others as alone, whatever lies beside them."""
    g, weights = geometry((kernel, kernel), (kernel // 2,) * 2), filters(64, channels, kernel, kernel)
    full, few = (mostly_zero(1, channels, 14, 14, share=share) for share in (0.9, 0.01))
    with_others = convolution.correlate(np.concatenate([few, full, few]), weights, g)
    alone = convolution.correlate(few, weights, g)
    with nobody_looks():
        usual = convolution.correlate(np.concatenate([few, full]), weights, g)
    np.testing.assert_array_equal(with_others, np.concatenate([alone, usual[1:], alone]))
    assert not np.array_equal(alone, usual[:1])  # so that it can be seen which way was taken


@contextmanager
def nobody_looks() -> Iterator[None]:
    before = sparse.expecting_zeros.state.set(False)
    try:
        yield
    finally:
        sparse.expecting_zeros.state.reset(before)


def test_one_record_serves_both() -> None:
    """Which way an image goes is found each time that a record is done."""
    g, weights = geometry((3, 3), (1, 1)), filters(64, 32, 3, 3)
    routine = Routine([weights])
    for share in (0.9, 0.01, 0.9, 0.01):
        x = mostly_zero(2, 32, 14, 14, share=share)
        found = routine([x], lambda arrays: convolution.correlate(arrays[0], weights, g))
        np.testing.assert_array_equal(found, convolution.correlate(x, weights, g))
    assert routine._recorded is not None


def test_no_image_at_all() -> None:
    g, weights = geometry((3, 3), (1, 1)), filters(64, 32, 3, 3)
    assert convolution.correlate(np.zeros((0, 32, 7, 7), np.float32), weights, g).shape == (0, 64, 7, 7)
    below = convolution.correlate_transposed(np.zeros((0, 64, 7, 7), np.float32), weights, g, (7, 7), None, 0)
    assert below.shape == (0, 32, 7, 7)


@pytest.mark.usefixtures("always")
def test_a_sum_of_zeros_is_0_and_what_is_not_finite_stays_in_its_windows() -> None:
    x, g = np.zeros((1, 32, 14, 14), np.float32), geometry((3, 3), (1, 1))
    x[0, 3, 5, 5], x[0, 4, 10, 0] = np.nan, np.inf
    y = convolution.correlate(x, filters(32, 32, 3, 3), g)
    seen = np.zeros((14, 14), bool)
    seen[4:7, 4:7] = seen[9:12, :2] = True
    assert (y[..., ~seen] == 0).all()
    assert not np.isfinite(y[..., seen]).any()


@pytest.mark.parametrize(
    "g",
    [
        Geometry((3, 3), (2, 2), (1, 1), (1, 1)),
        Geometry((3, 3), (1, 1), (2, 2), (2, 2)),
        Geometry((3, 3), (1, 1), (1, 1), (1, 1), 2),
    ],
)
def test_when_there_is_no_such_way(g: Geometry) -> None:
    assert not sparse.suitable(g, [filters(4, 4, 3, 3)])


def test_weights_that_may_change_are_not_packed() -> None:
    assert sparse.suitable(geometry((3, 3), (1, 1)), [filters(4, 4, 3, 3)])
    assert not sparse.suitable(geometry((3, 3), (1, 1)), [np.ones((4, 4, 3, 3), np.float32)])


def test_what_is_packed_for_one_call_lives_until_it_is_read() -> None:
    """A bias that may change is packed each time."""
    g, weights, bias = geometry((1, 1), (0, 0)), filters(1000, 512, 1, 1), np.arange(1000, dtype=np.float32)
    y = convolution.correlate(np.zeros((1, 512, 13, 13), np.float32), weights, g, bias)
    np.testing.assert_array_equal(y, np.broadcast_to(bias[:, None, None], y.shape))


def test_nobody_looks_where_no_zeros_are_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse, "most", lambda *case: pytest.fail("found a question, expected none"))
    with nobody_looks():
        convolution.correlate(mostly_zero(1, 32, 14, 14), filters(64, 32, 3, 3), geometry((3, 3), (1, 1)))


def test_more_zeros_are_wanted_the_less_there_is_to_save() -> None:
    """Of a thousand pixels so many may be other than 0."""
    a_classifier = sparse.most((1, 1), channels=512, positions=169, share=0.5, tile=None, targets=1)
    by_tiles = sparse.most((3, 3), channels=64, positions=169, share=0.25, tile=Tile(4, 3), targets=1)
    few_channels = sparse.most((1, 1), channels=16, positions=169, share=0.2, tile=None, targets=1)
    assert 1000 > a_classifier > by_tiles > 0 >= few_channels
    assert sparse.most((3, 3), 64, 169, 0.25, Tile(4, 3), targets=8) > 2 * by_tiles
    for tile in (Tile(4, 3), None):
        four, eight = (sparse.most((3, 3), 64, 169, 0.25, tile, targets) for targets in (4, 8))
        assert eight > 1.3 * four
