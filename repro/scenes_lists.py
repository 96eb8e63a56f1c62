"""The multi scenes as two data layers in step read them, ImageData the pictures and HDF5Data what is in each:

    python -m thinktwice.repro.scenes_lists --data scenes

writes ``scenes/lists/train.txt`` (a picture and a 0 to a line: ImageData's own label, which nothing reads), ``train_labels.h5``
(``label``: for each class whether it is there, a row for each picture) and its list ``train_labels.txt``; the same for val. The
order, one for both, is random: the layers must not shuffle. ``whole_train_val.prototxt`` reads them to fine-tune a whole net.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..caffe_models import files
from ..errors import BadInput
from ..solver.chance import chance
from ..solver.features import write_rows
from .datasets.voc import Voc
from .scenes_features import SPLITS

SEED = 1  # of the order


def main(argv: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    try:
        for split in SPLITS:
            lists(options.data, split)
    except BadInput as error:
        print(f"thinktwice: error: {error}", file=sys.stderr)
        return 2
    return 0


def lists(data: Path, split: str) -> Path:
    """Write the lists of a split of ``data``/multi under ``data``/lists; the pictures' list. Raises ``BadInput``."""
    voc = Voc(data / "multi", split)
    if not len(voc):
        raise BadInput(f"{voc.folder}: found no picture in the list {split!r}, expected at least one")
    examples = [voc[int(place)] for place in chance(SEED, "lists", 0).permutation(len(voc))]
    path = data / "lists" / f"{split}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = path.with_name(f"{split}_labels.h5")
    write_rows(labels, {"label": np.stack([example.present(len(voc.classes)) for example in examples])})
    _write_lines(labels.with_suffix(".txt"), [labels.name])
    _write_lines(path, [f"{example.path.name} 0" for example in examples])
    return path


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    with files.replacing(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m thinktwice.repro.scenes_lists",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="the folder of the scenes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
