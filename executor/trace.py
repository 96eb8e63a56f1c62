"""What a forward pass leaves behind."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from ..errors import BadInput
from ..layers.arrays import Array, Shape
from ..layers.layer import Step
from .graph import Graph


class Trace:
    """The blobs of one forward pass, by name, and what a walk back needs. It belongs to one call and is only read.

    ``trace["conv1"]`` is the blob's last version, as Caffe leaves it; ``trace.version("conv1", before="relu1")`` what an
    in-place layer read. Only what was asked for is kept: see ``Net.forward``. ``updated`` holds the parameters of layers
    with running statistics, as this pass changes them: the net itself stays as it is.
    """

    def __init__(self, graph: Graph, parameters: Mapping[str, tuple[Array, ...]], shapes: list[Shape | None]):
        self.graph = graph
        self.parameters = parameters
        self.shapes = shapes
        self.values: dict[int, Array] = {}
        self.saved: dict[int, Any] = {}
        self.sums: dict[int, Array] = {}  # of layers over their positive weights
        self.updated: dict[str, list[Array]] = {}
        self.given: frozenset[int] = frozenset()  # values that no layer has made
        self.form: Hashable = None  # what tells all about its arrays but for their numbers, where that is known

    def over(self, values: Mapping[int, Array], saved: Mapping[int, Any], sums: Mapping[int, Array]) -> Trace:
        """The same pass with these arrays in the place of its own."""
        trace = Trace(self.graph, self.parameters, self.shapes)
        trace.given, trace.values, trace.saved, trace.sums = self.given, dict(values), dict(saved), dict(sums)
        return trace

    def __getitem__(self, blob: str) -> Array:
        return self.version(blob)

    def __contains__(self, blob: object) -> bool:
        return blob in self.graph.versions and self.graph.final(str(blob)) in self.values

    def version(self, blob: str, before: str | None = None) -> Array:
        """The array of a blob as the layer ``before`` read it; its last version by default. Raises ``BadInput``."""
        value = self.graph.version(blob, before)
        if value not in self.values:
            raise BadInput(f"blob {blob!r}: found it not kept by this forward pass, expected one of {self.blobs}")
        return self.values[value]

    @property
    def blobs(self) -> list[str]:
        """The blobs whose last version was kept, in the net's order."""
        return [name for name in self.graph.versions if name in self]

    def shape(self, blob: str) -> Shape:
        """The shape of a blob's last version, kept or not."""
        shape = self.shapes[self.graph.final(blob)]
        if shape is None:
            raise BadInput(f"blob {blob!r}: found no shape, since this forward pass did not reach it")
        return shape

    def step(self, number: int) -> Step:
        """Node ``number`` of the graph as a walk sees it."""
        graph, values, shapes = self.graph, self.values, self.shapes
        node = graph.nodes[number]
        below = [shapes[value] for value in node.bottoms]
        if None in below:
            unknown = graph.blobs[node.bottoms[below.index(None)]]
            raise BadInput(
                f"{node.layer.where}: found no bottom {unknown!r}, since the forward pass began above it; expected a walk "
                "that ends there (`to`), or a forward pass from further below"
            )
        return Step(
            layer=node.layer,
            parameters=self.parameters.get(node.layer.name, ()),
            bottoms=[values.get(value) for value in node.bottoms],
            tops=[values.get(value) for value in node.tops],
            bottom_shapes=below,
            top_shapes=[shapes[value] or () for value in node.tops],
            saved=self.saved.get(number),
            sums=self.sums.get(number),
            final_tops=[values.get(graph.versions[graph.blobs[value]][-1]) for value in node.tops],
        )
