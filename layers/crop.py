"""Crop: a window of the first bottom, as large as the second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array, Shape, array_module
from .layer import Layer, Step
from .registry import register


@register("Crop")
class Crop(Layer):
    """Caffe's Crop: from ``axis`` on (2 by default), the first bottom is cut to the second's sizes at the offsets.

    One offset holds for all cropped axes. The second bottom gives its shape alone: its derivative is 0.
    """

    bottoms_expected = (2, 2)
    gradient_reads = frozenset()

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [tuple(window.stop - window.start for window in self.kept(*bottoms))]

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        return [bottoms[0][self.kept(*(x.shape for x in bottoms))]], None

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        signal = signals[0]
        whole, reference = (
            array_module(signal).zeros((len(signal), *shape), signal.dtype) for shape in step.bottom_shapes
        )
        whole[(slice(None), *self.kept(*step.bottom_shapes))] = signal
        return [whole, reference]

    def kept(self, bottom: Shape, reference: Shape) -> tuple[slice, ...]:
        """What is kept of each axis of the first bottom."""
        start = self.axis(self.message.crop_param.axis, len(bottom), "crop_param.axis")
        offsets = self._offsets(len(bottom) - start)
        if len(reference) < len(bottom):
            raise self.refuse("bottom", f"shapes {tuple(bottom)} and {tuple(reference)}", "as many axes in the second")
        sizes = reference[start : len(bottom)]
        for axis, (offset, size) in enumerate(zip(offsets, sizes, strict=True), start=start):
            if offset + size > bottom[axis]:
                raise self.refuse("crop_param.offset", f"{offset} + {size} on axis {axis}", f"at most {bottom[axis]}")
        windows = (slice(offset, offset + size) for offset, size in zip(offsets, sizes, strict=True))
        return (*(slice(0, size) for size in bottom[:start]), *windows)

    def _offsets(self, cropped: int) -> list[int]:
        offsets = list(self.message.crop_param.offset) or [0]
        if len(offsets) not in (1, cropped):
            raise self.refuse("crop_param.offset", f"{len(offsets)} numbers", f"1, or {cropped}: one per cropped axis")
        return offsets * cropped if len(offsets) == 1 else offsets
