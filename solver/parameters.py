"""The arrays that training changes: weights with their multipliers and history, in the order of Caffe's ``learnable_params``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..executor.graph import Graph
from ..executor.parameters import Shared, Specs, shared_parameters
from ..layers.arrays import Array
from ..layers.fillers import fill
from ..layers.layer import ParameterSpec


@dataclass(frozen=True)
class Parameter:
    """One array that a layer owns, changed in place. ``history``: as many arrays of its shape as the solver's update has."""

    layer: str
    index: int
    array: Array
    lr_mult: float
    decay_mult: float
    history: list[Array] = field(default_factory=list)


def initial_arrays(graph: Graph, specs: Specs, seed: int) -> dict[str, list[np.ndarray]]:
    """Layer -> arrays as their fillers draw them from ``seed``; zeros where there is none, as in Caffe."""
    rng = np.random.default_rng(seed)
    return {
        layer: [fill(spec.filler, spec.shape, rng, where=graph.nodes[graph.node(layer)].layer.where) for spec in own]
        for layer, own in specs.items()
    }


def unfilled(specs: Specs) -> list[str]:
    """The layers whose weights have no filler, and so start as zeros."""
    return [layer for layer, own in specs.items() if any(map(_starts_as_zeros, own))]


def learnable(graph: Graph, specs: Specs, arrays: Mapping[str, Sequence[Array]]) -> Iterator[Parameter]:
    """Every parameter that a layer owns, with the multipliers of all who share it. Raises ``BadInput`` where these differ."""
    borrowed = {(shared.layer, shared.number): shared for shared in shared_parameters(graph)}
    for layer, own in specs.items():
        for index, spec in enumerate(own):
            if (layer, index) in borrowed:
                continue
            users = [s for s in borrowed.values() if (s.owner, s.owner_number) == (layer, index)]
            yield Parameter(
                layer=layer,
                index=index,
                array=arrays[layer][index],
                lr_mult=_multiplier(graph, "lr_mult", layer, index, users)
                if spec.learnt
                else _frozen(graph, layer, index),
                decay_mult=_multiplier(graph, "decay_mult", layer, index, users),
            )


def learning_layers(graph: Graph, parameters: Sequence[Parameter]) -> list[str]:
    """The layers whose gradients training needs: those that own or share a parameter with a learning rate."""
    learning = {(parameter.layer, parameter.index) for parameter in parameters if parameter.lr_mult}
    layers = {layer for layer, _ in learning}
    layers |= {s.layer for s in shared_parameters(graph) if (s.owner, s.owner_number) in learning}
    return [layer for layer in graph.by_name if layer in layers]


def _starts_as_zeros(spec: ParameterSpec) -> bool:
    return len(spec.shape) > 1 and (spec.filler is None or not spec.filler.ByteSize())


def _multiplier(graph: Graph, name: str, layer: str, index: int, users: Sequence[Shared]) -> float:
    """``lr_mult`` or ``decay_mult`` as the owner says it, or one who shares; 1 where nobody does."""
    stated: dict[float, str] = {}
    for user, number in [(layer, index), *((shared.layer, shared.number) for shared in users)]:
        message = _message(graph, user, number)
        if message is not None and message.HasField(name):
            stated.setdefault(getattr(message, name), user)
    if len(stated) > 1:
        (first, owner), (second, other) = list(stated.items())[:2]
        raise graph.nodes[graph.node(other)].layer.refuse(f"param.{name}", second, f"{first}, as {owner!r} shares it")
    return next(iter(stated), 1.0)


def _frozen(graph: Graph, layer: str, index: int) -> float:
    """0 for statistics, which no gradient may change: nothing else may be said of them, as in Caffe."""
    message = _message(graph, layer, index)
    if message is not None and message.lr_mult != 0:
        where = graph.nodes[graph.node(layer)].layer
        raise where.refuse("param.lr_mult", message.lr_mult, "0: statistics are not learnt")
    return 0.0


def _message(graph: Graph, layer: str, index: int) -> Any:
    """The ``param { ... }`` message of a parameter, if the layer has one."""
    messages = graph.nodes[graph.node(layer)].layer.message.param
    return messages[index] if index < len(messages) else None
