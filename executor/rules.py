"""What happens at each layer on the way back: a rule is a small table, layer type -> function, the gradient by default.

    @reads("bottoms", "saved")
    def share(step: Step, signals: list[Array]) -> list[Array | None]: ...

    EXCITATION = register_rule(Rule("excitation", {"Pooling": share}))

A function gets the layer's ``Step`` of the forward pass and the signals (K, *top.shape) at its tops, and returns those
at its bottoms. ``reads`` says which arrays of the step it looks at, so that a forward pass can free all others.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeVar

from ..errors import BadInput, nearest
from ..layers.arrays import Array
from ..layers.arrival import Arrival
from ..layers.layer import Layer, Step
from ..layers.relu import ReLU

StepRule = Callable[..., "list[Array | None]"]  # (step, signals), and an arrival where it says that it takes one
F = TypeVar("F", bound=StepRule)


def reads(
    *parts: str,
    of: Callable[[Any], Iterable[str]] | None = None,
    arrives: Callable[[Any], bool] | None = None,
    recordable: bool = False,
    normalises: bool = False,
) -> Callable[[F], F]:
    """Mark a step rule with the parts of the ``Step`` it reads: bottoms, tops, saved, final_tops.

    Where this depends on the layer's options, ``of`` tells the parts that it reads of a given layer beyond those.
    ``arrives``: of which layers it may be told, as its third argument, the ``Arrival`` that its first signal is to meet.
    ``recordable``: that it does nothing but make arrays of arrays, always the same way: then walks may be done from a record
    (routine.py), and it is not called each time. ``normalises``: that it divides by a layer's sums over positive weights, and takes
    ``sums`` where a forward pass has made them on the way.
    """

    def mark(function: F) -> F:
        function.reads = lambda layer: frozenset(parts).union(of(layer) if of else ())  # type: ignore[attr-defined]
        function.arrives = arrives or (lambda layer: False)  # type: ignore[attr-defined]
        function.recordable = recordable  # type: ignore[attr-defined]
        function.normalises = normalises  # type: ignore[attr-defined]
        return function

    return mark


@dataclass(frozen=True, eq=False)
class Rule:
    """A table of step rules by layer type, and beside it those of single layers, by name. All others follow their gradient.

    ``exact``: some of them tell 0 from what is only nearly 0, so that all convolutions must be direct sums.
    """

    name: str
    table: Mapping[str, StepRule] = field(default_factory=dict)
    layers: Mapping[str, StepRule] = field(default_factory=dict)
    exact: bool = False

    def at(self, layer: Layer) -> StepRule:
        return self._own(layer) or _gradient

    def reads(self, layer: Layer) -> frozenset[str]:
        """Which parts of the layer's step this rule reads."""
        function: Any = self._own(layer)
        return function.reads(layer) if function else layer.gradient_reads

    def arrives(self, layer: Layer) -> bool:
        """Whether its function for this layer can be told an ``Arrival``."""
        function: Any = self._own(layer)
        return function.arrives(layer) if function else layer.arrives

    def normalises(self, layer: Layer) -> bool:
        """Whether its function for this layer divides by sums over positive weights."""
        return getattr(self._own(layer), "normalises", False)

    def rectifies(self, layer: Layer) -> bool:
        """Whether all it does at this layer is to pass on what arrives where the top is positive: that of a ReLU."""
        return isinstance(layer, ReLU) and not layer.slope and not self.changes(layer)

    def changes(self, layer: Layer) -> bool:
        """Whether it does anything but follow this layer's gradient."""
        return self._own(layer) is not None

    @property
    def form(self) -> Hashable:
        """What tells all about it, where all its functions are recordable; else ``None``."""
        functions: list[Any] = [*self.table.values(), *self.layers.values()]
        if not all(getattr(function, "recordable", False) for function in functions):
            return None
        return self.name, self.exact, tuple(self.table.items()), tuple(self.layers.items())

    def _own(self, layer: Layer) -> StepRule | None:
        return self.layers.get(layer.name) or self.table.get(layer.type)


def _gradient(step: Step, signals: Sequence[Array], *arrival: Arrival) -> list[Array | None]:
    return step.layer.gradient(step, signals, *arrival)


GRADIENT = Rule("gradient")
_RULES: dict[str, Rule] = {"gradient": GRADIENT}


def register_rule(rule: Rule) -> Rule:
    """Make a rule known by its name."""
    _RULES[rule.name] = rule
    return rule


def find_rule(rule: str | Rule) -> Rule:
    """A rule by name, or itself."""
    if isinstance(rule, Rule):
        return rule
    if rule not in _RULES:  # the papers' rules live one room up, and register themselves when it is first entered
        import_module("thinktwice.attention")
    if rule not in _RULES:
        raise BadInput(f"rule: found {rule!r}, expected one of {sorted(_RULES)}{nearest(rule, _RULES)}")
    return _RULES[rule]
