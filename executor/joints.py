"""Concat without copies: what it joins is made where it belongs, in its top.

Along the channels of images each bottom is a stretch of the top. A convolution writes its there; what others made is copied,
as in Caffe. Either way the bottoms are parts of the top afterwards, and share its memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..layers.arrays import Array, array_module
from ..layers.concat import Concat
from .graph import Node
from .trace import Trace

CHANNELS = 1  # the axis


class Joints:
    """The Concats of one forward pass along a route. ``given``: the values that the caller has made."""

    def __init__(self, trace: Trace, route: Sequence[int], given: Iterable[int]):
        self._trace, self._given = trace, set(given)
        self._tops: dict[int, Array] = {}  # by their values, as soon as a part of one is made
        self._places: dict[int, tuple[int, slice]] = {}  # value -> of which top it is a part, and which channels
        self._parts: dict[int, Array] = {}
        for number in route:
            self._add(trace.graph.nodes[number])

    def _add(self, node: Node) -> None:
        layer, shapes = node.layer, [self._trace.shapes[value] or () for value in node.bottoms]
        if (
            not isinstance(layer, Concat)
            or layer.along(len(shapes[0])) != CHANNELS
            or self._given.intersection(node.tops)
        ):
            return
        if len(set(node.bottoms)) < len(node.bottoms) or not self._places.keys().isdisjoint(node.bottoms):
            return  # a blob that is joined twice
        start = 0
        for value, shape in zip(node.bottoms, shapes, strict=True):
            self._places[value] = node.tops[0], slice(start, start + shape[CHANNELS])
            start += shape[CHANNELS]

    def place(self, value: int, like: Array) -> Array | None:
        """Where a value is to be written; ``None`` where it may lie anywhere. ``like``: an array of its kind."""
        if value not in self._places or value in self._given:
            return None
        return self._part(value, like)

    def join(self, node: Node) -> Array | None:
        """The top of a Concat, whose bottoms are all made; ``None`` for a node that is not joined here."""
        if any(self._places.get(value, (None,))[0] != node.tops[0] for value in node.bottoms):
            return None
        values = self._trace.values
        for value in node.bottoms:
            part = self._part(value, values[value])
            self._parts.pop(value)  # nor is it kept alive from here
            if part is not values[value]:
                part[...] = values[value]
            if value not in self._given:
                values[value] = part
        return self._tops.pop(node.tops[0])

    def _part(self, value: int, like: Array) -> Array:
        if value not in self._parts:
            top, channels = self._places[value]
            if top not in self._tops:
                self._tops[top] = array_module(like).empty(self._trace.shapes[top], like.dtype)
            self._parts[value] = self._tops[top][:, channels]
        return self._parts[value]
