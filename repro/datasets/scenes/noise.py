"""Noise of one lattice of random numbers, shared by all pictures: each use looks at another place of it."""

from __future__ import annotations

import numpy as np

from .exact import Chance, smooth

SIDE = 256  # the lattice repeats after so many steps
LATTICE = Chance(1, 6, 1, 8).units(SIDE + 1, SIDE + 1) * 2 - 1
LATTICE[-1], LATTICE[:, -1] = LATTICE[0], LATTICE[:, 0]
FLAT = LATTICE.ravel()
JITTER = Chance(3, 1, 4, 1).units(2, SIDE * SIDE) * 0.8 + 0.1


def noise(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Smooth noise from -1 to 1 at places of equal shape; one lattice step is 1."""
    column, across = _step(x)
    row, down = _step(y)
    at = row * (SIDE + 1) + column
    top, bottom = FLAT[at], FLAT[at + (SIDE + 1)]
    top = top + across * (FLAT[at + 1] - top)
    bottom = bottom + across * (FLAT[at + (SIDE + 2)] - bottom)
    return top + down * (bottom - top)


def noise_grid(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The same on the grid of ``y`` (H,) and ``x`` (W,): rows first, then columns, which is several times faster."""
    column, across = _step(x)
    row, down = _step(y)
    rows = LATTICE[row] + down[:, None] * (LATTICE[row + 1] - LATTICE[row])
    left = rows[:, column]
    return left + across * (rows[:, column + 1] - left)


def noise_rows(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The same where ``y`` (H,) is one number per row and ``x`` (H, W) is free: a plain that recedes."""
    column, across = _step(x)
    row, down = _step(y)
    rows = (LATTICE[row] + down[:, None] * (LATTICE[row + 1] - LATTICE[row])).ravel()
    at = column + (np.arange(len(y)) * (SIDE + 1))[:, None]
    left = rows[at]
    return left + across * (rows[at + 1] - left)


def fractal(x: np.ndarray, y: np.ndarray, octaves: int) -> np.ndarray:
    """Several octaves of ``noise``, each half as large and half as strong as the one before: about -1 to 1."""
    total, pace, weight = noise(x, y), 1.0, 1.0
    for octave in range(1, octaves):
        pace, weight = pace * 2, weight / 2
        total = total + weight * noise(x * pace + 17.3 * octave, y * pace + 29.7 * octave)
    return total * 0.7


def fractal_grid(x: np.ndarray, y: np.ndarray, octaves: int, gain: float = 0.5) -> np.ndarray:
    """``fractal`` on a grid; ``gain``: the strength of an octave beside the one before."""
    total, pace, weight = noise_grid(x, y), 1.0, 1.0
    for octave in range(1, octaves):
        pace, weight = pace * 2, weight * gain
        total = total + weight * noise_grid(x * pace + 17.3 * octave, y * pace + 29.7 * octave)
    return total * 0.7


def cells(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances to the nearest and second nearest of points that lie scattered, one to a lattice square."""
    column, row = np.floor(x), np.floor(y)
    nearest = np.full(x.shape, 9.0)
    second = nearest.copy()
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            at = _wrapped(row + down) * SIDE + _wrapped(column + right)
            dx = column + (right + JITTER[0][at]) - x
            dy = row + (down + JITTER[1][at]) - y
            apart = dx * dx + dy * dy
            second = np.minimum(second, np.maximum(nearest, apart))
            nearest = np.minimum(nearest, apart)
    return np.sqrt(nearest), np.sqrt(second)


def _step(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lattice step that a value lies in, and how far into it, smoothed."""
    whole = np.floor(values)
    return _wrapped(whole), smooth(values - whole)


def _wrapped(whole: np.ndarray) -> np.ndarray:
    return whole.astype(np.int64) & (SIDE - 1)
