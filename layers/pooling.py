"""Pooling: maxima with switches, averages with Caffe's divisor, and the expectation of stochastic pooling.

Caffe's geometry: output sizes are rounded up, and a last window that would start beyond the padded border is dropped.
Averages divide by the window's size clipped to ``size + pad``: padding in front counts, what rounding up added does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from ..cpu import pooling
from ..cpu.finish import finish
from ..cpu.prepared import prepared
from ..cuda import kernels
from .arrays import Array, Shape, array_module, blocks, count, divide, multiply
from .arrival import ALONE, Arrival
from .layer import Layer, Step
from .registry import register
from .window import WHOLE, Window


@dataclass(frozen=True)
class Windows:
    """Where the windows of one pooling layer lie on a plane of ``size`` (H, W)."""

    size: Shape
    kernel: Shape
    stride: Shape
    pad: Shape
    positions: Shape  # (pooled H, pooled W)

    @property
    def padded(self) -> Shape:
        """The plane that holds every window whole: padding in front, and whatever the last window needs behind."""
        axes = zip(self.size, self.kernel, self.stride, self.pad, self.positions, strict=True)
        return tuple(max(n + p, (out - 1) * s + k) for n, k, s, p, out in axes)

    @property
    def interior(self) -> tuple[slice, ...]:
        return tuple(slice(p, p + n) for n, p in zip(self.size, self.pad, strict=True))

    def cells(self) -> Iterator[tuple[slice, ...]]:
        """For each cell of the window, in raster order: the padded pixels that it meets at all positions."""
        for cell in product(*map(range, self.kernel)):
            axes = zip(cell, self.stride, self.positions, strict=True)
            yield tuple(slice(c, c + s * (out - 1) + 1, s) for c, s, out in axes)

    @cached_property
    def _hash(self) -> int:
        return hash((self.size, self.kernel, self.stride, self.pad, self.positions))

    def __hash__(self) -> int:
        return self._hash

    def record(self) -> Any:
        """The same for a kernel."""
        return kernels.windows(self.size, self.kernel, self.stride, self.pad, (1, 1), self.positions)

    @cached_property
    def divisor(self) -> np.ndarray:
        """Caffe's divisor of an average: (pooled H, pooled W)."""
        rows, columns = (
            np.minimum(np.arange(out) * s - p + k, n + p) - (np.arange(out) * s - p)
            for n, k, s, p, out in zip(self.size, self.kernel, self.stride, self.pad, self.positions, strict=True)
        )
        divisor = np.outer(rows, columns)
        divisor.setflags(write=False)
        return divisor


@register("Pooling", v1="POOLING")
class Pooling(Layer):
    """Caffe's Pooling over the last two axes of (N, C, H, W).

    MAX: the first maximum in raster order wins; padding never does. Saved for walks: the winning cell of each window,
    numbered in raster order (-1 where nothing beat -FLT_MAX). A second top receives Caffe's mask, h * W + w.
    STOCHASTIC: in the TEST phase sum(x^2) / sum(x); in TRAIN one number of each window, drawn with a probability in
    proportion to it (Zeiler and Fergus, 2013). Saved in TRAIN: the cells drawn, as for MAX.
    """

    tops_expected = (1, 2)
    arrives = True

    def setup(self) -> None:
        p = self.param = self.message.pooling_param
        self._windows: dict[Shape, Windows] = {}  # by the plane's size
        self.takes_maxima: bool = p.pool == p.MAX
        self.takes_averages: bool = p.pool == p.AVE
        self.random = p.pool == p.STOCHASTIC and self.phase == "TRAIN"
        reads = {p.MAX: {"saved"}, p.AVE: set(), p.STOCHASTIC: {"saved" if self.random else "bottoms"}}
        self.gradient_reads = frozenset(reads[p.pool])
        if len(self.message.top) == 2 and not self.takes_maxima:
            raise self.refuse("top", "2 blobs", "1: only MAX pooling has a mask to give")
        if p.global_pooling:
            if any(p.HasField(field) for field in ("kernel_size", "kernel_h", "kernel_w")):
                raise self.refuse("pooling_param.kernel_size", "a size", "none beside global_pooling")
            if any(self._pair("pad", "pad", 0)) or set(self._pair("stride", "stride", 1)) != {1}:
                raise self.refuse("pooling_param.global_pooling", "pad or stride", "pad 0 and stride 1 beside it")
            return
        self.kernel, self.stride, self.pad = (
            self._pair("kernel_size", "kernel", 0),
            self._pair("stride", "stride", 1),
            self._pair("pad", "pad", 0),
        )
        if min(self.kernel) < 1 or min(self.stride) < 1:
            raise self.refuse("pooling_param", f"kernel {self.kernel}, stride {self.stride}", "positive numbers")
        if any(p >= k for p, k in zip(self.pad, self.kernel, strict=True)):
            raise self.refuse("pooling_param.pad", self.pad, f"less than the kernel {self.kernel}")
        if any(self.pad) and p.pool == p.STOCHASTIC:
            raise self.refuse("pooling_param.pad", self.pad, "0: Caffe pads only MAX and AVE pooling")

    def _pair(self, single: str, pair: str, default: int) -> Shape:
        """Caffe's two spellings: one number for both axes, or ``_h`` and ``_w``."""
        named = [f"{pair}_h", f"{pair}_w"]
        if any(self.param.HasField(field) for field in named):
            if self.param.HasField(single) or not all(self.param.HasField(field) for field in named):
                raise self.refuse(f"pooling_param.{named[0]}", "one spelling mixed", f"{single}, or both of {named}")
            return tuple(getattr(self.param, field) for field in named)
        value = getattr(self.param, single) if self.param.HasField(single) else default
        return value, value

    def windows(self, bottom: Shape) -> Windows:
        """The windows over a bottom of this shape (..., H, W)."""
        size = tuple(bottom[-2:])
        if size not in self._windows:
            self._windows[size] = self._windows_of(size)
        return self._windows[size]

    def _windows_of(self, size: Shape) -> Windows:
        if self.param.global_pooling:
            return Windows(size, size, (1, 1), (0, 0), (1, 1))
        axes = zip(size, self.kernel, self.stride, self.pad, strict=True)
        return Windows(size, self.kernel, self.stride, self.pad, tuple(self._pooled(*axis) for axis in axes))

    def _pooled(self, size: int, kernel: int, stride: int, pad: int) -> int:
        room = size + 2 * pad - kernel
        out = (-(-room // stride) if self.param.round_mode == self.param.CEIL else room // stride) + 1
        clips = any(self.pad)  # padding along either axis makes Caffe look at both
        return out - 1 if clips and (out - 1) * stride >= size + pad else out

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        if len(bottoms[0]) != 4:
            raise self.refuse("bottom", f"shape {bottoms[0]}", "4 axes (N, C, H, W)")
        positions = self.windows(bottoms[0]).positions
        if min(positions) < 1:
            raise self.refuse("bottom", f"shape {bottoms[0]}", "a plane at least as large as the window")
        return [(*bottoms[0][:2], *positions) for _ in self.message.top]

    def window(self, bottom: Shape) -> Window:
        return WHOLE if self.param.global_pooling else Window.of(self.kernel, self.stride)

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        x = bottoms[0]
        if self.takes_maxima:
            y, winners = self._maxima(x)
            mask = [self.switches(winners, x.shape).astype(x.dtype)] if len(self.message.top) == 2 else []
            return [y, *mask], winners
        if self.takes_averages:
            return [divide(self.window_sums(x), self._divisor(x))], None
        sums = self.window_sums(x)
        return [_quotient(self.window_sums(x * x), sums)], None

    def forward_at_random(
        self, bottoms: Sequence[Array], parameters: Sequence[Array], rng: np.random.Generator
    ) -> tuple[list[Array], Any]:
        """The first cell at which the running sum reaches a random share of the window's sum, as in Caffe's GPU code."""
        x, xp, windows = bottoms[0], array_module(bottoms[0]), self.windows(bottoms[0].shape)
        sums = self.window_sums(x)
        share = sums * xp.asarray(rng.random(sums.shape, np.float32), x.dtype)
        y, running = xp.zeros_like(sums), xp.zeros_like(sums)
        winners = xp.full(sums.shape, -1, np.min_scalar_type(-count(windows.kernel) - 1))
        padded = _padded(x, windows, 0)
        for number, cell in enumerate(windows.cells()):
            running += padded[..., *cell]
            drawn = (winners < 0) & (running >= share)
            winners[drawn] = number
            y += padded[..., *cell] * drawn
        return [y], winners

    def gradient(self, step: Step, signals: Sequence[Array], arrival: Arrival = ALONE) -> list[Array | None]:
        signal, bottom = signals[0], step.bottom_shapes[0]
        if self.takes_maxima or self.random:
            return [self.to_winners(signal, step.saved, bottom, arrival)]
        if self.takes_averages:
            return [arrival.at(self.spread(divide(signal, self._divisor(signal, bottom)), bottom))]
        return [arrival.at(self._stochastic_gradient(step.bottoms[0], signal))]

    # -- what rules use as well ---------------------------------------------------------------------------------

    def window_sums(self, x: Array) -> Array:
        """Sum over each window's real pixels: (..., H, W) -> (..., pooled H, pooled W)."""
        windows = self.windows(x.shape)
        sums = array_module(x).empty((*x.shape[:-2], *windows.positions), x.dtype)
        if kernels.window_sums(x, windows.record(), sums):
            return sums
        padded = _padded(x, windows, 0)
        return sum(padded[..., *cell] for cell in windows.cells())

    def spread(self, signal: Array, bottom: Shape, times: Array | None = None) -> Array:
        """The transpose of ``window_sums``: every pixel receives the sum over the windows that cover it; ``times`` an array of
        the bottom's shape."""
        windows = self.windows(bottom)
        pixels = array_module(signal).empty((*signal.shape[:-2], *windows.size), signal.dtype)
        where = windows.record()
        if kernels.spread(signal, where, pixels) if times is None else kernels.spread_to(signal, where, times, pixels):
            return pixels
        padded = array_module(signal).zeros((*signal.shape[:-2], *windows.padded), signal.dtype)
        for cell in windows.cells():
            padded[..., *cell] += signal
        spread = padded[..., *windows.interior]
        return spread if times is None else multiply(spread, times)

    def to_winners(self, signal: Array, winners: Array, bottom: Shape, arrival: Arrival = ALONE) -> Array:
        """All of each window's signal to its winning pixel; where windows share a winner, signals add up."""
        windows, planes = self.windows(bottom), count(winners.shape[:-2])
        pixels = array_module(signal).empty((*signal.shape[:-2], *windows.size), signal.dtype)
        last = finish(arrival, 2)
        if pooling.to_winners(signal, winners, windows, pixels, last):
            return pixels if last else arrival.at(pixels)
        if kernels.to_winners(signal, winners, windows.record(), pixels):
            return arrival.at(pixels)
        padded = array_module(signal).zeros((*signal.shape[:-2], *windows.padded), signal.dtype)
        above = count(signal.shape[: signal.ndim - winners.ndim])  # how many signals share one plane of winners
        ends, starts = (array.reshape(above, planes, *array.shape[-2:]) for array in (padded, signal))
        won, cells = winners.reshape(planes, *windows.positions), list(windows.cells())
        for block in blocks(ends, axis=1):
            end, start, winner = ends[:, block], starts[:, block], won[block]
            for number, cell in enumerate(cells):  # products with 0 and 1: several times as fast as NumPy's where
                end[..., *cell] += start * (winner == number)
        return arrival.at(padded[..., *windows.interior])

    def switches(self, winners: Array, bottom: Shape) -> Array:
        """Caffe's mask: the winning pixel of each window as h * W + w, or -1."""
        xp, windows = array_module(winners), self.windows(bottom)
        rows, columns = (
            xp.arange(out) * s - p for out, s, p in zip(windows.positions, windows.stride, windows.pad, strict=True)
        )
        h = rows[:, None] + winners // windows.kernel[1]
        w = columns + winners % windows.kernel[1]
        return xp.where(winners < 0, -1, h * bottom[-1] + w)

    # -- the three methods --------------------------------------------------------------------------------------

    def _maxima(self, x: Array) -> tuple[Array, Array]:
        xp, windows = array_module(x), self.windows(x.shape)
        lowest, number = np.finfo(x.dtype).min, np.min_scalar_type(-count(windows.kernel) - 1).type
        shape = (*x.shape[:-2], *windows.positions)
        y, winners = xp.empty(shape, x.dtype), xp.empty(shape, number)
        if pooling.max_pool(x, windows, y, winners) or kernels.max_pool(x, windows.record(), y, winners):
            return y, winners
        planes, cells = x.reshape(-1, *windows.size), list(windows.cells())
        y = xp.full((len(planes), *windows.positions), lowest, x.dtype)
        winners = xp.zeros(y.shape, number)  # numbered from 1 until all are known: 0 is none
        for block in blocks(planes, axis=0):
            padded, best, winner = _padded(planes[block], windows, lowest), y[block], winners[block]
            for i, cell in enumerate(cells, start=1):
                candidate = padded[..., *cell]
                better = candidate > best  # strictly: the first maximum keeps the window, and NaN never wins
                xp.fmax(best, candidate, out=best)
                xp.maximum(winner, better * number(i), out=winner)
        winners -= 1
        return y.reshape(shape), winners.reshape(shape)

    def _divisor(self, array: Array, bottom: Shape | None = None) -> Array:
        """(pooled H, pooled W); one for each channel where that is a single number: kernels like long rows."""
        bottom, dtype = bottom or array.shape, array.dtype
        divisor = self.windows(bottom).divisor
        shape = (bottom[-3], 1, 1) if divisor.size == 1 else divisor.shape

        def make() -> Array:
            made = np.broadcast_to(divisor, shape).astype(dtype)
            return made if device is None else array_module(array).asarray(made)

        device = None if isinstance(array, np.ndarray) else array.device.id
        return prepared(divisor, (device, dtype, shape), make)

    def _stochastic_gradient(self, x: Array, signal: Array) -> Array:
        sums, squares = self.window_sums(x), self.window_sums(x * x)
        own = self.spread(_quotient(signal, sums), x.shape)
        shared = self.spread(_quotient(signal * squares, sums * sums), x.shape)
        return 2 * x * own - shared


def _padded(x: Array, windows: Windows, value: float) -> Array:
    if windows.padded == windows.size:
        return x
    padded = array_module(x).full((*x.shape[:-2], *windows.padded), value, x.dtype)
    padded[..., *windows.interior] = x
    return padded


def _quotient(numerator: Array, sums: Array) -> Array:
    """numerator / sums, 0 where the window's sum is not positive (Caffe's stochastic pooling)."""
    xp = array_module(numerator)
    return xp.where(sums > 0, numerator / xp.where(sums > 0, sums, 1), 0)
