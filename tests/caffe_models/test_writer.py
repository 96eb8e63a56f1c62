"""What is written is read back, bit for bit, by us, by protobuf and by h5py."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from thinktwice.caffe_models import schema
from thinktwice.caffe_models.definition import parse_net, read_net
from thinktwice.caffe_models.weights import Weights, read_weights
from thinktwice.caffe_models.writer import write_caffemodel, write_hdf5, write_net_text
from thinktwice.errors import BadInput

from .examples import assert_same, random, small_net, small_weights


def test_text(tmp_path: Path):
    net = parse_net(
        'name: "caf\u00e9 \\"1\\"" layer { name: "lrn" type: "LRN" lrn_param { alpha: 9.99999975e-05 k: 0.1 } }'
    )
    write_net_text(net, tmp_path / "net.prototxt")
    assert read_net(tmp_path / "net.prototxt") == net


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("write", [write_caffemodel, write_hdf5])
def test_weights(tmp_path: Path, write, dtype: str):
    write(small_net(), small_weights(dtype), tmp_path / "w")
    assert_same(read_weights(tmp_path / "w"), small_weights(dtype))


def test_odd_values_and_shapes(tmp_path: Path):
    odd = np.array([np.nan, np.inf, -0.0, 1e-45], np.float32)
    weights = Weights("", {"fc": (odd, np.zeros((0, 3), np.float32), np.float32(2).reshape(()), random(4, 6).T)})
    for write in (write_caffemodel, write_hdf5):
        write(small_net(), weights, tmp_path / "w")
        assert_same(read_weights(tmp_path / "w"), weights)


def test_protobuf_agrees(tmp_path: Path):
    write_caffemodel(small_net(), small_weights(), tmp_path / "w")
    net = schema.message("NetParameter").FromString((tmp_path / "w").read_bytes())
    kernel = net.layer[1].blobs[0]
    assert list(kernel.shape.dim) == [4, 3, 3, 3]
    np.testing.assert_array_equal(np.float32(kernel.data), small_weights().blobs["conv1/3x3"][0].ravel())
    assert read_net(tmp_path / "w") == small_net()


def test_hdf5_layout_is_caffes(tmp_path: Path):
    write_hdf5(small_net(), small_weights(), tmp_path / "w")
    with h5py.File(tmp_path / "w") as file:
        assert set(file["data"]) == {"data", "conv1", "relu1", "fc"}
        assert file["data/conv1/3x3/0"].shape == (4, 3, 3, 3)


@pytest.mark.parametrize("write", [write_caffemodel, write_hdf5])
def test_refused_and_nothing_is_left_behind(tmp_path: Path, write):
    target = tmp_path / "w"
    target.write_text("before")
    refused = {
        "'fd'.*'fc'": Weights("", {"fd": (random(1),)}),
        "blob 0 is int64": Weights("", {"fc": (np.arange(3),)}),
    }
    for message, weights in refused.items():
        with pytest.raises(BadInput, match=message):
            write(small_net(), weights, target)
    assert [path.name for path in tmp_path.iterdir()] == ["w"]
    assert target.read_text() == "before"


def test_hdf5_cannot_hold_a_layer_inside_a_blob(tmp_path: Path):
    net = parse_net('layer { name: "a" } layer { name: "a/0" }')
    weights = Weights("", {"a": (random(1),), "a/0": (random(2),)})
    with pytest.raises(BadInput, match="layer 'a/0'"):
        write_hdf5(net, weights, tmp_path / "w")
    assert not list(tmp_path.iterdir())


def test_an_unwritable_place(tmp_path: Path):
    for write in (write_caffemodel, write_hdf5):
        with pytest.raises(BadInput, match="cannot be written"):
            write(small_net(), small_weights(), tmp_path / "none" / "w")
