"""Real models on real data: what is known of them from elsewhere holds here."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

import thinktwice as tt
from thinktwice.executor.net import Net
from thinktwice.repro.images import Preprocessing, prepare, read_image


def predicted(net: Net, images: np.ndarray, batch: int) -> np.ndarray:
    """Class probabilities (N, C)."""
    parts = [images[start : start + batch] for start in range(0, len(images), batch)]
    return np.concatenate([net.forward(data=part, blobs=["prob"])["prob"].reshape(len(part), -1) for part in parts])


@pytest.fixture(scope="module")
def squeezenet(shared: Path) -> Net:
    model = shared / "models" / "squeezenet_v1.0"
    return tt.load(model / "deploy.prototxt", model / "squeezenet_v1.0.caffemodel", device="cpu")


def test_lenet_on_mnist(shared: Path) -> None:
    model = shared / "models" / "lenet"
    net = tt.load(model / "lenet.prototxt", model / "lenet_iter_10000.caffemodel", device="cpu")
    with (
        gzip.open(model / "t10k-images-idx3-ubyte.gz") as images,
        gzip.open(model / "t10k-labels-idx1-ubyte.gz") as labels,
    ):
        pixels = np.frombuffer(images.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
        truth = np.frombuffer(labels.read(), np.uint8, offset=8)
    right = (predicted(net, pixels / np.float32(256), 500).argmax(1) == truth).sum()
    assert right == 9914


def test_cifar10_quick_loads_from_both_kinds(shared: Path) -> None:
    model = shared / "models" / "cifar10_quick"
    files = "cifar10_quick_iter_4000.caffemodel", "cifar10_quick_iter_5000.caffemodel.h5"
    nets = [tt.load(model / "cifar10_quick.prototxt", model / name, device="cpu") for name in files]
    image = prepare(read_image(shared / "images/demo/cat.jpg"), (3, 32, 32), Preprocessing(mean=0.0, order="RGB"))
    for net in nets:
        assert net.forward(data=image[None])["prob"].sum() == pytest.approx(1, abs=1e-5)
    shapes = [{layer: [p.shape for p in own] for layer, own in net.params.items()} for net in nets]
    assert shapes[0] == shapes[1]


def test_squeezenet_on_imagenet_images(shared: Path, squeezenet: Net) -> None:
    """An independent program: 53.2 % top-1 on these 250 images, and at least 78 % top-5."""
    folder = shared / "images" / "ilsvrc_val"
    with (folder / "boxes.csv").open(newline="") as lines:
        truth = {
            row["file"]: int(row["class_index"])
            for row in csv.DictReader(lines)
            if row["file_w"] == row["file_h"] == "224"
        }
    assert len(truth) == 250
    images = np.stack([prepare(read_image(folder / "images" / name), (3, 227, 227), Preprocessing()) for name in truth])
    ranked = np.argsort(-predicted(squeezenet, images, 10), axis=1)
    found = ranked[:, :5] == np.array(list(truth.values()))[:, None]
    assert 0.522 <= found[:, 0].mean() <= 0.542
    assert found.any(1).mean() >= 0.78


@pytest.mark.parametrize("method", ["mwp", "c-mwp"])
def test_zebra_and_elephant(shared: Path, squeezenet: Net, method: str) -> None:
    """The maxima for 340 (zebra) and 386 (African elephant) lie on the animals."""
    picture = read_image(shared / "images" / "demo" / "elephant_zebra_1.jpg")
    result = tt.attend(squeezenet, prepare(picture, (3, 227, 227), Preprocessing()), [340, 386], method)
    maps = result.resized(100, 100)[0]
    (zebra_y, zebra_x), (elephant_y, elephant_x) = (np.unravel_index(values.argmax(), values.shape) for values in maps)
    assert 45 <= zebra_x <= 95 and 43 <= zebra_y <= 92
    assert 5 <= elephant_x <= 73 and 5 <= elephant_y <= 68
