"""Convolutions with 3 x 3 kernels and stride 1 by Winograd's F(4 x 4, 3 x 3) and F(2 x 2, 3 x 3): what winograd.h is given.

The first does with 36 products what takes 144 directly, and rounds a little more: a whole VGG-16 differs from float64 by 1e-6, not
6e-7. The second does with 16 what takes 36: on small planes its tiles fill registers that the larger ones leave idle. A sum that is
exactly 0 may come out as 1e-9. Where that matters ``exactly`` keeps to direct sums; or ``guarded`` ones (convolution.py), by which excitation
backprop divides, are computed anew where they are small.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from . import plans
from .plans import Geometry, Pair, Plan
from .within import Within

LEAST_CHANNELS = 24  # of both sides, for the transforms to be worth it
TRANSFORMS = 1.3  # how much they add to the products, about
LANES = 16  # tiles that a register holds, on processors whose registers are wide

_root = np.sqrt(0.5)
G = {  # by the tile's side: the kernel's polynomial at the points, over each one's distances from the others
    4: np.array(  # 0, sqrt(1/2), -sqrt(1/2), sqrt(2), -sqrt(2), infinity
        [
            [1, 0, 0],
            [-2 / 3, -2 / 3 * _root, -1 / 3],
            [-2 / 3, 2 / 3 * _root, -1 / 3],
            [1 / 6, 1 / 3 * _root, 1 / 3],
            [1 / 6, -1 / 3 * _root, 1 / 3],
            [0, 0, 1],
        ]
    ),
    2: np.array([[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]]),  # 0, 1, -1, infinity
}

exactly = Within("exactly")  # every convolution is a direct sum of products: where all of them are 0, so is the sum
exact = exactly.here


def suitable(channels: int, outputs: int, spatial: Pair, geometry: Geometry) -> int | None:
    """The side of the tiles that take the fewest products, all lanes of registers counted; ``None`` where the direct way does."""
    if exact() or min(channels, outputs) < LEAST_CHANNELS:
        return None
    if (tuple(geometry.kernel), tuple(geometry.stride), tuple(geometry.dilation)) != ((3, 3), (1, 1), (1, 1)):
        return None
    side, products = _fewest(geometry.reduced(spatial))
    return side if TRANSFORMS * products < 9 * math.prod(geometry.reduced(spatial)) else None


@lru_cache(4096)
def _fewest(positions: Pair) -> tuple[int, int]:
    """The side of the tiles, and the products of a channel."""
    tiles = {side: math.prod(-(-n // side) for n in positions) for side in G}
    products = {side: (side + 2) ** 2 * -(-number // LANES) * LANES for side, number in tiles.items()}
    side = min(products, key=lambda side: products[side])
    return side, products[side]


@lru_cache(4096)
def plan(side: int, channels: int, outputs: int, spatial: Pair, geometry: Geometry) -> Plan:
    (h, w), (rows, columns), (top, left) = spatial, geometry.reduced(spatial), geometry.pad
    planes = plans.Planes(channels, h, w, -top, -left, side, side, -(-columns // side), 1)
    result = plans.Result(rows, columns, outputs, rows, columns)
    return Plan(planes, result, [])


def transformed(weights: np.ndarray, side: int) -> np.ndarray:
    """(groups, outputs, channels, 3, 3) -> (groups * places, outputs, channels): G g G^T."""
    outputs, channels = weights.shape[1:3]
    places = np.einsum("ai,bj,gocij->gaboc", G[side], G[side], weights, optimize=True)
    return places.astype(np.float32).reshape(-1, outputs, channels)
