"""Small nets and weights that the tests make themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from thinktwice.caffe_models import schema
from thinktwice.caffe_models.definition import parse_net
from thinktwice.caffe_models.weights import Weights

SMALL = """
name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 7 dim: 6 } } }
layer {
  name: "conv1/3x3" type: "Convolution" bottom: "data" top: "conv1" param { lr_mult: 0.1 }
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } }
}
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "fc" type: "InnerProduct" bottom: "conv1" top: "fc" inner_product_param { num_output: 5 } }
"""


def small_net() -> Any:
    return parse_net(SMALL)


def random(*shape: int, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def small_weights(dtype: str = "float32") -> Weights:
    return Weights(
        "made.caffemodel",
        {
            "conv1/3x3": (random(4, 3, 3, 3, dtype=dtype), random(4, dtype=dtype)),
            "fc": (random(5, 80, dtype=dtype), random(5, dtype=dtype)),
        },
    )


def blob(array: np.ndarray, legacy: bool = False) -> Any:
    """A BlobProto by protobuf itself, so that our own writer is not the judge of our own reader."""
    proto = schema.new("BlobProto", data=array.ravel().tolist())
    if legacy:
        shape = (1,) * (4 - array.ndim) + array.shape
        proto.num, proto.channels, proto.height, proto.width = shape
    else:
        proto.shape.dim.extend(array.shape)
    return proto


def assert_same(one: Weights, other: Weights) -> None:
    assert list(one.blobs) == list(other.blobs)
    for layer, arrays in one.blobs.items():
        assert len(arrays) == len(other.blobs[layer])
        for a, b in zip(arrays, other.blobs[layer], strict=True):
            assert a.dtype == b.dtype and a.shape == b.shape
            assert a.tobytes() == b.tobytes()
