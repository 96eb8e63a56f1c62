"""Random nets whose ReLUs can be gated, and two literal forward passes under gates: frozen and recomputed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from thinktwice.attention.gates import Gated
from thinktwice.attention.method import Question
from thinktwice.executor.net import Net
from thinktwice.executor.trace import Trace

from ..nets import data, layer, make
from ..oracles.pooling import Geometry, max_pooling

N, C, H, W = 2, 3, 8, 7
CLASSES = 5
TARGETS = np.array([[4, 0, 2], [1, 0, 3]])  # (N, K)
Gates = Mapping[str, np.ndarray]  # ReLU -> (N, C, H, W), for one target


def random_net(seed: int, lrn: bool = True, overlap: bool = True, bypass: bool = True) -> Net:
    """Convolutions, two branches, a join, pooling, two fully connected layers; every third thing left to the seed.

    ``lrn``: whether there may be LRN; ``overlap``: whether pooling windows may overlap; ``bypass``: whether one pooling may
    read another's top, no gate between them.
    """
    rng = np.random.default_rng(seed)
    either: Callable = lambda *choices: choices[rng.integers(len(choices))]  # noqa: E731
    text, weights, blob = data(N, C, H, W), {}, "data"

    def add(name: str, type_name: str, bottom: str, options: str = "") -> str:
        nonlocal text
        text += layer(name, type_name, bottom, options)
        return name

    def convolved(name: str, bottom: str, fan_in: int, outputs: int, size: int) -> str:
        weights[name] = (rng.normal(size=(outputs, fan_in, size, size)), rng.normal(size=outputs))
        pad = f"convolution_param {{ num_output: {outputs} kernel_size: {size} pad: {size // 2} }}"
        return rectified(add(name, "Convolution", bottom, pad))

    def rectified(bottom: str) -> str:
        nonlocal text
        top = either(bottom, f"{bottom}_out")
        text += layer(f"relu_{bottom}", "ReLU", bottom, top=top)
        return top

    def pooled(name: str, bottom: str, kernel: int) -> str:
        kind = either("MAX", "MAX", "AVE")
        return add(name, "Pooling", bottom, f"pooling_param {{ pool: {kind} kernel_size: {kernel} stride: 2 }}")

    blob = convolved("c1", blob, C, 4, 3)
    if lrn and either(True, False):
        region = either("ACROSS_CHANNELS", "WITHIN_CHANNEL")
        blob = add("n1", "LRN", blob, f"lrn_param {{ local_size: 3 alpha: 0.5 norm_region: {region} }}")
    trunk = blob = pooled("p1", blob, either(2, 3) if overlap else 2)
    left, right = convolved("left", blob, 4, 6, 1), convolved("right", blob, 4, 6, 3)
    how = either("Concat", "Eltwise", *["bypass"] * bypass)
    blob, channels = add("join", "Concat" if how == "bypass" else how, f"{left} {right}"), 6 if how == "Eltwise" else 12
    if how == "bypass":  # a branch that the gates above p1 leave alone
        blob, channels = add("past", "Concat", f"{trunk} {blob}"), 16
    if either(True, False):
        blob = convolved("c2", blob, channels, 5, 3)
        channels = 5
    blob = add("drop", "Dropout", pooled("p2", blob, 2))
    weights["fc1"] = (rng.normal(size=(7, channels * 4)), rng.normal(size=7))
    weights["fc2"] = (rng.normal(size=(CLASSES, 7)), rng.normal(size=CLASSES))
    blob = rectified(add("fc1", "InnerProduct", blob, "inner_product_param { num_output: 7 }"))
    text += layer("fc2", "InnerProduct", blob, f"inner_product_param {{ num_output: {CLASSES} }}")
    return make(text, weights)


def random_image(seed: int) -> np.ndarray:
    return np.random.default_rng(seed + 1000).normal(size=(N, C, H, W))


def gated(net: Net, image: np.ndarray, targets: np.ndarray = TARGETS, score: str = "fc2", where: str = "all") -> Gated:
    return Gated.over(Question(net, image, targets, score, None, {}), where)


def of_target(gates: Gates, k: int) -> dict[str, np.ndarray]:
    """Of gates by gate blob (K, N, ...), those of one target by ReLU (N, ...)."""
    return {gate.removesuffix("_gates"): z[k] for gate, z in gates.items()}


# -- forward passes under gates ---------------------------------------------------------------------------------------


def recomputed_forward(net: Net, image: np.ndarray, gates: Gates) -> dict[str, np.ndarray]:
    """Blobs by layer, with the given gates over the ReLUs (what the layer makes before its gate is not kept)."""
    return _forward(net, image, gates, lambda number, bottoms: None)


def frozen_forward(net: Net, first: Trace, image: np.ndarray, gates: Gates) -> dict[str, np.ndarray]:
    """The linear approximation of the pass ``first``: its masks and switches, LRN by its Jacobian there, biases as they are."""

    def linearised(number: int, bottoms: list[np.ndarray]) -> np.ndarray | None:
        node = net.graph.nodes[number]
        before, after = first.values[node.bottoms[0]], first.values[node.tops[0]]
        if node.layer.type == "ReLU":
            return np.where(before > 0, bottoms[0], 0)
        if node.layer.type == "LRN":
            return after + lrn_derivative(node.layer, before, bottoms[0] - before)
        if node.layer.type == "Pooling" and node.layer.takes_maxima:  # type: ignore[attr-defined]
            return _by_switches(node.layer, before, bottoms[0])
        return None

    return _forward(net, image, gates, linearised)


def _forward(net: Net, image: np.ndarray, gates: Gates, special: Callable) -> dict[str, np.ndarray]:
    values: dict[int, np.ndarray] = {}
    ungated: dict[str, np.ndarray] = {}
    for number, node in enumerate(net.graph.nodes):
        if node.layer.type == "Input":
            values[node.tops[0]] = image
            continue
        bottoms = [values[value] for value in node.bottoms]
        top = special(number, bottoms)
        if top is None:
            top = node.layer.forward(bottoms, net.params.get(node.layer.name, ()))[0][0]
        ungated[node.layer.name] = top
        values[node.tops[0]] = top * gates[node.layer.name] if node.layer.name in gates else top
    return ungated


def _by_switches(pooling, before: np.ndarray, x: np.ndarray) -> np.ndarray:
    y, winners = max_pooling(before, Geometry(pooling.kernel, pooling.stride, pooling.pad))
    out = np.zeros_like(y)
    for index, pixel in winners.items():
        out[index] = x[(*index[:2], *pixel)]
    return out


def lrn_derivative(lrn, x: np.ndarray, dx: np.ndarray) -> np.ndarray:
    """J dx with y = x s^-beta, s = k + alpha/n sum x^2, entry by entry."""
    out = np.zeros_like(x)
    half = lrn.size // 2
    for n, c, i, j in np.ndindex(x.shape):
        if lrn.across:
            near = (n, slice(max(c - half, 0), c + half + 1), i, j)
        else:
            near = (n, c, slice(max(i - half, 0), i + half + 1), slice(max(j - half, 0), j + half + 1))
        s = (lrn.k if lrn.across else 1) + lrn.alpha * (x[near] ** 2).sum()
        ds = 2 * lrn.alpha * (x[near] * dx[near]).sum()
        out[n, c, i, j] = dx[n, c, i, j] * s**-lrn.beta - lrn.beta * x[n, c, i, j] * s ** (-lrn.beta - 1) * ds
    return out
