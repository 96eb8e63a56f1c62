"""The main job: which pixels of an image speak for a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import BadInput
from ..executor.net import Net
from ..layers.arrays import Array, Shape
from .maps import resize
from .method import Method, Question
from .methods import find_method
from .places import image_blob
from .targets import class_positions, class_targets, score_blob, target_scores


@dataclass(frozen=True)
class Attention:
    """Maps ``map`` (N, K, H, W) at the blob ``at``, class indices ``targets`` (N, K), their ``scores`` (N, K), and
    ``meta``: plain data that says how the maps were made. Feedback methods add the final ``gates`` (ReLU layer ->
    (N, K, C, H, W)) and the ``curve`` of all class scores, pass by pass: (passes, N, K, classes)."""

    map: Array
    at: str
    targets: np.ndarray
    scores: np.ndarray
    meta: dict[str, Any] = field(default_factory=dict)
    gates: dict[str, Array] = field(default_factory=dict)
    curve: Array | None = None

    def resized(self, height: int, width: int, how: str = "bicubic") -> Array:
        """The maps at the image's size: (N, K, height, width)."""
        return resize(self.map, height, width, how)


def attend(
    net: Net,
    image: Any,
    target: int | Sequence[int] | Array,
    method: str = "c-mwp",
    at: str | None = None,
    score: str | None = None,
    position: Any = None,
    **options: Any,
) -> Attention:
    """Maps of what speaks for ``target`` in ``image``.

    ``image``: preprocessed, (N, C, H, W) or (C, H, W). ``target``: a class index, several for all images, or an array
    (N, K). ``at``: the blob to read the map at (the method's own choice by default). ``score``: the blob of class scores
    (by default the net's last output, below any softmax). All targets share one forward pass. Raises ``BadInput``.

    With a hidden blob as ``score``, a target is a channel, or one neuron of it at ``position`` (row, column): one for all
    targets, K of them, or an array (N, K, 2). Without a position, a channel's positions share in it by softmax.
    """
    chosen = find_method(method)
    with net.device.here():
        return _answered(ask(net, image, target, chosen, at, score, position, options), chosen)


def _answered(question: Question, method: Method) -> Attention:
    net, answer = question.net, method.run(question)
    targets, positions = question.targets, question.positions
    scores = target_scores(answer.scores, targets, positions)
    meta = {
        "method": method.name,
        "paper": method.paper,
        "options": question.options,
        "net": net.name,
        "score": question.score,
        "at": answer.at,
        "targets": targets.tolist(),
        **({} if positions is None else {"positions": positions.tolist()}),
        "scores": scores.tolist(),
        "input": list(question.image.shape),
        "dtype": str(net.dtype),
        "device": net.device.name,
    }
    gates = {gate.removesuffix("_gates"): z.swapaxes(0, 1) for gate, z in answer.gates.items()}
    curve = None if answer.curve is None else answer.curve.swapaxes(1, 2)
    return Attention(answer.maps.swapaxes(0, 1), answer.at, targets, scores, meta, gates, curve)


def ask(
    net: Net,
    image: Any,
    target: int | Sequence[int] | Array,
    method: Method,
    at: str | None = None,
    score: str | None = None,
    position: Any = None,
    options: Mapping[str, Any] | None = None,
) -> Question:
    """What ``attend`` is given, checked and complete. Raises ``BadInput``."""
    settings = method.checked(options or {})
    array = net.array(image_blob(net), image)
    array = array[None] if array.ndim == 3 else array
    if array.ndim != 4:
        raise BadInput(f"image: found an array of shape {tuple(array.shape)}, expected (N, C, H, W) or (C, H, W)")
    for blob in filter(None, (at, score)):
        net.graph.final(blob)
    score = score or score_blob(net)
    shape = _score_shape(net, score, array)
    targets = class_targets(target, len(array), shape[1])
    positions = None if position is None else class_positions(position, targets, shape[2:])
    return Question(net, array, targets, score, at, settings, positions)


def _score_shape(net: Net, score: str, image: Array) -> Shape:
    shape = net.shapes(**{image_blob(net): tuple(image.shape)})[score]
    if shape is None or len(shape) < 2:
        raise BadInput(f"score: found blob {score!r} of shape {shape}, expected class scores (N, classes, ...)")
    return shape
