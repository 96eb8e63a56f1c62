"""Chance and arithmetic that are the same on every machine, to the last bit.

Random bits come straight from PCG64. Numbers are made from them with + - * /, square roots, floors and comparisons alone,
in double precision: IEEE 754 fixes the result of each. A sine of the machine's own library would not be the same on another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Choice = TypeVar("Choice")
Number = TypeVar("Number", float, np.ndarray)
Point = tuple[float, float]


class Chance:
    """A stream of random numbers that its ``words``, whole numbers from 0 up, fix wholly."""

    def __init__(self, *words: int):
        self._bits = np.random.PCG64(list(words))

    def units(self, *shape: int) -> np.ndarray:
        """Uniform numbers from 0 up to 1, exclusive."""
        count = 1
        for size in shape:
            count *= size
        return ((self._bits.random_raw(count) >> np.uint64(11)) * 2.0**-53).reshape(shape)

    def unit(self) -> float:
        return (self._bits.random_raw() >> 11) * 2.0**-53

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.unit()

    def about(self, centre: float, spread: float) -> float:
        """Near ``centre`` more often than at the ends, ``spread`` to either side."""
        return centre + spread * (self.unit() + self.unit() - 1)

    def whole(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both inclusive."""
        return low + int((high - low + 1) * self.unit())

    def often(self, probability: float) -> bool:
        return self.unit() < probability

    def sign(self) -> float:
        return 1.0 if self.often(0.5) else -1.0

    def one_of(self, choices: Sequence[Choice]) -> Choice:
        return choices[self.whole(0, len(choices) - 1)]

    def shuffled(self, choices: Sequence[Choice]) -> list[Choice]:
        left = list(choices)
        return [left.pop(self.whole(0, len(left) - 1)) for _ in range(len(left))]


def sine(degrees: Number) -> Number:
    """Within 0.0011 of the sine: a parabola per half wave, and one correction."""
    turns = degrees / 360
    turns = turns - np.floor(turns + 0.5)
    wave = turns * (8 - 16 * abs(turns))
    return wave * (0.775 + 0.225 * abs(wave))


def direction(degrees: float) -> Point:
    """The unit vector (x, y) that lies ``degrees`` clockwise, as seen in a picture, from the x axis."""
    x, y = float(sine(degrees + 90.0)), float(sine(degrees))
    length = root(x * x + y * y)
    return x / length, y / length


def root(number: float) -> float:
    return float(np.sqrt(number))


def clip(values: np.ndarray, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    return np.minimum(np.maximum(values, low), high)


def step(values: np.ndarray, edge: float, width: float) -> np.ndarray:
    """0 below ``edge``, 1 above, and a straight ramp of ``width`` around it."""
    return clip((values - edge) / width + 0.5)


def smooth(values: np.ndarray) -> np.ndarray:
    """The s-curve from 0 to 1 for values from 0 to 1."""
    return values * values * (3 - 2 * values)
