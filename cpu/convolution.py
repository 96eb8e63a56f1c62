"""Convolutions with two spatial axes, and their transposes, on the engine: sums over shifted planes.

    forward            y[o][q] = bias[o] + sum_k w[o][k] plane_k[q + shift_k], a term k for each input channel and kernel cell
    input gradient     such a sum over the signal's planes; with a stride, one for each phase of the input
    weight gradient    the first sum's derivative by w

plans.py says which planes and terms these are; C++ runs over the numbers (correlation.h, weight_gradient.h). Each number of
a result is one sum in one order, whatever the batch and the number of threads.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from . import plans
from .engine import Engine, address, engine
from .plans import Geometry, Pair, Plan
from .prepared import prepared

SHARES = 8  # partial sums of a weight gradient: so many parts of a batch can be worked on at once


def correlate(x: np.ndarray, weights: np.ndarray, geometry: Geometry, bias: np.ndarray | None = None) -> np.ndarray:
    """``x`` (N, C, H, W), ``weights`` (O, C/group, kh, kw), ``bias`` (O,) -> (N, O, rows, columns)."""
    images, channels, *spatial = x.shape
    outputs, group = len(weights), geometry.group
    plan = plans.forward(channels // group, outputs // group, tuple(spatial), geometry)
    filters = prepared(weights, "forward", lambda: _packed(weights.reshape(group, outputs // group, -1)))
    y = np.empty((images, outputs, *plans.positions(tuple(spatial), geometry)), np.float32)
    biases = None if bias is None else _packed(bias.reshape(group, -1, 1))
    _run(plan, _contiguous(x), filters, biases, group, y)
    return y


def correlate_transposed(signal: np.ndarray, weights: np.ndarray, geometry: Geometry, spatial: Pair) -> np.ndarray:
    """The input gradient: ``signal`` (N, O, rows, columns), ``weights`` (O, C/group, kh, kw) -> (N, C, *spatial)."""
    outputs, channels, *_ = weights.shape
    group = geometry.group
    phases = plans.transposed(channels, outputs // group, tuple(spatial), geometry)
    everywhere = len(phases) == geometry.stride[0] * geometry.stride[1]
    x = (np.empty if everywhere else np.zeros)((len(signal), channels * group, *spatial), np.float32)
    signal = _contiguous(signal)
    for number, phase in enumerate(phases):

        def turned(phase: plans.Phase = phase) -> np.ndarray:
            cells = weights[:, :, phase.kernel_rows][..., phase.kernel_columns]
            by_channel = cells.reshape(group, outputs // group, channels, -1).swapaxes(1, 2)
            return _packed(by_channel.reshape(group, channels, -1))

        filters = prepared(weights, ("transposed", geometry, number), turned)
        _run(phase.plan, signal, filters, None, group, x)
    return x


def correlate_weights(x: np.ndarray, signal: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The weight gradient, summed over the batch: ``x`` (N, C, H, W), ``signal`` (N, O, rows, columns) -> (O, C/group, kh, kw)."""
    group, build = geometry.group, _engine()
    images, channels, outputs = len(x), x.shape[1] // group, signal.shape[1] // group
    plan = plans.forward(channels, outputs, tuple(x.shape[2:]), geometry, in_place=False)
    shares = min(images, SHARES)
    sums = np.empty((shares, group, _filled(plan.terms, build.rows), _filled(outputs, build.lanes)), np.float32)
    x, signal = _contiguous(x), _contiguous(signal)
    build.correlate_weights(
        *(address(x), plan.planes, plan.plane, plan.shift, plan.terms),
        *(address(signal), plan.result, images, group, shares, address(sums)),
    )
    total = sums.sum(0)[:, : plan.terms, :outputs].swapaxes(1, 2)
    return total.reshape(group * outputs, channels, *geometry.kernel)


def _run(
    plan: Plan, source: np.ndarray, filters: np.ndarray, bias: np.ndarray | None, group: int, result: np.ndarray
) -> None:
    _engine().correlate(
        *(address(source), plan.planes, address(filters), None if bias is None else address(bias)),
        *(plan.plane, plan.shift, plan.terms, plan.result, len(source), group, address(result)),
    )


def _packed(weights: np.ndarray) -> np.ndarray:
    """(groups, outputs, terms) -> (groups, blocks, terms, rows), the last block filled up with zeros."""
    groups, outputs, terms = weights.shape
    rows = _engine().rows
    filled = np.zeros((groups, _filled(outputs, rows), terms), np.float32)
    filled[:, :outputs] = weights
    return np.ascontiguousarray(filled.reshape(groups, -1, rows, terms).swapaxes(2, 3))


def _filled(number: int, step: int) -> int:
    return -(-number // step) * step


def _contiguous(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array)


def _engine() -> Engine:
    return cast(Engine, engine())
