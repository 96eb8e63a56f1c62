"""Which layers of a net take part: include and exclude rules, as in Caffe's ``FilterNet`` and ``StateMeetsRule``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import BadInput, nearest
from . import schema


def for_state(net: Any, phase: str = "TEST", level: int = 0, stages: Sequence[str] = (), source: str = "<net>") -> Any:
    """A copy of the net with only the layers of this state, each with its ``phase`` set as in Caffe's ``Net::Init``.

    As there, stages that the definition itself states hold beside those given; its phase and level do not. Errors name
    ``source``.
    """
    phases = schema.enum("Phase")
    if phase not in phases:
        raise BadInput(f"phase {phase!r}, expected TRAIN or TEST{nearest(phase, phases)}")
    state = schema.new("NetState", phase=phases[phase], level=level, stage=[*net.state.stage, *stages])
    kept = [schema.copy(layer) for layer in net.layer if _takes_part(layer, state, source)]
    for layer in kept:
        if not layer.HasField("phase"):
            layer.phase = state.phase
    filtered = schema.with_layers(net, kept)
    filtered.state.CopyFrom(state)
    return filtered


def _takes_part(layer: Any, state: Any, source: str) -> bool:
    if layer.include and layer.exclude:
        raise BadInput(f"{source}: layer {layer.name!r}: has both include and exclude rules, expected one of them")
    if layer.include:
        return any(_meets(state, rule) for rule in layer.include)
    return not any(_meets(state, rule) for rule in layer.exclude)


def _meets(state: Any, rule: Any) -> bool:
    """Whether everything holds that the rule states."""
    stages = set(state.stage)
    return (
        (not rule.HasField("phase") or rule.phase == state.phase)
        and (not rule.HasField("min_level") or state.level >= rule.min_level)
        and (not rule.HasField("max_level") or state.level <= rule.max_level)
        and stages.issuperset(rule.stage)
        and stages.isdisjoint(rule.not_stage)
    )
