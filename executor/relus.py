"""ReLUs on the way back, which the layer above them takes along: it knows where its signal arrives, and so need not hand it on."""

from __future__ import annotations

from collections.abc import Collection

from ..layers.arrays import Array
from ..layers.concat import Concat
from .graph import Graph, Node
from .rules import Rule
from .trace import Trace


class Relus:
    """Those of one walk under a rule along a ``route``, that ends at the values ``wanted``.

    ``met``: nodes whose part is done. ``bottoms``: what a signal at the top of such a one is a signal at: top -> bottom.
    """

    def __init__(
        self, graph: Graph, trace: Trace, rule: Rule, route: set[int], wanted: Collection[int], starts: Collection[int]
    ):
        self._graph, self._trace, self._rule, self._route = graph, trace, rule, route
        self._wanted, self._starts = wanted, starts
        self.met: set[int] = set()
        self.bottoms: dict[int, int] = {}

    def meet(self, number: int, value: int) -> Array | None:
        """What the signal that node ``number`` sends to ``value`` meets there: the array that is positive where it goes on.
        ``None`` where it meets no ReLU, or is not the last signal to arrive."""
        last = number == min(self._readers(value))
        relus = self._making(value) if last and value in self._trace.values else []
        if not relus:
            return None
        self.met.update(relus)
        self.bottoms.update((self._graph.nodes[relu].tops[0], self._graph.nodes[relu].bottoms[0]) for relu in relus)
        return self._trace.values[value]

    def _making(self, value: int) -> list[int]:
        """The ReLU that makes a value, or all those whose tops it joins and that nothing else reaches; their bottoms as well."""
        maker = self._graph.makers[value]
        if maker not in self._route or value in self._wanted:
            return []
        node = self._graph.nodes[maker]
        if self._rule.rectifies(node.layer):
            return [maker] if self._alone(node.bottoms[0], maker) else []
        if not self._joins(node) or not all(self._alone(part, maker) for part in node.bottoms):
            return []
        found = [self._making(part) for part in node.bottoms]
        return [relu for relus in found for relu in relus] if all(found) else []

    def _alone(self, value: int, reader: int) -> bool:
        """Whether a value's signal comes from this reader only."""
        return self._readers(value) == {reader} and value not in self._starts

    def _readers(self, value: int) -> set[int]:
        return self._route.intersection(self._graph.readers[value])

    def _joins(self, node: Node) -> bool:
        """Whether a node has put blobs beside each other, and hands back to each its own part."""
        joins = isinstance(node.layer, Concat) and not self._rule.changes(node.layer)
        return joins and self._trace.given.isdisjoint(node.tops)
