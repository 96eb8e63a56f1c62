"""Which class each pixel of an image shows: a mask with one index per target, 0 where none of them is.

The maps of all targets are made at the image's size and cut out along its colours, by GrabCut seeded at a map's brightest and
darkest pixels, or by SaliencyCut; where the objects of two targets overlap, the larger energy wins. Several methods' maps are
added first; the defaults are Procedure 2 of Feedback CNN (TPAMI 2018). The cuts need OpenCV, super-pixels scikit-image:
pip install 'thinktwice[segment]'
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...attention.attend import attend
from ...attention.grabcut import opencv
from ...attention.regions import CUTS, added, class_regions, over_superpixels
from ...errors import BadInput
from .. import arguments
from ..colours import classes
from ..files import check_writable
from ..labels import label_of
from ..model import described
from ..output import Output, dimensions
from ..overlay import Panel, sheet
from ..question import Question, add_question, methods_of, open_question
from .attend import save

METHODS = "summation,fsp-fr"
SUPERPIXELS = 300
MARK = 0.55  # how much of a class's colour lies over its pixels


def add_arguments(parser: ArgumentParser) -> None:
    add_question(parser, METHODS)
    parser.add_argument(
        "--with",
        dest="cut",
        choices=CUTS,
        default="saliency-cut",
        help="how objects are cut out (default saliency-cut)",
    )
    parser.add_argument(
        "--superpixels", type=arguments.whole, default=SUPERPIXELS, metavar="N",
        help=f"average maps over about N super-pixels first, 0 for none (default {SUPERPIXELS})",
    )  # fmt: skip
    parser.add_argument(
        "--out", metavar="MASK.PNG", help="where to store the mask: a PNG with a palette, indices as values"
    )
    parser.add_argument("--overlay", metavar="O.PNG", help="where to draw it over the image, beside the maps")
    arguments.add_preprocessing(parser)
    arguments.add_device(parser)
    arguments.add_output(parser)


def run(args: Namespace) -> int:
    output = Output(args)
    _check(args)
    methods = methods_of(args.method, args.options)
    asked = open_question(args, output)
    if len(set(asked.targets)) < len(asked.targets):
        raise BadInput(f"target: found a class twice in {args.target!r}, expected each once")
    blob = asked.prepare(asked.picture)
    results = [attend(asked.model.net, blob, asked.targets, name, **options) for name, options in methods]
    maps = [asked.placed(result) for result in results]
    energies = over_superpixels(asked.picture, added(maps), args.superpixels) if args.superpixels else added(maps)
    mask = class_regions(asked.picture, energies, args.cut)
    if args.out:
        save(indexed(mask), args.out)
    if args.overlay:
        save(_drawn(args, asked, energies, mask), args.overlay)
    _report(args, output, asked, mask, [{"name": name, "options": options} for name, options in methods])
    return 0


def indexed(mask: np.ndarray) -> Image.Image:
    """A mask (H, W), uint8, as a picture whose pixel values are the indices."""
    picture = Image.fromarray(mask, "P")
    picture.putpalette(classes().tobytes())
    return picture


def marked(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) with each class's colour over its pixels, in full along their edges."""
    shown = np.where(mask[..., None] > 0, (1 - MARK) * picture + MARK * classes()[mask], picture)
    padded = np.pad(mask, 1, mode="edge")
    edge = np.zeros(mask.shape, bool)
    for y, x in ((0, 1), (2, 1), (1, 0), (1, 2)):
        edge |= padded[y : y + mask.shape[0], x : x + mask.shape[1]] != mask
    shown[edge & (mask > 0)] = classes()[mask[edge & (mask > 0)]]
    return np.rint(shown).astype(np.uint8)


def _check(args: Namespace) -> None:
    """What can be refused before anything is computed."""
    if not (args.out or args.overlay):
        raise BadInput("out: found neither --out nor --overlay, expected a place for the mask")
    check_writable(args.out, "--out", ".png")
    check_writable(args.overlay, "--overlay", ".png")
    opencv()


def _drawn(args: Namespace, asked: Question, energies: np.ndarray, mask: np.ndarray) -> Image.Image:
    panels = [
        Panel(energy, label_of(asked.labels, target), args.method)
        for energy, target in zip(energies, asked.targets, strict=True)
    ]
    subtitle = f"{args.cut}, {dimensions(mask.shape[::-1])}"
    return sheet(asked.picture, panels, Path(args.image).name, subtitle, marked(asked.picture, mask))


def _report(args: Namespace, output: Output, asked: Question, mask: np.ndarray, methods: list[dict[str, Any]]) -> None:
    areas = np.bincount(mask.ravel(), minlength=len(asked.targets) + 1)[1:]
    if output.json:
        output.data(
            {
                "image": args.image,
                "width": asked.size[1],
                "height": asked.size[0],
                "methods": methods,
                "with": args.cut,
                "superpixels": args.superpixels,
                "preprocessing": described(asked.how, args),
                "targets": [
                    {**asked.named(target), "mask_index": number + 1, "pixels": int(area)}
                    for number, (target, area) in enumerate(zip(asked.targets, areas, strict=True))
                ],
                "out": args.out,
                "overlay": args.overlay,
            }
        )
        return
    rows = [
        (number + 1, target, label_of(asked.labels, target), int(area), f"{100 * area / mask.size:.1f} %")
        for number, (target, area) in enumerate(zip(asked.targets, areas, strict=True))
    ]
    output.table(
        (">mask index", ">class", "name", ">pixels", ">of the image"), rows, title=f"{args.cut} of {args.method}"
    )
    for path in filter(None, (args.out, args.overlay)):
        output.note(f"stored: {path}")
