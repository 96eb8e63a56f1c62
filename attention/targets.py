"""What a method explains: the blob of class scores, and the top-down signal that starts at it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import BadInput
from ..executor.device import to_numpy
from ..executor.net import Net
from ..layers.arrays import Array, Shape, array_module

# Layers that turn scores into probabilities, losses or answers. Walks start below them: the papers explain the score.
ABOVE_SCORES = frozenset(
    {
        "Softmax",
        "Sigmoid",
        "SoftmaxWithLoss",
        "SigmoidCrossEntropyLoss",
        "EuclideanLoss",
        "ArgMax",
        "Accuracy",
        "Silence",
    }
)


def score_blob(net: Net) -> str:
    """The blob of class scores: the last output of the net, below any softmax, sigmoid, loss or accuracy."""
    graph = net.graph
    value = list(graph.outputs.values())[-1]
    node = graph.nodes[graph.makers[value]]
    while node.layer.type in ABOVE_SCORES:
        value = node.bottoms[0]
        node = graph.nodes[graph.makers[value]]
    blob = graph.blobs[value]
    if graph.final(blob) != value:
        raise BadInput(
            f"score: found {blob!r} overwritten in place, expected probabilities and scores in blobs of their own"
        )
    return blob


def class_targets(target: int | Sequence[int] | Array, images: int, classes: int) -> np.ndarray:
    """Class indices (N, K): from one index, K indices for all images, or an array (N, K). Raises ``BadInput``."""
    try:
        targets = np.asarray(target)
    except ValueError:  # rows of different lengths
        targets = np.array(())
    if targets.dtype.kind not in "iu" or targets.ndim > 2 or not targets.size:
        raise BadInput(
            f"target: found {target!r}, expected a class index, several, or an integer array (images, targets)"
        )
    if targets.ndim < 2:
        targets = np.broadcast_to(targets.reshape(1, -1), (images, targets.size))
    if len(targets) != images:
        raise BadInput(f"target: found {len(targets)} rows, expected one for each of {images} images")
    wrong = targets[(targets < 0) | (targets >= classes)]
    if wrong.size:
        raise BadInput(f"target: found class {wrong[0]}, expected 0 to {classes - 1}")
    return targets


def class_positions(position: Any, targets: np.ndarray, sizes: Shape) -> np.ndarray:
    """Positions (N, K, axes) in maps of scores of these ``sizes``: from one, K of them, or an array. Raises ``BadInput``."""
    try:
        given = np.asarray(position)
        positions = np.broadcast_to(given, (*targets.shape, len(sizes)))
    except ValueError:  # of other lengths
        given = positions = np.array(())
    if not positions.size or given.shape[-1:] != (len(sizes),) or given.dtype.kind not in "iu":
        raise BadInput(
            f"position: found {position!r}, expected whole numbers, one for each of the sizes {tuple(sizes)} of a map of scores, "
            "for all targets or for each"
        )
    wrong = positions[((positions < 0) | (positions >= np.array(sizes))).any(-1)]
    if wrong.size:
        raise BadInput(f"position: found {tuple(wrong[0].tolist())}, expected one in a map of sizes {tuple(sizes)}")
    return positions


def prior(scores: Array, targets: np.ndarray, positions: np.ndarray | None = None) -> Array:
    """The top-down signal (K, N, C, *positions): zero but for the target class, where the positions share 1.

    Where a fully convolutional net gives each class a map of scores, position u gets softmax_u(s(u)) of that class's own
    scores (Excitation Backprop's fork); a single score gets 1, and so does the one at the target's own position where
    ``positions`` (N, K, axes) names it. ``scores`` (N, C, *positions), ``targets`` (N, K).
    """
    xp, flat = array_module(scores), scores.reshape(*scores.shape[:2], -1)
    signal = xp.zeros((targets.shape[1], *flat.shape), scores.dtype)
    k, images = np.ogrid[: len(signal), : len(flat)]
    if positions is not None:
        signal[k, images, targets.T, _flat(positions, scores.shape[2:]).T] = 1
    else:
        own = flat[images, targets.T]
        weights = xp.exp(own - own.max(-1, keepdims=True))
        signal[k, images, targets.T] = weights / weights.sum(-1, keepdims=True)
    return signal.reshape(len(signal), *scores.shape)


def hangs_on_scores(shape: Shape, positions: np.ndarray | None) -> bool:
    """Whether ``prior`` looks at the scores, of this shape: where a class has several, and no position is named."""
    return positions is None and math.prod(shape[2:]) > 1


def target_scores(scores: Array, targets: np.ndarray, positions: np.ndarray | None = None) -> np.ndarray:
    """The targets' scores (N, K); where there are several positions, the highest, or those at ``positions`` (N, K, axes)."""
    own = scores.reshape(*scores.shape[:2], -1)[np.arange(len(targets))[:, None], targets]
    if positions is None:
        return to_numpy(own.max(-1)).astype(np.float64)
    there = _flat(positions, scores.shape[2:])[..., None]
    return np.take_along_axis(to_numpy(own), there, -1)[..., 0].astype(np.float64)


def _flat(positions: np.ndarray, sizes: Shape) -> np.ndarray:
    """Positions (N, K, axes) as numbers in raster order (N, K)."""
    return np.ravel_multi_index(tuple(np.moveaxis(positions, -1, 0)), tuple(sizes))
