"""A run that is cut off and goes on from a snapshot ends with the very weights of one that is not, bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from thinktwice.caffe_models.weights import read_weights
from thinktwice.errors import BadInput
from thinktwice.solver.events import Saved, Stepped
from thinktwice.solver.solver import Solver
from thinktwice.solver.updates import UPDATES

from .nets import ACCURACY, NET, same, solver, train

SETTINGS = {
    "SGD": "momentum: 0.9 weight_decay: 0.01 iter_size: 2",
    "Nesterov": 'momentum: 0.9 lr_policy: "poly" power: 1 clip_gradients: 1',
    "AdaGrad": "weight_decay: 0.01",
    "RMSProp": 'rms_decay: 0.9 lr_policy: "multistep" gamma: 0.5 stepvalue: 2 stepvalue: 5',
    "AdaDelta": "momentum: 0.95 delta: 1e-6 base_lr: 1",
    "Adam": 'momentum: 0.9 base_lr: 0.01 lr_policy: "step" gamma: 0.5 stepsize: 3',
}


def cut_off(made: Solver, after: int) -> None:
    """Run, and drop everything in the middle of things: nothing is closed, nothing said."""
    for event in made.run():
        if isinstance(event, Stepped) and event.iteration == after:
            return
    raise AssertionError("it ended before")


@pytest.mark.parametrize("hdf5", ["BINARYPROTO", "HDF5"])
@pytest.mark.parametrize("kind", UPDATES)
def test_every_solver_goes_on_exactly(kind: str, hdf5: str, tmp_path: Path) -> None:
    """Dropout and BatchNorm are in the net; the run is cut off two steps after a snapshot, and once more."""
    text = f'type: "{kind}" snapshot: 3 snapshot_format: {hdf5} {SETTINGS[kind]}'
    (tmp_path / "whole").mkdir()
    whole = train(solver(text, tmp_path / "whole"))
    cut_off(solver(text, tmp_path), after=5)
    ending = ".h5" if hdf5 == "HDF5" else ""
    for iteration, stop in ((3, 7), (6, None)):
        resumed = solver(text, tmp_path, seed=1)
        resumed.restore(str(tmp_path / f"run_iter_{iteration}.solverstate{ending}"))
        assert resumed.iteration == iteration
        if stop:
            cut_off(resumed, stop)
        else:
            assert same(train(resumed), whole)


def test_the_seed_is_what_makes_the_masks(tmp_path: Path) -> None:
    """The oracle can fail: another seed behind the same snapshot gives other weights."""
    whole = train(solver("snapshot: 4", tmp_path))
    resumed = solver("", tmp_path, seed=2)
    resumed.restore(str(tmp_path / "run_iter_4.solverstate"))
    assert not same(train(resumed), whole)


def test_stop_saves_at_once_and_the_rest_is_made_up_for(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = train(solver("", tmp_path / "whole"))
    stopped = solver("", tmp_path)
    saved = []
    for event in stopped.run():
        if isinstance(event, Stepped) and event.iteration == 5:
            stopped.stop()
        saved += [event] if isinstance(event, Saved) else []
    assert [(event.iteration, Path(event.state).name) for event in saved] == [(5, "run_iter_5.solverstate")]
    resumed = solver("", tmp_path)
    resumed.restore(saved[0].state)
    assert same(train(resumed), whole)


def test_stop_during_a_test_leaves_the_test_to_the_next_run(tmp_path: Path) -> None:
    def stopping(number: int) -> dict:
        if number == 2:
            made.stop()
        return feed(number)

    from .nets import batch as feed

    made = solver("display: 0", tmp_path, NET + ACCURACY, tests="test_iter: 5 test_interval: 4", feed=stopping)
    kinds = [type(event).__name__ for event in made.run()]
    assert kinds == ["Saved"] and made.iteration == 0


def test_a_moved_snapshot_is_found_beside_its_state(tmp_path: Path) -> None:
    train(solver("snapshot: 4", tmp_path))
    (tmp_path / "elsewhere").mkdir()
    for name in ("run_iter_4.solverstate", "run_iter_4.caffemodel"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    resumed = solver("", tmp_path)
    resumed.restore(str(tmp_path / "elsewhere" / "run_iter_4.solverstate"))
    assert same(dict(resumed.weights().blobs), dict(read_weights(tmp_path / "elsewhere/run_iter_4.caffemodel").blobs))


@pytest.mark.parametrize(
    ("settings", "text", "message"),
    [
        ('type: "Adam"', NET, "found a history of 8 blobs, expected 16: is it another solver's?"),
        ("max_iter: 3", NET, "found iteration 4, expected at most max_iter, 3"),
        ("", NET.replace("num_output: 3", "num_output: 5"), "history 6: found shape (3, 64), expected (5, 64)"),
        ("", NET.replace('"fc"', '"other"'), "layer 'other' has no weights in the file"),
    ],
)
def test_snapshots_of_another_run_are_refused(settings: str, text: str, message: str, tmp_path: Path) -> None:
    train(solver("snapshot: 4", tmp_path))
    with pytest.raises(BadInput) as told:
        solver(settings, tmp_path, text).restore(str(tmp_path / "run_iter_4.solverstate"))
    assert message in str(told.value)


FILES = {
    "net.prototxt": """
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
  shape { dim: 8 dim: 3 dim: 10 dim: 10 } shape { dim: 8 } data_filler { type: "gaussian" std: 1 } data_filler { value: 1 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 6 kernel_size: 3 weight_filler { type: "msra" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv" }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
""",
    "solver.prototxt": """
net: "net.prototxt" test_iter: 2 test_interval: 40 base_lr: 0.001 momentum: 0.9 weight_decay: 0.001 lr_policy: "fixed"
display: 10 average_loss: 7 max_iter: 300 snapshot: 10 snapshot_prefix: "run" random_seed: 5 solver_mode: CPU
""",
}


def command(folder: Path, *more: str) -> subprocess.Popen:
    line = [sys.executable, "-m", "thinktwice", "train", "solver.prototxt", "--quiet", *more]
    return subprocess.Popen(line, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def test_a_run_that_is_killed_goes_on_exactly(tmp_path: Path) -> None:
    """By SIGKILL, at a moment nobody chose: weights, state and log end as if nothing had happened."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
        for name, text in FILES.items():
            (folder / name).write_text(text)
    assert command(whole).wait(timeout=120) == 0
    process = command(killed)
    while not (killed / "run_iter_100.solverstate").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    last = max(int(path.stem.split("_")[-1]) for path in killed.glob("run_iter_*.solverstate"))
    assert 100 <= last < 300
    assert command(killed, "--snapshot", f"run_iter_{last}.solverstate").wait(timeout=120) == 0
    for name in ("run_iter_300.caffemodel", "run_iter_300.solverstate"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes()
    logs = [[json.loads(line) for line in (folder / "run.jsonl").open()] for folder in (whole, killed)]
    for line in (*logs[0], *logs[1]):
        assert line.pop("seconds") >= 0
    assert logs[0] == logs[1]
