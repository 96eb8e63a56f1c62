"""Damaged, hostile and mistaken files: one line, at once, whatever they announce about themselves."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thinktwice.caffe_models import schema
from thinktwice.caffe_models.definition import read_net, read_solver
from thinktwice.caffe_models.mean import read_mean
from thinktwice.caffe_models.weights import read_weights
from thinktwice.caffe_models.writer import write_caffemodel, write_hdf5, write_net_text
from thinktwice.errors import BadInput

from .examples import SMALL, blob, small_net, small_weights

Reader = Callable[[Path], Any]

# --- mistaken files: what they are, and what was expected ---------------------------------------------------

MISTAKEN = {
    "an empty file": (b"", "is empty"),
    "a PNG": (b"\x89PNG\r\n\x1a\n" + bytes(30), "is a PNG image"),
    "a JPEG": (b"\xff\xd8\xff\xe0" + bytes(30), "is a JPEG image"),
    "a ZIP": (b"PK\x03\x04" + bytes(30), "is a ZIP archive"),
    "a gzip": (b"\x1f\x8b\x08" + bytes(30), "is a gzip archive"),
    "an HTML page": (b"<!DOCTYPE html><html><body>404</body></html>", "is an HTML page"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer"),
}


@pytest.mark.parametrize("read", [read_net, read_weights, read_mean, read_solver])
@pytest.mark.parametrize("name", MISTAKEN)
def test_mistaken_files(tmp_path: Path, read: Reader, name: str):
    content, found = MISTAKEN[name]
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(BadInput, match=f"file: {found}"):
        read(tmp_path / "file")


@pytest.mark.parametrize("read", [read_net, read_weights, read_mean, read_solver])
def test_no_such_file(tmp_path: Path, read: Reader):
    with pytest.raises(BadInput, match="none: No such file"):
        read(tmp_path / "none")
    with pytest.raises(BadInput, match="Is a directory"):
        read(tmp_path)


# --- files that announce more than they hold ----------------------------------------------------------------


def _message(number: int, content: bytes, announced: int | None = None) -> bytes:
    """A field of a message type, which may announce another length than it has."""
    return _varint(number << 3 | 2) + _varint(len(content) if announced is None else announced) + content


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def _in_layer(blob_bytes: bytes) -> bytes:
    return _message(100, _message(1, b"ip") + _message(7, blob_bytes))


SHAPE_OF_10_12 = _message(7, _message(1, _varint(10**6) * 2))
NEGATIVE = _message(7, _message(1, _varint(2**64 - 4) + _varint(2**64 - 1)))
FOUR = _message(5, np.ones(4, np.float32).tobytes())
HOSTILE = {
    "shape": (
        _in_layer(SHAPE_OF_10_12 + FOUR),
        "layer 'ip': blob 0: shape 1000000 x 1000000 means 10{12} values, found 4",
    ),
    "shape without data": (_in_layer(SHAPE_OF_10_12), "means 10{12} values, found 0"),
    "no shape, no data": (_in_layer(b""), "means 1 values, found 0"),
    "legacy shape": (
        _in_layer(b"".join(_varint(n << 3) + _varint(10**3) for n in (1, 2, 3, 4)) + FOUR),
        "shape 1000 x 1000 x 1000 x 1000 means 10{12} values, found 4",
    ),
    "negative shape": (_in_layer(NEGATIVE + FOUR), "shape -4 x -1 has a negative axis"),
    "too many axes": (_in_layer(_message(7, _message(1, b"\x01" * 40)) + _message(5, bytes(4))), "Caffe allows 32"),
    "endless axes": (_in_layer(_message(7, b"\x08\x01" * 10**6)), "Caffe allows 32"),
    "length of the data": (_in_layer(_message(5, b"1234", 4 * 10**12)), "announces 4000000000000 bytes, 4 are left"),
    "length of the blob": (_message(100, _message(7, b"1234", 10**12)), "announces 10{12} bytes, 4 are left"),
    "length of the layer": (_message(100, b"1234", 2**63), "announces 9223372036854775808 bytes, 4 are left"),
    "half a number": (_in_layer(_message(5, b"12345")), "holds 5 bytes"),
    "data of another type": (_in_layer(_varint(5 << 3) + b"\x01"), "wire type 0, expected numbers of 4 bytes"),
    "a layer that is a number": (_varint(100 << 3) + b"\x07", "layer 0 is of wire type 0, expected a message"),
    "an endless varint": (b"\x0a\x00" + b"\xff" * 50, "longer than 10 bytes"),
    "a cut varint": (b"\x0a\x00\xff\xff", "ends in the middle of a number"),
    "a group": (b"\xa3\x06", "wire type 3"),
    "nested groups": (b"\x13" * 10**5, "wire type 3"),
    "field 0": (b"\x02\x00", "field number 0"),
    "no layers": (_message(1, b"\x01name"), "holds no layers"),
    "a name that is no text": (_message(100, _message(1, b"\xff\xfe")), "not UTF-8"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_weights_are_refused_before_memory_is_taken(tmp_path: Path, name: str):
    content, expected = HOSTILE[name]
    (tmp_path / "w").write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(BadInput, match=expected.replace("10{12}", "1000000000000")) as error:
            read_weights(tmp_path / "w")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert str(error.value).startswith(f"{tmp_path / 'w'}: ")
    assert peak < 2 * len(content) + 2**20


# --- files that were damaged at random ----------------------------------------------------------------------


def _write_binary_net(path: Path) -> None:
    path.write_bytes(small_net().SerializeToString())


def _write_legacy(path: Path) -> None:
    blobs = [blob(array, legacy=True) for array in small_weights().blobs["fc"]]
    layer = schema.new("V0LayerParameter", name="fc", type="innerproduct", blobs=blobs)
    net = schema.new("NetParameter")
    net.layers.add(layer=layer, bottom=["x"], top=["y"])
    path.write_bytes(net.SerializeToString())


WRITERS: dict[str, tuple[Callable[[Path], object], list[Reader]]] = {
    "text": (lambda path: write_net_text(small_net(), path), [read_net]),
    "one line of text": (lambda path: path.write_text(" ".join(SMALL.split())), [read_net]),
    "solver": (lambda path: path.write_text('net: "a" base_lr: 0.1 test_state { stage: "a" }'), [read_solver]),
    "binary net": (_write_binary_net, [read_net]),
    "caffemodel": (lambda path: write_caffemodel(small_net(), small_weights(), path), [read_weights, read_net]),
    "V0 caffemodel": (_write_legacy, [read_weights, read_net]),
    "hdf5": (lambda path: write_hdf5(small_net(), small_weights(), path), [read_weights]),
    "binaryproto": (lambda path: path.write_bytes(blob(np.ones((3, 2, 2), "f4")).SerializeToString()), [read_mean]),
    "npy": (lambda path: path.write_bytes(_npy(np.ones((3, 2, 2), "f4"))), [read_mean]),
}


def _npy(array: np.ndarray) -> bytes:
    import io

    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", WRITERS)
def test_damaged_files(tmp_path: Path, kind: str):
    """300 mutations each: the file is read, or refused in one line; nothing else ever comes out."""
    write, readers = WRITERS[kind]
    path = tmp_path / "file"
    write(path)
    sound = path.read_bytes()
    for read in readers:
        read(path)
    draw = random.Random(kind)
    refused = 0
    for _ in range(300):
        path.write_bytes(_mutated(sound, draw))
        for read in readers:
            try:
                read(path)
            except BadInput as error:
                refused += 1
                assert str(error).startswith(str(path))
                assert len(str(error)) < 1000
    assert refused > 30


def _mutated(content: bytes, draw: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 4])):
        at = draw.randrange(len(damaged) + 1)
        some = bytes(draw.randrange(256) for _ in range(draw.randrange(1, 9)))
        match draw.randrange(5):
            case 0:
                damaged[at : at + len(some)] = some
            case 1:
                damaged[at : at + 1] = bytes(byte ^ 1 << draw.randrange(8) for byte in damaged[at : at + 1])
            case 2:
                del damaged[at:]
            case 3:
                del damaged[at : at + len(some)]
            case 4:
                damaged[at:at] = damaged[draw.randrange(len(damaged) + 1) :][: draw.randrange(60)]
    return bytes(damaged)
