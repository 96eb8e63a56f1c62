"""The papers' figure: what each method shows of each target, as one sheet of small maps, methods in columns, targets in rows.

A method that does not apply to the net (class activation maps ask for global average pooling) is left out of the sheet, and
told: in a note, at the sheet's bottom, and in JSON under `left_out`. Options (-o) go to all methods that know them.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...attention.attend import ask, attend
from ...attention.methods import METHODS
from ...errors import BadInput
from .. import arguments
from ..files import check_writable
from ..grid import Column, column, grid, peak
from ..labels import label_of
from ..model import described
from ..output import Output, dimensions
from ..question import Question, add_options, add_picture, methods_of, open_question
from .attend import save


@dataclass(frozen=True)
class Look:
    """What one method showed of all targets: its drawn ``column``, and where each map is highest (x, y), ``None`` if it is flat."""

    method: str
    at: str
    options: Mapping[str, Any]
    scores: np.ndarray
    peaks: list[tuple[int, int] | None]
    column: Column
    seconds: float


def add_arguments(parser: ArgumentParser) -> None:
    add_picture(parser)
    parser.add_argument(
        "--methods", default=",".join(METHODS), metavar="A,B,...", help=f"of {', '.join(METHODS)} (default: all)"
    )
    add_options(parser)
    parser.add_argument("--out", required=True, metavar="SHEET.PNG", help="where to draw the sheet")
    arguments.add_preprocessing(parser)
    arguments.add_device(parser)
    arguments.add_output(parser)


def run(args: Namespace) -> int:
    output = Output(args)
    _check(args)
    methods = methods_of(args.methods, args.options)
    asked = open_question(args, output)
    ask(
        asked.model.net, asked.prepare(asked.picture), asked.targets, METHODS[methods[0][0]]
    )  # wrong for one, wrong for all
    looks, left_out = [], {}
    for name, options in output.progress(methods, "compare"):
        try:
            looks.append(look(asked, name, options))
        except BadInput as error:
            if options != METHODS[name].checked({}):
                raise  # then what was asked may be wrong, not the net
            left_out[name] = str(error)
            output.note(f"left out: {error}")
    if not looks:
        raise BadInput(next(iter(left_out.values())))
    notes = [f"Left out: {why}." for why in left_out.values()]
    save(drawn(asked, looks, Path(args.image).name, notes), args.out)
    _report(args, output, asked, looks, left_out)
    return 0


def look(asked: Question, method: str, options: Mapping[str, Any]) -> Look:
    """Ask one method. Raises ``BadInput`` where it does not apply to the net."""
    started = time.perf_counter()
    result = attend(asked.model.net, asked.prepare(asked.picture), asked.targets, method, **options)
    seconds = time.perf_counter() - started
    maps = asked.placed(result)
    shown = column(asked.picture, method, f"at {result.at}", maps)
    return Look(method, result.at, options, result.scores[0], [peak(values) for values in maps], shown, seconds)


def drawn(asked: Question, looks: Sequence[Look], title: str, notes: Sequence[str] = ()) -> Any:
    """The sheet of several looks at one question."""
    names = [label_of(asked.labels, target) for target in asked.targets]
    size = dimensions(asked.picture.shape[1::-1])
    return grid(asked.picture, [one.column for one in looks], names, title, size, notes)


def peak_entry(place: tuple[int, int] | None) -> dict[str, int] | None:
    """A pixel of the picture as plain data."""
    return None if place is None else {"x": place[0], "y": place[1]}


def shown_peak(place: tuple[int, int] | None) -> str:
    """``114, 54``."""
    return "nowhere" if place is None else f"{place[0]}, {place[1]}"


def _check(args: Namespace) -> None:
    """What can be refused before anything is computed."""
    check_writable(args.out, "--out", ".png")


def _report(
    args: Namespace, output: Output, asked: Question, looks: Sequence[Look], left_out: Mapping[str, str]
) -> None:
    if output.json:
        output.data(
            {
                "image": args.image,
                "width": asked.size[1],
                "height": asked.size[0],
                "preprocessing": described(asked.how, args),
                "targets": [
                    {**asked.named(target), "score": score}
                    for target, score in zip(asked.targets, looks[0].scores, strict=True)
                ],
                "methods": [
                    {
                        "name": one.method,
                        "at": one.at,
                        "options": one.options,
                        "peaks": [peak_entry(place) for place in one.peaks],
                        "seconds": one.seconds,
                    }
                    for one in looks
                ],
                "left_out": [{"name": name, "why": why} for name, why in left_out.items()],
                "out": args.out,
            }
        )
        return
    names = [label_of(asked.labels, target) for target in asked.targets]
    rows = [
        (one.method, one.at, *(shown_peak(place) for place in one.peaks), f"{1000 * one.seconds:.0f}") for one in looks
    ]
    output.table(("method", "at", *(f"{name}: highest at x, y" for name in names), ">ms"), rows, title=args.image)
    output.note(f"stored: {args.out}")
