"""The papers' figure: what each method shows of each target, in small maps, methods in columns, targets in rows.

--out names a .png for one sheet, or an .html for a page that stands alone, with all numbers beside the maps.

A method that does not apply to the net (class activation maps ask for global average pooling) is left out of the sheet, and
told: in a note, at the sheet's or page's bottom, and in JSON under `left_out`. Options (-o) go to all methods that know them.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from thinktwice import __version__

from ...attention.attend import ask, attend
from ...attention.methods import METHODS
from ...errors import BadInput
from .. import arguments
from ..files import check_writable
from ..grid import LEGEND, Column, column, grid, grid_figure, peak, small
from ..labels import label_of
from ..model import described
from ..output import Output, dimensions, plain
from ..page import Markup, beside, page, picture, section, table, write_page
from ..question import Question, add_options, add_picture, methods_of, open_question
from .attend import save

PAGE = ".html"


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
    parser.add_argument(
        "--out", required=True, metavar="PAGE.HTML", help="where to store the page (.html) or the sheet (.png)"
    )
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
    if args.out.lower().endswith(PAGE):
        write_page(_page(args, asked, looks, notes), args.out)
    else:
        save(drawn(asked, looks, Path(args.image).name, notes), args.out)
    _report(args, output, asked, looks, left_out)
    return 0


def look(asked: Question, method: str, options: Mapping[str, Any]) -> Look:
    """Ask one method. Raises ``BadInput`` where it does not apply to the net."""
    return look_and_maps(asked, method, options)[0]


def look_and_maps(asked: Question, method: str, options: Mapping[str, Any]) -> tuple[Look, np.ndarray]:
    """The same, with the maps (K, H, W) at the picture's size, which of a photograph are large."""
    started = time.perf_counter()
    result = attend(asked.model.net, asked.prepare(asked.picture), asked.targets, method, **options)
    seconds = time.perf_counter() - started
    maps = asked.placed(result)
    shown = column(asked.picture, method, f"at {result.at}", maps)
    return Look(method, result.at, options, result.scores[0], [peak(values) for values in maps], shown, seconds), maps


def drawn(asked: Question, looks: Sequence[Look], title: str, notes: Sequence[str] = ()) -> Any:
    """The sheet of several looks at one question."""
    names = [label_of(asked.labels, target) for target in asked.targets]
    size = dimensions(asked.picture.shape[1::-1])
    return grid(asked.picture, [one.column for one in looks], names, title, size, notes)


def _page(args: Namespace, asked: Question, looks: Sequence[Look], notes: Sequence[str]) -> str:
    name = Path(args.image).name
    names = [label_of(asked.labels, target) for target in asked.targets]
    height, width = asked.size
    scores = [
        (label, str(target), f"{score:.4g}")
        for label, target, score in zip(names, asked.targets, looks[0].scores, strict=True)
    ]
    return page(
        f"What speaks for {' and '.join(names) if len(names) < 3 else 'each class'} in {name}",
        beside(
            picture(small(asked.picture), f"{name}, the whole picture"),
            table("What was asked", ("target", ">class", ">score"), scores),
        ),
        section("Maps", grid_figure([one.column for one in looks], names, LEGEND)),
        section("Numbers", _numbers(names, looks)),
        lead=[
            f"{width} x {height} pixels, shown to {asked.model.net.name or 'the net'} ({asked.model.prototxt.name})."
        ],
        foot=[*notes, f"Preprocessing: {_listed(described(asked.how, args))}.", f"Made by thinktwice {__version__}."],
    )


def _numbers(names: Sequence[str], looks: Sequence[Look]) -> Markup:
    rows = [
        (one.method, one.at, *map(shown_peak, one.peaks), f"{1000 * one.seconds:.0f}", _listed(one.options))
        for one in looks
    ]
    caption = (
        "The blob at which each map was read, where it is highest (x, y in pixels of the picture), time and options"
    )
    return table(caption, ("method", "at", *(f">{name}" for name in names), ">ms", "options"), rows)


def _listed(entries: Mapping[str, Any]) -> str:
    """``resize squash, scale 1.0``: what is set."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in plain(entries).items() if value is not None)


def peak_entry(place: tuple[int, int] | None) -> dict[str, int] | None:
    """A pixel of the picture as plain data."""
    return None if place is None else {"x": place[0], "y": place[1]}


def shown_peak(place: tuple[int, int] | None) -> str:
    """``114, 54``."""
    return "nowhere" if place is None else f"{place[0]}, {place[1]}"


def _check(args: Namespace) -> None:
    """What can be refused before anything is computed."""
    check_writable(args.out, "--out", (PAGE, ".png"))


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
