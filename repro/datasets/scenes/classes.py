"""The sixteen classes, and how each may be turned."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .drawing import Part
from .exact import Chance
from .quadrupeds import elephant, giraffe, leopard, zebra
from .small_animals import beetle, bird, fish
from .things import chair, flower, guitar, mushroom, teapot
from .vehicles import aeroplane, bicycle, car, sailboat


class Kind(NamedTuple):
    """``draw`` gives its parts in a frame of its own, back to front; ``turn``: degrees that it may lean to either side;
    ``stands``: on a floor, which its shadow falls on."""

    draw: Callable[[Chance], list[Part]]
    turn: float
    stands: bool


KINDS: dict[str, Kind] = {
    "zebra": Kind(zebra, 10, True),
    "giraffe": Kind(giraffe, 10, True),
    "elephant": Kind(elephant, 10, True),
    "leopard": Kind(leopard, 12, True),
    "bird": Kind(bird, 18, True),
    "fish": Kind(fish, 35, False),
    "beetle": Kind(beetle, 180, False),
    "aeroplane": Kind(aeroplane, 30, False),
    "bicycle": Kind(bicycle, 15, True),
    "car": Kind(car, 12, True),
    "sailboat": Kind(sailboat, 14, True),
    "chair": Kind(chair, 14, True),
    "guitar": Kind(guitar, 180, False),
    "teapot": Kind(teapot, 15, True),
    "flower": Kind(flower, 25, True),
    "mushroom": Kind(mushroom, 18, True),
}
CLASSES = tuple(KINDS)
