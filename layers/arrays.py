"""Arrays as layers see them: NumPy's on the CPU, CuPy's on the GPU, one code for both."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from ..cuda import kernels

Array = Any  # numpy.ndarray or cupy.ndarray
Shape = tuple[int, ...]

CACHE_BYTES = 512 << 10  # how much of an array is taken at a time where several passes go over it


def array_module(array: Array) -> ModuleType:
    """The module whose array this is: ``numpy`` or ``cupy``."""
    if isinstance(array, (np.ndarray, np.generic)):  # a number is what NumPy makes of arrays without axes
        return np
    import cupy

    return cupy


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


def sum_to(array: Array, shape: Shape) -> Array:
    """``array`` summed over the axes along which ``shape`` was broadcast, the inverse of broadcasting.

    ``shape`` is aligned to the right, as NumPy does; the result has exactly ``shape``.
    """
    extra = array.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(extra + i for i, n in enumerate(shape) if n == 1 and array.shape[extra + i] != 1)
    return array.sum(axes, keepdims=True).reshape(shape) if axes else array


def multiply(many: Array, one: Array) -> Array:
    """The product of ``many`` (K, *shape), or (*shape), and ``one``, which stands for all K."""
    own = one.reshape(one.shape[1:]) if one.ndim == many.ndim and len(one) == 1 else one
    if many.shape[many.ndim - own.ndim :] == own.shape:
        product = array_module(many).empty(many.shape, many.dtype)
        if kernels.gate(many, own, product):
            return product
    return many * one


def divide(many: Array, one: Array) -> Array:
    """The quotient of ``many`` (K, *shape), or (*shape), and ``one`` (*shape); 0 where ``one`` is exactly 0."""
    if many.shape[many.ndim - one.ndim :] == one.shape:
        quotient = array_module(many).empty(many.shape, many.dtype)
        if kernels.share(many, one, quotient):
            return quotient
    dead = one == 0
    return many / array_module(many).where(dead, 1, one) * ~dead
