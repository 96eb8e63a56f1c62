"""Layers that read training data from files or memory: known by name, and refused."""

from __future__ import annotations

from .layer import Layer


class DataSource(Layer):
    """A layer that brings its own data. A net to be run has an Input in its place."""

    bottoms_expected = (0, None)
    tops_expected = (0, None)
    differentiable = False
    gradient_reads = frozenset()

    def setup(self) -> None:
        reads = f"{self.type}, which reads its own data"
        raise self.refuse("type", reads, "an Input: the deploy view of the net turns data layers into inputs")
