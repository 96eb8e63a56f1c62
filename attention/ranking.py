"""Which neurons of a layer pruning selects for a target: its best channels, and each channel's best neurons.

Feedback CNN (TPAMI 2018), §4.2 and Fig. 8: after selective pruning the channels of one layer (the paper's: conv5_2 of VGG16)
are ranked by their maximum scores, and in each of the best five the five neurons with the highest scores are shown, each
by a recovery of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import BadInput, nearest
from ..executor.device import to_numpy
from ..executor.net import Net
from .attend import ask, attend
from .method import chosen
from .selective_pruning import METHOD, MODES, select


@dataclass(frozen=True)
class Ranking:
    """For N images and K targets, the best first: ``channels`` (N, K, c) of the blob ``blob``, and in each the ``positions``
    (row, column) of its best neurons (N, K, c, n, 2), with their ``scores`` (N, K, c, n)."""

    blob: str
    channels: np.ndarray
    positions: np.ndarray
    scores: np.ndarray


def rank(
    net: Net,
    image: Any,
    target: Any,
    layer: str,
    channels: int = 5,
    neurons: int = 5,
    score: str | None = None,
    **options: Any,
) -> Ranking:
    """The best ``channels`` of the ReLU ``layer``, and the best ``neurons`` of each, after pruning (``fsp`` with its options).

    A neuron's score is its activation in the pruned net, 0 where its gate is closed. ``image``, ``target`` and ``score`` are
    those of ``attend``. Raises ``BadInput``.
    """
    with net.device.here():
        question = ask(net, image, target, METHOD, score=score, options=options)
        gated, gates, _, _ = select(question, chosen(question.options, MODES))
        x = gated.recomputed(gates).activations()
    spatial = [gate.removesuffix("_gates") for gate in gates if x[gate].ndim == 5]
    if layer not in spatial:
        raise BadInput(
            f"layer: found {layer!r}, expected a ReLU with rows and columns: {spatial}{nearest(layer, spatial)}"
        )
    gate = f"{layer}_gates"
    activations = (to_numpy(gates[gate]) * to_numpy(x[gate])).swapaxes(0, 1)
    best = best_channels(activations, channels)
    positions, scores = best_neurons(np.take_along_axis(activations, best[..., None, None], -3), neurons)
    return Ranking(gated.net.graph.blobs[gated.below(gate)], best, positions, scores)


def best_channels(activations: np.ndarray, number: int) -> np.ndarray:
    """Channels (..., number) of activations (..., C, H, W), ranked by their maxima; equal ones stand in their order."""
    return _best(activations.max((-2, -1)), number, "channels")


def best_neurons(activations: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (..., number, 2) of the highest activations (..., H, W), and these (..., number); ties in raster order."""
    flat = activations.reshape(*activations.shape[:-2], -1)
    best = _best(flat, number, "neurons")
    positions = np.stack(np.unravel_index(best, activations.shape[-2:]), -1)
    return positions, np.take_along_axis(flat, best, -1)


def neuron_maps(net: Net, image: Any, ranking: Ranking, method: str = "fr", **options: Any) -> np.ndarray:
    """What each ranked neuron sees, by recovery from it alone: maps (N, K, c, n, H, W). One walk per channel, all neurons."""
    images, targets, channels, neurons = ranking.scores.shape
    maps = []
    for k, c in np.ndindex(targets, channels):
        own = np.repeat(ranking.channels[:, k, c, None], neurons, 1)
        seen = attend(net, image, own, method, score=ranking.blob, position=ranking.positions[:, k, c], **options)
        maps.append(to_numpy(seen.map))
    return np.stack(maps, 1).reshape(images, targets, channels, neurons, *maps[0].shape[2:])


def _best(scores: np.ndarray, number: int, what: str) -> np.ndarray:
    """The last axis's greatest ``number``, by index."""
    if not 1 <= number <= scores.shape[-1]:
        raise BadInput(f"{what}: found {number}, expected 1 to {scores.shape[-1]}")
    return np.argsort(-scores, axis=-1, kind="stable")[..., :number]
