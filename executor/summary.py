"""A net at a glance: shapes, parameters, multiply-adds and receptive fields, layer by layer, without any weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest

from ..layers.arrays import Shape, count
from ..layers.input import Input
from ..layers.window import Window
from .graph import Graph, Node
from .parameters import shared_parameters


@dataclass(frozen=True)
class Field:
    """What one number of a blob sees of the image, per spatial axis, in image pixels.

    ``size``: the receptive field, padding included; ``stride``: how far apart neighbours' fields lie; ``positions``: how
    many there are. Where paths of different reach meet, the greatest counts.
    """

    size: tuple[int, ...]
    stride: tuple[Fraction, ...]
    positions: Shape

    def through(self, window: Window, top: Shape) -> Field:
        """The field at a top of this shape, one layer with this window above."""
        extents = self.positions if window.whole else window.extent
        strides = () if window.whole else window.stride
        size, stride = [], []
        for axis in zip_longest(
            self.size, self.stride, extents[: len(self.size)], strides[: len(self.size)], fillvalue=1
        ):
            own, step, extent, distance = axis
            size.append(int(own + (extent - 1) * step))
            stride.append(Fraction(step * distance))
        spatial = top[2:]
        if len(spatial) == len(self.size):
            positions = tuple(spatial)
        else:  # flattened: the positions are still there, in one axis; a layer that sees them all leaves one
            positions = (1,) * len(self.size) if window.whole else self.positions
        return Field(tuple(size), tuple(stride), positions)


@dataclass(frozen=True)
class Row:
    """One layer. What the definition does not tell is ``None``: it hangs on an input whose shape is not known.

    ``multiply_adds`` are those of one image (one item of the first axis).
    """

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    top_shapes: tuple[Shape | None, ...]
    parameter_shapes: tuple[Shape, ...] | None
    parameters: int | None
    shared_with: str | None
    multiply_adds: int | None
    field: Field | None


@dataclass(frozen=True)
class Summary:
    """All rows, and their totals; a parameter that several layers share counts once."""

    rows: tuple[Row, ...]
    parameters: int | None
    multiply_adds: int | None
    unknown_inputs: tuple[str, ...]


def summarise(graph: Graph, inputs: Mapping[str, Shape] | None = None) -> Summary:
    """Every layer of a graph, for the definition's input shapes or the given ones. Raises ``BadInput`` where they do not fit."""
    shapes = graph.shapes(inputs)
    fields = _fields(graph, shapes)
    shared = {(layer, index): owner for layer, index, owner, _ in shared_parameters(graph)}
    images = next((shapes[value] for value in graph.inputs.values()), None)
    rows = [_row(node, graph, shapes, fields, shared, images[0] if images else 1) for node in graph.nodes]
    parameters = _total(_own_parameters(row, shared) for row in rows)
    unknown = [name for name, value in graph.inputs.items() if shapes[value] is None]
    return Summary(tuple(rows), parameters, _total(row.multiply_adds for row in rows), tuple(unknown))


def _row(
    node: Node,
    graph: Graph,
    shapes: Sequence[Shape | None],
    fields: Sequence[Field | None],
    shared: Mapping[tuple[str, int], str],
    images: int,
) -> Row:
    layer = node.layer
    bottoms = [shapes[value] for value in node.bottoms]
    known = [shape for shape in bottoms if shape is not None]
    complete = len(known) == len(bottoms)
    own = tuple(spec.shape for spec in layer.parameter_specs(known)) if complete and known else None
    if not node.bottoms:
        own = ()
    return Row(
        name=layer.name,
        type=layer.type,
        bottoms=tuple(graph.blobs[value] for value in node.bottoms),
        tops=tuple(graph.blobs[value] for value in node.tops),
        top_shapes=tuple(shapes[value] for value in node.tops),
        parameter_shapes=own,
        parameters=None if own is None else sum(map(count, own)),
        shared_with=next((shared[layer.name, i] for i in range(len(own or ())) if (layer.name, i) in shared), None),
        multiply_adds=sum(layer.multiply_adds(shape) for shape in known[:1]) // max(images, 1) if complete else None,
        field=next((fields[value] for value in node.tops), None),
    )


def _fields(graph: Graph, shapes: Sequence[Shape | None]) -> list[Field | None]:
    """The field of every value; ``None`` where no path leads to an image (N, C, *spatial) of known size."""
    fields: list[Field | None] = []
    for node in graph.nodes:
        for value in node.tops:
            shape = shapes[value]
            if isinstance(node.layer, Input):
                fields.append(_image(shape))
            else:
                paths = [_path(node, fields[bottom], shapes[bottom], shape) for bottom in node.bottoms]
                fields.append(_union([path for path in paths if path]))
    return fields


def _image(shape: Shape | None) -> Field | None:
    if shape is None or len(shape) < 3:
        return None
    spatial = tuple(shape[2:])
    return Field((1,) * len(spatial), (Fraction(1),) * len(spatial), spatial)


def _path(node: Node, field: Field | None, bottom: Shape | None, top: Shape | None) -> Field | None:
    if field is None or bottom is None or top is None:
        return None
    return field.through(node.layer.window(bottom), top)


def _union(paths: Sequence[Field]) -> Field | None:
    """The greatest field of several paths, axis by axis."""
    if not paths:
        return None
    axes = range(min(len(path.size) for path in paths))
    return Field(
        tuple(max(path.size[axis] for path in paths) for axis in axes),
        tuple(max(path.stride[axis] for path in paths) for axis in axes),
        paths[0].positions,
    )


def _own_parameters(row: Row, shared: Mapping[tuple[str, int], str]) -> int | None:
    """How many numbers a layer owns: what it shares belongs to the first to use it."""
    if row.parameter_shapes is None:
        return None
    return sum(count(shape) for index, shape in enumerate(row.parameter_shapes) if (row.name, index) not in shared)


def _total(counts: Iterable[int | None]) -> int | None:
    numbers = list(counts)
    return None if None in numbers else sum(number for number in numbers if number is not None)
