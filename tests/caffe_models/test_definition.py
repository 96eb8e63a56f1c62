"""Reading definitions: by content, and with errors that say where."""

from __future__ import annotations

from pathlib import Path

import pytest

from thinktwice.caffe_models.definition import parse_net, read_net, read_solver
from thinktwice.errors import BadInput

from .examples import SMALL, small_net


def test_text_and_binary_are_told_apart_by_content(tmp_path: Path):
    (tmp_path / "net.caffemodel").write_text(SMALL)
    (tmp_path / "net.prototxt").write_bytes(small_net().SerializeToString())
    assert read_net(tmp_path / "net.caffemodel") == read_net(tmp_path / "net.prototxt") == small_net()


def test_weights_in_a_text_are_left_out():
    net = parse_net('layer { name: "a" type: "Bias" blobs { data: 1 shape { dim: 1 } } }')
    assert not net.layer[0].blobs


def test_a_byte_order_mark_is_no_error(tmp_path: Path):
    (tmp_path / "net.prototxt").write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    assert read_net(tmp_path / "net.prototxt") == small_net()


ERRORS = {
    "misspelt field": ('layer {\n  nam: "a" }', ["x:2:3", "LayerParameter has no field 'nam'", "'name'"]),
    "misspelt enum": ("layer { pooling_param { pool: MAXX } }", ["x:1:31", "PoolMethod has no value 'MAXX'", "'MAX'"]),
    "misspelt V1 type": ("layers { type: POOLIN }", ["LayerType has no value 'POOLIN'", "'POOLING'"]),
    "V1 type in V2": ("layer { type: POOLING }", ["x:1:15", "Expected string", "POOLING"]),
    "unclosed": ('layer { name: "a"', ["x:1", 'Expected "}"']),
    "unclosed string": ('name: "a\n', ["x:1:7", "quote"]),
    "out of range": ("input_dim: 99999999999", ["x:1:12", "out of range"]),
    "given twice": ('name: "a"\nname: "b"', ["x:2", "name"]),
    "solver": ('net: "train.prototxt"\nbase_lr: 0.1', ["x:1:1", "'net'", "SolverParameter has", "net here"]),
    "nothing": ("# only a comment\n", ["x:", "defines no layers"]),
    "required": ('layer { type: "Clip" clip_param { min: 0 } }', ["clip_param.max"]),
    "extension": ("layer { [foo.bar]: 3 }", ["x:1", "extension"]),
    "bad escape": (r'name: "\x80"', ["x:1:13: Couldn't parse string"]),
    "lone surrogate": (r'name: "\ud800"', ["x:1:7"]),
    "nesting bomb": ("layer { " * 100_000, ["x:1"]),
    "one endless word": ("a" * 1_000_000, ["x:1:1", "has no field"]),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_is_wrong_and_where(name: str):
    text, expected = ERRORS[name]
    with pytest.raises(BadInput) as error:
        parse_net(text, "x")
    assert all(part in str(error.value) for part in expected), str(error.value)
    assert len(str(error.value)) < 500


def test_not_utf8_names_line_and_column(tmp_path: Path):
    (tmp_path / "net.prototxt").write_bytes(b'name: "a"\n# caf\xe9\n')
    with pytest.raises(BadInput, match=r"net\.prototxt:2:6: byte 0xe9 is not UTF-8"):
        read_net(tmp_path / "net.prototxt")


def test_binary_fields_that_caffe_lacks_are_refused(tmp_path: Path):
    net = small_net()
    ssd = bytes([0x0A, 1, ord("z"), 0x98, 0x0D, 1])  # a layer "z" with field 211, which Caffe lacks
    (tmp_path / "net.caffemodel").write_bytes(net.SerializeToString() + bytes([0xA2, 0x06, len(ssd)]) + ssd)
    with pytest.raises(BadInput, match=r"NetParameter\.layer has field number 211"):
        read_net(tmp_path / "net.caffemodel")


def test_a_binary_name_that_is_no_text(tmp_path: Path):
    (tmp_path / "net.caffemodel").write_bytes(bytes([0x0A, 1, 0xFF]) + small_net().SerializeToString()[7:])
    with pytest.raises(BadInput, match=r"NetParameter\.name is not UTF-8"):
        read_net(tmp_path / "net.caffemodel")


def test_a_solver_is_read_and_a_net_in_its_place_is_not(tmp_path: Path):
    (tmp_path / "solver.prototxt").write_text("base_lr: 0.5 solver_type: NESTEROV")
    assert read_solver(tmp_path / "solver.prototxt").type == "Nesterov"
    (tmp_path / "solver.prototxt").write_text('type: "SGD" solver_type: ADAM')
    with pytest.raises(BadInput, match="both `solver_type` and `type`"):
        read_solver(tmp_path / "solver.prototxt")
    (tmp_path / "solver.prototxt").write_text(SMALL)
    with pytest.raises(BadInput, match="expected the definition of a solver"):
        read_solver(tmp_path / "solver.prototxt")
