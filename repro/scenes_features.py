"""What the four nets see in the multi scenes, computed once, to train their multi-label heads on it:

    python -m thinktwice.repro.scenes_features --data scenes --model scenes-vgg --weights scenes-vgg_iter_2500.caffemodel

writes ``scenes/features/scenes-vgg/train.txt`` and ``val.txt``, lists of HDF5 files that ``multi_train.prototxt`` reads: the features
of every picture and of its mirror image, and for each class whether it is there. Only the output layer is fine-tuned, with a
sigmoid cross-entropy for each class, as in Excitation Backprop (§4.1). Pictures go in at their own size.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..caffe_models.catalogue import MULTI, Model, find_model
from ..errors import BadInput
from ..executor.load import load
from ..solver.features import write_features
from .datasets.examples import Example
from .datasets.voc import Voc
from .images import Preprocessing, prepare, read_image

SPLITS = ("train", "val")
FEATURES = {"scenes-alexnet": "pool7", "scenes-vgg": "pool7", "scenes-googlenet": "pool5", "scenes-resnet": "pool5"}


def main(argv: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    try:
        for split in SPLITS:
            features(options.data, split, options.model, options.weights)
    except BadInput as error:
        print(f"thinktwice: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped: no list was written; the same command starts again", file=sys.stderr)
        return 130
    return 0


def features(data: Path, split: str, model: str, weights: Path | None = None) -> Path:
    """Write the features of a split of ``data``/multi under ``data``/features; the list's path. Raises ``BadInput``."""
    known, blob = find_model(model + MULTI), FEATURES[model]
    # the head is what will be trained: any will do to run the net below it
    net = load(known.prototxt, weights or known.weights[0], partial=True, flat=True, seed=0)
    examples = Voc(data / "multi", split)
    path = data / "features" / model / f"{split}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_features(net, blob, _batches(examples, known), path, rows=2 * len(examples))
    return path


def _batches(examples: Sequence[Example], model: Model) -> Iterator[dict[str, np.ndarray]]:
    """Each picture and its mirror image, with what is in it."""
    classes = len(model.class_names)
    for example in examples:
        image = read_image(example.path)
        blob = prepare(image, (3, *image.shape[:2]), Preprocessing.of(model))
        yield {"data": np.stack([blob, blob[..., ::-1]]), "label": np.stack([example.present(classes)] * 2)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m thinktwice.repro.scenes_features",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="the folder of the scenes")
    parser.add_argument("--model", choices=FEATURES, required=True)
    parser.add_argument("--weights", type=Path, help="the classifier's (those that the package embeds)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
