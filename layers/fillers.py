"""Caffe's fillers: how a parameter looks before anything was learnt."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import BadInput, nearest
from .arrays import Shape, count

Numbers = Callable[[Any, Shape, np.random.Generator], np.ndarray]


def fill(
    filler: Any, shape: Shape, rng: np.random.Generator, dtype: DTypeLike = np.float32, where: str = ""
) -> np.ndarray:
    """A new array of ``shape`` as a ``FillerParameter`` says; zeros for ``None``. ``where``: whose it is, for errors.

    Drawn in float64 and rounded, so that both precisions start alike. As in Caffe, fan-in is count / shape[0],
    fan-out count / shape[1], whatever the layer. Raises ``BadInput``.
    """
    if filler is None:
        return np.zeros(shape, dtype)
    if filler.type not in _FILLERS:
        known = f"one of {', '.join(_FILLERS)}{nearest(filler.type, _FILLERS)}"
        raise _refuse("type", repr(filler.type), known, where)
    if filler.sparse != -1 and (filler.type != "gaussian" or filler.sparse < 0):
        raise _refuse("sparse", f"{filler.sparse} for {filler.type}", "0 or more, and only for gaussian", where)
    try:
        return _FILLERS[filler.type](filler, shape, rng).astype(dtype)
    except _Unfit as unfit:
        field, found, expected = unfit.args
        raise _refuse(field, found, expected, where) from None


class _Unfit(Exception):
    """A field that a filler cannot use: its name, what was found, what was expected."""


def _refuse(field: str, found: str, expected: str, where: str) -> BadInput:
    return BadInput(f"{where}: filler.{field}: found {found}, expected {expected}".removeprefix(": "))


def _constant(filler: Any, shape: Shape, rng: np.random.Generator) -> np.ndarray:
    return np.full(shape, filler.value)


def _uniform(filler: Any, shape: Shape, rng: np.random.Generator) -> np.ndarray:
    if filler.min > filler.max:
        raise _Unfit("min", f"{filler.min}", f"at most max, {filler.max}")
    return rng.uniform(filler.min, filler.max, shape)


def _gaussian(filler: Any, shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """With ``sparse``, a number is kept with probability sparse / shape[0], else 0."""
    if filler.std <= 0:
        raise _Unfit("std", f"{filler.std}", "a positive number")
    numbers = rng.normal(filler.mean, filler.std, shape)
    if filler.sparse < 0:
        return numbers
    if not shape or filler.sparse > shape[0]:
        raise _Unfit("sparse", f"{filler.sparse} for shape {shape}", "at most the first axis")
    return numbers * (rng.random(shape) < filler.sparse / shape[0])


def _positive_unitball(filler: Any, shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """Uniform in [0, 1), divided so that the numbers under each first index sum to 1."""
    rows = rng.random((_first(shape), count(shape[1:])))
    return (rows / rows.sum(1, keepdims=True)).reshape(shape)


def _xavier(filler: Any, shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """Glorot and Bengio (2010): uniform, of variance 1 / n."""
    bound = math.sqrt(3 / _fan(filler, shape))
    return rng.uniform(-bound, bound, shape)


def _msra(filler: Any, shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """He, Zhang, Ren and Sun (2015): normal, of variance 2 / n."""
    return rng.normal(0, math.sqrt(2 / _fan(filler, shape)), shape)


def _bilinear(filler: Any, shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """The weights of bilinear interpolation, for a Deconvolution that enlarges."""
    if len(shape) != 4 or shape[2] != shape[3]:
        raise _Unfit("type", f"bilinear for shape {shape}", "4 axes and a square kernel")
    factor = math.ceil(shape[3] / 2)
    centre = (shape[3] - 1) / (2 * factor)
    ramp = 1 - abs(np.arange(shape[3]) / factor - centre)
    return np.broadcast_to(np.outer(ramp, ramp), shape)


def _fan(filler: Any, shape: Shape) -> float:
    """How many numbers the variance is shared by: fan-in, fan-out or their mean."""
    fan_in = count(shape) // _first(shape)
    fan_out = count(shape) // shape[1] if len(shape) > 1 else count(shape)
    fans = {filler.FAN_IN: fan_in, filler.FAN_OUT: fan_out, filler.AVERAGE: (fan_in + fan_out) / 2}
    return fans[filler.variance_norm]


def _first(shape: Shape) -> int:
    if not shape:
        raise _Unfit("type", "a filler that needs a fan-in for a scalar", "constant, uniform or gaussian")
    return shape[0]


_FILLERS: dict[str, Numbers] = {
    "constant": _constant,
    "uniform": _uniform,
    "gaussian": _gaussian,
    "positive_unitball": _positive_unitball,
    "xavier": _xavier,
    "msra": _msra,
    "bilinear": _bilinear,
}
