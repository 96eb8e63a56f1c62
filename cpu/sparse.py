"""Convolutions over images that may be mostly 0, as under gates that close: what sparse.h is given.

Under the gates of soft feedback a twentieth of the pixels is left in the end, and below maxima a tenth of what a walk carries down.
The engine then lists those that are not 0 and multiplies only them; which way it goes it decides for each image by itself. It is
asked to look only where such images are expected: the filters are packed once more for it. Pixels of one target, or a few, are sent to
the sums in which they have a part (scatter.h); from several targets on sums gather what they see of all (gather.h).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .plans import Geometry, Pair
from .prepared import constant
from .winograd import Tile
from .within import Within

# What a register of results costs, in cycles, about, as measured within GoogLeNet and SqueezeNet. The usual way, for each product in it:
DIRECT, WINOGRAD = 0.7, {Tile(4, 3): 0.3, Tile(2, 3): 0.42, Tile(2, 5): 0.4}
# Sent: in any case; for each product with a pixel that is not 0; for each register of pixels that is looked at and listed; and each
# time that some sums meet a channel's row of the kernel, so many registers of them as stay in the nearest cache.
FIXED, SENT, LISTED, MET, NEAR = 30, 1.5, 12, 50, 768
# Gathered: in any case; for each product with a pixel that is not 0, by how many targets are worked on together; and for each register
# of pixels that it takes, to look at it, and to list what is not 0 there.
FIXED_TOGETHER, GATHERED, LOOKED_AT, LISTED_TOGETHER = 40, {4: 1.0, 8: 0.65}, 8, 150
SEVERAL = min(GATHERED)

expecting_zeros = Within(
    "expecting zeros"
)  # images are looked at before they are convolved, and signals before they are sent down
zeros_expected = expecting_zeros.here


def suitable(geometry: Geometry, weights: Sequence[np.ndarray]) -> bool:
    """Whether there is such a way: for steps of 1 and weights that stay."""
    steps = {*geometry.stride, *geometry.dilation, geometry.group}
    return zeros_expected() and steps == {1} and min(geometry.pad) >= 0 and all(map(constant, weights))


def most(kernel: Pair, channels: int, positions: int, share: float, tile: Tile | None, targets: int) -> int:
    """How many of a thousand pixels may be other than 0, for this to be the shorter way; below 1 it never is. ``channels``: of all
    sources; ``positions``: of a plane of results; ``share``: how many pixels there are for each result; ``tile``: Winograd's, if that is
    the usual way."""
    products = channels * math.prod(kernel)
    usual = products * (WINOGRAD[tile] if tile else DIRECT)
    if targets < SEVERAL:
        met = MET * channels * kernel[0] / min(NEAR, widest(kernel) * positions)
        return int(1000 * (usual - FIXED - LISTED * share - met) / (SENT * products))
    each = next(GATHERED[number] for number in sorted(GATHERED, reverse=True) if number <= targets)
    return int(1000 * (usual - FIXED_TOGETHER - LOOKED_AT * share) / (each * products + LISTED_TOGETHER * share))


def widest(kernel: Pair) -> int:
    """With how many registers of weights a pixel is sent for each column of the kernel."""
    return 4 if kernel[1] == 1 else 2


def for_sending(weights: np.ndarray, lanes: int) -> np.ndarray:
    """(O, C, kh, kw) -> the weights of a few outputs after the other, (C, kh, kw, so many registers), filled up with zeros."""
    width, blocks = widest(weights.shape[2:]), list[np.ndarray]()
    left = _filled(weights.transpose(1, 2, 3, 0), -(-len(weights) // lanes) * lanes)
    while left.shape[-1]:
        while width * lanes > left.shape[-1]:
            width //= 2
        blocks.append(left[..., : width * lanes].ravel())
        left = left[..., width * lanes :]
    return np.concatenate(blocks)


def for_gathering(weights: np.ndarray, lanes: int) -> np.ndarray:
    """(O, C, kh, kw) -> (kh, C, kw, outputs), these filled up with zeros to an odd number of registers: then the filters of
    neighbouring channels do not compete for the same lines of the cache."""
    return _filled(weights.transpose(2, 1, 3, 0), (-(-len(weights) // lanes) | 1) * lanes)


def _filled(weights: np.ndarray, outputs: int) -> np.ndarray:
    filled = np.zeros((*weights.shape[:-1], outputs), np.float32)
    filled[..., : weights.shape[-1]] = weights
    return filled
