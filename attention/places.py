"""At which blob a map is read off, where the caller does not say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..errors import BadInput
from ..executor.graph import Node
from ..executor.net import Net
from ..layers.arrays import Shape

if TYPE_CHECKING:
    from .method import Question

# The excitation backprop authors' own choices: the map's blob, for nets that have these two blobs.
AUTHORS_CHOICE = (
    ("pool2/3x3_s2", "inception_5b/output"),  # GoogLeNet
    ("pool4", "conv5_3"),  # VGG16
    ("res4a", "res5c"),  # ResNet-50
    ("conv5", "fc6"),  # CNN-S, AlexNet, CaffeNet
)
LINEAR = ("Convolution", "Deconvolution", "InnerProduct")  # layer types with weights
COARSEST = 16  # elsewhere, like theirs: the last pooling top whose pixels are at most this many image pixels wide


def image_blob(net: Net) -> str:
    """The blob of the image: the net's first input."""
    return net.inputs[0]


def excitation_blob(question: Question) -> str:
    """The blob at which excitation maps are read by default: the authors' choice for their nets; for others the last
    pooling top (or where none will do, the last blob) below the classifier that still resolves the image. It carries all of
    the mass: no branch, such as the pooling within an inception module, goes past it."""
    net = question.net
    for blob, witness in AUTHORS_CHOICE:
        if blob in net.graph.versions and witness in net.graph.versions:
            return blob
    image = tuple(question.image.shape)
    shapes = net.shapes(**{image_blob(net): image})
    classifier = net.graph.nodes[net.graph.node(classifier_below(net, question.score))]
    nodes = [net.graph.nodes[number] for number in net.graph.needed_for(classifier.bottoms[:1])]
    made = [(net.graph.blobs[value], node.layer.type) for node, value in _necks(nodes)]
    fine = [(name, maker) for name, maker in made if _stride(image, shapes[name]) <= COARSEST]
    pooled = [name for name, maker in fine if maker == "Pooling"]
    return pooled[-1] if pooled else fine[-1][0]


def _necks(nodes: Sequence[Node]) -> Iterator[tuple[Node, int]]:
    """The nodes, in order, with those of their tops through which everything goes that later ones read."""
    last_read = {value: number for number, node in enumerate(nodes) for value in node.bottoms}
    for number, node in enumerate(nodes):
        made = [value for earlier in nodes[: number + 1] for value in earlier.tops]
        passing = [value for value in made if last_read.get(value, -1) > number]
        yield from ((node, value) for value in node.tops if set(passing) <= {value})


def classifier_below(net: Net, score: str) -> str:
    """The name of the layer with weights that makes the class scores: the first one down from the blob ``score``."""
    value = net.graph.final(score)
    while True:
        node = net.graph.nodes[net.graph.makers[value]]
        if node.layer.type in LINEAR:
            return node.layer.name
        if not node.bottoms:
            raise BadInput(
                f"score {score!r}: found no layer with weights below it, expected a classifier to contrast at"
            )
        value = node.bottoms[0]


def _stride(image: Shape, blob: Shape | None) -> float:
    """How many image pixels one pixel of the blob stands for, along the coarser axis."""
    if blob is None or len(blob) != 4:
        return float("inf")
    return max(image[2] / blob[2], image[3] / blob[3])
