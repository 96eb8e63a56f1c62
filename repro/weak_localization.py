"""Pointing and boxes of every method on images with boxes, for their own class, as one table.

    python -m thinktwice.repro.weak_localization --prototxt P --weights W --data DIR --out results.jsonl [--methods a,b]

One line per image and method goes to ``--out`` as soon as it is known: a run that was stopped goes on where it was. The table
(``--table`` alone prints it) has, per method: pointing accuracy without tolerance on all images and on those whose boxes
cover less than half, and the localisation error (no box at IoU > 0.5) of the 95 % energy box, and of the box above alpha
times the mean, alpha chosen on the other half of the images.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..attention.attend import attend
from ..errors import BadInput
from ..executor.device import to_numpy
from ..executor.load import load
from ..executor.net import Net
from .datasets.boxes_csv import read_boxes_csv
from .datasets.examples import Example
from .images import Preprocessing, prepare, read_image
from .protocols.boxes import ENERGY_RULE, FOUND, MEAN_RULES, overlaps
from .protocols.halves import best_of_other_half
from .protocols.pointing import centre, hits, point
from .results import appending, read_results
from .runs import Run, parse_runs

RUNS = (
    "gradient",
    "deconvnet",
    "guided",
    "lrp-epsilon",
    "lrp-alphabeta",
    "cam",
    "grad-cam",
    "mwp",
    "mwp@pool1",
    "mwp@fire4/concat",
    "c-mwp",
    "c-mwp@pool1",
    "feedback",
    "feedback-hard",
    "gp",
    "fsp",
    "fsp mode=demo",
    "fr",
    "fr mode=demo",
    "fsp-fr",
    "fsp-fr mode=demo",
    "summation",
    "summation mode=demo",
)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        examples = _part(read_boxes_csv(arguments.data), arguments.part)[: arguments.limit]
        runs = parse_runs(arguments.methods or ",".join(RUNS))
        if not arguments.table:
            net = load(arguments.prototxt, arguments.weights, device=arguments.device)
            measure(net, examples, runs, Path(arguments.out), arguments.batch_size)
        records = [record for record in read_results(Path(arguments.out)) if record["part"] == arguments.part]
        print(table(records, examples, [run.label for run in runs]))
    except BadInput as error:
        print(f"thinktwice: error: {error}", file=sys.stderr)
        return 2
    return 0


def measure(net: Net, examples: Sequence[Example], runs: Sequence[Run], out: Path, batch_size: int) -> None:
    """Append one JSON line per image and run that ``out`` does not hold yet."""
    done = {(record["run"], record["file"]) for record in read_results(out)}
    with appending(out) as append:
        for run in runs:
            left = [example for example in examples if (run.label, example.path.name) not in done]
            for start in range(0, len(left), batch_size):
                batch = left[start : start + batch_size]
                append(
                    {"run": run.label, "part": _part_of(example), "file": example.path.name, **record}
                    for example, record in zip(batch, scores(net, batch, run), strict=True)
                )
                print(f"\r{run.label}: {start + len(batch)}/{len(left)}", end="", file=sys.stderr, flush=True)
            print(file=sys.stderr)


def scores(net: Net, batch: Sequence[Example], run: Run) -> Iterator[dict[str, Any]]:
    """What the table needs of one method's maps for a batch of images."""
    shape = net.shapes()[net.inputs[0]]
    assert shape is not None
    images = np.stack([prepare(read_image(example.path), shape[1:], Preprocessing()) for example in batch])
    targets = np.array([[example.label] for example in batch])
    result = attend(net, images, targets, run.method, at=run.at, **run.options)
    maps = to_numpy(result.resized(*shape[2:]))[:, 0]
    return (score_map(map_, example) for map_, example in zip(maps, batch, strict=True))


def score_map(map_: np.ndarray, example: Example) -> dict[str, Any]:
    """Hit or miss of a map's maximum, and how well its boxes fit, in the pixels the boxes were drawn in."""
    fits = overlaps(map_, (ENERGY_RULE, *MEAN_RULES), example.boxes(), example.size)
    return {"hit": hits(point(map_, example.size), example.boxes()), "energy": fits[0], "mean": fits[1:]}


def table(records: Sequence[Mapping[str, Any]], examples: Sequence[Example], labels: Sequence[str]) -> str:
    """The table as Markdown."""
    rows = [
        "| method | images | pointing | pointing, small | error, 95 % energy | error, best mean |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    small = {example.path.name for example in examples if example.covered < 0.5}
    names = {example.path.name for example in examples}
    middle = [{"file": e.path.name, "hit": hits(centre(e.size), e.boxes())} for e in examples]
    rows.append(f"| centre | {len(middle)} | {_percent(middle, 'hit')} | {_percent(_only(middle, small), 'hit')} | | |")
    for label in labels:
        own = sorted(
            (r for r in records if r["run"] == label and r["file"] in names), key=lambda record: record["file"]
        )
        if own:
            energy = 100 * np.mean([record["energy"] <= FOUND for record in own])
            rows.append(
                f"| {label} | {len(own)} | {_percent(own, 'hit')} | {_percent(_only(own, small), 'hit')} "
                f"| {energy:.1f} | {best_mean_error(own):.1f} |"
            )
    return "\n".join(rows)


def best_mean_error(records: Sequence[Mapping[str, Any]]) -> float:
    """Localisation error (%) of mean-threshold boxes, each half of the images under the other half's best alpha."""
    found = np.array([record["mean"] for record in records]) > FOUND
    each = np.arange(len(found))
    best = best_of_other_half(each % 2, lambda half: found[half].mean(0))
    return float(100 * (1 - found[each, best].mean())) if (best >= 0).all() else float("nan")


def _percent(records: Sequence[Mapping[str, Any]], key: str) -> str:
    return f"{100 * np.mean([record[key] for record in records]):.1f}" if records else ""


def _only(records: Sequence[Mapping[str, Any]], names: set[str]) -> list[Mapping[str, Any]]:
    return [record for record in records if record["file"] in names]


def _part_of(example: Example) -> str:
    """Squashed files are for evaluation; the others, never evaluated, for calibrating options."""
    return "evaluation" if example.file_size == (224, 224) else "calibration"


def _part(examples: Sequence[Example], part: str) -> list[Example]:
    return [example for example in examples if _part_of(example) == part]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prototxt", help="the net's definition")
    parser.add_argument("--weights", help="its weights")
    parser.add_argument("--data", required=True, help="a folder with boxes.csv and images/")
    parser.add_argument("--out", required=True, help="results, one JSON line per image and method")
    parser.add_argument("--methods", help="rows, separated by commas, like 'mwp@pool1, fsp mode=demo' (all)")
    parser.add_argument("--part", choices=("evaluation", "calibration"), default="evaluation", help="which images")
    parser.add_argument("--limit", type=int, help="the first so many images")
    parser.add_argument("--batch-size", type=int, default=5, help="images at once (5)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:n")
    parser.add_argument("--table", action="store_true", help="only print the table of what is known")
    return parser


if __name__ == "__main__":
    sys.exit(main())
