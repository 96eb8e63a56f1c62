"""Maps of what speaks for a class in an image, one for each target.

--out stores a .npz file: `map` (targets, H, W) at the blob, `resized` (targets, image H, W), `targets`, and `meta`, a
JSON string that says how the maps were made. Where preprocessing takes the image's centre, `resized` is 0 around it.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from thinktwice import __version__

from ...attention.attend import Attention, attend
from ...attention.maps import KERNELS
from ...attention.methods import find_method
from ...caffe_models.files import replacing
from ...errors import BadInput, nearest
from ...executor.device import to_numpy
from .. import arguments
from ..files import check_writable, sha256, write_npz
from ..labels import Label, label_of
from ..model import described
from ..output import Output, dimensions, plain
from ..overlay import Panel, sheet
from ..question import Question, add_question, open_question, options_of


def add_arguments(parser: ArgumentParser) -> None:
    add_question(parser, "c-mwp")
    parser.add_argument("--at", metavar="BLOB", help="the blob to read the map at (default: the method's choice)")
    parser.add_argument(
        "--interpolation", default="bicubic", metavar="HOW", help=f"to the image's size: {', '.join(KERNELS)}"
    )
    parser.add_argument("--out", metavar="MAP.NPZ", help="where to store the maps")
    parser.add_argument("--overlay", metavar="O.PNG", help="where to draw them over the image")
    arguments.add_preprocessing(parser)
    arguments.add_device(parser)
    arguments.add_output(parser)


def run(args: Namespace) -> int:
    output = Output(args)
    _check(args)
    options = options_of(find_method(args.method), args.options)
    asked = open_question(args, output)
    picture, targets, labels = asked.picture, asked.targets, asked.labels
    result = attend(asked.model.net, asked.prepare(picture), targets, args.method, args.at, **options)
    maps = to_numpy(result.map)[0]
    resized = asked.placed(result, args.interpolation)
    meta = plain({**result.meta, **_provenance(args, asked)})
    if args.out:
        arrays = {"map": maps, "resized": resized, "targets": np.array(targets), "meta": np.array(json.dumps(meta))}
        write_npz(args.out, arrays)
    if args.overlay:
        panels = [
            Panel(values, label_of(labels, target), f"{args.method} at {result.at}")
            for values, target in zip(resized, targets, strict=True)
        ]
        save(sheet(picture, panels, Path(args.image).name, dimensions(picture.shape[1::-1])), args.overlay)
    _report(output, args, meta, maps, resized, result, labels)
    return 0


def _check(args: Namespace) -> None:
    """What can be refused before anything is computed."""
    if not (args.out or args.overlay):
        raise BadInput("out: found neither --out nor --overlay, expected a place for the maps")
    check_writable(args.out, "--out")
    check_writable(args.overlay, "--overlay", ".png")
    if args.interpolation not in KERNELS:
        raise BadInput(
            f"interpolation: found {args.interpolation!r}, expected one of {list(KERNELS)}"
            f"{nearest(args.interpolation, KERNELS)}"
        )


def _provenance(args: Namespace, asked: Question) -> dict[str, Any]:
    """What one must know to make the same maps again."""
    weights = {f"weights {n}" if n > 1 else "weights": path for n, path in enumerate(asked.model.weights, start=1)}
    files = {"image": args.image, "prototxt": asked.model.prototxt, **weights}
    return {
        "files": {what: {"path": str(path), "sha256": sha256(path)} for what, path in files.items()},
        "names": [asked.labels[target].names for target in asked.targets] if asked.labels else None,
        "preprocessing": described(asked.how, args),
        "seen": asked.sees._asdict(),
        "interpolation": args.interpolation,
        "versions": {
            "thinktwice": __version__,
            "python": sys.version.split()[0],
            "numpy": np.__version__,
            "pillow": PIL.__version__,
        },
    }


def save(picture: Any, path: str | Path) -> None:
    """A picture as a PNG file, whole or not at all."""
    with replacing(path) as temporary:
        picture.save(temporary, "PNG", compress_level=4)  # the highest levels take seconds and win little


def _report(
    output: Output,
    args: Namespace,
    meta: dict[str, Any],
    maps: np.ndarray,
    resized: np.ndarray,
    result: Attention,
    labels: Sequence[Label] | None,
) -> None:
    if output.json:
        output.data({"out": args.out, "overlay": args.overlay, "shape": maps.shape, "meta": meta})
        return
    rows = []
    for target, score, values in zip(result.targets[0], result.scores[0], resized, strict=True):
        y, x = np.unravel_index(int(values.argmax()), values.shape)
        rows.append((target, label_of(labels, target), f"{score:.4g}", f"{values.max():.3g}", f"{x}, {y}"))
    output.table((">class", "name", ">score", ">highest value", "at x, y"), rows, title=f"{args.method} at {result.at}")
    for path in filter(None, (args.out, args.overlay)):
        output.note(f"stored: {path}")
