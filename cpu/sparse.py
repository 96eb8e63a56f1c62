"""Convolutions over images that may be mostly 0, as under gates that close: what sparse.h is given.

Under the gates of soft feedback a twentieth of the pixels is left in the end, and below maxima a tenth of what a walk carries down.
The engine then lists those that are not 0 and multiplies only them; which way it goes it decides for each image by itself. It is
asked to look only where such images are expected: the filters are packed once more for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .plans import Geometry
from .prepared import constant
from .winograd import Tile
from .within import Within

# What a register of results costs, in cycles, about, as measured within GoogLeNet and SqueezeNet. The usual way, for each product in it:
DIRECT, WINOGRAD = 0.7, {Tile(4, 3): 0.3, Tile(2, 3): 0.42, Tile(2, 5): 0.4}
# This way: in any case; for each product with a pixel that is not 0, by how many targets are worked on together; and for each
# register of pixels that it takes, to look at it, and to list what is not 0 there.
FIXED, CHOSEN, LOOKED_AT, LISTED = 40, {1: 3.0, 2: 1.7, 4: 1.0, 8: 0.65}, 8, 150

expecting_zeros = Within(
    "expecting zeros"
)  # images are looked at before they are convolved, and signals before they are sent down
zeros_expected = expecting_zeros.here


def suitable(geometry: Geometry, weights: Sequence[np.ndarray]) -> bool:
    """Whether there is such a way: for steps of 1 and weights that stay."""
    steps = {*geometry.stride, *geometry.dilation, geometry.group}
    return zeros_expected() and steps == {1} and min(geometry.pad) >= 0 and all(map(constant, weights))


def most(products: int, pixels: int, results: int, tile: Tile | None, targets: int) -> int:
    """How many of a thousand pixels may be other than 0, for this to be the shorter way; below 1 it never is. ``products``: of each of
    the ``results``; ``tile``: Winograd's, if that is the usual way."""
    usual, share = products * (WINOGRAD[tile] if tile else DIRECT), pixels / results
    together = next(number for number in sorted(CHOSEN, reverse=True) if number <= targets)
    return int(1000 * (usual - FIXED - LOOKED_AT * share) / (CHOSEN[together] * products + LISTED * share))


def packed(weights: np.ndarray, lanes: int) -> np.ndarray:
    """(O, C, kh, kw) -> (kh, C, kw, outputs), these filled up with zeros to an odd number of registers: then the filters of
    neighbouring channels do not compete for the same lines of the cache."""
    outputs, channels, rows, columns = weights.shape
    filled = np.zeros((rows, channels, columns, (-(-outputs // lanes) | 1) * lanes), np.float32)
    filled[..., :outputs] = weights.transpose(2, 1, 3, 0)
    return filled
