"""Caffe's snapshot files: their layout, what is read back, and everything that is no snapshot."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from thinktwice.caffe_models import files, schema
from thinktwice.caffe_models.definition import read_net
from thinktwice.caffe_models.weights import read_weights
from thinktwice.errors import BadInput
from thinktwice.solver import snapshot
from thinktwice.solver.snapshot import State, read_state, state_file, weights_of

from .nets import same, solver, train


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder with snapshots of an Adam run after 4 and 8 iterations, in both formats."""
    for format_name in ("BINARYPROTO", "HDF5"):
        train(solver(f'type: "Adam" momentum: 0.9 snapshot: 4 snapshot_format: {format_name}', tmp_path))
    return tmp_path


def test_a_binary_state_is_caffes_message(saved: Path) -> None:
    """As protobuf itself reads it: history holds all first moments, then all second ones, in the order of parameters."""
    message = schema.new("SolverState")
    message.ParseFromString((saved / "run_iter_4.solverstate").read_bytes())
    assert (message.iter, message.current_step) == (4, 0)
    assert message.learned_net == str(saved / "run_iter_4.caffemodel")
    shapes = [tuple(blob.shape.dim) for blob in message.history]
    weights = read_weights(saved / "run_iter_4.caffemodel").blobs
    own = [array.shape for layer in ("conv", "bn", "scale", "fc") for array in weights[layer]]
    assert shapes == own + own
    assert all(min(blob.data) >= 0 for blob in message.history[len(own) :])


def test_an_hdf5_state_is_caffes_layout(saved: Path) -> None:
    with h5py.File(saved / "run_iter_4.solverstate.h5") as file:
        assert sorted(file) == ["current_step", "history", "iter", "learned_net"]
        assert file["iter"].dtype == np.int32 and file["iter"][:].tolist() == [4]
        assert file["current_step"][:].tolist() == [0]
        text = file["learned_net"]
        assert text.shape == () and text.dtype.kind == "S"
        assert text[()].decode() == str(saved / "run_iter_4.caffemodel.h5")
        assert sorted(map(int, file["history"])) == list(range(16))


def test_both_formats_hold_the_same(saved: Path) -> None:
    binary, hdf5 = (read_state(saved / f"run_iter_8.solverstate{ending}") for ending in ("", ".h5"))
    assert (binary.iteration, binary.current_step) == (hdf5.iteration, hdf5.current_step) == (8, 0)
    assert all(np.array_equal(a, b) for a, b in zip(binary.history, hdf5.history, strict=True))
    weights = [dict(read_weights(saved / f"run_iter_8.caffemodel{ending}").blobs) for ending in ("", ".h5")]
    assert same(*weights)


def test_weights_hold_the_definition_as_it_was_trained(saved: Path) -> None:
    net = read_net(saved / "run_iter_4.caffemodel")
    assert [layer.type for layer in net.layer][-1] == "SoftmaxWithLoss"
    assert {layer.phase for layer in net.layer} == {schema.enum("Phase")["TRAIN"]}


def test_the_step_of_the_last_update_is_stored(tmp_path: Path) -> None:
    train(solver('lr_policy: "step" gamma: 0.5 stepsize: 2 snapshot: 2', tmp_path))
    assert [read_state(tmp_path / f"run_iter_{i}.solverstate").current_step for i in (2, 4, 6)] == [0, 1, 2]


def test_a_state_names_its_weights(tmp_path: Path) -> None:
    assert state_file("a/b_iter_3.caffemodel") == "a/b_iter_3.solverstate"
    assert state_file("a/b_iter_3.caffemodel.h5") == "a/b_iter_3.solverstate.h5"


def test_weights_beside_the_state_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "copy").mkdir()
    state = State(4, "x_iter_4.caffemodel", 0, ())
    with pytest.raises(
        BadInput, match=r"copy/s: learned_net: found 'x_iter_4.caffemodel', expected a file there or at copy/x"
    ):
        weights_of(state, "copy/s")
    (tmp_path / "x_iter_4.caffemodel").touch()
    assert weights_of(state, "copy/s") == Path("x_iter_4.caffemodel")
    (tmp_path / "copy" / "x_iter_4.caffemodel").touch()
    assert weights_of(state, "copy/s") == Path("copy/x_iter_4.caffemodel")


@pytest.mark.parametrize("place", ["weights", "state"])
def test_a_crash_while_writing_leaves_no_half_snapshot(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state is only there with the weights that it names: one that an earlier run left goes first."""
    made = solver("snapshot: 4", tmp_path)
    train(made)
    before = (tmp_path / "run_iter_8.solverstate").read_bytes()
    real = files.replacing

    class Crash(Exception):
        pass

    def crashing(path: str):
        if str(path).endswith(".caffemodel" if place == "weights" else ".solverstate"):
            raise Crash
        return real(path)

    monkeypatch.setattr(files, "replacing", crashing)
    with pytest.raises(Crash):
        made.snapshot()
    assert before and not (tmp_path / "run_iter_8.solverstate").exists()
    assert read_state(tmp_path / "run_iter_4.solverstate").iteration == 4


def damaged(folder: Path, name: str) -> str:
    """A file that is no snapshot, and what is said of it."""
    whole = (folder / "run_iter_4.solverstate").read_bytes()
    path = folder / "bad"
    if name == "text":
        path.write_text("iter: 4")
        return "is text, expected a solver's state"
    if name == "weights":
        path.write_bytes((folder / "run_iter_4.caffemodel").read_bytes())
        return "which no solver's state has; expected a solver's state"
    if name == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
        return "truncated"
    if name == "no name":
        path.write_bytes(schema.new("SolverState", iter=3).SerializeToString())
        return "found iteration 3 and weights ''"
    if name == "negative":
        path.write_bytes(schema.new("SolverState", iter=-3, learned_net="x").SerializeToString())
        return "found iteration -3"
    if name == "weights.h5":
        path.write_bytes((folder / "run_iter_4.caffemodel.h5").read_bytes())
        return "has no 'iter', expected a solver's state"
    with h5py.File(folder / "run_iter_4.solverstate.h5", "a") as file:
        del file["history"]["1" if name == "gap.h5" else "0"]
        if name == "type.h5":
            file["history"]["0"] = np.arange(3)
    path.write_bytes((folder / "run_iter_4.solverstate.h5").read_bytes())
    return {"gap.h5": "damaged HDF5 file", "type.h5": "history/0: is of type int64, expected float32"}[name]


@pytest.mark.parametrize(
    "name", ["text", "weights", "truncated", "no name", "negative", "weights.h5", "gap.h5", "type.h5"]
)
def test_what_is_no_state_is_refused(name: str, saved: Path) -> None:
    message = damaged(saved, name)
    with pytest.raises(BadInput) as told:
        read_state(saved / "bad")
    assert message in str(told.value) and str(saved / "bad") in str(told.value)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere\.solverstate: No such file"):
        read_state(tmp_path / "nowhere.solverstate")


def test_more_than_protobuf_holds_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "PROTOBUF_LIMIT", 1000)
    with pytest.raises(BadInput, match="would exceed protobuf's 2 GiB, expected snapshot_format: HDF5"):
        solver("", tmp_path).snapshot()
