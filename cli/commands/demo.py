"""The main job on what the package brings along: two scenes of drawn figures, and what every method finds of each figure.

It needs no download and takes some seconds. --out names the folder for the pictures. Where the figures stand is known: a
map's highest value should lie in the box of its own figure.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...attention.answers import answer_blob, probabilities_of
from ...attention.methods import METHODS
from ...errors import BadInput
from ...repro.datasets.embedded_scenes import embedded_scenes
from ...repro.datasets.figure_scenes import Thing
from ...repro.images import seen
from ...repro.protocols.pointing import inside
from .. import arguments
from ..labels import find_targets, labels_for
from ..model import image_shape, open_model, preprocessing
from ..output import Output
from ..question import Question, box_entry
from .attend import save
from .compare import Look, drawn, look, peak_entry, shown_peak

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
    for name, scene in output.progress(list(embedded_scenes().items()), "demo"):
        box = seen(scene.image.shape[:2], shape[1:], how)
        targets = find_targets(",".join(thing.name for thing in scene.things), labels)
        asked = Question(model, scene.image, shape, how, box, labels, targets)
        probabilities = probabilities_of(model.net, asked.prepare(scene.image)[None], answering)[0]
        looks = [look(asked, method.name, method.checked({})) for method in METHODS.values()]
        stored = folder / f"{Path(name).stem}_maps.png"
        save(drawn(asked, looks, name), stored)
        figures = [
            {"class": target, "name": thing.name, "probability": probabilities[target], "box": box_entry(thing.box)}
            for target, thing in zip(targets, scene.things, strict=True)
        ]
        maps = [_entry(one, scene.things) for one in looks]
        scenes.append({"image": name, "figures": figures, "maps": maps, "overlay": str(stored)})
    hits = {method: sum(sum(row["hits"]) for row in _rows(scenes, method)) for method in METHODS}
    seconds = time.perf_counter() - started
    if output.json:
        output.data({"model": MODEL, "scenes": scenes, "hits": hits, "seconds": seconds})
    else:
        _show(output, scenes, hits, seconds)
    return 0


def _entry(one: Look, things: Sequence[Thing]) -> dict[str, Any]:
    return {
        "method": one.method,
        "at": one.at,
        "peaks": [peak_entry(place) for place in one.peaks],
        "hits": [inside(place, thing.box) for place, thing in zip(one.peaks, things, strict=True)],
        "seconds": one.seconds,
    }


def _rows(scenes: Sequence[dict[str, Any]], method: str) -> list[dict[str, Any]]:
    return [row for scene in scenes for row in scene["maps"] if row["method"] == method]


def _folder(path: str) -> Path:
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"--out: {path} cannot be made a folder: {error.strerror or error}") from None
    return folder


def _show(output: Output, scenes: Sequence[dict[str, Any]], hits: dict[str, int], seconds: float) -> None:
    for scene in scenes:
        figures = [f"{figure['name']} ({figure['probability']:.3f})" for figure in scene["figures"]]
        rows = [
            (row["method"], row["at"], *map(_cell, row["peaks"], row["hits"]), f"{1000 * row['seconds']:.0f}")
            for row in scene["maps"]
        ]
        output.table(("method", "at", *figures, ">ms"), rows, title=f"{scene['image']}: highest values at x, y")
        output.text(f"pictures: {scene['overlay']}\n")
    total = sum(len(scene["figures"]) for scene in scenes)
    output.text("* the highest value lies in the true box of its own figure:")
    for number in sorted(set(hits.values()), reverse=True):
        output.text(f"  {number} of {total}: {', '.join(method for method in hits if hits[method] == number)}")
    output.text(f"\ndone in {seconds:.1f} s\n\n{REAL}")


def _cell(place: dict[str, int] | None, hit: bool) -> str:
    return shown_peak(None if place is None else (place["x"], place["y"])) + (" *" if hit else "")
