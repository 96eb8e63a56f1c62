"""Which parameters a net has, and which of them are one (``param { name: ... }``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..errors import BadInput
from ..layers.arrays import Array, Shape, count
from ..layers.input import Input
from ..layers.layer import ParameterSpec
from .graph import Graph, check_size

PERMISSIVE = 1
Specs = Mapping[str, list[ParameterSpec]]


class Shared(NamedTuple):
    """Parameter ``number`` of ``layer`` is parameter ``owner_number`` of ``owner``, the first to use its name."""

    layer: str
    number: int
    owner: str
    owner_number: int


def parameter_specs(graph: Graph, inputs: Mapping[str, Shape] | None = None) -> dict[str, list[ParameterSpec]]:
    """Layer -> its parameters' shapes and fillers, for every layer that has any. Raises where no shape is known."""
    shapes = graph.shapes(inputs)
    specs = {}
    for node in graph.nodes:
        bottoms = [shapes[value] for value in node.bottoms]
        if isinstance(node.layer, Input) or not node.bottoms:
            continue
        known = [shape for shape in bottoms if shape is not None]
        if len(known) < len(bottoms):
            unknown = [name for name, value in graph.inputs.items() if shapes[value] is None]
            raise BadInput(
                f"{node.layer.where}: bottom: found no shape, expected one: give the shape of input {unknown}"
            )
        own = node.layer.parameter_specs(known)
        for index, spec in enumerate(own):
            check_size(node.layer, f"parameter {index}", spec.shape)
        if own:
            specs[node.layer.name] = own
    _check_shared(graph, specs)
    return specs


def shared_parameters(graph: Graph) -> Iterator[Shared]:
    """Every parameter that another layer owns."""
    owners: dict[str, tuple[str, int]] = {}
    for node in graph.nodes:
        for index, spec in enumerate(node.layer.message.param):
            if not spec.name:
                continue
            owner = owners.setdefault(spec.name, (node.layer.name, index))
            if owner != (node.layer.name, index):
                yield Shared(node.layer.name, index, *owner)


def share(graph: Graph, parameters: dict[str, tuple[Array, ...]]) -> dict[str, tuple[Array, ...]]:
    """The parameters with the owner's array in the place of each shared one."""
    for layer, index, owner, owner_index in shared_parameters(graph):
        arrays = list(parameters[layer])
        arrays[index] = parameters[owner][owner_index].reshape(arrays[index].shape)
        parameters[layer] = tuple(arrays)
    return parameters


def with_borrowed(graph: Graph, blobs: Mapping[str, tuple[Array, ...]]) -> dict[str, tuple[Array, ...]]:
    """A file's blobs, and where it lacks a layer that shares another's, as Caffe's HDF5 files do, the owner's again."""
    complete = dict(blobs)
    for shared in shared_parameters(graph):
        if shared.layer not in complete and shared.owner in complete:
            complete[shared.layer] = complete[shared.owner]
    return complete


def add_up(graph: Graph, gradients: dict[str, tuple[Array, ...]]) -> dict[str, tuple[Array, ...]]:
    """Gradients with the sum over all who share a parameter in the place of each, as Caffe accumulates them."""
    if not gradients:
        return gradients
    groups: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for layer, index, owner, owner_index in shared_parameters(graph):
        groups.setdefault((owner, owner_index), [(owner, owner_index)]).append((layer, index))
    for members in groups.values():
        members = [(layer, index) for layer, index in members if layer in gradients]
        parts = [gradients[layer][index] for layer, index in members]
        for (layer, index), part in zip(members, parts, strict=True):
            total = sum(other.reshape(part.shape) for other in parts)
            gradients[layer] = (*gradients[layer][:index], total, *gradients[layer][index + 1 :])
    return gradients


def _check_shared(graph: Graph, specs: Specs) -> None:
    for layer, index, owner, owner_index in shared_parameters(graph):
        node = graph.nodes[graph.node(layer)]
        if index >= len(specs.get(layer, ())) or owner_index >= len(specs.get(owner, ())):
            raise BadInput(
                f"{node.layer.where}: param: found {index + 1} specs, expected one for each parameter at most"
            )
        mine, theirs = specs[layer][index].shape, specs[owner][owner_index].shape
        permissive = node.layer.message.param[index].share_mode == PERMISSIVE
        fits = count(mine) == count(theirs) if permissive else mine == theirs
        if not fits:
            raise BadInput(
                f"{node.layer.where}: param {index}: found shape {mine}, expected {theirs} as shared with {owner!r}"
            )
