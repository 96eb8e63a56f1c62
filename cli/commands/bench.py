"""How fast kernels, layers and whole methods are: each result is held against others' first, then timed in turns with them.

Without --prototxt on GoogLeNet, VGG16 and SqueezeNet, 224 x 224, which need no file. --against torch,onnxruntime,caffe adds these, in
a checkout of the repository, where they are installed. Exit status 1 where results differ.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ...caffe_models import files
from ...errors import BadInput, nearest
from ...repro.benchmarks.clock import Pace
from ...repro.benchmarks.models import Model
from ...repro.benchmarks.report import TABLES, Report, columns, limits, page, read_report, write_report
from ...repro.benchmarks.suite import Suite, measure
from .. import arguments
from ..files import check_writable
from ..output import Output

AGREES, DIFFERS = 0, 1


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("what", nargs="*", metavar="kernels|layers|methods", help="the tables to make")
    parser.add_argument("--against", metavar="PEERS", default="", help="some of torch,onnxruntime,caffe")
    parser.add_argument(
        "--prototxt", metavar="P", help="layers and methods of this net, in the place of the standard ones"
    )
    parser.add_argument("--weights", metavar="W", help="its weights (default: random ones)")
    parser.add_argument("--only", metavar="TEXT", default="", help="only rows whose name has this in it")
    parser.add_argument("--threads", type=arguments.positive, metavar="N", help="threads of ours and of all others")
    parser.add_argument("--samples", type=arguments.positive, default=5, help="undisturbed samples of each (default 5)")
    parser.add_argument(
        "--seconds",
        type=arguments.positive,
        default=6,
        help="the most time for a row, once each has 3 samples (default 6)",
    )
    parser.add_argument("--seed", type=arguments.seed, default=0, help="of weights, images and arrays (default 0)")
    parser.add_argument("--out", metavar="REPORT.json", help="write everything, every sample included, to this file")
    parser.add_argument("--from", dest="report", metavar="REPORT.json", help="show this report, and measure nothing")
    parser.add_argument("--page", metavar="PAGE.md", help="write the tables as a page")
    arguments.add_device(parser)
    arguments.add_output(parser)


def run(args: Namespace) -> int:
    output = Output(args)
    check_writable(args.out, "--out", ".json")
    check_writable(args.page, "--page", ".md")
    _check(args)
    report = read_report(args.report) if args.report else measure(_suite(args), output.note)
    if args.out:
        write_report(report, args.out)
    if args.page:
        with files.replacing(args.page) as temporary:
            Path(temporary).write_text(page(report), encoding="utf-8")
    _show(report, output)
    return AGREES if all(row["agrees"] for rows in report["tables"].values() for row in rows) else DIFFERS


def _check(args: Namespace) -> None:
    for name in args.what:
        if name not in TABLES:
            raise BadInput(f"bench: found {name!r}, expected some of {list(TABLES)}{nearest(name, TABLES)}")
    if bool(args.what) == bool(args.report):
        found = "both" if args.what else "neither"
        raise BadInput(f"bench: found {found}, expected either some of {list(TABLES)}, or --from REPORT.json")
    if args.weights and not args.prototxt:
        raise BadInput("--weights: found no definition that they belong to, expected --prototxt as well")


def _suite(args: Namespace) -> Suite:
    name = Path(args.prototxt).stem if args.prototxt else ""
    return Suite(
        tables=tuple(args.what),
        device=args.device,
        against=tuple(filter(None, args.against.split(","))),
        model=Model(name, args.prototxt, args.weights or "", args.seed) if args.prototxt else None,
        only=args.only,
        threads=args.threads,
        pace=Pace(args.samples, args.seconds),
        seed=args.seed,
    )


def _show(report: Report, output: Output) -> None:
    if output.json:
        output.data(report)
        return
    for name, rows in report["tables"].items():
        heads, cells = columns(rows)
        output.table(heads, cells, title=name)
    output.text(limits(report))
