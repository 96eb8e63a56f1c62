"""The activations of a net for given inputs, as a .npz file whose keys are blob names.

A blob that layers write in place is stored as the last of them leaves it, as Caffe does.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import numpy as np

from ...executor.device import to_numpy
from ...executor.net import Net
from .. import arguments
from ..files import check_writable, write_npz
from ..model import open_model
from ..output import Output, dimensions


def add_arguments(parser: ArgumentParser) -> None:
    arguments.add_model(parser)
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
    model = open_model(args, output, dtype=args.dtype, inputs=args.input)
    net = model.net
    blobs = _blobs(args.blobs, net)
    trace = net.forward(model.inputs, blobs=blobs)
    arrays = {blob: to_numpy(trace[blob]) for blob in blobs}
    write_npz(args.out, arrays)
    if output.json:
        described = {blob: {"shape": array.shape, "dtype": str(array.dtype)} for blob, array in arrays.items()}
        output.data({"out": args.out, "device": net.device.name, "blobs": described})
    else:
        rows = [
            (blob, dimensions(array.shape), f"{_mean(array):.6g}", f"{_greatest(array):.6g}")
            for blob, array in arrays.items()
        ]
        output.table(("blob", "shape", ">mean", ">greatest magnitude"), rows)
        output.note(f"stored: {args.out}")
    return 0


def _blobs(text: str | None, net: Net) -> list[str]:
    """The blobs that a row of names means; all of them without one."""
    if text is None:
        return net.blobs
    blobs = list(dict.fromkeys(blob.strip() for blob in text.split(",")))
    for blob in blobs:
        net.graph.final(blob)
    return blobs


def _mean(array: np.ndarray) -> float:
    return float(array.mean()) if array.size else 0.0


def _greatest(array: np.ndarray) -> float:
    return float(np.abs(array).max(initial=0))
