"""The main job on what the package brings along: scenes are classified, and every method draws what speaks for two classes.

It needs no download and takes some seconds. --out names the folder for the pictures.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...attention.attend import attend
from ...attention.methods import METHODS
from ...caffe_models.catalogue import EMBEDDED
from ...errors import BadInput
from ...executor.net import Net
from ...repro.images import Preprocessing, prepare, read_image, seen
from .. import arguments
from ..labels import Label, label_of, labels_for
from ..model import image_shape, open_model, preprocessing
from ..output import Output
from ..overlay import Panel, sheet, stack
from ..question import placed
from .attend import save
from .classify import answer_blob, probabilities_of

MODEL = "figures"
REAL = """the same for a real Caffe model:
  thinktwice attend photo.jpg --prototxt deploy.prototxt --weights net.caffemodel --labels synset_words.txt \\
    --target zebra --method c-mwp --out map.npz --overlay map.png"""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--out", default="thinktwice-demo", metavar="DIR", help="folder for the pictures (default: %(default)s)"
    )
    arguments.add_device(parser)
    arguments.add_output(parser)
    parser.set_defaults(model=MODEL, prototxt=None, weights=None, partial=False, shape=[])
    parser.set_defaults(mean=None, channel_order=None, scale=None, resize=None)


def run(args: Namespace) -> int:
    output, started = Output(args), time.perf_counter()
    folder = _folder(args.out)
    model = open_model(args, output)
    shape = image_shape(model.net)
    how = preprocessing(args, model, shape[0])
    answering = answer_blob(model.net)
    labels = labels_for(model.labels, (model.net.shapes()[answering] or (0, 0))[1])
    scenes = []
    for path in output.progress(sorted(EMBEDDED.glob("*.png")), "demo"):
        picture = read_image(path)
        blob = prepare(picture, shape, how)
        probabilities = probabilities_of(model.net, blob[None], answering)[0]
        targets = [int(index) for index in np.argsort(-probabilities, kind="stable")[:2]]
        drawn, rows = _drawn(model.net, picture, blob, shape, how, targets, labels, path.name)
        stored = folder / f"{path.stem}_maps.png"
        save(drawn, stored)
        found = [
            {"class": target, "name": label_of(labels, target), "probability": float(probabilities[target])}
            for target in targets
        ]
        scenes.append({"image": path.name, "classes": found, "maps": rows, "overlay": str(stored)})
    seconds = time.perf_counter() - started
    if output.json:
        output.data({"model": MODEL, "scenes": scenes, "seconds": seconds})
    else:
        _show(output, scenes, seconds)
    return 0


def _drawn(
    net: Net,
    picture: np.ndarray,
    blob: np.ndarray,
    shape: tuple[int, int, int],
    how: Preprocessing,
    targets: Sequence[int],
    labels: Sequence[Label] | None,
    name: str,
) -> tuple[Image.Image, list[dict[str, Any]]]:
    """One sheet with a row for every method, and where each map has its highest value."""
    sheets, rows = [], []
    box = seen(picture.shape[:2], shape[1:], how)
    for method in METHODS.values():
        started = time.perf_counter()
        result = attend(net, blob, targets, method.name)
        seconds = time.perf_counter() - started
        maps = placed(result, picture.shape[:2], box, "bicubic")
        panels = [
            Panel(values, label_of(labels, target), f"{method.name} at {result.at}")
            for values, target in zip(maps, targets, strict=True)
        ]
        sheets.append(sheet(picture, panels, name, method.title))
        peaks = [np.unravel_index(int(values.argmax()), values.shape) for values in maps]
        rows.append(
            {
                "method": method.name,
                "at": result.at,
                "peaks": [{"x": int(column), "y": int(row)} for row, column in peaks],
                "seconds": seconds,
            }
        )
    return stack(sheets), rows


def _folder(path: str) -> Path:
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"--out: {path} cannot be made a folder: {error.strerror or error}") from None
    return folder


def _show(output: Output, scenes: Sequence[dict[str, Any]], seconds: float) -> None:
    for scene in scenes:
        first, second = (f"{found['name']} ({found['probability']:.2f})" for found in scene["classes"])
        rows = [
            (
                row["method"],
                row["at"],
                *(f"{peak['x']}, {peak['y']}" for peak in row["peaks"]),
                f"{1000 * row['seconds']:.0f}",
            )
            for row in scene["maps"]
        ]
        output.table(
            ("method", "at", f"{first}: highest at x, y", f"{second}: highest at x, y", ">ms"),
            rows,
            title=scene["image"],
        )
        output.text(f"pictures: {scene['overlay']}\n")
    output.text(f"done in {seconds:.1f} s\n\n{REAL}")
