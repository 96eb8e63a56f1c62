"""LRN: local response normalisation, across channels or within each channel.

    ACROSS_CHANNELS    scale = k + alpha/n   * sum of x^2 over n channels,     y = x scale^-beta
    WITHIN_CHANNEL     scale = 1 + alpha/n^2 * sum of x^2 over an n x n square, y = x scale^-beta

Both sums are zero-padded and centred. Caffe builds the second from pooling and power layers, which ignore ``k``. It makes
the first run along the channels, adding the one that enters and subtracting the one that leaves, each with one rounding
(a fused multiply-add). In single precision that shows in the fifth digit, so it is done here in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..cuda import kernels
from . import threads
from .arrays import Array, Shape, array_module, blocks
from .arrival import ALONE, Arrival
from .layer import Layer, Step
from .registry import register
from .window import POINT, Window

FEW_MEGABYTES = 2 << 20  # a pass from channel to channel is many small steps, each with a cost of its own


@register("LRN", v1="LRN")
class LRN(Layer):
    """Caffe's LRN on (N, C, H, W). Saved for walks: ``scale``, so that a rule may freeze the normaliser."""

    gradient_reads = frozenset({"bottoms", "saved"})
    arrives = True

    def setup(self) -> None:
        p = self.message.lrn_param
        self.size: int = p.local_size
        if self.size % 2 == 0:
            raise self.refuse("lrn_param.local_size", self.size, "an odd number")
        self.across = p.norm_region == p.ACROSS_CHANNELS
        self.axes = (-3,) if self.across else (-2, -1)
        self.alpha: float = p.alpha / self.size ** len(self.axes)
        self.beta: float = p.beta
        self.k: float = p.k

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        if len(bottoms[0]) != 4:
            raise self.refuse("bottom", f"shape {bottoms[0]}", "4 axes (N, C, H, W)")
        return super().top_shapes(bottoms)

    def window(self, bottom: Shape) -> Window:
        return POINT if self.across else Window.of((self.size, self.size), (1, 1))

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        x, xp = bottoms[0], array_module(bottoms[0])
        y, scale = xp.empty(x.shape, x.dtype), xp.empty(x.shape, x.dtype)

        def of_images(part: slice) -> None:
            own = x[part]
            scale[part] = self._running_scale(own) if self.across else 1 + self.alpha * self._neighbourhood(own * own)
            y[part] = self.frozen(own, scale[part])

        size = _seen(self.size, x.shape[1])
        if not (self.across and kernels.lrn(x, size, self.alpha, self.beta, self.k, scale, y)):
            threads.run(of_images, blocks(x, room=FEW_MEGABYTES))
        return [y], scale

    def frozen(self, values: Array, scale: Array) -> Array:
        """values scale^-beta, for ``values`` (..., *scale.shape): the forward pass, and a walk past a normaliser that stays as
        it was."""
        product = array_module(values).empty(values.shape, values.dtype)
        if kernels.lrn_frozen(values, scale, self.beta, product):
            return product
        return values * scale**-self.beta

    def gradient(self, step: Step, signals: Sequence[Array], arrival: Arrival = ALONE) -> list[Array | None]:
        x, scale, signal = step.bottoms[0], step.saved, signals[0]
        below = array_module(signal).empty(signal.shape, signal.dtype)
        weight = 2 * self.alpha * self.beta

        def of_images(part: slice) -> None:
            own, above = x[part], signal[:, part]
            power = scale[part] ** -self.beta
            shared = self._neighbourhood(above * (own * power / scale[part]))
            below[:, part] = above * power - weight * own * shared

        size, rectified = _seen(self.size, x.shape[1]), arrival.where is x and arrival.onto is None
        if self.across and kernels.lrn_gradient(x, scale, signal, size, weight, self.beta, below, rectified):
            return [below if rectified else arrival.at(below)]
        threads.run(of_images, blocks(scale))
        return [arrival.at(below)]

    def _running_scale(self, x: Array) -> Array:
        """k + alpha/n * sum over channels, carried from channel to channel as Caffe does."""
        channels = x.shape[1]
        size = _seen(self.size, channels)
        half, alpha = size // 2, float(x.dtype.type(self.alpha))
        scale, squares = array_module(x).empty_like(x), x * x
        running = array_module(x).full_like(x[:, 0], self.k)
        for entering in range(channels + half):
            if entering < channels:
                running = _fused(running, alpha, squares[:, entering])
            if entering >= size:
                running = _fused(running, -alpha, squares[:, entering - size])
            if entering >= half:
                scale[:, entering - half] = running
        return scale

    def _neighbourhood(self, values: Array) -> Array:
        """The sum over the neighbourhood of each element."""
        for axis in self.axes:
            values = _window_sum(values, self.size, axis)
        return values


def _fused(running: Array, factor: float, term: Array) -> Array:
    """running + factor * term with one rounding to their type."""
    return (running + factor * term.astype("float64")).astype(running.dtype)


def _seen(size: int, length: int) -> int:
    """A centred window no larger than it takes to see all of an axis from both of its ends: beyond are zeros."""
    return min(size, 2 * length - 1)


def _window_sum(values: Array, size: int, axis: int) -> Array:
    """Zero-padded sum over ``size`` neighbours, centred, along one axis counted from the end."""
    length = values.shape[axis]
    size = _seen(size, length)
    half = size // 2
    shape = list(values.shape)
    shape[axis] = length + size - 1
    padded = array_module(values).zeros(shape, values.dtype)
    behind = (slice(None),) * (-axis - 1)
    padded[..., half : half + length, *behind] = values
    return sum(padded[..., start : start + length, *behind] for start in range(size))
