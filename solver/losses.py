"""Which blobs of a net are losses, and how much each counts."""

from __future__ import annotations

from typing import Any

from ..caffe_models import schema
from ..errors import BadInput
from ..executor.graph import Graph


def with_loss_tops(message: Any) -> Any:
    """A copy of a net's message in which every loss has a top: Caffe, too, gives one to a loss without any."""
    message = schema.copy(message)
    taken = {top for layer in message.layer for top in layer.top}
    for layer in message.layer:
        if layer.type.endswith("Loss") and not layer.top:
            layer.top.append(layer.name if layer.name not in taken else f"{layer.name} (automatic)")
    return message


def loss_weights(graph: Graph) -> dict[str, float]:
    """Blob -> its ``loss_weight``, where that is not 0; by default 1 for a loss layer's first top. Raises ``BadInput``."""
    weights: dict[str, float] = {}
    for node in graph.nodes:
        layer, tops = node.layer, list(node.layer.message.top)
        given = list(layer.message.loss_weight) or ([1.0] * layer.is_loss + [0.0] * len(tops))[: len(tops)]
        if len(given) != len(tops):
            raise layer.refuse("loss_weight", f"{len(given)} numbers", f"{len(tops)}, one for each top, or none")
        weights |= {top: weight for top, weight in zip(tops, given, strict=True) if weight}
    return weights


def training_losses(graph: Graph) -> dict[str, float]:
    """The same for a net to be trained, which must have a loss."""
    weights = loss_weights(graph)
    if not weights:
        source = f"{graph.source}: " if graph.source else ""
        raise BadInput(
            f"{source}layer: found no loss, expected a loss layer, or a top with a loss_weight, in phase TRAIN"
        )
    return weights
