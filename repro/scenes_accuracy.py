"""How well the four nets and their multi-label heads know held-out scenes, as one table:

    python -m thinktwice.repro.scenes_accuracy --data scenes

*top-1*: the test split of the ``single`` part, the centre of each picture, as while training. *mAP*: that of the ``multi`` part, at
its own size: average precision (VOC's), mean over the classes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..attention.answers import answer_blob, probabilities_of
from ..caffe_models.catalogue import MODELS, MULTI, Model, find_model
from ..errors import BadInput
from ..executor.load import load_model
from .datasets.examples import Example
from .datasets.imagenet import ImageNet
from .datasets.voc import Voc
from .images import Preprocessing, prepare, read_image
from .protocols.precision import average_precision

NAMES = tuple(name for name in MODELS if not name.endswith(MULTI))
SIDE, INPUT = 112, 96  # of a picture of the single part, and of what a net sees of it
BATCH = 50


def main(argv: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    try:
        print("| model | top-1, % | mAP, % |\n|---|--:|--:|")
        for name in options.model.split(","):
            singles, several = (
                ImageNet(options.data / "single", options.split),
                Voc(options.data / "multi", options.split),
            )
            shares = top_1(name, singles[: options.limit]), mean_precision(name, several[: options.limit])
            print(f"| {name} | {100 * shares[0]:.1f} | {100 * shares[1]:.1f} |", flush=True)
    except BadInput as error:
        print(f"thinktwice: error: {error}", file=sys.stderr)
        return 2
    return 0


def top_1(name: str, examples: Sequence[Example]) -> float:
    """The share of pictures of one object whose class has the highest score."""
    model = find_model(name)
    net = load_model(model)
    how = Preprocessing.of(model, resize="shorter", side=SIDE)
    right = 0
    for start in range(0, len(examples), BATCH):
        batch = examples[start : start + BATCH]
        blobs = np.stack([prepare(read_image(example.path), (3, INPUT, INPUT), how) for example in batch])
        answers = probabilities_of(net, blobs, answer_blob(net)).argmax(1)
        right += sum(int(answer == example.label) for answer, example in zip(answers, batch, strict=True))
    return right / len(examples)


def mean_precision(name: str, examples: Sequence[Example]) -> float:
    """Mean average precision over the classes, on pictures of several objects; one that is marked difficult is there all the same."""
    model = find_model(name + MULTI)
    net = load_model(model)
    scores = np.stack(
        [probabilities_of(net, _whole(example, model)[None], answer_blob(net))[0] for example in examples]
    )
    present = np.zeros(scores.shape, bool)
    for row, example in zip(present, examples, strict=True):
        row[list(example.labels)] = True
    return float(np.nanmean([average_precision(*columns) for columns in zip(scores.T, present.T, strict=True)]))


def _whole(example: Example, model: Model) -> np.ndarray:
    """The blob (3, H, W) of a picture at its own size."""
    image = read_image(example.path)
    return prepare(image, (3, *image.shape[:2]), Preprocessing.of(model))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m thinktwice.repro.scenes_accuracy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="the folder of the scenes")
    parser.add_argument("--model", default=",".join(NAMES), help=f"of {', '.join(NAMES)} (all)")
    parser.add_argument("--split", default="test", choices=("train", "val", "test"))
    parser.add_argument("--limit", type=int, help="the first so many pictures of each part")
    return parser


if __name__ == "__main__":
    sys.exit(main())
