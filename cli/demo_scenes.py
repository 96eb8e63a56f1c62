"""What the demonstration shows: pictures whose objects are known, what the net says of them, and each method's view of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ..attention.answers import answer_blob, probabilities_of
from ..attention.box_rule import box_rule
from ..attention.boxes import iou
from ..attention.methods import METHODS
from ..attention.regions import class_regions, unit_energy
from ..attention.think_twice import SecondThought, think_twice
from ..repro.datasets.annotated import Annotated
from ..repro.images import Preprocessing, seen
from ..repro.protocols.pointing import hits
from .colours import classes
from .commands.classify import thought_entry
from .commands.compare import Look, look_and_maps, peak_entry
from .commands.segment import marked
from .grid import Column, small
from .labels import find_targets, labels_for
from .model import Model
from .overlay import INK, outline
from .question import Question, box_entry

RULE, CUT = "energy:0.95", "grabcut"
AGAIN, TOP = "feedback", 3  # the method that thinks again, and how many guesses it thinks of


@dataclass(frozen=True)
class Scene:
    """A picture with what is ``known`` of it, the question about its objects, the net's probabilities of these (K,), and its
    second thought."""

    known: Annotated
    asked: Question
    probabilities: np.ndarray
    thought: SecondThought


@dataclass(frozen=True)
class View:
    """What one method shows of one scene: its ``look``; for each target a box, its best overlap with a true one, and whether the
    map's highest value hits a true one; how many pixels each one's mask has, if there are masks; and the drawn ``column``."""

    look: Look
    boxes: np.ndarray
    overlaps: list[float]
    hits: list[bool]
    pixels: list[int] | None
    column: Column


def scene_of(model: Model, how: Preprocessing, known: Annotated) -> Scene:
    """The picture is shown to the net at its own size."""
    size = (known.image.shape[0], known.image.shape[1])
    shape = (known.image.shape[2], *size)
    answering = answer_blob(model.net)
    labels = labels_for(model.labels, (model.net.shapes()[answering] or (0, 0))[1])
    targets = find_targets(",".join(known.boxes), labels)
    asked = Question(model, known.image, shape, how, seen(size, size, how), labels, targets)
    probabilities = probabilities_of(model.net, asked.prepare(known.image)[None], answering)[0]
    thought = think_twice(model.net, known.image, asked.prepare, AGAIN, top=TOP)
    return Scene(known, asked, probabilities[targets], thought)


def view_of(scene: Scene, method: str, masks: bool) -> View:
    """Ask one method, with its defaults. Raises ``BadInput`` where it does not apply to the net, and for masks without OpenCV."""
    asked, truths = scene.asked, list(scene.known.boxes.values())
    look, maps = look_and_maps(asked, method, METHODS[method].checked({}))
    boxes = np.stack([box_rule(RULE)(values)[0] for values in maps])
    overlaps = [float(iou(box, truth).max()) for box, truth in zip(boxes, truths, strict=True)]
    hit = [place is not None and hits(place, truth) for place, truth in zip(look.peaks, truths, strict=True)]
    panels = [*look.column.panels, boxed(asked.picture, truths, boxes)]
    words = [*look.column.words, "overlaps " + ", ".join(f"{overlap:.2f}" for overlap in overlaps)]
    pixels = None
    if masks:
        mask = class_regions(asked.picture, unit_energy(maps), CUT)
        pixels = np.bincount(mask.ravel(), minlength=len(maps) + 1)[1:].tolist()
        panels.append(small(marked(asked.picture, mask)))
        words.append(", ".join(f"{number / mask.size:.0%} of the picture" for number in pixels))
    return View(look, boxes, overlaps, hit, pixels, Column(method, look.column.subtitle, panels, words))


def entry(scene: Scene, views: Sequence[View]) -> dict[str, Any]:
    """All of one scene as plain data."""
    asked, known = scene.asked, scene.known
    objects = [
        {**asked.named(target), "probability": probability, "boxes": [box_entry(box) for box in boxes]}
        for target, probability, boxes in zip(asked.targets, scene.probabilities, known.boxes.values(), strict=True)
    ]
    return {
        "image": known.file,
        "width": asked.size[1],
        "height": asked.size[0],
        "objects": objects,
        "maps": [_map_entry(view) for view in views],
        "think_twice": {"method": AGAIN, **thought_entry(scene.thought, asked.labels)},
    }


def _map_entry(view: View) -> dict[str, Any]:
    return {
        "method": view.look.method,
        "at": view.look.at,
        "peaks": [peak_entry(place) for place in view.look.peaks],
        "hits": view.hits,
        "boxes": [box_entry(box) for box in view.boxes],
        "overlaps": view.overlaps,
        "mask_pixels": view.pixels,
        "seconds": view.look.seconds,
    }


def boxed(picture: np.ndarray, truths: Sequence[np.ndarray], boxes: np.ndarray) -> Image.Image:
    """A panel with the box found of each class in its colour, and the true ones as thin dark lines."""
    panel = small(picture)
    pen, zoom = ImageDraw.Draw(panel), (panel.width / picture.shape[1], panel.height / picture.shape[0])
    for box, ink in zip(boxes, classes()[1:], strict=False):
        outline(pen, box, tuple(ink.tolist()), 3, zoom)
    for box in np.concatenate(truths):
        outline(pen, box, INK, 1, zoom)
    return panel
