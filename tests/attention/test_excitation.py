"""Excitation backprop against exact numbers of the authors' Caffe fork, literal oracles, and its own identities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction as F
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from thinktwice.attention.attend import attend
from thinktwice.attention.contrastive import contrastive_rule
from thinktwice.attention.excitation import EXCITATION
from thinktwice.errors import BadInput
from thinktwice.executor.graph import Graph
from thinktwice.executor.net import Net
from thinktwice.executor.trace import Trace

from ..layers import bench
from ..nets import BLOBS, LIVE, data, deep, image, layer, make, relu
from ..oracles import correlation
from ..oracles import excitation as oracle


def exact(numbers: Any, *shape: int) -> np.ndarray:
    """Numbers, or fractions written "1/3", as an array of exact ``Fraction``s."""
    flat = numbers.split() if isinstance(numbers, str) else np.asarray(numbers, object).ravel()
    array = np.array([F(number) for number in flat], object)
    return array.reshape(shape or (1, len(array)))


def floats(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64)


def assert_exact(found: np.ndarray, expected: np.ndarray, ulps: int = 4) -> None:
    """Every number within a few units in the last place of the rational, and 0 exactly where that is 0."""
    assert found.dtype == np.float64
    assert found.shape == expected.shape
    for index in np.ndindex(expected.shape):
        distance = abs(F(float(found[index])) - expected[index])
        assert distance <= ulps * F(float(np.spacing(abs(float(expected[index]))))) * (expected[index] != 0), index


def excite(net: Net, blobs: dict[str, np.ndarray], top: str, mass: np.ndarray, to: Sequence[str] = ("data",)) -> list:
    """The masses at ``to``, which must be the same when a forward pass keeps only what the walk reads."""
    inputs = {name: floats(array) for name, array in blobs.items()}
    lean = net.forward(inputs, blobs=[top], rule="excitation", to=to)
    walks = [net.backward(trace, {top: floats(mass)}, "excitation", to=to) for trace in (net.forward(inputs), lean)]
    for blob in to:
        assert np.array_equal(*(walk[blob] for walk in walks))
    return [walks[0][blob] for blob in to]


# -- golden vectors: the numbers of the fork's own CPU layers ---------------------------------------------------------


def test_vector_1_a_fully_connected_layer() -> None:
    x, mass = exact([1, 2, 0, 3]), exact("1/2 1/8 1/8 1/4")
    weights, bias = exact([1, -1, 2, 1, -1, -2, 0, -3, 0, -5, 7, 0, 2, 1, 5, 0], 4, 4), exact([100, -50, 3, 0], 4)
    expected = exact("1/4 1/8 0 3/8")
    assert np.array_equal(oracle.inner_product(mass, [x], weights)[0], expected)
    net = make(
        data(1, 4) + layer("fc", "InnerProduct", "data", "inner_product_param { num_output: 4 }"),
        {"fc": (floats(weights), floats(bias))},
    )
    (found,) = excite(net, {"data": x}, "fc", mass)
    assert_exact(found, expected)
    assert expected.sum() == F(3, 4)


def test_vector_2_signed_activations_are_used_as_they_are() -> None:
    x, mass, weights = exact([-1, 2, -3]), exact([1, 1, 1]), exact([1, 2, 0, 2, 1, 0, 1, 1, 5], 3, 3)
    expected = exact("-11/42 25/21 15/14")
    assert np.array_equal(oracle.inner_product(mass, [x], weights)[0], expected)
    options = "inner_product_param { num_output: 3 bias_term: false }"
    net = make(data(1, 3) + layer("fc", "InnerProduct", "data", options), {"fc": (floats(weights),)})
    assert_exact(excite(net, {"data": x}, "fc", mass)[0], expected)


def pooled(x: np.ndarray, mass: np.ndarray, options: str, **geometry: Any) -> np.ndarray:
    """A pooling layer's mass at its bottom, by the net and by the oracle, which must agree."""
    net = make(data(*x.shape) + layer("pool", "Pooling", "data", f"pooling_param {{ {options} }}"))
    (found,) = excite(net, {"data": x}, "pool", mass)
    (literal,) = oracle.pooling(mass, [x], **geometry)
    assert_exact(found, literal)
    return literal


def test_vector_3_the_first_maximum_wins_and_overlaps_add_up() -> None:
    x = exact(list("1330033000222220000000505"), 1, 1, 5, 5)
    found = pooled(x, exact(".1 .2 .3 .4", 1, 1, 2, 2), "kernel_size: 3 stride: 2",
                   pool="MAX", kernel=(3, 3), stride=(2, 2))  # fmt: skip
    expected = exact([0] * 25, 1, 1, 5, 5)
    expected[0, 0, 0, 1:3], expected[0, 0, 4, 2] = [F(".1"), F(".2")], F(".7")
    assert np.array_equal(found, expected)


def test_vector_4_clipped_windows() -> None:
    x = exact(list("1122112200000007"), 1, 1, 4, 4)
    found = pooled(x, exact("1/4 1/4 1/4 1/4", 1, 1, 2, 2), "kernel_size: 3 stride: 2",
                   pool="MAX", kernel=(3, 3), stride=(2, 2))  # fmt: skip
    expected = exact([0] * 16, 1, 1, 4, 4)
    expected[0, 0, 0, 2], expected[0, 0, 2, 0], expected[0, 0, 3, 3] = F(1, 2), F(1, 4), F(1, 4)
    assert np.array_equal(found, expected)


def test_vector_5_average_pooling_passes_nothing_where_a_window_sums_to_zero_or_less() -> None:
    x = exact([1, 2, 0, 0, 3, 4, 0, 0, -1, -2, 1, -1, -3, 0, 2, 2], 1, 1, 4, 4)
    mass = exact([F(i + 1, 45) for i in range(9)], 1, 1, 3, 3)
    found = pooled(x, mass, "pool: AVE kernel_size: 3 stride: 2 pad: 1",
                   pool="AVE", kernel=(3, 3), stride=(2, 2), pad=(1, 1))  # fmt: skip
    rows = "1/450 13/675 0 0  41/150 316/675 0 0  -4/45 -29/135 1/54 -41/270  -4/15 0 17/135 16/27"
    assert np.array_equal(found, exact(rows, 1, 1, 4, 4))
    assert found.sum() == F(7, 9)


def test_vector_6_a_blob_read_by_three_branches() -> None:
    x = exact([1, 2, 3, 4, 0, 1, 0, 2], 1, 2, 2, 2)
    mass = exact([F(i % 3 + 1, 39) for i in range(20)], 1, 5, 2, 2)
    narrow, wide = exact([2, -1], 1, 2, 1, 1), exact([1, 1, -1, 3], 2, 2, 1, 1)
    expected = exact("1/13 4/39 4/39 28/117 0 2/39 0 35/117", 1, 2, 2, 2)

    one = "convolution_param {{ num_output: {} kernel_size: 1 bias_term: false }}"
    net = make(
        data(1, 2, 2, 2)
        + layer("narrow", "Convolution", "data", one.format(1)) + relu("narrow")
        + layer("wide", "Convolution", "data", one.format(2)) + relu("wide")
        + layer("pool", "Pooling", "data", "pooling_param { kernel_size: 3 pad: 1 }")
        + layer("all", "Concat", "narrow wide pool"),
        {"narrow": (floats(narrow),), "wide": (floats(wide),)},
    )  # fmt: skip
    assert_exact(excite(net, {"data": x}, "all", mass)[0], expected)

    def below_relu(mass: np.ndarray, weights: np.ndarray) -> np.ndarray:
        z = correlation.weighted_sums(
            correlation.convolution_edges(x.shape, weights.shape), x, weights, (1, len(weights), 2, 2)
        )
        return oracle.convolution(oracle.relu(mass, [z])[0], [x], weights)[0]

    parts = oracle.concat(mass, [exact([0] * 4 * c, 1, c, 2, 2) for c in (1, 2, 2)])
    (pool,) = oracle.pooling(parts[2], [x], pool="MAX", kernel=(3, 3), pad=(1, 1))
    assert np.array_equal(oracle.split([below_relu(parts[0], narrow), below_relu(parts[1], wide), pool]), expected)


@pytest.mark.parametrize(
    ("in_place", "to_a", "to_b"),
    [
        (True, "1/12 1/3 0 0 0 0", "1/12 -1/6 0 0 0 0"),
        (False, "1/12 1/3 0 0 -1/6 0", "1/12 -1/6 0 0 1/3 1/6"),
    ],
)
def test_vector_7_a_sum_of_two_branches(in_place: bool, to_a: str, to_b: str) -> None:
    a, b, mass = exact([1, 2, 0, 3, 1, 0]), exact([1, -1, 0, -3, -2, -2]), exact([F(1, 6)] * 6)
    masses = oracle.eltwise(mass, [a, b], in_place_relu=in_place)
    assert np.array_equal(masses, [exact(to_a), exact(to_b)])
    text = data(1, 6, name="a") + data(1, 6, name="b") + layer("sum", "Eltwise", "a b")
    text += relu("sum") if in_place else ""
    for found, expected in zip(excite(make(text), {"a": a, "b": b}, "sum", mass, ["a", "b"]), masses, strict=True):
        assert_exact(found, expected)


def test_vector_7_a_relu_into_another_blob_gates_but_does_not_divide() -> None:
    """The sum stays in memory as it was, so only the ReLU's own gate takes mass away."""
    a, b, mass = exact([1, 2, 0, 3, 1, 0]), exact([1, -1, 0, -3, -2, -2]), exact([F(1, 6)] * 6)
    text = data(1, 6, name="a") + data(1, 6, name="b") + layer("sum", "Eltwise", "a b") + layer("top", "ReLU", "sum")
    found = excite(make(text), {"a": a, "b": b}, "top", mass, ["a", "b"])
    assert_exact(found[0], exact("1/12 1/3 0 0 0 0"))
    assert_exact(found[1], exact("1/12 -1/6 0 0 0 0"))


@pytest.mark.parametrize(("slope", "expected"), [(0, "0 0 3 4"), (0.5, "1/2 1 3 4")])
def test_vector_8_relu(slope: float, expected: str) -> None:
    x, mass = exact([-1, 0, 1, 2]), exact([1, 2, 3, 4])
    assert np.array_equal(oracle.relu(mass, [x], F(slope))[0], exact(expected))
    net = make(data(1, 4) + layer("top", "ReLU", "data", f"relu_param {{ negative_slope: {slope} }}"))
    assert_exact(excite(net, {"data": x}, "top", mass)[0], exact(expected))


@pytest.mark.parametrize(
    ("type_name", "weights"),
    [("LRN", []), ("BatchNorm", [[3, 4], [5, 6], [2]]), ("Scale", [[-2, 3]])],
)
def test_vector_8_normalisations_copy(type_name: str, weights: list) -> None:
    x, mass = exact(range(-6, 6), 1, 2, 2, 3), exact([F(i, 7) for i in range(12)], 1, 2, 2, 3)
    net = make(data(1, 2, 2, 3) + layer("top", type_name, "data"), {"top": weights} if weights else {})
    (found,) = excite(net, {"data": x}, "top", mass)
    assert np.array_equal(found, floats(mass))
    assert np.array_equal(oracle.copy(mass, [x])[0], mass)


# -- every rule of the table against its oracle -----------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A layer under the rule: its options in a prototxt, and in the oracle's own words."""

    type: str
    options: str
    shapes: tuple[tuple[int, ...], ...]
    oracle: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.type}-{self.options.replace(' ', '')}"


IMAGE = ((2, 4, 5, 7),)
TWO, THREE = IMAGE * 2, IMAGE * 3
CASES = [
    Case("Convolution", "convolution_param { num_output: 3 kernel_size: 3 stride: 2 pad: 1 }", IMAGE,
         {"stride": (2, 2), "pad": (1, 1)}),
    Case("Convolution", "convolution_param { num_output: 6 kernel_h: 2 kernel_w: 3 group: 2 dilation: 2 }", IMAGE,
         {"dilation": (2, 2), "group": 2}),
    Case("Convolution", "convolution_param { num_output: 3 kernel_size: 1 bias_term: false }", ((1, 2, 3, 4),)),
    Case("Deconvolution", "convolution_param { num_output: 6 kernel_size: 3 stride: 2 pad: 1 group: 2 }", IMAGE,
         {"stride": (2, 2), "pad": (1, 1), "group": 2}),
    Case("InnerProduct", "inner_product_param { num_output: 5 }", ((3, 2, 4, 1),)),
    Case("Pooling", "pooling_param { kernel_size: 3 stride: 2 pad: 1 }", IMAGE,
         {"pool": "MAX", "kernel": (3, 3), "stride": (2, 2), "pad": (1, 1)}),
    Case("Pooling", "pooling_param { pool: AVE kernel_h: 3 kernel_w: 2 stride: 2 pad_h: 1 pad_w: 0 }", IMAGE,
         {"pool": "AVE", "kernel": (3, 2), "stride": (2, 2), "pad": (1, 0)}),
    Case("Pooling", "pooling_param { pool: AVE global_pooling: true }", IMAGE, {"pool": "AVE", "kernel": (5, 7)}),
    Case("Eltwise", "", THREE),
    Case("Eltwise", "eltwise_param { coeff: 0.5 coeff: -2 }", TWO, {"coefficients": (0.5, -2)}),
    Case("Eltwise", "eltwise_param { operation: MAX }", THREE, {"operation": "MAX"}),
    Case("LRN", "lrn_param { local_size: 3 alpha: 5 }", IMAGE),
    Case("BatchNorm", "", IMAGE),
    Case("Scale", "scale_param { bias_term: true }", IMAGE),
    Case("ReLU", "", IMAGE),
    Case("ReLU", "relu_param { negative_slope: 0.25 }", IMAGE, {"slope": 0.25}),
    Case("Concat", "", ((2, 3, 4, 5), (2, 1, 4, 5), (2, 2, 4, 5))),
    Case("Concat", "concat_param { axis: -1 }", ((2, 3, 4, 5), (2, 3, 4, 1)), {"axis": 3}),
]  # fmt: skip


def test_every_type_of_the_table_has_an_oracle_and_every_oracle_a_case() -> None:
    assert set(EXCITATION.table) <= set(oracle.RULES)
    assert set(oracle.RULES) == {case.type for case in CASES}


@pytest.mark.parametrize("kind", ["continuous", "whole"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_rules(case: Case, kind: str) -> None:
    """Three targets at once, signed data and masses; ``whole`` numbers make ties and sums of exactly 0."""
    rng = np.random.default_rng(11)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape) if kind == "continuous" else rng.integers(-2, 3, shape).astype(float)

    made = bench.make(case.type, case.options, len(case.shapes))
    bottoms = [draw(*shape) for shape in case.shapes]
    parameters = [draw(*spec.shape) for spec in made.parameter_specs(case.shapes)]
    if case.type == "BatchNorm":
        parameters = [parameters[0], abs(parameters[1]) + 1, np.ones(1)]
    step = bench.step(made, bottoms, parameters, EXCITATION.reads(made) - made.gradient_reads)
    masses = draw(3, *step.top_shapes[0])
    found = EXCITATION.at(made)(step, [masses])
    weights = {"weights": parameters[0]} if case.type in ("Convolution", "Deconvolution", "InnerProduct") else {}
    assert len(found) == len(bottoms)
    for k, mass in enumerate(masses):
        expected = oracle.RULES[case.type](mass, bottoms, **weights, **case.oracle)
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours[k], theirs, rtol=1e-10, atol=1e-12 * max(1, abs(theirs).max()))


# -- identities -------------------------------------------------------------------------------------------------------


def test_masses_are_linear_in_the_signal_at_the_top() -> None:
    net, _ = deep()
    trace, rng = net.forward(data=image()), np.random.default_rng(5)
    one, other = rng.normal(size=(2, 2, 4))

    def masses(signal: np.ndarray, blob: str) -> np.ndarray:
        return net.backward(trace, {"fc2": signal}, "excitation")[blob]

    for blob in BLOBS:
        together = masses(3 * one - 0.5 * other, blob)
        np.testing.assert_allclose(together, 3 * masses(one, blob) - 0.5 * masses(other, blob), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("seed", LIVE)
def test_masses_of_positive_activations_are_not_negative_and_lie_where_activations_do(seed: int) -> None:
    net, _ = deep(seed)
    trace = net.forward(data=image(seed))
    walk = net.backward(trace, {"fc2": np.ones((2, 4))}, "excitation")
    for blob in BLOBS:
        assert (walk[blob] >= 0).all()
        assert (trace[blob][walk[blob] > 0] > 0).all()
        assert walk[blob].any(), f"{blob} is empty: this shows nothing"


@pytest.mark.parametrize("seed", LIVE)
def test_mass_is_lost_only_at_units_without_an_exciting_input(seed: int) -> None:
    """fc2 and fc1 by hand: what arrives is what left, but for the units with z == 0; no ReLU gates any away."""
    net, weights = deep(seed)
    trace, top = net.forward(data=image(seed)), np.random.default_rng(seed).uniform(size=(2, 4))
    walk = net.backward(trace, {"fc2": top}, "excitation")
    for above, mass, below, a in (("fc2", top, "fc1", trace["fc1"]), ("fc1", walk["fc1"], "p2", trace["p2"])):
        z = a.reshape(2, -1) @ np.maximum(weights[above][0], 0).T
        np.testing.assert_allclose(walk[below].reshape(2, -1).sum(1), (mass * (z != 0)).sum(1), rtol=1e-12)
    blobs = [("p2", "all"), ("p1", "n1"), ("n1", "c1")]
    for above, below in blobs:
        np.testing.assert_allclose(walk[below].sum((1, 2, 3)), walk[above].sum((1, 2, 3)), rtol=1e-12)


def test_a_relu_gates_away_the_mass_of_what_it_turned_off() -> None:
    net = make(data(1, 4) + layer("top", "ReLU", "data"))
    x, mass = np.array([[-1.0, 2.0, 0.0, 3.0]]), np.array([[0.1, 0.2, 0.3, 0.4]])
    (found,) = excite(net, {"data": x}, "top", mass)
    assert found.sum() == pytest.approx(mass.sum() - 0.1 - 0.3, rel=1e-15)


def test_biases_never_take_part_at_fixed_activations() -> None:
    """The activations of one net are given to another of other biases: only its walk is its own."""
    net, weights = deep(3)
    other = make_like(net, {name: (w, np.full_like(b, 1e6)) for name, (w, b) in weights.items()})
    trace = net.forward(data=image(3))
    mass = {"fc2": np.eye(4)[:2]}
    walks = (
        net.backward(trace, mass, "excitation"),
        other.backward(activations_of(trace, other, image(3)), mass, "excitation"),
    )
    one, two = (walk["data"] for walk in walks)
    assert np.array_equal(one, two)
    assert one.any()


def activations_of(trace: Trace, net: Net, x: np.ndarray) -> Trace:
    """A trace for ``net`` of the activations in ``trace``, which another net of the same graph left."""
    other = net.forward(data=x)
    other.values, other.saved = trace.values, trace.saved
    return other


def make_like(net: Net, weights: dict[str, tuple[np.ndarray, ...]]) -> Net:
    return Net(net.graph, weights, net.message, dtype="float64")


def test_scaling_a_units_weights_changes_nothing() -> None:
    """Every output unit's weights times a factor of its own; below an LRN-free top, activations stay as they are."""
    rng = np.random.default_rng(2)
    x, weights, mass = rng.uniform(size=(2, 3, 5, 4)), rng.normal(size=(6, 3, 3, 3)), rng.uniform(size=(2, 6, 3, 2))
    factors = rng.uniform(0.1, 10, size=(6, 1, 1, 1))
    text = data(2, 3, 5, 4) + layer(
        "c", "Convolution", "data", "convolution_param { num_output: 6 kernel_size: 3 bias_term: false }"
    )
    one, two = (excite(make(text, {"c": (w,)}), {"data": x}, "c", mass)[0] for w in (weights, weights * factors))
    np.testing.assert_allclose(one, two, rtol=1e-12)


def test_a_1x1_convolution_on_one_pixel_is_a_fully_connected_layer() -> None:
    rng = np.random.default_rng(4)
    x, weights, mass = rng.normal(size=(3, 5, 1, 1)), rng.normal(size=(4, 5)), rng.normal(size=(3, 4))
    conv = layer("top", "Convolution", "data", "convolution_param { num_output: 4 kernel_size: 1 bias_term: false }")
    full = layer("top", "InnerProduct", "data", "inner_product_param { num_output: 4 bias_term: false }")
    by_convolution = make(data(3, 5, 1, 1) + conv, {"top": (weights.reshape(4, 5, 1, 1),)})
    by_full = make(data(3, 5, 1, 1) + full, {"top": (weights,)})
    found = excite(by_convolution, {"data": x}, "top", mass.reshape(3, 4, 1, 1))[0]
    np.testing.assert_allclose(found, excite(by_full, {"data": x}, "top", mass)[0], rtol=1e-14)


def test_average_pooling_is_a_depthwise_convolution_of_ones() -> None:
    rng = np.random.default_rng(4)
    x, mass = rng.uniform(size=(2, 3, 6, 8)), rng.normal(size=(2, 3, 3, 4))
    pool = make(
        data(2, 3, 6, 8) + layer("top", "Pooling", "data", "pooling_param { pool: AVE kernel_size: 2 stride: 2 }")
    )
    options = "convolution_param { num_output: 3 group: 3 kernel_size: 2 stride: 2 bias_term: false }"
    conv = make(data(2, 3, 6, 8) + layer("top", "Convolution", "data", options), {"top": (np.ones((3, 1, 2, 2)),)})
    found = excite(pool, {"data": x}, "top", mass)[0]
    np.testing.assert_allclose(found, excite(conv, {"data": x}, "top", mass)[0], rtol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_where_an_absorbing_markov_chain_ends(seed: int) -> None:
    """A walker starts at a class and goes to an input of its unit with probability a w+ / z, or ends nowhere where z is 0.

    States are all units; the inputs absorb. With Q the steps between the others and R those into the inputs, the walker
    ends at the inputs with probability p (I - Q)^-1 R.
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(1, 2, 4, 5)) * (rng.uniform(size=(1, 2, 4, 5)) > 0.4)
    conv, fc1, fc2 = rng.normal(size=(3, 2, 2, 2)), rng.normal(size=(7, 36)), rng.normal(size=(4, 7))
    text = (
        data(1, 2, 4, 5)
        + layer("conv", "Convolution", "data", "convolution_param { num_output: 3 kernel_size: 2 bias_term: false }")
        + relu("conv")
        + layer("fc1", "InnerProduct", "conv", "inner_product_param { num_output: 7 bias_term: false }")
        + relu("fc1")
        + layer("fc2", "InnerProduct", "fc1", "inner_product_param { num_output: 4 bias_term: false }")
    )
    net = make(text, {"conv": (conv,), "fc1": (fc1,), "fc2": (fc2,)})
    trace = net.forward(data=x)
    blobs = {"fc2": (1, 4), "fc1": (1, 7), "conv": (1, 3, 3, 4), "data": (1, 2, 4, 5)}
    states = {(blob, index): i for i, (blob, index) in enumerate((b, i) for b in blobs for i in np.ndindex(*blobs[b]))}
    steps = np.zeros((len(states), len(states)))
    for above, below, edges, weights in (
        ("fc2", "fc1", correlation.inner_product_edges(blobs["fc1"], 4), fc2),
        ("fc1", "conv", correlation.inner_product_edges(blobs["conv"], 7), fc1),
        ("conv", "data", correlation.convolution_edges(blobs["data"], conv.shape), conv),
    ):
        for j, i, w in edges:
            steps[states[above, j], states[below, i]] = max(weights[w], 0) * trace[below][i]
    z = steps.sum(1, keepdims=True)
    steps = np.divide(steps, z, out=np.zeros_like(steps), where=z != 0)
    inner = 4 + 7 + 36
    start = rng.uniform(size=4)
    start /= start.sum()
    begin = np.concatenate([start, np.zeros(inner - 4)])
    visits = np.linalg.solve(np.eye(inner) - steps[:inner, :inner].T, begin)
    ends = (visits @ steps[:inner, inner:]).reshape(x.shape)
    (found,) = excite(net, {"data": x}, "fc2", start[None])
    np.testing.assert_allclose(found, ends, rtol=1e-11, atol=1e-14)
    assert ends.any()


# -- numbers at the edge ----------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dead_units_pass_nothing_and_tiny_ones_everything(dtype: str) -> None:
    """z == 0 exactly, by weights, by activations, or by cancelling; 1e-30 is not 0, and no epsilon drowns it."""
    x = np.array([[1, 0, -1, 1e-30]], dtype)
    weights = [[-1, 0, 0, 0], [0, 5, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    options = "inner_product_param { num_output: 5 bias_term: false }"
    net = make(data(1, 4) + layer("fc", "InnerProduct", "data", options), {"fc": (weights,)}, dtype)
    masses = np.eye(5)[:, None]
    found = net.backward(net.forward(data=x), {"fc": masses}, "excitation", to=["data"])["data"]
    assert found.shape == (5, 1, 4)
    assert not found[[0, 1, 2, 4]].any()
    np.testing.assert_allclose(found[3, 0], [0, 0, 0, 1], rtol=1e-6)


def test_stops_pass_no_mass_to_a_second_bottom_of_a_normalisation() -> None:
    text = (
        data(2, 3, 4, 5) + data(2, 3, name="factor") + layer("top", "Scale", "data factor", "scale_param { axis: 0 }")
    )
    net = make(text)
    trace = net.forward(data=np.ones((2, 3, 4, 5)), factor=np.ones((2, 3)))
    walk = net.backward(trace, {"top": np.ones((2, 3, 4, 5))}, "excitation")
    assert "factor" not in walk
    assert (walk["data"] == 1).all()


# -- contrast -----------------------------------------------------------------------------------------------------------


def dual(net: Net, weights: dict[str, tuple[np.ndarray, ...]], classifier: str) -> Net:
    """The same net with the weights of its classifier negated, its bias kept."""
    w, b = weights[classifier]
    return make_like(net, {**weights, classifier: (-w, b)})


@pytest.mark.parametrize("seed", LIVE)
def test_one_signed_sweep_is_the_difference_of_two(seed: int) -> None:
    net, weights = deep(seed)
    trace, mass = net.forward(data=image(seed)), {"fc2": np.eye(4)[:, None].repeat(2, 1)}
    once = net.backward(trace, mass, contrastive_rule("fc2"))
    own = net.backward(trace, mass, "excitation")
    negated = dual(net, weights, "fc2")
    other = negated.backward(activations_of(trace, negated, image(seed)), mass, "excitation")
    for blob in BLOBS:
        np.testing.assert_allclose(once[blob], own[blob] - other[blob], rtol=1e-9, atol=1e-12)
    assert (once["p2"] < 0).any(), "the sweep goes on signed"
    assert (once["p2"] > 0).any()


def test_only_the_named_layer_makes_a_contrast() -> None:
    net, _ = deep()
    trace, mass = net.forward(data=image()), {"fc1": np.ones((2, 6))}
    contrasted = net.backward(trace, mass, contrastive_rule("fc2"))["data"]
    assert np.array_equal(contrasted, net.backward(trace, mass, "excitation")["data"])
    assert contrasted.any()


def test_a_signal_of_another_shape_is_refused() -> None:
    net, _ = deep()
    with pytest.raises(BadInput, match=r"signal at 'fc2': found shape \(3, 4\), expected \(2, 4\), or \(K, 2, 4\)"):
        net.backward(net.forward(data=image()), {"fc2": np.ones((3, 4))}, "excitation")


def three_by_three(exactly: bool, seed: int = 0) -> Net:
    """Layers large enough for Winograd's way, biases of every sign, and a net that takes it unless told ``exactly``."""
    rng = np.random.default_rng(seed)
    shapes = {"a": (32, 24, 3, 3), "b": (40, 32, 1, 1), "c": (24, 40, 3, 3), "d": (32, 24, 3, 3), "fc": (7, 32)}
    text = data(2, 24, 20, 18)
    for below, name in pairwise(("data", "a", "b", "c")):
        text += conv(name, below, shapes[name]) + relu(name)
    text += conv("d", "c", shapes["d"]) + relu("d")
    text += layer("mean", "Pooling", "d", "pooling_param { pool: AVE global_pooling: true }")
    text += layer("fc", "InnerProduct", "mean", "inner_product_param { num_output: 7 }")
    weights = {
        name: (rng.normal(0, 0.1, shape).astype(np.float32), rng.normal(0, 1, shape[0]).astype(np.float32))
        for name, shape in shapes.items()
    }
    net = make(text, weights, "float32")
    return Net(Graph(net.message, exact=exactly), net.params, net.message, "float32")


def conv(name: str, below: str, shape: tuple[int, ...]) -> str:
    options = f"num_output: {shape[0]} kernel_size: {shape[2]} pad: {shape[2] // 2}"
    return layer(name, "Convolution", below, f"convolution_param {{ {options} }}")


@pytest.mark.parametrize("seed", range(4))
def test_faster_convolutions_carry_the_same_masses(seed: int) -> None:
    """Among them units that are active by their bias alone: their sums are exactly 0, and they pass nothing on."""
    x = np.maximum(np.random.default_rng(seed).normal(-1, 1, (2, 24, 20, 18)), 0).astype(np.float32)
    x[:, :, :9] = 0
    found = []
    for exactly in (True, False):
        net = three_by_three(exactly, seed)
        trace = net.forward(data=x)
        masses = np.eye(7, dtype=np.float32)[:, None].repeat(2, 1)
        blobs = ["data", "a", "b", "c", "d"]
        walk = net.backward(trace, {"fc": masses}, "excitation", to=blobs)
        dead = (trace["a"] > 0) & (net.graph.nodes[1].layer.linear(x, net.params["a"][0], positive=True) == 0)
        assert dead[:, :, :6].any()
        found.append([walk[blob] for blob in blobs])
    for exact_one, other in zip(*found, strict=True):
        assert other.min() >= -1e-7 * other.max()
        np.testing.assert_allclose(other, exact_one, rtol=0, atol=2e-5 * exact_one.max())
        np.testing.assert_allclose(other.sum((2, 3, 4)), exact_one.sum((2, 3, 4)), rtol=2e-5)
    assert 0 < found[0][0].sum() < 0.9 * found[0][1].sum()  # what units that are active by their bias had is gone


def test_sums_made_on_the_way_up_are_those_of_the_walk() -> None:
    net, x = three_by_three(False), abs(np.random.default_rng(1).normal(size=(2, 24, 20, 18))).astype(np.float32)
    mass = np.eye(7, dtype=np.float32)[:2]
    for _ in range(4):  # as written, and from a record
        lean = net.forward({"data": x}, blobs=["fc"], rule="excitation", to=["data"])
        whole = net.forward(data=x)
        assert lean.sums and not whole.sums
        assert np.array_equal(lean["fc"], whole["fc"])
        walks = [net.backward(trace, {"fc": mass}, "excitation", to=["data"])["data"] for trace in (lean, whole)]
        assert np.array_equal(*walks)


@pytest.mark.parametrize("method", ["gradient", "mwp", "c-mwp", "feedback"])
def test_asking_again_and_again_gives_the_same(method: str) -> None:
    """The first time as it is written, later from a record, which must not know the numbers of the first."""
    net, rng = three_by_three(False), np.random.default_rng(2)
    images = [abs(rng.normal(size=(2, 24, 20, 18))).astype(np.float32) for _ in range(3)]
    questions = [(one, targets) for one in images for targets in ([0, 3], [5, 1])]
    for one, targets in questions:
        fresh = attend(three_by_three(False), one, targets, method)
        again = attend(net, one, targets, method)
        assert np.array_equal(again.map, fresh.map)
        assert np.array_equal(again.scores, fresh.scores)
        if again.curve is not None:
            assert np.array_equal(again.curve, fresh.curve)
            assert all(np.array_equal(again.gates[gate], z) for gate, z in fresh.gates.items())


@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
def test_layers_with_3_by_3_kernels_pass_nothing_on_where_their_sums_are_0(kind: str) -> None:
    """A few pixels are excited, and units beyond them are active by their bias: in single precision as in double."""
    rng = np.random.default_rng(0)
    text = data(1, 32, 24, 24) + layer("d", kind, "data", "convolution_param { num_output: 32 kernel_size: 3 pad: 1 }")
    text += layer("fc", "InnerProduct", "d", "inner_product_param { num_output: 4 }")
    weights = {
        "d": (rng.normal(size=(32, 32, 3, 3)), rng.normal(size=32)),
        "fc": (rng.normal(size=(4, 32 * 576)), np.zeros(4)),
    }
    x = np.zeros((1, 32, 24, 24))
    x[:, :, 2:6, 2:6] = rng.random((1, 32, 4, 4))
    mass, found = np.eye(4)[:1], []
    for dtype in ("float32", "float64"):
        net = make(text, {name: tuple(own) for name, own in weights.items()}, dtype)
        walk = net.backward(net.forward(data=x), {"fc": mass}, "excitation", to=["data", "d"])
        found.append((walk["data"], walk["d"]))
    (single, _), (double, above) = found
    assert double.sum() < 0.5 * above.sum()
    np.testing.assert_allclose(single, double, rtol=0, atol=1e-5 * double.max())
    assert np.array_equal(single != 0, double != 0)
