"""BatchNorm: subtract a mean and divide by a standard deviation, per channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
        mean, variance = statistics(parameters) if self.stored else (x.mean(axes), None)
        y = x - _per_channel(mean, x.ndim)
        if variance is None:
            variance = (y * y).mean(axes)
        y /= _per_channel(self.deviation(variance), x.ndim)
        return [y], None if self.stored else (mean, variance)

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
            return [signal / _per_channel(self.deviation(statistics(step.parameters)[1]), rank)]
        y, (_, variance) = step.tops[0], step.saved
        axes = (1, *range(3, rank + 1))  # all but targets and channels
        centred = signal - signal.mean(axes, keepdims=True) - y * (signal * y).mean(axes, keepdims=True)
        return [centred / _per_channel(self.deviation(variance), rank)]

    def parameter_gradient(self, step: Step, signals: Sequence[Array]) -> list[Array]:
        return [array_module(array).zeros_like(array) for array in step.parameters]

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


def _per_channel(values: Array, rank: int) -> Array:
    return values.reshape(-1, *(1,) * (rank - 2))
