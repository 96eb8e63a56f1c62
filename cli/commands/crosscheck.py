"""Every blob of a net against onnxruntime, an independent program, on the exported graph; names the first to diverge.

Exit status 1 when one does. Without weights, random ones are drawn from --seed; without an input, so is the input.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ...executor.crosscheck import crosscheck
from .. import arguments
from ..model import open_model
from ..output import Output, dimensions


def add_arguments(parser: ArgumentParser) -> None:
    arguments.add_model(parser)
    parser.add_argument("--input", metavar="X", help=".npy or .npz (default: random numbers)")
    parser.add_argument(
        "--tolerance", type=arguments.tolerance, default=1e-4, help="greatest relative error (default 1e-4)"
    )
    parser.add_argument("--seed", type=arguments.seed, default=0, help="for random weights and inputs (default 0)")
    arguments.add_device(parser)
    arguments.add_output(parser)


def run(args: Namespace) -> int:
    output = Output(args)
    model = open_model(args, output, seed=args.seed, inputs=args.input)
    if not args.weights:
        output.note(f"random weights from seed {args.seed}: none were given")
    if not args.input:
        output.note(f"random inputs from seed {args.seed}: none were given")
    report = crosscheck(model.net, model.inputs or None, tolerance=args.tolerance, seed=args.seed)
    first = report.first_divergence
    if output.json:
        output.data(
            {
                "prototxt": args.prototxt,
                "weights": args.weights,
                "input": args.input,
                "seed": args.seed,
                "tolerance": args.tolerance,
                "agrees": report.agrees,
                "first_divergence": first and {"layer": first.layer, "blob": first.blob, "error": first.error},
                "blobs": [vars(row) for row in report.rows],
            }
        )
    else:
        rows = [
            (row.layer, row.blob, dimensions(row.shape), f"{row.error:.2e}", "" if row.agrees else "diverges")
            for row in report.rows
        ]
        output.table(("layer", "blob", "shape", ">relative error", ""), rows)
        worst = max((row.error for row in report.rows), default=0.0)
        output.text(f"{len(report.rows)} blobs, greatest relative error {worst:.2e}, tolerance {args.tolerance:g}")
        if first:
            output.text(f"first to diverge: blob {first.blob!r} of layer {first.layer!r}")
    return 0 if report.agrees else 1
