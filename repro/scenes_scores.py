"""What a few pictures of several objects say about one method on one net: the numbers that the tables are made of.

All categories of a picture share one forward pass and, with most methods, one walk; pointing, boxes and segmentation read the
same maps. Looking twice needs other maps, of what the net guesses, and is asked for apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..attention.attend import attend
from ..attention.box_rule import box_rule
from ..attention.places import image_blob
from ..caffe_models.catalogue import MODELS, Model, find_model
from ..errors import BadInput
from ..executor.device import to_numpy
from ..executor.load import load_model
from ..executor.net import Net
from .images import Preprocessing, prepare, read_image
from .protocols.boxes import MEAN_RULES, overlaps
from .protocols.pointing import blurred, hits, point
from .protocols.second_look import look_twice
from .protocols.segmentation import claims, counts, cut_claims
from .runs import Run
from .scenes_pictures import Picture

KINDS = ("maps", "looks")


@dataclass(frozen=True)
class Settings:
    """What the papers leave open or choose otherwise.

    ``tolerance``: how many pixels beside a box still hit it. ``blur``: of maps at the image, a part of the longer side, before
    their maximum is sought and pixels are claimed. ``box``: the rule of ``attention/box_rule.py`` in the first column of boxes.
    ``cut``: ``grabcut`` or ``saliency-cut`` in place of a level; slow.
    """

    tolerance: float = 0.0
    blur: float = 0.02
    box: str = "energy:0.95"
    cut: str | None = None


@dataclass(frozen=True)
class Task:
    """Pictures of one size and with equally many categories, a row of the table, and which of ``KINDS`` it is about."""

    model: str
    run: Run
    kind: str
    pictures: tuple[Picture, ...]
    settings: Settings
    device: str


def scores(task: Task) -> list[dict[str, Any]]:
    """The numbers of each picture, as plain data; ``{"refused": why}`` for each where the method cannot be had on this net."""
    model = find_model(asked(task.model, task.kind))
    net = _net(model.name, task.device)
    images = [read_image(picture.path) for picture in task.pictures]
    try:
        if task.kind == "looks":
            return look_scores(net, model, images, task)
        maps, blur = _maps(net, model, images, task)
    except BadInput as refusal:
        return [{"refused": str(refusal)}] * len(images)
    return [map_scores(*each, blur, task.settings) for each in zip(maps, images, task.pictures, strict=True)]


def asked(model: str, kind: str) -> str:
    """The net that is asked: the model itself for its maps; who looks twice is the classifier of single objects, if there is one,
    that shares the model's features: of ``scenes-vgg-multi`` it is ``scenes-vgg``."""
    sibling = model.removesuffix("-multi")
    return sibling if kind == "looks" and sibling in MODELS else model


def map_scores(
    maps: np.ndarray, image: np.ndarray, picture: Picture, blur: float, settings: Settings
) -> dict[str, Any]:
    """Pointing, boxes and segmentation by the maps (K, H, W) of a picture's categories, at its size."""
    smooth = np.stack([blurred(map_, blur) for map_ in maps])
    rules = (box_rule(settings.box), *MEAN_RULES)
    fits = [overlaps(map_, rules, boxes, picture.size) for map_, boxes in zip(maps, picture.boxes, strict=True)]
    places = [point(map_, picture.size, blur=0) for map_ in smooth]
    numbers: dict[str, Any] = {
        "hits": [hits(*each, settings.tolerance) for each in zip(places, picture.boxes, strict=True)],
        "box": [round(one[0], 6) for one in fits],
        "mean": [[round(value, 6) for value in one[1:]] for one in fits],
    }
    if picture.mask:
        claimed = cut_claims(image, smooth, settings.cut) if settings.cut else claims(smooth)
        numbers["pixels"] = counts(claimed, picture.categories, read_mask(picture.mask, picture.size))
    return numbers


def look_scores(net: Net, model: Model, images: Sequence[np.ndarray], task: Task) -> list[dict[str, Any]]:
    """What the net names at the first look and in the end, its input being squashed pictures and crops."""
    shape = net.shapes()[image_blob(net)]
    assert shape is not None
    options = {**task.run.options, **({"at": task.run.at} if task.run.at else {})}

    def squashed(image: np.ndarray) -> np.ndarray:
        return _prepared(image, shape[2:], model)

    return [look_twice(net, image, squashed, task.run.method, options) for image in images]


def read_mask(path: Path, size: tuple[int, int]) -> np.ndarray:
    """A mask of classes (H, W), uint8, as VOC has it: the palette's index is 0 for background, class + 1, or 255 for neither."""
    with Image.open(path) as mask:
        labels = np.asarray(mask)
    if labels.shape != size:
        raise BadInput(
            f"{path}: found a mask of shape {labels.shape}, expected {size} as its picture, one index for each pixel"
        )
    return labels


def _maps(net: Net, model: Model, images: Sequence[np.ndarray], task: Task) -> tuple[np.ndarray, float]:
    """The maps of every picture's categories (N, K, H, W), and how far they are to be blurred: not, if they lie below the image."""
    inputs = np.stack([_prepared(image, image.shape[:2], model) for image in images])
    targets = np.array([picture.categories for picture in task.pictures])
    result = attend(net, inputs, targets, task.run.method, at=task.run.at, **task.run.options)
    maps = to_numpy(result.resized(*inputs.shape[2:]))
    return maps, task.settings.blur if result.at == image_blob(net) else 0.0


def _prepared(image: np.ndarray, size: tuple[int, ...], model: Model) -> np.ndarray:
    return prepare(image, (3, size[0], size[1]), Preprocessing.of(model))


@cache
def _net(model: str, device: str) -> Net:
    return load_model(find_model(model), device=device)
