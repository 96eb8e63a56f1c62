"""The most likely classes of images, with their probabilities.

Where the net stops at scores, softmax is applied; where a fully convolutional net answers at several positions,
probabilities are averaged over them.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...attention.places import image_blob
from ...attention.targets import score_blob
from ...errors import BadInput
from ...executor.device import to_numpy
from ...executor.net import Net
from ...repro.images import Preprocessing, prepare, read_image
from .. import arguments
from ..labels import labels_for
from ..model import described, image_shape, open_model, preprocessing
from ..output import Output

PROBABILITIES = ("Softmax", "Sigmoid")  # layers whose tops are probabilities already


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="JPEG, PNG or the like")
    arguments.add_model(parser)
    parser.add_argument("--labels", metavar="FILE", help="one class per line: 'n01440764 tench, Tinca tinca', or names")
    parser.add_argument("--top", type=arguments.positive, default=5, metavar="K", help="how many classes (default 5)")
    parser.add_argument(
        "--batch-size", type=arguments.positive, default=8, metavar="N", help="images at once (default 8)"
    )
    parser.add_argument("--limit", type=arguments.positive, metavar="N", help="only the first N images")
    arguments.add_preprocessing(parser)
    arguments.add_device(parser)
    arguments.add_output(parser)


def run(args: Namespace) -> int:
    output = Output(args)
    model = open_model(args, output)
    shape = image_shape(model.net)
    how = preprocessing(args, model, shape[0])
    answering = answer_blob(model.net)
    labels = labels_for(args.labels or model.labels, _classes(model.net, answering))
    paths = args.images[: args.limit]
    batches = [paths[start : start + args.batch_size] for start in range(0, len(paths), args.batch_size)]
    results: list[dict[str, Any]] = []
    for batch in output.progress(batches, "classify"):
        for path, probabilities in _classified(model.net, batch, shape, how, answering):
            best = np.argsort(-probabilities, kind="stable")[: args.top]
            classes = [_entry(int(index), float(probabilities[index]), labels) for index in best]
            results.append({"image": path, "classes": classes})
    if output.json:
        output.data({"preprocessing": described(how, args), "blob": answering, "images": results})
        return 0
    for result in results:
        rows = [
            (f"{entry['probability']:.4f}", entry["index"], entry.get("wnid") or "", entry.get("name", ""))
            for entry in result["classes"]
        ]
        output.table((">probability", ">class", "wnid", "name"), rows, title=result["image"])
    return 0


def answer_blob(net: Net) -> str:
    """The blob of probabilities, or of scores where the net stops at them."""
    last = net.outputs[-1]
    maker = net.graph.nodes[net.graph.makers[net.graph.final(last)]]
    return last if maker.layer.type in PROBABILITIES else score_blob(net)


def probabilities_of(net: Net, blobs: np.ndarray, answering: str) -> np.ndarray:
    """Prepared images (N, C, H, W) -> probabilities (N, classes)."""
    trace = net.forward({image_blob(net): blobs}, blobs=[answering])
    answer = to_numpy(trace[answering]).astype(np.float64)
    answer = answer.reshape(*answer.shape[:2], -1)
    maker = net.graph.nodes[net.graph.makers[net.graph.final(answering)]]
    if maker.layer.type not in PROBABILITIES:
        powers = np.exp(answer - answer.max(1, keepdims=True))
        answer = powers / powers.sum(1, keepdims=True)
    return answer.mean(-1)


def _classified(
    net: Net, paths: Sequence[str], shape: tuple[int, int, int], how: Preprocessing, answering: str
) -> Iterator[tuple[str, np.ndarray]]:
    batch = np.stack([prepare(read_image(path), shape, how) for path in paths])
    yield from zip(paths, probabilities_of(net, batch, answering), strict=True)


def _classes(net: Net, answering: str) -> int:
    shape = net.shapes()[answering]
    if shape is None or len(shape) < 2:
        raise BadInput(f"blob {answering!r}: found shape {shape}, expected class scores (N, classes, ...)")
    return shape[1]


def _entry(index: int, probability: float, labels: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"index": index, "probability": probability}
    if labels:
        entry |= {"wnid": labels[index].wnid, "name": labels[index].names}
    return entry
