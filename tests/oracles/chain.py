"""A net as a chain of dense matrices, ReLUs, maxima and normalisations, for one image at a time; gates z stand over the ReLUs.

Blobs are flat vectors, so each paper's step is one line of linear algebra. ``prototxt`` tells the same net to Caffe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .correlation import convolution_edges, convolution_top, inner_product_edges
from .pooling import Geometry

Vector = np.ndarray
Gates = Mapping[str, Vector]  # ReLU -> one number per neuron
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Linear:
    """y = W x + b: convolution, average pooling, inner product."""

    matrix: np.ndarray
    bias: Vector


@dataclass(frozen=True)
class ReLU:
    name: str
    shape: Shape  # (C, H, W) or (C,)
    convolved: bool  # behind a convolution, not a fully connected layer


@dataclass(frozen=True)
class Maxima:
    windows: Sequence[Sequence[int]]  # for each number of the top, the bottom's numbers in raster order


@dataclass(frozen=True)
class Normalisation:
    """y_i = x_i s_i^-beta, s = k + share M x^2, with M 1 where two numbers are neighbours."""

    neighbours: np.ndarray
    share: float
    beta: float
    k: float


@dataclass
class Chain:
    """Layers from the image up. Made by adding them; the text and weights for Caffe grow along."""

    image: Shape  # (C, H, W)
    seed: int = 0
    layers: list[Linear | ReLU | Maxima | Normalisation] = field(default_factory=list)
    weights: dict[str, tuple[np.ndarray, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.shape, self.top = self.image, "data"
        dims = " ".join(f"dim: {n}" for n in (1, *self.image))
        self.prototxt = f'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ {dims} }} }} }}\n'

    # -- adding layers ------------------------------------------------------------------------------------------------

    def convolution(self, name: str, outputs: int, size: int, pad: int = 0) -> Chain:
        weights, bias = self._random(name, (outputs, self.shape[0], size, size))
        bottom = (1, *self.shape)
        top = convolution_top(bottom, weights.shape, (1, 1), (pad, pad), (1, 1))[1:]
        edges = convolution_edges(bottom, weights.shape, pad=(pad, pad))
        self._tell(name, "Convolution", f"convolution_param {{ num_output: {outputs} kernel_size: {size} pad: {pad} }}")
        return self._linear(self._matrix(edges, weights, top), np.repeat(bias, top[1] * top[2]), top)

    def inner_product(self, name: str, outputs: int) -> Chain:
        weights, bias = self._random(name, (outputs, int(np.prod(self.shape))))
        edges = inner_product_edges((1, *self.shape), outputs)
        self._tell(name, "InnerProduct", f"inner_product_param {{ num_output: {outputs} }}")
        return self._linear(self._matrix(edges, weights, (outputs,)), bias, (outputs,))

    def pooling(self, name: str, kind: str, size: int, stride: int) -> Chain:
        geometry = Geometry((size, size), (stride, stride))
        channels, *plane = self.shape
        top = (channels, *geometry.positions((plane[0], plane[1])))
        self._tell(name, "Pooling", f"pooling_param {{ pool: {kind} kernel_size: {size} stride: {stride} }}")
        windows: list[list[int]] = []
        matrix = np.zeros((int(np.prod(top)), int(np.prod(self.shape))))
        for c in range(channels):
            for _, pixels, divisor in geometry.windows((plane[0], plane[1])):
                numbers = [int(np.ravel_multi_index((c, *pixel), self.shape)) for pixel in pixels]
                matrix[len(windows), numbers] = 1 / divisor
                windows.append(numbers)
        if kind == "AVE":
            return self._linear(matrix, np.zeros(len(matrix)), top)
        self.layers.append(Maxima(windows))
        self.shape = top
        return self

    def normalisation(self, name: str, size: int, alpha: float, beta: float = 0.75, k: float = 1.0) -> Chain:
        """Across channels."""
        places = list(np.ndindex(*self.shape))
        near = np.array([[p[1:] == q[1:] and abs(p[0] - q[0]) <= size // 2 for q in places] for p in places])
        self._tell(name, "LRN", f"lrn_param {{ local_size: {size} alpha: {alpha} beta: {beta} k: {k} }}")
        self.layers.append(Normalisation(near.astype(float), alpha / size, beta, k))
        return self

    def relu(self, name: str) -> Chain:
        self.prototxt += f'layer {{ name: "{name}" type: "ReLU" bottom: "{self.top}" top: "{self.top}" }}\n'
        self.layers.append(ReLU(name, self.shape, len(self.shape) == 3))
        return self

    def _random(self, name: str, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
        self.weights[name] = (self.rng.normal(size=shape), self.rng.normal(size=shape[0]) / 2)
        return self.weights[name]  # type: ignore[return-value]

    def _tell(self, name: str, type_name: str, options: str) -> None:
        self.prototxt += (
            f'layer {{ name: "{name}" type: "{type_name}" bottom: "{self.top}" top: "{name}" {options} }}\n'
        )
        self.top = name

    def _matrix(self, edges, weights: np.ndarray, top: Shape) -> np.ndarray:
        matrix = np.zeros((int(np.prod(top)), int(np.prod(self.shape))))
        for above, below, weight in edges:
            matrix[np.ravel_multi_index(above[1:], top), np.ravel_multi_index(below[1:], self.shape)] += weights[weight]
        return matrix

    def _linear(self, matrix: np.ndarray, bias: Vector, top: Shape) -> Chain:
        self.layers.append(Linear(matrix, bias))
        self.shape = top
        return self

    # -- passes -----------------------------------------------------------------------------------------------------------

    @property
    def relus(self) -> list[ReLU]:
        """From the image up."""
        return [layer for layer in self.layers if isinstance(layer, ReLU)]

    def forward(self, image: Vector, gates: Gates | None = None) -> list[Vector]:
        """What each layer reads, and at last the scores; gates are applied to what a ReLU makes."""
        read = [image]
        for layer in self.layers:
            x = read[-1]
            if isinstance(layer, Linear):
                read.append(layer.matrix @ x + layer.bias)
            elif isinstance(layer, ReLU):
                read.append(np.maximum(x, 0) * (1 if gates is None or layer.name not in gates else gates[layer.name]))
            elif isinstance(layer, Maxima):
                read.append(np.array([max(x[i] for i in window) for window in layer.windows]))
            else:
                read.append(x * self.scale(layer, x) ** -layer.beta)
        return read

    @staticmethod
    def scale(layer: Normalisation, x: Vector) -> Vector:
        return layer.k + layer.share * (layer.neighbours @ x**2)

    def active(self, read: Sequence[Vector]) -> dict[str, Vector]:
        """x: what each ReLU makes, before its gate."""
        return {
            layer.name: np.maximum(x, 0) for layer, x in zip(self.layers, read, strict=False) if isinstance(layer, ReLU)
        }

    def below(self, number: int, read: Sequence[Vector], signal: Vector) -> Vector:
        """The gradient of layer ``number``; a ReLU's is its mask, without its gate."""
        layer, x = self.layers[number], read[number]
        if isinstance(layer, Linear):
            return layer.matrix.T @ signal
        if isinstance(layer, ReLU):
            return signal * (x > 0)
        if isinstance(layer, Maxima):
            down = np.zeros_like(x)
            for window, share in zip(layer.windows, signal, strict=True):
                winner = window[0]
                for i in window:
                    if x[i] > x[winner]:
                        winner = i
                down[winner] += share
            return down
        s = self.scale(layer, x)
        jacobian = (
            np.diag(s**-layer.beta)
            - 2 * layer.share * layer.beta * np.outer(x * s ** (-layer.beta - 1), x) * layer.neighbours
        )
        return jacobian.T @ signal

    def contributions(self, read: Sequence[Vector], target: int, gates: Gates) -> tuple[dict[str, Vector], Vector]:
        """a = dS/dy of every ReLU, y being what leaves its gate, and dS/dI; masks, switches and Jacobians at ``read``."""
        signal, found = np.eye(len(read[-1]))[target], {}
        for number in reversed(range(len(self.layers))):
            layer = self.layers[number]
            if isinstance(layer, ReLU):
                found[layer.name] = signal
                signal = signal * gates[layer.name]
            signal = self.below(number, read, signal)
        return found, signal
