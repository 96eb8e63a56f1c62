"""Arrays from a file as the inputs of a net."""

from __future__ import annotations

import numpy as np

from ..errors import BadInput, nearest
from ..executor.graph import Graph
from .files import read_arrays


def read_inputs(graph: Graph, path: str) -> dict[str, np.ndarray]:
    """The arrays of a file by input, each of a shape that its input may have. Raises ``BadInput``."""
    found, names = read_arrays(path), list(graph.inputs)
    if isinstance(found, np.ndarray):
        if len(names) != 1:
            raise BadInput(f"{path}: is one array, expected a .npz file with the inputs {names}")
        found = {names[0]: found}
    for name in found:
        if name not in names:
            raise BadInput(f"{path}: found an array {name!r}, expected the inputs {names}{nearest(name, names)}")
    missing = [name for name in names if name not in found]
    if missing:
        raise BadInput(f"{path}: found {list(found) or 'no arrays'}, expected an array {missing[0]!r} as well")
    shapes = graph.shapes()
    for name, array in found.items():
        _check_shape(path, name, array.shape, shapes[graph.inputs[name]])
    return found


def _check_shape(path: str, name: str, found: tuple[int, ...], declared: tuple[int, ...] | None) -> None:
    """Batch and image size are free; the number of axes and of channels are not."""
    wrong = not found or 0 in found
    if declared is not None:
        wrong = wrong or len(found) != len(declared) or found[1:2] != declared[1:2]
    if wrong:
        free = ("N", *map(str, (declared or ())[1:2]), *"HWDEFGHIJ"[: max(0, len(declared or ()) - 2)])
        expected = f"({', '.join(free)})" if declared else "at least one axis, none of them 0"
        raise BadInput(f"{path}: found shape {tuple(found)} for input {name!r}, expected {expected}")
