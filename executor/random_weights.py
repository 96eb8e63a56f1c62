"""Random weights for a net without any: to check a definition, to export it, to start training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..layers.arrays import count
from ..layers.fillers import fill
from ..layers.layer import ParameterSpec


def random_weights(specs: Mapping[str, Sequence[ParameterSpec]], seed: int) -> dict[str, list[np.ndarray]]:
    """Layer -> arrays drawn in float64 from ``seed``: by the prototxt's fillers, and where it names none (deploy files do
    not), He-normal weights, which keep signals alive through deep nets, and for all one-dimensional parameters (biases,
    scales, stored statistics) numbers between 0.5 and 1."""
    rng = np.random.default_rng(seed)
    return {layer: [_draw(spec, rng) for spec in own] for layer, own in specs.items()}


def _draw(spec: ParameterSpec, rng: np.random.Generator) -> np.ndarray:
    if spec.filler is not None and spec.filler.ByteSize():
        return fill(spec.filler, spec.shape, rng, np.float64)
    if len(spec.shape) > 1:
        return rng.normal(0, np.sqrt(2 / max(1, count(spec.shape[1:]))), spec.shape)
    return rng.uniform(0.5, 1.0, spec.shape)
