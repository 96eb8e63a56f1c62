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
