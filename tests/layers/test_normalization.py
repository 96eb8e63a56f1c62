"""BatchNorm, Scale, Bias, MVN and Softmax: which numbers share a statistic, a factor or a sum."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.errors import BadInput

from . import bench

STORED = [[4.0, 6.0], [8.0, 2.0], [2.0]]  # sums of means, sums of variances, factor


def test_batch_norm_divides_the_stored_sums_by_the_factor() -> None:
    layer = bench.make("BatchNorm", "batch_norm_param { eps: 0 }")
    x = [[[3.0, 4.0], [3.0, 5.0]]]  # (N, C, H): means 2 and 3, variances 4 and 1
    assert bench.forward(layer, [x], STORED)[0].tolist() == [[[0.5, 1.0], [0.0, 2.0]]]
    assert bench.gradient(layer, [x], [np.ones((1, 1, 2, 2))], STORED)[0].tolist() == [[[[0.5, 0.5], [1.0, 1.0]]]]


@pytest.mark.filterwarnings("error")
def test_batch_norm_reads_a_factor_of_zero_as_statistics_of_zero() -> None:
    layer = bench.make("BatchNorm", "batch_norm_param { eps: 0.25 }")
    assert bench.forward(layer, [[[1.0, -2.0]]], [[4, 6], [8, 2], [0]])[0].tolist() == [[2.0, -4.0]]


def test_batch_norm_uses_the_batch_in_training_or_when_told() -> None:
    x, ones = [[[1.0], [10.0]], [[5.0], [10.0]]], [[0, 0], [0, 0], [1]]  # (2, 2, 1)
    by_phase = {
        "": "stored", "phase: TEST": "stored", "phase: TRAIN": "batch",
        "phase: TRAIN batch_norm_param { use_global_stats: true }": "stored",
        "phase: TEST batch_norm_param { use_global_stats: false }": "batch",
    }  # fmt: skip
    for options, expected in by_phase.items():
        layer = bench.make("BatchNorm", f"{options} batch_norm_param {{ eps: 1 }}")
        # batch: means 3 and 10, variances 4 and 0; stored: 0
        top = {"stored": [1, 10, 5, 10], "batch": [-0.894427191, 0, 0.894427191, 0]}[expected]
        assert bench.forward(layer, [x], ones)[0].ravel().tolist() == pytest.approx(top)
        assert layer.gradient_reads == ({"tops", "saved"} if expected == "batch" else set())


def test_batch_norm_saves_the_batch_statistics() -> None:
    x = [[[1.0], [10.0]], [[5.0], [10.0]]]
    mean, variance = bench.step(bench.make("BatchNorm", "phase: TRAIN"), [x], [[0, 0], [0, 0], [0]]).saved
    assert (mean.tolist(), variance.tolist()) == ([3, 10], [4, 0])


def test_batch_norm_stores_two_sums_and_a_factor_that_start_at_zero_and_are_not_learnt() -> None:
    specs = bench.make("BatchNorm").parameter_specs([(2, 3, 4, 5)])
    assert [(spec.shape, spec.filler, spec.learnt) for spec in specs] == [
        ((3,), None, False),
        ((3,), None, False),
        ((1,), None, False),
    ]


def test_batch_norm_adds_the_batch_to_its_sums_while_training() -> None:
    """Two passes by hand, fraction 1/2: sum = sum / 2 + mean; the variance as an estimate, 4 * m / (m - 1) for m = 2."""
    layer = bench.make("BatchNorm", "phase: TRAIN batch_norm_param { moving_average_fraction: 0.5 }")
    x = np.array([[[1.0], [10.0]], [[5.0], [10.0]]])  # means 3 and 10, variances 4 and 0
    stored = [np.zeros(2), np.zeros(2), np.zeros(1)]
    for sums in ([[3, 10], [8, 0], [1]], [[4.5, 15], [12, 0], [1.5]]):
        before = [array.copy() for array in stored]
        updated = layer.updated([x.shape], stored, bench.step(layer, [x], stored).saved)
        assert all(np.array_equal(array, copy) for array, copy in zip(stored, before, strict=True))
        stored = updated
        assert [array.tolist() for array in stored] == sums


def test_batch_norm_takes_one_number_as_its_own_variance() -> None:
    layer = bench.make("BatchNorm", "phase: TRAIN")
    stored = [np.zeros(1), np.zeros(1), np.zeros(1)]
    updated = layer.updated([(1, 1)], stored, (np.array([3.0]), np.array([0.25])))
    assert [array.tolist() for array in updated] == [[3], [0.25], [1]]


@pytest.mark.parametrize("options", ["", "phase: TRAIN batch_norm_param { use_global_stats: true }"])
def test_batch_norm_leaves_its_sums_alone_where_it_uses_them(options: str) -> None:
    assert bench.make("BatchNorm", options).updated([(2, 2, 1)], [np.ones(2), np.ones(2), np.ones(1)], None) is None


def test_mvn_adds_eps_to_the_deviation_not_to_the_variance() -> None:
    x = [[[[1.0, 3.0]], [[0.0, 8.0]]]]  # (1, 2, 1, 2): deviations 1 and 4
    layer = bench.make("MVN", "mvn_param { eps: 1 }")
    assert bench.forward(layer, [x])[0].tolist() == [[[[-0.5, 0.5]], [[-0.8, 0.8]]]]
    # Caffe's gradient takes std + eps for std: (s - mean(s) - y mean(s y)) / (std + eps)
    signal = np.array([[[[[1.0, 0.0]], [[0.0, 0.0]]]]])
    assert bench.gradient(layer, [x], [signal])[0][0, 0, 0, 0].tolist() == pytest.approx([0.1875, -0.1875])


def test_mvn_across_channels_takes_the_whole_image() -> None:
    x = [[[[1.0]], [[5.0]]], [[[0.0]], [[2.0]]]]  # (2, 2, 1, 1)
    layer = bench.make("MVN", "mvn_param { across_channels: true normalize_variance: false }")
    assert bench.forward(layer, [x])[0].ravel().tolist() == [-2, 2, -1, 1]


def test_mvn_makes_four_axes() -> None:
    layer = bench.make("MVN")
    assert layer.top_shapes([(2, 3)]) == [(2, 3, 1, 1)]
    with pytest.raises(BadInput, match="expected at most 4 axes"):
        layer.top_shapes([(2, 3, 4, 5, 6)])


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ("", (3,)), ("axis: 0", (2,)), ("axis: 1 num_axes: 2", (3, 4)), ("axis: 2 num_axes: -1", (4, 5)),
        ("axis: -1", (5,)), ("num_axes: 0", ()), ("axis: 0 num_axes: -1", (2, 3, 4, 5)),
    ],
)  # fmt: skip
def test_scale_and_bias_learn_the_axes_that_they_span(options: str, shape: tuple[int, ...]) -> None:
    scale = bench.make("Scale", f"scale_param {{ {options} bias_term: true }}").parameter_specs([(2, 3, 4, 5)])
    bias = bench.make("Bias", f"bias_param {{ {options} }}").parameter_specs([(2, 3, 4, 5)])
    assert [spec.shape for spec in (*scale, *bias)] == [shape] * 3


def test_scale_starts_at_one_and_its_bias_at_zero() -> None:
    scale, bias = bench.make("Scale", "scale_param { bias_term: true }").parameter_specs([(2, 3)])
    assert (scale.filler.type, scale.filler.value) == ("constant", 1)
    assert (bias.filler.type, bias.filler.value) == ("constant", 0)
    (scale,) = bench.make("Scale", "scale_param { filler { type: 'msra' } }").parameter_specs([(2, 3)])
    assert scale.filler.type == "msra"


def test_scale_multiplies_and_adds_along_its_axes() -> None:
    x = [[[1.0, 2.0], [3.0, 4.0]]]  # (1, 2, 2)
    layer = bench.make("Scale", "scale_param { bias_term: true }")
    assert bench.forward(layer, [x], [[2, -1], [10, 20]])[0].tolist() == [[[12, 14], [17, 16]]]
    last = bench.make("Scale", "scale_param { axis: -1 }")
    assert bench.forward(last, [x], [[2, -1]])[0].tolist() == [[[2, -2], [6, -4]]]


def test_a_second_bottom_scales_and_receives_its_share_per_target() -> None:
    x, factors = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [10.0, 100.0]
    layer = bench.make("Scale", "scale_param { axis: 0 }", bottoms=2)
    assert layer.parameter_specs([(2, 3), (2,)]) == []
    assert bench.forward(layer, [x, factors])[0].tolist() == [[10, 20, 30], [400, 500, 600]]
    signals = [np.array([np.ones((2, 3)), [[1, 0, 0], [0, 0, 1]]])]
    to_x, to_factors = bench.gradient(layer, [x, factors], signals)
    assert to_x[1].tolist() == [[10, 0, 0], [0, 0, 100]]
    assert to_factors.tolist() == [[6, 15], [1, 6]]


@pytest.mark.parametrize("type_name", ["Scale", "Bias"])
def test_scale_and_bias_refuse_what_does_not_fit(type_name: str) -> None:
    name = f"{type_name.lower()}_param"
    with pytest.raises(BadInput, match=rf"{name}.axis: found 3, expected an axis of a blob with 3 axes"):
        bench.make(type_name, f"{name} {{ axis: 3 }}").top_shapes([(2, 3, 4)])
    with pytest.raises(BadInput, match=rf"{name}.num_axes: found 3, expected -1, or 0 to 2"):
        bench.make(type_name, f"{name} {{ num_axes: 3 }}").top_shapes([(2, 3, 4)])
    with pytest.raises(BadInput, match=r"bottom: found shapes \(2, 3, 4\) and \(4,\), expected the first's sizes"):
        bench.make(type_name, bottoms=2).top_shapes([(2, 3, 4), (4,)])


def test_softmax_takes_one_axis_and_subtracts_the_greatest() -> None:
    x = [[[0.0, 1000.0], [0.0, 1000.0], [np.log(2), -1000.0]]]  # (1, 3, 2)
    np.testing.assert_allclose(bench.forward(bench.make("Softmax"), [x])[0], [[[0.25, 0.5], [0.25, 0.5], [0.5, 0]]])
    last = bench.forward(bench.make("Softmax", "softmax_param { axis: -1 }"), [[[0.0, np.log(3)]]])[0]
    np.testing.assert_allclose(last, [[0.25, 0.75]])
    with pytest.raises(BadInput, match=r"softmax_param.axis: found 2, expected an axis of a blob with 2 axes"):
        bench.make("Softmax", "softmax_param { axis: 2 }").top_shapes([(2, 3)])


@pytest.mark.parametrize(("region", "power"), [("ACROSS_CHANNELS", 1), ("WITHIN_CHANNEL", 2)])
@pytest.mark.parametrize("size", [7, 9, 2**31 - 1])
def test_lrn_of_a_window_beyond_the_blob_sees_all_of_it_and_no_more(region: str, power: int, size: int) -> None:
    options = f"norm_region: {region} local_size: {size} alpha: {float(size) ** power} beta: 1"
    layer = bench.make("LRN", f"lrn_param {{ {options} }}")
    x = np.arange(1.0, 41).reshape(1, 4, 2, 5)[..., :4] / 7  # all axes are seen whole from 7 on
    signal = np.random.default_rng(0).normal(size=(1, *x.shape))
    axes = (1,) if region == "ACROSS_CHANNELS" else (2, 3)
    ratio = np.float32(float(size) ** power) / float(size) ** power
    scale = 1 + ratio * (x * x).sum(axes, keepdims=True)
    assert np.allclose(bench.forward(layer, [x], [])[0], x / scale, rtol=1e-12)
    shared = (signal[0] * x / scale**2).sum(axes, keepdims=True)
    assert np.allclose(bench.gradient(layer, [x], [signal], [])[0][0], signal[0] / scale - 2 * ratio * x * shared)
