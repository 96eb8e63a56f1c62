"""At which blob a map is read off, where the caller does not say."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import BadInput
from ..executor.net import Net
from ..layers.arrays import Shape

# The excitation backprop authors' own choices: the map's blob, for nets that have these two blobs.
AUTHORS_CHOICE = (
    ("pool2/3x3_s2", "inception_5b/output"),  # GoogLeNet
    ("pool4", "conv5_3"),  # VGG16
    ("res4a", "res5c"),  # ResNet-50
    ("conv5", "fc6"),  # CNN-S, AlexNet, CaffeNet
)
COARSEST = 16  # elsewhere, like theirs: the last pooling top whose pixels are at most this many image pixels wide


def image_blob(net: Net) -> str:
    """The blob of the image: the net's first input."""
    return net.inputs[0]


def excitation_blob(net: Net, shapes: Mapping[str, Shape | None], below: str) -> str:
    """The blob at which excitation maps are read by default: the authors' choice for their nets; for others the last
    pooling top (or where none will do, the last blob) under ``below`` that still resolves the image."""
    for blob, witness in AUTHORS_CHOICE:
        if blob in net.graph.versions and witness in net.graph.versions:
            return blob
    image = shapes[image_blob(net)]
    if image is None or len(image) != 4:
        raise BadInput(f"at: found no image among the inputs {net.inputs}, expected a blob to be named")
    nodes = [net.graph.nodes[number] for number in net.graph.needed_for([net.graph.final(below)])]
    made = [(net.graph.blobs[value], node.layer.type) for node in nodes for value in node.tops]
    fine = [(name, maker) for name, maker in made if _stride(image, shapes[name]) <= COARSEST]
    pooled = [name for name, maker in fine if maker == "Pooling"]
    return pooled[-1] if pooled else fine[-1][0]


def _stride(image: Shape, blob: Shape | None) -> float:
    """How many image pixels one pixel of the blob stands for, along the coarser axis."""
    if blob is None or len(blob) != 4:
        return float("inf")
    return max(image[2] / blob[2], image[3] / blob[3])
