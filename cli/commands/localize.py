"""Boxes around what a map shows of each target, in pixels of the image: x0, y0, x1, y1, the last two exclusive.

--boxes says how a map becomes boxes:
  energy:0.95      the tightest box of the brightest pixels that hold 95 % of the map (Look and Think Twice, 4.2);
                   energy:0.95:2 takes the squares of its values
  mean:ALPHA       the tightest box of the pixels above ALPHA times the map's mean (Excitation Backprop, 4.2)
  contours         a box for each external contour of the map, the one that holds most first (Global Perception, 3.2);
                   thresholded at energy:0.95, or contours:energy:... and contours:mean:...
A map is read at the size of the net's input. --two-stage finds a rough box by the first of two methods, cuts it out of the
image, and looks for the box in there by the second (Feedback CNN, Procedure 1).
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...attention.attend import attend
from ...attention.box_rule import BoxRule, box_rule
from ...attention.boxes import to_image
from ...attention.maps import resize
from ...attention.two_stage import two_stage
from ...errors import BadInput
from ...executor.device import to_numpy
from .. import arguments
from ..files import check_writable
from ..labels import label_of
from ..model import described
from ..output import Output, dimensions
from ..overlay import Panel, sheet
from ..question import (
    Question,
    add_question,
    box_entry,
    methods_of,
    open_question,
    shown_box,
    whole_pictures,
)
from .attend import save

METHOD, RULE = "feedback", "energy:0.95"
TWO_METHODS, TWO_RULE = "summation,fsp-fr", "energy:0.99"

Chosen = list[tuple[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Found:
    """One target's ``boxes`` (number, 4), its ``rough`` box if there were two stages, its score, and the map (H, W), all at the
    picture's size."""

    boxes: np.ndarray
    map: np.ndarray
    score: float | None = None
    rough: np.ndarray | None = None


def add_arguments(parser: ArgumentParser) -> None:
    add_question(parser, None, f"{METHOD}, with --two-stage {TWO_METHODS}")
    parser.add_argument("--at", metavar="BLOB", help="the blob to read the map at (default: the method's choice)")
    parser.add_argument("--boxes", metavar="RULE", help=f"default {RULE}, with --two-stage {TWO_RULE}")
    parser.add_argument(
        "--min-area", type=arguments.positive, default=1, metavar="N",
        help="leave out contours around fewer pixels of the net's input",
    )  # fmt: skip
    parser.add_argument("--two-stage", action="store_true", help="rough box, then the box in it; --method FIRST,SECOND")
    parser.add_argument("--overlay", metavar="O.PNG", help="where to draw the boxes over image and maps")
    arguments.add_preprocessing(parser)
    arguments.add_device(parser)
    arguments.add_output(parser)


def run(args: Namespace) -> int:
    output = Output(args)
    rule, methods = _checked(args)
    asked = open_question(args, output)
    if args.two_stage:
        whole_pictures(asked.how, "--two-stage")
        found = _in_two_stages(asked, methods, rule)
    else:
        found = _in_one(asked, methods, rule, args.at, args.min_area)
    title = f"{rule.text} of {', then '.join(name for name, _ in methods)}"
    if args.overlay:
        _draw(args, asked, found, title)
    _report(args, output, asked, found, rule, methods, title)
    return 0


def _checked(args: Namespace) -> tuple[BoxRule, Chosen]:
    """What can be refused before anything is computed."""
    check_writable(args.overlay, "--overlay", ".png")
    rule = box_rule(args.boxes or (TWO_RULE if args.two_stage else RULE))
    methods = methods_of(args.method or (TWO_METHODS if args.two_stage else METHOD), args.options)
    if args.min_area > 1 and not rule.contours:
        raise BadInput(f"--min-area: found it beside --boxes {rule.text}, expected --boxes contours")
    wanted = 2 if args.two_stage else 1
    if len(methods) != wanted:
        which = "two, FIRST,SECOND, with --two-stage" if args.two_stage else "one, or --two-stage with two"
        raise BadInput(f"method: found {len(methods)} in {args.method!r}, expected {which}")
    if args.two_stage and (rule.contours or rule.energy is None or args.at):
        what = "--at" if args.at else f"--boxes {rule.text}"
        raise BadInput(
            f"--two-stage: found {what} beside it, expected --boxes energy:FRACTION and the methods' own blobs"
        )
    return rule, methods


def _in_one(asked: Question, methods: Chosen, rule: BoxRule, at: str | None, min_area: int) -> list[Found]:
    (name, options), part = methods[0], asked.sees
    result = attend(asked.model.net, asked.prepare(asked.picture), asked.targets, name, at, **options)
    seen_size = (part.bottom - part.top, part.right - part.left)
    corner = np.array([part.left, part.top, part.left, part.top])
    found = []
    maps = to_numpy(result.resized(*asked.shape[1:]))[0]
    for values, shown, score in zip(maps, asked.placed(result), result.scores[0], strict=True):
        boxes = to_image(rule(values, min_area), asked.shape[1:], seen_size) + corner
        found.append(Found(boxes, shown, float(score)))
    return found


def _in_two_stages(asked: Question, methods: Chosen, rule: BoxRule) -> list[Found]:
    assert rule.energy is not None
    (first, first_options), (second, second_options) = methods
    fraction, power = rule.energy
    result = two_stage(
        asked.model.net,
        asked.picture,
        asked.targets,
        asked.prepare,
        (first, second),
        fraction=fraction,
        power=power,
        options=(first_options, second_options),
    )
    found = []
    for rough, box, values in zip(result.first, result.boxes, result.maps, strict=True):
        x0, y0, x1, y1 = rough
        shown = np.zeros(asked.size)
        shown[y0:y1, x0:x1] = resize(to_numpy(values), y1 - y0, x1 - x0)
        found.append(Found(box[None], shown, rough=rough))
    return found


def _draw(args: Namespace, asked: Question, found: list[Found], title: str) -> None:
    panels = [
        Panel(
            one.map,
            label_of(asked.labels, target),
            title,
            one.boxes if one.rough is None else np.concatenate([one.boxes, one.rough[None]]),
        )
        for target, one in zip(asked.targets, found, strict=True)
    ]
    drawn = sheet(asked.picture, panels, Path(args.image).name, dimensions(asked.picture.shape[1::-1]))
    save(drawn, args.overlay)


def _report(
    args: Namespace, output: Output, asked: Question, found: list[Found], rule: BoxRule, methods: Chosen, title: str
) -> None:
    entries = [_entry(asked, target, one) for target, one in zip(asked.targets, found, strict=True)]
    if output.json:
        output.data(
            {
                "image": args.image,
                "width": asked.size[1],
                "height": asked.size[0],
                "methods": [{"name": name, "options": options} for name, options in methods],
                "rule": rule.text,
                "two_stage": args.two_stage,
                "preprocessing": described(asked.how, args),
                "targets": entries,
                "overlay": args.overlay,
            }
        )
        return
    rows = [
        (target, label_of(asked.labels, target), number + 1, shown_box(box))
        for target, entry in zip(asked.targets, entries, strict=True)
        for number, box in enumerate(entry["boxes"])
    ]
    output.table((">class", "name", ">box", "x0, y0 to x1, y1"), rows, title=title)
    if args.overlay:
        output.note(f"stored: {args.overlay}")


def _entry(asked: Question, target: int, found: Found) -> dict[str, Any]:
    entry = {**asked.named(target), "boxes": [box_entry(box) for box in found.boxes]}
    if found.score is not None:
        entry["score"] = found.score
    if found.rough is not None:
        entry["rough_box"] = box_entry(found.rough)
    return entry
