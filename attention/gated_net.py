"""Nets with a feedback layer over their ReLUs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from ..errors import BadInput
from ..executor.graph import Graph, Node
from ..executor.net import Net

WHERE: dict[str, Callable[[Graph, Node], bool]] = {
    "all": lambda graph, node: True,
    "conv": lambda graph, node: not from_inner_product(graph, node.bottoms[0]),
}


def from_inner_product(graph: Graph, value: int) -> bool:
    """Whether a value comes from a fully connected layer (through what works on its numbers one by one)."""
    maker = graph.nodes[graph.makers[value]]
    while maker.layer.type in ("ReLU", "BatchNorm", "Scale", "Bias", "Dropout", "LRN", "Feedback"):
        maker = graph.nodes[graph.makers[maker.bottoms[0]]]
    return maker.layer.type == "InnerProduct"


def insert_feedback(net: Net, where: str | Sequence[str] = "all") -> Net:
    """The net with a ``Feedback`` layer, and an input blob ``<relu>_gates``, over its ReLUs; the weights are shared.

    ``where``: ``all``; ``conv``, that is all but those fed by fully connected layers (Look and Think Twice, §3.4); or names
    of ReLU layers. A Feedback layer that the prototxt has already gets its gates and is not doubled.
    """
    chosen = _chosen(net.graph, where)
    message = type(net.message)()
    message.CopyFrom(net.message)
    del message.layer[:]
    for layer in net.message.layer:
        if layer.type == "Feedback" and len(layer.bottom) == 1:
            relu = layer.name.removesuffix("_feedback")
            _add_gates(message, relu)
            message.layer.add().CopyFrom(layer)
            message.layer[-1].bottom.append(f"{relu}_gates")
            continue
        message.layer.add().CopyFrom(layer)
        if layer.name in chosen:
            _add_gates(message, layer.name)
            top = layer.top[0]
            message.layer.add(
                name=f"{layer.name}_feedback", type="Feedback", bottom=[top, f"{layer.name}_gates"], top=[top]
            )
    return Net(Graph(message, net.graph.source, net.graph.exact), net.params, message, str(net.dtype), net.device.name)


KEPT = 8  # of a net
_gated: WeakKeyDictionary[Net, dict[str | tuple[str, ...], Net]] = WeakKeyDictionary()


def with_gates(net: Net, where: str | tuple[str, ...]) -> Net:
    """``insert_feedback``, once for each net: what it remembers of its passes serves the next images."""
    known = _gated.setdefault(net, {})
    if where not in known:
        if len(known) >= KEPT:
            known.clear()
        known[where] = insert_feedback(net, where)
    return known[where]


def _chosen(graph: Graph, where: str | Sequence[str]) -> set[str]:
    relus = {node.layer.name: node for node in graph.nodes if node.layer.type == "ReLU"}
    gated = {node.bottoms[0] for node in graph.nodes if node.layer.type == "Feedback"}
    if isinstance(where, str):
        if where not in WHERE:
            raise BadInput(f"where: found {where!r}, expected one of {list(WHERE)} or names of ReLU layers")
        names = {name for name, node in relus.items() if WHERE[where](graph, node)}
    else:
        names = set(where)
        unknown = names - set(relus)
        if unknown:
            raise BadInput(f"where: found {sorted(unknown)}, expected names of ReLU layers: {sorted(relus)}")
    return {name for name in names if relus[name].tops[0] not in gated}


def _add_gates(message: Any, relu: str) -> None:
    message.layer.add(name=f"{relu}_gates", type="Input", top=[f"{relu}_gates"])
