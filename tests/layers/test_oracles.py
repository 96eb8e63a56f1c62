"""Layers with windows against literal oracles: drawn geometries, N != C != H != W, ties, clipped windows, large alpha."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ..oracles import correlation, lrn, pooling
from . import bench

TOLERANCE = {np.float64: 1e-12, np.float32: 2e-6}  # of the greatest magnitude
DRAWN = settings(max_examples=40, deadline=None, derandomize=True)
TYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


def agree(found: np.ndarray, expected: np.ndarray, dtype: Any) -> None:
    assert found.shape == expected.shape
    assert found.dtype == dtype
    error = abs(found.astype(np.float64) - expected).max(initial=0)
    assert error <= TOLERANCE[dtype] * max(1.0, abs(expected).max(initial=0)), error


@st.composite
def images(draw: Any, smallest: int = 1) -> np.ndarray:
    """(N, C, H, W), all different (N may be 1); half of them of few values, so that windows tie."""
    shape = draw(st.permutations([2, 3, 4, 5, 6, 7]))[:4]
    shape = [1 if draw(st.booleans()) else shape[0] % 4 + 1, *shape[1:]]
    assume(len(set(shape)) == 4 and min(shape[2:]) >= smallest)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return rng.integers(-1, 3, shape).astype(float) if draw(st.booleans()) else rng.normal(size=shape)


@st.composite
def convolutions(draw: Any) -> tuple[np.ndarray, tuple, int, dict[str, Any]]:
    """An image, the kernel, the number of outputs, and the geometry of a convolution that has room on it."""
    x = draw(images(smallest=2))
    channels = x.shape[1]
    group = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    geometry = {"stride": draw(pairs), "pad": tuple(p - 1 for p in draw(pairs)), "dilation": draw(pairs)}
    kernel = draw(pairs)
    spans = [d * (k - 1) + 1 for d, k in zip(geometry["dilation"], kernel, strict=True)]
    assume(all(n + 2 * p >= span for n, p, span in zip(x.shape[2:], geometry["pad"], spans, strict=True)))
    return x, kernel, group * draw(st.integers(1, 2)), {**geometry, "group": group}


def filters(type_name: str, kernel: tuple, outputs: int, geometry: dict[str, Any]) -> Any:
    repeated = {"stride": geometry["stride"], "pad": geometry["pad"], "dilation": geometry["dilation"]}
    fields = [f"{name}: {value}" for name, values in {**repeated, "kernel_size": kernel}.items() for value in values]
    options = f"num_output: {outputs} group: {geometry['group']} {' '.join(fields)}"
    return bench.make(type_name, f"convolution_param {{ {options} }}")


@TYPES
@DRAWN
@given(drawn=convolutions())
def test_convolution(dtype: Any, drawn: tuple) -> None:
    x, kernel, outputs, geometry = drawn
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(outputs, x.shape[1] // geometry["group"], *kernel))
    bias = rng.normal(size=outputs)
    x, weights, bias = (array.astype(dtype).astype(np.float64) for array in (x, weights, bias))
    spatial = {name: geometry[name] for name in ("stride", "pad", "dilation")}
    edges = list(correlation.convolution_edges(x.shape, weights.shape, **geometry))
    top = correlation.convolution_top(x.shape, weights.shape, **spatial)
    layer, arrays = filters("Convolution", kernel, outputs, geometry), [a.astype(dtype) for a in (x, weights, bias)]
    expected = correlation.weighted_sums(edges, x, weights, top) + bias[:, None, None]
    agree(bench.forward(layer, arrays[:1], arrays[1:])[0], expected, dtype)

    signals = rng.normal(size=(2, *top)).astype(dtype)
    (to_bottom,) = bench.gradient(layer, arrays[:1], [signals], arrays[1:])
    for signal, found in zip(signals, to_bottom, strict=True):
        agree(found, correlation.bottom_gradient(edges, signal.astype(np.float64), weights, x.shape), dtype)
    to_weights, to_bias = bench.parameter_gradient(layer, arrays[:1], [signals], arrays[1:])
    both = signals.astype(np.float64).sum(0)
    agree(to_weights, correlation.weight_gradient(edges, both, x, weights.shape), dtype)
    agree(to_bias, both.sum((0, 2, 3)), dtype)


@TYPES
@DRAWN
@given(drawn=convolutions())
def test_deconvolution(dtype: Any, drawn: tuple) -> None:
    x, kernel, outputs, geometry = drawn
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(x.shape[1], outputs // geometry["group"], *kernel)).astype(dtype)
    layer = filters("Deconvolution", kernel, outputs, geometry)
    sizes = [
        s * (n - 1) + d * (k - 1) + 1 - 2 * p
        for n, k, s, p, d in zip(
            x.shape[2:], kernel, geometry["stride"], geometry["pad"], geometry["dilation"], strict=True
        )
    ]
    assume(min(sizes) >= 1)
    top = (len(x), outputs, *sizes)
    edges = list(correlation.deconvolution_edges(x.shape, weights.shape, top, **geometry))
    x = x.astype(dtype)
    zeros = np.zeros(outputs, dtype)
    wide = weights.astype(np.float64)
    expected = correlation.weighted_sums(edges, x.astype(np.float64), wide, top)
    agree(bench.forward(layer, [x], [weights, zeros])[0], expected, dtype)
    signal = rng.normal(size=top).astype(dtype)
    (found,) = bench.gradient(layer, [x], [signal[None]], [weights, zeros])
    agree(found[0], correlation.bottom_gradient(edges, signal.astype(np.float64), wide, x.shape), dtype)


@TYPES
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 4, 3, 2), (3, 7), (1, 1)])
@pytest.mark.parametrize("transpose", [False, True])
def test_inner_product(dtype: Any, shape: tuple, transpose: bool) -> None:
    rng = np.random.default_rng(1)
    x, bias = rng.normal(size=shape).astype(dtype), rng.normal(size=6).astype(dtype)
    weights = rng.normal(size=(6, int(np.prod(shape[1:])))).astype(dtype)
    edges, top = list(correlation.inner_product_edges(shape, 6)), (shape[0], 6)
    layer = bench.make("InnerProduct", f"inner_product_param {{ num_output: 6 transpose: {str(transpose).lower()} }}")
    given_weights = weights.T.copy() if transpose else weights
    wide = x.astype(np.float64), weights.astype(np.float64)
    expected = correlation.weighted_sums(edges, *wide, top) + bias
    agree(bench.forward(layer, [x], [given_weights, bias])[0], expected, dtype)
    signal = rng.normal(size=top).astype(dtype)
    (found,) = bench.gradient(layer, [x], [signal[None]], [given_weights, bias])
    agree(found[0], correlation.bottom_gradient(edges, signal.astype(np.float64), wide[1], shape), dtype)
    to_weights = bench.parameter_gradient(layer, [x], [signal[None]], [given_weights, bias])[0]
    expected = correlation.weight_gradient(edges, signal.astype(np.float64), wide[0], weights.shape)
    agree(to_weights.T if transpose else to_weights, expected, dtype)


@st.composite
def poolings(draw: Any) -> tuple[np.ndarray, pooling.Geometry]:
    """An image and windows that all hold a real pixel; strides beyond the kernel and padding along one axis occur."""
    x, kernel, stride = draw(images(smallest=2)), draw(pairs), draw(pairs)
    pad = tuple(draw(st.integers(0, k - 1)) for k in kernel)
    geometry = pooling.Geometry(kernel, stride, pad)  # type: ignore[arg-type]
    assume(all(n + 2 * p >= k for n, k, p in zip(x.shape[2:], kernel, pad, strict=True)))
    assume(all(pixels for _, pixels, _ in geometry.windows(x.shape[2:])))
    return x, geometry


def pooling_layer(geometry: pooling.Geometry, pool: str, tops: int = 1) -> Any:
    pairs = {"kernel": geometry.kernel, "stride": geometry.stride, "pad": geometry.pad}
    fields = " ".join(f"{name}_h: {h} {name}_w: {w}" for name, (h, w) in pairs.items())
    return bench.make("Pooling", f"pooling_param {{ pool: {pool} {fields} }}", tops=tops)


@TYPES
@DRAWN
@given(drawn=poolings())
def test_max_pooling_exactly(dtype: Any, drawn: tuple) -> None:
    x, geometry = drawn[0].astype(dtype), drawn[1]
    expected, switches = pooling.max_pooling(x, geometry)
    y, mask = bench.forward(pooling_layer(geometry, "MAX", tops=2), [x])
    assert np.array_equal(y, expected)
    for index, (h, w) in switches.items():
        assert mask[index] == h * x.shape[3] + w
    signals = np.random.default_rng(2).integers(-9, 9, (2, *y.shape)).astype(dtype)
    (found,) = bench.gradient(pooling_layer(geometry, "MAX"), [x], [signals])
    for signal, below in zip(signals, found, strict=True):
        assert np.array_equal(below, pooling.max_pooling_gradient(signal, switches, x.shape))


@TYPES
@DRAWN
@given(drawn=poolings())
def test_average_pooling(dtype: Any, drawn: tuple) -> None:
    x, geometry = drawn[0].astype(dtype), drawn[1]
    layer = pooling_layer(geometry, "AVE")
    expected = pooling.average_pooling(x.astype(np.float64), geometry)
    agree(bench.forward(layer, [x])[0], expected, dtype)
    signal = np.random.default_rng(3).normal(size=expected.shape).astype(dtype)
    (found,) = bench.gradient(layer, [x], [signal[None]])
    agree(found[0], pooling.average_pooling_gradient(signal.astype(np.float64), geometry, x.shape), dtype)


def test_padding_along_one_axis_drops_a_window_along_the_other() -> None:
    """Caffe asks ``if (pad_h_ || pad_w_)``, then looks at both axes."""
    stray = bench.make("Pooling", "pooling_param { kernel_h: 1 kernel_w: 3 stride_h: 3 stride_w: 1 pad_h: 0 pad_w: 1 }")
    assert stray.top_shapes([(1, 1, 2, 4)]) == [(1, 1, 1, 4)]
    bare = bench.make("Pooling", "pooling_param { kernel_h: 1 kernel_w: 3 stride_h: 3 stride_w: 1 }")
    assert bare.top_shapes([(1, 1, 2, 4)]) == [(1, 1, 2, 2)]


@TYPES
@DRAWN
@given(
    x=images(),
    size=st.sampled_from([1, 3, 5, 9]),
    alpha=st.sampled_from([1e-4, 1.0, 50.0]),
    beta=st.sampled_from([0.75, 0.5, 2.0]),
    k=st.sampled_from([1.0, 2.0, 0.25]),
)
def test_lrn(dtype: Any, x: np.ndarray, size: int, alpha: float, beta: float, k: float) -> None:
    x = x.astype(dtype)
    alpha, beta, k = (float(np.float32(value)) for value in (alpha, beta, k))  # prototxt floats are single
    options = f"local_size: {size} alpha: {alpha!r} beta: {beta!r} k: {k!r}"
    wide = x.astype(np.float64)
    expected, scale = lrn.across_channels(wide, size, alpha, beta, k), lrn.scale_across_channels(wide, size, alpha, k)
    found = bench.forward(bench.make("LRN", f"lrn_param {{ {options} }}"), [x])[0]
    # Caffe carries the sum from channel to channel: each step may leave half a unit of the greatest sum so far behind
    carried = beta * 2 * x.shape[1] * np.finfo(dtype).eps / 2 * scale.max(1, keepdims=True) / scale
    assert found.dtype == dtype
    assert (abs(found - expected) <= (carried + 4 * np.finfo(dtype).eps) * abs(expected)).all()
    within = bench.make("LRN", f"lrn_param {{ {options} norm_region: WITHIN_CHANNEL }}")
    agree(bench.forward(within, [x])[0], lrn.within_channel(wide, size, alpha, beta), dtype)


@pytest.mark.parametrize("type_name", ["Convolution", "Deconvolution"])
def test_images_go_through_in_chunks(monkeypatch: pytest.MonkeyPatch, type_name: str) -> None:
    """However little room there is for patches, the numbers are the same."""
    from thinktwice.layers import correlation as ours

    options = "convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 2 group: 2 bias_term: false }"
    layer, rng = bench.make(type_name, options), np.random.default_rng(4)
    x, weights = rng.normal(size=(5, 2, 6, 7)), rng.normal(size=layer.parameter_specs([(5, 2, 6, 7)])[0].shape)
    signals = rng.normal(size=(3, *layer.top_shapes([x.shape])[0]))

    def everything() -> list[np.ndarray]:
        return [
            *bench.forward(layer, [x], [weights]),
            *bench.gradient(layer, [x], [signals], [weights]),
            *bench.parameter_gradient(layer, [x], [signals], [weights]),
        ]

    whole = everything()
    monkeypatch.setattr(ours, "PATCH_BYTES", 1)
    for one, other in zip(whole, everything(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-13)
