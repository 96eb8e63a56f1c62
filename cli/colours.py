"""Colour maps whose steps look equal to the eye, computed in OKLab (Ottosson, 2020)."""

from __future__ import annotations

from functools import cache

import numpy as np

STEPS = 256


@cache
def heat() -> np.ndarray:
    """From nearly black over violet, red and orange to pale yellow; lightness rises evenly: (256, 3), uint8, RGB."""
    t = np.linspace(0, 1, STEPS)
    return _rgb(
        lightness=0.12 + 0.84 * t, chroma=0.165 - 0.06 * abs(2 * t - 1) ** 3, hue=np.radians(295 + 175 * t**1.25)
    )


@cache
def signed() -> np.ndarray:
    """From blue over white to red, for maps whose 0 means something: (256, 3), uint8, RGB."""
    t = np.linspace(-1, 1, STEPS)
    return _rgb(lightness=0.97 - 0.52 * abs(t), chroma=0.21 * abs(t), hue=np.radians(np.where(t < 0, 262, 27)))


@cache
def classes() -> np.ndarray:
    """Colours of equal lightness, neighbours far apart, to tell classes from each other; the first is black: (256, 3), uint8."""
    turns = np.arange(STEPS) - 1
    hue = np.radians(27 + 137.508 * turns)  # the golden angle: whatever the number of classes, their hues spread evenly
    colours = _rgb(lightness=np.full(STEPS, 0.66), chroma=np.full(STEPS, 0.2), hue=hue)
    colours[0] = 0
    return colours


def coloured(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Values between 0 and 1 (...,) in the colours of a table: (..., 3), uint8."""
    return table[np.clip(np.rint(values * (STEPS - 1)), 0, STEPS - 1).astype(int)]


def _rgb(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    """OKLCh -> sRGB; where a screen cannot show a colour, it is greyed until it can."""
    colours = np.zeros((STEPS, 3))
    shown = np.zeros(STEPS, bool)
    for grey in np.linspace(1, 0, 101):
        linear = _linear(lightness, grey * chroma, hue)
        fits = ((linear >= 0) & (linear <= 1)).all(1) & ~shown
        colours[fits] = linear[fits]
        shown |= fits
    encoded = np.where(colours <= 0.0031308, 12.92 * colours, 1.055 * colours ** (1 / 2.4) - 0.055)
    return np.rint(255 * encoded).astype(np.uint8)


def _linear(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], 1)
    cones = lab @ np.array(
        [[1, 1, 1], [0.3963377774, -0.1055613458, -0.0894841775], [0.2158037573, -0.0638541728, -1.2914855480]]
    )
    return cones**3 @ np.array(
        [[4.0767416621, -1.2684380046, -0.0041960863], [-3.3077115913, 2.6097574011, -0.7034186147], [0.2309699292, -0.3413193965, 1.7076147010]]
    )  # fmt: skip
