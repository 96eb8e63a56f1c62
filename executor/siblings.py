"""Siblings: convolutions with 1 x 1 kernels over one blob, as at the doors of an inception module. They run together, the others
with the first of them, and so read the blob once."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..layers.convolution import Convolution
from .graph import Node
from .trace import Trace


def siblings(trace: Trace, route: Sequence[int]) -> dict[int, list[int]]:
    """Those of a forward pass along a route: the first one's node -> the nodes of all, itself included."""
    readers: dict[int, list[int]] = {}
    for number in route:
        node = trace.graph.nodes[number]
        if _pointwise(node, trace):
            readers.setdefault(node.bottoms[0], []).append(number)
    return {numbers[0]: numbers for numbers in readers.values() if len(numbers) > 1}


def _pointwise(node: Node, trace: Trace) -> bool:
    shape = trace.shapes[node.bottoms[0]] if isinstance(node.layer, Convolution) else None
    return shape is not None and node.layer.group == 1 and node.layer.geometry(shape).pointwise
