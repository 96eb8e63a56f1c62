"""Eltwise: sum, product or maximum of blobs of one shape."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import mul
from typing import Any

import numpy as np

from .arrays import Array, Shape, add, array_module
from .layer import Layer, Step
from .registry import register


@register("Eltwise", v1="ELTWISE")
class Eltwise(Layer):
    """Caffe's Eltwise over two or more bottoms of one shape.

    SUM: the sum of coeff_i x_i (each 1 by default). PROD: the product; its derivative is the product of the others,
    or without ``stable_prod_grad`` y / x_i (NaN where x_i is 0). MAX: the greatest, which alone receives the signal;
    in a tie the second bottom wins over the first, and both win over all later ones, as on Caffe's CPU. Saved by MAX:
    the winner's number at every place.
    """

    bottoms_expected = (2, None)

    def setup(self) -> None:
        p = self.param = self.message.eltwise_param
        bottoms = len(self.message.bottom)
        if len(p.coeff) not in (0, bottoms):
            raise self.refuse("eltwise_param.coeff", f"{len(p.coeff)} numbers", f"{bottoms}, one per bottom, or none")
        if p.coeff and p.operation != p.SUM:
            raise self.refuse("eltwise_param.coeff", "numbers", "none: only SUM takes coefficients")
        self.coefficients: list[float] = list(p.coeff) or [1.0] * bottoms
        factors = {"bottoms"} if p.stable_prod_grad else {"bottoms", "tops"}
        self.gradient_reads = frozenset({p.SUM: set(), p.PROD: factors, p.MAX: {"saved"}}[p.operation])

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        for other in bottoms[1:]:
            if tuple(other) != tuple(bottoms[0]):
                raise self.refuse("bottom", f"shapes {tuple(bottoms[0])} and {tuple(other)}", "one shape")
        return [tuple(bottoms[0])]

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        p = self.param
        if p.operation == p.SUM:
            total = _times(self.coefficients[0], bottoms[0])
            for coefficient, x in zip(self.coefficients[1:], bottoms[1:], strict=True):
                total = add(total, x, coefficient)
            return [total], None
        if p.operation == p.PROD:
            return [reduce(mul, bottoms)], None
        return self._maxima(bottoms)

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        p, signal = self.param, signals[0]
        if p.operation == p.SUM:
            return [_times(c, signal) for c in self.coefficients]
        if p.operation == p.PROD:
            return [signal * factor for factor in self._factors(step)]
        return [signal * (step.saved == number) for number in range(len(step.bottom_shapes))]

    def _factors(self, step: Step) -> list[Array]:
        """d product / d bottom, for every bottom."""
        if self.param.stable_prod_grad:
            return [reduce(mul, [x for j, x in enumerate(step.bottoms) if j != i]) for i in range(len(step.bottoms))]
        with np.errstate(divide="ignore", invalid="ignore"):
            return [step.tops[0] / x for x in step.bottoms]

    @staticmethod
    def _maxima(bottoms: Sequence[Array]) -> tuple[list[Array], Array]:
        xp = array_module(bottoms[0])
        first_wins = bottoms[0] > bottoms[1]
        greatest = xp.where(first_wins, bottoms[0], bottoms[1])
        winners = xp.where(first_wins, np.int32(0), np.int32(1))
        for number, x in enumerate(bottoms[2:], start=2):
            better = x > greatest
            greatest = xp.where(better, x, greatest)
            winners = xp.where(better, np.int32(number), winners)
        return [greatest], winners


def _times(coefficient: float, x: Array) -> Array:
    return x if coefficient == 1 else coefficient * x
