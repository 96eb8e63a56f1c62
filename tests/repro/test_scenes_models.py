"""Features for the multi-label heads, and the accuracy of the embedded models, on a few scenes that the test draws."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from thinktwice.attention.answers import answer_blob, probabilities_of
from thinktwice.caffe_models.catalogue import find_model
from thinktwice.executor.load import load_model
from thinktwice.repro import scenes_accuracy, scenes_features, scenes_lists
from thinktwice.repro.datasets.imagenet import ImageNet
from thinktwice.repro.datasets.scenes.writing import write
from thinktwice.repro.datasets.voc import Voc
from thinktwice.repro.images import Preprocessing, prepare, read_image

COUNTS = {"single": {"train": 0, "val": 0, "test": 3}, "multi": {"train": 3, "val": 2, "test": 4}}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write(folder, 1, COUNTS)
    return folder


@pytest.mark.parametrize("name", scenes_features.FEATURES)
def test_features_are_those_that_the_head_reads(scenes: Path, name: str):
    """The head over stored features says what the whole net says of the picture, and of its mirror image."""
    path = scenes_features.features(scenes, "train", name)
    model = find_model(name + "-multi")
    net, blob = load_model(model, device="cpu"), scenes_features.FEATURES[name]
    with h5py.File(path.with_name(path.read_text().strip())) as file:
        features, labels = file[blob][:], file["label"][:]
    score = net.outputs[-1]
    for row, example in enumerate(Voc(scenes / "multi", "train")):
        image = read_image(example.path)
        shown = prepare(image, (3, *image.shape[:2]), Preprocessing.of(model))
        expected = net.forward(data=np.stack([shown, shown[..., ::-1]]))[score]
        found = net.forward({blob: features[2 * row : 2 * row + 2]}, blobs=[score])[score]
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert np.flatnonzero(labels[2 * row]).tolist() == list(example.labels)
    assert len(features) == 2 * COUNTS["multi"]["train"]


def test_accuracy_counts_what_the_net_says_of_the_centre(scenes: Path):
    name = "scenes-resnet"
    examples = ImageNet(scenes / "single", "test")
    model = find_model(name)
    net = load_model(model, device="cpu")
    right = 0
    for example in examples:
        crop = read_image(example.path)[8:104, 8:104]
        blob = prepare(crop, (3, 96, 96), Preprocessing.of(model))[None]
        right += int(probabilities_of(net, blob, answer_blob(net)).argmax() == example.label)
    assert scenes_accuracy.top_1(name, examples) == right / len(examples)


def test_the_table_of_accuracy(scenes: Path, capsys):
    assert scenes_accuracy.main(["--data", str(scenes), "--model", "scenes-vgg", "--limit", "2"]) == 0
    *_, row = capsys.readouterr().out.splitlines()
    _, name, top_1, precision, _ = (cell.strip() for cell in row.split("|"))
    assert name == "scenes-vgg"
    assert float(top_1) in (0, 50, 100)
    assert 0 < float(precision) <= 100


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (scenes_accuracy.main, ["--model", "scenes-vgg"]),
        (scenes_features.main, ["--model", "scenes-vgg"]),
        (scenes_lists.main, []),
    ],
)
def test_a_folder_without_scenes_is_refused_in_one_line(tmp_path: Path, capsys, command, line):
    assert command([*line, "--data", str(tmp_path)]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1 and str(tmp_path) in told[0]
