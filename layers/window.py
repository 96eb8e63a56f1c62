"""What one number of a top reads of a bottom: the piece of geometry from which receptive fields are added up."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from .arrays import Shape


@dataclass(frozen=True)
class Window:
    """Pixels read along each of the last axes, and how far apart neighbours' windows lie, in pixels of the bottom.

    No axes: the same position only. ``whole``: the bottom's whole plane, however large.
    """

    extent: Shape = ()
    stride: tuple[Fraction, ...] = ()
    whole: bool = False

    @classmethod
    def of(cls, extent: Shape, stride: Shape) -> Window:
        return cls(tuple(extent), tuple(map(Fraction, stride)))


POINT = Window()
WHOLE = Window(whole=True)
