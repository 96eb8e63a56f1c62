"""A net's data layers as one feed of batches, the next of which is prepared in a thread while the net computes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..caffe_models import schema
from ..caffe_models.deploy import DATA_LAYERS
from ..errors import BadInput
from .definition import TrainingNet
from .sources import Source, open_source

Batch = dict[str, np.ndarray]
Feed = Callable[[int], Batch]  # batch number k = 0, 1, 2 ... -> arrays by blob name


@dataclass(frozen=True)
class FedNet:
    """A net's definition with Input layers in the place of its data layers, and what feeds these.

    ``stored``: the definition with the data layers, as Caffe writes it beside weights. ``source``: its file, for error
    lines.
    """

    message: Any
    batch: Feed
    stored: Any
    source: str = ""


def open_net(net: TrainingNet, phase: str, seed: int) -> FedNet:
    """The net with its data sources opened. Raises ``BadInput``."""
    sources: list[tuple[list[str], Source]] = []
    layers = []
    for layer in net.message.layer:
        if layer.type == "Input":
            raise BadInput(
                f"{net.source}: layer {layer.name!r} (Input): found an input that nothing feeds, expected a data layer: "
                f"one of {', '.join(sorted(DATA_LAYERS))}"
            )
        if layer.type in DATA_LAYERS:
            source = open_source(layer, folder=net.folder, phase=phase, seed=seed, definition=net.source)
            sources.append((list(layer.top), source))
            layers.append(_input(layer, source.shapes))
        else:
            layers.append(layer)

    def batch(number: int) -> Batch:
        arrays = [(tops, source.batch(number)) for tops, source in sources]
        return {top: array for tops, found in arrays for top, array in zip(tops, found, strict=True)}

    return FedNet(schema.with_layers(net.message, layers), Ahead(batch), net.message, net.source)


class Ahead:
    """A feed that prepares the batch after the one it was asked for, in a thread of its own."""

    def __init__(self, feed: Feed):
        self._feed = feed
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")  # one: a source is not asked twice at once
        self._next: tuple[int, Future[Batch]] | None = None

    def __call__(self, number: int) -> Batch:
        prepared = self._next[1] if self._next and self._next[0] == number else self._thread.submit(self._feed, number)
        found = prepared.result()
        self._next = number + 1, self._thread.submit(self._feed, number + 1)
        return found


def _input(layer: Any, shapes: list[tuple[int, ...]]) -> Any:
    replaced = schema.new("LayerParameter", name=layer.name, type="Input", top=layer.top, phase=layer.phase)
    for shape in shapes:
        replaced.input_param.shape.add(dim=shape)
    return replaced
