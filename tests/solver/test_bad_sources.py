"""Data layers and files that cannot be used: one line that names the file or layer, the field or line, what was found."""

from __future__ import annotations

import numpy as np
import pytest

from thinktwice.errors import BadInput

from .making import layer, opened, picture, write_hdf5, write_list, write_pictures

LAYER = r"train_val.prototxt: layer 'data' \(ImageData\)"
IMAGES = [
    ("", "", "", rf"{LAYER}: image_data_param.source: found none, expected the name of a file"),
    ('source: "no.txt"', "", "", rf"{LAYER}: image_data_param.source: found 'no.txt', expected a file; there is none at no.txt or .*/no.txt"),
    ('source: "list.txt" batch_size: 0', "", "", rf"{LAYER}: image_data_param.batch_size: found 0, expected a positive number"),
    ('source: "list.txt" new_height: 8', "", "", rf"{LAYER}: image_data_param: found new_height 8 and new_width 0, expected both"),
    ('source: "list.txt" rand_skip: 3', "", "", rf"{LAYER}: image_data_param.rand_skip: found 3, expected at most the 2 pictures of .*list.txt"),
    ('source: "list.txt"', "force_gray: true", "", rf"{LAYER}: transform_param.force_gray: found true, expected .*is_color"),
    ('source: "list.txt" is_color: false', "force_color: true", "", rf"{LAYER}: transform_param.force_color: found true"),
    ('source: "list.txt"', "crop_size: 6", "", r"0.png: found 5 x 4 pixels, expected at least the 6 x 6 of transform_param.crop_size"),
    ('source: "sub"', "", "", r"sub: Is a directory"),
    ('source: "0.png"', "", "", r"0.png: is no UTF-8 text at byte 0, expected lines of 'path label'"),
    ('source: "list.txt"', "", "", r"list.txt: is empty, expected lines of 'path label'"),
    ('source: "list.txt"', "", "0.png cat", r"list.txt: line 1: found 'cat', expected a label: a whole number"),
    ('source: "list.txt"', "", "0.png 1.5", r"list.txt: line 1: found '1.5', expected a label"),
    ('source: "list.txt"', "", "\n0.png 1\n0.png", r"list.txt: line 3: found '0.png', expected a path, a space and a label"),
    ('source: "list.txt"', "", "0.png 16777217", r"list.txt: line 1: found 16777217, expected a label of at most 16777216"),
    ('source: "list.txt"', "", "0.png 1\nno.png 2", r"list.txt: line 2: found 'no.png', expected a picture; there is none at no.png or .*/no.png"),
    ('source: "list.txt"', "", "list.txt 1", r"list.txt: line 1: .*list.txt: is no picture that can be read"),
    ('source: "list.txt"', "", "\n\nempty.png 1", r"list.txt: line 3: .*empty.png: is empty, expected a picture"),
    ('source: "list.txt"', "", "sub 1", r"list.txt: line 1: .*sub: Is a directory"),
    ('source: "list.txt"', "", "cut.png 1", r"list.txt: line 1: .*cut.png: is a damaged picture"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "transform", "lines", "line"), IMAGES)
def test_image_data(tmp_path, settings, transform, lines, line):
    write_list(tmp_path, 2)
    (tmp_path / "sub").mkdir()
    (tmp_path / "empty.png").touch()
    write_pictures(tmp_path, {"cut.png": picture(40, 40)})
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:3000])
    if lines or "is empty" in line:
        (tmp_path / "list.txt").write_text(lines)
    with pytest.raises(BadInput, match=line) as error:
        opened(layer("ImageData", settings, transform), tmp_path).batch(0)
    assert "\n" not in str(error.value)


HDF5 = [
    ("", "data label", "list.txt: line 2: found 'no.h5', expected an HDF5 file; there is none at no.h5 or .*/no.h5"),
    ("text.h5", "data label", "text.h5: is no HDF5 file that can be read"),
    ("good.h5\nnumbers.h5", "data lable", "good.h5: found no data set 'lable', expected one for this top; the nearest known name is 'label'"),
    ("good.h5", "data group", "good.h5: found no data set 'group', expected one for this top"),
    ("longer.h5", "data label", "longer.h5: data set 'label': found 4 rows, expected 3 as in data set 'data'"),
    ("good.h5\nwider.h5", "data label", r"wider.h5: data set 'data': found rows of shape \(5,\), expected \(2,\) as in .*good.h5"),
    ("words.h5", "data label", "words.h5: data set 'label': found .*, expected numbers"),
    ("scalar.h5", "data label", r"scalar.h5: data set 'data': found shape \(\), expected rows"),
    ("none.h5", "data label", r"none.h5: data set 'data': found shape \(0, 2\), expected rows"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "tops", "line"), HDF5)
def test_hdf5_data(tmp_path, lines, tops, line):
    data, label = np.zeros((3, 2)), np.zeros(3)
    write_hdf5(tmp_path / "good.h5", **{"data": data, "label": label, "group/inner": data})
    write_hdf5(tmp_path / "longer.h5", data=data, label=np.zeros(4))
    write_hdf5(tmp_path / "wider.h5", data=np.zeros((3, 5)), label=label)
    write_hdf5(tmp_path / "words.h5", data=data, label=np.array([b"cat", b"dog", b"bat"]))
    write_hdf5(tmp_path / "scalar.h5", data=np.float32(3), label=label)
    write_hdf5(tmp_path / "none.h5", data=np.zeros((0, 2)), label=np.zeros(0))
    write_hdf5(tmp_path / "numbers.h5", data=data, label=label)
    (tmp_path / "text.h5").write_text("no HDF5")
    (tmp_path / "list.txt").write_text(lines or "good.h5\nno.h5\n")
    with pytest.raises(BadInput, match=line) as error:
        opened(layer("HDF5Data", 'source: "list.txt" batch_size: 2', tops=tops), tmp_path)
    assert "\n" not in str(error.value)


LAYERS = [
    (layer("HDF5Data", 'source: "list.txt"'), r"hdf5_data_param.source: found 'list.txt', expected a file"),
    (layer("HDF5Data", "", "scale: 2"), r"layer 'data' \(HDF5Data\): transform_param: found one, expected none: HDF5Data does not"),
    (layer("HDF5Data", "", more="augmentation_param { max_scale: 2 }"), "augmentation_param: found one, expected none"),
    (layer("DummyData", "", "scale: 2"), "transform_param: found one, expected none"),
    (layer("ImageData", "", tops="data"), r"\(ImageData\): top: found 1 blobs, expected 2"),
    (layer("Data", "", tops="a b c"), r"\(Data\): top: found 3 blobs, expected 1 to 2"),
    (layer("HDF5Data", "", tops=""), r"\(HDF5Data\): top: found 0 blobs, expected at least 1"),
    (layer("DummyData", more='bottom: "x"'), r"\(DummyData\): bottom: found 1 blobs, expected 0"),
    (layer("MemoryData"), r"layer 'data' \(MemoryData\): type: found MemoryData, expected one of Data, .*: its arrays would have"),
    (layer("ImagData"), r"type: found 'ImagData', expected a data layer, .*nearest known name is 'ImageData'"),
    (layer("DummyData"), "dummy_data_param.shape: found 0, expected 1, or one for each of 2 tops"),
    (layer("DummyData", "num: 1 channels: 2 height: 3"), "dummy_data_param.width: found 0, expected 1, or one for each of 2"),
    (layer("DummyData", "num: 1 shape { dim: 3 }"), "dummy_data_param: found shape beside num, channels, height or width"),
    (layer("DummyData", "shape { dim: 3 dim: 0 }"), r"dummy_data_param: found the shape \(3, 0\), expected positive sizes"),
    (layer("DummyData", "shape { dim: 3 } data_filler {} data_filler {} data_filler {}"), "data_filler: found 3, expected 1, or"),
    (layer("DummyData", 'shape { dim: 3 } data_filler { type: "gausian" }'), r"\(DummyData\): filler.type: .*nearest known name is 'gaussian'"),
]  # fmt: skip


@pytest.mark.parametrize(("message", "line"), LAYERS)
def test_layers(tmp_path, message, line):
    with pytest.raises(BadInput, match=line) as error:
        opened(message, tmp_path)
    assert str(error.value).startswith("train_val.prototxt: layer 'data' (") and "\n" not in str(error.value)


def test_an_hdf5_layer_needs_a_batch_size(tmp_path):
    write_hdf5(tmp_path / "a.h5", data=np.zeros((3, 2)), label=np.zeros(3))
    (tmp_path / "list.txt").write_text("a.h5")
    with pytest.raises(BadInput, match=r"hdf5_data_param.batch_size: found 0, expected a positive number"):
        opened(layer("HDF5Data", 'source: "list.txt"'), tmp_path)
