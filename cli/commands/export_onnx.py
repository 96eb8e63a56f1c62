"""A net as an ONNX file that computes the same; without weights, with random ones from --seed."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ...caffe_models.files import replacing
from ...caffe_models.onnx_export import export_onnx
from ...errors import BadInput
from .. import arguments
from ..files import check_writable
from ..model import open_model
from ..output import Output, dimensions

LIMIT = 2**31 - 1  # bytes of one protobuf message


def add_arguments(parser: ArgumentParser) -> None:
    arguments.add_model(parser)
    parser.add_argument("--out", required=True, metavar="M.ONNX", help="where to store it")
    parser.add_argument("--seed", type=arguments.seed, help="draw random weights where no --weights are given")
    parser.add_argument("--dtype", default="float32", help="float32 (default) or float64")
    arguments.add_device(parser)
    arguments.add_output(parser)


def run(args: Namespace) -> int:
    output = Output(args)
    check_writable(args.out, "--out")
    net = open_model(args, output, dtype=args.dtype, seed=args.seed).net
    model = export_onnx(net)
    if model.ByteSize() > LIMIT:
        raise BadInput(f"{args.out}: would have {model.ByteSize()} bytes, protobuf ends at {LIMIT}")
    with replacing(args.out) as temporary:
        temporary.write_bytes(model.SerializeToString())
    shapes = net.shapes()
    if output.json:
        described = {
            "out": args.out,
            "opset": max(opset.version for opset in model.opset_import),
            "nodes": len(model.graph.node),
            "inputs": {blob: shapes[blob] for blob in net.inputs},
            "outputs": {blob: shapes[blob] for blob in net.outputs},
        }
        output.data(described)
    else:
        ends = [("input", blob) for blob in net.inputs] + [("output", blob) for blob in net.outputs]
        output.table(("", "blob", "shape"), [(what, blob, dimensions(shapes[blob])) for what, blob in ends])
        output.text(f"{len(model.graph.node)} nodes stored: {args.out}")
    return 0
