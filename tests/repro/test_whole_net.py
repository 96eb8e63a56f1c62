"""Fine-tuning the whole net on a few multi scenes that the test draws, with a shrunken copy of scenes-vgg's recipe."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from thinktwice.caffe_models.catalogue import find_model
from thinktwice.caffe_models.pictures import read_pixels
from thinktwice.repro import scenes_lists
from thinktwice.repro.datasets.scenes.writing import write
from thinktwice.repro.datasets.voc import Voc
from thinktwice.solver.data_layer import DataLayer
from thinktwice.solver.definition import TrainingNet, read_definition
from thinktwice.solver.feed import open_net
from thinktwice.solver.resizing import resized
from thinktwice.solver.solver import Solver, open_solver
from thinktwice.solver.transformation import Transformation

from ..solver.nets import same, train

MODEL = find_model("scenes-vgg")
COUNTS = {"multi": {"train": 7, "val": 5}}
BATCH, SEED = 3, 1  # a batch that divides neither count: the second epoch's are cut elsewhere


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """The folder to train in: scenes, their lists, and the recipe in small."""
    folder = tmp_path_factory.mktemp("home")
    write(folder / "scenes", 1, COUNTS)
    assert scenes_lists.main(["--data", str(folder / "scenes")]) == 0
    net, solver = ((MODEL.prototxt.parent / f"whole_{name}.prototxt").read_text() for name in ("train_val", "solver"))
    (folder / "whole_train_val.prototxt").write_text(re.sub(r"batch_size: \d+", f"batch_size: {BATCH}", net))
    small = re.sub(r"max_iter: \d+", "max_iter: 2", re.sub(r"test_iter: \d+", "test_iter: 1", solver))
    (folder / "whole_solver.prototxt").write_text(small + "snapshot_after_train: false\n")
    return folder


@pytest.fixture(autouse=True)
def _at_home(home: Path, monkeypatch):
    monkeypatch.chdir(home)  # the recipe names the scenes from here


def whole() -> Solver:
    return open_solver("whole_solver.prototxt", weights=[str(MODEL.weights[0])])


@pytest.mark.parametrize("split", scenes_lists.SPLITS)
def test_a_list_holds_every_picture_once_in_another_order(split: str):
    names = [example.path.name for example in Voc("scenes/multi", split)]
    listed = Path(f"scenes/lists/{split}.txt").read_text()
    found = [line.removesuffix(" 0") for line in listed.splitlines()]
    assert sorted(found) == sorted(names) and found != names
    with h5py.File(f"scenes/lists/{split}_labels.h5") as file:
        assert file["label"].shape == (len(names), 16)
    scenes_lists.lists(Path("scenes"), split)
    assert Path(f"scenes/lists/{split}.txt").read_text() == listed


@pytest.mark.parametrize(("phase", "split"), [("TRAIN", "train"), ("TEST", "val")])
def test_each_picture_of_a_batch_has_its_own_label_vector(phase: str, split: str):
    """Over two epochs: of all scenes, each made what its turn makes of a picture, the one that it is says what it shows."""
    definition = read_definition("whole_solver.prototxt")
    net = definition.train if phase == "TRAIN" else definition.tests[0]
    examples, made = Voc("scenes/multi", split), transformation(net, phase)
    pixels = [resized(read_pixels(str(e.path), True), 112, 112).transpose(2, 0, 1) for e in examples]
    feed, seen = open_net(net, phase, SEED).batch, []
    for number in range(2 * len(examples)):
        index, row = divmod(number, BATCH)
        batch = feed(index)
        found = [k for k, image in enumerate(pixels) if np.array_equal(batch["data"][row], made(image, number, ""))]
        assert len(found) == 1
        assert np.flatnonzero(batch["label"][row]).tolist() == list(examples[found[0]].labels)
        seen += found
    assert sorted(seen) == sorted([*range(len(examples))] * 2)


def transformation(net: TrainingNet, phase: str) -> Transformation:
    """What the pictures' layer does to each of them."""
    (layer,) = (layer for layer in net.message.layer if layer.type == "ImageData")
    return Transformation(DataLayer(layer, net.folder, phase, SEED))


def test_scenes_differ_in_what_they_show():
    """Else no label vector could be at the wrong picture."""
    for split in scenes_lists.SPLITS:
        examples = Voc("scenes/multi", split)
        assert len({example.labels for example in examples}) == len(examples)


def test_training_pictures_are_scaled_and_rotated_and_tested_ones_are_not():
    definition = read_definition("whole_solver.prototxt")
    asked = transformation(definition.train, "TRAIN").augmentation
    assert asked is not None
    assert asked.scale == pytest.approx((0.8, 1.25)) and asked.rotation == (-15, 15)
    assert transformation(definition.tests[0], "TEST").augmentation is None


def test_every_layer_learns_from_the_embedded_weights_and_the_same_each_time():
    solver = whole()
    before = dict(solver.weights().blobs)
    assert set(before) - solver.from_files == {"fc8_multi"}
    after = train(solver)
    for layer, arrays in after.items():
        for old, new in zip(before[layer], arrays, strict=True):
            assert np.isfinite(new).all() and not np.array_equal(old, new), layer
    assert same(after, train(whole()))


def test_the_new_layer_learns_ten_times_as_fast():
    rates = {(p.layer, p.index): p.lr_mult for p in whole().parameters}
    assert {rate for (layer, index), rate in rates.items() if layer != "fc8_multi" and index == 0} == {1}
    assert {rate for (layer, index), rate in rates.items() if layer != "fc8_multi" and index == 1} == {2}
    assert (rates["fc8_multi", 0], rates["fc8_multi", 1]) == (10, 20)
