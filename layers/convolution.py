"""Convolution: a correlation with learnt filters, plus a bias per output channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array, Shape, count, excitatory
from .arrival import ALONE, Arrival, Sender
from .correlation import Bank, Geometry, correlate, correlate_transposed, correlate_weights, send_together
from .layer import Layer, ParameterSpec, Step
from .registry import register
from .window import Window


class FilterLayer(Layer):
    """What Convolution and Deconvolution share: the options of ``convolution_param`` and the bias.

    Bottom and top are (..., channels, *spatial): any axes in front of ``axis`` are the batch, any behind it are spatial.
    """

    gradient_reads = frozenset()
    arrives = True

    def setup(self) -> None:
        p = self.param = self.message.convolution_param
        self.outputs: int = p.num_output
        self.group: int = p.group
        self.bias_term: bool = p.bias_term
        self._geometries: dict[int, Geometry] = {}  # by the bottom's number of axes
        if self.outputs < 1:
            raise self.refuse("convolution_param.num_output", self.outputs, "a positive number")
        if self.group < 1 or self.outputs % self.group:
            raise self.refuse("convolution_param.group", self.group, f"a divisor of num_output {self.outputs}")

    def geometry(self, bottom: Shape) -> Geometry:
        """The filters' geometry for a bottom of this shape (its rank decides how many spatial axes there are)."""
        if len(bottom) not in self._geometries:
            self._geometries[len(bottom)] = self._geometry(bottom)
        return self._geometries[len(bottom)]

    def _geometry(self, bottom: Shape) -> Geometry:
        rank = len(bottom) - self.axis(self.param.axis, len(bottom), "convolution_param.axis") - 1
        if rank < 1:
            raise self.refuse("bottom", f"shape {bottom}", "at least one spatial axis behind the channel axis")
        kernel = self._extents("kernel_size", "kernel", rank, None)
        stride = self._extents("stride", "stride", rank, 1)
        pad = self._extents("pad", "pad", rank, 0)
        dilation = self._extents("dilation", None, rank, 1)
        for field, values in (("kernel_size", kernel), ("stride", stride), ("dilation", dilation)):
            if min(values) < 1:
                raise self.refuse(f"convolution_param.{field}", values, "positive numbers")
        return Geometry(kernel, stride, pad, dilation, self.group)

    def _extents(self, repeated: str, pair: str | None, rank: int, default: int | None) -> Shape:
        """Caffe's two spellings of one option: ``kernel_h``/``kernel_w``, or ``kernel_size`` once or once per axis."""
        values = tuple(getattr(self.param, repeated))
        pairs = [f"{pair}_h", f"{pair}_w"] if pair else []
        if any(self.param.HasField(field) for field in pairs):
            if rank != 2 or values:
                raise self.refuse(
                    f"convolution_param.{pairs[0]}", "it", f"two spatial axes and no {repeated} beside it"
                )
            return tuple(getattr(self.param, field) or (default or 0) for field in pairs)
        if not values and default is not None:
            values = (default,)
        if len(values) not in (1, rank):
            raise self.refuse(f"convolution_param.{repeated}", f"{len(values)} numbers", f"1 or {rank}")
        return values * rank if len(values) == 1 else values

    def channels(self, bottom: Shape) -> int:
        channels = bottom[self.axis(self.param.axis, len(bottom), "convolution_param.axis")]
        if channels % self.group:
            raise self.refuse("convolution_param.group", self.group, f"a divisor of the bottom's {channels} channels")
        return channels

    def _shape(self, bottom: Shape, spatial: Shape) -> list[Shape]:
        if min(spatial) < 1:
            raise self.refuse("bottom", f"shape {bottom}", "a blob at least as large as the kernel")
        self.channels(bottom)
        return [(*bottom[: -len(spatial) - 1], self.outputs, *spatial)]

    def _specs(self, weights: Shape) -> list[ParameterSpec]:
        bias = [ParameterSpec((self.outputs,), self.param.bias_filler)] if self.bias_term else []
        return [ParameterSpec(weights, self.param.weight_filler), *bias]

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        return [self.linear(bottoms[0], *parameters)], None

    def gradient(self, step: Step, signals: Sequence[Array], arrival: Arrival = ALONE) -> list[Array | None]:
        return [self.transposed(signals[0], step.parameters[0], step.bottom_shapes[0], arrival=arrival)]

    def parameter_gradient(self, step: Step, signals: Sequence[Array]) -> list[Array]:
        rank = self.geometry(step.bottom_shapes[0]).rank
        signal = signals[0].sum(0)
        gradients = [self.weight_gradient(step.bottoms[0], signal)]
        if self.bias_term:
            channel = signal.ndim - rank - 1
            gradients.append(signal.sum(tuple(i for i in range(signal.ndim) if i != channel)))
        return gradients

    def linear(self, x: Array, weights: Array, bias: Array | None = None, positive: bool = False) -> Array:
        """The layer for any weights of its shape, or their positive part (as excitation has it); without a bias if none is given."""
        raise NotImplementedError

    def transposed(
        self, signal: Array, weights: Array, bottom: Shape, positive: bool = False, arrival: Arrival = ALONE
    ) -> Array | None:
        """The transpose of ``linear``: a signal (..., *top) -> (..., *bottom), and what becomes of it there; ``None`` where it is
        not sent yet."""
        raise NotImplementedError

    def weight_gradient(self, x: Array, signal: Array) -> Array:
        raise NotImplementedError


@register("Convolution", v1="CONVOLUTION")
class Convolution(FilterLayer):
    """Caffe's Convolution, any number of spatial axes. Weights (num_output, C/group, *kernel), bias (num_output,)."""

    writes = True
    rectifies = True

    def parameter_specs(self, bottoms: Sequence[Shape]) -> list[ParameterSpec]:
        kernel = self.geometry(bottoms[0]).kernel
        return self._specs((self.outputs, self.channels(bottoms[0]) // self.group, *kernel))

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        geometry = self.geometry(bottoms[0])
        return self._shape(bottoms[0], geometry.reduced(bottoms[0][-geometry.rank :]))

    def window(self, bottom: Shape) -> Window:
        geometry = self.geometry(bottom)
        return Window.of(geometry.extent, geometry.stride)

    def multiply_adds(self, bottom: Shape) -> int:
        weights, top = self.parameter_specs([bottom])[0].shape, self.top_shapes([bottom])[0]
        return count(top) * count(weights[1:])

    def forward(
        self, bottoms: Sequence[Array], parameters: Sequence[Array], rectified: bool = False, into: Array | None = None
    ) -> tuple[list[Array], Any]:
        """``rectified``: the top is max(y, 0). ``into``: where it is to be written."""
        weights, *more = self.bank(parameters, rectified, into)
        return [correlate(bottoms[0], weights, self.geometry(bottoms[0].shape), *more)], None

    def bank(self, parameters: Sequence[Array], rectified: bool = False, into: Array | None = None) -> Bank:
        """The filters, and what ``forward`` is told of their top."""
        weights, bias = parameters if self.bias_term else (*parameters, None)
        return Bank(weights, bias, rectified, into)

    def linear(self, x: Array, weights: Array, bias: Array | None = None, positive: bool = False) -> Array:
        used = excitatory(weights) if positive else weights
        return correlate(x, used, self.geometry(x.shape), bias, guarded=positive)

    def transposed(
        self, signal: Array, weights: Array, bottom: Shape, positive: bool = False, arrival: Arrival = ALONE
    ) -> Array | None:
        geometry = self.geometry(bottom)
        used = excitatory(weights) if positive else weights
        if arrival.senders is not None:
            arrival.senders.append(Sender(signal, used, arrival.times))
            return None
        return correlate_transposed(signal, used, geometry, bottom[-geometry.rank :], arrival)

    def transposed_together(self, senders: Sequence[Sender], bottom: Shape, arrival: Arrival) -> Array:
        """The signals of convolutions over one bottom, this one's siblings and its own, and what becomes of their sum."""
        geometry = self.geometry(bottom)
        return send_together(senders, geometry, bottom[-geometry.rank :], arrival)

    def weight_gradient(self, x: Array, signal: Array) -> Array:
        return correlate_weights(x, signal, self.geometry(x.shape))
