"""A picture, a net and classes: what the commands that attend have in common."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..attention.attend import Attention
from ..attention.method import Method
from ..attention.methods import METHODS, find_method
from ..attention.targets import score_blob
from ..errors import BadInput, nearest
from ..executor.device import to_numpy
from ..repro.images import Box, Preprocessing, prepare, read_image, seen
from . import arguments
from .labels import Label, find_targets, labels_for
from .model import Model, image_shape, open_model, preprocessing
from .output import Output


@dataclass(frozen=True)
class Question:
    """The ``picture`` (H, W, 3) and its part that the net ``sees``; the classes asked for; and all that prepares pictures."""

    model: Model
    picture: np.ndarray
    shape: tuple[int, int, int]  # of the net's input, (C, H, W)
    how: Preprocessing
    sees: Box
    labels: list[Label] | None
    targets: list[int]

    @property
    def size(self) -> tuple[int, int]:
        """Of the picture: (H, W)."""
        return self.picture.shape[0], self.picture.shape[1]

    def prepare(self, picture: np.ndarray) -> np.ndarray:
        """A picture (H, W, 3) as the net takes it, (C, H, W)."""
        return prepare(picture, self.shape, self.how)

    def placed(self, result: Attention, interpolation: str = "bicubic") -> np.ndarray:
        """The maps of the first image at the picture's size (K, H, W): resized to the part the net saw, 0 around it."""
        return placed(result, self.size, self.sees, interpolation)

    def named(self, target: int) -> dict[str, Any]:
        """A class as plain data."""
        return class_entry(target, self.labels)


def add_question(parser: ArgumentParser, method: str | None, default: str = "") -> None:
    """Flags for a picture, a model, classes, and a method: ``method``, or what ``default`` tells."""
    add_picture(parser)
    parser.add_argument(
        "--method", default=method, metavar="M", help=f"one of {', '.join(METHODS)} (default {method or default})"
    )
    add_options(parser)


def add_picture(parser: ArgumentParser) -> None:
    """Flags for a picture, a model and classes."""
    parser.add_argument("image", metavar="IMAGE", help="JPEG, PNG or the like")
    arguments.add_model(parser)
    parser.add_argument(
        "--target", required=True, metavar="T", help="class index, wnid or name in --labels; several: A,B"
    )
    parser.add_argument("--labels", metavar="FILE", help="one class per line: 'n01440764 tench, Tinca tinca', or names")


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-o", dest="options", action="append", type=arguments.key_value, default=[], metavar="KEY=VALUE",
        help="an option of the method; `thinktwice methods` lists them",
    )  # fmt: skip


def open_question(args: Namespace, output: Output) -> Question:
    """What the flags ask. Raises ``BadInput``."""
    picture = read_image(args.image)
    model = open_model(args, output)
    shape = image_shape(model.net)
    how = preprocessing(args, model, shape[0])
    box = seen(picture.shape[:2], shape[1:], how)
    labels = labels_for(args.labels or model.labels, _classes(model))
    return Question(model, picture, shape, how, box, labels, find_targets(args.target, labels))


def options_of(method: Method, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """All options of a method, those given as the types of their defaults. Raises ``BadInput``."""
    return method.checked({name: _typed(method, name, text) for name, text in pairs})


def methods_of(text: str, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, Mapping[str, Any]]]:
    """Methods separated by commas, each with those of the options that it knows. Raises ``BadInput`` for what none knows."""
    methods = [find_method(name.strip()) for name in text.split(",")]
    known = {name for method in methods for name in method.options}
    for name, _ in pairs:
        if name not in known:
            raise BadInput(
                f"method {text!r}: found option {name!r}, expected one of {sorted(known)}{nearest(name, known)}"
            )
    return [
        (method.name, options_of(method, [pair for pair in pairs if pair[0] in method.options])) for method in methods
    ]


def whole_pictures(how: Preprocessing, what: str) -> None:
    """Raises ``BadInput`` where pictures are not resized as a whole: ``what`` zooms into parts of them."""
    if how.resize != "squash":
        raise BadInput(
            f"resize: found {how.resize!r}, expected squash: {what} resizes whole pictures and parts of them"
        )


def placed(result: Attention, image: tuple[int, ...], box: Box, interpolation: str) -> np.ndarray:
    """The maps of the first image at its own size (K, H, W): resized to the part that the net saw, 0 around it."""
    part = to_numpy(result.resized(box.bottom - box.top, box.right - box.left, interpolation))[0]
    if part.shape[1:] == image:
        return part
    whole = np.zeros((len(part), *image), part.dtype)
    whole[:, box.top : box.bottom, box.left : box.right] = part
    return whole


def class_entry(index: int, labels: Sequence[Label] | None) -> dict[str, Any]:
    """A class as plain data, with its names where they are known."""
    if not labels:
        return {"index": index}
    return {"index": index, "wnid": labels[index].wnid, "name": labels[index].names}


def box_entry(box: Sequence[float] | np.ndarray) -> dict[str, float]:
    """A box as plain data: pixels of the picture, x1 and y1 exclusive."""
    return dict(zip(("x0", "y0", "x1", "y1"), np.asarray(box).tolist(), strict=True))


def shown_box(entry: Mapping[str, float]) -> str:
    """``12, 30 to 200, 187.5``."""
    x0, y0, x1, y1 = (f"{round(entry[end], 1):g}" for end in ("x0", "y0", "x1", "y1"))
    return f"{x0}, {y0} to {x1}, {y1}"


def _typed(method: Method, name: str, text: str) -> Any:
    """A value as the type of its option's default; where that is ``None``, as what it looks like."""
    default = method.options[name].default if name in method.options else text
    if default is None:
        return _literal(text)
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise BadInput(f"method {method.name!r}: option {name}: found {text!r}, expected true or false")
        return text.lower() == "true"
    if isinstance(default, (int, float)):
        try:
            return type(default)(text)
        except ValueError:
            kind = "a whole number" if isinstance(default, int) else "a number"
            raise BadInput(f"method {method.name!r}: option {name}: found {text!r}, expected {kind}") from None
    return text


def _literal(text: str) -> Any:
    known = {"none": None, "true": True, "false": False}
    if text.lower() in known:
        return known[text.lower()]
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def _classes(model: Model) -> int:
    score = score_blob(model.net)
    shape = model.net.shapes()[score]
    if shape is None or len(shape) < 2:
        raise BadInput(f"score: found blob {score!r} of shape {shape}, expected class scores (N, classes, ...)")
    return shape[1]
