"""The two scenes that come with the package, as PNG files with their boxes in ``scenes.json``.

``python -m thinktwice.repro.datasets.embedded_scenes --out DIR`` draws them again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ...caffe_models.catalogue import EMBEDDED
from .figure_scenes import NAMES, Scene, Thing, scene

DEMO_SEED = 3
CHOSEN = [(0, 2), (16, 3)]  # index, number of figures: spots on two of them; roof, sails and branches


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m thinktwice.repro.datasets.embedded_scenes", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    write([scene(DEMO_SEED, index, count) for index, count in CHOSEN], parser.parse_args(argv).out)


def embedded_scenes(folder: Path = EMBEDDED) -> dict[str, Scene]:
    """File name -> the scene in it."""
    known = json.loads((folder / "scenes.json").read_text(encoding="utf-8"))
    return {file: Scene(_image(folder / file), _things(boxes)) for file, boxes in known.items()}


def write(scenes: Sequence[Scene], folder: Path) -> None:
    """Every scene as a PNG named after its figures, and ``scenes.json`` beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for shown in scenes:
        file = "_".join(thing.name for thing in shown.things) + ".png"
        Image.fromarray(shown.image).save(folder / file, optimize=True)
        boxes = {thing.name: thing.box for thing in shown.things}
        lines.append(f"  {json.dumps(file)}: {json.dumps(boxes)}")
    (folder / "scenes.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _image(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _things(boxes: dict[str, Sequence[int]]) -> tuple[Thing, ...]:
    return tuple(
        Thing(NAMES.index(name), (left, top, right, bottom)) for name, (left, top, right, bottom) in boxes.items()
    )


if __name__ == "__main__":
    main()
