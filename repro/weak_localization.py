"""Pointing and boxes of every method on images with boxes, for their own class, as one table.

    python -m thinktwice.repro.weak_localization --prototxt P --weights W --data DIR --out results.jsonl [--methods a,b]

One line per image and method goes to ``--out`` as soon as it is known: a run that was stopped goes on where it was. The table
(``--table`` alone prints it) has, per method: pointing accuracy without tolerance on all images and on those whose boxes
cover less than half, and the localisation error (no box at IoU > 0.5) of the 95 % energy box, and of the box above alpha
times the mean, alpha chosen on the other half of the images.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..attention.attend import attend
from ..attention.boxes import energy_box, iou, mean_box, to_image
from ..attention.methods import find_method
from ..errors import BadInput
from ..executor.device import to_numpy
from ..executor.load import load
from ..executor.net import Net
from .datasets.boxes_csv import Example, read_boxes_csv
from .images import Preprocessing, prepare, read_image
from .protocols.pointing import hits, point

ALPHAS = tuple(np.arange(0, 10.5, 0.5))  # Excitation Backprop §4.2


class Run(NamedTuple):
    """One row of the table: a method, at a blob, under options; as text ``mwp@pool1`` or ``fsp mode=demo iterations=3``."""

    label: str
    method: str
    at: str | None
    options: Mapping[str, Any]

    @classmethod
    def parsed(cls, label: str) -> Run:
        """Raises ``BadInput`` for unknown methods and options."""
        where, *pairs = label.split()
        method, _, at = where.partition("@")
        options = dict(pair.partition("=")[::2] for pair in pairs)
        values = {name: _value(text) for name, text in options.items()}
        find_method(method).checked(values)
        return cls(label, method, at or None, values)


def _value(text: str) -> Any:
    """A number, true, false or null as JSON has it; else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


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
        runs = [Run.parsed(label.strip()) for label in (arguments.methods or ",".join(RUNS)).split(",")]
        if not arguments.table:
            net = load(arguments.prototxt, arguments.weights, device=arguments.device)
            measure(net, examples, runs, Path(arguments.out), arguments.batch_size)
        records = [record for record in _records(Path(arguments.out)) if record["part"] == arguments.part]
        print(table(records, examples, [run.label for run in runs]))
    except BadInput as error:
        print(f"thinktwice: error: {error}", file=sys.stderr)
        return 2
    return 0


def measure(net: Net, examples: Sequence[Example], runs: Sequence[Run], out: Path, batch_size: int) -> None:
    """Append one JSON line per image and run that ``out`` does not hold yet."""
    _drop_broken_line(out)
    done = {(record["run"], record["file"]) for record in _records(out)}
    with out.open("a", encoding="utf-8") as lines:
        for run in runs:
            left = [example for example in examples if (run.label, example.path.name) not in done]
            for start in range(0, len(left), batch_size):
                batch = left[start : start + batch_size]
                for example, record in zip(batch, scores(net, batch, run), strict=True):
                    entry = {"run": run.label, "part": _part_of(example), "file": example.path.name, **record}
                    lines.write(json.dumps(entry) + "\n")
                lines.flush()
                print(f"\r{run.label}: {start + len(batch)}/{len(left)}", end="", file=sys.stderr, flush=True)
            print(file=sys.stderr)


def scores(net: Net, batch: Sequence[Example], run: Run) -> Iterator[dict[str, Any]]:
    """What the table needs of one method's maps for a batch of images."""
    shape = net.shapes()[net.inputs[0]]
    assert shape is not None
    images = np.stack([prepare(read_image(example.path), shape[1:], Preprocessing()) for example in batch])
    targets = np.array([[example.target] for example in batch])
    result = attend(net, images, targets, run.method, at=run.at, **run.options)
    maps = to_numpy(result.resized(*shape[2:]))[:, 0]
    return (score_map(map_, example) for map_, example in zip(maps, batch, strict=True))


def score_map(map_: np.ndarray, example: Example) -> dict[str, Any]:
    """Hit or miss of a map's maximum, and how well its boxes fit, in the pixels the boxes were drawn in."""
    boxes = [energy_box(map_, 0.95), *(mean_box(map_, alpha) for alpha in ALPHAS)]
    fits = [float(iou(to_image(box, map_.shape, example.size), example.boxes).max()) for box in boxes]
    return {"hit": hits(point(map_, example.size), example.boxes), "energy": fits[0], "mean": fits[1:]}


def table(records: Sequence[Mapping[str, Any]], examples: Sequence[Example], labels: Sequence[str]) -> str:
    """The table as Markdown."""
    rows = [
        "| method | images | pointing | pointing, small | error, 95 % energy | error, best mean |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    small = {example.path.name for example in examples if example.covered < 0.5}
    names = {example.path.name for example in examples}
    centre = [{"file": e.path.name, "hit": hits((e.size[1] / 2, e.size[0] / 2), e.boxes)} for e in examples]
    rows.append(f"| centre | {len(centre)} | {_percent(centre, 'hit')} | {_percent(_only(centre, small), 'hit')} | | |")
    for label in labels:
        own = sorted(
            (r for r in records if r["run"] == label and r["file"] in names), key=lambda record: record["file"]
        )
        if own:
            energy = 100 * np.mean([record["energy"] <= 0.5 for record in own])
            rows.append(
                f"| {label} | {len(own)} | {_percent(own, 'hit')} | {_percent(_only(own, small), 'hit')} "
                f"| {energy:.1f} | {best_mean_error(own):.1f} |"
            )
    return "\n".join(rows)


def best_mean_error(records: Sequence[Mapping[str, Any]]) -> float:
    """Localisation error (%) of mean-threshold boxes, each half of the images under the other half's best alpha."""
    wrong = np.array([record["mean"] for record in records]) <= 0.5
    halves = wrong[::2], wrong[1::2]
    errors = [mine[:, other.mean(0).argmin()] for mine, other in (halves, halves[::-1]) if len(mine) and len(other)]
    return float(100 * np.concatenate(errors).mean()) if errors else float("nan")


def _percent(records: Sequence[Mapping[str, Any]], key: str) -> str:
    return f"{100 * np.mean([record[key] for record in records]):.1f}" if records else ""


def _only(records: Sequence[Mapping[str, Any]], names: set[str]) -> list[Mapping[str, Any]]:
    return [record for record in records if record["file"] in names]


def _records(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.endswith("\n")]


def _drop_broken_line(path: Path) -> None:
    """Cut off what a run that was killed wrote of its last line."""
    if path.exists():
        content = path.read_bytes()
        path.write_bytes(content[: content.rfind(b"\n") + 1])


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
