"""Every gradient of the catalogue against central differences, in float64, for three targets at once.

A layer sees only what its ``gradient_reads`` names, and sizes N, C, H, W are always different, so that neither a part
that it forgot to name nor two axes that it mixed up can hide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from thinktwice.layers import layer_types
from thinktwice.layers.layer import Layer

from . import bench

TARGETS = 3
Draw = Callable[[np.ndarray], np.ndarray]


def anywhere(spread: np.ndarray) -> np.ndarray:
    return spread


def positive(spread: np.ndarray) -> np.ndarray:
    return abs(spread) + 0.3


def classes(number: int) -> Draw:
    return lambda spread: np.arange(spread.size).reshape(spread.shape) % number


def probabilities(spread: np.ndarray) -> np.ndarray:
    return (spread + 3) / 6


@dataclass(frozen=True)
class Case:
    """A layer and its bottoms: a letter is an axis (all differ, at random), a digit an axis of that size."""

    type: str
    options: str = ""
    shapes: tuple[str, ...] = ("NCHW",)
    draws: tuple[Draw, ...] = (anywhere,)
    tops: int = 1
    parameters: Draw = anywhere
    stored: bool = False  # parameters that are no function of the loss
    labels: tuple[int, ...] = ()  # bottoms without a gradient, though the top depends on them

    def __str__(self) -> str:
        return f"{self.type}-{'-'.join(self.shapes)}-{self.options.replace(' ', '')}"

    def make(self) -> Layer:
        return bench.make(self.type, self.options, len(self.shapes), self.tops)

    def draw(self, seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Bottoms and parameters."""
        rng = np.random.default_rng(seed)
        sizes = dict(zip("NCHW", rng.permutation([2, 3, 4, 5]), strict=True))
        shapes = [tuple(int(axis) if axis.isdigit() else int(sizes[axis]) for axis in shape) for shape in self.shapes]
        draws = self.draws if len(self.draws) > 1 else self.draws * len(shapes)
        bottoms = [draw(apart(rng, shape, i)) for i, (shape, draw) in enumerate(zip(shapes, draws, strict=True))]
        specs = self.make().parameter_specs(shapes)
        return bottoms, [self.parameters(rng.normal(size=spec.shape)) for spec in specs]


def apart(rng: np.random.Generator, shape: tuple[int, ...], number: int) -> np.ndarray:
    """Numbers in about [-2, 2], no two of them and none and 0 closer than a step: away from kinks and ties.

    Blobs of different ``number`` never share a value.
    """
    size = int(np.prod(shape))
    numbers = rng.permutation(size) - size / 2 + 0.2 * (number + 1)
    return (4 / max(size, 2) * numbers).reshape(shape)


CASES = [
    Case("AbsVal"),
    Case("BNLL"),
    Case("BatchNorm", "phase: TEST", parameters=positive, stored=True),
    Case("BatchNorm", "phase: TRAIN", parameters=positive, stored=True),
    Case("BatchNorm", "phase: TRAIN batch_norm_param { eps: 0.7 }", ("NC",), parameters=positive, stored=True),
    Case("BatchNorm", "batch_norm_param { use_global_stats: false }", ("NCH",), parameters=positive, stored=True),
    Case("Bias", "", ("NCHW",)),
    Case("Bias", "bias_param { axis: 2 num_axes: -1 }"),
    Case("Bias", "bias_param { num_axes: 0 }"),
    Case("Bias", "bias_param { axis: 1 }", ("NCHW", "CH")),
    Case("Bias", "", ("NCHW", "")),
    Case("Clip", "clip_param { min: -0.7071 max: 0.9017 }"),
    Case("Concat", "", ("NCHW", "N3HW", "N1HW")),
    Case("Concat", "concat_param { axis: -2 }", ("NCHW", "NC5W")),
    Case("Concat", "concat_param { concat_dim: 0 }", ("NCH", "2CH")),
    Case("Convolution", "convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 }", ("2367",)),
    Case("Convolution", "convolution_param { num_output: 6 kernel_h: 2 kernel_w: 3 group: 2 }", ("3456",)),
    Case("Convolution", "convolution_param { num_output: 2 kernel_size: 2 dilation: 2 bias_term: false }", ("2356",)),
    Case("Convolution", "convolution_param { num_output: 5 kernel_size: 1 }"),
    Case("Crop", "crop_param { offset: 1 offset: 2 }", ("2367", "2345")),
    Case("Crop", "crop_param { axis: 1 offset: 1 }", ("2467", "3356")),
    Case("Deconvolution", "convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 }", ("2345",)),
    Case("Deconvolution", "convolution_param { num_output: 6 kernel_size: 2 stride: 2 group: 2 }", ("3425",)),
    Case("Dropout"),
    Case("ELU", "elu_param { alpha: 0.7 }"),
    Case("ELU", "elu_param { alpha: -0.7 }"),
    Case("Eltwise", "", ("NCHW", "NCHW", "NCHW")),
    Case("Eltwise", "eltwise_param { operation: SUM coeff: 0.5 coeff: -2 }", ("NCHW", "NCHW")),
    Case("Eltwise", "eltwise_param { operation: PROD }", ("NCHW", "NCHW", "NCHW")),
    Case("Eltwise", "eltwise_param { operation: PROD stable_prod_grad: false }", ("NCHW", "NCHW", "NCHW")),
    Case("Eltwise", "eltwise_param { operation: MAX }", ("NCHW", "NCHW", "NCHW")),
    Case("EuclideanLoss", "", ("NCHW", "NCHW")),
    Case("EuclideanLoss", "", ("NC", "NC11")),
    Case("Exp"),
    Case("Exp", "exp_param { base: 2 scale: -0.4 shift: 1.5 }"),
    Case("Feedback"),
    Case("Flatten"),
    Case("Flatten", "flatten_param { axis: 1 end_axis: 2 }"),
    Case("InnerProduct", "inner_product_param { num_output: 6 }"),
    Case("InnerProduct", "inner_product_param { num_output: 6 axis: 2 transpose: true bias_term: false }"),
    Case("LRN", "lrn_param { local_size: 3 alpha: 2.5 beta: 0.75 k: 1.5 }", ("2634",)),
    Case("LRN", "lrn_param { local_size: 3 alpha: 2.5 norm_region: WITHIN_CHANNEL }", ("2345",)),
    Case("Log", "", draws=(positive,)),
    Case("Log", "log_param { base: 3 scale: 2 shift: 0.5 }", draws=(positive,)),
    Case("MVN"),
    Case("MVN", "mvn_param { across_channels: true }"),
    Case("MVN", "mvn_param { normalize_variance: false }", ("NCH",)),
    Case("PReLU"),
    Case("PReLU", "prelu_param { channel_shared: true }"),
    Case("PReLU", "", ("NC",)),
    Case("Pooling", "pooling_param { kernel_size: 3 stride: 2 pad: 1 }", ("2367",)),
    Case("Pooling", "pooling_param { kernel_h: 2 kernel_w: 3 stride: 2 pool: AVE pad: 1 }", ("2357",)),
    Case("Pooling", "pooling_param { kernel_size: 2 stride: 2 pool: STOCHASTIC }", ("2356",), (positive,)),
    Case("Pooling", "pooling_param { global_pooling: true pool: AVE }"),
    Case("Power"),
    Case("Power", "power_param { scale: -1.5 shift: 0.3 }"),
    Case("Power", "power_param { power: 2 scale: 0.5 shift: 3 }"),
    Case("Power", "power_param { power: 0 scale: 3 }"),
    Case("Power", "power_param { power: 3 scale: 0 shift: 2 }"),
    Case("Power", "power_param { power: -0.75 scale: 2 shift: 0.5 }", draws=(positive,)),
    Case("Power", "power_param { power: 3 scale: 0.7 }"),
    Case("ReLU"),
    Case("ReLU", "relu_param { negative_slope: 0.3 }"),
    Case("ReLU", "relu_param { negative_slope: -0.3 }"),
    Case("Reduction", ""),
    Case("Reduction", "reduction_param { axis: 1 coeff: -0.5 }"),
    Case("Reduction", "reduction_param { operation: ASUM axis: 2 coeff: 2 }"),
    Case("Reduction", "reduction_param { operation: SUMSQ axis: -1 coeff: 0.5 }"),
    Case("Reduction", "reduction_param { operation: MEAN axis: 2 coeff: 3 }"),
    Case("Reshape", "reshape_param { shape { dim: 0 dim: -1 dim: 2 } }", ("NC4W",)),
    Case("Reshape", "reshape_param { shape { dim: 2 dim: -1 } axis: 1 num_axes: 2 }", ("N43W",)),
    Case("Scale"),
    Case("Scale", "scale_param { axis: 1 num_axes: 2 bias_term: true }"),
    Case("Scale", "scale_param { num_axes: 0 bias_term: true }"),
    Case("Scale", "scale_param { axis: -2 num_axes: -1 }"),
    Case("Scale", "scale_param { axis: 0 }", ("NCHW", "NC")),
    Case("Scale", "scale_param { axis: 1 bias_term: true }", ("NCHW", "CHW")),
    Case("Scale", "scale_param { axis: 3 bias_term: true }", ("NCHW", "")),
    Case("Sigmoid"),
    Case("SigmoidCrossEntropyLoss", "", ("NCH", "NCH"), (anywhere, probabilities), labels=(1,)),
    Case("SigmoidCrossEntropyLoss", "loss_param { ignore_label: 1 normalization: VALID }", ("NC", "NC"),
         (anywhere, classes(2)), labels=(1,)),
    Case("Silence", "", ("NCHW", "NC"), tops=0),
    Case("Slice", "slice_param { slice_point: 1 slice_point: 4 }", ("N6HW",), tops=3),
    Case("Slice", "slice_param { axis: -1 }", ("NC6",), tops=2),
    Case("Slice", "slice_param { slice_dim: 2 }", ("NC6W",), tops=3),
    Case("Softmax"),
    Case("Softmax", "softmax_param { axis: -1 }", ("NCH",)),
    Case("SoftmaxWithLoss", "", ("N6", "N"), (anywhere, classes(6)), labels=(1,)),
    Case("SoftmaxWithLoss", "loss_param { ignore_label: 1 }", ("N4HW", "N1HW"), (anywhere, classes(4)), labels=(1,)),
    Case("SoftmaxWithLoss", "softmax_param { axis: 2 } loss_param { normalization: BATCH_SIZE }", ("NC4W", "NCW"),
         (anywhere, classes(4)), labels=(1,)),
    Case("Split", tops=3),
    Case("Swish", "swish_param { beta: 1.7 }"),
    Case("TanH"),
    Case("Tile", "tile_param { tiles: 3 }"),
    Case("Tile", "tile_param { axis: -1 tiles: 2 }"),
]  # fmt: skip


def test_every_differentiable_type_has_a_case() -> None:
    differentiable = {name for name, cls in layer_types().items() if cls.differentiable}
    assert differentiable == {case.type for case in CASES}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", CASES, ids=str)
def test_signals_at_the_bottoms(case: Case, seed: int) -> None:
    layer = case.make()
    bottoms, parameters = case.draw(seed)
    signals = drawn_signals(layer, bottoms, parameters, seed)
    found = bench.gradient(layer, bottoms, signals, parameters)
    assert len(found) == len(bottoms)
    for i, x in enumerate(bottoms):
        if i in case.labels:
            assert found[i] is None
            continue
        expected = differences(lambda: bench.forward(layer, bottoms, parameters), x, signals)
        agree(np.zeros((TARGETS, *x.shape)) if found[i] is None else found[i], expected)


@pytest.mark.parametrize("case", [case for case in CASES if case.draw(0)[1]], ids=str)
def test_derivatives_of_the_parameters(case: Case) -> None:
    layer = case.make()
    bottoms, parameters = case.draw(0)
    signals = drawn_signals(layer, bottoms, parameters, 0)
    found = bench.parameter_gradient(layer, bottoms, signals, parameters)
    assert len(found) == len(parameters)
    for parameter, derivative in zip(parameters, found, strict=True):
        if case.stored:
            assert derivative.shape == parameter.shape and not derivative.any()
            continue
        expected = differences(lambda: bench.forward(layer, bottoms, parameters), parameter, signals)
        agree(derivative, expected.sum(0))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_single_precision_stays_single(case: Case) -> None:
    layer = case.make()
    bottoms, parameters = (single(arrays) for arrays in case.draw(0))
    tops = bench.forward(layer, bottoms, parameters)
    signals = single(drawn_signals(layer, bottoms, parameters, 0))
    derivatives = bench.parameter_gradient(layer, bottoms, signals, parameters) if parameters else []
    for array in [*tops, *bench.gradient(layer, bottoms, signals, parameters), *derivatives]:
        assert array is None or (type(array) is np.ndarray and array.dtype == np.float32)


def single(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [array.astype(np.float32) for array in arrays]


def drawn_signals(layer: Layer, bottoms: Sequence, parameters: Sequence, seed: int) -> list[np.ndarray]:
    """Random signals (K, *top.shape)."""
    rng = np.random.default_rng(seed + 100)
    tops = bench.forward(layer, bottoms, parameters)
    return [rng.normal(size=(TARGETS, *top.shape)) for top in tops]


def differences(
    run: Callable[[], list[np.ndarray]], x: np.ndarray, signals: Sequence[np.ndarray], h: float = 1e-5
) -> np.ndarray:
    """sum(signal * dtop / dx) over all tops, (K, *x.shape): every number of ``x`` moved by h to both sides."""
    result = np.zeros((TARGETS, *x.shape))
    for index in np.ndindex(x.shape):
        middle = x[index]
        sides = []
        for x[index] in (middle + h, middle - h):
            sides.append(run())
        x[index] = middle
        for signal, above, below in zip(signals, *sides, strict=True):
            result[(slice(None), *index)] += (signal * ((above - below) / (2 * h))).reshape(TARGETS, -1).sum(1)
    return result


def agree(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7 * max(1.0, abs(expected).max()))
