"""Soft gates that move, step after step: all of a net's in one array, each where it lies.

Layers of gates are large, and what the loop costs beside its passes is the reading and writing of them. So gates are changed in place,
while what a walk brings to them is near; and a pass under the gates with the walk that moves them is one piece of work, of which
nothing else is handed out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from ..executor.capture import Captured
from ..executor.routine import Routine, done
from ..executor.rules import GRADIENT, Rule, StepRule, reads
from ..layers.arrays import Array, Shape, array_module, free_to_ask
from ..layers.arrival import Arrival
from ..layers.feedback import AtGates, counted
from ..layers.layer import Step
from ..layers.relu import ReLU
from .gates import Gated, Gates, Pass, of_classes
from .places import image_blob
from .targets import hangs_on_scores

APART = 16  # numbers: each blob's gates begin at a multiple of this

# Moves the gates that a walk meets (K, N, C, H, W) where they lie; it is told where to write how many have moved, as ``counted`` says,
# and a method's options, and returns what goes down.
Move = Callable[[AtGates, Array, Mapping[str, Any]], Array | None]


class GateStep(NamedTuple):
    """A method's move with its options. Equal ones do the same, so that one record serves them."""

    function: Move
    options: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, function: Move, options: Mapping[str, Any]) -> GateStep:
        return cls(function, tuple((name, value) for name, value in options.items() if isinstance(value, Hashable)))

    def __call__(self, at: AtGates, moved: Array) -> Array | None:
        return self.function(at, moved, dict(self.options))


@dataclass(frozen=True)
class SoftGates:
    """Those of a net with gates: where they lie in their one array, and what passes under them make of them."""

    of: Gated

    # -- where they lie -----------------------------------------------------------------------------------------------

    def unset(self) -> Array:
        """Room for all gates of all targets, in one array: see ``parts``."""
        return array_module(self.of.image).empty((self._places[1],), self.of.image.dtype)

    def parts(self, gates: Array) -> Gates:
        """What belongs to each gate blob of such an array."""
        return {gate: gates[slice(*part)].reshape(shape) for gate, (part, shape) in self._places[0].items()}

    @cached_property
    def _places(self) -> tuple[dict[str, tuple[tuple[int, int], Shape]], int]:
        """Where each gate blob lies, from where to where, and its shape, (K, N, C, H, W); and how many numbers there are in all."""
        places, end = {}, 0
        for gate, x in self.of.activations().items():
            shape = (self.of.k, *x.shape)
            places[gate] = (end, end + math.prod(shape)), shape
            end += -(-math.prod(shape) // APART) * APART
        return places, end

    @cached_property
    def _counts(self) -> tuple[dict[str, tuple[slice, Shape]], int]:
        """Where it is counted how many gates a feedback layer has moved, in which shape; and how many such numbers there are."""
        counts, end = {}, 0
        for gate, (_, shape) in self._places[0].items():
            rows = counted(shape)
            counts[self._layer(gate)] = slice(end, end + math.prod(rows)), rows
            end += math.prod(rows)
        return counts, end

    def _layer(self, gate: str) -> str:
        return self.of.net.graph.nodes[self.of.gates[gate]].layer.name

    @cached_property
    def rectified(self) -> bool:
        """Whether there are gates only over what is not negative: those that are open where it is positive close nothing then."""
        graph = self.of.net.graph
        makers = (graph.nodes[graph.makers[self.of.below(gate)]].layer for gate in self.of.gates)
        return all(isinstance(layer, ReLU) and not layer.slope for layer in makers)

    @cached_property
    def _lowest(self) -> set[str]:
        """The feedback layers below which there are no gates."""
        return {self._layer(gate) for gate in self.of.gates if self.of.below(gate) in self.of.boundary}

    # -- how they move ------------------------------------------------------------------------------------------------

    def climb(self, gates: Array, step: GateStep, first: bool = False) -> tuple[Array, Array]:
        """Moves all ``gates`` at once, by a ``step`` each, where they lie. Returns how many have moved, in parts, and the class
        scores (K, N, C) of the pass under the gates as they were; ``first``: they closed nothing that was active, so that it is the first pass.
        """

        def climbed(passed: Pass, signal: Array | None = None) -> tuple[Array, Array]:
            return self.move(passed, step, signal), passed.scores()

        def under_gates() -> tuple[Array, Array]:
            return self._under(gates, ("move", step), climbed)

        if first:
            moved, scores = climbed(self.of.frozen(self.parts(gates)))
        elif free_to_ask(gates):
            moved, scores = under_gates()
        else:
            moved, scores = self._graphs.setdefault((id(gates), step), Captured(under_gates))()
        return moved, of_classes(scores)

    def move(self, passed: Pass, step: GateStep, signal: Array | None = None) -> Array:
        """Moves the gates of a pass, and returns how many have moved, in parts. ``signal``: the targets', where it is known."""
        of, trace = self.of, passed.trace
        starts = {of.net.graph.final(of.score): passed.prior() if signal is None else signal}

        def walk(arrays: tuple[dict[int, Array], dict[int, Array], dict[int, Any]]) -> Array:
            signals, *made = arrays
            one = next(iter(signals.values()))
            moved = array_module(one).empty((self._counts[1],), one.dtype)
            rule = replace(GRADIENT, table={"Feedback": self._moving(step, moved, passed)})
            replace(passed, trace=trace.over(*made, {})).walk(of.boundary, rule, signals)
            return moved

        what = trace.form and ("climb", trace.form, tuple(starts), step)
        routine, arrays = trace.graph.routines.of(what, trace.parameters, starts), (starts, trace.values, trace.saved)
        return done(routine, arrays, walk)

    def _moving(self, step: GateStep, moved: Array, passed: Pass) -> StepRule:
        """What a walk does at a feedback layer: it hands on dS/dx, and takes a step by dS/dz."""

        @reads("bottoms", arrives=lambda layer: True)
        def both(met: Step, signals: Sequence[Array], arrival: Arrival) -> list[Array | None]:
            (x, z), rectified = met.bottoms, arrival.where is met.bottoms[0] and arrival.onto is None
            signal, (part, shape) = passed.by_target(signals[0]), self._counts[0][met.layer.name]
            at = AtGates(x, z.reshape(signal.shape), signal, rectified, ends=met.layer.name in self._lowest)
            down = step(at, moved[part].reshape(shape))
            down = None if down is None else down.reshape(signals[0].shape)
            return [down if rectified or down is None else arrival.at(down), None]

        return both

    # -- what they let through ----------------------------------------------------------------------------------------

    def carried(self, gates: Array, rule: Rule, at: str | None = None) -> tuple[Array, Array]:
        """The targets' signal at the image, or at the blob ``at`` (K, N, C, H, W), under such gates, carried by ``rule``; and the class
        scores (K, N, C). Raises ``BadInput`` as ``Pass.to_image`` does."""
        of, graph = self.of, self.of.net.graph
        end = graph.given(at or image_blob(of.net))
        ends = of.ends(end)

        def carry(passed: Pass, signal: Array | None) -> tuple[dict[int, Array], Array]:
            return passed.walk(ends, rule, None if signal is None else {graph.final(of.score): signal}), passed.scores()

        what = rule.form and ("carry", rule.form, tuple(ends))
        found, scores = self._under(gates, what, carry)
        return of.carried_on(found, end, rule), of_classes(scores)

    # -- passes under them --------------------------------------------------------------------------------------------

    def _under(self, gates: Array, what: Hashable, work: Callable[[Pass, Array | None], Any]) -> Any:
        """``work`` on a new forward pass under ``gates`` and with the targets' signal at its scores, ``None`` where it hangs on these;
        ``what``: it is, for all but the arrays."""
        of = self.of
        if self._signal is None:
            return work(of.recomputed(self.parts(gates)), None)

        def all_of_it(arrays: tuple[Array, dict[int, Array], Array]) -> Any:
            gates, below, signal = arrays
            return work(of.forward({**of.folded(self.parts(gates)), **below}), signal)

        if what not in self._routines:  # the arrays of all passes look the same
            told = what and ("under gates", what, of.score, tuple(self._places[0].items()))
            looks = dict(enumerate((gates, *of.below_all.values())))
            self._routines[what] = of.net.graph.routines.of(told, of.net.params, looks)
        return done(self._routines[what], (gates, of.below_all, self._signal), all_of_it)

    @cached_property
    def _routines(self) -> dict[Hashable, Routine | None]:
        """Those of ``_under``, by what they do."""
        return {}

    @cached_property
    def _graphs(self) -> dict[Hashable, Captured]:
        """Iterations as a GPU keeps them, which also keep their gates."""
        return {}

    def release(self) -> None:
        """Gives back what a GPU keeps of iterations."""
        for captured in self._graphs.values():
            captured.release()
        self._graphs.clear()

    @cached_property
    def _signal(self) -> Array | None:
        """The targets' (K, N, C, ...) where it hangs on no scores; else ``None``."""
        return None if hangs_on_scores(self.of.scores.shape, self.of.positions) else self.of.frozen({}).prior()
