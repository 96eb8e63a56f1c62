"""What the embedded model can do, measured on pictures it has not seen: ``python -m thinktwice.repro.measure_embedded``.

Accuracy on single figures, and the pointing game of Excitation Backprop (§4.1) on scenes of several: does the maximum of a
class's map lie in the box of that class's figure? Here without the tolerance of 15 pixels that the paper gives.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from ..attention.attend import attend
from ..attention.boxes import area
from ..attention.methods import METHODS
from ..caffe_models.catalogue import find_model
from ..executor.device import to_numpy
from ..executor.load import load
from ..executor.net import Net
from .datasets.figure_scenes import Scene, pictures, scene
from .images import Preprocessing, prepare
from .protocols.pointing import inside

HELD_OUT_SEED = 2  # training has another seed, so other pictures


def main(argv: Sequence[str] | None = None) -> None:
    model = find_model("figures")
    parser = argparse.ArgumentParser(prog="python -m thinktwice.repro.measure_embedded", description=__doc__)
    parser.add_argument("--weights", type=Path, default=model.weights[0])
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), help="all methods by default")
    options = parser.parse_args(argv)

    net = load(model.prototxt, options.weights, device="cpu")
    print(f"accuracy on {options.pictures} pictures: {accuracy(net, options.pictures):.1%}")
    print(f"pointing on {options.scenes} scenes each:\n\n| method | 2 figures | 3 figures |\n|---|---|---|")
    pairs, triples = ([scene(HELD_OUT_SEED, i, count) for i in range(options.scenes)] for count in (2, 3))
    print(f"| chance | {chance(pairs):.1%} | {chance(triples):.1%} |")
    for method in options.methods:
        print(f"| {method} | {pointing(net, pairs, method):.1%} | {pointing(net, triples, method):.1%} |", flush=True)


def accuracy(net: Net, number: int) -> float:
    """The share of held-out pictures 0 to ``number`` whose largest score is their label's."""
    right = 0
    for start in range(0, number, 100):
        images, labels = pictures(HELD_OUT_SEED, start, min(start + 100, number))
        scores = to_numpy(net.forward(data=input_blob(images), blobs=["fc5"])["fc5"])
        right += int((scores.argmax(1) == labels).sum())
    return right / number


def pointing(net: Net, scenes: Iterable[Scene], method: str) -> float:
    """The share of all figures in all scenes whose map has its maximum in their box."""
    hits = [hit for shown in scenes for hit in hits_in(net, shown, method)]
    return sum(hits) / len(hits)


def chance(scenes: Iterable[Scene]) -> float:
    """The same for a method that points anywhere: the mean share of a scene that a figure's box covers."""
    shares = [
        float(area(thing.box)) / (shown.image.shape[0] * shown.image.shape[1])
        for shown in scenes
        for thing in shown.things
    ]
    return sum(shares) / len(shares)


def hits_in(net: Net, shown: Scene, method: str) -> list[bool]:
    """For each figure of a scene: does its class's map have its maximum in its box?"""
    maps = maps_of(net, shown, method)
    peaks = [np.unravel_index(own.argmax(), own.shape) for own in maps]
    return [inside((int(x), int(y)), thing.box) for (y, x), thing in zip(peaks, shown.things, strict=True)]


def maps_of(net: Net, shown: Scene, method: str) -> np.ndarray:
    """One map per figure at the scene's size: (figures, H, W); what lies at the image is blurred as in the paper (§4.1)."""
    height, width = shown.image.shape[:2]
    targets = [thing.label for thing in shown.things]
    result = attend(net, input_blob(shown.image[None]), targets, method)
    maps = to_numpy(result.resized(height, width))[0]
    if result.at == "data":
        maps = np.stack([ndimage.gaussian_filter(own, 0.02 * max(height, width)) for own in maps])
    return maps


def input_blob(images: np.ndarray) -> np.ndarray:
    """Pictures (N, H, W, 3), RGB, as the embedded net's input (N, 3, H, W): of any size, since the net is."""
    model = find_model("figures")
    preprocessing = Preprocessing(model.mean, model.order, model.scale)
    return np.stack([prepare(image, (3, *image.shape[:2]), preprocessing) for image in images])


if __name__ == "__main__":
    main()
