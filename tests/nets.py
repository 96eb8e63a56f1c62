"""Small nets, made from prototxt text the way files are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from thinktwice.caffe_models.definition import parse_net
from thinktwice.caffe_models.weights import Weights
from thinktwice.executor.load import build
from thinktwice.executor.net import Net


def make(text: str, weights: Mapping[str, Sequence[Any]] | None = None, dtype: str = "float64") -> Net:
    """A net on the CPU from prototxt text, and arrays for the layers that have parameters."""
    arrays = {layer: tuple(np.asarray(a, dtype) for a in own) for layer, own in (weights or {}).items()}
    return build(parse_net(text), Weights("made.caffemodel", arrays), device="cpu", dtype=dtype)


def data(*shape: int, name: str = "data") -> str:
    dims = " ".join(f"dim: {n}" for n in shape)
    return f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {dims} }} }} }}\n'


def layer(name: str, type_name: str, bottom: str, options: str = "", top: str = "") -> str:
    """One layer; ``bottom`` are blob names with blanks between, the top is named like the layer unless told."""
    bottoms = " ".join(f'bottom: "{blob}"' for blob in bottom.split())
    return f'layer {{ name: "{name}" type: "{type_name}" {bottoms} top: "{top or name}" {options} }}\n'


def relu(blob: str) -> str:
    """A ReLU in place."""
    return layer(f"relu_{blob}", "ReLU", blob, top=blob)


def deep(seed: int = 0) -> tuple[Net, dict[str, tuple[np.ndarray, ...]]]:
    """Every kind of layer between an image and four classes: fan-out, concat, sum, both poolings, LRN, group."""
    text = (
        data(2, 2, 6, 7)
        + layer("c1", "Convolution", "data", "convolution_param { num_output: 4 kernel_size: 3 pad: 1 group: 2 }")
        + relu("c1")
        + layer("n1", "LRN", "c1", "lrn_param { local_size: 3 alpha: 3 }")
        + layer("p1", "Pooling", "n1", "pooling_param { kernel_size: 3 stride: 2 pad: 1 }")
        + layer("left", "Convolution", "p1", "convolution_param { num_output: 3 kernel_size: 1 }") + relu("left")
        + layer("right", "Convolution", "p1", "convolution_param { num_output: 3 kernel_size: 3 pad: 1 }")
        + relu("right")
        + layer("both", "Eltwise", "left right")
        + layer("all", "Concat", "both p1")
        + layer("p2", "Pooling", "all", "pooling_param { pool: AVE kernel_size: 2 stride: 2 }")
        + layer("fc1", "InnerProduct", "p2", "inner_product_param { num_output: 6 }") + relu("fc1")
        + layer("fc2", "InnerProduct", "fc1", "inner_product_param { num_output: 4 }")
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    shapes = {"c1": (4, 1, 3, 3), "left": (3, 4, 1, 1), "right": (3, 4, 3, 3), "fc1": (6, 28), "fc2": (4, 6)}
    weights: dict[str, tuple[np.ndarray, ...]] = {
        name: (rng.normal(size=shape), rng.normal(size=shape[0])) for name, shape in shapes.items()
    }
    return make(text, weights), weights


def image(seed: int = 0) -> np.ndarray:
    return abs(np.random.default_rng(seed).normal(size=(2, 2, 6, 7)))


LIVE = (0, 2, 3)  # seeds whose nets have active units at every blob
BLOBS = ["data", "c1", "n1", "p1", "left", "right", "both", "all", "p2", "fc1"]
