"""BatchNorm: subtract a mean and divide by a standard deviation, per channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..cpu.prepared import constant, prepared
from ..cuda import kernels
from .arrays import Array, Shape, array_module, count
from .layer import Layer, ParameterSpec, Step
from .registry import register


@register("BatchNorm")
class BatchNorm(Layer):
    """Caffe's BatchNorm: y = (x - mean) / sqrt(variance + eps), per channel of (N, C, ...); no scale, no shift.

    Stored: running sums of means (C,) and variances (C,), and the factor (1,) to divide both by; a factor of 0 makes
    both 0. They are used in the TEST phase, or as ``use_global_stats`` says; otherwise the batch's own statistics
    (the variance divided by its full count) are, and are saved as ``(mean, variance)``. No gradient reaches the
    stored arrays: a pass with the batch's statistics adds these to the sums, which it first multiplies by
    ``moving_average_fraction``.
    """

    in_place = True

    def setup(self) -> None:
        p = self.message.batch_norm_param
        self.eps: float = p.eps
        self.fraction: float = p.moving_average_fraction
        self.stored: bool = p.use_global_stats if p.HasField("use_global_stats") else self.phase == "TEST"
        self.gradient_reads = frozenset() if self.stored else frozenset({"tops", "saved"})

    def parameter_specs(self, bottoms: Sequence[Shape]) -> list[ParameterSpec]:
        channels = (self._checked(bottoms[0])[1],)
        return [ParameterSpec(shape, learnt=False) for shape in (channels, channels, (1,))]

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [self._checked(bottoms[0])]

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        x, axes = bottoms[0], (0, *range(2, bottoms[0].ndim))  # all but the channels
        if self.stored:
            return [_normalised(x, *self._stored(parameters), x.ndim)], None
        mean = x.mean(axes)
        y = x - _per_channel(mean, x.ndim)
        variance = (y * y).mean(axes)
        y /= _per_channel(self.deviation(variance), x.ndim)
        return [y], (mean, variance)

    def updated(self, bottoms: Sequence[Shape], parameters: Sequence[Array], saved: Any) -> list[Array] | None:
        if self.stored:
            return None
        (mean, variance), (means, variances, factor) = saved, parameters
        numbers = count(bottoms[0]) // bottoms[0][1]  # behind each channel's statistics
        unbiased = variance * (numbers / max(numbers - 1, 1))
        return [mean + self.fraction * means, unbiased + self.fraction * variances, self.fraction * factor + 1]

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        signal, rank = signals[0], signals[0].ndim - 1
        if self.stored:
            return [_normalised(signal, None, self._stored(step.parameters)[1], rank)]
        y, (_, variance) = step.tops[0], step.saved
        axes = (1, *range(3, rank + 1))  # all but targets and channels
        centred = signal - signal.mean(axes, keepdims=True) - y * (signal * y).mean(axes, keepdims=True)
        return [centred / _per_channel(self.deviation(variance), rank)]

    def parameter_gradient(self, step: Step, signals: Sequence[Array]) -> list[Array]:
        return [array_module(array).zeros_like(array) for array in step.parameters]

    def _stored(self, parameters: Sequence[Array]) -> tuple[Array, Array]:
        """Mean and deviation, (C,) each; made once for parameters that stay."""
        means, variances, factor = parameters
        if not all(map(constant, parameters)):
            mean, variance = statistics(parameters)
            return mean, self.deviation(variance)
        by = factor.tobytes()
        mean = prepared(means, ("mean", by), lambda: statistics(parameters)[0])
        deviation = ("deviation", by, self.eps)
        return mean, prepared(variances, deviation, lambda: self.deviation(statistics(parameters)[1]))

    def deviation(self, variance: Array) -> Array:
        """sqrt(variance + eps), (C,)."""
        return array_module(variance).sqrt(variance + self.eps)

    def _checked(self, bottom: Shape) -> Shape:
        if len(bottom) < 2:
            raise self.refuse("bottom", f"shape {bottom}", "at least 2 axes (N, C, ...)")
        return tuple(bottom)


def statistics(parameters: Sequence[Array]) -> tuple[Array, Array]:
    """The stored mean and variance, (C,) each, from the three stored arrays."""
    means, variances, factor = parameters
    known = factor != 0
    scale = known / array_module(factor).where(known, factor, 1)
    return scale * means, scale * variances


def _normalised(x: Array, mean: Array | None, deviation: Array, rank: int) -> Array:
    """(``x`` - ``mean``) / ``deviation``; the last ``rank`` axes of x are a blob's."""
    xp = array_module(x)
    y, channels = xp.empty(x.shape, x.dtype), x.ndim - rank + 1
    planes = (*x.shape[: channels + 1], count(x.shape[channels + 1 :]))
    if kernels.normalise_channels(x.reshape(planes), mean, deviation, y.reshape(planes)):
        return y
    centred = x if mean is None else x - _per_channel(mean, rank)
    return centred / _per_channel(deviation, rank)


def _per_channel(values: Array, rank: int) -> Array:
    return values.reshape(-1, *(1,) * (rank - 2))
