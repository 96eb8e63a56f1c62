"""The six solvers' updates, as in Caffe's ``src/caffe/solvers``: W -= an update that gradient G and history make.

A function changes weights and history in place and leaves the gradient as it is. ``rate`` is the learning rate times the
parameter's ``lr_mult``, ``i`` the number of updates made before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..executor.device import to_numpy
from ..layers.arrays import Array, array_module

Function = Callable[[Any, int, float, Array, Array, Sequence[Array]], None]


@dataclass(frozen=True)
class Update:
    """``arrays``: how many arrays of history a parameter has. In Caffe's files all first ones stand before all second ones."""

    apply: Function
    arrays: int = 1


def sgd(p: Any, i: int, rate: float, w: Array, g: Array, history: Sequence[Array]) -> None:
    """V = momentum V + rate G;  W -= V."""
    (v,) = history
    v *= p.momentum
    v += rate * g
    w -= v


def nesterov(p: Any, i: int, rate: float, w: Array, g: Array, history: Sequence[Array]) -> None:
    """V' = momentum V + rate G;  W -= (1 + momentum) V' - momentum V."""
    (v,) = history
    back = p.momentum * v
    v *= p.momentum
    v += rate * g
    w -= (1 + p.momentum) * v - back


def adagrad(p: Any, i: int, rate: float, w: Array, g: Array, history: Sequence[Array]) -> None:
    """H += G^2;  W -= rate G / (sqrt(H) + delta)."""
    (h,) = history
    h += g * g
    w -= rate * (g / (_sqrt(h) + p.delta))


def rmsprop(p: Any, i: int, rate: float, w: Array, g: Array, history: Sequence[Array]) -> None:
    """H = rms_decay H + (1 - rms_decay) G^2;  W -= rate G / (sqrt(H) + delta)."""
    (h,) = history
    _blend(h, p.rms_decay, g * g)
    w -= rate * (g / (_sqrt(h) + p.delta))


def adadelta(p: Any, i: int, rate: float, w: Array, g: Array, history: Sequence[Array]) -> None:
    """H = m H + (1 - m) G^2;  U = G sqrt((D + delta) / (H + delta));  D = m D + (1 - m) U^2;  W -= rate U, m = momentum."""
    h, d = history
    _blend(h, p.momentum, g * g)
    update = g * _sqrt((d + p.delta) / (h + p.delta))
    _blend(d, p.momentum, update * update)
    w -= rate * update


def adam(p: Any, i: int, rate: float, w: Array, g: Array, history: Sequence[Array]) -> None:
    """M = b1 M + (1 - b1) G;  V = b2 V + (1 - b2) G^2;  W -= rate sqrt(1 - b2^t) / (1 - b1^t) M / (sqrt(V) + delta).

    b1 = momentum, b2 = momentum2, t = i + 1. The correction is rounded to the weights' type wherever Caffe's is.
    """
    m, v = history
    number = w.dtype.type
    beta1, beta2, t = number(p.momentum), number(p.momentum2), number(i + 1)
    correction = (number(1) - beta2**t) ** number(0.5) / (number(1) - beta1**t)
    _blend(m, p.momentum, g)
    _blend(v, p.momentum2, g * g)
    w -= number(rate) * correction * (m / (_sqrt(v) + p.delta))


UPDATES = {
    "SGD": Update(sgd),
    "Nesterov": Update(nesterov),
    "AdaGrad": Update(adagrad),
    "RMSProp": Update(rmsprop),
    "AdaDelta": Update(adadelta, arrays=2),
    "Adam": Update(adam, arrays=2),
}


def regularized(p: Any, decay_mult: float, w: Array, g: Array) -> Array:
    """The gradient with that of the weight decay: decay W under L2, decay sign(W) under L1."""
    decay = p.weight_decay * decay_mult
    if not decay:
        return g
    return g + decay * (w if p.regularization_type == "L2" else array_module(w).sign(w))


def clipped(p: Any, gradients: Sequence[Array]) -> list[Array]:
    """All gradients scaled down together where their common L2 norm exceeds ``clip_gradients``, if that is not negative."""
    if p.clip_gradients < 0 or not gradients:
        return list(gradients)
    squares = to_numpy(array_module(gradients[0]).stack([(g * g).sum() for g in gradients]))  # a device is asked once
    norm = sum(map(float, squares)) ** 0.5
    return [g * (p.clip_gradients / norm) for g in gradients] if norm > p.clip_gradients else list(gradients)


def _blend(history: Array, kept: float, new: Array) -> None:
    """kept history + (1 - kept) new."""
    history *= kept
    history += (1 - kept) * new


def _sqrt(array: Array) -> Array:
    return array_module(array).sqrt(array)
