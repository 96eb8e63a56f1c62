"""Siblings: convolutions with 1 x 1 kernels over the images of one blob, as at the doors of an inception module.

On the way up they run together, the others with the first of them, and so read the blob once. On the way back the others wait for
the one that a walk meets last; then they send together, and so write the blob's signal once.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from itertools import groupby

from ..layers.arrival import Sender
from ..layers.convolution import Convolution
from ..layers.correlation import Geometry
from .rules import Rule
from .trace import Trace

IMAGES = 4  # axes: (N, C, H, W)


def siblings(trace: Trace, route: Sequence[int], several: Container[int] = ()) -> dict[int, list[int]]:
    """Those of a forward pass along a route: the first one's node -> the nodes of all, itself included. ``several``: nodes that run
    with more than one bank of filters, and so are their own siblings."""
    readers: dict[tuple[int, Geometry], list[int]] = {}
    for number in route:
        geometry = _pointwise(trace, number)
        if geometry:
            readers.setdefault((trace.graph.nodes[number].bottoms[0], geometry), []).append(number)
    return {numbers[0]: numbers for numbers in readers.values() if len(numbers) > 1 or numbers[0] in several}


class Doors:
    """Where the siblings of a walk under a rule along a route wait for each other."""

    def __init__(self, trace: Trace, rule: Rule, route: Sequence[int]):
        self._waiting: dict[int, list[Sender]] = {}  # node -> the one list of all its siblings
        self._last: set[int] = set()
        nodes, on_route = trace.graph.nodes, set(route)

        def alike(number: int) -> Geometry | None:
            geometry = _pointwise(trace, number)
            return geometry if geometry and rule.arrives(nodes[number].layer) else None

        values = {bottom for number in route for bottom in nodes[number].bottoms}
        for value in (value for value in values if len(trace.graph.readers[value]) > 1):
            readers = sorted(on_route.intersection(trace.graph.readers[value]))
            for geometry, run in groupby(readers, alike):  # others between them keep their turn in the sum
                numbers = list(run)
                if geometry and len(numbers) > 1:
                    senders: list[Sender] = []
                    self._waiting.update((number, senders) for number in numbers)
                    self._last.add(numbers[0])  # a walk goes backwards

    def senders(self, number: int) -> list[Sender] | None:
        """Where the node's signal is to wait for its siblings'; ``None`` where it has none."""
        return self._waiting.get(number)

    def all_there(self, number: int) -> list[Sender]:
        """All who wait, if this node is the last of them."""
        return self._waiting[number] if number in self._last else []


def _pointwise(trace: Trace, number: int) -> Geometry | None:
    """The geometry of a node that may have siblings."""
    node = trace.graph.nodes[number]
    shape = trace.shapes[node.bottoms[0]] if isinstance(node.layer, Convolution) else None
    if shape is None or len(shape) != IMAGES or node.layer.group != 1:
        return None
    geometry: Geometry = node.layer.geometry(shape)
    return geometry if geometry.rank == 2 and geometry.pointwise else None
