"""Nets with a feedback layer over their ReLUs, and passes through them for N images and K targets at once.

A gate blob holds one number per neuron, image and target: (K, N, C, H, W). Two readings of "the network under these gates":

    recomputed    a new forward pass: ReLU masks and pooling switches follow the gated activations
    frozen        the linear approximation of the first pass (TPAMI 2018, §3.3): masks, switches and normalisers stay as the
                  first pass, with all gates open, left them

In both, nothing below the lowest gates is computed twice.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ..errors import BadInput
from ..executor.forward import Keep, run_forward
from ..executor.graph import Graph, Node
from ..executor.net import Net
from ..executor.routine import Routine
from ..executor.rules import GRADIENT, Rule, reads
from ..executor.trace import Trace
from ..executor.walk import walk_back
from ..layers.arrays import Array, Shape, array_module, everywhere, multiply
from ..layers.arrival import Arrival
from ..layers.feedback import counted, gate_gradient
from ..layers.layer import Step
from ..layers.relu import ReLU
from .method import Question, check_plane
from .places import image_blob
from .targets import prior

Gates = dict[str, Array]  # gate blob -> (K, N, C, H, W)
APART = 16  # where many lie in one array, each begins at a multiple of this


# Moves a gate blob where it lies: its state, dS/dz (both K, N, C, H, W), the sums of |dS/dz| as ``gate_gradient`` gives them, where to
# write how many gates have moved, as ``counted`` says, and a method's options.
Move = Callable[[Array, Array, Array, Array, Mapping[str, Any]], None]


class GateStep(NamedTuple):
    """A method's move with its options. Equal ones do the same, so that one record serves them."""

    function: Move
    options: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, function: Move, options: Mapping[str, Any]) -> GateStep:
        return cls(function, tuple((name, value) for name, value in options.items() if isinstance(value, Hashable)))

    def __call__(self, z: Array, gradient: Array, sums: Array, moved: Array) -> None:
        self.function(z, gradient, sums, moved, dict(self.options))


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


def _with_gates(net: Net, where: str | tuple[str, ...]) -> Net:
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


def _all_but_what_relus_read(graph: Graph) -> Keep:
    """No walk reads what a ReLU alone has read, where its top tells the sign."""
    keep = Keep.everything(graph)
    relus = [node for node in graph.nodes if isinstance(node.layer, ReLU) and node.layer.slope >= 0]
    keep.values.difference_update(node.bottoms[0] for node in relus if len(graph.readers[node.bottoms[0]]) == 1)
    return keep


def of_classes(scores: Array) -> Array:
    """One number per class, (K, N, C), of scores (K, N, C, ...): the highest where there are several positions."""
    return scores.reshape(*scores.shape[:3], -1).max(-1)


def same(gates: Gates, others: Gates) -> bool:
    """Whether no gate differs."""
    return all(everywhere(operator.eq, z, others[gate]) for gate, z in gates.items())


@dataclass(frozen=True)
class Gated:
    """A net, ``plain`` and with gates, N images (N, C, H, W) and K targets for each (N, K), and its first pass with all gates open.

    ``positions`` (N, K, 2): those of hidden neurons, where the targets are channels of a hidden blob ``score``.
    """

    plain: Net
    net: Net
    image: Array
    targets: np.ndarray
    score: str
    positions: np.ndarray | None = None

    @classmethod
    def over(cls, question: Question, where: str | Sequence[str] = "all") -> Gated:
        """What a method is asked, with gates over the ReLUs ``where``."""
        net = _with_gates(question.net, where if isinstance(where, str) else tuple(where))
        return cls(question.net, net, question.image, question.targets, question.score, question.positions)

    # -- where the gates are ----------------------------------------------------------------------------------------

    @cached_property
    def gates(self) -> dict[str, int]:
        """Gate blob -> the node of its feedback layer, from the image upwards; only gates that the score depends on."""
        graph = self.net.graph
        route = graph.needed_for([graph.final(self.score)])
        nodes = {number: graph.nodes[number] for number in route if graph.nodes[number].layer.type == "Feedback"}
        found = {graph.blobs[node.bottoms[1]]: number for number, node in nodes.items() if len(node.bottoms) == 2}
        if not found:
            raise BadInput(
                f"score {self.score!r}: found no ReLU below it to put a gate on, expected one (see the option where)"
            )
        return found

    def gated(self, gate: str) -> int:
        """The value y = z ∘ x over which ``gate`` stands."""
        return self.net.graph.nodes[self.gates[gate]].tops[0]

    def below(self, gate: str) -> int:
        """The value x that ``gate`` multiplies."""
        return self.net.graph.nodes[self.gates[gate]].bottoms[0]

    @cached_property
    def _upper(self) -> list[Node]:
        """The layers, in order, whose tops gates can change: the part that each pass computes anew."""
        graph = self.net.graph
        changed = {graph.final(gate) for gate in self.gates}
        upper = []
        for number in graph.needed_for([graph.final(self.score)]):
            if changed.intersection(graph.nodes[number].bottoms):
                upper.append(graph.nodes[number])
                changed.update(graph.nodes[number].tops)
        return upper

    @cached_property
    def _changing(self) -> set[int]:
        """The values that gates can change."""
        return {value for node in self._upper for value in node.tops}

    @cached_property
    def _boundary(self) -> list[int]:
        """The values that no gate can change but that the upper part reads."""
        fixed = self._changing.union(self.net.graph.final(gate) for gate in self.gates)
        return list(dict.fromkeys(v for node in self._upper for v in node.bottoms if v not in fixed))

    @cached_property
    def rectified(self) -> bool:
        """Whether there are gates only over what is not negative: those that are open where it is positive close nothing then."""
        makers = (self.net.graph.nodes[self.net.graph.makers[self.below(gate)]].layer for gate in self.gates)
        return all(isinstance(layer, ReLU) and not layer.slope for layer in makers)

    @cached_property
    def _lowest(self) -> set[str]:
        """The feedback layers below which there are no gates."""
        nodes = (self.net.graph.nodes[number] for number in self.gates.values())
        return {node.layer.name for node in nodes if node.bottoms[0] in self._boundary}

    @property
    def scores(self) -> Array:
        """The score blob of the first pass: (N, C, ...)."""
        return self.first.values[self.net.graph.final(self.score)]

    # -- passes ---------------------------------------------------------------------------------------------------------

    @property
    def k(self) -> int:
        return self.targets.shape[1]

    @cached_property
    def first(self) -> Trace:
        """The first pass (N images), all gates open, with all that a walk may read: the net's own, where a gate's y is its x."""
        plain, graph = self.plain.graph, self.net.graph
        wanted, given = [plain.final(self.score)], {plain.given(image_blob(self.plain)): self.image}
        passed = run_forward(plain, self.plain.params, given, wanted, _all_but_what_relus_read(plain))
        trace = Trace(graph, self.net.params, [None] * len(graph.blobs))
        for value, own in self._origins.items():
            trace.shapes[value] = passed.shapes[own]
            if own in passed.values:
                trace.values[value] = passed.values[own]
        trace.saved = {graph.by_name[plain.nodes[own].layer.name]: saved for own, saved in passed.saved.items()}
        xp = array_module(self.image)
        for gate in self.gates:
            value, y = graph.final(gate), trace.values[self.gated(gate)]
            trace.shapes[value], trace.values[value] = y.shape, xp.broadcast_to(xp.ones((), y.dtype), y.shape)
        trace.given = frozenset(graph.inputs.values())
        trace.form = passed.form and ("open", passed.form)
        return trace

    @cached_property
    def _origins(self) -> dict[int, int]:
        """Value of the net with gates -> value of the plain net, which is the same while they are open."""
        plain, graph, found = self.plain.graph, self.net.graph, dict[int, int]()
        for node in graph.nodes:
            if node.layer.name in plain.by_name:
                found.update(zip(node.tops, plain.nodes[plain.by_name[node.layer.name]].tops, strict=True))
            elif node.layer.type == "Feedback":
                found[node.tops[0]] = found[node.bottoms[0]]
        return found

    def open(self) -> Gates:
        """All gates open, for every target."""
        return {gate: array_module(x).ones((self.k, *x.shape), x.dtype) for gate, x in self.activations().items()}

    def activations(self) -> dict[str, Array]:
        """x of the first pass below each gate: (N, C, H, W)."""
        return {gate: self.first.values[self.below(gate)] for gate in self.gates}

    def unset(self) -> Array:
        """Room for all gates of all targets, in one array: see ``parts``."""
        return array_module(self.image).empty((self._places[1],), self.image.dtype)

    def parts(self, gates: Array) -> Gates:
        """What belongs to each gate blob of such an array."""
        return {gate: gates[slice(*part)].reshape(shape) for gate, (part, shape) in self._places[0].items()}

    @cached_property
    def _places(self) -> tuple[dict[str, tuple[tuple[int, int], Shape]], int]:
        """Where each gate blob lies, from where to where, and its shape, (K, N, C, H, W); and how many numbers there are in all."""
        places, end = {}, 0
        for gate, x in self.activations().items():
            shape = (self.k, *x.shape)
            places[gate] = (end, end + math.prod(shape)), shape
            end += -(-math.prod(shape) // APART) * APART
        return places, end

    def climb(self, gates: Array, step: GateStep, first: bool = False) -> tuple[bool, Array]:
        """Moves all ``gates`` at once, by a ``step`` each, where they lie. Returns whether any has moved, and the class scores
        (K, N, C) of the pass under the gates as they were; ``first``: they closed nothing that was active, so that it is the first pass.
        """
        moved, scores = self._climbed(gates, step, first)
        return bool(moved.any()), of_classes(scores)

    def _climbed(self, gates: Array, step: GateStep, first: bool) -> tuple[Array, Array]:
        if first:
            passed = self.frozen(self.parts(gates))
            return passed.move(step), passed.scores()
        return self._passed(gates, ("move", step), lambda passed, signal: (passed.move(step, signal), passed.scores()))

    def carried(self, gates: Array, rule: Rule, at: str | None = None) -> tuple[Array, Array]:
        """The targets' signal at the image, or at the blob ``at`` (K, N, C, H, W), under such gates, carried by ``rule``; and the class
        scores (K, N, C). Raises ``BadInput`` as ``Pass.to_image`` does."""
        end, score = self.net.graph.given(at or image_blob(self.net)), self.net.graph.final(self.score)
        ends = [end] if end in self._changing else self._boundary
        what = rule.form and ("carry", rule.form, tuple(ends))

        def carry(passed: Pass, signal: Array | None) -> tuple[dict[int, Array], Array]:
            return passed.walk(ends, rule, None if signal is None else {score: signal}), passed.scores()

        found, scores = self._passed(gates, what, carry)
        if end not in self._changing:
            found = self.frozen({}).walk([end], rule, found)
        return self._checked(found, end), of_classes(scores)

    def _passed(self, gates: Array, what: Hashable, work: Callable[[Pass, Array | None], Any]) -> Any:
        """``work`` on a new forward pass under ``gates`` and with the targets' signal at its scores, ``None`` where it hangs on these;
        ``what``: it is, for all but the arrays."""
        if self._prior is None:
            return work(self.recomputed(self.parts(gates)), None)

        def all_of_it(arrays: tuple[Array, dict[int, Array], Array]) -> Any:
            gates, below, signal = arrays
            return work(self._forward({**self._folded(self.parts(gates)), **below}), signal)

        if what not in self._routines:  # the arrays of all passes look the same
            told = what and ("under gates", what, self.score, tuple(self._places[0].items()))
            looks = dict(enumerate((gates, *self._below_all.values())))
            self._routines[what] = self.net.graph.routines.of(told, self.net.params, looks)
        routine, arrays = self._routines[what], (gates, self._below_all, self._prior)
        return routine(arrays, all_of_it) if routine else all_of_it(arrays)

    def _checked(self, found: dict[int, Array], end: int) -> Array:
        """The signal at the value ``end``, of an image's axes."""
        blob = self.net.graph.blobs[end]
        if end not in found:
            raise BadInput(f"at: found blob {blob!r}, expected one between the image and the score {self.score!r}")
        check_plane(blob, found[end].shape[1:])
        return found[end]

    @cached_property
    def _counts(self) -> tuple[dict[str, tuple[slice, Shape]], int]:
        """Where it is counted how many gates a feedback layer has moved, in which shape; and how many such numbers there are."""
        counts, end = {}, 0
        for gate, (_, shape) in self._places[0].items():
            rows = counted(shape)
            counts[self.net.graph.nodes[self.gates[gate]].layer.name] = slice(end, end + math.prod(rows)), rows
            end += math.prod(rows)
        return counts, end

    @cached_property
    def _routines(self) -> dict[Hashable, Routine | None]:
        """What ``_passed`` has done before."""
        return {}

    @cached_property
    def _prior(self) -> Array | None:
        """The targets' signal (K, N, C, ...) where it hangs on no scores; else ``None``."""
        scores = self.scores
        if self.positions is None and scores.size != math.prod(scores.shape[:2]):
            return None
        return Pass(self, self.first, folded=False).prior()

    def under(self, gates: Gates) -> Pass:
        """The net under ``gates``: without a new forward pass where they close nothing that was active."""
        x = self.activations()
        unchanged = all(everywhere(lambda z, x: (z == 1) | (x == 0), z, x[gate]) for gate, z in gates.items())
        return self.frozen(gates) if unchanged else self.recomputed(gates)

    def recomputed(self, gates: Gates) -> Pass:
        """A new forward pass under ``gates``, of K * N images from the lowest gates on."""
        return self._forward({**self._folded(gates), **self._below_all})

    def _folded(self, gates: Gates) -> dict[int, Array]:
        """Gates as the net is given them: of K * N images."""
        return {self.net.graph.final(gate): z.reshape(-1, *z.shape[2:]) for gate, z in gates.items()}

    def _forward(self, given: Mapping[int, Array]) -> Pass:
        graph = self.net.graph
        trace = run_forward(graph, self.net.params, given, [graph.final(self.score)], self._kept)
        return Pass(self, trace, folded=True)

    @cached_property
    def _below_all(self) -> dict[int, Array]:
        """What lies at the boundary, (K * N, ...): the same under all gates."""
        xp, below = array_module(self.image), {value: self.first.values[value] for value in self._boundary}
        return {value: xp.broadcast_to(x, (self.k, *x.shape)).reshape(-1, *x.shape[1:]) for value, x in below.items()}

    @cached_property
    def _kept(self) -> Keep:
        """What walks through a pass of the upper part may read."""
        graph = self.net.graph
        ends = [*self._boundary, *(v for gate in self.gates for v in (graph.final(gate), self.gated(gate)))]
        keep = Keep.for_walk(graph, [graph.final(self.score)], ends, GRADIENT, ())
        keep.values.update(ends)
        keep.values.update(self.below(gate) for gate in self.gates)
        return keep

    def frozen(self, gates: Gates) -> Pass:
        """The linear approximation of the first pass, under ``gates``."""
        graph, first = self.net.graph, self.first
        values = {**first.values, **{graph.final(gate): z for gate, z in gates.items()}}
        trace = first.over(values, first.saved, first.sums)
        trace.form = first.form and ("frozen", first.form, tuple(gates))
        return Pass(self, trace, folded=False)


@reads("bottoms", recordable=True)
def through_gate(step: Step, signals: Sequence[Array]) -> list[Array | None]:
    """Down a walk, dS/dx = z dS/dy. Nobody walks to the gates themselves: dS/dz = x dS/dy comes from what arrives here."""
    return [multiply(signals[0], step.bottoms[1]), None]


@dataclass(frozen=True)
class Pass:
    """A net under some gates, ready for walks. ``folded``: its K * N images have one signal each, (1, K * N, ...); otherwise
    N images have K signals each, (K, N, ...). Both look the same from outside."""

    of: Gated
    trace: Trace
    folded: bool

    def contributions(self) -> Gates:
        """The contribution weights a = dS/dy of all gated neurons, without their own gates: (K, N, C, H, W). They are 0 where
        nothing contributes, not only nearly so."""
        found = self.walk([self.of.gated(gate) for gate in self.of.gates], replace(GRADIENT, exact=True))
        return {gate: found[self.of.gated(gate)] for gate in self.of.gates}

    def move(self, step: GateStep, prior: Array | None = None) -> Array:
        """Moves its gates by a ``step``, all at once, where they lie, and returns how many have moved, in parts. ``prior``: the
        targets' signal, where it is known."""
        of, starts = self.of, {self.of.net.graph.final(self.of.score): self.prior() if prior is None else prior}

        def climb(arrays: tuple[dict[int, Array], dict[int, Array], dict[int, Any]]) -> Array:
            priors, values, saved = arrays
            signal = next(iter(priors.values()))
            moved = array_module(signal).empty((of._counts[1],), signal.dtype)

            @reads("bottoms", arrives=lambda layer: True)
            def both(met: Step, signals: Sequence[Array], arrival: Arrival) -> list[Array | None]:
                (x, z), rectified = met.bottoms, arrival.where is met.bottoms[0] and arrival.onto is None
                down, g, sums = gate_gradient(x, z, signals[0], rectified, ends=met.layer.name in of._lowest)
                g = self._by_target(g)
                part, shape = of._counts[0][met.layer.name]
                step(z.reshape(g.shape), g, sums, moved[part].reshape(shape))
                return [down if rectified or down is None else arrival.at(down), None]

            passed = replace(self, trace=self.trace.over(values, saved, {}))
            passed.walk(of._boundary, replace(GRADIENT, table={"Feedback": both}), priors)
            return moved

        trace = self.trace
        what = trace.form and ("climb", trace.form, tuple(starts), step)
        routine = trace.graph.routines.of(what, trace.parameters, starts)
        arrays = starts, trace.values, trace.saved
        return routine(arrays, climb) if routine else climb(arrays)

    def activations(self) -> Gates:
        """x below each gate: (K, N, C, H, W), or (1, N, C, H, W) where it is the first pass's."""
        below = {gate: self.trace.values[self.of.below(gate)] for gate in self.of.gates}
        return {gate: x.reshape(self.of.k if self.folded else 1, -1, *x.shape[1:]) for gate, x in below.items()}

    def scores(self) -> Array:
        """All class scores: (K, N, C, ...). A frozen pass has those of the first pass."""
        scores = self.trace.values[self.of.net.graph.final(self.of.score)]
        if self.folded:
            return scores.reshape(self.of.k, -1, *scores.shape[1:])
        return array_module(scores).broadcast_to(scores, (self.of.k, *scores.shape))

    def class_scores(self) -> Array:
        """One number per class, (K, N, C): a class's highest score where it has several positions."""
        return of_classes(self.scores())

    def prior(self) -> Array:
        """The top-down signal of the targets, (K, N, C, ...)."""
        scores, targets, positions = self.scores(), self.of.targets, self.of.positions
        parts = []
        for k in range(self.of.k):  # each target has scores of its own
            there = None if positions is None else positions[:, k : k + 1]
            parts.append(prior(scores[k], targets[:, k : k + 1], there))
        return array_module(scores).concatenate(parts)

    def walk(
        self, ends: Sequence[int], rule: Rule = GRADIENT, starts: Mapping[int, Array] | None = None
    ) -> dict[int, Array]:
        """Signals (K, N, ...) at the values ``ends``, from the targets' scores or from ``starts``."""
        graph = self.of.net.graph
        signals = self._fold(starts if starts is not None else {graph.final(self.of.score): self.prior()})
        rule = replace(rule, table={"Feedback": through_gate, **rule.table})
        given = self.of._boundary if self.folded else ()
        found = walk_back(graph, self.trace, signals, rule, ends, parameters=False, given=given).signals
        return self._unfold({value: found[value] for value in ends if value in found})

    def to_image(
        self, rule: Rule = GRADIENT, starts: Mapping[int, Array] | None = None, at: str | None = None
    ) -> Array:
        """The signal at the image, or at the blob ``at``: (K, N, C, H, W). Below the gates the first pass goes on.

        Raises ``BadInput`` where ``at`` has no signal, or not 4 axes.
        """
        graph, of = self.of.net.graph, self.of
        end = graph.given(at or image_blob(of.net))
        if self.folded and end not in of._changing:
            found = of.frozen({}).walk([end], rule, self.walk(of._boundary, rule, starts))
        else:
            found = self.walk([end], rule, starts)
        return of._checked(found, end)

    def _fold(self, signals: Mapping[int, Array]) -> dict[int, Array]:
        if not self.folded:
            return dict(signals)
        return {value: signal.reshape(1, -1, *signal.shape[2:]) for value, signal in signals.items()}

    def _unfold(self, signals: dict[int, Array]) -> dict[int, Array]:
        return {value: self._by_target(signal) for value, signal in signals.items()}

    def _by_target(self, signal: Array) -> Array:
        return signal.reshape(self.of.k, -1, *signal.shape[2:]) if self.folded else signal
