"""Features computed once: what is in the files, and that a head trained on them learns what it would in the whole net."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import h5py
import numpy as np
import pytest

from thinktwice.caffe_models.weights import Weights
from thinktwice.errors import BadInput
from thinktwice.executor.load import load
from thinktwice.solver import features
from thinktwice.solver.features import write_features
from thinktwice.solver.solver import open_solver

from .making import layer, opened, write_hdf5

BODY = """
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" PARAM convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool5/gap" pooling_param { pool: AVE global_pooling: true } }
"""
HEAD = """
layer { name: "ip" type: "InnerProduct" bottom: "pool5/gap" top: "ip" inner_product_param { num_output: 3 } }
layer { name: "loss" type: "SigmoidCrossEntropyLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 6 dim: 5 } } }'
SOLVER = 'net: "NET" base_lr: 0.5 lr_policy: "fixed" momentum: 0.9 max_iter: 12 snapshot_prefix: "PREFIX" display: 0'

RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((10, 3, 6, 5)).astype(np.float32)
LABELS = RNG.integers(0, 2, (10, 3)).astype(np.float32)
WEIGHTS = Weights(
    "made",
    {
        "conv": (RNG.standard_normal((4, 3, 3, 3)).astype(np.float32), np.zeros(4, np.float32)),
        "ip": (RNG.standard_normal((3, 4)).astype(np.float32), np.zeros(3, np.float32)),
    },
)


@pytest.fixture
def net(tmp_path):
    (tmp_path / "body.prototxt").write_text(INPUT + BODY.replace("PARAM", ""))
    return load(tmp_path / "body.prototxt", Weights("made", {"conv": WEIGHTS.blobs["conv"]}), device="cpu")


def batches(size: int = 4):
    """Without end, like a source's."""
    for number in count():
        rows = np.arange(number * size, (number + 1) * size) % len(IMAGES)
        yield {"data": IMAGES[rows], "label": LABELS[rows]}


def test_the_files_hold_every_row_once(tmp_path, net, capsys):
    (written,) = write_features(net, "pool5/gap", batches(), tmp_path / "train.txt", rows=10)
    assert written == tmp_path / "train_0.h5"
    assert (tmp_path / "train.txt").read_text() == "train_0.h5\n"
    with h5py.File(written) as file:
        np.testing.assert_allclose(file["pool5/gap"][()], net.forward(data=IMAGES)["pool5/gap"], rtol=1e-5)
        np.testing.assert_array_equal(file["label"][()], LABELS)
    assert capsys.readouterr().err.endswith("train_0.h5: 10 rows of pool5/gap\n")


def test_many_rows_fill_several_files_that_one_layer_reads(tmp_path, net, monkeypatch):
    monkeypatch.setattr(features, "FILE_SIZE", 5 * 4 * 4)
    written = write_features(net, "pool5/gap", batches(3), tmp_path / "train.txt", rows=10)
    assert [file.name for file in written] == ["train_0.h5", "train_1.h5"]
    message = layer("HDF5Data", 'source: "train.txt" batch_size: 10', tops="label pool5/gap")
    labels, pooled = opened(message, tmp_path).batch(0)
    np.testing.assert_array_equal(labels, LABELS)
    np.testing.assert_allclose(pooled, net.forward(data=IMAGES)["pool5/gap"], rtol=1e-5)


def trained(folder: Path, definition: str) -> dict[str, tuple[np.ndarray, ...]]:
    folder.mkdir()
    (folder / "net.prototxt").write_text(definition)
    text = SOLVER.replace("NET", str(folder / "net.prototxt")).replace("PREFIX", str(folder / "snapshot"))
    (folder / "solver.prototxt").write_text(text)
    solver = open_solver(folder / "solver.prototxt")
    solver.start_from(WEIGHTS)
    for _ in solver.run():
        pass
    return dict(solver.weights().blobs)


def test_a_head_learns_from_them_what_it_learns_on_a_frozen_net(tmp_path, net):
    write_features(net, "pool5/gap", batches(), tmp_path / "features.txt", rows=10)
    write_hdf5(tmp_path / "images.h5", data=IMAGES, label=LABELS)
    (tmp_path / "images.txt").write_text("images.h5\n")
    source = 'layer {{ name: "data" type: "HDF5Data" top: "{}" top: "label" hdf5_data_param {{ source: "{}" batch_size: 4 shuffle: true }} }}'
    whole = source.format("data", tmp_path / "images.txt") + BODY.replace(
        "PARAM", "param { lr_mult: 0 } param { lr_mult: 0 }"
    )
    on_features = trained(tmp_path / "head", source.format("pool5/gap", tmp_path / "features.txt") + HEAD)
    on_images = trained(tmp_path / "whole", whole + HEAD)
    assert set(on_features) == {"ip"}
    for found, expected, start in zip(on_features["ip"], on_images["ip"], WEIGHTS.blobs["ip"], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        assert np.abs(found - start).max() > 0.1


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"blob": "pool6"}, r"body.prototxt: blob: found 'pool6', expected a blob of this net"),
        ({"labels": ["lable"]}, r"batch 0: found \['data', 'label'\], expected 'lable' as well, one of the labels"),
        ({"labels": "label"}, r"labels: found the text 'label', expected several names"),
        ({"labels": ["pool5/gap"]}, r"labels: found 'pool5/gap', expected other names than the blob's"),
        ({"batches": [{"label": LABELS}]}, r"batch 0: found \['label'\], expected an input of the net: data"),
        ({"batches": [{"data": IMAGES, "label": LABELS[:3]}]}, r"batch 0: 'label': found 3 rows, expected 10 as of 'pool5/gap'"),
        ({"batches": [{"data": IMAGES, "label": 3.0}]}, r"batch 0: 'label': found one number, expected one row"),
        ({"batches": [{"data": IMAGES[:2], "label": LABELS[:2, :n]} for n in (1, 2)]}, r"'label': found rows of shape \(2,\), expected \(1,\)"),
        ({"batches": []}, r"batches: found none, expected at least one"),
        ({"batches": [{"data": IMAGES, "label": LABELS}], "rows": 11}, r"batches: found 10 rows, expected 11"),
        ({"rows": 0}, r"rows: found 0, expected a positive number"),
        ({"path": "no/train.txt"}, r"no/train_0.h5: "),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_and_no_list_is_left(tmp_path, net, settings, line, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = {"blob": "pool5/gap", "batches": batches(), "path": "train.txt", "rows": 10} | settings
    if "batches" in settings and "rows" not in settings:
        asked["rows"] = None
    with pytest.raises(BadInput, match=line) as error:
        write_features(net, **asked)
    assert "\n" not in str(error.value) and not (tmp_path / "train.txt").exists()
