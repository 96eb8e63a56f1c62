"""Tile: a blob repeated along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array, Shape, array_module
from .layer import Layer, Step
from .registry import register


@register("Tile")
class Tile(Layer):
    """Caffe's Tile: ``tiles`` copies one behind another along ``axis``; the copies' signals add up."""

    gradient_reads = frozenset()

    def setup(self) -> None:
        p = self.message.tile_param
        self.tiles: int = p.tiles
        if self.tiles < 1:
            raise self.refuse("tile_param.tiles", p.tiles if p.HasField("tiles") else "nothing", "a positive number")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        shape, axis = tuple(bottoms[0]), self.along(len(bottoms[0]))
        return [(*shape[:axis], shape[axis] * self.tiles, *shape[axis + 1 :])]

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        x = bottoms[0]
        return [array_module(x).concatenate([x] * self.tiles, self.along(x.ndim))], None

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        signal, shape = signals[0], step.bottom_shapes[0]
        axis = self.along(len(shape))
        return [signal.reshape(len(signal), *shape[:axis], self.tiles, *shape[axis:]).sum(axis + 1)]

    def along(self, rank: int) -> int:
        return self.axis(self.message.tile_param.axis, rank, "tile_param.axis")
