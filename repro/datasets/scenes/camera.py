"""From a lit canvas to a photograph: uneven light, a colour cast, contrast, a lens that is not quite sharp, a noisy sensor."""

from __future__ import annotations

import numpy as np

from .drawing import averaged
from .exact import Chance, clip, direction, step
from .noise import fractal_grid


def photograph(c: Chance, colours: np.ndarray) -> np.ndarray:
    """Colours (3, H, W) in fine pixels -> (H / 2, W / 2, 3), uint8, RGB."""
    picture = averaged(colours)
    picture = _exposed(c, picture * _illumination(c, *picture.shape[1:]))
    for _ in range(c.one_of((0, 0, 0, 1, 1))):
        picture = _softened(picture, c.between(0.1, 0.25))
    picture = picture + _sensor_noise(c, *picture.shape[1:])
    return np.ascontiguousarray(np.floor(clip(picture) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0))


def _illumination(c: Chance, height: int, width: int) -> np.ndarray:
    """Brighter towards one side, darker to the corners, and sometimes dappled: (H, W)."""
    y, x = (np.arange(n) / n - 0.5 for n in (height, width))
    dx, dy = direction(c.between(0, 360))
    slope, corner = c.between(0, 0.3), c.between(0, 0.5)
    light = 1 + slope * (dx * x[None, :] + dy * y[:, None]) - corner * (x * x)[None, :] - corner * (y * y)[:, None]
    if c.often(0.25):
        pace = c.between(3, 7)
        leaves = fractal_grid(x * pace + c.between(0, 200), y * pace + c.between(0, 200), 3)
        light = light * (1 - c.between(0.15, 0.4) * step(leaves, c.between(-0.2, 0.3), 0.4))
    return light


def _exposed(c: Chance, picture: np.ndarray) -> np.ndarray:
    """Brightness, contrast around the middle, and the tint of the light."""
    tint = np.array([c.about(1, 0.12), 1.0, c.about(1, 0.12)])[:, None, None]
    contrast, exposure = c.about(1.02, 0.22), c.about(1.08, 0.22)
    return (picture * (tint * exposure) - 0.5) * contrast + 0.5


def _softened(picture: np.ndarray, part: float) -> np.ndarray:
    """Each pixel gives ``part`` of itself to either neighbour, along rows, then columns."""
    for axis in (1, 2):
        around = np.concatenate([_ends(picture, axis, 0), picture, _ends(picture, axis, -1)], axis)
        before, after = (around[:, :-2], around[:, 2:]) if axis == 1 else (around[..., :-2], around[..., 2:])
        picture = picture * (1 - 2 * part) + part * (before + after)
    return picture


def _ends(picture: np.ndarray, axis: int, index: int) -> np.ndarray:
    return np.take(picture, [index], axis)


def _sensor_noise(c: Chance, height: int, width: int) -> np.ndarray:
    grey, colour = c.between(0.004, 0.045), c.between(0.0, 0.02)
    grain = c.units(2, height, width)
    hues = c.units(3, height, width) - 0.5
    return grey * (grain[0] + grain[1] - 1) + colour * hues
