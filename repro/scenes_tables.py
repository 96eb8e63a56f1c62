"""Pointing, boxes, segmentation and second looks of every method on pictures of several objects, as one table per model.

    python -m thinktwice.repro.scenes_tables --data DIR --model scenes-vgg-multi,scenes-resnet-multi --out results.jsonl

Results go to ``--out`` as soon as they are known, one JSON line for each picture, method and model: a run that was stopped, by
Ctrl-C or otherwise, loses at most the pictures in work, and the same command goes on from there. A result is taken up again only
if pictures, weights and options are what they were. ``--table`` alone prints what is known.

What the columns are (per cent; each is a file in ``protocols/``):

    pointing     the map's maximum lies in a box of the category; mean over categories
    box          the box of 95 % of the map's energy, or of another --box rule, meets a true one at an overlap above 1/2;
                 mean over categories
    mean box     the same for the box of what lies above alpha times the mean, alpha chosen on the other half of the pictures
    difficult    the column before, for categories whose boxes cover less than 1/4 of a picture that shows others too
    mIoU         overlap of the pixels that the maps claim with the true masks, mean over classes and background
    again        classification after a second look (and by how much that is better than after the first): ``top-1``, the
                 first answer is there; ``top-5``, the share of the categories there that is among five answers; and the
                 ``precision`` of as many answers as there are categories. It is the single-label model of the same name
                 that looks, at squashed pictures: see ``protocols/second_look.py``
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

from ..attention.box_rule import FORMS, box_rule
from ..attention.methods import METHODS
from ..attention.regions import CUTS
from ..caffe_models.catalogue import find_model
from ..errors import BadInput
from .parallel import done
from .results import appending
from .runs import Run, parse_runs
from .scenes_pictures import Picture, voc_pictures
from .scenes_results import Known, Results
from .scenes_scores import KINDS, Settings, Task, scores
from .scenes_summary import centre_row, look_row, map_row, markdown

Limit = Callable[[Run], int | None]


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        tables = _tables(arguments)
    except BadInput as error:
        print(f"thinktwice: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nstopped: {_go_on(arguments.out)}", file=sys.stderr)
        return 130
    except BrokenProcessPool:
        print(
            f"\nthinktwice: error: a process was killed, perhaps for memory: {_go_on(arguments.out)}", file=sys.stderr
        )
        return 1
    print(tables)
    return 0


def _tables(arguments: argparse.Namespace) -> str:
    settings = Settings(arguments.tolerance, arguments.blur, box_rule(arguments.box).text, arguments.cut)
    runs = parse_runs(arguments.methods or ",".join(METHODS))
    models = [find_model(name.strip()).name for name in arguments.model.split(",")]
    pictures = voc_pictures(arguments.data, arguments.split, _class_names(models))
    limits = {"maps": _limit(arguments.limit), "looks": _limit(arguments.looks or arguments.limit)}
    known = Known(arguments.out, models, runs, pictures, settings)
    if not arguments.table:
        tasks = [
            Task(model, run, kind, batch, settings, arguments.device)
            for model in models
            for run in runs
            for kind in KINDS
            for batch in batches(known.missing(model, run, kind, pictures[: limits[kind](run)]), arguments.batch_size)
        ]
        measure(tasks, known, arguments.jobs)
    rows = {model: table_rows(known, model, runs, pictures, settings) for model in models}
    if arguments.json:
        return json.dumps(rows, indent=1)
    return "\n\n".join(markdown(model, pictures, own, settings) for model, own in rows.items())


def table_rows(
    known: Known, model: str, runs: Iterable[Run], pictures: Sequence[Picture], settings: Settings
) -> dict[str, dict[str, Any]]:
    """Label -> the row's numbers, as far as they are known; first the centre's."""
    rows = {"centre": centre_row(pictures, settings.tolerance)}
    for run in runs:
        maps, looks = (known.of(model, run, kind) for kind in KINDS)
        refused = {one["refused"]: None for results in (maps, looks) for one in results.values() if "refused" in one}
        row = {**map_row(pictures, _given(maps)), **look_row(pictures, _given(looks))}
        rows[run.label] = {**row, "refused": "; ".join(refused)} if refused else row
    return rows


def measure(tasks: Sequence[Task], known: Known, jobs: int) -> None:
    """Do what is left to do, in so many processes; each result goes to the file when it is there."""
    left, shown = sum(len(task.pictures) for task in tasks), ""
    with appending(known.path) as append, closing(done(scores, tasks, jobs)) as results:
        for task, found in results:
            append(known.taking(task, found))
            left -= len(found)
            row = f"{task.model}, {task.run.label}, {task.kind}"
            if sys.stderr.isatty():
                print(f"\r{f'{left} to go: {row}':<78}", end="" if left else "\n", file=sys.stderr, flush=True)
            elif row != shown:  # in a log, a line for each row
                print(f"{left} to go: {row}", file=sys.stderr, flush=True)
            shown = row


def batches(pictures: Iterable[Picture], number: int) -> Iterator[tuple[Picture, ...]]:
    """Up to ``number`` pictures at once, of one size and with equally many categories."""

    def shape(picture: Picture) -> tuple[int, ...]:
        return len(picture.categories), *picture.size

    for _, alike in groupby(sorted(pictures, key=shape), shape):
        own = list(alike)
        yield from (tuple(own[start : start + number]) for start in range(0, len(own), number))


def _class_names(models: Iterable[str]) -> list[str]:
    """The categories, of which all models must have the same. Raises ``BadInput``."""
    first, *others = ([name.partition(",")[0] for name in find_model(model).class_names] for model in models)
    for names in others:
        if names != first:
            raise BadInput(
                f"model: found models for other classes, {names} and {first}, expected the same for all tables"
            )
    return first


def _go_on(path: Path) -> str:
    return f"what is known is in {path}, and the same command goes on from there"


def _given(results: Results) -> Results:
    return {name: one for name, one in results.items() if "refused" not in one}


def _limit(text: str | None) -> Limit:
    """From ``200,gp:20``: how many pictures a row has at most. Raises ``BadInput``."""
    most: dict[str, int] = {}
    for word in text.split(",") if text else ():
        method, colon, number = word.strip().rpartition(":")
        if not number.isdecimal() or (colon and method not in METHODS):
            raise BadInput(f"limit: found {word.strip()!r}, expected a number of pictures, or METHOD:NUMBER")
        most[method] = int(number)
    return lambda run: most.get(run.method, most.get(""))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m thinktwice.repro.scenes_tables",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", required=True, help="a folder in VOC's layout")
    add("--split", default="test", help="its list of pictures (test)")
    add("--model", required=True, help="models by their names, separated by commas")
    add("--out", required=True, type=Path, help="results, one JSON line for each picture, method and model")
    add("--methods", help="rows, separated by commas, like 'mwp@pool1, fsp mode=demo' (all methods)")
    add("--limit", help="the first so many pictures; another number for a slow method: 200,gp:20 (all)")
    add("--looks", help="the same for second looks (as --limit)")
    add(
        "--tolerance",
        type=float,
        default=0.0,
        help="pixels beside a box that still hit it; Excitation Backprop: 15 (0)",
    )
    add("--blur", type=float, default=0.02, help="of maps at the image, a part of the longer side (0.02)")
    add("--box", default="energy:0.95", help=f"the rule of the first boxes: {FORMS} (energy:0.95)")
    add("--cut", choices=CUTS, help="cut masks out by colour, rather than at a level; slow")
    add("--batch-size", type=_positive, default=1, help="pictures at once; more of them are faster on a GPU only (1)")
    add("--jobs", type=_positive, default=os.cpu_count() or 1, help="processes (one for each core)")
    add("--device", default="cpu", help="auto, cpu, cuda or cuda:n (cpu)")
    add("--table", action="store_true", help="only print the tables of what is known")
    add("--json", action="store_true", help="print the tables as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
