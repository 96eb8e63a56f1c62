"""Data: raw, encoded and float images of an LMDB."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from thinktwice.caffe_models import schema
from thinktwice.errors import BadInput

from .making import blob, layer, opened, picture

lmdb = pytest.importorskip("lmdb", reason="lmdb is not installed: Data layers are not tested")

DB = 'source: "db" backend: LMDB '


def write(folder: Path, records: dict[str, Any]) -> None:
    """A database of Datum messages, or of bytes as they are."""
    with lmdb.open(str(folder / "db"), map_size=1 << 24) as database, database.begin(write=True) as transaction:
        for key, value in records.items():
            transaction.put(key.encode(), value if isinstance(value, bytes) else value.SerializeToString())


def raw(image: np.ndarray, label: int = 0) -> Any:
    """(C, H, W), uint8 or float."""
    channels, height, width = image.shape
    datum = schema.new("Datum", channels=channels, height=height, width=width, label=label)
    if image.dtype == np.uint8:
        datum.data = image.tobytes()
    else:
        datum.float_data.extend(image.ravel().tolist())
    return datum


def encoded(pixels: np.ndarray, label: int = 0) -> Any:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return schema.new("Datum", data=stream.getvalue(), encoded=True, label=label)


def test_images_come_in_the_order_of_their_keys_and_wrap_around(tmp_path):
    pictures = [picture(4, 5, seed) for seed in range(5)]
    write(tmp_path, {f"{i:04}": raw(blob(pixels), 10 * i) for i, pixels in reversed([*enumerate(pictures)])})
    source = opened(layer("Data", DB + "batch_size: 3"), tmp_path)
    assert source.shapes == [(3, 3, 4, 5), (3,)]
    for index in (3, 0, 1):
        rows = np.arange(3 * index, 3 * index + 3) % 5
        images, labels = source.batch(index)
        assert images.dtype == labels.dtype == np.float32
        np.testing.assert_array_equal(images, [blob(pictures[row]) for row in rows])
        np.testing.assert_array_equal(labels, 10 * rows)


def test_encoded_images_keep_or_are_given_their_channels(tmp_path):
    grey = picture(4, 5)[..., 0]
    write(tmp_path, {"0": encoded(grey), "1": encoded(grey)})
    assert opened(layer("Data", DB + "batch_size: 2"), tmp_path).shapes[0] == (2, 1, 4, 5)
    for colour in (
        layer("Data", DB + "batch_size: 2", "force_color: true"),
        layer("Data", DB + "batch_size: 2 force_encoded_color: true"),
    ):
        np.testing.assert_array_equal(opened(colour, tmp_path).batch(0)[0], np.broadcast_to(grey, (2, 3, 4, 5)))
    write(tmp_path, {"0": encoded(picture(4, 5)), "1": encoded(picture(4, 5))})
    native = opened(layer("Data", DB + "batch_size: 2"), tmp_path)
    np.testing.assert_array_equal(native.batch(0)[0][0], blob(picture(4, 5)))
    assert opened(layer("Data", DB + "batch_size: 2", "force_gray: true"), tmp_path).shapes[0] == (2, 1, 4, 5)


def test_float_data_labels_left_out_and_transformation(tmp_path):
    image = np.random.default_rng(0).standard_normal((2, 6, 6)).astype(np.float32)
    write(tmp_path, {"0": raw(image)})
    source = opened(layer("Data", DB + "batch_size: 1", "crop_size: 4 mean_value: 1", tops="data"), tmp_path, "TEST")
    assert source.shapes == [(1, 2, 4, 4)]
    (images,) = source.batch(0)
    np.testing.assert_array_equal(images[0], image[:, 1:5, 1:5] - np.float32(1))


def test_two_layers_read_one_database(tmp_path):
    write(tmp_path, {"0": raw(blob(picture(4, 5)))})
    train, test = (opened(layer("Data", DB + "batch_size: 1"), tmp_path, phase) for phase in ("TRAIN", "TEST"))
    np.testing.assert_array_equal(train.batch(0)[0], test.batch(0)[0])


def test_rand_skip(tmp_path):
    write(tmp_path, {str(i): raw(blob(picture(2, 2)), i) for i in range(6)})
    message = layer("Data", DB + "batch_size: 1 rand_skip: 4")
    assert {int(opened(message, tmp_path, seed=seed).batch(0)[1][0]) for seed in range(30)} == {0, 1, 2, 3}


PIXELS = blob(picture(4, 5))


@pytest.mark.parametrize(
    ("records", "settings", "transform", "line"),
    [
        ({"k": b"\xff\xff"}, "", "", r"db: record 'k': is no Datum message"),
        ({"k": schema.new("Datum")}, "", "", r"db: record 'k': found 0 values, expected .* \(0, 0, 0\)"),
        ({"k": schema.new("Datum", channels=3, height=2, width=2, data=b"12345")}, "", "", r"'k': found 5 values, .*\(3, 2, 2\)"),
        ({"k": schema.new("Datum", data=b"no picture", encoded=True)}, "", "", r"db: record 'k': is no picture"),
        ({"k": raw(PIXELS)}, "", "force_gray: true", r"'k': found 3 raw channels, which force_gray cannot change"),
        ({"k": raw(PIXELS)}, "", "crop_size: 5", r"db: record 'k': found 5 x 4 pixels, expected at least the 5 x 5"),
        ({"k": raw(PIXELS), "l": raw(PIXELS[:1])}, "", "", r"'l': found shape \(1, 4, 5\), expected \(3, 4, 5\) as of .*'k'"),
        ({}, "", "", r"db: found no records, expected a database of images"),
        ({"k": raw(PIXELS)}, "backend: LMDB rand_skip: 2", "", r"data_param.rand_skip: found 2, expected at most the 1 records of .*db"),
        ({"k": raw(PIXELS)}, "backend: LEVELDB", "", r"data_param.backend: found LEVELDB, expected LMDB"),
    ],
)  # fmt: skip
def test_records_that_cannot_be_used_are_named(tmp_path, records, settings, transform, line):
    write(tmp_path, records)
    with pytest.raises(BadInput, match=line):
        opened(
            layer("Data", f"{DB.replace('backend: LMDB', settings or 'backend: LMDB')} batch_size: 2", transform),
            tmp_path,
        ).batch(0)


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "db").write_bytes(b"x" * 9999)
    with pytest.raises(BadInput, match=r"db: is no LMDB that can be read"):
        opened(layer("Data", DB + "batch_size: 1"), tmp_path)
    (tmp_path / "db").unlink()
    (tmp_path / "db").mkdir()
    with pytest.raises(BadInput, match=r"db: is no LMDB that can be read .*No such file"):
        opened(layer("Data", DB + "batch_size: 1"), tmp_path)


def test_a_truncated_database_is_refused_before_it_is_read(tmp_path):
    write(tmp_path, {str(i): raw(blob(picture(40, 50))) for i in range(20)})
    file = tmp_path / "db/data.mdb"
    file.write_bytes(file.read_bytes()[:20000])
    with pytest.raises(BadInput, match=r"data.mdb: found 20000 bytes, expected \d+: the database is truncated"):
        opened(layer("Data", DB + "batch_size: 1"), tmp_path)


def test_without_the_package_its_name_is_told(tmp_path, monkeypatch):
    (tmp_path / "db").mkdir()
    monkeypatch.setitem(__import__("sys").modules, "lmdb", None)
    with pytest.raises(BadInput, match=r"lmdb: found it not installed, .*pip install 'thinktwice\[train\]'"):
        opened(layer("Data", DB + "batch_size: 1"), tmp_path)
