"""A net's layers: shapes, parameters, multiply-adds and receptive fields, upgraded to Caffe's present format.

Of a train_val file the deploy view is shown. With weights it is checked that they fit. Multiply-adds are those of one
image; receptive fields and strides are in image pixels, padding included.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...caffe_models.definition import read_net
from ...caffe_models.version import format_version
from ...caffe_models.weights import Weights, fit, read_weights
from ...caffe_models.writer import write_caffemodel, write_hdf5, write_net_text
from ...errors import BadInput
from ...executor.graph import Graph
from ...executor.parameters import parameter_specs
from ...executor.summary import Field, Row, Summary, summarise
from .. import arguments
from ..files import check_writable
from ..model import read_view
from ..output import Output, dimensions

TEXT, BINARY, HDF5 = (".prototxt", ".txt"), (".caffemodel",), (".h5",)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("prototxt", metavar="PROTOTXT", help="text or binary, in Caffe's format V0, V1 or V2")
    parser.add_argument("weights", metavar="WEIGHTS", nargs="?", help=".caffemodel or .caffemodel.h5")
    parser.add_argument("--phase", default="TEST", help="TEST (default) or TRAIN")
    parser.add_argument("--stage", action="append", default=[], help="a stage of the net's state (repeatable)")
    parser.add_argument("--level", type=int, default=0, help="the level of the net's state (default 0)")
    parser.add_argument(
        "--shape",
        action="append",
        type=arguments.shape,
        default=[],
        metavar="NAME=N,C,H,W",
        help="the shape of an input",
    )
    parser.add_argument(
        "--partial", action="store_true", help="the weights may hold layers that the net lacks (training classifiers)"
    )
    parser.add_argument(
        "--upgrade", metavar="OUT", help="write the whole net as V2: .prototxt, or with weights .caffemodel or .h5"
    )
    arguments.add_output(parser)


def run(args: Namespace) -> int:
    output = Output(args)
    check_writable(args.upgrade, "--upgrade")
    version = format_version_of(args.prototxt)
    view = read_view(args.prototxt, args.shape, args.phase, args.level, args.stage)
    graph = Graph(view.message, args.prototxt)
    summary = summarise(graph)
    weights = read_weights(args.weights) if args.weights else None
    notes = [
        *([] if version == "V2" else [f"upgraded from {version}"]),
        *view.notes,
        *(f"not known: the shape of input {name!r}: --shape {name}=N,C,H,W would settle it" for name in summary.unknown_inputs),
    ]  # fmt: skip
    if weights is not None and not summary.unknown_inputs:
        fitted = fit(weights, _expected(graph), partial=args.partial)
        weights = Weights(weights.path, {**weights.blobs, **{name: tuple(own) for name, own in fitted.items()}})
        notes.append(f"the weights fit: {args.weights}")
    elif weights is not None:
        notes.append("whether the weights fit hangs on the unknown shape")
    if args.upgrade:
        _write(read_net(args.prototxt), weights, args.upgrade)
        notes.append(f"written as V2: {args.upgrade}")
    if output.json:
        output.data(_described(args, version, view.message.name, graph, summary, notes))
    else:
        _show(output, view.message.name, args, summary, notes)
    return 0


def format_version_of(path: str) -> str:
    """The format of a definition, once it is sure that it can be read."""
    read_net(path)
    return format_version(path)


def _expected(graph: Graph) -> Mapping[str, list[tuple[int, ...]]]:
    return {layer: [spec.shape for spec in own] for layer, own in parameter_specs(graph).items()}


def _write(net: Any, weights: Weights | None, path: str) -> None:
    kind = Path(path).suffix.lower()
    if kind in TEXT:
        write_net_text(net, path)
    elif kind not in (*BINARY, *HDF5):
        raise BadInput(f"--upgrade: found {path!r}, expected a name that ends in .prototxt, .txt, .caffemodel or .h5")
    elif weights is None:
        raise BadInput(f"--upgrade: found {path!r} and no weights, expected WEIGHTS, or a name that ends in .prototxt")
    else:
        (write_caffemodel if kind in BINARY else write_hdf5)(net, weights, path)


def _described(
    args: Namespace, version: str, name: str, graph: Graph, summary: Summary, notes: list[str]
) -> dict[str, Any]:
    shapes = graph.shapes()
    return {
        "file": args.prototxt,
        "weights": args.weights,
        "name": name,
        "format": version,
        "phase": args.phase,
        "notes": notes,
        "inputs": {blob: shapes[value] for blob, value in graph.inputs.items()},
        "outputs": {blob: shapes[value] for blob, value in graph.outputs.items()},
        "layers": [_layer(row) for row in summary.rows],
        "totals": {
            "layers": len(summary.rows),
            "parameters": summary.parameters,
            "multiply_adds": summary.multiply_adds,
        },
    }


def _layer(row: Row) -> dict[str, Any]:
    field = row.field
    return {
        "name": row.name,
        "type": row.type,
        "bottoms": row.bottoms,
        "tops": row.tops,
        "top_shapes": row.top_shapes,
        "parameter_shapes": row.parameter_shapes,
        "parameters": row.parameters,
        "shared_with": row.shared_with,
        "multiply_adds": row.multiply_adds,
        "receptive_field": None if field is None else field.size,
        "stride": None if field is None else [float(step) for step in field.stride],
    }


COLUMNS = ("layer", "type", "bottoms", "tops", "top shapes", "parameter shapes", ">parameters", ">multiply-adds",
           ">receptive field", ">stride")  # fmt: skip


def _show(output: Output, name: str, args: Namespace, summary: Summary, notes: list[str]) -> None:
    rows = [
        (
            row.name,
            row.type,
            " ".join(row.bottoms),
            " ".join(row.tops),
            " ".join(map(dimensions, row.top_shapes)),
            "?" if row.parameter_shapes is None else " ".join(map(dimensions, row.parameter_shapes)),
            _count(row.parameters) + (f" (of {row.shared_with})" if row.shared_with else ""),
            _count(row.multiply_adds),
            *_field(row.field),
        )
        for row in summary.rows
    ]
    output.table(COLUMNS, rows, title=f"{name or 'net'} ({args.prototxt})")
    output.text(
        f"{len(summary.rows)} layers, {_count(summary.parameters) or 0} parameters, "
        f"{_count(summary.multiply_adds) or 0} multiply-adds for one image"
    )
    for note in notes:
        output.text(f"- {note}")


def _count(number: int | None) -> str:
    """Thousands apart, nothing for 0, ``?`` for what is not known."""
    return "?" if number is None else f"{number:,}" if number else ""


def _field(field: Field | None) -> tuple[str, str]:
    if field is None:
        return "", ""
    return dimensions(field.size), "x".join(f"{float(step):g}" for step in field.stride)
