"""Where training data comes from: one file per data layer type of Caffe.

``open_source`` opens what a data layer names; batch number k is the same numbers whenever and in whatever order it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...errors import BadInput, nearest
from ..data_layer import DataLayer
from .data import Data
from .dummy_data import DummyData
from .hdf5_data import HDF5Data
from .image_data import ImageData
from .window_data import WindowData

__all__ = ["Source", "open_source"]


class Source(Protocol):
    """Batches of a data layer's tops."""

    shapes: list[tuple[int, ...]]
    """Of the tops, in the layer's order, for the first batch."""

    def batch(self, index: int) -> list[np.ndarray]:
        """The tops of batch number ``index`` (0, 1, 2 ...), float32. Raises ``BadInput``.

        A pure function of the layer, its seed and the index; not to be called from two threads at once.
        """


def open_source(layer: Any, *, folder: Path, phase: str, seed: int, definition: str = "") -> Source:
    """The source of a data layer, an upgraded ``LayerParameter`` of a prototxt in ``folder``. Raises ``BadInput``.

    ``phase``: TRAIN or TEST. ``seed``: at least 0; layers with the same seed draw the same chances, so that a list of
    pictures and one HDF5 file of as many rows stay together when both are shuffled. ``definition``: the prototxt's name, for
    error lines. Files are looked for from the current directory, as in Caffe, then beside the prototxt.
    """
    opened = DataLayer(layer, Path(folder), phase, seed, definition)
    if layer.type in REFUSED:
        raise opened.refuse("type", layer.type, f"one of {', '.join(SOURCES)}: {REFUSED[layer.type]}")
    if layer.type not in SOURCES:
        raise BadInput(
            f"{opened.where}: type: found {layer.type!r}, expected a data layer, one of {', '.join(SOURCES)}"
            f"{nearest(layer.type, SOURCES)}"
        )
    return SOURCES[layer.type](opened)


SOURCES: dict[str, Callable[[DataLayer], Source]] = {
    "Data": Data,
    "DummyData": DummyData,
    "HDF5Data": HDF5Data,
    "ImageData": ImageData,
    "WindowData": WindowData,
}
REFUSED = {"MemoryData": "its arrays would have to be handed over by a program"}
