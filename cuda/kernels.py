"""The kernels as functions of arrays, NumPy's or CuPy's. Each writes into its last arrays and returns whether it ran.

Where one did not (no build for this CPU, an odd type, an array with gaps) nothing was touched, and the caller goes its own
way. Arrays are contiguous where nothing else is said; planes are (H, W), and whatever axes stand in front of them are counted
together.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from .launcher import Record, Rows, launch, side_by_side

Array = Any  # numpy.ndarray or cupy.ndarray
Pair = tuple[int, ...]  # along H and W

ROW = (128,)  # threads over the columns of a row
PLANE = (32, 8)  # over columns and rows
MAP = (256,)  # over the pixels of a map
TILE = 4096  # numbers that a block of an elementwise kernel takes, as in index.h
STRIP = 256  # pixels of an image that a block of lrn.cu takes
LONGEST = 512  # as many on a CPU where the gradient reads three arrays at once: longer stretches of each
WIDEST = 9  # the most channels that a window of lrn.cu's gradient may have
STRETCH = 1024  # pixels of a map that a block of maps.cu makes


@lru_cache(maxsize=4096)
def windows(size: Pair, kernel: Pair, stride: Pair, pad: Pair, dilation: Pair, positions: Pair) -> Record:
    """``Windows`` of index.h."""
    return Record(*size, *kernel, *stride, *pad, *dilation, *positions)


def im2col(images: Array, where: Record, patches: Array) -> bool:
    """``images`` (..., H, W) -> ``patches`` (..., kernel h, kernel w, rows, columns)."""
    planes, cells = math.prod(images.shape[:-2]), math.prod(patches.shape[-4:-2])
    return launch("im2col.cu", "im2col", (images,), planes * cells, images, patches, planes, where, threads=PLANE)


def col2im(patches: Array, where: Record, images: Array) -> bool:
    """``patches`` (..., kernel h, kernel w, rows, columns) -> their sums in ``images`` (..., H, W)."""
    planes, rows = math.prod(images.shape[:-2]), math.prod(images.shape[:-1])
    return launch("im2col.cu", "col2im", (images,), rows, patches, images, planes, where, threads=ROW)


def max_pool(x: Array, where: Record, maxima: Array, winners: Array) -> bool:
    """``x`` (..., H, W) -> ``maxima`` and the cells that won, ``winners`` (signed integers): both (..., rows, columns)."""
    planes, rows = math.prod(x.shape[:-2]), math.prod(maxima.shape[:-1])
    return launch("max_pool.cu", "max_pool", (x, winners), rows, x, maxima, winners, planes, where, threads=ROW)


def to_winners(signal: Array, winners: Array, where: Record, pixels: Array) -> bool:
    """``signal`` (K, *winners.shape) with ``winners`` (..., rows, columns) -> ``pixels`` (K, ..., H, W)."""
    planes, rows = math.prod(winners.shape[:-2]), math.prod(pixels.shape[:-1])
    targets = math.prod(signal.shape[: signal.ndim - winners.ndim])
    arguments = (signal, winners, pixels, targets, planes, where)
    return launch("max_pool.cu", "to_winners", (signal, winners), rows, *arguments, threads=ROW)


def window_sums(x: Array, where: Record, sums: Array) -> bool:
    """``x`` (..., H, W) -> ``sums`` (..., rows, columns) over each window's real pixels."""
    planes, rows = math.prod(x.shape[:-2]), math.prod(sums.shape[:-1])
    return launch("average_pool.cu", "window_sums", (x,), rows, x, sums, planes, where, threads=ROW)


def spread(signal: Array, where: Record, pixels: Array) -> bool:
    """``signal`` (..., rows, columns) -> ``pixels`` (..., H, W), each the sum over the windows that cover it."""
    planes = math.prod(pixels.shape[:-2])
    return launch(
        "average_pool.cu", "spread", (signal,), _blocks(signal, pixels), signal, pixels, planes, where, threads=ROW
    )


def spread_to(signal: Array, where: Record, a: Array, pixels: Array) -> bool:
    """``spread`` of a ``signal`` (K, ..., rows, columns), times ``a`` (..., H, W)."""
    planes, targets = math.prod(a.shape[:-2]), math.prod(pixels.shape[: pixels.ndim - a.ndim])
    arguments = (signal, a, pixels, targets, planes, where)
    return launch("average_pool.cu", "spread_to", (signal,), _blocks(signal, pixels), *arguments, threads=ROW)


def _blocks(signal: Array, pixels: Array) -> int:
    """A plane where there is one window, else a row: what a block of average_pool.cu takes of ``pixels``."""
    return math.prod(pixels.shape[:-2] if signal.shape[-2:] == (1, 1) else pixels.shape[:-1])


def relu(x: Array, slope: float, y: Array) -> bool:
    """y = max(x, 0) + slope min(x, 0), any shape. There may be gaps between the images of both."""
    size = _row(x, y)
    rows, below, above = _rows(x, size), Rows(x, size), Rows(y, size)
    arguments = (below, above, rows, size, below.apart, above.apart, float(slope))
    return launch("relu.cu", "relu", (x,), rows * tiles(size), *arguments, threads=ROW)


def relu_gradient(signal: Array, known: Array, slope: float, guided: bool, to: Array) -> bool:
    """``signal`` (K, *known.shape), where ``known`` > 0; ``slope`` times it elsewhere; ``guided``: only what is positive of it. There
    may be gaps between the images of these."""
    size = _row(signal, known)
    rows, arriving, telling = _rows(signal, size), Rows(signal, size), Rows(known, size)
    aparts = arriving.apart, telling.apart
    arguments = (arriving, telling, to, rows, _rows(known, size), size, *aparts, float(slope), int(guided))
    return launch("relu.cu", "relu_gradient", (to,), rows * tiles(size), *arguments, threads=ROW)


def add(many: Array, one: Array, coefficient: float, total: Array) -> bool:
    """``many`` (K, *one.shape) plus ``coefficient`` times ``one``. There may be gaps between the images of both."""
    size = _row(many, one)
    rows, first, second = _rows(many, size), Rows(many, size), Rows(one, size)
    arguments = (first, second, total, rows, _rows(one, size), size, first.apart, second.apart, float(coefficient))
    return launch("add.cu", "add", (total,), rows * tiles(size), *arguments, threads=ROW)


def normalise_channels(x: Array, mean: Array | None, deviation: Array, y: Array) -> bool:
    """y = (``x`` - ``mean``) / ``deviation``, for ``x`` (..., C, size) and numbers (C,) of each channel."""
    return _by_channel("normalise_channels", x, mean, deviation, y)


def scale_channels(x: Array, factor: Array, summand: Array | None, y: Array) -> bool:
    """y = ``x`` ``factor`` + ``summand``, for ``x`` (..., C, size) and numbers (C,) of each channel."""
    return _by_channel("scale_channels", x, factor, summand, y)


def _by_channel(kernel: str, x: Array, first: Array | None, second: Array | None, y: Array) -> bool:
    *_, channels, size = x.shape
    rows, own = math.prod(x.shape[:-1]), [0 if numbers is None else numbers for numbers in (first, second)]
    arguments = (x, *own, y, rows, channels, size)
    return launch("channels.cu", kernel, (x,), rows * tiles(size), *arguments, threads=ROW)


def softmax(x: Array, y: Array) -> bool:
    """y = exp ``x`` / sum exp ``x`` over the channels of ``x`` (rows, C, size)."""
    rows, channels, size = x.shape
    return launch("softmax.cu", "softmax", (x,), rows * size, x, y, rows, channels, size, threads=ROW)


def gate(many: Array, one: Array, product: Array) -> bool:
    """``many`` (K, *one.shape) times ``one``. There may be gaps between the images of all three."""
    size = _row(many, one, product)
    rows, arrays = _rows(many, size), [Rows(array, size) for array in (many, one, product)]
    arguments = (*arrays, rows, _rows(one, size), size, *(array.apart for array in arrays))
    return launch("feedback_gate.cu", "gate", (many,), rows * tiles(size), *arguments, threads=ROW)


def gate_gradient(
    x: Array, z: Array, signal: Array, rectified: bool, down: Array | None, g: Array, sums: Array
) -> bool:
    """``down`` = z ``signal``, with ``rectified`` only where x > 0, and g = x ``signal``: all (K * N, size), but for ``x`` of as many
    rows or (N, size); ``sums`` (K * N, tiles) of |g|. There may be gaps between the rows of ``x`` and of the signal. Without ``down``
    only g is made."""
    (rows, size), active, arriving = g.shape, Rows(x, g.shape[1]), Rows(signal, g.shape[1])
    arrays = active, z, arriving, 0 if down is None else down, g, sums
    arguments = (*arrays, len(x), rows, size, active.apart, arriving.apart, int(rectified))
    return launch("feedback_gate.cu", "gate_gradient", (g,), sums.size, *arguments, threads=ROW)


def gate_magnitudes(x: Array, signal: Array, sums: Array) -> bool:
    """``sums`` alone, of |x ``signal``|, as ``gate_gradient`` has them."""
    rows, size = len(signal), signal.shape[1]
    active, arriving = Rows(x, size), Rows(signal, size)
    arguments = (active, arriving, sums, len(x), rows, size, active.apart, arriving.apart)
    return launch("feedback_gate.cu", "gate_magnitudes", (sums,), sums.size, *arguments, threads=ROW)


def soft_step(
    x: Array, signal: Array, sums: Array, rate: float, cost: float, normalised: bool, rectified: bool, down: Array | None, z: Array,
    moved: Array,
) -> bool:  # fmt: skip
    """``z`` (R, size) becomes clip(z + rate x ``signal`` / unit - cost, 0, 1), where the unit of a row is 1 or, if ``normalised``, the
    mean of |x signal| over it, from ``sums`` of its parts (R, parts); ``moved`` (R, tiles): how many of them have changed. ``down`` as
    ``gate_gradient`` has it, under the gates as they were."""
    (rows, size), parts, active, arriving = z.shape, sums.shape[1], Rows(x, z.shape[1]), Rows(signal, z.shape[1])
    arrays = active, arriving, sums, float(rate), float(cost), 0 if down is None else down, z, moved
    arguments = (*arrays, len(x), rows, size, parts, active.apart, arriving.apart, int(normalised), int(rectified))
    return launch("feedback_gate.cu", "soft_step", (z,), rows * tiles(size), *arguments, threads=ROW)


def positive_sums(a: Array, sums: Array) -> bool:
    """``sums`` (2, R, tiles), in double precision: of what is positive in ``a`` (R, size), and how many those are."""
    rows, size = a.shape
    return launch("hard_gates.cu", "positive_sums", (a, sums), rows * tiles(size), a, sums, rows, size, threads=ROW)


def prune(z: Array, a: Array, threshold: Array, gates: Array) -> bool:
    """``gates`` = z [a > threshold]: all (R, size), with a ``threshold`` (R,) for each row."""
    return _by_rows("prune", z, a, threshold, gates)


def opened(a: Array, threshold: Array, gates: Array) -> bool:
    """``gates`` = [a > threshold]: both (R, size), with a ``threshold`` (R,) for each row."""
    return _by_rows("opened", a, threshold, gates)


def recover(a: Array, threshold: Array, gates: Array, carried: Array) -> bool:
    """``gates`` = [a > threshold] and ``carried`` = gates a: all (R, size), with a ``threshold`` (R,) for each row."""
    return _by_rows("recover", a, threshold, gates, carried)


def hard_step(z: Array, a: Array, threshold: Array, gates: Array, carried: Array) -> bool:
    """``gates`` = z [a > threshold] and ``carried`` = gates a: all (R, size), with a ``threshold`` (R,) for each row."""
    return _by_rows("hard_step", z, a, threshold, gates, carried)


def _by_rows(kernel: str, *arrays: Array) -> bool:
    rows, size = arrays[0].shape
    return launch("hard_gates.cu", kernel, arrays[:1], rows * tiles(size), *arrays, rows, size, threads=ROW)


def lrn(x: Array, size: int, alpha: float, beta: float, k: float, scale: Array, y: Array) -> bool:
    """``scale`` = k + alpha * sum of x^2 over ``size`` channels, (N, C, H, W), and y = x scale^-beta; ``size`` is odd and at most
    2 C - 1."""
    images, channels, pixels = len(x), x.shape[1], math.prod(x.shape[2:])
    arguments = (x, scale, y, images, channels, pixels, size, float(alpha), float(beta), float(k))
    return launch("lrn.cu", "lrn", (x,), images * -(-pixels // STRIP), *arguments, threads=ROW)


def lrn_frozen(many: Array, scale: Array, beta: float, to: Array) -> bool:
    """``many`` (K, *scale.shape) times scale^-beta."""
    targets = math.prod(many.shape[: many.ndim - scale.ndim])
    arguments = (many, scale, to, targets, scale.size, float(beta))
    return launch("lrn.cu", "lrn_frozen", (many,), targets * tiles(scale.size), *arguments, threads=ROW)


def lrn_gradient(
    x: Array, scale: Array, signal: Array, size: int, weight: float, beta: float, to: Array, rectified: bool = False
) -> bool:
    """``signal`` (K, N, C, H, W) scale^-beta - weight x * sum over ``size`` channels of signal x scale^(-beta - 1); ``size`` is odd.
    ``rectified``: only where x > 0."""
    images, channels, pixels = len(x), x.shape[1], math.prod(x.shape[2:])
    if size > WIDEST:
        return False
    strip = LONGEST if isinstance(x, np.ndarray) else STRIP
    sizes = len(signal), images, channels, pixels, strip, size
    arguments = (x, scale, signal, to, *sizes, int(rectified), float(weight), float(beta))
    return launch("lrn.cu", "lrn_gradient", (x,), len(signal) * images * -(-pixels // strip), *arguments, threads=ROW)


def share(mass: Array, z: Array, epsilon: float, shares: Array) -> bool:
    """``mass`` (K, *z.shape) over z + epsilon sign z, and 0 where that is exactly 0. There may be gaps between the images of ``mass``."""
    size = _row(mass, z)
    rows, masses = _rows(mass, size), Rows(mass, size)
    arguments = (masses, z, shares, rows, _rows(z, size), size, masses.apart, float(epsilon))
    return launch("excitation.cu", "share", (mass,), rows * tiles(size), *arguments, threads=ROW)


def portion(mass: Array, z: Array, a: Array, coefficient: float, to: Array) -> bool:
    """``coefficient`` times ``a`` times ``mass`` (K, *z.shape) over ``z``, and 0 where z is exactly 0."""
    targets = math.prod(mass.shape[: mass.ndim - z.ndim])
    arguments = (mass, z, a, to, targets, z.size, float(coefficient))
    return launch("excitation.cu", "portion", (mass,), targets * tiles(z.size), *arguments, threads=ROW)


def over_channels(signal: Array, how: str, maps: Array) -> bool:
    """``signal`` (..., C, H, W) -> ``maps`` (..., H, W): ``sum``, ``positive_sum``, ``sum_abs``, ``l2`` or ``max_abs``."""
    images, channels, pixels = math.prod(signal.shape[:-3]), signal.shape[-3], math.prod(signal.shape[-2:])
    arguments = (signal, maps, images, channels, pixels)
    return launch("maps.cu", how, (signal,), images * -(-pixels // STRETCH), *arguments, threads=ROW)


def resize_columns(x: Array, source: Array, weights: Array, y: Array) -> bool:
    """``x`` (..., width) -> ``y`` (..., size): sums of ``weights`` (neighbours, size) times the numbers that ``source`` names, 32-bit
    integers, as many; there are two or four neighbours."""
    rows, width, (neighbours, size) = math.prod(x.shape[:-1]), x.shape[-1], weights.shape
    arguments = (x, source, weights, y, rows, width, size, neighbours)
    return neighbours in (2, 4) and launch("resize.cu", "resize_columns", (x, source), rows, *arguments, threads=ROW)


def resize_rows(x: Array, source: Array, weights: Array, lowest: Array | None, highest: Array | None, y: Array) -> bool:
    """The same along rows, ``x`` (..., height, W) -> ``y`` (..., size, W), clipped to what is between ``lowest`` and ``highest``, if these
    are given: one number for each plane."""
    planes, (height, width), (neighbours, size) = math.prod(x.shape[:-2]), x.shape[-2:], weights.shape
    ends = [0 if end is None else end for end in (lowest, highest)]
    arguments = (x, source, weights, *ends, y, planes, height, width, size, neighbours)
    return neighbours in (2, 4) and launch(
        "resize.cu", "resize_rows", (x, source), planes * size, *arguments, threads=ROW
    )


def energy_threshold(ascending: Array, fraction: float, threshold: Array) -> bool:
    """``ascending`` (..., pixels), double precision, none below 0 -> ``threshold`` (...): the last of those that are needed, from the
    greatest on, for ``fraction`` of their sum."""
    maps, pixels = math.prod(ascending.shape[:-1]), ascending.shape[-1]
    arguments = (ascending, float(fraction), threshold, maps, pixels)
    return launch("boxes.cu", "energy_threshold", (ascending,), maps, *arguments, threads=MAP)


def tightest_box(masks: Array, boxes: Array) -> bool:
    """``masks`` (..., H, W), 8-bit integers -> ``boxes`` (..., 4), 32-bit ones: x0, y0, x1, y1, half-open, around what is not 0; the whole
    where all is."""
    maps, (height, width) = math.prod(masks.shape[:-2]), masks.shape[-2:]
    return launch("boxes.cu", "tightest_box", (masks, boxes), maps, masks, boxes, maps, height, width, threads=MAP)


def tiles(size: int) -> int:
    """How many tiles there are in this many numbers."""
    return -(-size // TILE)


def _row(*arrays: Array) -> int:
    """How many numbers lie side by side in all of these arrays, the last axes of which are the same."""
    return min(side_by_side(array) for array in arrays)


def _rows(array: Array, size: int) -> int:
    return array.size // size if size else 0
