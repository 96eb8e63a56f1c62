"""What every layer offers: its parameters' and tops' shapes, a forward pass, a gradient, and what the gradient reads.

A layer is immutable and holds no arrays: parameters come in, results go out, and what a later walk may need lies in a
``Step``. A *signal* is what a walk carries: the derivative of K scores (or K masses of excitation) with respect to one
blob, shape ``(K, *blob.shape)``. Because the targets stand in front, everything that depends on the forward pass alone
(masks, switches, normalisers) broadcasts over them: it is computed once per image, however many targets there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import BadInput
from .arrays import Array, Shape
from .window import POINT, Window


@dataclass(frozen=True)
class ParameterSpec:
    """One array that a layer owns: its shape, and the prototxt's filler message for it, if any.

    ``learnt``: a gradient changes it; statistics are stored beside the weights, but only ``Layer.updated`` changes them.
    """

    shape: Shape
    filler: Any = None
    learnt: bool = True


@dataclass
class Step:
    """One layer's part of a forward pass, as a walk back sees it. Arrays that were freed are ``None``.

    ``sums``: a layer's sums over its positive weights, where a rule has asked for them and they were made on the way.

    ``final_tops`` are the tops after any in-place layer that follows: what Caffe's memory holds when backward runs.
    """

    layer: Layer
    parameters: Sequence[Array]
    bottoms: Sequence[Array]
    tops: Sequence[Array]
    bottom_shapes: Sequence[Shape]
    top_shapes: Sequence[Shape]
    saved: Any = None
    sums: Array | None = None
    final_tops: Sequence[Array] = ()


class Layer:
    """Base of all layers. ``type`` and ``v1`` are set by registration; subclasses parse their options in ``setup``."""

    type: ClassVar[str] = ""
    v1: ClassVar[str] = ""  # the name in Caffe's V1 enumeration
    bottoms_expected: ClassVar[tuple[int, int | None]] = (1, 1)  # fewest and most; None: any number
    tops_expected: ClassVar[tuple[int, int | None]] = (1, 1)
    in_place: ClassVar[bool] = False  # may a top have its bottom's name
    is_loss: ClassVar[bool] = False
    gradient_reads: frozenset[str] = frozenset({"bottoms"})  # of "bottoms", "tops", "saved", "final_tops"
    differentiable: ClassVar[bool] = True
    arrives: ClassVar[bool] = False  # may ``gradient`` be told an ``Arrival``, which its first signal is to meet
    writes: ClassVar[bool] = False  # may ``forward`` be told where its top belongs
    rectifies: ClassVar[bool] = False  # and to be the ReLU behind it as well
    normalises: ClassVar[bool] = False  # has it a ``forward_normalised``, which makes the sums of excitation on the way
    random: bool = False  # whether a forward pass draws random numbers: ``forward_at_random`` is run in its place

    def __init__(self, message: Any, source: str = ""):
        """``message``: an upgraded V2 ``LayerParameter``. ``source``: the file it came from, for error lines."""
        self.message = message
        self.name: str = message.name
        self.phase: str = "TRAIN" if message.phase == 0 and message.HasField("phase") else "TEST"
        self.source = source
        self._check_number("bottom", len(message.bottom), self.bottoms_expected)
        self._check_number("top", len(message.top), self.tops_expected)
        self.setup()

    # -- what a subclass defines --------------------------------------------------------------------------------

    def setup(self) -> None:
        """Read and check the options of ``self.message``."""

    def parameter_specs(self, bottoms: Sequence[Shape]) -> list[ParameterSpec]:
        """The parameters this layer owns, in Caffe's order, for bottoms of these shapes."""
        return []

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """The tops' shapes for bottoms of these shapes; by default each top is shaped like the first bottom."""
        return [tuple(bottoms[0]) for _ in self.message.top]

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        """The tops, and whatever the gradient wants to find in ``step.saved`` (masks, switches, normalisers)."""
        raise NotImplementedError

    def forward_at_random(
        self, bottoms: Sequence[Array], parameters: Sequence[Array], rng: np.random.Generator
    ) -> tuple[list[Array], Any]:
        """``forward`` of a layer that is ``random``, which draws from ``rng`` alone: a seed repeats a pass exactly."""
        raise NotImplementedError

    def updated(self, bottoms: Sequence[Shape], parameters: Sequence[Array], saved: Any) -> list[Array] | None:
        """What this forward pass makes of stored statistics: all the layer's parameters, or ``None`` for no change."""
        return None

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        """Signals at the bottoms for signals at the tops; ``None`` for a bottom that has none (a label)."""
        raise NotImplementedError

    def parameter_gradient(self, step: Step, signals: Sequence[Array]) -> list[Array]:
        """Derivatives with respect to the parameters, summed over the signals' target axis."""
        return []

    def window(self, bottom: Shape) -> Window:
        """What one number of a top reads of a bottom of this shape: by default the same position only."""
        return POINT

    def multiply_adds(self, bottom: Shape) -> int:
        """Multiply-adds of a forward pass where the layer multiplies by filters; everything else counts as 0."""
        return 0

    # -- what all share -----------------------------------------------------------------------------------------

    def refuse(self, field: str, found: Any, expected: str) -> BadInput:
        """A ``BadInput`` that names the file, this layer and one of its fields."""
        return BadInput(f"{self.where}: {field}: found {found}, expected {expected}")

    @property
    def where(self) -> str:
        source = f"{self.source}: " if self.source else ""
        return f"{source}layer {self.name!r} ({self.type or self.message.type})"

    def axis(self, value: int, rank: int, field: str = "axis") -> int:
        """Caffe's canonical axis: negative values count from the end."""
        if not -rank <= value < rank:
            raise self.refuse(field, value, f"an axis of a blob with {rank} axes")
        return value % rank

    def _check_number(self, what: str, found: int, expected: tuple[int, int | None]) -> None:
        fewest, most = expected
        if found < fewest or (most is not None and found > most):
            wanted = f"{fewest}" if fewest == most else f"at least {fewest}" if most is None else f"{fewest} to {most}"
            raise self.refuse(what, f"{found} blobs", f"{wanted}")


class ElementwiseLayer(Layer):
    """A layer that maps every number by itself: the gradient is a factor, ``derivative(x, y)``."""

    in_place = True

    def function(self, x: Array) -> Array:
        raise NotImplementedError

    def derivative(self, x: Array, y: Array) -> Array:
        """d function / dx, from the bottom ``x`` or the top ``y``, whichever ``gradient_reads`` names (else None)."""
        raise NotImplementedError

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        return [self.function(bottoms[0])], None

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        return [signals[0] * self.derivative(step.bottoms[0], step.tops[0])]
