"""Convolutions with 3 x 3 kernels and stride 1 by Winograd's F(4 x 4, 3 x 3): what winograd.h is given.

It does with 36 products what takes 144 directly, and rounds a little more: a whole VGG-16 differs from float64 by 1e-6, not
6e-7. A sum that is exactly 0 may come out as 1e-9; where that matters (excitation backprop divides by such sums) ``exactly``
keeps to direct sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import numpy as np

from . import plans
from .plans import Geometry, Pair, Plan

TILE = 4  # outputs along an axis
LEAST_CHANNELS = 24  # of both sides, for the transforms to be worth it

_root = np.sqrt(0.5)
G = np.array(  # the kernel's polynomial at 0, sqrt(1/2), -sqrt(1/2), sqrt(2), -sqrt(2), infinity, over the others' distances
    [
        [1, 0, 0],
        [-2 / 3, -2 / 3 * _root, -1 / 3],
        [-2 / 3, 2 / 3 * _root, -1 / 3],
        [1 / 6, 1 / 3 * _root, 1 / 3],
        [1 / 6, -1 / 3 * _root, 1 / 3],
        [0, 0, 1],
    ]
)

_exactly: ContextVar[bool] = ContextVar("exactly", default=False)


@contextmanager
def exactly(wanted: bool = True) -> Iterator[None]:
    """Within, if it is ``wanted``, every convolution is a direct sum of products: where all of them are 0, so is the sum."""
    before = _exactly.set(wanted or _exactly.get())
    try:
        yield
    finally:
        _exactly.reset(before)


def suits(channels: int, outputs: int, spatial: Pair, geometry: Geometry) -> bool:
    """Whether it applies, and takes fewer products than the direct way: small planes leave many lanes of a tile idle."""
    if _exactly.get() or min(channels, outputs) < LEAST_CHANNELS:
        return False
    if (tuple(geometry.kernel), tuple(geometry.stride), tuple(geometry.dilation)) != ((3, 3), (1, 1), (1, 1)):
        return False
    rows, columns = geometry.reduced(spatial)
    tiles = -(-rows // TILE) * -(-columns // TILE)
    return 36 * 1.3 * (-(-tiles // 16) * 16) < 9 * rows * columns


@lru_cache(4096)
def plan(channels: int, outputs: int, spatial: Pair, geometry: Geometry) -> Plan:
    (h, w), (rows, columns), (top, left) = spatial, geometry.reduced(spatial), geometry.pad
    pitch = -(-columns // TILE)
    planes = plans.Planes(channels, h, w, -top, -left, TILE, TILE, pitch, 1)
    result = plans.Result(rows, columns, outputs, rows, columns)
    return Plan(planes, result, [])


def transformed(weights: np.ndarray) -> np.ndarray:
    """(groups, outputs, channels, 3, 3) -> (groups * 36, outputs, channels): G g G^T."""
    groups, outputs, channels = weights.shape[:3]
    places = np.einsum("ai,bj,goc ij->gab oc".replace(" ", ""), G, G, weights, optimize=True)
    return places.astype(np.float32).reshape(groups * 36, outputs, channels)
