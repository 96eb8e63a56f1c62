"""The activations of a net for given inputs, as a .npz file whose keys are blob names.

A blob that layers write in place is stored as the last of them leaves it, as Caffe does.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import numpy as np

from ...caffe_models.wire import MAX_AXES
from ...errors import BadInput, nearest
from ...executor.device import to_numpy
from ...executor.graph import Graph
from .. import arguments
from ..files import check_writable, read_arrays, write_npz
from ..model import open_files, read_view
from ..output import Output, dimensions


def add_arguments(parser: ArgumentParser) -> None:
    arguments.add_files(parser)
    parser.add_argument(
        "--input", required=True, metavar="X", help=".npy for the only input, or .npz whose keys are the inputs' names"
    )
    parser.add_argument("--blobs", metavar="A,B", help="which blobs to store (default: all)")
    parser.add_argument("--out", required=True, metavar="Y.NPZ", help="where to store them")
    parser.add_argument("--dtype", default="float32", help="float32 (default) or float64")
    arguments.add_device(parser)
    arguments.add_output(parser)


def run(args: Namespace) -> int:
    output = Output(args)
    check_writable(args.out, "--out")
    graph = Graph(read_view(args.prototxt, args.shape).message, args.prototxt) if args.prototxt else None
    inputs = inputs_for(graph, args.input) if graph else {}
    wanted = _blobs(args.blobs, graph) if graph else None
    shapes = {name: array.shape for name, array in inputs.items()}
    net = open_files(args, output, dtype=args.dtype, shapes=shapes).net
    trace = net.forward(inputs, blobs=wanted)
    arrays = {blob: to_numpy(trace[blob]) for blob in wanted or net.blobs}
    write_npz(args.out, arrays)
    if output.json:
        blobs = {blob: {"shape": array.shape, "dtype": str(array.dtype)} for blob, array in arrays.items()}
        output.data({"out": args.out, "device": net.device.name, "blobs": blobs})
    else:
        rows = [
            (blob, dimensions(array.shape), f"{_mean(array):.6g}", f"{_greatest(array):.6g}")
            for blob, array in arrays.items()
        ]
        output.table(("blob", "shape", ">mean", ">greatest magnitude"), rows)
        output.note(f"stored: {args.out}")
    return 0


def inputs_for(graph: Graph, path: str) -> dict[str, np.ndarray]:
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
    wrong = not found or 0 in found or len(found) > MAX_AXES
    if declared is not None:
        wrong = wrong or len(found) != len(declared) or found[1:2] != declared[1:2]
    if wrong:
        free = ("N", *map(str, (declared or ())[1:2]), *"HWDEFGHIJ"[: max(0, len(declared or ()) - 2)])
        expected = f"({', '.join(free)})" if declared else "at least one axis, none of them 0"
        raise BadInput(f"{path}: found shape {tuple(found)} for input {name!r}, expected {expected}")


def _blobs(text: str | None, graph: Graph) -> list[str] | None:
    """The blobs that a row of names means."""
    if text is None:
        return None
    blobs = list(dict.fromkeys(blob.strip() for blob in text.split(",")))
    for blob in blobs:
        graph.final(blob)
    return blobs


def _mean(array: np.ndarray) -> float:
    return float(array.mean()) if array.size else 0.0


def _greatest(array: np.ndarray) -> float:
    return float(np.abs(array).max(initial=0))
