"""Concat without copies: what it joins is made where it belongs, in its top.

Along the channels of images each bottom is a stretch of the top. A convolution writes its there; what others made is copied, as
in Caffe. Either way the bottoms that nobody else reads are parts of the top afterwards, and share its memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..layers.arrays import Array, array_module, write
from ..layers.concat import Concat
from .graph import Node
from .trace import Trace

CHANNELS = 1  # the axis


class Joints:
    """The Concats of one forward pass along a route. ``readers``: of each value, on the route."""

    def __init__(self, trace: Trace, route: Sequence[int], readers: Sequence[set[int]]):
        self._trace = trace
        self._tops: dict[int, Array] = {}  # by their values, as soon as a part of one is made
        self._places: dict[int, tuple[int, slice]] = {}  # value -> of which top it is a part, and which channels
        self._parts: dict[int, Array] = {}
        for number in route:
            node = trace.graph.nodes[number]
            if self._joins(node):
                places = zip(node.bottoms, self._stretches(node), strict=True)
                self._places.update((v, (node.tops[0], s)) for v, s in places if self._belongs(v, number, readers[v]))

    def place(self, value: int, like: Array) -> Array | None:
        """Where a value is to be written; ``None`` where it may lie anywhere. ``like``: an array of its kind."""
        if value not in self._places:
            return None
        if value not in self._parts:
            top, channels = self._places[value]
            self._parts[value] = self._top(top, like)[:, channels]
        return self._parts[value]

    def join(self, node: Node) -> Array | None:
        """The top of a Concat, whose bottoms are all made; ``None`` for a node that is not joined here."""
        if not self._joins(node):
            return None
        values = self._trace.values
        top = self._top(node.tops[0], values[node.bottoms[0]])
        for value, channels in zip(node.bottoms, self._stretches(node), strict=True):
            made = self._parts.pop(value, None)
            part = top[:, channels] if made is None else made
            if part is not values[value]:
                write(values[value], part)
            if value in self._places:
                values[value] = part
        return self._tops.pop(node.tops[0])

    def _joins(self, node: Node) -> bool:
        if not isinstance(node.layer, Concat) or not self._trace.given.isdisjoint(node.tops):
            return False
        return node.layer.along(len(self._trace.shapes[node.bottoms[0]] or ())) == CHANNELS

    def _stretches(self, node: Node) -> list[slice]:
        """The top's channels that each bottom is."""
        stretches, start = [], 0
        for value in node.bottoms:
            shape = self._trace.shapes[value] or ()
            stretches.append(slice(start, start + shape[CHANNELS]))
            start += shape[CHANNELS]
        return stretches

    def _belongs(self, value: int, number: int, readers: set[int]) -> bool:
        """Whether a value is only made to be joined by node ``number``, and that once: whoever else reads it finds it without gaps."""
        once = self._trace.graph.nodes[number].bottoms.count(value) == 1
        return readers == {number} and once and value not in self._trace.given

    def _top(self, value: int, like: Array) -> Array:
        if value not in self._tops:
            self._tops[value] = array_module(like).empty(self._trace.shapes[value], like.dtype)
        return self._tops[value]
