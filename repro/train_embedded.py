"""Training of the embedded model: ``python -m thinktwice.repro.train_embedded --out DIR``.

Stochastic gradient descent with momentum, in a page, on this executor: about six minutes on one CPU core. The pictures
are drawn (``datasets/figure_scenes.py``), so that nothing is downloaded and held-out pictures never run out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..caffe_models.catalogue import EMBEDDED, find_model
from ..caffe_models.definition import read_net
from ..caffe_models.weights import Weights
from ..caffe_models.writer import write_caffemodel
from ..executor.load import load
from ..executor.net import Net
from .datasets.figure_scenes import pictures
from .measure_embedded import accuracy, input_blob

TRAIN_NET = EMBEDDED / "figures_train.prototxt"
TRAIN_SEED = 1
BATCH = 32
MOMENTUM, WEIGHT_DECAY = 0.9, 0.0005
PIXEL_SCALE = np.float32(1 / 64)  # while training: pixels of about unit size suit one learning rate for all layers

Parameters = dict[str, list[np.ndarray]]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m thinktwice.repro.train_embedded", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for figures.caffemodel")
    parser.add_argument("--pictures", type=int, default=8000, help="number of training pictures")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rate", type=float, default=0.02, help="learning rate at the start; it falls linearly to 0")
    parser.add_argument("--seed", type=int, default=0, help="of the first weights and the order of the pictures")
    options = parser.parse_args(argv)

    images, labels = pictures(TRAIN_SEED, 0, options.pictures)
    parameters = train(images, labels, options.epochs, options.rate, options.seed)
    write(parameters, options.out)
    net = load(find_model("figures").prototxt, options.out / "figures.caffemodel", device="cpu")
    print(f"accuracy on 2000 held-out pictures: {accuracy(net, 2000):.1%}")


def train(images: np.ndarray, labels: np.ndarray, epochs: int, rate: float, seed: int) -> Parameters:
    """The parameters after ``epochs`` rounds through images (N, H, W, 3) and labels (N,), for pixels from 0 to 255."""
    net = load(TRAIN_NET, phase="TRAIN", seed=seed, device="cpu")
    graph, parameters = net.graph, {layer: list(arrays) for layer, arrays in net.params.items()}
    velocity = {layer: [np.zeros_like(array) for array in arrays] for layer, arrays in parameters.items()}
    steps = epochs * (len(images) // BATCH)
    mean_loss = 0.0
    for step, (data, label) in enumerate(_batches(images, labels, epochs, seed)):
        net = Net(graph, parameters, device="cpu")  # a net is immutable: every step has its own
        trace = net.forward(data=data * PIXEL_SCALE, label=label)
        gradients = net.backward(trace, {"loss": 1}, to=[], params=True).params
        descend(parameters, velocity, gradients, rate * (1 - step / steps))
        mean_loss += (float(trace["loss"]) - mean_loss) / min(step + 1, 100)
        if (step + 1) % 250 == 0:
            print(f"step {step + 1} of {steps}: loss {mean_loss:.4f}", file=sys.stderr, flush=True)
    parameters["conv1"][0] = parameters["conv1"][0] * PIXEL_SCALE  # from here on the net takes pixels as they are
    return parameters


def descend(parameters: Parameters, velocity: Parameters, gradients: Parameters, rate: float) -> None:
    """Caffe's SGD: V = momentum V + rate (gradient + decay W), W = W - V."""
    for layer, arrays in parameters.items():
        for index, array in enumerate(arrays):
            pull = gradients[layer][index] + np.float32(WEIGHT_DECAY) * array
            velocity[layer][index] = np.float32(MOMENTUM) * velocity[layer][index] + np.float32(rate) * pull
            arrays[index] = array - velocity[layer][index]


def write(parameters: Parameters, folder: Path) -> None:
    """The weights as figures.caffemodel in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "figures.caffemodel"
    definition = read_net(find_model("figures").prototxt)
    write_caffemodel(
        definition, Weights(str(path), {layer: tuple(arrays) for layer, arrays in parameters.items()}), path
    )


def _batches(images: np.ndarray, labels: np.ndarray, epochs: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Input blobs and labels in a new order every epoch, half of the pictures mirrored."""
    rng = np.random.default_rng([seed, 1])
    for _ in range(epochs):
        order = rng.permutation(len(images))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            mirrored = rng.random(BATCH) < 0.5
            batch = np.where(mirrored[:, None, None, None], images[chosen, :, ::-1], images[chosen])
            yield input_blob(batch), labels[chosen]


if __name__ == "__main__":
    main()
