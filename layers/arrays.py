"""Arrays as layers see them: NumPy's on the CPU, CuPy's on the GPU, one code for both."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import wraps
from types import ModuleType
from typing import Any, TypeVar, cast

import numpy as np

from ..cpu.prepared import prepared
from ..cpu.recording import BLANKS, Blank
from ..cuda import kernels

Array = Any  # numpy.ndarray or cupy.ndarray
Shape = tuple[int, ...]
Function = TypeVar("Function", bound=Callable[..., Any])

CACHE_BYTES = 512 << 10  # how much of an array is taken at a time where several passes go over it


def array_module(array: Array) -> ModuleType:
    """The module whose array this is: ``numpy`` or ``cupy``."""
    if isinstance(array, (np.ndarray, np.generic)):  # a number is what NumPy makes of arrays without axes
        return BLANKS if isinstance(array, Blank) else np
    import cupy

    return cupy


def free_to_ask(array: Array) -> bool:
    """Whether a program may look at numbers and go on by them: on the CPU. A GPU would have to do first all that it was told to."""
    return isinstance(array, np.ndarray)


def where_it_lies(function: Function) -> Function:
    """``function``, run on the device of its first argument."""

    @wraps(function)
    def there(array: Array, *others: Any, **named: Any) -> Any:
        with array.device if hasattr(array, "__cuda_array_interface__") else nullcontext():
            return function(array, *others, **named)

    return cast(Function, there)


def count(shape: Sequence[int]) -> int:
    """How many numbers an array of this shape holds (1 for a scalar)."""
    return math.prod(shape)


def blocks(array: Array, axis: int = 0, room: int = CACHE_BYTES) -> Iterator[slice]:
    """A few entries of an axis at a time, for work that passes over its numbers several times: they stay in the cache.

    ``room``: about how many bytes at a time. CuPy gets all at once: there each pass has a cost of its own.
    """
    number = array.shape[axis]
    step = room * number // max(1, array.nbytes) if isinstance(array, np.ndarray) else number
    for start in range(0, number, max(1, step)):
        yield slice(start, start + max(1, step))


def everywhere(test: Callable[..., Array], many: Array, one: Array) -> bool:
    """Whether ``test`` holds for all numbers of ``many`` (K, *shape), or (*shape), and those of ``one`` (*shape), which stands for
    all K; asked a few at a time, since most often the first ones tell."""
    pairs = zip(many.reshape(-1, one.size), itertools.repeat(one.reshape(-1)))
    return all(bool(test(a[block], b[block]).all()) for a, b in pairs for block in blocks(b))


def sum_to(array: Array, shape: Shape) -> Array:
    """``array`` summed over the axes along which ``shape`` was broadcast, the inverse of broadcasting.

    ``shape`` is aligned to the right, as NumPy does; the result has exactly ``shape``.
    """
    extra = array.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(extra + i for i, n in enumerate(shape) if n == 1 and array.shape[extra + i] != 1)
    return array.sum(axes, keepdims=True).reshape(shape) if axes else array


def multiply(many: Array, one: Array, into: Array | None = None) -> Array:
    """The product of ``many`` (K, *shape), or (*shape), and ``one``, which stands for all K; in the array ``into``."""
    own = one.reshape(one.shape[1:]) if one.ndim == many.ndim and len(one) == 1 else one
    if many.shape[many.ndim - own.ndim :] == own.shape:
        product = array_module(many).empty(many.shape, many.dtype) if into is None else into
        if kernels.gate(many, own, product):
            return product
    return array_module(many).multiply(many, one, out=into)


def add(many: Array, one: Array, coefficient: float = 1) -> Array:
    """``many`` (K, *shape), or (*shape), plus ``coefficient`` times ``one`` (*shape), which stands for all K."""
    if many.shape[many.ndim - one.ndim :] == one.shape:
        total = array_module(many).empty(many.shape, many.dtype)
        if kernels.add(many, one, coefficient, total):
            return total
    return many + (one if coefficient == 1 else coefficient * one)


def divide(many: Array, one: Array, epsilon: float = 0) -> Array:
    """The quotient of ``many`` (K, *shape), or (*shape), and ``one`` + epsilon sign ``one`` (*shape), where sign 0 is 1; 0 where
    that is exactly 0."""
    xp = array_module(many)
    if many.shape[many.ndim - one.ndim :] == one.shape:
        quotient = xp.empty(many.shape, many.dtype)
        if kernels.share(many, one, epsilon, quotient):
            return quotient
    kept_off = one + xp.where(one >= 0, one.dtype.type(epsilon), -one.dtype.type(epsilon)) if epsilon else one
    dead = kept_off == 0
    return many / xp.where(dead, 1, kept_off) * ~dead


def where_positive(many: Array, known: Array, slope: float = 0, guided: bool = False) -> Array:
    """``many`` (K, *shape) where ``known`` (*shape) is positive, ``slope`` times it elsewhere; ``guided``: only what is positive of it."""
    passed = array_module(many).empty(many.shape, many.dtype)
    if kernels.relu_gradient(many, known, slope, guided, passed):
        return passed
    arriving = array_module(many).maximum(many, 0) if guided else many
    active = known > 0
    return arriving * (active + known.dtype.type(slope) * ~active if slope else active)


def portion(many: Array, one: Array, coefficient: float, part: Array) -> Array:
    """coefficient * part * ``divide(many, one)``: what ``part`` (*shape) added to ``one`` (*shape), of ``many`` (K, *shape)."""
    share = array_module(many).empty(many.shape, many.dtype)
    if kernels.portion(many, one, part, coefficient, share):
        return share
    return coefficient * part * divide(many, one)


def write(values: Array, into: Array) -> None:
    """``values`` to their place among others: as max(x, 0) + 1 min(x, 0), for which there is a kernel."""
    if not kernels.relu(values, 1, into):
        into[...] = values


def excitatory(weights: Array) -> Array:
    """w+ = max(w, 0), made once for weights that stay."""
    return prepared(weights, "excitatory", lambda: positive_part(weights))


def negated(weights: Array) -> Array:
    """-w, made once for weights that stay."""
    return prepared(weights, "negated", lambda: -weights)


def positive_part(values: Array) -> Array:
    """max(values, 0)."""
    xp = array_module(values)
    positive = xp.empty(values.shape, values.dtype)
    return positive if kernels.relu(values, 0, positive) else xp.maximum(values, 0)
