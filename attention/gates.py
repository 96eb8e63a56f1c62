"""Nets with a feedback layer over their ReLUs, and passes through them for N images and K targets at once.

A gate blob holds one number per neuron, image and target: (K, N, C, H, W). Two readings of "the network under these gates":

    recomputed    a new forward pass: ReLU masks and pooling switches follow the gated activations
    frozen        the linear approximation of the first pass (TPAMI 2018, §3.3): masks, switches and normalisers stay as the
                  first pass, with all gates open, left them

In both, nothing below the lowest gates is computed twice.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import BadInput
from ..executor.forward import Keep, run_forward
from ..executor.graph import Graph, Node
from ..executor.net import Net
from ..executor.rules import GRADIENT, Rule, reads
from ..executor.trace import Trace
from ..executor.walk import walk_back
from ..layers.arrays import Array, Shape, array_module, everywhere, multiply
from ..layers.arrival import Arrival
from ..layers.feedback import gate_gradient
from ..layers.input import Input
from ..layers.layer import Step
from .method import Question, check_plane
from .places import image_blob
from .targets import prior

Gates = dict[str, Array]  # gate blob -> (K, N, C, H, W)

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


def same(gates: Gates, others: Gates) -> bool:
    """Whether no gate differs."""
    return all(everywhere(operator.eq, z, others[gate]) for gate, z in gates.items())


@dataclass(frozen=True)
class Gated:
    """A net with gates, N images (N, C, H, W) and K targets for each (N, K), and its first pass with all gates open.

    ``positions`` (N, K, 2): those of hidden neurons, where the targets are channels of a hidden blob ``score``.
    """

    net: Net
    image: Array
    targets: np.ndarray
    score: str
    positions: np.ndarray | None = None

    @classmethod
    def over(cls, question: Question, where: str | Sequence[str] = "all") -> Gated:
        """What a method is asked, with gates over the ReLUs ``where``."""
        net = insert_feedback(question.net, where)
        return cls(net, question.image, question.targets, question.score, question.positions)

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
        """The first pass (N images), all gates open, with all that a walk may read."""
        graph = self.net.graph
        xp = array_module(self.image)
        one = xp.ones((), self.net.dtype)
        given = {graph.final(gate): xp.broadcast_to(one, shape) for gate, shape in self._gate_shapes().items()}
        given[graph.given(image_blob(self.net))] = self.image
        return run_forward(graph, self.net.params, given, [graph.final(self.score)], Keep.everything(graph))

    def _gate_shapes(self) -> dict[str, Shape]:
        """What the gates' shapes are for these images: those of the ReLUs below them."""
        graph = self.net.graph
        shapes: dict[int, Shape] = {graph.given(image_blob(self.net)): tuple(self.image.shape)}
        for number in graph.needed_for([graph.final(self.score)]):
            node = graph.nodes[number]
            if isinstance(node.layer, Input):
                for value in node.tops:
                    if value not in shapes and graph.blobs[value] not in self.gates:
                        raise BadInput(
                            f"input {graph.blobs[value]!r}: found only an image given, expected an array for it"
                        )
                continue
            data = node.bottoms[:1] if node.layer.type == "Feedback" else node.bottoms
            for value, shape in zip(node.tops, node.layer.top_shapes([shapes[value] for value in data]), strict=True):
                shapes[value] = tuple(shape)
        return {gate: shapes[self.gated(gate)] for gate in self.gates}

    def open(self) -> Gates:
        """All gates open, for every target."""
        return {gate: array_module(x).ones((self.k, *x.shape), x.dtype) for gate, x in self.activations().items()}

    def activations(self) -> dict[str, Array]:
        """x of the first pass below each gate: (N, C, H, W)."""
        return {gate: self.first.values[self.below(gate)] for gate in self.gates}

    def under(self, gates: Gates) -> Pass:
        """The net under ``gates``: without a new forward pass where they close nothing that was active."""
        x = self.activations()
        unchanged = all(everywhere(lambda z, x: (z == 1) | (x == 0), z, x[gate]) for gate, z in gates.items())
        return self.frozen(gates) if unchanged else self.recomputed(gates)

    def recomputed(self, gates: Gates) -> Pass:
        """A new forward pass under ``gates``, of K * N images from the lowest gates on."""
        graph, xp = self.net.graph, array_module(self.image)
        given = {graph.final(gate): z.reshape(-1, *z.shape[2:]) for gate, z in gates.items()}
        for value in self._boundary:
            x = self.first.values[value]
            given[value] = xp.broadcast_to(x, (self.k, *x.shape)).reshape(-1, *x.shape[1:])
        wanted = [graph.final(self.score)]
        ends = [*self._boundary, *(v for gate in self.gates for v in (graph.final(gate), self.gated(gate)))]
        keep = Keep.for_walk(graph, wanted, ends, GRADIENT, ())
        keep.values.update(ends)
        keep.values.update(self.below(gate) for gate in self.gates)
        trace = run_forward(graph, self.net.params, given, wanted, keep)
        return Pass(self, trace, folded=True)

    def frozen(self, gates: Gates) -> Pass:
        """The linear approximation of the first pass, under ``gates``."""
        graph, first = self.net.graph, self.first
        trace = Trace(graph, first.parameters, first.shapes)
        trace.saved, trace.given = first.saved, first.given
        trace.values = {**first.values, **{graph.final(gate): z for gate, z in gates.items()}}
        return Pass(self, trace, folded=False)


@reads("bottoms")
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

    def gate_gradients(self) -> dict[str, tuple[Array, Array]]:
        """Each gate blob's dS/dz = x dS/dy (K, N, C, H, W), in a new array, and the mean of its magnitude (K, N, 1, 1, 1)."""
        of, found = self.of, dict[str, tuple[Array, Array]]()
        names = {of.net.graph.nodes[number].layer.name: gate for gate, number in of.gates.items()}

        @reads("bottoms", arrives=lambda layer: True)
        def both(step: Step, signals: Sequence[Array], arrival: Arrival) -> list[Array | None]:
            (x, z), rectified = step.bottoms, arrival.where is step.bottoms[0] and arrival.onto is None
            down, g, size = gate_gradient(x, z, signals[0], rectified)
            found[names[step.layer.name]] = self._by_target(g), self._by_target(size)
            return [down if rectified else arrival.at(down), None]

        self.walk(of._boundary, replace(GRADIENT, table={"Feedback": both}))
        return {gate: found[gate] for gate in of.gates}

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
        scores = self.scores()
        return scores.reshape(*scores.shape[:3], -1).max(-1)

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
        at = at or image_blob(of.net)
        end = graph.given(at)
        if self.folded and end not in of._changing:
            found = of.frozen({}).walk([end], rule, self.walk(of._boundary, rule, starts))
        else:
            found = self.walk([end], rule, starts)
        if end not in found:
            raise BadInput(f"at: found blob {at!r}, expected one between the image and the score {of.score!r}")
        check_plane(at, found[end].shape[1:])
        return found[end]

    def _fold(self, signals: Mapping[int, Array]) -> dict[int, Array]:
        if not self.folded:
            return dict(signals)
        return {value: signal.reshape(1, -1, *signal.shape[2:]) for value, signal in signals.items()}

    def _unfold(self, signals: dict[int, Array]) -> dict[int, Array]:
        return {value: self._by_target(signal) for value, signal in signals.items()}

    def _by_target(self, signal: Array) -> Array:
        return signal.reshape(self.of.k, -1, *signal.shape[2:]) if self.folded else signal
