"""Weights of every age, in both containers, and how they fit a net."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from thinktwice.caffe_models import schema
from thinktwice.caffe_models.definition import parse_net, read_net
from thinktwice.caffe_models.weights import Weights, fit, read_all_weights, read_weights
from thinktwice.caffe_models.writer import write_caffemodel
from thinktwice.errors import BadInput

from .examples import assert_same, blob, random, small_net, small_weights


def caffemodel(path: Path, version: str, weights: Weights) -> Path:
    """A file as Caffe of that age wrote it, made by protobuf."""
    net = schema.new("NetParameter", name="n")
    for name, arrays in weights.blobs.items():
        blobs = [blob(array, legacy=version != "V2") for array in arrays]
        if version == "V2":
            net.layer.add(name=name, type="Convolution", bottom=["x"], top=["y"], blobs=blobs)
        elif version == "V1":
            net.layers.add(name=name, bottom=["x"], top=["y"], blobs=blobs).type = 4
        else:
            layer = schema.new("V0LayerParameter", name=name, type="conv", blobs=blobs)
            net.layers.add(layer=layer, bottom=["x"], top=["y"])
    path.write_bytes(net.SerializeToString())
    return path


def legacy(weights: Weights) -> Weights:
    """The same numbers with four axes everywhere."""
    four = {
        name: tuple(array.reshape((1,) * (4 - array.ndim) + array.shape) for array in arrays)
        for name, arrays in weights.blobs.items()
    }
    return Weights(weights.path, four)


@pytest.mark.parametrize("version", ["V0", "V1", "V2"])
def test_every_version(tmp_path: Path, version: str):
    weights = read_weights(caffemodel(tmp_path / "w", version, small_weights()))
    assert_same(weights, small_weights() if version == "V2" else legacy(small_weights()))


@pytest.mark.parametrize("version", ["V0", "V1", "V2"])
def test_the_definition_in_a_caffemodel(tmp_path: Path, version: str):
    net = read_net(caffemodel(tmp_path / "w", version, small_weights()))
    assert [(layer.name, layer.type, len(layer.blobs)) for layer in net.layer] == [
        ("conv1/3x3", "Convolution", 0),
        ("fc", "Convolution", 0),
    ]


def test_doubles_are_kept(tmp_path: Path):
    values = random(2, 3, dtype="float64")
    net = schema.new("NetParameter")
    proto = net.layer.add(name="a").blobs.add(double_data=values.ravel().tolist())
    proto.shape.dim.extend(values.shape)
    (tmp_path / "w").write_bytes(net.SerializeToString())
    (array,) = read_weights(tmp_path / "w").blobs["a"]
    assert array.dtype == np.float64
    np.testing.assert_array_equal(array, values)


def test_unpacked_numbers(tmp_path: Path):
    """Packed or one by one is the writer's choice; one blob may hold both."""
    values = random(5)
    data = b"".join(b"\x2d" + value.tobytes() for value in values[:3]) + b"\x2a\x08" + values[3:].tobytes()
    proto = b"\x3a\x02\x08\x05" + data  # shape { dim: 5 }, dim not packed either
    layer = b"\x0a\x01a" + b"\x3a" + bytes([len(proto)]) + proto
    (tmp_path / "w").write_bytes(b"\xa2\x06" + bytes([len(layer)]) + layer)
    np.testing.assert_array_equal(read_weights(tmp_path / "w").blobs["a"][0], values)


def test_arrays_are_read_only_and_aligned(tmp_path: Path):
    weights = read_weights(caffemodel(tmp_path / "w", "V2", small_weights()))
    for arrays in weights.blobs.values():
        for array in arrays:
            assert array.flags.aligned and array.flags.c_contiguous
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0


def test_memory_is_the_weights_once(tmp_path: Path):
    weights = Weights("", {f"fc{i}": (np.ones((1000, 500), np.float32),) for i in range(4)})
    write_caffemodel(parse_net("".join(f'layer {{ name: "fc{i}" }}' for i in range(4))), weights, tmp_path / "w")
    tracemalloc.start()
    try:
        read = read_weights(tmp_path / "w")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert_same(read, weights)
    assert peak < 1.05 * (tmp_path / "w").stat().st_size


def test_empty_blobs_and_single_values(tmp_path: Path):
    net = schema.new("NetParameter")
    net.layer.add(name="a", blobs=[blob(np.zeros((0, 3), np.float32)), blob(np.float32(4).reshape(()))])
    (tmp_path / "w").write_bytes(net.SerializeToString())
    empty, single = read_weights(tmp_path / "w").blobs["a"]
    assert (empty.shape, single.shape, single) == ((0, 3), (), 4)


def test_two_layers_of_one_name(tmp_path: Path):
    net = schema.new("NetParameter")
    net.layer.add(name="a")
    net.layer.add(name="a", blobs=[blob(random(2))])
    (tmp_path / "w").write_bytes(net.SerializeToString())
    assert list(read_weights(tmp_path / "w").blobs) == ["a"]
    net.layer[0].blobs.add(data=[1]).shape.dim.append(1)
    (tmp_path / "w").write_bytes(net.SerializeToString())
    with pytest.raises(BadInput, match="two layers of the name 'a'"):
        read_weights(tmp_path / "w")


# --- HDF5 ---------------------------------------------------------------------------------------------------


def test_hdf5_with_slashes_in_names(tmp_path: Path):
    with h5py.File(tmp_path / "w", "w") as file:
        for layer, arrays in small_weights().blobs.items():
            for index, array in enumerate(arrays):
                file[f"data/{layer}/{index}"] = array
        file["data/conv1/0"] = random(3)  # a layer "conv1" beside "conv1/3x3"
        file.create_group("data/relu1")
    weights = read_weights(tmp_path / "w")
    assert set(weights.blobs) == {"conv1", "conv1/3x3", "fc"}
    assert_same(Weights("", {name: weights.blobs[name] for name in ("conv1/3x3", "fc")}), small_weights())


def test_hdf5_blobs_are_ordered_by_number(tmp_path: Path):
    with h5py.File(tmp_path / "w", "w") as file:
        for index in range(12):
            file[f"data/lstm/{index}"] = np.full(2, index, np.float32)
    assert [array[0] for array in read_weights(tmp_path / "w").blobs["lstm"]] == list(range(12))


def _gap(file: h5py.File) -> None:
    file["data/a/1"] = random(2)


def _no_data(file: h5py.File) -> None:
    file["model_weights/a/0"] = random(2)


def _integers(file: h5py.File) -> None:
    file["data/a/0"] = np.arange(3)


def _named(file: h5py.File) -> None:
    file["data/a/kernel"] = random(2)


def _external(file: h5py.File) -> None:
    file["data/a/0"] = h5py.ExternalLink("/etc/passwd", "0")


def _circle(file: h5py.File) -> None:
    file.create_group("data/a")
    file["data/a/b"] = file["data"]
    file["data/a/c"] = file["data"]


def _never_written(file: h5py.File) -> None:
    file.create_dataset("data/a/0", shape=(10**6, 10**6), dtype="f4")


def _never_written_chunks(file: h5py.File) -> None:
    file.create_dataset("data/a/0", shape=(10**6, 10**6), dtype="f4", chunks=(10, 10), compression="gzip")


HDF5_REFUSED = {
    _gap: "layer 'a' has blobs \\[1\\]",
    _no_data: "no group 'data'",
    _integers: "data/a/0: is of type int64",
    _named: "data/a/kernel is no blob",
    _external: "data/a/0 is a link to elsewhere",
    _circle: "is in the file under another name",
    _never_written: "more values than the file holds",
    _never_written_chunks: "more values than the file holds",
}


@pytest.mark.parametrize("make", HDF5_REFUSED)
def test_hdf5_refused(tmp_path: Path, make):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        make(file)
    with pytest.raises(BadInput, match=HDF5_REFUSED[make]):
        read_weights(tmp_path / "w.h5")


# --- fitting ------------------------------------------------------------------------------------------------

EXPECTED = {"conv1/3x3": [(4, 3, 3, 3), (4,)], "fc": [(5, 80), (5,)]}


@pytest.mark.parametrize("weights", [small_weights(), legacy(small_weights())], ids=["V2", "legacy"])
def test_fit(weights: Weights):
    fitted = fit(weights, EXPECTED)
    assert {layer: [array.shape for array in arrays] for layer, arrays in fitted.items()} == EXPECTED
    for layer, arrays in fitted.items():
        for array, original in zip(arrays, small_weights().blobs[layer], strict=True):
            np.testing.assert_array_equal(array, original)


def test_leading_ones_of_the_net_fit_too():
    weights = Weights("w", {"a": (random(7),)})
    assert fit(weights, {"a": [(1, 1, 7)]})["a"][0].shape == (1, 1, 7)
    with pytest.raises(BadInput, match="blob 0 is 7, expected 7 x 1"):
        fit(weights, {"a": [(7, 1)]})


def test_everything_that_does_not_fit_in_one_line():
    expected = {"conv1/3x3": [(4, 3, 3, 3)], "fc": [(5, 81), (5,)], "fd": [(1,)], "relu": []}
    weights = Weights("w.caffemodel", {**small_weights().blobs, "extra": (random(1),)})
    with pytest.raises(BadInput) as error:
        fit(weights, expected)
    assert str(error.value) == (
        "w.caffemodel: layer 'conv1/3x3' has 2 blobs, expected 1; layer 'fc' blob 0 is 5 x 80, expected 5 x 81; "
        "layer 'fd' has no weights in the file; the nearest known name is 'fc'; "
        "layer 'extra' of the file is not in the net"
    )


def test_surplus_and_partial():
    more = Weights("w", {**small_weights().blobs, "loss1/fc": (random(1),)})
    with pytest.raises(BadInput, match="'loss1/fc' of the file is not in the net"):
        fit(more, EXPECTED)
    assert set(fit(more, EXPECTED, surplus=True)) == set(EXPECTED)
    with pytest.raises(BadInput, match="'other' has no weights"):
        fit(more, {**EXPECTED, "other": [(1,)]}, surplus=True)
    assert set(fit(more, {**EXPECTED, "other": [(1,)]}, partial=True)) == set(EXPECTED)
    with pytest.raises(BadInput, match="'fc' blob 0"):
        fit(more, {**EXPECTED, "fc": [(6, 80), (5,)]}, partial=True)


def test_flat_makes_kernels_of_a_matrix():
    matrix = random(5, 2 * 3 * 4)
    weights = Weights("w", {"fc6": (matrix,)})
    with pytest.raises(BadInput, match="'fc6' blob 0 is 5 x 24, expected 5 x 2 x 3 x 4"):
        fit(weights, {"fc6": [(5, 2, 3, 4)]})
    (kernels,) = fit(weights, {"fc6": [(5, 2, 3, 4)]}, flat=True)["fc6"]
    np.testing.assert_array_equal(kernels[4, 1, 2], matrix[4, 20:])
    with pytest.raises(BadInput, match="expected 5 x 2 x 3 x 3"):
        fit(weights, {"fc6": [(5, 2, 3, 3)]}, flat=True)


def test_of_several_files_the_later_one_wins(tmp_path: Path):
    first, second = random(2, 3), random(2, 3)
    one = caffemodel(tmp_path / "one", "V2", Weights("", {"a": (first,), "b": (first,)}))
    two = caffemodel(tmp_path / "two", "V2", Weights("", {"b": (second,)}))
    weights = read_all_weights([one, two])
    np.testing.assert_array_equal(weights.blobs["a"][0], first)
    np.testing.assert_array_equal(weights.blobs["b"][0], second)
    assert weights.path == f"{one}, {two}"


def test_a_text_has_no_weights(tmp_path: Path):
    (tmp_path / "net.caffemodel").write_text(str(small_net()))
    with pytest.raises(BadInput, match="is a text"):
        read_weights(tmp_path / "net.caffemodel")
