"""A walk back through a trace, from signals at some blobs down to others, under a rule."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

from ..errors import BadInput
from ..layers.arrays import Array, array_module
from ..layers.arrival import Arrival
from ..layers.correlation import exactly
from ..layers.layer import Step
from .graph import Graph
from .relus import Relus
from .rules import Rule
from .trace import Trace


class Walk:
    """The signals that a walk left, by blob: ``walk["data"]``; each has its blob's shape, or (K, *shape) for K targets.

    ``walk["conv1"]`` belongs to the blob's last version; ``walk.version("conv1", before="relu1")`` to what an in-place layer
    read. ``walk.params["conv1"][0]`` is the derivative with respect to a layer's first parameter.
    """

    def __init__(self, graph: Graph):
        self._graph = graph
        self.signals: dict[int, Array] = {}
        self.params: dict[str, tuple[Array, ...]] = {}

    def __getitem__(self, blob: str) -> Array:
        return self.version(blob)

    def __contains__(self, blob: object) -> bool:
        return blob in self._graph.versions and self._graph.final(str(blob)) in self.signals

    def version(self, blob: str, before: str | None = None) -> Array:
        """The signal at a blob as the layer ``before`` read it; at its last version by default. Raises ``BadInput``."""
        value = self._graph.version(blob, before)
        if value not in self.signals:
            raise BadInput(f"blob {blob!r}: found no signal in this walk, expected one of {self.blobs}")
        return self.signals[value]

    def drop_target_axis(self) -> None:
        """Give every signal its blob's own shape, where there is one target."""
        self.signals = {value: signal[0] for value, signal in self.signals.items()}

    @property
    def blobs(self) -> list[str]:
        """The blobs that have a signal, in the net's order."""
        return [name for name in self._graph.versions if name in self]


def walk_back(
    graph: Graph,
    trace: Trace,
    starts: Mapping[int, Array],
    rule: Rule,
    ends: Iterable[int],
    parameters: Collection[str] | Literal[False] = False,
    given: Iterable[int] = (),
) -> Walk:
    """Carry ``starts`` (value -> (K, *shape)) down to the values ``ends``, and to the ``parameters`` of the layers it names.

    A value's signal is the sum over all who read it, complete when its maker's turn comes; then it is passed on and, unless
    it is wanted, dropped. The walk ends at values that were ``given`` to the forward pass, though others may lie below them.
    """
    with exactly(graph.exact or rule.exact):
        return _walk_back(graph, trace, starts, rule, set(ends), set(parameters or ()), given)


def _walk_back(
    graph: Graph,
    trace: Trace,
    starts: Mapping[int, Array],
    rule: Rule,
    wanted: set[int],
    owners: set[str],
    given: Iterable[int],
) -> Walk:
    walk = Walk(graph)
    route = graph.between(starts, wanted | _bottoms(graph, owners), given)
    useful = wanted.union(*(graph.nodes[number].tops for number in route))
    pending, relus = dict(starts), Relus(graph, trace, rule, set(route), wanted, starts)
    for number in reversed(route):
        node = graph.nodes[number]
        if number in relus.met:
            continue
        arriving = [pending.pop(value, None) for value in node.tops]
        walk.signals.update({v: s for v, s in zip(node.tops, arriving, strict=True) if v in wanted and s is not None})
        if all(signal is None for signal in arriving):
            continue
        step = trace.step(number)
        signals = _complete(step, arriving)
        if node.layer.name in owners:
            _require(step, {"bottoms"})
            walk.params[node.layer.name] = tuple(node.layer.parameter_gradient(step, signals))
        if useful.isdisjoint(node.bottoms):
            continue
        if not node.layer.differentiable:
            raise BadInput(f"{node.layer.where}: found a signal, expected a layer that has a gradient")
        _require(step, rule.reads(node.layer))
        arrival: tuple[Arrival, ...] = ()
        if rule.arrives(node.layer):
            value = node.bottoms[0]
            arrival = (Arrival(pending.pop(value, None), where=relus.meet(number, value)),)
        for value, signal in zip(node.bottoms, rule.at(node.layer)(step, signals, *arrival), strict=True):
            if signal is not None and value in useful:
                end = relus.bottoms.get(value, value)
                pending[end] = pending[end] + signal if end in pending else signal
    walk.signals.update({value: signal for value, signal in pending.items() if value in wanted})
    walk.params = {  # what no signal reached has no influence: its derivative is zero
        layer: walk.params.get(layer) or tuple(array_module(array).zeros_like(array) for array in arrays)
        for layer, arrays in trace.parameters.items()
        if layer in owners
    }
    return walk


def _bottoms(graph: Graph, owners: Collection[str]) -> set[int]:
    """The bottoms of these layers: as far as a walk for their parameters' sake must get."""
    return {value for node in graph.nodes if node.layer.name in owners for value in node.bottoms}


def _require(step: Step, parts: Iterable[str]) -> None:
    """Refuse a walk over a step whose arrays were freed."""
    for part in parts:
        content = getattr(step, part)
        if content is None or (part != "saved" and any(array is None for array in content)):
            raise BadInput(
                f"{step.layer.where}: found its {part} freed, expected a forward pass that keeps what the walk reads: "
                "name the rule and `to` there, or ask for no particular blobs"
            )


def _complete(step: Step, arriving: Sequence[Array | None]) -> list[Array]:
    """The signals at all tops, zero where none arrived."""
    known = next(signal for signal in arriving if signal is not None)
    zeros = array_module(known).zeros
    return [
        zeros((len(known), *shape), known.dtype) if signal is None else signal
        for signal, shape in zip(arriving, step.top_shapes, strict=True)
    ]
