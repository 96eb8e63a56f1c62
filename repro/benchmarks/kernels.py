"""The kernels of ``cuda/``, one by one, on arrays of the size that GoogLeNet's first layers have for 8 images. On a CPU max pooling
is the engine's work, as in the layer.

Most of them are bound by memory: what counts is how near they come to a copy of as many bytes. (Softmax takes exponentials, a map's
columns are resized from numbers here and there, its energies are added one after the other.) What they must find, NumPy tells in a line
or two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...cpu import pooling
from ...cuda import kernels
from ...errors import BadInput
from ...layers.pooling import Windows
from .race import Entry, Race, Row, Setting, run

Arrays = dict[str, Any]

BOUND = 1e-5  # relative l2
SHAPE = (8, 64, 112, 112)
SIDE, STRIDE = 3, 2  # of windows, without padding
CHANNELS, ALPHA, BETA = 5, 0.0001 / 5, 0.75  # of LRN
WEIGHT = 2 * ALPHA * BETA * 1000  # of its gradient's second term, large enough to be seen
RATE, COST = 0.1, 0.2  # of a soft step
NEIGHBOURS = 4  # of a pixel that bicubic interpolation makes
FRACTION = 0.95  # of a map's energy


@dataclass(frozen=True)
class Kernel:
    """``call`` runs it over ``arrays``, of which it writes ``y`` (and others), and returns whether it ran; ``expected`` finds ``y``
    in NumPy, from arrays that nobody has changed. ``in_place``: it reads ``y`` as well."""

    name: str
    arrays: Arrays
    call: Callable[[Arrays], bool]
    expected: Callable[[Arrays], np.ndarray]
    in_place: bool = False

    @property
    def bytes(self) -> int:
        """What it must read and write at least."""
        return sum(array.nbytes for array in self.arrays.values()) + self.in_place * self.arrays["y"].nbytes


def entries(setting: Setting) -> Iterator[Entry]:
    for make in KERNELS:
        yield make.__name__, partial(_row, make, setting)


def _row(make: Callable[..., Kernel], setting: Setting) -> Row:
    kernel = make(np.random.default_rng(setting.seed), SHAPE)
    return {"shape": list(SHAPE), **run(race_of(kernel, setting), setting)}


def race_of(kernel: Kernel, setting: Setting) -> Race:
    device, own = setting.device, {}
    for name, array in kernel.arrays.items():
        own[name] = array.copy() if device.index is None else device.array(array, array.dtype)

    def ours() -> Any:
        if not kernel.call(own):
            raise BadInput(
                f"kernel {kernel.name!r}: found no build for {device.name}, expected the package built with one"
            )
        return own["y"]

    theirs = [peer.kernel_ways(kernel.name, kernel.arrays) for peer in setting.peers.values()]
    return Race(
        ours=ours,
        bound=BOUND,
        peers={label: way for ways in theirs for label, way in ways.items()},
        expected={"NumPy": lambda: kernel.expected(kernel.arrays)},
        bytes=kernel.bytes,
    )


# -- windows ------------------------------------------------------------------------------------------------------------


def max_pool(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    where, small = _windows(shape)
    arrays = {"x": _normal(rng, shape), "y": np.empty(small, np.float32), "winners": np.empty(small, np.int8)}
    return Kernel(
        "max_pool",
        arrays,
        lambda a: (
            pooling.max_pool(a["x"], where, a["y"], a["winners"])
            or kernels.max_pool(a["x"], where.record(), a["y"], a["winners"])
        ),
        lambda a: _views(a["x"]).max((-2, -1)),
    )


def to_winners(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    where, small = _windows(shape)
    winners = rng.integers(0, SIDE * SIDE, small).astype(np.int8)
    arrays = {"x": _normal(rng, small), "winners": winners, "y": np.empty(shape, np.float32)}
    return Kernel(
        "to_winners",
        arrays,
        lambda a: (
            pooling.to_winners(a["x"], a["winners"], where, a["y"])
            or kernels.to_winners(a["x"], a["winners"], where.record(), a["y"])
        ),
        lambda a: _added(shape, lambda i, j: a["x"] * (a["winners"] == SIDE * i + j)),
    )


def window_sums(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    where, small = _windows(shape)
    arrays = {"x": _normal(rng, shape), "y": np.empty(small, np.float32)}
    return Kernel(
        "window_sums",
        arrays,
        lambda a: kernels.window_sums(a["x"], where.record(), a["y"]),
        lambda a: _views(a["x"]).sum((-2, -1)),
    )


def spread(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    where, small = _windows(shape)
    arrays = {"x": _normal(rng, small), "y": np.empty(shape, np.float32)}
    return Kernel(
        "spread",
        arrays,
        lambda a: kernels.spread(a["x"], where.record(), a["y"]),
        lambda a: _added(shape, lambda i, j: a["x"]),
    )


def spread_to(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    where, small = _windows(shape)
    arrays = {"x": _normal(rng, small), "a": _normal(rng, shape), "y": np.empty(shape, np.float32)}
    return Kernel(
        "spread_to",
        arrays,
        lambda a: kernels.spread_to(a["x"], where.record(), a["a"], a["y"]),
        lambda a: a["a"] * _added(shape, lambda i, j: a["x"]),
    )


def im2col(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    where, small = _windows(shape)
    arrays = {"x": _normal(rng, shape), "y": np.empty((*small[:-2], SIDE, SIDE, *small[-2:]), np.float32)}
    return Kernel(
        "im2col",
        arrays,
        lambda a: kernels.im2col(a["x"], where.record(), a["y"]),
        lambda a: np.moveaxis(_views(a["x"]), (-2, -1), (-4, -3)),
    )


def col2im(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    where, small = _windows(shape)
    arrays = {"x": _normal(rng, (*small[:-2], SIDE, SIDE, *small[-2:])), "y": np.empty(shape, np.float32)}
    return Kernel(
        "col2im",
        arrays,
        lambda a: kernels.col2im(a["x"], where.record(), a["y"]),
        lambda a: _added(shape, lambda i, j: a["x"][..., i, j, :, :]),
    )


# -- number by number -----------------------------------------------------------------------------------------------------


def relu(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    return Kernel(
        "relu",
        {"x": _normal(rng, shape), "y": np.empty(shape, np.float32)},
        lambda a: kernels.relu(a["x"], 0.0, a["y"]),
        lambda a: np.maximum(a["x"], 0),
    )


def relu_gradient(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    return Kernel(
        "relu_gradient",
        {"x": _normal(rng, shape), "signal": _normal(rng, shape), "y": np.empty(shape, np.float32)},
        lambda a: kernels.relu_gradient(a["signal"], a["x"], 0.0, False, a["y"]),
        lambda a: a["signal"] * (a["x"] > 0),
    )


def add(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    return Kernel(
        "add",
        {"x": _normal(rng, shape), "z": _normal(rng, shape), "y": np.empty(shape, np.float32)},
        lambda a: kernels.add(a["x"], a["z"], -1.0, a["y"]),
        lambda a: a["x"] - a["z"],
    )


def normalise_channels(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    return _by_channel("normalise_channels", rng, shape, lambda x, mean, unit: (x - mean) / unit)


def scale_channels(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    return _by_channel("scale_channels", rng, shape, lambda x, factor, summand: x * factor + summand)


def _by_channel(
    name: str, rng: np.random.Generator, shape: tuple[int, ...], expected: Callable[..., np.ndarray]
) -> Kernel:
    planes, channels = (*shape[:2], shape[2] * shape[3]), (shape[1], 1)
    arrays = {"x": _normal(rng, planes), "y": np.empty(planes, np.float32)}
    arrays |= {one: 1 + rng.random(channels, np.float32) for one in ("first", "second")}
    return Kernel(
        name,
        arrays,
        lambda a: getattr(kernels, name)(a["x"], a["first"], a["second"], a["y"]),
        lambda a: expected(a["x"], a["first"], a["second"]),
    )


def softmax(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    rows = (math.prod(shape[:2]), math.prod(shape[2:]), 1)  # of one place each, as at the end of a net

    def expected(a: Arrays) -> np.ndarray:
        raised = np.exp(a["x"])
        return raised / raised.sum(1, keepdims=True)

    arrays = {"x": _normal(rng, rows), "y": np.empty(rows, np.float32)}
    return Kernel("softmax", arrays, lambda a: kernels.softmax(a["x"], a["y"]), expected)


def gate(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    return Kernel(
        "gate",
        {"x": _normal(rng, shape), "z": rng.random(shape, np.float32), "y": np.empty(shape, np.float32)},
        lambda a: kernels.gate(a["x"], a["z"], a["y"]),
        lambda a: a["x"] * a["z"],
    )


def gate_gradient(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    flat, sums = _flat(shape), (shape[0], kernels.tiles(_flat(shape)[1]))
    return Kernel(
        "gate_gradient",
        {
            "x": _normal(rng, flat),
            "z": rng.random(flat, np.float32),
            "signal": _normal(rng, flat),
            "down": np.empty(flat, np.float32),
            "y": np.empty(flat, np.float32),
            "sums": np.empty(sums, np.float32),
        },
        lambda a: kernels.gate_gradient(a["x"], a["z"], a["signal"], True, a["down"], a["y"], a["sums"]),
        lambda a: a["x"] * a["signal"],
    )


def gate_magnitudes(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    flat = _flat(shape)
    starts = range(0, flat[1], kernels.TILE)
    arrays = {"x": _normal(rng, flat), "signal": _normal(rng, flat), "y": np.empty((flat[0], len(starts)), np.float32)}
    return Kernel(
        "gate_magnitudes",
        arrays,
        lambda a: kernels.gate_magnitudes(a["x"], a["signal"], a["y"]),
        lambda a: np.add.reduceat(abs(a["x"] * a["signal"]).astype(np.float64), starts, 1),
    )


def soft_step(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    flat, sums = _flat(shape), (shape[0], kernels.tiles(_flat(shape)[1]))
    return Kernel(
        "soft_step",
        {
            "x": _normal(rng, flat),
            "signal": _normal(rng, flat),
            "sums": kernels.TILE * rng.random(sums, np.float32),
            "down": np.empty(flat, np.float32),
            "y": rng.random(flat, np.float32),
            "moved": np.empty(sums, np.float32),
        },
        lambda a: kernels.soft_step(
            a["x"], a["signal"], a["sums"], RATE, COST, True, True, a["down"], a["y"], a["moved"]
        ),
        lambda a: (
            a["y"] + RATE * flat[1] / a["sums"].sum(1)[:, None] * (a["x"] * a["signal"]) - np.float32(COST)
        ).clip(0, 1),
        in_place=True,
    )


def positive_sums(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    flat = _flat(shape)
    starts = range(0, flat[1], kernels.TILE)

    def expected(a: Arrays) -> np.ndarray:
        positive = np.maximum(a["x"], 0).astype(np.float64)
        return np.stack([np.add.reduceat(part, starts, 1) for part in (positive, np.sign(positive))])

    arrays = {"x": _normal(rng, flat), "y": np.empty((2, flat[0], len(starts)), np.float64)}
    return Kernel("positive_sums", arrays, lambda a: kernels.positive_sums(a["x"], a["y"]), expected)


def prune(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    return Kernel(
        "prune",
        {"z": _gates(rng, shape), **_above(rng, shape)},
        lambda a: kernels.prune(a["z"], a["x"], a["threshold"], a["y"]),
        lambda a: a["z"] * (a["x"] > a["threshold"][:, None]),
    )


def opened(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    return Kernel(
        "opened",
        _above(rng, shape),
        lambda a: kernels.opened(a["x"], a["threshold"], a["y"]),
        lambda a: (a["x"] > a["threshold"][:, None]).astype(np.float32),
    )


def recover(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    return Kernel(
        "recover",
        {"gates": np.empty(_flat(shape), np.float32), **_above(rng, shape)},
        lambda a: kernels.recover(a["x"], a["threshold"], a["gates"], a["y"]),
        lambda a: a["x"] * (a["x"] > a["threshold"][:, None]),
    )


def hard_step(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    return Kernel(
        "hard_step",
        {"z": _gates(rng, shape), "gates": np.empty(_flat(shape), np.float32), **_above(rng, shape)},
        lambda a: kernels.hard_step(a["z"], a["x"], a["threshold"], a["gates"], a["y"]),
        lambda a: a["z"] * a["x"] * (a["x"] > a["threshold"][:, None]),
    )


def share(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    return Kernel(
        "share",
        {"x": _normal(rng, shape), "z": _rectified(rng, shape), "y": np.empty(shape, np.float32)},
        lambda a: kernels.share(a["x"], a["z"], 0.0, a["y"]),
        lambda a: _quotient(a["x"], a["z"]),
    )


def portion(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    return Kernel(
        "portion",
        {
            "x": _normal(rng, shape),
            "z": _rectified(rng, shape),
            "a": _normal(rng, shape),
            "y": np.empty(shape, np.float32),
        },
        lambda a: kernels.portion(a["x"], a["z"], a["a"], 1.0, a["y"]),
        lambda a: a["a"] * _quotient(a["x"], a["z"]),
    )


# -- over channels ------------------------------------------------------------------------------------------------------


def lrn(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    arrays = {"x": 100 * _normal(rng, shape), "scale": np.empty(shape, np.float32), "y": np.empty(shape, np.float32)}
    return Kernel(
        "lrn",
        arrays,
        lambda a: kernels.lrn(a["x"], CHANNELS, ALPHA, BETA, 1.0, a["scale"], a["y"]),
        lambda a: a["x"] * (1 + ALPHA * _neighbours(a["x"] ** 2)) ** -BETA,
    )


def lrn_frozen(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    return Kernel(
        "lrn_frozen",
        {"x": _normal(rng, shape), "scale": 1 + rng.random(shape, np.float32), "y": np.empty(shape, np.float32)},
        lambda a: kernels.lrn_frozen(a["x"], a["scale"], BETA, a["y"]),
        lambda a: a["x"] * a["scale"] ** -BETA,
    )


def lrn_gradient(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    arrays = {
        "x": _normal(rng, shape),
        "scale": 1 + rng.random(shape, np.float32),
        "signal": _normal(rng, (1, *shape)),
        "y": np.empty((1, *shape), np.float32),
    }

    def expected(a: Arrays) -> np.ndarray:
        x, scale, signal = a["x"], a["scale"], a["signal"][0]
        return (signal * scale**-BETA - WEIGHT * x * _neighbours(signal * x * scale ** (-BETA - 1)))[None]

    return Kernel(
        "lrn_gradient",
        arrays,
        lambda a: kernels.lrn_gradient(a["x"], a["scale"], a["signal"], CHANNELS, WEIGHT, BETA, a["y"]),
        expected,
    )


def over_channels(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    return Kernel(
        "over_channels",
        {"x": _normal(rng, shape), "y": np.empty((shape[0], *shape[2:]), np.float32)},
        lambda a: kernels.over_channels(a["x"], "max_abs", a["y"]),
        lambda a: abs(a["x"]).max(-3),
    )


# -- maps ---------------------------------------------------------------------------------------------------------------


def resize_columns(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    small = (*shape[:-1], shape[-1] // 2)
    return Kernel(
        "resize_columns",
        {"x": _normal(rng, small), **_twice(rng, small[-1]), "y": np.empty((*small[:-1], 2 * small[-1]), np.float32)},
        lambda a: kernels.resize_columns(a["x"], a["source"], a["weights"], a["y"]),
        lambda a: _weighted(a, -1, a["weights"]),
    )


def resize_rows(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    small = (*shape[:-2], shape[-2] // 2, shape[-1])
    ends = {name: np.full(small[:-2], end, np.float32) for name, end in (("lowest", -1), ("highest", 1))}
    y = np.empty((*small[:-2], 2 * small[-2], small[-1]), np.float32)
    return Kernel(
        "resize_rows",
        {"x": _normal(rng, small), **_twice(rng, small[-2]), **ends, "y": y},
        lambda a: kernels.resize_rows(a["x"], a["source"], a["weights"], a["lowest"], a["highest"], a["y"]),
        lambda a: _weighted(a, -2, a["weights"][..., None]).clip(-1, 1),
    )


def energy_threshold(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    """Of maps that are sorted already."""
    ascending = np.sort(rng.random((math.prod(shape[:2]), math.prod(shape[2:]))) ** 3)

    def expected(a: Arrays) -> np.ndarray:
        descending = a["x"][:, ::-1]
        needed = (descending.cumsum(1) < FRACTION * a["x"].sum(1, keepdims=True)).sum(1)
        return np.take_along_axis(descending, needed[:, None], 1)[:, 0]

    arrays = {"x": ascending, "y": np.empty(len(ascending))}
    return Kernel("energy_threshold", arrays, lambda a: kernels.energy_threshold(a["x"], FRACTION, a["y"]), expected)


def tightest_box(rng: np.random.Generator, shape: tuple[int, ...]) -> Kernel:
    """Around two corners of each mask."""
    maps, (height, width) = math.prod(shape[:2]), shape[2:]
    corners = [np.sort(rng.integers(0, size, (maps, 2))) for size in (width, height)]
    masks = np.zeros((maps, height, width), np.int8)
    for end in range(2):
        masks[np.arange(maps), corners[1][:, end], corners[0][:, end]] = 1

    def expected(_: Arrays) -> np.ndarray:
        (x0, x1), (y0, y1) = (ends.T for ends in corners)
        return np.stack([x0, y0, x1 + 1, y1 + 1], 1)

    arrays = {"x": masks, "y": np.empty((maps, 4), np.int32)}
    return Kernel("tightest_box", arrays, lambda a: kernels.tightest_box(a["x"], a["y"]), expected)


KERNELS: tuple[Callable[..., Kernel], ...] = (
    max_pool, to_winners, window_sums, spread, spread_to, im2col, col2im,
    relu, relu_gradient, add, normalise_channels, scale_channels, softmax,
    gate, gate_gradient, gate_magnitudes, soft_step, positive_sums, prune, opened, recover, hard_step, share, portion,
    lrn, lrn_frozen, lrn_gradient, over_channels, resize_columns, resize_rows, energy_threshold, tightest_box,
)  # fmt: skip


# -- arrays -------------------------------------------------------------------------------------------------------------


def _normal(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    return rng.standard_normal(shape, np.float32)


def _rectified(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """Like sums of excitations: half of them are exactly 0."""
    return np.maximum(_normal(rng, shape), 0)


def _gates(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return (rng.random(_flat(shape), np.float32) > 0.5).astype(np.float32)


def _above(rng: np.random.Generator, shape: tuple[int, ...]) -> Arrays:
    """Rows, and for each a threshold."""
    flat = _flat(shape)
    return {"x": _normal(rng, flat), "threshold": np.full(flat[0], 0.5, np.float32), "y": np.empty(flat, np.float32)}


def _twice(rng: np.random.Generator, size: int) -> Arrays:
    """Twice as many pixels, each of which sees a few of so many."""
    first = np.repeat(np.arange(size, dtype=np.int32), 2) - NEIGHBOURS // 2
    source = (first + np.arange(NEIGHBOURS, dtype=np.int32)[:, None]).clip(0, size - 1)
    return {"source": source, "weights": _normal(rng, source.shape)}


def _weighted(a: Arrays, axis: int, weights: np.ndarray) -> np.ndarray:
    """The sum of the pixels along an axis that each one sees."""
    return sum(weight * a["x"].take(pixels, axis) for weight, pixels in zip(weights, a["source"], strict=True))


def _quotient(mass: np.ndarray, z: np.ndarray) -> np.ndarray:
    """0 where z is 0."""
    return np.where(z == 0, 0, mass / np.where(z == 0, 1, z))


def _neighbours(values: np.ndarray) -> np.ndarray:
    """The sum over CHANNELS channels around each, zeros beyond the first and the last."""
    half, count = CHANNELS // 2, values.shape[1]
    padded = np.pad(values, ((0, 0), (half, half), (0, 0), (0, 0)))
    return np.sum([padded[:, start : start + count] for start in range(CHANNELS)], 0)


def _flat(shape: tuple[int, ...]) -> tuple[int, int]:
    """(N, C, H, W) -> (N, C * H * W)."""
    return shape[0], int(np.prod(shape[1:]))


def _windows(shape: tuple[int, ...]) -> tuple[Windows, tuple[int, ...]]:
    """Where windows lie on these planes, and the shape (..., rows, columns) of one number for each."""
    positions = tuple((size - SIDE) // STRIDE + 1 for size in shape[-2:])
    where = Windows(shape[-2:], (SIDE, SIDE), (STRIDE, STRIDE), (0, 0), positions)
    return where, (*shape[:-2], *positions)


def _views(x: np.ndarray) -> np.ndarray:
    """(..., H, W) -> (..., rows, columns, SIDE, SIDE)."""
    return sliding_window_view(x, (SIDE, SIDE), (-2, -1))[..., ::STRIDE, ::STRIDE, :, :]


def _added(shape: tuple[int, ...], part: Callable[[int, int], np.ndarray]) -> np.ndarray:
    """What each window's cell (i, j) gives its pixel, summed: (..., H, W)."""
    pixels = np.zeros(shape, np.float32)
    for i, j in product(range(SIDE), repeat=2):
        sliding_window_view(pixels, (SIDE, SIDE), (-2, -1), writeable=True)[..., ::STRIDE, ::STRIDE, i, j] += part(i, j)
    return pixels
