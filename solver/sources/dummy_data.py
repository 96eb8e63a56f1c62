"""DummyData: blobs of constant or random numbers (src/caffe/layers/dummy_data_layer.cpp)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...layers.fillers import fill
from ..chance import chance
from ..data_layer import DataLayer

LEGACY = ("num", "channels", "height", "width")


class DummyData:
    """Tops: of the shapes the message states, each filled anew for every batch by its filler, by default with zeros."""

    def __init__(self, layer: DataLayer):
        layer.expect_tops(1, None)
        layer.expect_no_change()
        self.layer = layer
        self.shapes = _shapes(layer)
        self.fillers = _one_for_each(layer, "data_filler", or_none=True)
        self.batch(0)  # fillers that do not fit are refused now

    def batch(self, index: int) -> list[np.ndarray]:
        """The tops of batch number ``index``."""
        rng = chance(self.layer.seed, "filler", index)
        return [
            fill(filler, shape, rng, where=self.layer.where)
            for filler, shape in zip(self.fillers, self.shapes, strict=True)
        ]


def _shapes(layer: DataLayer) -> list[tuple[int, ...]]:
    param = layer.message.dummy_data_param
    legacy = any(getattr(param, name) for name in LEGACY)
    if legacy and param.shape:
        raise layer.refuse("dummy_data_param", "shape beside num, channels, height or width", "one of both forms")
    if legacy:
        shapes = list(zip(*(_one_for_each(layer, name) for name in LEGACY), strict=True))
    else:
        shapes = [tuple(shape.dim) for shape in _one_for_each(layer, "shape")]
    for shape in shapes:
        if any(size < 1 for size in shape):
            raise layer.refuse("dummy_data_param", f"the shape {shape}", "positive sizes")
    return shapes


def _one_for_each(layer: DataLayer, field: str, or_none: bool = False) -> list[Any]:
    """A repeated field that holds one item for each top, or one for all."""
    given, tops = list(getattr(layer.message.dummy_data_param, field)), len(layer.message.top)
    if len(given) == tops:
        return given
    if len(given) == 1 or (or_none and not given):
        return (given or [None]) * tops
    raise layer.refuse(f"dummy_data_param.{field}", f"{len(given)}", f"1, or one for each of {tops} tops")
