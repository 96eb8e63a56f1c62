"""The engine at work between walls: what lies around its arrays, and what earlier work left in its memory, is NaN."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

from thinktwice.cpu import convolution
from thinktwice.layers.correlation import Geometry

SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")
WALL = 0 if SANITIZED else 96  # numbers: two tiles of the widest registers; sanitizers watch the arrays' own ends
WIDE = Geometry((3, 3), (1, 1), (0, 0), (1, 1))


def between_walls(function: Callable[..., np.ndarray], *arguments: Any) -> np.ndarray:
    """``function(*arguments)`` of convolution.py. A number read from outside an array spoils the result, as does one that is
    left out; a number written there is found."""
    _fill_scratch()
    walls: list[np.ndarray] = []

    def around(array: np.ndarray) -> np.ndarray:
        walls.append(np.full(array.size + 2 * WALL, np.nan, array.dtype))
        inner = walls[-1][WALL : WALL + array.size].reshape(array.shape)
        inner[...] = array
        return inner

    numpy = SimpleNamespace(
        **vars(np)
        | {
            "empty": lambda shape, dtype: around(np.full(shape, np.nan, dtype)),
            "zeros": lambda shape, dtype: around(np.zeros(shape, dtype)),
            "ascontiguousarray": lambda array: around(array),
        }
    )
    with mock.patch.object(convolution, "np", numpy):
        given = [around(argument) if isinstance(argument, np.ndarray) else argument for argument in arguments]
        result = function(*given)
    untouched = np.full(WALL, np.nan, np.float32).tobytes()
    for wall in walls:
        assert wall[:WALL].tobytes() == wall[len(wall) - WALL :].tobytes() == untouched
    return result


def _fill_scratch() -> None:
    """Each thread's memory, with what may lie in it after images of NaN."""
    images = np.full((4, 33, 40, 40), np.nan, np.float32)
    convolution.correlate(images, np.ones((1, 33, 3, 3), np.float32), WIDE)
