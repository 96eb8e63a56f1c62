"""A walk back through a trace, from signals at some blobs down to others, under a rule."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, cast

from ..errors import BadInput
from ..layers.arrays import Array, array_module
from ..layers.arrival import Arrival
from ..layers.convolution import Convolution
from ..layers.correlation import exactly, expecting_zeros
from ..layers.layer import Step
from .graph import Graph
from .relus import Relus
from .routine import done
from .rules import Rule
from .siblings import Doors
from .trace import Trace


class Walk:
    """The signals that a walk left, by blob: ``walk["data"]``; each has its blob's shape, or (K, *shape) for K targets.

    ``walk["conv1"]`` belongs to the blob's last version; ``walk.version("conv1", before="relu1")`` to what an in-place layer
    read. ``walk.params["conv1"][0]`` is the derivative with respect to a layer's first parameter.
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        self.signals: dict[int, Array] = {}
        self.params: dict[str, tuple[Array, ...]] = {}

    def __getitem__(self, blob: str) -> Array:
        return self.version(blob)

    def __contains__(self, blob: object) -> bool:
        return blob in self.graph.versions and self.graph.final(str(blob)) in self.signals

    def version(self, blob: str, before: str | None = None) -> Array:
        """The signal at a blob as the layer ``before`` read it; at its last version by default. Raises ``BadInput``."""
        value = self.graph.version(blob, before)
        if value not in self.signals:
            raise BadInput(f"blob {blob!r}: found no signal in this walk, expected one of {self.blobs}")
        return self.signals[value]

    def drop_target_axis(self) -> None:
        """Give every signal its blob's own shape, where there is one target."""
        self.signals = {value: signal[0] for value, signal in self.signals.items()}

    @property
    def blobs(self) -> list[str]:
        """The blobs that have a signal, in the net's order."""
        return [name for name in self.graph.versions if name in self]


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
    several = any(len(signal) > 1 for signal in starts.values())
    with exactly(graph.exact or rule.exact), expecting_zeros(several):
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
    route = graph.between(starts, wanted | _bottoms(graph, owners), given)
    if owners:
        return _walk_along(route, trace, starts, rule, wanted, owners)

    def run(arrays: tuple[dict[int, Array], dict[int, Array], dict[int, Any], dict[int, Array]]) -> dict[int, Array]:
        signals, *made = arrays
        return _walk_along(route, trace.over(*made), signals, rule, wanted, owners).signals

    form = None if trace.form is None else rule.form
    what = form and ("walk", form, trace.form, route, tuple(starts), frozenset(wanted))
    routine = graph.routines.of(what, trace.parameters, starts)
    arrays = dict(starts), trace.values, trace.saved, trace.sums
    walk = Walk(graph)
    walk.signals = done(routine, arrays, run)
    return walk


def _walk_along(
    route: Sequence[int], trace: Trace, starts: Mapping[int, Array], rule: Rule, wanted: set[int], owners: set[str]
) -> Walk:
    walker = _Walker(trace, starts, rule, wanted, owners, route)
    for number in reversed(route):
        walker.visit(number)
    return walker.done()


class _Walker:
    """A walk on its way: what is ``pending`` at each value."""

    def __init__(
        self,
        trace: Trace,
        starts: Mapping[int, Array],
        rule: Rule,
        wanted: set[int],
        owners: set[str],
        route: Sequence[int],
    ):
        self._trace, self._rule, self._wanted, self._owners = trace, rule, wanted, owners
        self._walk, self._pending = Walk(trace.graph), dict(starts)
        self._useful = wanted.union(*(trace.graph.nodes[number].tops for number in route))
        self._relus = Relus(trace.graph, trace, rule, set(route), wanted, starts)
        self._doors = Doors(trace, rule, route)

    def visit(self, number: int) -> None:
        node = self._trace.graph.nodes[number]
        if number not in self._relus.met:
            arriving = [self._pending.pop(value, None) for value in node.tops]
            at_tops = zip(node.tops, arriving, strict=True)
            self._walk.signals.update({v: s for v, s in at_tops if v in self._wanted and s is not None})
            if any(signal is not None for signal in arriving):
                self._pass_on(number, arriving)
        self._send_those_who_wait(number)

    def _pass_on(self, number: int, arriving: Sequence[Array | None]) -> None:
        node, step, rule = self._trace.graph.nodes[number], self._trace.step(number), self._rule
        signals = _complete(step, arriving)
        if node.layer.name in self._owners:
            _require(step, {"bottoms"})
            self._walk.params[node.layer.name] = tuple(node.layer.parameter_gradient(step, signals))
        if self._useful.isdisjoint(node.bottoms):
            return
        if not node.layer.differentiable:
            raise BadInput(f"{node.layer.where}: found a signal, expected a layer that has a gradient")
        _require(step, rule.reads(node.layer))
        senders = self._doors.senders(number)
        arrival: tuple[Arrival, ...] = ()
        if senders is not None:
            arrival = (Arrival(senders=senders),)
        elif rule.arrives(node.layer):
            arrival = (self._arrival(number),)
        for value, signal in zip(node.bottoms, rule.at(node.layer)(step, signals, *arrival), strict=True):
            if signal is not None and value in self._useful:
                self._arrive(value, signal)

    def _send_those_who_wait(self, number: int) -> None:
        """For this node, which may have had nothing to send itself."""
        senders = self._doors.all_there(number)
        if senders:
            node = self._trace.graph.nodes[number]
            layer, (value,) = cast(Convolution, node.layer), node.bottoms
            self._arrive(value, layer.transposed_together(senders, self._trace.shapes[value], self._arrival(number)))
            senders.clear()

    def _arrival(self, number: int) -> Arrival:
        """What a node's first signal meets."""
        value = self._trace.graph.nodes[number].bottoms[0]
        return Arrival(self._pending.pop(value, None), where=self._relus.meet(number, value))

    def _arrive(self, value: int, signal: Array) -> None:
        end, pending = self._relus.bottoms.get(value, value), self._pending
        pending[end] = pending[end] + signal if end in pending else signal

    def done(self) -> Walk:
        walk = self._walk
        walk.signals.update({value: signal for value, signal in self._pending.items() if value in self._wanted})
        walk.params = {  # what no signal reached has no influence: its derivative is zero
            layer: walk.params.get(layer) or tuple(array_module(array).zeros_like(array) for array in arrays)
            for layer, arrays in self._trace.parameters.items()
            if layer in self._owners
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
    if len(arriving) == 1:
        return list(arriving)
    known = next(signal for signal in arriving if signal is not None)
    zeros = array_module(known).zeros
    return [
        zeros((len(known), *shape), known.dtype) if signal is None else signal
        for signal, shape in zip(arriving, step.top_shapes, strict=True)
    ]
