"""When a gate opens: by the sign of its contribution weight, or by comparison with its layer's."""

from __future__ import annotations

from ..errors import BadInput
from ..layers.arrays import Array, array_module

THRESHOLDS = ("sign", "mean", "mean-positive")


def opened(weights: Array, how: str, ratio: float = 1.0) -> Array:
    """Which gates open (K, N, ...), True or False, for contribution weights (K, N, ...), one layer's.

    ``sign``: a > 0, strictly (Feedback CNN 2018, Algorithms 1 and 2). ``mean``: a > ratio times the mean of all the layer's
    weights, one number per image and target (§3.5). ``mean-positive``: a >= ratio times the mean of the strictly positive
    ones, as the authors' program has it; no positive weight closes all, and ratio 0 means a > 0.
    """
    xp = array_module(weights)
    axes = tuple(range(2, weights.ndim))
    if how == "sign":
        return weights > 0
    if how == "mean":
        return weights > ratio * weights.mean(axes, keepdims=True)
    if how == "mean-positive":
        positive = xp.maximum(weights, 0)
        number = (weights > 0).sum(axes, keepdims=True)
        mean = positive.sum(axes, keepdims=True) / xp.maximum(number, 1)
        return (weights > 0) & (weights >= ratio * mean)
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
