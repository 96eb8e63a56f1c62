"""Convolutions with two spatial axes, and their transposes, on the engine: sums over shifted planes.

    forward            y[o][q] = bias[o] + sum_k w[o][k] plane_k[q + shift_k], a term k for each input channel and kernel cell
    input gradient     such a sum over the signal's planes; with a stride, one for each phase of the input
    weight gradient    the first sum's derivative by w

plans.py says which planes and terms these are; C++ runs over the numbers (correlation.h, weight_gradient.h). Kernels of 3 x 3 and
5 x 5 whose weights stay go Winograd's shorter way (winograd.py), images that are mostly 0 another (sparse.py). Each number of a result is
one sum in one order, whatever the number of threads and the batch; but all targets of an image go the same way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from ..cuda.launcher import Record
from . import plans, sparse, winograd
from .engine import Engine, engine
from .finish import Finish
from .plans import Geometry, Pair, Plan
from .prepared import constant, prepared
from .recording import address, ask, empty, place_of
from .winograd import Tile

Filters = tuple[np.ndarray, "np.ndarray | None", bool]  # packed weights, biases, whether the result is clamped at 0
Few = tuple[int, ...]  # what sparse.h is given, but for who works on images that are not mostly 0
SHARES = 8  # partial sums of a weight gradient: so many parts of a batch can be worked on at once


class Bank(NamedTuple):
    """Filters: ``weights`` (O, C/group, kh, kw), ``bias`` (O,), whether their results are clamped at 0, and where they are to be
    written: an array in which there are no gaps within an image (``holds``)."""

    weights: np.ndarray
    bias: np.ndarray | None = None
    rectified: bool = False
    into: np.ndarray | None = None


def correlate(
    x: np.ndarray,
    weights: np.ndarray,
    geometry: Geometry,
    bias: np.ndarray | None = None,
    rectified: bool = False,
    into: np.ndarray | None = None,
    guarded: bool = False,
) -> np.ndarray:
    """``x`` (N, C, H, W), a ``Bank`` -> (N, O, rows, columns), or max(this, 0).

    ``guarded``: sums of which all products are 0 are exactly 0, and none is mostly rounding, whatever way they are computed.
    """
    x, bank = _stack(x), Bank(weights, bias, rectified, into)
    if geometry.pointwise:
        return correlate_together(x, [bank], geometry)[0]
    y, shape = _result(x, bank, geometry), (weights.shape[1], len(weights) // geometry.group, x.shape[2:], geometry)
    tile = winograd.suitable(*shape) if constant(weights) else None
    few = _few([x], [(bank, y)], geometry, tile)
    if tile:
        filters = _filters(bank, geometry, ("winograd", tile), lambda by_group: winograd.transformed(by_group, tile))
        guard = _guard(weights) if guarded else None
        _winograd(winograd.plan(tile, *shape), x, filters, geometry.group, y, guard=guard, few=few)
    else:
        _sums_over_planes([(plans.forward(*shape), _filters(bank, geometry))], x, geometry.group, y, few=few)
    return y


def correlate_together(x: np.ndarray, banks: Sequence[Bank], geometry: Geometry) -> list[np.ndarray]:
    """The same for several banks over the same images, which are read once; of 1 x 1 kernels that visit every pixel."""
    x, results = _stack(x), [_result(x, bank, geometry) for bank in banks]
    made = [(_filters(bank, geometry), y) for bank, y in zip(banks, results, strict=True)]
    _multiply([x], made, geometry.group, few=_few([x], list(zip(banks, results, strict=True)), geometry))
    return results


def _result(x: np.ndarray, bank: Bank, geometry: Geometry) -> np.ndarray:
    shape = (len(x), len(bank.weights), *geometry.reduced(x.shape[2:]))
    return empty(shape) if bank.into is None else bank.into


def _filters(
    bank: Bank,
    geometry: Geometry,
    way: Hashable = "forward",
    transformed: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Filters:
    """A bank as the engine reads it: (groups, outputs, terms), or as ``transformed`` makes it, packed."""
    weights, bias, rectified, _ = bank

    def packed() -> np.ndarray:
        by_group = weights.reshape(geometry.group, -1, *weights.shape[1:])
        return _packed(transformed(by_group) if transformed else by_group.reshape(*by_group.shape[:2], -1))

    return prepared(weights, way, packed), _biases(bias, geometry.group), rectified


def _biases(bias: np.ndarray | None, group: int) -> np.ndarray | None:
    return None if bias is None else prepared(bias, "bias", lambda: _packed(bias.reshape(group, -1, 1)))


def finishes(geometry: Geometry) -> bool:
    """Whether the input gradient can be finished on the way: it is made in one piece."""
    return tuple(geometry.stride) == (1, 1)


def correlate_transposed(
    signal: np.ndarray,
    weights: np.ndarray,
    geometry: Geometry,
    spatial: Pair,
    last: Finish | None = None,
    targets: int = 1,
) -> np.ndarray:
    """The input gradient: ``signal`` (N, O, rows, columns), ``weights`` (O, C/group, kh, kw) -> (N, C, *spatial).

    ``last``: what becomes of it, where ``finishes(geometry)``. ``targets``: of each image; the signals are all images' of
    the first target, then of the second.
    """
    if geometry.pointwise:
        return correlate_transposed_together([(signal, weights)], geometry, spatial, last, targets)
    signal, by_channel = _stack(signal), weights.reshape(geometry.group, -1, *weights.shape[1:]).swapaxes(1, 2)
    channels, outputs = by_channel.shape[1:3]
    whole = (len(signal), channels * geometry.group, *spatial)
    shape = (outputs, channels, signal.shape[2:], geometry.mirrored)
    tile = winograd.suitable(*shape) if constant(weights) else None
    if tile:
        mirrored = by_channel[..., ::-1, ::-1]
        filters = prepared(weights, ("mirrored", tile), lambda: _packed(winograd.transformed(mirrored, tile)))
        x = empty(whole)
        few = _few([signal], [(Bank(weights), x)], geometry.mirrored, tile, last, targets)
        _winograd(winograd.plan(tile, *shape), signal, (filters, None, False), geometry.group, x, last, few=few)
        return x
    phases = plans.transposed(channels, outputs, tuple(spatial), geometry)
    everywhere = len(phases) == geometry.stride[0] * geometry.stride[1]
    x = empty(whole) if everywhere else np.zeros(whole, np.float32)
    if phases:

        def turned(phase: plans.Phase) -> np.ndarray:
            cells = by_channel[..., phase.kernel_rows, :][..., phase.kernel_columns]
            return _packed(cells.reshape(geometry.group, channels, -1))

        filters = prepared(weights, ("transposed", geometry), lambda: [turned(phase) for phase in phases])
        made = [(phase.plan, (own, None, False)) for phase, own in zip(phases, filters, strict=True)]
        few = _few([signal], [(Bank(weights), x)], geometry.mirrored, None, last, targets)
        _sums_over_planes(made, signal, geometry.group, x, last, few)
    return x


def correlate_transposed_together(
    senders: Sequence[tuple[np.ndarray, np.ndarray]],
    geometry: Geometry,
    spatial: Pair,
    last: Finish | None = None,
    targets: int = 1,
) -> np.ndarray:
    """The sum of several input gradients, each of its signal and its weights; of 1 x 1 kernels that visit every pixel."""
    signals, filters = [_stack(signal) for signal, _ in senders], [weights for _, weights in senders]
    channels = filters[0].shape[1] * geometry.group
    x = empty((len(signals[0]), channels, *spatial))
    few = _few(signals, [(Bank(weights), x) for weights in filters], geometry, None, last, targets)
    _multiply(signals, [(_turned(weights, geometry), x) for weights in filters], geometry.group, last, few)
    return x


def _turned(weights: np.ndarray, geometry: Geometry) -> Filters:
    """``correlate_transposed``'s filters of 1 x 1 kernels, as the engine reads them."""
    by_channel = weights.reshape(geometry.group, -1, weights.shape[1]).swapaxes(1, 2)
    return prepared(weights, "transposed", lambda: _packed(by_channel)), None, False


def correlate_weights(x: np.ndarray, signal: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The weight gradient, summed over the batch: ``x`` (N, C, H, W), ``signal`` (N, O, rows, columns) -> (O, C/group, kh, kw)."""
    group, build = geometry.group, _engine()
    images, channels, outputs = len(x), x.shape[1] // group, signal.shape[1] // group
    plan = plans.forward(channels, outputs, tuple(x.shape[2:]), geometry)
    shares = min(images, SHARES)
    sums = np.empty((shares, group, _filled(plan.terms, build.rows), _filled(outputs, build.lanes)), np.float32)
    x, signal = _stack(x), _stack(signal)
    batch = _batch(x, group, signal)
    ask(
        build.correlate_weights,
        *(address(x), plan.planes, plan.plane, plan.shift, plan.terms),
        *(address(signal), plan.result, batch.address, shares, address(sums)),
    )
    total = sums.sum(0)[:, : plan.terms, :outputs].swapaxes(1, 2)
    return total.reshape(group * outputs, channels, *geometry.kernel)


def _sums_over_planes(
    made: Sequence[tuple[Plan, Filters]],
    source: np.ndarray,
    group: int,
    result: np.ndarray,
    last: Finish | None = None,
    few: Few | None = None,
) -> None:
    """Filters by plans whose planes are the same."""
    end = last.address if last else 0
    parts = Record(*(n for plan, filters in made for n in (*_addresses(filters), *plan.terms_of, plan.result)))
    batch = _batch(source, group, result).address
    numbers = (address(source), made[0][0].planes, parts.address, len(made), end, batch, address(result))
    _ask(_engine().correlate, numbers, few)


def _winograd(
    plan: Plan,
    source: np.ndarray,
    filters: Filters,
    group: int,
    result: np.ndarray,
    last: Finish | None = None,
    guard: Record | None = None,
    few: Few | None = None,
) -> None:
    ends = last.address if last else 0, guard.address if guard else 0
    batch = _batch(source, group, result).address
    numbers = (address(source), plan.planes, *_addresses(filters), plan.result, *ends, batch, address(result))
    _ask(_engine().winograd, numbers, few)


def _ask(function: Any, numbers: Sequence[int], few: Few | None) -> None:
    """Have a function work on all images, or on those of them only that are not mostly 0."""
    if few is None:
        ask(function, *numbers)
    else:
        ask(_engine().sparse, *few, place_of(function), Record(*numbers).address)


def _guard(weights: np.ndarray) -> Record:
    """``Guard`` of winograd.h."""
    flat = prepared(weights, "flat", lambda: np.ascontiguousarray(weights))
    sums = prepared(weights, "sums", lambda: abs(weights).sum((1, 2, 3)))
    return Record(address(flat), address(sums))


def _multiply(
    sources: Sequence[np.ndarray],
    banks: Sequence[tuple[Filters, np.ndarray]],
    group: int,
    last: Finish | None = None,
    few: Few | None = None,
) -> None:
    """Banks of filters, each with its result, over one source; or each over its own, where all have one result: their sum."""
    _ask(_engine().multiply, _products(sources, banks, group, last), few)


def _products(
    sources: Sequence[np.ndarray], banks: Sequence[tuple[Filters, np.ndarray]], group: int, last: Finish | None
) -> tuple[int, int, int, int]:
    sums = len(sources) > 1
    images, _, *spatial = sources[0].shape
    read = Record(*(n for x in sources for n in (address(x), x.shape[1] // group, x.strides[0] // 4)))
    made = Record(*(n for i, bank in enumerate(banks) for n in _numbers(i if sums else 0, *bank, group)))
    products = plans.products(images, group, math.prod(spatial), len(sources), len(banks), sums)
    return read.address, made.address, products.address, last.address if last else 0


def _few(
    sources: Sequence[np.ndarray],
    banks: Sequence[tuple[Bank, np.ndarray]],
    geometry: Geometry,
    tile: Tile | None = None,
    last: Finish | None = None,
    targets: int | None = None,
) -> Few | None:
    """What sparse.h is given for banks, each with its result, as ``_multiply`` takes them; as their transposes, if these are signals of
    ``targets``. ``None`` where it has no part in this. ``tile``: Winograd's, by which it would be done otherwise."""
    if not sparse.suitable(geometry, [bank.weights for bank, _ in banks]) or not len(sources[0]):
        return None
    turned, kernel, together = targets is not None, tuple(geometry.kernel), targets or 1
    results = {id(result): result for _, result in banks}.values()  # of a sum, all banks have one
    share = sum(source.size for source in sources) / sum(result.size for result in results)
    channels, positions = sum(source.shape[1] for source in sources), math.prod(banks[0][1].shape[2:])
    most = sparse.most(kernel, channels, positions, share, tile, together)
    if most < 1:
        return None
    sent = together < sparse.SEVERAL
    pack = sparse.for_sending if sent else sparse.for_gathering

    def packed(weights: np.ndarray) -> np.ndarray:
        used = weights.swapaxes(0, 1)[..., ::-1, ::-1] if turned else weights
        return prepared(weights, ("sparse", turned, sent), lambda: pack(used, _engine().lanes))

    made = [((packed(bank.weights), _biases(bank.bias, 1), bank.rectified), result) for bank, result in banks]
    slide = plans.slide(tuple(sources[0].shape[2:]), geometry, sent).address
    return *_products(sources, made, 1, last), slide, together, most, sparse.widest(kernel) if sent else 0


def _numbers(source: int, filters: Filters, result: np.ndarray, group: int) -> tuple[int, ...]:
    """``Bank`` of pointwise.h."""
    return source, *_addresses(filters), result.shape[1] // group, address(result), result.strides[0] // 4


def _addresses(filters: Filters) -> tuple[int, int, bool]:
    """Of weights and biases, 0 where there are none; and whether the result is clamped at 0."""
    weights, bias, rectified = filters
    return address(weights), 0 if bias is None else address(bias), rectified


def holds(images: np.ndarray) -> bool:
    """Whether images are read and written as they are: each without gaps. Some may lie between them, as where they are a few
    channels of others."""
    if images.ndim != 4:
        return False
    (h, w), size = images.shape[2:], images.itemsize
    return images.strides[1:] == (h * w * size, w * size, size) and images.strides[0] % size == 0


def _stack(images: np.ndarray) -> np.ndarray:
    return images if holds(images) else np.ascontiguousarray(images)


def _batch(source: np.ndarray, group: int, result: np.ndarray) -> Record:
    return plans.batch(len(source), group, source.strides[0] // 4, result.strides[0] // 4)


def _packed(weights: np.ndarray) -> np.ndarray:
    """(groups, outputs, terms) -> (groups, blocks, terms, rows), the last block filled up with zeros."""
    groups, outputs, terms = weights.shape
    rows = _engine().rows
    filled = np.zeros((groups, _filled(outputs, rows), terms), np.float32)
    filled[:, :outputs] = weights
    return np.ascontiguousarray(filled.reshape(groups, -1, rows, terms).swapaxes(2, 3))


def _filled(number: int, step: int) -> int:
    return -(-number // step) * step


def _engine() -> Engine:
    return cast(Engine, engine())
