"""How a net's blobs hang together: layers as nodes, every version of a blob as a value of its own.

Caffe lets a layer write its top over its bottom (``relu1`` on ``conv1``). Here such a blob has several versions, values
numbered in the order of their making, and nothing is ever overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from ..errors import BadInput, nearest
from ..layers import layer_class
from ..layers.arrays import Shape, count
from ..layers.input import Input
from ..layers.layer import Layer
from .routine import Routines

INT_MAX = 2**31 - 1  # the most numbers that a blob of Caffe holds
REMEMBERED = 256  # answers: routes and shapes of passes
T = TypeVar("T")


@dataclass(frozen=True)
class Node:
    """A layer and the values it reads and makes."""

    layer: Layer
    bottoms: tuple[int, ...]
    tops: tuple[int, ...]


class Graph:
    """The layers of a net in their order, checked: every bottom exists before it is read, every top is made once.

    ``blobs[v]`` is the blob's name of value ``v``, ``makers[v]`` the number of the node that makes it, and
    ``versions[name]`` all values of one blob, oldest first.
    """

    def __init__(self, message: Any, source: str = "", exact: bool = False):
        """``message``: an upgraded ``NetParameter``, filtered for one state. ``exact``: all convolutions are direct sums of products,
        though Winograd's way were shorter. Raises ``BadInput``."""
        self.source = source
        self.exact = exact
        self.blobs: list[str] = []
        self.makers: list[int] = []
        self.versions: dict[str, list[int]] = {}
        self.nodes: list[Node] = []
        self._check_names(message)
        for layer_message in message.layer:
            self._add(layer_message, message)
        self.by_name: dict[str, int] = {node.layer.name: number for number, node in enumerate(self.nodes)}
        self.readers: list[list[int]] = [[] for _ in self.blobs]
        for number, node in enumerate(self.nodes):
            for value in dict.fromkeys(node.bottoms):
                self.readers[value].append(number)
        self.routines = Routines()
        self._known: dict[Hashable, Any] = {}

    # -- names ------------------------------------------------------------------------------------------------------

    @cached_property
    def inputs(self) -> dict[str, int]:
        """The blobs that the caller provides, with their values."""
        return {self.blobs[v]: v for node in self.nodes if isinstance(node.layer, Input) for v in node.tops}

    @cached_property
    def outputs(self) -> dict[str, int]:
        """The blobs that are left over, with their values: no layer reads them, or only a loss without a top does."""
        silenced = {value for node in self.nodes if node.layer.type == "Silence" for value in node.bottoms}
        left = set(self.ends) - silenced
        return {name: values[-1] for name, values in self.versions.items() if values[-1] in left}

    @cached_property
    def ends(self) -> list[int]:
        """The values that no layer makes another of; whoever has computed these has computed all."""
        return [v for v, readers in enumerate(self.readers) if not any(self.nodes[number].tops for number in readers)]

    def final(self, blob: str) -> int:
        """The last version of a blob."""
        return self.all_versions(blob)[-1]

    def given(self, blob: str) -> int:
        """The version that a caller gives: an input's first, before any in-place layer; any other blob's last."""
        return self.inputs[blob] if blob in self.inputs else self.final(blob)

    def version(self, blob: str, before: str | None = None) -> int:
        """The version of ``blob`` that the layer ``before`` reads; the last one by default."""
        values = self.all_versions(blob)
        if before is None:
            return values[-1]
        node = self.nodes[self.node(before)]
        read = [value for value in node.bottoms if value in values]
        if not read:
            raise BadInput(
                f"{self._place}layer {before!r}: found bottoms {list(node.layer.message.bottom)}, expected {blob!r}"
            )
        return read[0]

    def node(self, layer: str) -> int:
        if layer not in self.by_name:
            raise BadInput(
                f"{self._place}layer: found {layer!r}, expected a layer of this net{nearest(layer, self.by_name)}"
            )
        return self.by_name[layer]

    def all_versions(self, blob: str) -> list[int]:
        """Every version of a blob, oldest first."""
        if blob not in self.versions:
            raise BadInput(
                f"{self._place}blob: found {blob!r}, expected a blob of this net{nearest(blob, self.versions)}"
            )
        return self.versions[blob]

    # -- which nodes a question touches -------------------------------------------------------------------------------

    def remembered(self, key: Hashable, make: Callable[[], T]) -> T:
        """What ``make()`` gives, or gave for this key before. It follows from the graph and the key alone."""
        made = self._known.get(key)
        if made is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            made = self._known[key] = make()
        return made

    def needed_for(self, wanted: Iterable[int], given: Iterable[int] = ()) -> Sequence[int]:
        """The nodes that make the ``wanted`` values from the ``given`` ones, in order."""
        wanted, given = frozenset(wanted), frozenset(given)
        return self.remembered(("needed for", wanted, given), lambda: self._needed_for(wanted, given))

    def between(self, starts: Iterable[int], ends: Iterable[int], given: Iterable[int] = ()) -> Sequence[int]:
        """The nodes on some path from one of the values ``ends`` up to one of ``starts``, in order; none below a ``given`` value."""
        starts, ends, given = frozenset(starts), frozenset(ends), frozenset(given)
        return self.remembered(("between", starts, ends, given), lambda: self._between(starts, ends, given))

    def _needed_for(self, wanted: frozenset[int], given: frozenset[int]) -> tuple[int, ...]:
        needed: set[int] = set()
        pending = [value for value in wanted if value not in given]
        while pending:
            number = self.makers[pending.pop()]
            if number not in needed:
                needed.add(number)
                pending += [value for value in self.nodes[number].bottoms if value not in given]
        return tuple(sorted(needed))

    def _between(self, starts: frozenset[int], ends: frozenset[int], given: frozenset[int]) -> tuple[int, ...]:
        reached = set(ends)
        above = []
        for number, node in enumerate(self.nodes):
            if reached.intersection(node.bottoms):
                above.append(number)
                reached.update(node.tops)
        below = set(self.needed_for(starts, given))
        return tuple(number for number in above if number in below)

    # -- shapes -------------------------------------------------------------------------------------------------------

    def shapes(self, inputs: Mapping[str, Shape] | None = None) -> list[Shape | None]:
        """The shape of every value, from the prototxt's input shapes or the given ones; ``None``: not known."""
        inputs = {name: tuple(shape) for name, shape in (inputs or {}).items()}
        return list(self.remembered(("all shapes", tuple(inputs.items())), lambda: self._shapes(inputs)))

    def _shapes(self, inputs: Mapping[str, Shape]) -> list[Shape | None]:
        for name in inputs:
            if name not in self.inputs:
                raise BadInput(f"{self._place}input: found {name!r}, expected one of {list(self.inputs)}")
        shapes: list[Shape | None] = []
        for node in self.nodes:
            if isinstance(node.layer, Input):
                own: Sequence[Shape | None] = node.layer.shapes or [None] * len(node.tops)
                tops: Sequence[Shape | None] = [
                    inputs.get(self.blobs[v], shape) for v, shape in zip(node.tops, own, strict=True)
                ]
            else:
                tops = self._inferred(node, [shapes[value] for value in node.bottoms])
            for blob, shape in zip(node.layer.message.top, tops, strict=True):
                check_size(node.layer, f"top {blob!r}", shape or ())
            shapes += tops
        return shapes

    @staticmethod
    def _inferred(node: Node, bottoms: Sequence[Shape | None]) -> Sequence[Shape | None]:
        known = [shape for shape in bottoms if shape is not None]
        if len(known) < len(bottoms):
            return [None] * len(node.tops)
        return node.layer.top_shapes(known)

    # -- building -----------------------------------------------------------------------------------------------------

    @property
    def _place(self) -> str:
        return f"{self.source}: " if self.source else ""

    def _check_names(self, message: Any) -> None:
        if not message.layer:
            raise BadInput(f"{self._place}layer: found none, expected at least one layer")
        seen = set()
        for layer in message.layer:
            if layer.name in seen:
                raise BadInput(
                    f"{self._place}layer {layer.name!r}: found the name twice, expected layers of different names"
                )
            seen.add(layer.name)

    def _add(self, message: Any, net: Any) -> None:
        where = f"{self._place}layer {message.name!r}"
        layer = layer_class(message.type, where)(message, self.source)
        bottoms = tuple(self._bottom(blob, where, net) for blob in message.bottom)
        tops = tuple(self._top(blob, message, where) for blob in message.top)
        self.nodes.append(Node(layer, bottoms, tops))

    def _bottom(self, blob: str, where: str, net: Any) -> int:
        if blob in self.versions:
            return self.versions[blob][-1]
        later = [layer.name for layer in net.layer if blob in layer.top]
        if later:
            raise BadInput(
                f"{where}: bottom: found {blob!r}, which only the later layer {later[0]!r} makes (a cycle, or a wrong order)"
            )
        raise BadInput(
            f"{where}: bottom: found {blob!r}, expected a blob that some layer makes{nearest(blob, self.versions)}"
        )

    def _top(self, blob: str, message: Any, where: str) -> int:
        if blob in self.versions and blob not in message.bottom:
            maker = self.nodes[self.makers[self.versions[blob][0]]].layer.name
            raise BadInput(f"{where}: top: found {blob!r}, which layer {maker!r} makes already; expected a new name")
        value = len(self.blobs)
        self.blobs.append(blob)
        self.makers.append(len(self.nodes))
        self.versions.setdefault(blob, []).append(value)
        return value


def check_size(layer: Layer, what: str, shape: Shape) -> None:
    """Refuse what Caffe cannot hold (``Blob::Reshape``: "blob size exceeds INT_MAX") before anyone asks for the memory."""
    if count(shape) > INT_MAX:
        raise layer.refuse(what, f"shape {tuple(shape)}", f"at most {INT_MAX} numbers, the limit of a Caffe blob")
