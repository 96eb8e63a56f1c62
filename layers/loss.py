"""What the losses share: one number for two bottoms, and Caffe's ways to normalize it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from .arrays import Array, Shape
from .layer import Layer, Step
from .window import WHOLE, Window

NORMALIZATIONS = ("FULL", "VALID", "BATCH_SIZE", "NONE")  # the enum's numbers


class LossLayer(Layer):
    """A loss L (a scalar, shape ()) of a prediction and a target with as many images. Saved: dL / d prediction.

    ``loss_weight`` does not scale the top; it is the signal that training starts with. Caffe gives a loss without a
    top one of its own making, so none is no error.
    """

    bottoms_expected = (2, 2)
    tops_expected = (0, 1)
    is_loss = True
    gradient_reads = frozenset({"saved"})

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        first, second = map(tuple, bottoms)
        if not first or not second or first[0] != second[0]:
            raise self.refuse("bottom", f"shapes {first} and {second}", "the same number of images")
        return [()] * len(self.message.top)

    def window(self, bottom: Shape) -> Window:
        return WHOLE

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        return [self.weighted(step.saved, signals[0]), None]

    def tops(self, loss: Any, *others: Array) -> list[Array]:
        """As many of the loss, as an array of shape (), and other tops as the layer names."""
        return [loss.reshape(()), *others][: len(self.message.top)]

    @staticmethod
    def weighted(derivative: Array, signal: Array) -> Array:
        """dL/dx (*shape) times the signals at the loss (K,): (K, *shape)."""
        return signal.reshape(-1, *(1,) * derivative.ndim) * derivative


class NormalizedLossLayer(LossLayer):
    """A loss summed over places (outer x inner), some of them ignored, and divided by a normalizer.

    ``normalization``: FULL divides by all places, VALID by those not ignored, BATCH_SIZE by outer, NONE by 1; never
    by less than 1. The older ``normalize`` means VALID (true) or BATCH_SIZE (false), where ``normalization`` is not
    set.
    """

    normalization_by_default: ClassVar[str]

    def setup(self) -> None:
        p = self.message.loss_param
        self.ignored: int | None = p.ignore_label if p.HasField("ignore_label") else None
        if p.HasField("normalization"):
            self.normalization = NORMALIZATIONS[p.normalization]
        elif p.HasField("normalize"):
            self.normalization = "VALID" if p.normalize else "BATCH_SIZE"
        else:
            self.normalization = self.normalization_by_default

    def normalizer(self, outer: int, inner: int, valid: Array) -> float:
        if self.normalization == "VALID":
            return max(1.0, float(valid.sum()))
        return max(1.0, float({"FULL": outer * inner, "BATCH_SIZE": outer, "NONE": 1}[self.normalization]))
