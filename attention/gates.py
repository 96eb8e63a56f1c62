"""Passes through a net with gates, for N images and K targets at once.

A gate blob holds one number per neuron, image and target: (K, N, C, H, W). Two readings of "the network under these gates":

    recomputed    a new forward pass: ReLU masks and pooling switches follow the gated activations
    frozen        the linear approximation of the first pass (TPAMI 2018, §3.3): masks, switches and normalisers stay as the
                  first pass, with all gates open, left them

In both, nothing below the lowest gates is computed twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..errors import BadInput
from ..executor.forward import Keep, run_forward
from ..executor.graph import Graph, Node
from ..executor.net import Net
from ..executor.rules import GRADIENT, Rule, reads
from ..executor.trace import Trace
from ..executor.walk import walk_back
from ..layers.arrays import Array, array_module, everywhere, free_to_ask, multiply
from ..layers.correlation import expecting_zeros
from ..layers.layer import Step
from ..layers.relu import ReLU
from .gated_net import with_gates
from .method import Question, check_plane
from .places import image_blob
from .targets import prior

Gates = dict[str, Array]  # gate blob -> (K, N, C, H, W)


def _all_but_what_relus_read(graph: Graph, wanted: int) -> Keep:
    """No walk reads what a ReLU alone has read, where its top tells the sign; but for a ``wanted`` value."""
    keep = Keep.everything(graph)
    relus = [node for node in graph.nodes if isinstance(node.layer, ReLU) and node.layer.slope >= 0]
    keep.values.difference_update(node.bottoms[0] for node in relus if len(graph.readers[node.bottoms[0]]) == 1)
    keep.values.add(wanted)
    return keep


def of_classes(scores: Array) -> Array:
    """One number per class, (K, N, C), of scores (K, N, C, ...): the highest where there are several positions."""
    return scores.reshape(*scores.shape[:3], -1).max(-1)


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
        net = with_gates(question.net, where if isinstance(where, str) else tuple(where))
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
    def changing(self) -> set[int]:
        """The values that gates can change."""
        return {value for node in self._upper for value in node.tops}

    @cached_property
    def boundary(self) -> list[int]:
        """The values that no gate can change but that the upper part reads."""
        fixed = self.changing.union(self.net.graph.final(gate) for gate in self.gates)
        return list(dict.fromkeys(v for node in self._upper for v in node.bottoms if v not in fixed))

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
        passed = run_forward(plain, self.plain.params, given, wanted, _all_but_what_relus_read(plain, *wanted))
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

    def ends(self, end: int) -> list[int]:
        """Where a walk through a pass of the upper part ends on its way down to a value."""
        return [end] if end in self.changing else self.boundary

    def carried_on(self, found: dict[int, Array], end: int, rule: Rule) -> Array:
        """The signal at ``end``, of those ``found`` there or at the boundary: below that the first pass goes on."""
        return self._checked(found if end in self.changing else self.frozen({}).walk([end], rule, found), end)

    def _checked(self, found: dict[int, Array], end: int) -> Array:
        """The signal at the value ``end``, of an image's axes."""
        blob = self.net.graph.blobs[end]
        if end not in found:
            raise BadInput(f"at: found blob {blob!r}, expected one between the image and the score {self.score!r}")
        check_plane(blob, found[end].shape[1:])
        return found[end]

    def under(self, gates: Gates) -> Pass:
        """The net under ``gates``: without a new forward pass where they close nothing that was active, if one may ask."""
        return self.frozen(gates) if self._close_nothing(gates) else self.recomputed(gates)

    def _close_nothing(self, gates: Gates) -> bool:
        x = self.activations()
        return free_to_ask(self.image) and all(
            everywhere(lambda z, x: (z == 1) | (x == 0), z, x[gate]) for gate, z in gates.items()
        )

    def recomputed(self, gates: Gates) -> Pass:
        """A new forward pass under ``gates``, of K * N images from the lowest gates on."""
        return self.forward({**self.folded(gates), **self.below_all})

    def folded(self, gates: Gates) -> dict[int, Array]:
        """Gates as the net is given them: of K * N images."""
        return {self.net.graph.final(gate): z.reshape(-1, *z.shape[2:]) for gate, z in gates.items()}

    def forward(self, given: Mapping[int, Array]) -> Pass:
        graph = self.net.graph
        with expecting_zeros():
            trace = run_forward(graph, self.net.params, given, [graph.final(self.score)], self._kept)
        return Pass(self, trace, folded=True)

    @cached_property
    def below_all(self) -> dict[int, Array]:
        """What lies at the boundary, (K * N, ...): the same under all gates."""
        xp, below = array_module(self.image), {value: self.first.values[value] for value in self.boundary}
        return {value: xp.broadcast_to(x, (self.k, *x.shape)).reshape(-1, *x.shape[1:]) for value, x in below.items()}

    @cached_property
    def _kept(self) -> Keep:
        """What walks through a pass of the upper part may read."""
        graph = self.net.graph
        ends = [*self.boundary, *(v for gate in self.gates for v in (graph.final(gate), self.gated(gate)))]
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
        given = self.of.boundary if self.folded else ()
        with expecting_zeros():
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
        if self.folded:
            return of.carried_on(self.walk(of.ends(end), rule, starts), end, rule)
        return of._checked(self.walk([end], rule, starts), end)

    def _fold(self, signals: Mapping[int, Array]) -> dict[int, Array]:
        if not self.folded:
            return dict(signals)
        return {value: signal.reshape(1, -1, *signal.shape[2:]) for value, signal in signals.items()}

    def _unfold(self, signals: dict[int, Array]) -> dict[int, Array]:
        return {value: self.by_target(signal) for value, signal in signals.items()}

    def by_target(self, signal: Array) -> Array:
        return signal.reshape(self.of.k, -1, *signal.shape[2:]) if self.folded else signal
