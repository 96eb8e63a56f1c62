"""The main job on what the package brings along: pictures whose objects are known, shown to the embedded net.

For every object: what each method's map shows of it, the box of 95 % of the map's energy, a mask cut out along the picture's
colours (with OpenCV), and whether the map's highest value lies on the object. For every picture: its classes at first glance,
and when the net looks again at what spoke for them. It needs no download and less than a minute. --out names the folder for
index.html, a page that stands alone, and one sheet of pictures for each scene.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...attention.boxes import iou
from ...attention.grabcut import opencv
from ...attention.methods import METHODS
from ...caffe_models.catalogue import EMBEDDED
from ...errors import BadInput
from ...repro.datasets.annotated import annotated
from ...repro.protocols.pointing import hits
from .. import arguments
from ..demo_page import demo_page, legend, row_names, told
from ..demo_scenes import Scene, View, entry, scene_of, view_of
from ..grid import grid
from ..model import image_shape, open_model, preprocessing
from ..output import Output, dimensions
from ..page import write_page
from .attend import save

MODEL, SCENES = "scenes-googlenet-multi", EMBEDDED / "scenes"  # the net, and the folder of the pictures
RIGHT = 0.5  # from this overlap on a box is right
CENTRE = "centre"  # the row of who always points there, and whose box is the whole picture
REAL = """the same for a real Caffe model:
  thinktwice compare photo.jpg --prototxt deploy.prototxt --weights net.caffemodel --labels synset_words.txt \\
    --target "zebra,African elephant" --out page.html"""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--out", default="thinktwice-demo", metavar="DIR", help="folder for page and sheets (default: %(default)s)"
    )
    arguments.add_device(parser)
    arguments.add_output(parser)
    parser.set_defaults(model=MODEL, prototxt=None, weights=None, partial=False, shape=[])
    parser.set_defaults(mean=None, channel_order=None, scale=None, resize=None)


def run(args: Namespace) -> int:
    output, started = Output(args), time.perf_counter()
    folder = _folder(args.out)
    model = open_model(args, output)
    how = preprocessing(args, model, image_shape(model.net)[0])
    scenes = [scene_of(model, how, known) for known in annotated(SCENES)]
    views, left_out = _views(output, scenes)
    entries = [
        {**entry(scene, own), "sheet": str(folder / f"{Path(scene.known.file).stem}_maps.png")}
        for scene, own in zip(scenes, views, strict=True)
    ]
    data = {
        "model": MODEL,
        "scenes": entries,
        "pointing": [*(_row(name, entries) for name in METHODS if name not in left_out), _centre(scenes)],
        "left_out": [{"name": name, "why": why} for name, why in left_out.items()],
        "page": str(folder / "index.html"),
        "seconds": time.perf_counter() - started,
    }
    _write(data, scenes, views)
    if output.json:
        output.data(data)
    else:
        _show(output, data)
    return 0


def _folder(path: str) -> Path:
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"--out: {path} cannot be made a folder: {error.strerror or error}") from None
    return folder


def _views(output: Output, scenes: Sequence[Scene]) -> tuple[list[list[View]], dict[str, str]]:
    """Every method's view of every scene; and what had to be left out, and why."""
    left_out = _without_opencv()
    masks = not left_out
    views: list[list[View]] = [[] for _ in scenes]
    todo = [(number, name) for number in range(len(scenes)) for name in METHODS]
    for number, method in output.progress(todo, "demo"):
        if method in left_out:
            continue
        try:
            views[number].append(view_of(scenes[number], method, masks))
        except BadInput as error:  # a method that does not apply to this net
            left_out[method] = str(error)
    return views, left_out


def _without_opencv() -> dict[str, str]:
    try:
        opencv()
    except BadInput as error:
        return {"masks": f"masks: {error}"}
    return {}


def _row(method: str, scenes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One method over all scenes: on how many objects its maps are highest, and how well its boxes fit."""
    own = [seen for scene in scenes for seen in scene["maps"] if seen["method"] == method]
    return _score(
        method,
        [hit for seen in own for hit in seen["hits"]],
        [overlap for seen in own for overlap in seen["overlaps"]],
        sum(seen["seconds"] for seen in own),
    )


def _centre(scenes: Sequence[Scene]) -> dict[str, Any]:
    known = [(scene.asked.size, truth) for scene in scenes for truth in scene.known.boxes.values()]
    return _score(
        CENTRE,
        [hits((width / 2, height / 2), truth) for (height, width), truth in known],
        [float(iou(np.array([0, 0, width, height]), truth).max()) for (height, width), truth in known],
        0.0,
    )


def _score(method: str, hit: Sequence[bool], overlaps: Sequence[float], seconds: float) -> dict[str, Any]:
    return {
        "method": method,
        "of": len(hit),
        "hits": sum(hit),
        "boxes_right": sum(overlap >= RIGHT for overlap in overlaps),
        "overlap": sum(overlaps) / len(overlaps),
        "seconds": seconds,
    }


def _write(data: Mapping[str, Any], scenes: Sequence[Scene], views: Sequence[Sequence[View]]) -> None:
    """The sheets, then the page: where there is a page, all is there."""
    notes = [f"Left out: {left_out['why']}." for left_out in data["left_out"]]
    pictures = [scene.known.image for scene in scenes]
    columns = [[view.column for view in own] for own in views]
    for scene, picture, own in zip(data["scenes"], pictures, columns, strict=True):
        size, below = dimensions(picture.shape[1::-1]), [legend(scene, own), *notes]
        save(grid(picture, own, row_names(scene, own), scene["image"], size, below), scene["sheet"])
    write_page(demo_page(data, pictures, columns, notes, REAL), data["page"])


def _show(output: Output, data: Mapping[str, Any]) -> None:
    output.table(
        ("scene", "objects (probability)", "looking again"),
        [(scene["image"], told(scene["objects"]), told(scene["think_twice"]["classes"])) for scene in data["scenes"]],
        title=f"{MODEL}: what it says of the pictures",
    )
    rows = [
        (
            row["method"],
            f"{row['hits']} of {row['of']}",
            f"{row['boxes_right']} of {row['of']}",
            f"{row['overlap']:.2f}",
            f"{1000 * row['seconds']:.0f}",
        )
        for row in data["pointing"]
    ]
    output.table(
        ("method", ">pointing", ">boxes right", ">overlap", ">ms"),
        rows,
        title="pointing: the highest value lies on its own object; boxes: overlap with the true one, right from 0.5 on",
    )
    for left_out in data["left_out"]:
        output.text(f"left out: {left_out['why']}")
    output.text(f"sheets: {', '.join(scene['sheet'] for scene in data['scenes'])}")
    output.text(f"page: {data['page']}\n\ndone in {data['seconds']:.1f} s\n\n{REAL}")
