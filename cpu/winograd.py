"""Convolutions of stride 1 by Winograd's F(4 x 4, 3 x 3) and F(2 x 2, 3 x 3), and F(2 x 2, 5 x 5): what winograd.h is given.

The first does with 36 products what takes 144 directly, and rounds a little more: a whole VGG-16 differs from float64 by 1e-6, not
6e-7. The second does with 16 what takes 36: on small planes its tiles fill registers that the larger ones leave idle. The third does
with 36 what takes 100. A sum that is exactly 0 may come out as 1e-9. Where that matters ``exactly`` keeps to direct sums; or ``guarded``
ones (convolution.py), by which excitation backprop divides, are computed anew where they are small.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from . import plans
from .plans import Geometry, Pair, Plan
from .within import Within

LEAST_CHANNELS = {3: 24, 5: 16}  # of both sides, for the transforms to be worth it, by the kernel's side
TRANSFORMS = 1.3  # how much they add to the products, about
LANES = 16  # tiles that a register holds, on processors whose registers are wide


class Tile(NamedTuple):
    """F(side x side, kernel x kernel)."""

    side: int
    kernel: int

    @property
    def seen(self) -> int:
        """How many pixels it sees, along each axis; with as many points it makes do."""
        return self.side + self.kernel - 1


TILES = {3: (Tile(4, 3), Tile(2, 3)), 5: (Tile(2, 5),)}
POINTS = {  # by their number, infinity included: of the others the squares, the signs, and 1 over each one's distances from the rest
    6: ((0, 1 / 2, 1 / 2, 2, 2), (1, 1, -1, 1, -1), (1, -2 / 3, -2 / 3, 1 / 6, 1 / 6)),
    4: ((0, 1, 1), (1, 1, -1), (1, 1 / 2, 1 / 2)),
}

exactly = Within("exactly")  # every convolution is a direct sum of products: where all of them are 0, so is the sum
exact = exactly.here


def suitable(channels: int, outputs: int, spatial: Pair, geometry: Geometry) -> Tile | None:
    """The tile that takes the fewest products, all lanes of registers counted; ``None`` where the direct way does."""
    kernel = geometry.kernel[0]
    if exact() or kernel not in TILES or min(channels, outputs) < LEAST_CHANNELS[kernel]:
        return None
    if (tuple(geometry.kernel), tuple(geometry.stride), tuple(geometry.dilation)) != ((kernel, kernel), (1, 1), (1, 1)):
        return None
    tile, products = _fewest(geometry.reduced(spatial), kernel)
    return tile if TRANSFORMS * products < kernel**2 * math.prod(geometry.reduced(spatial)) else None


@lru_cache(4096)
def _fewest(positions: Pair, kernel: int) -> tuple[Tile, int]:
    """The tile, and the products of a channel."""

    def products(tile: Tile) -> int:
        tiles = math.prod(-(-n // tile.side) for n in positions)
        return tile.seen**2 * -(-tiles // LANES) * LANES

    tile = min(TILES[kernel], key=products)
    return tile, products(tile)


@lru_cache(4096)
def plan(tile: Tile, channels: int, outputs: int, spatial: Pair, geometry: Geometry) -> Plan:
    (h, w), (rows, columns), (top, left) = spatial, geometry.reduced(spatial), geometry.pad
    pitch, reach = -(-columns // tile.side), -(-tile.seen // tile.side) - 1
    planes = plans.Planes(channels, h, w, -top, -left, tile.side, tile.side, pitch, reach)
    result = plans.Result(rows, columns, outputs, rows, columns)
    return Plan(planes, result, [])


def transformed(weights: np.ndarray, tile: Tile) -> np.ndarray:
    """(groups, outputs, channels, kernel, kernel) -> (groups * places, outputs, channels): G g G^T."""
    outputs, channels = weights.shape[1:3]
    g = _kernel_to_points(tile)
    places = np.einsum("ai,bj,gocij->gaboc", g, g, weights, optimize=True)
    return places.astype(np.float32).reshape(-1, outputs, channels)


@cache
def _kernel_to_points(tile: Tile) -> np.ndarray:
    """G: the kernel's polynomial at the points."""
    rows = [
        [over * square ** (power // 2) * (sign * np.sqrt(square)) ** (power % 2) for power in range(tile.kernel)]
        for square, sign, over in zip(*POINTS[tile.seen], strict=True)
    ]
    return np.array([*rows, [*[0] * (tile.kernel - 1), 1]])
