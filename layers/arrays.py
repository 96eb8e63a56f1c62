"""Arrays as layers see them: NumPy's on the CPU, CuPy's on the GPU, one code for both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

Array = Any  # numpy.ndarray or cupy.ndarray
Shape = tuple[int, ...]


def array_module(array: Array) -> ModuleType:
    """The module whose array this is: ``numpy`` or ``cupy``."""
    if isinstance(array, (np.ndarray, np.generic)):  # a number is what NumPy makes of arrays without axes
        return np
    import cupy

    return cupy


def count(shape: Sequence[int]) -> int:
    """How many numbers an array of this shape holds (1 for a scalar)."""
    return math.prod(shape)


def sum_to(array: Array, shape: Shape) -> Array:
    """``array`` summed over the axes along which ``shape`` was broadcast, the inverse of broadcasting.

    ``shape`` is aligned to the right, as NumPy does; the result has exactly ``shape``.
    """
    extra = array.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(extra + i for i, n in enumerate(shape) if n == 1 and array.shape[extra + i] != 1)
    return array.sum(axes, keepdims=True).reshape(shape) if axes else array
