"""The most likely classes of images, with their probabilities.

Where the net stops at scores, softmax is applied; where a fully convolutional net answers at several positions,
probabilities are averaged over them. --think-twice METHOD looks at each image twice (Look and Think Twice, 4.3): a box
around what the method's map shows for each of the first glance's classes is cut out of the image and classified again; the
answer is the best of what these crops gave.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ...attention.answers import answer_blob, probabilities_of
from ...attention.methods import METHODS, find_method
from ...attention.think_twice import MERGES, Glance, SecondThought, think_twice
from ...errors import BadInput
from ...executor.net import Net
from ...repro.images import Preprocessing, prepare, read_image
from .. import arguments
from ..labels import Label, labels_for
from ..model import described, image_shape, open_model, preprocessing
from ..output import Output
from ..question import add_options, box_entry, class_entry, options_of, shown_box, whole_pictures


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="JPEG, PNG or the like")
    arguments.add_model(parser)
    parser.add_argument("--labels", metavar="FILE", help="one class per line: 'n01440764 tench, Tinca tinca', or names")
    parser.add_argument("--top", type=arguments.positive, default=5, metavar="K", help="how many classes (default 5)")
    parser.add_argument(
        "--batch-size", type=arguments.positive, default=8, metavar="N", help="images at once (default 8)"
    )
    parser.add_argument("--limit", type=arguments.positive, metavar="N", help="only the first N images")
    parser.add_argument("--think-twice", metavar="METHOD", help=f"look again, at boxes by one of {', '.join(METHODS)}")
    parser.add_argument(
        "--merge",
        choices=MERGES,
        default="max",
        help="a class that several crops name: its best confidence, or their sum",
    )
    add_options(parser)
    arguments.add_preprocessing(parser)
    arguments.add_device(parser)
    arguments.add_output(parser)


def run(args: Namespace) -> int:
    output = Output(args)
    if args.options and not args.think_twice:
        raise BadInput("-o: found an option of a method, expected --think-twice METHOD beside it")
    options = options_of(find_method(args.think_twice), args.options) if args.think_twice else {}
    model = open_model(args, output)
    shape = image_shape(model.net)
    how = preprocessing(args, model, shape[0])
    if args.think_twice:
        whole_pictures(how, "--think-twice")
    answering = answer_blob(model.net)
    labels = labels_for(args.labels or model.labels, _classes(model.net, answering))
    paths = args.images[: args.limit]
    if args.think_twice:
        return _think_twice(args, output, model.net, paths, shape, how, options, labels)
    batches = [paths[start : start + args.batch_size] for start in range(0, len(paths), args.batch_size)]
    results: list[dict[str, Any]] = []
    for batch in output.progress(batches, "classify"):
        for path, probabilities in _classified(model.net, batch, shape, how, answering):
            best = np.argsort(-probabilities, kind="stable")[: args.top]
            results.append({"image": path, "classes": _entries(Glance(best, probabilities[best]), labels)})
    if output.json:
        output.data({"preprocessing": described(how, args), "blob": answering, "images": results})
        return 0
    for result in results:
        _show(output, result["classes"], result["image"])
    return 0


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


def _think_twice(
    args: Namespace,
    output: Output,
    net: Net,
    paths: Sequence[str],
    shape: tuple[int, int, int],
    how: Preprocessing,
    options: Mapping[str, Any],
    labels: Sequence[Label] | None,
) -> int:
    results = []
    for path in output.progress(paths, "classify"):
        thought = think_twice(
            net,
            read_image(path),
            lambda picture: prepare(picture, shape, how),
            args.think_twice,
            top=args.top,
            merge=args.merge,
            options=options,
        )
        results.append({"image": path, **thought_entry(thought, labels)})
    if output.json:
        asked = {"method": args.think_twice, "options": options, "merge": args.merge}
        output.data({"preprocessing": described(how, args), "think_twice": asked, "images": results})
        return 0
    for result in results:
        _show(output, result["first_glance"], f"{result['image']}: first glance", result["crops"])
        _show(output, result["classes"], f"{result['image']}: second glance")
    return 0


def thought_entry(thought: SecondThought, labels: Sequence[Label] | None) -> dict[str, Any]:
    """A second thought as plain data: ``classes``, the answer; and how it came about."""
    crops = [
        {
            "of": class_entry(int(index), labels),
            "box": box_entry(box),
            "classes": _entries(Glance(classes, confidences), labels),
        }
        for index, box, classes, confidences in zip(
            thought.first.classes, thought.boxes, thought.crops.classes, thought.crops.confidences, strict=True
        )
    ]
    first, final = (_entries(glance, labels) for glance in (thought.first, thought.final))
    return {"classes": final, "first_glance": first, "crops": crops}


def _entries(glance: Glance, labels: Sequence[Label] | None) -> list[dict[str, Any]]:
    return [
        {**class_entry(int(index), labels), "probability": float(confidence)}
        for index, confidence in zip(glance.classes, glance.confidences, strict=True)
    ]


def _show(output: Output, entries: Sequence[dict[str, Any]], title: str, crops: Sequence[dict[str, Any]] = ()) -> None:
    columns = [">probability", ">class", "wnid", "name"]
    rows = [
        [f"{entry['probability']:.4f}", entry["index"], entry.get("wnid") or "", entry.get("name", "")]
        for entry in entries
    ]
    if crops:
        columns += ["box", "seen there"]
        for row, crop in zip(rows, crops, strict=True):
            best = crop["classes"][0]
            name = best["name"].split(",")[0] if "name" in best else f"class {best['index']}"
            row += [shown_box(crop["box"]), f"{name} {best['probability']:.2f}"]
    output.table(columns, rows, title=title)
