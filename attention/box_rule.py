"""How a map becomes boxes, in one word: ``energy:0.95``, ``mean:5``, ``contours``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import BadInput, nearest
from .boxes import POWERS, energy_mask, mean_mask, tightest_box
from .contours import contour_boxes

FORMS = "energy:FRACTION, energy:FRACTION:POWER, mean:ALPHA, contours, contours:energy:..., contours:mean:..."


@dataclass(frozen=True)
class BoxRule:
    """A threshold, ``energy`` (fraction, power) or ``alpha`` times the mean; and whether all pixels above it share one box or
    each external contour has its own."""

    text: str
    energy: tuple[float, int] | None = None
    alpha: float | None = None
    contours: bool = False

    def __call__(self, values: np.ndarray, min_area: int = 1) -> np.ndarray:
        """A map (H, W) -> boxes (number, 4) in its pixels, half-open; ``min_area`` is the least part's, for contours."""
        mask = self.mask(values)
        return contour_boxes(values, mask, min_area) if self.contours else tightest_box(mask)[None]

    def mask(self, values: np.ndarray) -> np.ndarray:
        """The pixels of a map (H, W) that count."""
        return energy_mask(values, *self.energy) if self.energy else mean_mask(values, self.alpha or 0.0)


def box_rule(text: str) -> BoxRule:
    """The rule that a text names, one of ``FORMS``; ``contours`` alone thresholds at 95 % of the energy. Raises ``BadInput``."""
    first, *rest = text.split(":")
    contours = first == "contours"
    name, *words = (rest or ["energy", "0.95"]) if contours else [first, *rest]
    if name not in ("energy", "mean"):
        raise BadInput(f"boxes: found {text!r}, expected {FORMS}{nearest(name, ('energy', 'mean', 'contours'))}")
    numbers = [_number(text, word) for word in words]
    if name == "mean" and len(numbers) == 1:
        return BoxRule(text, alpha=numbers[0], contours=contours)
    if name == "energy" and len(numbers) in (1, 2):
        fraction, power = (*numbers, 1)[:2]
        if not 0 < fraction <= 1:
            raise BadInput(f"boxes: {text!r}: found the fraction {fraction:g}, expected a number above 0 and up to 1")
        if power not in POWERS:
            raise BadInput(f"boxes: {text!r}: found the power {power:g}, expected one of {list(POWERS)}")
        return BoxRule(text, energy=(fraction, int(power)), contours=contours)
    raise BadInput(f"boxes: found {text!r}, expected {FORMS}")


def _number(text: str, word: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        raise BadInput(f"boxes: {text!r}: found {word!r}, expected a number")
    return number
