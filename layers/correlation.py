"""Correlation of an image with a bank of filters, and its two transposes.

    forward            y[o, p] = sum_{c, k} w[o, c, k] x[c, p*stride - pad + k*dilation]
    input gradient     the same sum read from y to x
    weight gradient    the same sum read from (y, x) to w

Any number of spatial axes; all axes in front of the channel axis are one batch. Images in single precision are the CPU
engine's work, where it was built, and on a GPU cuDNN's, where it is installed. All others are matrix products over patches, laid
out as in Caffe's im2col: rows (channel, kernel cell), columns output positions. They go through in chunks, so that the patches
never need more than a few megabytes beyond what one image needs; while ``threads`` shares out images, each chunk is one thread's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import product
from typing import Any

import numpy as np

from ..cpu import convolution, engine
from ..cpu.convolution import Bank
from ..cpu.finish import finish
from ..cpu.sparse import expecting_zeros, zeros_expected
from ..cpu.winograd import exact, exactly
from ..cuda import cudnn, kernels
from . import threads
from .arrays import Array, Shape, array_module, count
from .arrival import ALONE, Arrival, Sender

__all__ = [
    "Bank",
    "Geometry",
    "correlate",
    "correlate_together",
    "correlate_transposed",
    "correlate_weights",
    "exact",
    "exactly",
    "expecting_zeros",
    "send_together",
    "zeros_expected",
]

PATCH_BYTES = 4 << 20  # on the CPU: still in the cache when the product reads them
GPU_PATCH_BYTES = 64 << 20  # where each product has a cost of its own


@dataclass(frozen=True)
class Geometry:
    """Kernel, stride, padding and dilation, one number per spatial axis, and the number of channel groups."""

    kernel: Shape
    stride: Shape
    pad: Shape
    dilation: Shape
    group: int = 1

    @cached_property
    def _hash(self) -> int:
        return hash((self.kernel, self.stride, self.pad, self.dilation, self.group))

    def __hash__(self) -> int:  # these are looked up at every call
        return self._hash

    @cached_property
    def rank(self) -> int:
        return len(self.kernel)

    @cached_property
    def pointwise(self) -> bool:
        """Whether patches are the image itself: a 1x1 kernel that visits every pixel."""
        return set(self.kernel) == {1} and set(self.stride) == {1} and set(self.pad) == {0}

    @cached_property
    def extent(self) -> Shape:
        """How many pixels the kernel spans, its holes included."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def reduced(self, spatial: Sequence[int]) -> Shape:
        """Output size of a correlation: floor((size + 2 pad - extent) / stride) + 1."""
        return _reduced(self, tuple(spatial))

    def enlarged(self, spatial: Sequence[int]) -> Shape:
        """Output size of a transposed correlation: stride (size - 1) + extent - 2 pad."""
        sizes = zip(spatial, self.extent, self.pad, self.stride, strict=True)
        return tuple(s * (n - 1) + e - 2 * p for n, e, p, s in sizes)

    @cached_property
    def mirrored(self) -> Geometry:
        """That of the transpose, where the stride is 1: what overhangs on one side is padding on the other."""
        return replace(self, pad=tuple(e - 1 - p for e, p in zip(self.extent, self.pad, strict=True)))

    def padded(self, spatial: Sequence[int]) -> Shape:
        return tuple(n + 2 * p for n, p in zip(spatial, self.pad, strict=True))

    def interior(self, spatial: Sequence[int]) -> tuple[slice, ...]:
        """Where the real pixels lie in the padded image."""
        return tuple(slice(p, p + n) for n, p in zip(spatial, self.pad, strict=True))

    def cells(self, positions: Sequence[int]) -> Iterator[tuple[Shape, tuple[slice, ...]]]:
        """Each kernel cell, with the slice of the padded image that it meets at all output positions."""
        for cell in product(*map(range, self.kernel)):
            steps = zip(cell, positions, self.stride, self.dilation, strict=True)
            yield cell, tuple(slice(c * d, c * d + s * (n - 1) + 1, s) for c, n, s, d in steps)

    def windows(self, spatial: Sequence[int], positions: Shape) -> Any:
        """The same for a kernel."""
        return kernels.windows(tuple(spatial), self.kernel, self.stride, self.pad, self.dilation, positions)


@lru_cache(4096)
def _reduced(geometry: Geometry, spatial: Shape) -> Shape:
    sizes = zip(spatial, geometry.extent, geometry.pad, geometry.stride, strict=True)
    return tuple((n + 2 * p - e) // s + 1 for n, e, p, s in sizes)


def correlate(
    x: Array,
    weights: Array,
    geometry: Geometry,
    bias: Array | None = None,
    rectified: bool = False,
    into: Array | None = None,
    guarded: bool = False,
) -> Array:
    """``x`` (..., C, *spatial), ``weights`` (O, C/group, *kernel), ``bias`` (O,) -> (..., O, *reduced spatial), or max(this, 0).

    ``into``: the result's array, which may lie among others. ``guarded``: where all products of a sum are 0, so is the sum, exactly.
    """
    xp, rank = array_module(x), geometry.rank
    lead, spatial = x.shape[: -rank - 1], x.shape[-rank:]
    images = x.reshape(-1, *x.shape[-rank - 1 :])
    positions = geometry.reduced(spatial)
    if geometry.rank == 2 and engine.serves(images, weights):
        if into is not None and convolution.holds(into):
            return convolution.correlate(images, weights, geometry, bias, rectified, into, guarded)
        y = convolution.correlate(images, weights, geometry, bias, rectified, None, guarded)
        y = y.reshape(*lead, len(weights), *positions)
        return _moved(y, into)
    y = cudnn.forward(images, weights, geometry, guarded or exact())
    if y is None:
        y = _products(images, weights, geometry, positions)
    y = y.reshape(*lead, len(weights), *positions)
    if bias is not None:
        y += bias.reshape(-1, *rank * (1,))
    if rectified:
        xp.maximum(y, 0, out=y)
    return _moved(y, into)


def _products(images: Array, weights: Array, geometry: Geometry, positions: Shape) -> Array:
    """Filters times patches: (n, group, O/group, positions)."""
    xp = array_module(images)
    y = xp.empty((len(images), geometry.group, len(weights) // geometry.group, count(positions)), images.dtype)
    matrix = _grouped(weights, geometry)

    def of_chunk(chunk: slice) -> None:
        xp.matmul(matrix, _patches(images[chunk], geometry, positions), out=y[chunk])

    threads.run(of_chunk, _chunks(images, geometry, positions))
    return y


def correlate_together(x: Array, banks: Sequence[Bank], geometry: Geometry) -> list[Array]:
    """The same by several banks of filters of a ``pointwise`` geometry; the engine reads an image once for all of them."""
    if geometry.rank != 2 or x.ndim != 4 or not engine.serves(x, *(bank.weights for bank in banks)):
        return [correlate(x, weights, geometry, *more) for weights, *more in banks]
    placed = [bank.into is None or convolution.holds(bank.into) for bank in banks]
    own = [bank if there else bank._replace(into=None) for bank, there in zip(banks, placed, strict=True)]
    tops = convolution.correlate_together(x, own, geometry)
    return [y if there else _moved(y, bank.into) for y, bank, there in zip(tops, banks, placed, strict=True)]


def _moved(y: Array, into: Array | None) -> Array:
    if into is None:
        return y
    into[...] = y
    return into


def correlate_transposed(
    signal: Array, weights: Array, geometry: Geometry, spatial: Shape, arrival: Arrival = ALONE
) -> Array:
    """The input gradient: ``signal`` (..., O, *positions), ``weights`` (O, C/group, *kernel) -> (..., C, *spatial), and what
    becomes of it there."""
    rank, lead = geometry.rank, signal.shape[: -geometry.rank - 1]
    whole = (weights.shape[1] * geometry.group, *spatial)
    stacked = signal.reshape(-1, *signal.shape[-rank - 1 :])
    if geometry.rank == 2 and engine.serves(signal, weights):
        last = finish(arrival, 3) if convolution.finishes(geometry) else None
        x = convolution.correlate_transposed(stacked, weights, geometry, spatial, last, _targets(lead))
        x = x.reshape(*lead, *whole)
        return x if last else arrival.at(x)
    x = cudnn.input_gradient(stacked, weights, geometry, spatial, exact())
    if x is None:
        x = _overlapping(stacked, weights, geometry, whole)
    return arrival.at(x.reshape(*lead, *whole))


def _overlapping(stacked: Array, weights: Array, geometry: Geometry, whole: Shape) -> Array:
    """Patches of filters times signals, added up: (n, *whole)."""
    xp, positions = array_module(stacked), stacked.shape[2:]
    signals = stacked.reshape(len(stacked), geometry.group, len(weights) // geometry.group, count(positions))
    x = xp.empty((len(signals), *whole), signals.dtype)
    matrix = _grouped(weights, geometry).swapaxes(-1, -2)

    def of_chunk(chunk: slice) -> None:
        if geometry.pointwise:
            xp.matmul(matrix, signals[chunk], out=_pixels(x[chunk], geometry))
        else:
            _overlap(xp.matmul(matrix, signals[chunk]), geometry, positions, x[chunk])

    threads.run(of_chunk, _chunks(x, geometry, positions))
    return x


def send_together(senders: Sequence[Sender], geometry: Geometry, spatial: Shape, arrival: Arrival = ALONE) -> Array:
    """The sum of several input gradients of a ``pointwise`` geometry, one after the other, and what becomes of it."""
    times = senders[0].times
    last = finish(replace(arrival, times=times), 3)
    wanted = any(array is not None for array in (arrival.onto, times, arrival.where))
    one_way = geometry.rank == 2 and all(sender.times is times for sender in senders) and (last or not wanted)
    if not one_way or not engine.serves(*(array for sender in senders for array in sender[:2])):
        return _sent_in_turn(senders, geometry, spatial, arrival)
    stacks = [(signal.reshape(-1, *signal.shape[-3:]), weights) for signal, weights, _ in senders]
    lead = senders[0].signal.shape[:-3]
    x = convolution.correlate_transposed_together(stacks, geometry, spatial, last, _targets(lead))
    return x.reshape(*lead, *x.shape[1:])


def _targets(lead: Shape) -> int:
    """How many there are of each image, of the axes in front of a signal's channels."""
    return lead[0] if len(lead) > 1 else 1


def _sent_in_turn(senders: Sequence[Sender], geometry: Geometry, spatial: Shape, arrival: Arrival) -> Array:
    *others, (signal, weights, times) = senders
    onto = _sent_in_turn(others, geometry, spatial, replace(arrival, where=None)) if others else arrival.onto
    return correlate_transposed(signal, weights, geometry, spatial, Arrival(onto, times, arrival.where))


def correlate_weights(x: Array, signal: Array, geometry: Geometry) -> Array:
    """The weight gradient, summed over the batch: ``x`` (..., C, *spatial), ``signal`` (..., O, *positions)."""
    rank = geometry.rank
    images, stacked = (array.reshape(-1, *array.shape[-rank - 1 :]) for array in (x, signal))
    if geometry.rank == 2 and engine.serves(images, stacked):
        return convolution.correlate_weights(images, stacked, geometry)
    gradient = cudnn.weight_gradient(images, stacked, geometry, exact())
    return _matched(images, stacked, geometry) if gradient is None else gradient


def _matched(images: Array, stacked: Array, geometry: Geometry) -> Array:
    """Signals times patches, added up over the images: (O, C/group, *kernel)."""
    xp, positions = array_module(images), stacked.shape[2:]
    outputs = stacked.shape[1]
    signals = stacked.reshape(len(stacked), geometry.group, outputs // geometry.group, count(positions))
    fan_in = images.shape[1] // geometry.group

    def of_chunk(chunk: slice) -> Array:
        patches = _patches(images[chunk], geometry, positions)
        return xp.matmul(signals[chunk], patches.swapaxes(-1, -2)).sum(0)

    nothing = xp.zeros((*signals.shape[1:3], fan_in * count(geometry.kernel)), images.dtype)
    total = sum(threads.each(of_chunk, _chunks(images, geometry, positions)), start=nothing)
    return total.reshape(outputs, fan_in, *geometry.kernel)


def _grouped(weights: Array, geometry: Geometry) -> Array:
    """The filters as one matrix per group: (group, O/group, C/group * cells)."""
    return weights.reshape(geometry.group, len(weights) // geometry.group, -1)


def _chunks(images: Array, geometry: Geometry, positions: Shape) -> Iterator[slice]:
    bytes_per_image = images.shape[1] * count(geometry.kernel) * count(positions) * images.dtype.itemsize
    room = PATCH_BYTES if isinstance(images, np.ndarray) else GPU_PATCH_BYTES
    step = max(1, room // max(1, bytes_per_image))
    for start in range(0, len(images), step):
        yield slice(start, min(start + step, len(images)))


def _pixels(images: Array, geometry: Geometry) -> Array:
    """An image as the patches of a pointwise kernel: (n, C, *spatial) -> (n, group, C/group, pixels)."""
    n, channels, *spatial = images.shape
    return images.reshape(n, geometry.group, channels // geometry.group, count(spatial))


def _patches(images: Array, geometry: Geometry, positions: Shape) -> Array:
    """im2col: (n, C, *spatial) -> (n, group, C/group * cells, positions)."""
    if geometry.pointwise:
        return _pixels(images, geometry)
    n, channels, *spatial = images.shape
    rows = (n, geometry.group, channels // geometry.group * count(geometry.kernel), count(positions))
    patches = array_module(images).empty((n, channels, *geometry.kernel, *positions), images.dtype)
    if geometry.rank == 2 and kernels.im2col(images, geometry.windows(spatial, positions), patches):
        return patches.reshape(rows)
    padded = _pad(images, geometry)
    for cell, window in geometry.cells(positions):
        patches[:, :, *cell] = padded[:, :, *window]
    return patches.reshape(rows)


def _overlap(patches: Array, geometry: Geometry, positions: Shape, images: Array) -> None:
    """col2im, the transpose of ``_patches``, into ``images`` (n, C, *spatial): overlapping patches add up, what falls on
    padding is dropped."""
    n, channels, *spatial = images.shape
    patches = patches.reshape(n, channels, *geometry.kernel, *positions)
    if geometry.rank == 2 and kernels.col2im(patches, geometry.windows(spatial, positions), images):
        return
    padded = array_module(patches).zeros((n, channels, *geometry.padded(spatial)), patches.dtype)
    for cell, window in geometry.cells(positions):
        padded[:, :, *window] += patches[:, :, *cell]
    images[...] = padded[:, :, *geometry.interior(spatial)]


def _pad(images: Array, geometry: Geometry) -> Array:
    if not any(geometry.pad):
        return images
    n, channels, *spatial = images.shape
    padded = array_module(images).zeros((n, channels, *geometry.padded(spatial)), images.dtype)
    padded[:, :, *geometry.interior(spatial)] = images
    return padded
