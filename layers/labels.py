"""Labels: class numbers stored as floats, one per place that is classified."""

from __future__ import annotations

from .arrays import Array, Shape, array_module, count
from .layer import Layer


def folded(shape: Shape, axis: int) -> tuple[int, int, int]:
    """(outer, C, inner): all axes before the classes', its own, and all behind it."""
    return count(shape[:axis]), shape[axis], count(shape[axis + 1 :])


def check_places(layer: Layer, scores: Shape, labels: Shape, axis: int) -> None:
    """Refuse anything but one label per place: outer * inner of them, in whatever shape."""
    outer, _, inner = folded(scores, axis)
    if count(labels) != outer * inner:
        raise layer.refuse("bottom", f"{count(labels)} labels", f"{outer * inner}, one per place to classify")


def not_ignored(labels: Array, ignored: int | None) -> Array:
    """Where a label, cut to an integer as C does, is not the ignored one."""
    if ignored is None:
        return array_module(labels).ones(labels.shape, bool)
    return labels.astype(int) != ignored


def class_indices(layer: Layer, labels: Array, classes: int, ignored: int | None) -> tuple[Array, Array]:
    """Labels as indices, 0 for ignored ones, and where they are not ignored. Refuses others than 0 to C - 1."""
    valid = not_ignored(labels, ignored)
    indices = array_module(labels).where(valid, labels.astype(int), 0)
    for label in (int(indices.min()), int(indices.max())):
        if not 0 <= label < classes:
            raise layer.refuse(f"bottom {layer.message.bottom[1]!r}", f"label {label}", f"0 to {classes - 1}")
    return indices, valid
