"""A forward pass: which nodes run, what is kept for the walk back, and everything else freed on the way."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from ..errors import BadInput
from ..layers.arrays import Array, Shape, excitatory
from ..layers.concat import Concat
from ..layers.convolution import Convolution
from ..layers.correlation import Bank, correlate_together, exactly
from ..layers.input import Input
from ..layers.layer import Layer
from ..layers.relu import ReLU
from .graph import Graph, Node, check_size
from .joints import Joints
from .routine import done
from .rules import Rule
from .siblings import siblings
from .trace import Trace

Parameters = Mapping[str, tuple[Array, ...]]
Made = tuple[dict[int, Array], dict[int, Any], dict[int, Array], dict[str, list[Array]]]  # as a trace keeps it


@dataclass
class Keep:
    """What stays in the trace: values, and the nodes whose saved switches or normalisers do. ``sums``: layers with weights whose sums
    over the positive ones are made as well, as far as that is less work on the way than later."""

    values: set[int] = field(default_factory=set)
    nodes: set[int] = field(default_factory=set)
    sums: set[int] = field(default_factory=set)

    @classmethod
    def everything(cls, graph: Graph) -> Keep:
        return cls(set(range(len(graph.blobs))), set(range(len(graph.nodes))))

    @classmethod
    def for_walk(
        cls, graph: Graph, starts: Iterable[int], ends: Iterable[int], rule: Rule, owners: Iterable[str]
    ) -> Keep:
        """What a walk under ``rule`` reads between ``ends`` and ``starts``; the bottoms of layers in ``owners`` as well,
        whose parameters' gradients are wanted."""
        starts, ends, owners = frozenset(starts), frozenset(ends), frozenset(owners)
        if rule.form is None:
            return cls._for_walk(graph, starts, ends, rule, owners)
        key = "keep", starts, ends, rule.form, owners
        known = graph.remembered(key, lambda: cls._for_walk(graph, starts, ends, rule, owners))
        return cls(set(known.values), set(known.nodes), set(known.sums))

    @classmethod
    def _for_walk(
        cls, graph: Graph, starts: frozenset[int], ends: frozenset[int], rule: Rule, owners: frozenset[str]
    ) -> Keep:
        keep = cls(set(starts))
        bottoms = {value for name in owners for value in graph.nodes[graph.node(name)].bottoms}
        for number in graph.between(keep.values, bottoms.union(ends)):
            node = graph.nodes[number]
            parts = rule.reads(node.layer)
            if "bottoms" in parts or node.layer.name in owners:
                keep.values.update(node.bottoms)
            if "tops" in parts:
                keep.values.update(node.tops)
            if "final_tops" in parts:
                keep.values.update(graph.final(graph.blobs[value]) for value in node.tops)
            if "saved" in parts:
                keep.nodes.add(number)
            if rule.normalises(node.layer):
                keep.sums.add(number)
            if isinstance(node.layer, Concat) and keep.values.issuperset(node.bottoms):
                keep.values.update(node.tops)  # of which the bottoms are parts
        return keep


def run_forward(
    graph: Graph,
    parameters: Parameters,
    given: Mapping[int, Array],
    wanted: Iterable[int],
    keep: Keep,
    seed: Sequence[int] = (),
) -> Trace:
    """Compute the ``wanted`` values from the ``given`` ones. Raises ``BadInput`` for missing or misfitting inputs.

    ``seed``: what layers that draw random numbers start from, each with its own number behind it.
    """
    route = graph.needed_for(wanted, given)
    trace = Trace(graph, parameters, _shapes_along(graph, parameters, route, given))
    trace.given = frozenset(given)

    def run(arrays: Mapping[int, Array]) -> Made:
        made = trace.over(arrays, {}, {})
        _run_route(route, made, keep, seed)
        return made.values, made.saved, made.sums, made.updated

    with exactly(graph.exact):
        kept = frozenset(keep.values), frozenset(keep.nodes), frozenset(keep.sums)
        what = None if seed else ("forward", route, tuple(given), *kept)
        trace.form = routine = graph.routines.of(what, parameters, given)
        made = done(routine, dict(given), run)
    trace.values, trace.saved, trace.sums, trace.updated = made
    return trace


def _run_route(route: Sequence[int], trace: Trace, keep: Keep, seed: Sequence[int]) -> None:
    graph, waiting = trace.graph, _readers_on(trace.graph, route)
    trace.values = {value: array for value, array in trace.values.items() if waiting[value] or value in keep.values}
    behind, joints = _rectifiers(route, trace, waiting, keep), Joints(trace, route, waiting)
    together, done = siblings(trace, route, keep.sums), set(behind.values())
    for number in route:
        node = graph.nodes[number]
        if number in together:
            _write_together(together[number], behind, trace, joints, keep.sums)
            done.update(together[number])
        elif number in done or isinstance(node.layer, Input):
            pass
        elif node.layer.writes:
            _write(node, graph.nodes[behind[number]] if number in behind else None, trace, joints)
        else:
            _run(number, trace, joints, keep, seed)
        for value in {*node.bottoms, *node.tops}:
            waiting[value].discard(number)
            if not waiting[value] and value not in keep.values:
                trace.values.pop(value, None)


def _write(node: Node, relu: Node | None, trace: Trace, joints: Joints) -> None:
    """A layer that can be told where its top belongs, and the ``relu`` behind it if it can be that as well."""
    (value,), layer = (relu or node).tops, cast(Any, node.layer)
    bottoms = [trace.values[bottom] for bottom in node.bottoms]
    rectified = {"rectified": True} if relu else {}
    parameters = trace.parameters.get(layer.name, ())
    (top,), _ = layer.forward(bottoms, parameters, into=joints.place(value, bottoms[0]), **rectified)
    trace.values.setdefault(value, top)  # a given value stays


def _write_together(
    numbers: Sequence[int], behind: Mapping[int, int], trace: Trace, joints: Joints, sums: Container[int]
) -> None:
    """Siblings, and the ReLUs ``behind`` them; their ``sums`` over positive weights as well."""
    nodes, ends, banks = trace.graph.nodes, [], []
    first = nodes[numbers[0]]
    x = trace.values[first.bottoms[0]]
    for number in numbers:
        layer = cast(Convolution, nodes[number].layer)
        (end,) = nodes[behind.get(number, number)].tops
        ends.append(end)
        banks.append(layer.bank(trace.parameters[layer.name], number in behind, joints.place(end, x)))
    summed = [number for number in numbers if number in sums]
    banks += [Bank(excitatory(trace.parameters[nodes[number].layer.name][0])) for number in summed]
    made = correlate_together(x, banks, cast(Convolution, first.layer).geometry(x.shape))
    trace.values.update(zip(ends, made[: len(ends)], strict=True))
    trace.sums.update(zip(summed, made[len(ends) :], strict=True))


def _run(number: int, trace: Trace, joints: Joints, keep: Keep, seed: Sequence[int]) -> None:
    node = trace.graph.nodes[number]
    layer, parameters = node.layer, trace.parameters.get(node.layer.name, ())
    bottoms = [trace.values[value] for value in node.bottoms]
    joined = joints.join(node) if isinstance(layer, Concat) else None
    if joined is not None:
        tops, saved = [joined], None
    elif layer.normalises and number in keep.sums:
        tops, trace.sums[number] = cast(Any, layer).forward_normalised(bottoms, parameters)
        saved = None
    elif layer.random:
        tops, saved = layer.forward_at_random(bottoms, parameters, _rng(layer, seed, number))
    else:
        tops, saved = layer.forward(bottoms, parameters)
    updated = layer.updated([bottom.shape for bottom in bottoms], parameters, saved)
    if updated is not None:
        trace.updated[layer.name] = updated
    for value, top in zip(node.tops, tops, strict=True):
        trace.values.setdefault(value, top)  # a given value stays
    if number in keep.nodes:
        trace.saved[number] = saved


def _rectifiers(route: Sequence[int], trace: Trace, waiting: Sequence[set[int]], keep: Keep) -> dict[int, int]:
    """Layers that can clamp their top at 0 by themselves -> the ReLU behind them, where it alone reads that top and nobody keeps it."""
    found, settled, graph = {}, keep.values.union(trace.given), trace.graph
    for number in route:
        node = graph.nodes[number]
        if node.layer.rectifies and len(waiting[node.tops[0]]) == 1 and settled.isdisjoint(node.tops):
            (reader,) = waiting[node.tops[0]]
            relu = graph.nodes[reader]
            if isinstance(relu.layer, ReLU) and not relu.layer.slope and trace.given.isdisjoint(relu.tops):
                found[number] = reader
    return found


def _rng(layer: Layer, seed: Sequence[int], number: int) -> np.random.Generator:
    if not seed:
        raise layer.refuse("phase", "TRAIN without a seed", "TEST, or a seed for what the layer draws at random")
    return np.random.default_rng([*seed, number])


def _readers_on(graph: Graph, route: Sequence[int]) -> list[set[int]]:
    on_route = set(route)
    return [on_route.intersection(readers) for readers in graph.readers]


def _shapes_along(
    graph: Graph, parameters: Parameters, route: Sequence[int], given: Mapping[int, Array]
) -> list[Shape | None]:
    """The shape of every value that this pass makes, checked against the weights before anything is computed."""
    sizes = {value: tuple(array.shape) for value, array in given.items()}
    weights = {name: tuple(tuple(array.shape) for array in arrays) for name, arrays in parameters.items()}
    key = ("shapes", tuple(route), tuple(sizes.items()), tuple(weights.items()))
    return list(graph.remembered(key, lambda: _checked_shapes(graph, weights, route, sizes)))


def _checked_shapes(
    graph: Graph, weights: Mapping[str, tuple[Shape, ...]], route: Sequence[int], given: Mapping[int, Shape]
) -> list[Shape | None]:
    shapes: list[Shape | None] = [None] * len(graph.blobs)
    for value, given_shape in given.items():
        shapes[value] = given_shape
        if 0 in given_shape:
            raise BadInput(f"blob {graph.blobs[value]!r}: found shape {given_shape}, expected at least one number")
    for number in route:
        node = graph.nodes[number]
        if isinstance(node.layer, Input):
            missing = [graph.blobs[value] for value in node.tops if value not in given]
            if missing:
                found = [graph.blobs[value] for value in given] or "no array"
                raise BadInput(f"input {missing[0]!r}: found {found} given, expected an array for it")
            continue
        bottoms = [shapes[value] or () for value in node.bottoms]
        _check_weights(node.layer, bottoms, weights.get(node.layer.name, ()))
        for value, shape in zip(node.tops, node.layer.top_shapes(bottoms), strict=True):
            check_size(node.layer, f"top {graph.blobs[value]!r}", shape)
            shapes[value] = shapes[value] or tuple(shape)
    return shapes


def _check_weights(layer: Layer, bottoms: Sequence[Shape], found: tuple[Shape, ...]) -> None:
    """Refuse an input whose size the weights do not fit: a fully connected layer fixes the size of the image."""
    needed = [spec.shape for spec in layer.parameter_specs(bottoms)]
    if needed != list(found):
        raise BadInput(
            f"{layer.where}: found a bottom of shape {bottoms[0]}, which needs parameters {needed}, expected one that fits "
            f"the parameters {list(found)}: is the input of the size that the net was made for?"
        )
