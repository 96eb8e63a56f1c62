"""What a solver prototxt may say: which nets it names, in which state, and everything that is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from thinktwice.errors import BadInput
from thinktwice.solver.definition import read_definition

from ..nets import data, layer

SOLVER = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 5 snapshot_prefix: "run"'
NET = (
    data(2, 3)
    + layer("both", "ReLU", "data")
    + layer("train", "ReLU", "data", "include { phase: TRAIN }")
    + layer("test", "ReLU", "data", "include { phase: TEST }")
    + layer("deep", "ReLU", "data", "include { min_level: 2 }")
    + layer("staged", "ReLU", "data", 'include { stage: "fine" }')
)


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Read the text of a solver, in a folder with net.prototxt."""
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(NET)
    Path("other.prototxt").write_text(NET.replace('"both"', '"others"'))

    def read(text: str) -> Any:
        Path("solver.prototxt").write_text(text)
        return read_definition("solver.prototxt")

    return read


def layers(net: Any) -> list[str]:
    return [layer.name for layer in net.message.layer][1:]


def test_one_net_serves_both_phases(read) -> None:
    found = read(SOLVER + " test_iter: 1 test_iter: 2 test_interval: 3")
    assert layers(found.train) == ["both", "train"]
    assert [layers(net) for net in found.tests] == [["both", "test"]] * 2
    assert found.notes == ()


def test_states_choose_layers(read) -> None:
    text = SOLVER + ' train_state { level: 2 } test_iter: 1 test_interval: 3 test_state { stage: "fine" }'
    found = read(text)
    assert layers(found.train) == ["both", "train", "deep"]
    assert layers(found.tests[0]) == ["both", "test", "staged"]


def test_a_state_of_the_nets_own_holds_unless_the_solver_says_otherwise(read) -> None:
    Path("net.prototxt").write_text('state { level: 3 stage: "fine" } ' + NET)
    assert layers(read(SOLVER).train) == ["both", "train", "deep", "staged"]
    assert layers(read(SOLVER + " train_state { level: 1 }").train) == ["both", "train", "staged"]


def test_nets_of_their_own_are_tested_first(read) -> None:
    text = SOLVER + ' test_net: "other.prototxt" test_iter: 1 test_iter: 1 test_interval: 3'
    assert [layers(net) for net in read(text).tests] == [["others", "test"], ["both", "test"]]
    text = SOLVER.replace("net:", "train_net:") + ' test_net: "other.prototxt" test_iter: 1 test_interval: 3'
    assert [layers(net) for net in read(text).tests] == [["others", "test"]]


def test_a_net_may_stand_in_the_solver(read) -> None:
    old = 'net_param { input: "x" input_dim: 1 input_dim: 2 input_dim: 1 input_dim: 1 layers { name: "r" type: RELU bottom: "x" top: "r" } }'
    found = read(SOLVER.replace('net: "net.prototxt"', old))
    assert [layer.type for layer in found.train.message.layer] == ["Input", "ReLU"]
    assert found.train.folder == Path()


def test_files_are_found_beside_the_solver(read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read(SOLVER)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    found = read_definition("../solver.prototxt")
    assert (found.train.source, found.train.folder) == ("../net.prototxt", Path(".."))


def test_the_older_enumeration_names_the_type(read) -> None:
    names = {"SGD": "SGD", "NESTEROV": "Nesterov", "ADAGRAD": "AdaGrad", "RMSPROP": "RMSProp", "ADADELTA": "AdaDelta"}
    names |= {"ADAM": "Adam"}
    for old, new in names.items():
        assert read(f"{SOLVER} solver_type: {old}").param.type == new


def test_snapshots_are_named_like_the_solver_where_nothing_else_is_said(read, tmp_path: Path) -> None:
    found = read(SOLVER.replace(' snapshot_prefix: "run"', ""))
    assert found.param.snapshot_prefix == "solver"
    assert found.notes == ("solver.prototxt: no snapshot_prefix: solver, as in Caffe",)
    (tmp_path / "out").mkdir()
    assert read(SOLVER.replace('"run"', '"out"')).param.snapshot_prefix == "out/solver"


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        ('lr_policy: "exp"', "lr_policy exp reads gamma: not given, 0 as in Caffe"),
        ("test_interval: 5", "test_interval without test_iter: nothing is tested, as in Caffe"),
        ("layer_wise_reduce: false", "layer_wise_reduce says how several GPUs add up gradients; one device is used"),
    ],
)
def test_what_has_no_effect_is_said(settings: str, note: str, read) -> None:
    text = SOLVER.replace('lr_policy: "fixed"', "") if "lr_policy" in settings else SOLVER
    assert read(f"{text} {settings}").notes == (f"solver.prototxt: {note}",)


BAD = {
    # nets
    "no net": (('net: "net.prototxt"', ""), "net: found none, expected exactly one of net, net_param, train_net"),
    "two nets": (("", 'train_net: "net.prototxt"'), "net: found net and train_net, expected exactly one"),
    "missing net": (("net.prototxt", "nett.prototxt"), "net: found 'nett.prototxt', expected a file; there is none at"),
    "missing test net": (("", 'test_net: "x" test_iter: 1 test_interval: 1'), "test_net: found 'x', expected a file"),
    "a solver as net": (("net.prototxt", "solver.prototxt"), "expected the definition of a net here"),
    "too few test_iter": (
        ("", 'test_net: "net.prototxt"'),
        "test_iter: found 0 numbers, expected one for each of 1 test",
    ),
    "test_iter without a net": (("net:", "test_iter: 1 test_interval: 1 train_net:"), "test_iter: found 1 numbers"),
    "test_iter of zero": (("", "test_iter: 0 test_interval: 1"), "test_iter: found [0], expected positive numbers"),
    "test_iter without interval": (("", "test_iter: 1"), "test_interval: found none, expected a positive number"),
    "too many test states": (
        ("", "test_iter: 1 test_interval: 1 test_state { } test_state { }"),
        "test_state: found 2 states, expected none, or one for each of 1 test nets",
    ),
    # rates
    "no policy": (('lr_policy: "fixed"', ""), "lr_policy: found none, expected one of fixed, step"),
    "unknown policy": (('"fixed"', '"stepp"'), "lr_policy: found 'stepp', expected one of fixed, step, exp, inv"),
    "near policy": (('"fixed"', '"multi_step"'), "the nearest known name is 'multistep'"),
    "no rate": (("base_lr: 0.1", ""), "base_lr: found none, expected the learning rate to start with"),
    "negative rate": (("0.1", "-0.1"), "base_lr: found -0.1"),
    "rate that is no number": (("0.1", "nan"), "base_lr: found nan, expected a finite number"),
    "infinite decay": (("", "weight_decay: inf"), "weight_decay: found inf, expected a finite number"),
    "negative gamma": (("", "gamma: -1"), "gamma: found -1, expected a number from 0 on"),
    "step of nothing": (
        ('"fixed"', '"step" gamma: 0.1'),
        "stepsize: found 0, expected a positive number for lr_policy",
    ),
    "negative stepsize": (("", "stepsize: -3"), "stepsize: found -3"),
    "negative stepvalue": (('"fixed"', '"multistep" gamma: 0.1 stepvalue: -1'), "stepvalue: found [-1]"),
    # updates
    "unknown type": (("", 'type: "Adamm"'), "type: found 'Adamm', expected one of SGD, Nesterov, AdaGrad, RMSProp"),
    "type in capitals": (("", 'type: "ADAM"'), "the nearest known name is 'Adam'"),
    "two types": (("", 'type: "SGD" solver_type: ADAM'), "sets both `solver_type` and `type`"),
    "momentum for AdaGrad": (("", 'type: "AdaGrad" momentum: 0.9'), "momentum: found 0.9, expected none"),
    "momentum for RMSProp": (("", 'type: "RMSProp" momentum: 0.9'), "RMSProp has no use for it"),
    "rms_decay of one": (("", 'type: "RMSProp" rms_decay: 1'), "rms_decay: found 1, expected a number below 1"),
    "momentum of one for Adam": (("", 'type: "Adam" momentum: 1'), "expected numbers below 1 for Adam"),
    "unknown decay": (("", 'regularization_type: "L3"'), "regularization_type: found 'L3', expected L1 or L2"),
    # the loop
    "no end": (("max_iter: 5", ""), "max_iter: found none, expected a number from 1 on"),
    "negative end": (("max_iter: 5", "max_iter: -5"), "max_iter: found -5"),
    "iter_size of zero": (("", "iter_size: 0"), "iter_size: found 0, expected a number from 1 on"),
    "average_loss of zero": (("", "average_loss: 0"), "average_loss: found 0"),
    "negative display": (("", "display: -1"), "display: found -1"),
    "negative snapshot": (("", "snapshot: -1"), "snapshot: found -1"),
    "nowhere to save": (('"run"', '"no/run"'), "snapshot_prefix: found 'no/run', expected a place in a folder"),
    "gradients in snapshots": (("", "snapshot_diff: true"), "snapshot_diff: found true, expected false"),
    "debug_info": (("", "debug_info: true"), "debug_info: found true, expected false"),
    # the text
    "unknown field": (("", "momentun: 0.9"), "solver.prototxt:1:"),
    "near field": (
        ("", "momentun: 0.9"),
        "SolverParameter has no field 'momentun'; the nearest known name is 'momentum'",
    ),
    "unknown format": (("", "snapshot_format: HDF"), "the nearest known name is 'HDF5'"),
    "a net as solver": ((SOLVER, "layer { }"), "but NetParameter has: expected the definition of a solver here"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_solvers(name: str, read) -> None:
    (old, new), message = BAD[name]
    with pytest.raises(BadInput) as told:
        read(SOLVER.replace(old, new) if old else f"{SOLVER} {new}")
    assert message in str(told.value) and "\n" not in str(told.value) and "prototxt" in str(told.value)
