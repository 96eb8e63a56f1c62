"""Siblings: convolutions with 1 x 1 kernels over one blob, as at the doors of an inception module.

On the way up they run together, the others with the first of them, and so read the blob once. On the way back they send
together, the others with the last of them, and so write its signal once.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from ..layers.arrival import Sender
from ..layers.convolution import Convolution
from .graph import Node
from .rules import Rule
from .trace import Trace


def siblings(trace: Trace, route: Sequence[int]) -> dict[int, list[int]]:
    """Those of a forward pass along a route: the first one's node -> the nodes of all, itself included."""
    readers: dict[int, list[int]] = {}
    for number in route:
        node = trace.graph.nodes[number]
        if _pointwise(node, trace):
            readers.setdefault(node.bottoms[0], []).append(number)
    return {numbers[0]: numbers for numbers in readers.values() if len(numbers) > 1}


class Doors:
    """Those of a walk under a rule along a route."""

    def __init__(self, trace: Trace, rule: Rule, route: Sequence[int]):
        self._senders: dict[int, list[Sender]] = {}
        self._last: set[int] = set()
        self._nodes = trace.graph.nodes
        on_route = set(route)

        def together(number: int) -> bool:
            return _pointwise(self._nodes[number], trace) and rule.arrives(self._nodes[number].layer)

        values = {bottom for number in route for bottom in self._nodes[number].bottoms}
        for value in (value for value in values if len(trace.graph.readers[value]) > 1):
            readers = sorted(on_route.intersection(trace.graph.readers[value]))
            for alike, run in groupby(readers, together):  # others between them keep their turn in the sum
                numbers = list(run)
                if alike and len(numbers) > 1:
                    senders: list[Sender] = []
                    self._senders.update((number, senders) for number in numbers)
                    self._last.add(numbers[0])

    def senders(self, number: int) -> list[Sender] | None:
        """Where the node's signal is to wait for its siblings'; ``None`` where it has none."""
        return self._senders.get(number)

    def waiting(self, number: int) -> list[Sender]:
        """All that wait for this node, the last of its siblings."""
        return self._senders[number] if number in self._last else []


def _pointwise(node: Node, trace: Trace) -> bool:
    shape = trace.shapes[node.bottoms[0]] if isinstance(node.layer, Convolution) else None
    return shape is not None and node.layer.group == 1 and node.layer.geometry(shape).pointwise
