"""Elementwise kernels against NumPy, bit for bit: one number to several tiles, several targets, NaN, infinity, gaps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from thinktwice.attention.guided import GUIDED
from thinktwice.attention.thresholds import threshold
from thinktwice.cuda import kernels
from thinktwice.layers.arrays import add, divide, multiply, portion, positive_part, where_positive, write
from thinktwice.layers.arrival import Arrival
from thinktwice.layers.feedback import (
    AtGates,
    counted,
    gate_gradient,
    hard_step,
    mean_magnitude,
    mean_of_positives,
    opened,
    prune,
    recover,
    soft_step,
)
from thinktwice.layers.softmax import softmax

from ..layers import bench
from .test_slide import TYPES, numbers, same

pytestmark = pytest.mark.usefixtures("host")
SHAPES = pytest.mark.parametrize("shape", [(1,), (3, 5), (2, 3, 7, 11), (2, 31, 9, 17), (0, 3, 2, 2)])
SLOPES = pytest.mark.parametrize("slope", [0.0, 0.1, -0.5])


@TYPES
@SHAPES
@SLOPES
def test_relu(by_numpy: Callable, dtype: Any, shape: tuple, slope: float) -> None:
    relu = bench.make("ReLU", f"relu_param {{ negative_slope: {slope} }}")
    x = numbers(shape, dtype, 0, special=True)
    same(relu.function(x), by_numpy(lambda: relu.function(x)))
    signal = numbers((3, *shape), dtype, 1)
    signal.reshape(-1)[::7] = np.nan
    step = bench.step(relu, [x])
    for rule in (relu.gradient, GUIDED.at(relu)):
        same(rule(step, [signal])[0], by_numpy(lambda rule=rule: rule(step, [signal])[0]))


def test_relu_over_an_array_with_gaps(by_numpy: Callable) -> None:
    relu = bench.make("ReLU")
    x = numbers((2, 8, 3, 3), np.float32, 0)[:, ::2]
    same(relu.function(x), by_numpy(lambda: relu.function(x)))
    step = bench.step(relu, [x])
    signal = numbers((1, 2, 8, 3, 3), np.float32, 1)[:, :, 1:5]
    same(relu.gradient(step, [signal])[0], by_numpy(lambda: relu.gradient(step, [signal])[0]))


@TYPES
@SHAPES
def test_gates(by_numpy: Callable, dtype: Any, shape: tuple) -> None:
    one, many = numbers(shape, dtype, 0, special=True), numbers((3, *shape), dtype, 1)
    one[abs(one) > 1e30] = np.inf  # so that no product overflows by itself
    for left, right in ((many, one), (one, one), (many, one[None]), (many, many), (many[:, :0], one[:0])):
        same(multiply(left, right), by_numpy(lambda left=left, right=right: multiply(left, right)))
    same(multiply(many, np.ones((), dtype)), many)


@TYPES
@SHAPES
def test_sums(by_numpy: Callable, dtype: Any, shape: tuple) -> None:
    one, many = numbers(shape, dtype, 0), numbers((3, *shape), dtype, 1)
    for left, right in ((many, one), (one, one), (many, many), (many[:, :0], one[:0])):
        for coefficient in (1, -1, 0.3):
            found = add(left, right, coefficient)
            same(found, by_numpy(lambda a=left, b=right, c=coefficient: add(a, b, c)))
    same(add(many, np.ones((), dtype), -1), many - 1)


def test_sums_of_arrays_with_gaps(by_numpy: Callable) -> None:
    many, one = numbers((1, 2, 8, 6, 6), np.float32, 0)[:, :, 1:5], numbers((1, 2, 9, 6, 6), np.float32, 1)[:, :, 3:7]
    same(add(many, one, -1), by_numpy(lambda: add(many, one, -1)))


@TYPES
@pytest.mark.parametrize("shape", [(2, 7, 3, 5), (3, 1, 2, 2), (2, 5), (1, 3, 70, 61), (2, 3, 0, 4)])
@pytest.mark.parametrize("layer", ["BatchNorm", "Scale", "Scale with a bias", "Scale along another axis"])
def test_channels(by_numpy: Callable, dtype: Any, shape: tuple, layer: str) -> None:
    options = {
        "Scale with a bias": "scale_param { bias_term: true }",
        "Scale along another axis": "scale_param { axis: -1 }",
    }
    made = bench.make(layer.split()[0], options.get(layer, ""))
    x, signal = numbers(shape, dtype, 0), numbers((3, *shape), dtype, 1)
    specs = made.parameter_specs([shape])
    parameters = [abs(numbers(spec.shape, dtype, 2 + i)) + 1 for i, spec in enumerate(specs)]
    for constant in (False, True):
        for array in parameters:
            array.setflags(write=not constant)
        same(made.forward([x], parameters)[0][0], by_numpy(lambda: made.forward([x], parameters)[0][0]))
        step = bench.step(made, [x], parameters)
        for many in (signal, signal[:, :0]):
            found = made.gradient(step, [many])[0]
            same(found, by_numpy(lambda step=step, many=many: made.gradient(step, [many])[0]))


def test_numbers_are_written_as_they_are(by_numpy: Callable) -> None:
    values, whole = numbers((2, 3, 7, 5), np.float32, 0, special=True), np.zeros((2, 8, 7, 5), np.float32)
    values.reshape(-1)[:4] = np.nan, -0.0, np.inf, -np.inf
    write(values, whole[:, 2:5])
    assert whole[:, 2:5].tobytes() == values.tobytes()
    assert (whole[:, :2] == 0).all() and (whole[:, 5:] == 0).all()
    again = np.zeros_like(whole)
    by_numpy(lambda: write(values, again[:, 2:5]))
    same(again, whole)


@TYPES
@pytest.mark.parametrize(("shape", "axis"), [((3, 1000), 1), ((2, 21, 5, 7), 1), ((2, 3, 4), 2), ((0, 3), 1)])
def test_softmax(by_numpy: Callable, dtype: Any, shape: tuple, axis: int) -> None:
    x = numbers(shape, dtype, 0)
    found, expected = softmax(x, axis), by_numpy(lambda: softmax(x, axis))
    np.testing.assert_allclose(found, expected, rtol=4 * np.finfo(dtype).eps * np.log2(shape[axis]))


@TYPES
@SHAPES
def test_division(by_numpy: Callable, dtype: Any, shape: tuple) -> None:
    z, mass = numbers(shape, dtype, 0, special=True), numbers((3, *shape), dtype, 1)
    z[abs(z) > 1e30] = np.inf
    for many in (mass, mass[0]):
        found = divide(many, z)
        same(found, by_numpy(lambda many=many: divide(many, z)))
        assert (found[..., z == 0] == 0).all()
        for epsilon in (0.01, 1.0):  # which takes z from -1 and 1 to -2 and 2, and 0 to itself
            same(divide(many, z, epsilon), by_numpy(lambda many=many, e=epsilon: divide(many, z, e)))
    same(divide(mass, z[:1]), by_numpy(lambda: divide(mass, z[:1])))


@TYPES
@SHAPES
def test_what_falls_to_a_part(by_numpy: Callable, dtype: Any, shape: tuple) -> None:
    z, part, mass = numbers(shape, dtype, 0), numbers(shape, dtype, 1), numbers((3, *shape), dtype, 2)
    z.reshape(-1)[::5] = 0
    for coefficient in (1.0, -0.3):
        found = portion(mass, z, coefficient, part)
        same(found, by_numpy(lambda c=coefficient: portion(mass, z, c, part)))
        assert (found[..., z == 0] == 0).all()


@TYPES
@SHAPES
def test_the_positive_part(by_numpy: Callable, dtype: Any, shape: tuple) -> None:
    x = numbers(shape, dtype, 0, special=True)
    for values in (x, x.T):
        same(positive_part(values), by_numpy(lambda values=values: positive_part(values)))


LRN_SHAPES = pytest.mark.parametrize(
    "shape", [(2, 7, 3, 5), (1, 1, 2, 3), (3, 2, 17, 19), (2, 96, 13, 11), (0, 4, 3, 2), (2, 5, 1, 1)]
)
WINDOWS = pytest.mark.parametrize("size", [1, 3, 5, 9, 101])
BETAS = pytest.mark.parametrize("beta", [0.75, 0.5, 1.25])


@TYPES
@LRN_SHAPES
@WINDOWS
@BETAS
def test_lrn(by_numpy: Callable, dtype: Any, shape: tuple, size: int, beta: float) -> None:
    """The normaliser bit for bit; a power is a root here and a logarithm there."""
    lrn = bench.make("LRN", f"lrn_param {{ local_size: {size} alpha: 30 beta: {beta} k: 1.5 }}")
    x = numbers(shape, dtype, size)
    (y,), scale = lrn.forward([x], [])
    (expected,), expected_scale = by_numpy(lambda: lrn.forward([x], []))
    same(scale, expected_scale)
    close(y, expected)
    step, signal = bench.step(lrn, [x]), numbers((3, *shape), dtype, size + 1)
    close(lrn.frozen(signal, scale), by_numpy(lambda: lrn.frozen(signal, scale)))
    below, expected = lrn.gradient(step, [signal])[0], by_numpy(lambda: lrn.gradient(step, [signal])[0])
    close(below, expected, of=np.abs(expected).max(initial=0))
    onto = numbers((3, *shape), dtype, size + 2)
    for arrival in (Arrival(where=step.bottoms[0]), Arrival(onto=onto, where=step.bottoms[0]), Arrival(where=x.copy())):
        same(lrn.gradient(step, [signal], arrival)[0], arrival.at(below.copy()))


def close(found: Any, expected: Any, of: Any = 0.0) -> None:
    """But for the last digits, those of its own or of the greatest."""
    assert found.dtype == expected.dtype
    digits = 8 * np.finfo(found.dtype).eps
    np.testing.assert_allclose(found, expected, rtol=digits, atol=digits * of, strict=True)


@TYPES
def test_a_power_of_three_quarters_is_right_to_its_last_digits(dtype: Any) -> None:
    scale = np.geomspace(1e-30, 1e30, 9001).astype(dtype)
    lrn = bench.make("LRN", "lrn_param { beta: 0.75 }")
    exact = np.longdouble(scale) ** np.longdouble(-0.75)
    np.testing.assert_allclose(lrn.frozen(np.ones_like(scale), scale), exact, rtol=2 * np.finfo(dtype).eps)


@TYPES
@pytest.mark.parametrize("size", [1e-14, 1e-3, 1e3, 1e13])
def test_the_gradient_of_lrn_stays_in_range(dtype: Any, size: float) -> None:
    """Of numbers far from 1 that are their own normalisers: y = x^(-1/2), dx = -1/2 dy x^(-3/2), the difference of two parts."""
    lrn = bench.make("LRN", "lrn_param { local_size: 1 alpha: 1 beta: 0.75 k: 0 }")
    drawn = (np.random.default_rng(seed).uniform(1, 9, (2, 1, 12, 5)) for seed in (0, 1))
    x, signal = ((size * numbers).astype(dtype) for numbers in drawn)
    step = bench.step(lrn, [x])
    x, signal = x.astype(np.longdouble), signal.astype(np.longdouble)
    found = lrn.gradient(step, [signal[None].astype(dtype)])[0][0]
    np.testing.assert_allclose(found.astype(np.longdouble), -signal * x**-1.5 / 2, rtol=32 * np.finfo(dtype).eps)


def test_gates_of_another_type_go_by_numpy() -> None:
    """Types mix as in NumPy: no kernel reads one as the other."""
    many, one = numbers((2, 5), np.float64, 0), numbers((5,), np.float32, 1)
    same(multiply(many, one), many * one)
    assert not kernels.gate(many, one, np.empty_like(many))


@TYPES
@pytest.mark.parametrize("shape", [(1, 1, 1, 1, 1), (2, 3, 5, 7, 11), (3, 1, 31, 9, 17), (2, 2, 9001)])
def test_soft_step(by_numpy: Callable, dtype: Any, shape: tuple) -> None:
    signal, z = numbers(shape, dtype, 0), abs(numbers(shape, dtype, 1))
    z[z > 1] = 1
    for x in (numbers(shape, dtype, 2), numbers((1, *shape[1:]), dtype, 3)):  # each target's own, or the first pass's
        for rectified in (False, True):
            at = AtGates(x, z, signal, rectified)
            down, g, sums = gate_gradient(at)
            expected_down, expected, expected_sums = by_numpy(lambda at=at: gate_gradient(at))
            same(down, expected_down)
            same(g, expected)
            for how in ((0.1, 0.2, True), (0.1, 0.2, False), (0.0, 0.0, True)):
                for own, (after, moved, passed) in (
                    (sums, stepped(at, *how)),
                    (expected_sums, by_numpy(lambda at=at, how=how: stepped(at, *how))),
                ):
                    rate, cost, normalised = how
                    unit = mean_magnitude(g, own, 1) if normalised else dtype(1)
                    same(after, (g * (rate / unit) + z - cost).clip(0, 1))
                    same(passed, down)
                    assert moved.sum() == (after != z).sum()
        size, expected_size = mean_magnitude(g, sums), mean_magnitude(g, expected_sums)
        np.testing.assert_allclose(size, expected_size, rtol=1e-12 if dtype == np.float64 else 1e-6, strict=True)
        in_double = abs(g.astype(np.float64)).mean(tuple(range(2, g.ndim)), keepdims=True)
        np.testing.assert_allclose(size, in_double, rtol=1e-12 if dtype == np.float64 else 2e-7)


def stepped(at: AtGates, *how: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The gates after a soft step, how many have moved, and what goes down."""
    after, moved = at.z.copy(), np.full(counted(at.z.shape), np.nan, at.z.dtype)
    down = soft_step(at._replace(z=after), *how, moved)
    return after, moved, down


def test_a_layer_whose_gradient_is_zero_pays_only_the_cost(by_numpy: Callable) -> None:
    z = np.full((1, 1, 5), 0.7, np.float32)
    at = AtGates(np.zeros_like(z), z, np.ones_like(z))
    for found, moved, _ in (stepped(at, 0.1, 0.2, True), by_numpy(lambda: stepped(at, 0.1, 0.2, True))):
        same(found, np.full((1, 1, 5), np.float32(0.7) - np.float32(0.2)))
        same(moved, np.full((1, 1), 5, np.float32))


def test_where_a_walk_ends_nothing_goes_down(by_numpy: Callable) -> None:
    at = AtGates(*(numbers((2, 3, 5, 7), np.float32, seed) for seed in range(3)))
    ending, (_, expected, _), (after, moved, _) = at._replace(ends=True), gate_gradient(at), stepped(at, 0.1, 0.2, True)
    for down, g, _ in (gate_gradient(ending), by_numpy(lambda: gate_gradient(ending))):
        assert down is None
        same(g, expected)
    found_after, found_moved, down = stepped(ending, 0.1, 0.2, True)
    assert down is None
    same(found_after, after)
    same(found_moved, moved)


@TYPES
@pytest.mark.parametrize(
    "part",
    [
        lambda a: a[:, :, 2:6],
        lambda a: a[1:, :, :4],
        lambda a: a[:, :1, 3:],
        lambda a: a[:, :, ::2],
        lambda a: a[..., ::2],
        lambda a: a[..., 1:],
        lambda a: a.swapaxes(1, 2),
        lambda a: a[::-1],
        lambda a: np.broadcast_to(a[:1, :, 2:6], (4, *a[0, :, 2:6].shape)),
    ],
)
def test_arrays_with_gaps(by_numpy: Callable, dtype: Any, part: Callable) -> None:
    """Whether or not a kernel can read it, it is read right."""
    many, known = part(numbers((2, 3, 8, 5, 7), dtype, 0)), part(numbers((2, 3, 8, 5, 7), dtype, 1))
    for one in (known[0], known[0].copy()):
        same(multiply(many, one), many * one)
        same(divide(many, one), by_numpy(lambda one=one: divide(many.copy(), one.copy())))
        for how in ((0, False), (0, True), (0.1, False)):
            same(where_positive(many, one, *how), by_numpy(lambda one=one, how=how: where_positive(many, one, *how)))
    same(positive_part(many), np.maximum(many, 0))
    whole = np.full((2, 3, 8, 5, 7), np.nan, dtype)
    if part(whole).flags.writeable and part(whole).base is not None:
        multiply(many, known, into=part(whole))
        same(part(whole).copy(), many * known)
        rest = np.full(whole.shape, True)
        part(rest)[...] = False
        assert np.isnan(whole[rest]).all()


def test_signals_may_be_a_few_channels_of_others(by_numpy: Callable) -> None:
    """As behind a Concat: there are gaps between the images."""
    signal = numbers((1, 3, 9, 5, 7), np.float32, 0)[:, :, 2:6]
    x, z = numbers((3, 4, 5, 7), np.float32, 1), abs(numbers((3, 4, 5, 7), np.float32, 2))
    at, alone = AtGates(x, z.reshape(signal.shape), signal), AtGates(x, z.reshape(signal.shape), signal.copy())
    for found, expected in zip(gate_gradient(at), gate_gradient(alone), strict=True):
        same(found, expected)
    for found, expected in zip(stepped(at, 0.1, 0.2, True), stepped(alone, 0.1, 0.2, True), strict=True):
        same(found, expected)


LAYERS = pytest.mark.parametrize(
    "shape", [(1, 1, 1, 1, 1), (2, 3, 5, 7, 11), (3, 1, 31, 9, 17), (2, 2, 9001), (2, 0, 3)]
)


@TYPES
@LAYERS
def test_hard_gates(by_numpy: Callable, dtype: Any, shape: tuple) -> None:
    a, z = numbers(shape, dtype, 0), (numbers(shape, dtype, 1) > 0).astype(dtype)
    a.reshape(-1)[::3] = 0.25
    thresholds = [threshold(a, *how) for how in (("sign",), ("mean-positive", 1.0), ("mean", -0.5))]
    for bound in (*thresholds, np.asarray(0.25, dtype), np.asarray(np.nan, dtype)):
        steps = (
            lambda b=bound: [prune(z, a, b)],
            lambda b=bound: [opened(a, b)],
            lambda b=bound: hard_step(z, a, b),
            lambda b=bound: recover(a, b),
        )
        for step in steps:
            for found, expected in zip(step(), by_numpy(step), strict=True):
                same(found, expected)


@TYPES
@LAYERS
def test_the_mean_of_what_is_positive(by_numpy: Callable, dtype: Any, shape: tuple) -> None:
    a = numbers(shape, dtype, 0)
    a[..., 0] = 0
    for weights in (a, -abs(a), np.full(shape, 0.1, dtype)):
        found, expected = mean_of_positives(weights), by_numpy(lambda weights=weights: mean_of_positives(weights))
        np.testing.assert_allclose(found, expected, rtol=1e-12 if dtype == np.float64 else 1e-7, strict=True)
    assert (mean_of_positives(-abs(a)) == 0).all()


def test_weights_that_are_all_alike_open_by_their_mean() -> None:
    """The mean is exactly their value, however many there are: at least that much they all have."""
    weights = np.full((2, 1, 7, 31, 43), np.float32(0.1))
    assert (prune(np.ones_like(weights), weights, threshold(weights, "mean-positive")) == 1).all()


def test_a_mean_over_a_large_layer_keeps_its_digits() -> None:
    signal = np.full((1, 1, 3_000_001), 0.1, np.float32)
    signal[..., 0] = 1e5
    exact = (1e5 + 3_000_000 * float(np.float32(0.1))) / 3_000_001
    one = np.ones_like(signal)
    np.testing.assert_allclose(
        mean_magnitude(signal, gate_gradient(AtGates(one, one, signal))[2]).item(), exact, rtol=1e-7
    )


@pytest.mark.parametrize("room", [slice(3, 9), slice(None)])
def test_gates_are_opened_where_they_belong(by_numpy: Callable, room: slice) -> None:
    a, whole = numbers((2, 3, 6), np.float32, 0), np.full((2, 3, 12), 7, np.float32)
    into = whole[..., room][..., :6]
    for found in (opened(a, 0, into=into).copy(), by_numpy(lambda: opened(a, 0, into=into)).copy()):
        same(found, (a > 0).astype(np.float32))
    assert (whole == 7).sum() == 2 * 3 * 6
