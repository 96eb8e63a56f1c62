"""InnerProduct: a fully connected layer over all axes from ``axis`` on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..cpu import inner_product
from .arrays import Array, Shape, array_module, count, excitatory
from .layer import Layer, ParameterSpec, Step
from .products import product, product_transposed
from .registry import register
from .window import WHOLE, Window


@register("InnerProduct", v1="INNER_PRODUCT")
class InnerProduct(Layer):
    """Caffe's InnerProduct: bottom (*batch, *features), split at ``axis``; top (*batch, num_output).

    Weights (num_output, count(features)), or the other way round with ``transpose``; bias (num_output,).
    """

    gradient_reads = frozenset()
    normalises = True

    def setup(self) -> None:
        p = self.param = self.message.inner_product_param
        self.outputs: int = p.num_output
        self.bias_term: bool = p.bias_term
        if self.outputs < 1:
            raise self.refuse("inner_product_param.num_output", self.outputs, "a positive number")

    def batch(self, bottom: Shape) -> Shape:
        return tuple(bottom[: self.axis(self.param.axis, len(bottom), "inner_product_param.axis")])

    def parameter_specs(self, bottoms: Sequence[Shape]) -> list[ParameterSpec]:
        features = count(bottoms[0][len(self.batch(bottoms[0])) :])
        shape = (features, self.outputs) if self.param.transpose else (self.outputs, features)
        bias = [ParameterSpec((self.outputs,), self.param.bias_filler)] if self.bias_term else []
        return [ParameterSpec(shape, self.param.weight_filler), *bias]

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [(*self.batch(bottoms[0]), self.outputs)]

    def window(self, bottom: Shape) -> Window:
        return WHOLE

    def multiply_adds(self, bottom: Shape) -> int:
        return count(bottom) * self.outputs

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        return [self.linear(bottoms[0], *parameters)], None

    def forward_normalised(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Array]:
        """The top, and ``linear`` for the positive part of the weights: where these are many, one reading serves both."""
        x, weights, bias = bottoms[0], parameters[0], parameters[1] if self.bias_term else None
        batch = self.batch(x.shape)
        y, z = (array_module(x).empty((count(batch), self.outputs), x.dtype) for _ in range(2))
        if self.param.transpose or not inner_product.inner_product(x.reshape(len(y), -1), weights, bias, y, z):
            return self.forward(bottoms, parameters)[0], self.linear(x, weights, positive=True)
        return [y.reshape(*batch, self.outputs)], z.reshape(*batch, self.outputs)

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        return [self.transposed(signals[0], step.parameters[0], step.bottom_shapes[0])]

    def parameter_gradient(self, step: Step, signals: Sequence[Array]) -> list[Array]:
        signal = signals[0].sum(0).reshape(-1, self.outputs)
        x = step.bottoms[0].reshape(len(signal), -1)
        weights = x.T @ signal if self.param.transpose else signal.T @ x
        return [weights, signal.sum(0)] if self.bias_term else [weights]

    def linear(self, x: Array, weights: Array, bias: Array | None = None, positive: bool = False) -> Array:
        """The layer for any weights of its shape, without a bias if none is given; or for their positive part, as excitation has it."""
        batch = self.batch(x.shape)
        images = x.reshape(count(batch), -1)
        y = array_module(x).empty((len(images), self.outputs), x.dtype)
        made = (None, y) if positive else (y,)
        if self.param.transpose or not inner_product.inner_product(images, weights, bias, *made):
            used = excitatory(weights) if positive else weights
            y = product(images, used) if self.param.transpose else product_transposed(images, used)
            if bias is not None:
                y += bias
        return y.reshape(*batch, self.outputs)

    def transposed(self, signal: Array, weights: Array, bottom: Shape, positive: bool = False) -> Array:
        """The transpose of ``linear``: a signal (..., *top) -> (..., *bottom)."""
        lead = signal.shape[: signal.ndim - len(self.batch(bottom)) - 1]
        signals = signal.reshape(-1, self.outputs)
        x = array_module(signal).empty((len(signals), count(bottom) // count(self.batch(bottom))), signal.dtype)
        if self.param.transpose or not inner_product.transposed(signals, weights, positive, x):
            used = excitatory(weights) if positive else weights
            x = product_transposed(signals, used) if self.param.transpose else product(signals, used)
        return x.reshape(*lead, *bottom)
