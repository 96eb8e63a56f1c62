"""What a net answers: the probabilities of all classes."""

from __future__ import annotations

import numpy as np

from ..errors import BadInput
from ..executor.device import to_numpy
from ..executor.net import Net
from .places import image_blob
from .targets import score_blob

PROBABILITIES = ("Softmax", "Sigmoid")  # layers whose tops are probabilities already


def answer_blob(net: Net) -> str:
    """The blob of probabilities, or of scores where the net stops at them."""
    last = net.outputs[-1]
    maker = net.graph.nodes[net.graph.makers[net.graph.final(last)]]
    return last if maker.layer.type in PROBABILITIES else score_blob(net)


def probabilities_of(net: Net, blobs: np.ndarray, answering: str) -> np.ndarray:
    """Prepared images (N, C, H, W) -> probabilities (N, classes).

    Where ``answering`` holds scores, softmax is applied; where it has several positions, probabilities are averaged.
    """
    trace = net.forward({image_blob(net): blobs}, blobs=[answering])
    answer = to_numpy(trace[answering]).astype(np.float64)
    if answer.ndim < 2:
        raise BadInput(f"blob {answering!r}: found shape {answer.shape}, expected class scores (N, classes, ...)")
    answer = answer.reshape(*answer.shape[:2], -1)
    maker = net.graph.nodes[net.graph.makers[net.graph.final(answering)]]
    if maker.layer.type not in PROBABILITIES:
        powers = np.exp(answer - answer.max(1, keepdims=True))
        answer = powers / powers.sum(1, keepdims=True)
    return answer.mean(-1)
