"""Excitation backprop, layer by layer and number by number (Zhang et al. 2016, eq. 5, and the authors' Caffe fork).

Every rule takes the mass at the top and the bottoms' data, and returns the mass at every bottom. ``RULES`` binds them to
layer types by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .correlation import Edge, Index, convolution_edges, deconvolution_edges, inner_product_edges
from .pooling import Geometry, max_pooling, max_pooling_gradient, planes

Masses = list[np.ndarray]


def winners(edges: Iterable[Edge], mass: np.ndarray, a: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """P_i = sum_j a_i w+_ij P_j / z_j with z_j = sum_i w+_ij a_i; a unit of z_j == 0 passes nothing on."""
    edges = list(edges)
    z = np.zeros(mass.shape, mass.dtype)
    for above, below, weight in edges:
        z[above] += max(weights[weight], 0) * a[below]
    out = np.zeros(a.shape, mass.dtype)
    for above, below, weight in edges:
        if z[above] != 0:
            out[below] += a[below] * max(weights[weight], 0) * mass[above] / z[above]
    return out


def convolution(mass: np.ndarray, bottoms: Masses, weights: np.ndarray, **geometry: Index) -> Masses:
    edges = convolution_edges(bottoms[0].shape, weights.shape, **geometry)  # type: ignore[arg-type]
    return [winners(edges, mass, bottoms[0], weights)]


def deconvolution(mass: np.ndarray, bottoms: Masses, weights: np.ndarray, **geometry: Index) -> Masses:
    edges = deconvolution_edges(bottoms[0].shape, weights.shape, mass.shape, **geometry)  # type: ignore[arg-type]
    return [winners(edges, mass, bottoms[0], weights)]


def inner_product(mass: np.ndarray, bottoms: Masses, weights: np.ndarray) -> Masses:
    return [winners(inner_product_edges(bottoms[0].shape, len(weights)), mass, bottoms[0], weights)]


def pooling(mass: np.ndarray, bottoms: Masses, pool: str, **geometry: Index) -> Masses:
    """MAX: all mass to the winner. AVE: eq. 5 with equal weights, nothing where the window's sum is not positive."""
    a, where = bottoms[0], Geometry(**geometry)  # type: ignore[arg-type]
    if pool == "MAX":
        return [max_pooling_gradient(mass, max_pooling(a, where)[1], a.shape)]
    out = np.zeros(a.shape, mass.dtype)
    for place, plane in planes(a):
        for position, pixels, _divisor in where.windows(plane.shape):
            total = sum(plane[pixel] for pixel in pixels)
            for pixel in pixels:
                if total > 0:
                    out[(*place, *pixel)] += plane[pixel] * mass[(*place, *position)] / total
    return [out]


def copy(mass: np.ndarray, bottoms: Masses) -> Masses:
    """LRN, BatchNorm, Scale: all mass to the data bottom."""
    return [mass]


def relu(mass: np.ndarray, bottoms: Masses, slope: Any = 0) -> Masses:
    out = np.zeros(mass.shape, mass.dtype)
    for index in np.ndindex(mass.shape):
        out[index] = mass[index] * (1 if bottoms[0][index] > 0 else slope)
    return [out]


def eltwise(
    mass: np.ndarray, bottoms: Masses, operation: str = "SUM", in_place_relu: bool = False, coefficients: Sequence = ()
) -> Masses:
    """SUM: in proportion to what each adds, divided by the sum as a ReLU in place over it leaves it. MAX: to the winner,
    in a tie of the first two to the second, as on Caffe's CPU."""
    masses = [np.zeros(mass.shape, mass.dtype) for _ in bottoms]
    for index in np.ndindex(mass.shape):
        if operation == "MAX":
            best = 0 if bottoms[0][index] > bottoms[1][index] else 1
            for number in range(2, len(bottoms)):
                if bottoms[number][index] > bottoms[best][index]:
                    best = number
            masses[best][index] = mass[index]
            continue
        parts = [c * x[index] for c, x in zip(coefficients or [1] * len(bottoms), bottoms, strict=True)]
        total = sum(parts)
        if in_place_relu:
            total = max(total, 0)
        for part, out in zip(parts, masses, strict=True):
            if total != 0:
                out[index] = part * mass[index] / total
    return masses


def concat(mass: np.ndarray, bottoms: Masses, axis: int = 1) -> Masses:
    masses, start = [], 0
    for x in bottoms:
        masses.append(np.take(mass, range(start, start + x.shape[axis]), axis))
        start += x.shape[axis]
    return masses


def split(masses: Masses) -> np.ndarray:
    """A blob that several layers read: what they all hand down adds up."""
    total = masses[0]
    for other in masses[1:]:
        total = total + other
    return total


RULES: dict[str, Callable[..., Masses]] = {
    "Convolution": convolution,
    "Deconvolution": deconvolution,
    "InnerProduct": inner_product,
    "Pooling": pooling,
    "Eltwise": eltwise,
    "LRN": copy,
    "BatchNorm": copy,
    "Scale": copy,
    "ReLU": relu,
    "Concat": concat,
}
