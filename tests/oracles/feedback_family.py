"""The feedback family, one image and one target at a time, on a ``Chain``. ``FAMILY`` binds methods by name.

A method gets the chain, an image (C, H, W), a class and options, and tells the map (H, W), the gates it ends with (ReLU ->
array like its blob) and the curve (passes, classes). ``mode`` is "paper" or "demo", the authors' program.

LTT: Look and Think Twice (2015) and its draft. TPAMI: Feedback CNN (2018). GP: Global Perception Feedback CNN (2018).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from . import resizing
from .chain import Chain, Normalisation, ReLU, Vector

Gates = dict[str, Vector]


class Told(NamedTuple):
    map: np.ndarray
    gates: dict[str, np.ndarray]
    curve: list[Vector]


def tell(chain: Chain, image: np.ndarray, gates: Gates, curve: Sequence[Vector]) -> Told:
    shapes = {relu.name: relu.shape for relu in chain.relus}
    return Told(image, {name: gates[name].reshape(shapes[name]) for name in gates}, list(curve))


def all_open(chain: Chain) -> Gates:
    return {relu.name: np.ones(int(np.prod(relu.shape))) for relu in chain.relus}


def energy(chain: Chain, signal: Vector, mode: str = "paper") -> np.ndarray:
    """TPAMI §3.4.1: absolute values summed over the colours; the program: their Euclidean length."""
    planes = signal.reshape(chain.image)
    return abs(planes).sum(0) if mode == "paper" else np.sqrt((planes**2).sum(0))


# -- Look and Think Twice ----------------------------------------------------------------------------------------------------


def soft(
    chain: Chain,
    image: np.ndarray,
    target: int,
    iterations: int = 10,
    sparsity: float = 1.0,
    literal: bool = False,
    open_start: bool = False,
    everywhere: bool = False,
) -> Told:
    """LTT eq. 6 with alpha 0.1: z <- clip(z + alpha (dS/dz - lambda)), dS/dz = x a, over its layer's mean absolute value."""

    def push(z: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        mean = abs(gradient).sum() / gradient.size
        return (gradient if literal or mean == 0 else gradient / mean) - sparsity

    gates, curve = climb(chain, image, target, iterations, push, open_start, everywhere)
    read = chain.forward(image.ravel(), gates)
    _, at_image = chain.contributions(read, target, {**all_open(chain), **gates})
    return tell(chain, abs(at_image.reshape(chain.image)).max(0), gates, [*curve, read[-1]])


def global_perception(chain: Chain, image: np.ndarray, target: int, iterations: int = 10, rank_weight: float = 1.0,
                      mu: float = 1e-3, minor: float = 0.01, everywhere: bool = False) -> Told:  # fmt: skip
    """GP eqs. 4-12, each channel's gates paying for their trace norm; guided backprop under the final gates."""

    def push(z: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        mean = abs(gradient).sum() / gradient.size
        gradient = gradient / (mean or 1)
        return (
            gradient - rank_weight * np.stack([trace_slope(plane, mu, minor) for plane in z])
            if z.ndim == 3
            else gradient
        )

    gates, curve = climb(chain, image, target, iterations, push, False, everywhere)
    read = chain.forward(image.ravel(), gates)
    signal = np.eye(len(read[-1]))[target]
    for number in reversed(range(len(chain.layers))):
        layer = chain.layers[number]
        if isinstance(layer, ReLU):
            signal = np.maximum(signal * gates.get(layer.name, np.ones(1)), 0)
        signal = chain.below(number, read, signal)
    return tell(chain, abs(signal.reshape(chain.image)).max(0), gates, [*curve, read[-1]])


def trace_slope(z: np.ndarray, mu: float, minor: float) -> np.ndarray:
    """(g^-1 z + g^-T z) / 2 with g = (z z^T + mu I)^(1/2) of z without its minor singular values."""
    u, gamma, vt = np.linalg.svd(z, full_matrices=False)
    rest = sum(np.outer(u[:, i], vt[i]) * value for i, value in enumerate(gamma) if value >= minor * gamma.max())
    eigenvalues, vectors = np.linalg.eigh(rest @ rest.T + mu * np.eye(len(z)))
    g = vectors @ np.diag(np.sqrt(eigenvalues)) @ vectors.T
    return (np.linalg.inv(g) @ rest + np.linalg.inv(g).T @ rest) / 2


def climb(
    chain: Chain, image: np.ndarray, target: int, iterations: int, push: Callable, open_start: bool, everywhere: bool
):
    """Gates of 0 and 1 and the scores of each pass. Gates over ReLUs behind convolutions, or ``everywhere``."""
    first = chain.forward(image.ravel())
    gated = [relu for relu in chain.relus if relu.convolved or everywhere]
    active = chain.active(first)
    z: Gates = {r.name: np.ones_like(active[r.name]) if open_start else (active[r.name] > 0) * 1.0 for r in gated}
    curve = []
    for _ in range(iterations):
        read = chain.forward(image.ravel(), z)
        curve.append(read[-1])
        a, _ = chain.contributions(read, target, {**all_open(chain), **z})
        x, moved = chain.active(read), {}
        for relu in gated:
            shape, gradient = relu.shape, x[relu.name] * a[relu.name]
            step = push(z[relu.name].reshape(shape), gradient.reshape(shape)).ravel()
            moved[relu.name] = np.clip(z[relu.name] + 0.1 * step, 0, 1)
        z = moved
    return {name: (gate >= 0.5) * 1.0 for name, gate in z.items()}, curve


def hard(
    chain: Chain, image: np.ndarray, target: int, iterations: int = 1, mask: bool = True, frozen_lrn: bool = True
) -> Told:
    """The draft's sweep as its 2014 program does it: z <- z [e > 0]; e <- e z [x > 0]; LRN by its frozen normaliser."""
    gates, curve = all_open(chain), []
    for _ in range(iterations):
        read = chain.forward(image.ravel(), gates)
        curve.append(read[-1])
        e = np.eye(len(read[-1]))[target]
        for number in reversed(range(len(chain.layers))):
            layer, x = chain.layers[number], read[number]
            if isinstance(layer, ReLU):
                gates = {**gates, layer.name: gates[layer.name] * (e > 0)}
                e = e * gates[layer.name] * ((x > 0) if mask else 1)
            elif isinstance(layer, Normalisation) and frozen_lrn:
                e = e * chain.scale(layer, x) ** -layer.beta
            else:
                e = chain.below(number, read, e)
    curve.append(chain.forward(image.ravel(), gates)[-1])
    return tell(chain, abs(e.reshape(chain.image)).max(0), gates, curve)


# -- Feedback CNN ---------------------------------------------------------------------------------------------------------------


def opened(weights: Vector, threshold: str, ratio: float = 1.0) -> Vector:
    """``sign``: TPAMI's delta; ``mean``: §3.5; ``mean-positive``: the program."""
    if threshold == "sign":
        return (weights > 0) * 1.0
    if threshold == "mean":
        return (weights > ratio * sum(weights) / len(weights)) * 1.0
    positive = [w for w in weights if w > 0]
    if not positive:
        return np.zeros_like(weights)
    return np.array([float(w > 0 and w >= ratio * sum(positive) / len(positive)) for w in weights])


def without_edge(weights: Vector, shape: tuple[int, ...]) -> Vector:
    """The program's drop_edge: 0 in the first and last row and column of each channel, where it has several of both."""
    if len(shape) < 3 or shape[1] == 1 or shape[2] == 1:
        return weights
    kept = weights.reshape(shape).copy()
    for c, i, j in np.ndindex(*shape):
        if i in (0, shape[1] - 1) or j in (0, shape[2] - 1):
            kept[c, i, j] = 0
    return kept.ravel()


def recover(chain: Chain, read: Sequence[Vector], start: int, signal: Vector, mode: str, threshold: str, ratio: float):
    """Algorithm 1 from the layers below ``start``: the gates it sets and the signal at the image."""
    gates: Gates = {}
    for number in reversed(range(start)):
        layer = chain.layers[number]
        if isinstance(layer, ReLU):
            if mode == "demo":
                signal = without_edge(signal, layer.shape)
            gates[layer.name] = opened(signal, threshold, ratio)
            signal = gates[layer.name] * signal
        signal = chain.below(number, read, signal)
    return gates, signal


def recovery(
    chain: Chain, image: np.ndarray, target: int, mode: str = "paper", threshold: str | None = None, ratio: float = 1
) -> Told:
    threshold = threshold or {"paper": "sign", "demo": "mean-positive"}[mode]
    read = chain.forward(image.ravel())
    start = np.eye(len(read[-1]))[target]
    gates, signal = recover(chain, read, len(chain.layers), start, mode, threshold, ratio)
    return tell(chain, energy(chain, signal, mode), gates, [read[-1], chain.forward(image.ravel(), gates)[-1]])


def prune(chain: Chain, image: np.ndarray, target: int, mode: str, threshold: str | None, ratio: float = 1):
    """Algorithm 2. Gates, the last iteration's a (no gate of its own in it), what was read for it, dS/dI, and the curve."""
    first = chain.forward(image.ravel())
    gates, curve = all_open(chain), [first[-1]]
    if mode == "paper":
        for _ in range(5):  # closed stays closed; masks and switches of the first pass throughout
            a, _image = chain.contributions(first, target, gates)
            closed = {name: gates[name] * opened(a[name], threshold or "sign", ratio) for name in gates}
            if all(np.array_equal(closed[name], gates[name]) for name in gates):
                break
            gates = closed
            curve.append(chain.forward(image.ravel(), gates)[-1])
        a, at_image = chain.contributions(first, target, gates)
        return gates, a, first, at_image, curve
    names = [relu.name for relu in chain.relus]
    low = names.index("relu4_2") if "relu4_2" in names else len(names) // 2
    read = first
    for phase, updated in enumerate((names[low:], names)):
        a, _image = chain.contributions(read, target, gates)
        x, new = chain.active(read), dict(gates)
        for relu in chain.relus:
            if relu.name in updated:
                down = gates[relu.name] * a[relu.name] * (x[relu.name] > 0)
                new[relu.name] = opened(without_edge(down, relu.shape), threshold or "mean-positive", ratio)
        if phase and all(np.array_equal(new[name], gates[name]) for name in names):
            break
        gates = new
        read = chain.forward(image.ravel(), gates)
        curve.append(read[-1])
    a, at_image = chain.contributions(read, target, gates)
    return gates, a, read, at_image, curve


def pruning(chain: Chain, image: np.ndarray, target: int, mode: str = "paper", threshold: str | None = None) -> Told:
    gates, _, _, at_image, curve = prune(chain, image, target, mode, threshold)
    return tell(chain, energy(chain, at_image, mode), gates, curve)


def pruning_then_recovery(
    chain: Chain,
    image: np.ndarray,
    target: int,
    mode: str = "paper",
    threshold: str | None = None,
    together: bool = True,
) -> Told:
    """TPAMI §3.5: from the neurons of one layer that pruning left, each with a signal of 1, over a fresh pass."""
    gates, a, read, _, curve = prune(chain, image, target, mode, threshold)
    recovers = threshold or {"paper": "sign", "demo": "mean-positive"}[mode]
    portion = ratio = 0.1 if together else 1.0
    names = [relu.name for relu in chain.relus]
    vgg = {"paper": "relu5_2", "demo": "relu5_1"}[mode]
    layer = vgg if vgg in names else [relu.name for relu in chain.relus if relu.convolved][-1]
    d, x = a[layer], chain.active(read)[layer]
    mean = sum(v for v in d if v > 0) / max(1, sum(1 for v in d if v > 0))
    chosen = [i for i in range(len(d)) if gates[layer][i] > 0 and x[i] > 0 and d[i] > 0 and d[i] >= portion * mean]
    fresh = chain.forward(image.ravel())
    number = next(i for i, made in enumerate(chain.layers) if isinstance(made, ReLU) and made.name == layer)

    def energy_from(neurons: list[int]) -> np.ndarray:
        ones = np.zeros_like(d)
        ones[neurons] = 1
        _, signal = recover(chain, fresh, number, chain.below(number, fresh, ones), mode, recovers, ratio)
        return energy(chain, signal, mode)

    if together:
        return tell(chain, energy_from(chosen), gates, curve)
    each = []
    for neuron in chosen:  # energy maps: of l2 norm 1 (paper), of maximum 1 (program)
        one = energy_from([neuron])
        size = np.sqrt((one**2).sum()) if mode == "paper" else one.max()
        each.append(one / (size or 1))
    if not each:
        return tell(chain, np.zeros(chain.image[1:]), gates, curve)
    return tell(chain, np.mean(each, 0) if mode == "paper" else np.max(each, 0), gates, curve)


def summation(chain: Chain, image: np.ndarray, target: int, mode: str = "paper", threshold: str | None = None) -> Told:
    """TPAMI §4.3; the program: gated activations of some of VGG16's layers, each over its maximum."""
    gates, a, read, _, curve = prune(chain, image, target, mode, threshold)
    x, total = chain.active(read), np.zeros(chain.image[1:])
    vgg = ["relu4_2", "relu4_1", "relu3_3", "relu3_2", "relu3_1", "relu2_2", "relu2_1"]
    names = {relu.name for relu in chain.relus}
    for relu in chain.relus:
        if not relu.convolved or (mode == "demo" and set(vgg) <= names and relu.name not in vgg):
            continue
        evidence = gates[relu.name] * (a if mode == "paper" else x)[relu.name]
        plane = evidence.reshape(relu.shape).sum(0)
        if mode == "demo":
            plane = plane / (plane.max() or 1)
        total = total + resizing.bilinear(plane, *chain.image[1:])
    total = np.maximum(total, 0)
    size = np.sqrt((total**2).sum()) if mode == "paper" else total.max()
    return tell(chain, total / (size or 1), gates, curve)


FAMILY: dict[str, Callable[..., Told]] = {
    "feedback": soft,
    "feedback-hard": hard,
    "gp": global_perception,
    "fsp": pruning,
    "fr": recovery,
    "fsp-fr": pruning_then_recovery,
    "summation": summation,
}
