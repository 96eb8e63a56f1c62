"""Real files: models of the zoo, and what real Caffe wrote and computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from thinktwice.caffe_models.definition import read_net, read_solver
from thinktwice.caffe_models.deploy import DATA_LAYERS, deploy_view
from thinktwice.caffe_models.mean import read_mean
from thinktwice.caffe_models.phases import for_state
from thinktwice.caffe_models.weights import fit, read_weights
from thinktwice.caffe_models.writer import write_caffemodel, write_hdf5, write_net_text

from .examples import assert_same


def test_every_definition_is_read(shared: Path, tmp_path: Path):
    files = [path for path in shared.rglob("*.prototxt") if "solver.prototxt" not in path.name]
    assert len(files) > 70
    for path in files:
        net = read_net(path)
        assert net.layer and not (net.layers or net.input), path
        write_net_text(net, tmp_path / "net.prototxt")
        assert read_net(tmp_path / "net.prototxt") == net, path
        for phase in ("TRAIN", "TEST"):
            view, _ = deploy_view(for_state(net, phase))
            assert not {layer.type for layer in view.layer} & DATA_LAYERS, path


def test_every_solver_is_read(shared: Path):
    for path in shared.rglob("*solver.prototxt"):
        assert read_solver(path).base_lr > 0


def test_all_weights_are_read_and_written_back(shared: Path, tmp_path: Path):
    files = list(shared.rglob("*.caffemodel"))
    assert len(files) > 40
    for path in files:
        net, weights = read_net(path), read_weights(path)
        for write in (write_caffemodel, write_hdf5):
            write(net, weights, tmp_path / "w")
            written = read_weights(tmp_path / "w")
            assert_same(type(written)("", {name: written.blobs[name] for name in weights.blobs}), weights)


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_legacy_forms_of_a_net_are_its_v2_form(shared: Path, version: str):
    new, old = shared / "golden/layers/mini_alexnet", shared / f"golden/legacy/mini_alexnet_{version}"
    weights = read_weights(new / "net.caffemodel")
    expected = {layer: [array.shape for array in arrays] for layer, arrays in weights.blobs.items()}
    fitted = fit(read_weights(old / "net.caffemodel"), expected)
    for layer, arrays in weights.blobs.items():
        for array, from_old in zip(arrays, fitted[layer], strict=True):
            np.testing.assert_array_equal(array, from_old)
    v2, upgraded = read_net(new / "net.prototxt"), read_net(old / "net.prototxt")
    for layer in upgraded.layer:
        layer.ClearField("param")  # the older forms also tell learning rates
    assert [layer.type for layer in upgraded.layer] == [layer.type for layer in v2.layer]
    assert list(upgraded.layer)[1:] == list(v2.layer)[1:]


def test_cifar10_quick_in_both_containers(shared: Path):
    folder = shared / "models/cifar10_quick"
    hdf5 = read_weights(folder / "cifar10_quick_iter_5000.caffemodel.h5")
    binary = read_weights(folder / "cifar10_quick_iter_4000.caffemodel")
    assert set(hdf5.blobs) == set(binary.blobs) == {"conv1", "conv2", "conv3", "ip1", "ip2"}
    shapes = {layer: [array.shape for array in arrays] for layer, arrays in hdf5.blobs.items()}
    assert shapes["ip1"] == [(64, 1024), (64,)]
    assert fit(binary, shapes).keys() == shapes.keys()


def test_mean(shared: Path):
    mean = read_mean(shared / "models/mean/ilsvrc_2012_mean.binaryproto")
    assert mean.shape == (3, 256, 256)
    np.testing.assert_allclose(mean.mean((1, 2)), [104, 117, 123], atol=1)


def test_the_feedback_authors_net_has_gates(shared: Path):
    net = read_net(shared / "models/zoo_prototxt/v1/alexnet_visualization_feedback.prototxt")
    gates = [layer for layer in net.layer if layer.type == "Feedback"]
    assert [gate.name for gate in gates] == [f"relu{i}_feedback" for i in range(1, 8)]
    assert all(gate.bottom == gate.top for gate in gates)
