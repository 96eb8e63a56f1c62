"""When a gate opens: by the sign of its contribution weight, or by comparison with its layer's."""

from __future__ import annotations

from ..errors import BadInput
from ..layers.arrays import Array, array_module
from ..layers.feedback import mean_of_positives

THRESHOLDS = ("sign", "mean", "mean-positive")


def threshold(weights: Array, how: str, ratio: float = 1.0) -> Array:
    """What a contribution weight must exceed to open its gate, (K, N, 1, ...) or one number for all, for the weights (K, N, ...)
    of a layer.

    ``sign``: a > 0, strictly (Feedback CNN 2018, Algorithms 1 and 2). ``mean``: a > ratio times the mean of all the layer's
    weights, one number per image and target (§3.5). ``mean-positive``: a >= ratio times the mean of the strictly positive
    ones, as the authors' program has it; no positive weight closes all, and ratio 0 means a > 0.
    """
    xp = array_module(weights)
    if how == "sign":
        return xp.zeros((), weights.dtype)
    if how == "mean":
        return ratio * weights.mean(tuple(range(2, weights.ndim)), keepdims=True)
    if how == "mean-positive":
        mean = ratio * mean_of_positives(weights)
        return xp.maximum(
            xp.nextafter(mean, xp.full_like(mean, -xp.inf)), 0
        )  # at least the mean: above the number before it
    raise BadInput(f"threshold: found {how!r}, expected one of {list(THRESHOLDS)}")


def without_edge(weights: Array) -> Array:
    """The weights with every channel's one-pixel border set to 0, where it has more than one row and column.

    In no paper; the Feedback CNN authors' program does it.
    """
    if weights.ndim < 5 or min(weights.shape[-2:]) < 2:
        return weights
    inner = array_module(weights).zeros_like(weights)
    inner[..., 1:-1, 1:-1] = weights[..., 1:-1, 1:-1]
    return inner
