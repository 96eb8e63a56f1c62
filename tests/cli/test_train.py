"""``thinktwice train``: what it writes and says, how it is stopped and goes on, and what it refuses."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from thinktwice.caffe_models.weights import read_weights
from thinktwice.executor.load import load
from thinktwice.layers import threads

NET = """
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
  shape { dim: 8 dim: 3 dim: 10 dim: 10 } shape { dim: 8 } data_filler { type: "gaussian" std: 1 } data_filler { value: 1 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 6 kernel_size: 3 weight_filler { type: "msra" } } }
layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv" }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy" include { phase: TEST } }
"""
SOLVER = """
net: "net.prototxt" test_iter: 2 test_interval: 4 base_lr: 0.01 momentum: 0.9 lr_policy: "fixed" display: 2 max_iter: 8
snapshot: 4 snapshot_prefix: "run" solver_mode: CPU
"""
IMAGE_DATA = NET.replace("DummyData", "ImageData").split("dummy_data_param")[0] + (
    'image_data_param { source: "list.txt" batch_size: 2 } }' + NET[NET.index("\nlayer", 10) :]
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run) -> Path:
    """A folder with a net and a solver, which is the current one (``run`` has its own)."""
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(NET)
    Path("solver.prototxt").write_text(SOLVER)
    return tmp_path


def test_it_writes_snapshots_a_log_and_curves(here, run) -> None:
    told = run("train solver.prototxt")
    assert told.status == 0, told.err
    assert {path.name for path in here.glob("run*")} == {
        "run_iter_4.caffemodel", "run_iter_4.solverstate", "run_iter_8.caffemodel", "run_iter_8.solverstate", "run.jsonl",
        "run.png",
    }  # fmt: skip
    lines = [json.loads(line) for line in Path("run.jsonl").read_text().splitlines()]
    assert [(line["iteration"], *line.keys() & {"lr", "test", "snapshot"}) for line in lines] == [
        (0, "test"), (0, "lr"), (2, "lr"), (4, "snapshot"), (4, "test"), (4, "lr"), (6, "lr"), (8, "snapshot"), (8, "lr"),
        (8, "test"),
    ]  # fmt: skip
    assert all(line["lr"] == 0.01 and line["loss"] == line["outputs"]["loss"] for line in lines if "lr" in line)
    assert lines[0]["outputs"].keys() == {"loss", "accuracy"}
    seconds = [line["seconds"] for line in lines]
    assert seconds == sorted(seconds)
    assert Path("run.png").read_bytes().startswith(b"\x89PNG")
    last = lines[-1]["outputs"]["accuracy"]
    assert "8 iterations" in told.out and f"test net 0 after 8 iterations: accuracy = {last:g}" in told.out
    assert "Iteration 2, loss = " in told.err and "Snapshot: run_iter_4.solverstate" in told.err


def test_its_weights_are_ready_for_use(here, run) -> None:
    run("train solver.prototxt --quiet")
    Path("deploy.prototxt").write_text(
        'input: "data" input_shape { dim: 1 dim: 3 dim: 10 dim: 10 }'
        + NET[NET.index("\nlayer", 10) : NET.index('\nlayer { name: "loss')]
    )
    net = load("deploy.prototxt", "run_iter_8.caffemodel", device="cpu")
    assert net.forward(data=np.zeros((1, 3, 10, 10)))["fc"].argmax() == 1


def test_json(here, run) -> None:
    told = run("train solver.prototxt --json --quiet").json
    assert (told["iterations"], told["stopped"]) == (8, False)
    lines = [json.loads(line) for line in Path("run.jsonl").read_text().splitlines()]
    assert told["tests"] == [{"iteration": 8, **lines[-1]["outputs"]}] and told["loss"] == lines[-2]["loss"]
    assert {told[key] for key in ("weights", "state", "log", "plot")} == {
        "run_iter_8.caffemodel", "run_iter_8.solverstate", "run.jsonl", "run.png",
    }  # fmt: skip


def test_quiet_says_nothing_beside_the_result(here, run) -> None:
    assert run("train solver.prototxt --quiet").err == ""


def test_log_and_curves_go_where_they_are_wanted(here, run) -> None:
    run("train solver.prototxt --quiet --out some/where")
    assert sorted(path.name for path in Path("some/where").iterdir()) == ["run.jsonl", "run.png"]
    assert not Path("run.jsonl").exists()


def test_the_seed_is_the_prototxts_or_the_flags(here, run) -> None:
    def weights(line: str, solver: str = SOLVER) -> bytes:
        Path("solver.prototxt").write_text(solver)
        run(f"train solver.prototxt --quiet {line}")
        return Path("run_iter_8.caffemodel").read_bytes()

    seven = weights("--seed 7")
    assert (
        seven == weights("", SOLVER + "random_seed: 7") == weights("--seed 7", SOLVER + "random_seed: 3") != weights("")
    )
    assert weights("") == weights("--seed 0")


def test_a_run_may_start_from_weights(here, run) -> None:
    run("train solver.prototxt --quiet")
    Path("second.prototxt").write_text(SOLVER.replace('"run"', '"second"').replace("0.01", "0"))
    assert run("train second.prototxt --quiet --weights run_iter_8.caffemodel").status == 0
    first, second = (read_weights(f"{name}_iter_8.caffemodel").blobs for name in ("run", "second"))
    assert all(np.array_equal(a, b) for layer in first for a, b in zip(first[layer], second[layer], strict=True))
    Path("third.prototxt").write_text(
        SOLVER.replace('"run"', '"third"').replace("0.01", "0") + 'weights: "run_iter_8.caffemodel"'
    )
    run("train third.prototxt --quiet")
    assert Path("third_iter_8.caffemodel").read_bytes() == Path("second_iter_8.caffemodel").read_bytes()


def test_what_nobody_fills_is_told(here, run) -> None:
    Path("net.prototxt").write_text(NET.replace('weight_filler { type: "xavier" }', ""))
    assert "layer 'fc': its weights start as zeros: no weight_filler, as in Caffe" in run("train solver.prototxt").err


@pytest.mark.parametrize(
    ("package", "advice"), [("matplotlib.figure", "no curves drawn"), ("threadpoolctl", "is slower")]
)
def test_without_what_the_extra_brings(package: str, advice: str, here, run, monkeypatch) -> None:
    """One line says so, and it goes on; weights are the same."""
    run("train solver.prototxt --quiet")
    whole = Path("run_iter_8.caffemodel").read_bytes()
    monkeypatch.setitem(sys.modules, package, None)
    threads._limits.cache_clear()
    told = run("train solver.prototxt")
    threads._limits.cache_clear()
    assert told.status == 0 and Path("run_iter_8.caffemodel").read_bytes() == whole
    assert advice in told.err and "pip install 'thinktwice[train]'" in told.err


def test_a_terminal_gets_a_bar(here, run, monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    told = run("train solver.prototxt")
    assert told.status == 0
    assert "Iteration 2, loss = " in told.err and "rate 0.01" in told.err and "8/8" in told.err


def test_a_gpu_that_is_not_there_is_said_to_be_missed(here, run) -> None:
    Path("solver.prototxt").write_text(SOLVER.replace("CPU", "GPU device_id: 98"))
    told = run("train solver.prototxt --json")
    assert told.status == 0
    assert (
        "solver.prototxt: solver_mode: found GPU, training on the CPU: device: found 'cuda:98', expected cpu"
        in told.err
    )
    assert "solver_mode" not in run("train solver.prototxt --json --device cpu").err


def test_a_log_that_a_crash_cut_in_half_is_mended(here, run) -> None:
    run("train solver.prototxt --quiet")
    whole = [json.loads(line) for line in Path("run.jsonl").read_text().splitlines()]
    Path("run.jsonl").write_text("".join(json.dumps(line) + "\n" for line in whole[:5]) + '{"iteration": 4, "lo')
    run("train solver.prototxt --quiet --snapshot run_iter_4.solverstate")
    mended = [json.loads(line) for line in Path("run.jsonl").read_text().splitlines()]
    for line in whole + mended:
        line.pop("seconds")
    assert mended == whole


def test_another_seed_than_before_is_told(here, run) -> None:
    run("train solver.prototxt --quiet --seed 3")
    told = run("train solver.prototxt --snapshot run_iter_4.solverstate")
    assert "seed: found 0, expected 3 as before: what is drawn at random will be something else" in told.err
    assert "seed:" not in run("train solver.prototxt --snapshot run_iter_4.solverstate --seed 3").err


def test_a_run_goes_on_without_its_log(here, run) -> None:
    run("train solver.prototxt --quiet")
    Path("run.jsonl").unlink()
    assert run("train solver.prototxt --quiet --snapshot run_iter_4.solverstate").status == 0
    assert json.loads(Path("run.jsonl").read_text().splitlines()[0])["iteration"] == 4


# -- signals ------------------------------------------------------------------------------------------------------------


def started(solver: str) -> subprocess.Popen:
    Path("solver.prototxt").write_text(solver)
    line = [sys.executable, "-m", "thinktwice", "train", "solver.prototxt", "--seed", "3"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not Path("run_iter_4.solverstate").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    return process


def test_ctrl_c_saves_and_says_how_to_go_on(here, run) -> None:
    process = started(SOLVER.replace("max_iter: 8", "max_iter: 3000"))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    told = next(line for line in err.splitlines() if line.startswith("stopped after"))
    head, _, command = told.partition("; to go on: ")
    iteration = int(head.split()[2])
    assert command == f"thinktwice train solver.prototxt --seed 3 --snapshot run_iter_{iteration}.solverstate"
    assert Path(f"run_iter_{iteration}.caffemodel").exists()
    end = iteration + 5
    Path("solver.prototxt").write_text(SOLVER.replace("max_iter: 8", f"max_iter: {end}").replace('"run"', '"whole"'))
    assert run("train solver.prototxt --seed 3 --quiet").status == 0
    Path("solver.prototxt").write_text(SOLVER.replace("max_iter: 8", f"max_iter: {end}"))
    assert run([*shlex.split(command)[1:], "--quiet"]).status == 0
    assert Path(f"run_iter_{end}.caffemodel").read_bytes() == Path(f"whole_iter_{end}.caffemodel").read_bytes()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_sighup_saves_and_goes_on(here, run) -> None:
    process = started(SOLVER.replace("max_iter: 8", "max_iter: 400").replace("display: 2", ""))
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0 and err.count("Snapshot: ") in (100, 101)  # it may come at one that is due


def test_handlers_are_put_back(here, run) -> None:
    before = signal.getsignal(signal.SIGINT)
    run("train solver.prototxt --quiet")
    assert signal.getsignal(signal.SIGINT) is before


# -- bad input ----------------------------------------------------------------------------------------------------------

BAD = {
    "no solver": ("train", "SOLVER.PROTOTXT"),
    "missing solver": ("train nowhere.prototxt", "nowhere.prototxt: No such file"),
    "a net as solver": ("train net.prototxt", "expected the definition of a solver here"),
    "missing snapshot": ("train solver.prototxt --snapshot no.solverstate", "no.solverstate: No such file"),
    "text as snapshot": (
        "train solver.prototxt --snapshot net.prototxt",
        "net.prototxt: is text, expected a solver's state",
    ),
    "missing weights": ("train solver.prototxt --weights no.caffemodel", "no.caffemodel: No such file"),
    "definition as weights": ("train solver.prototxt --weights net.prototxt", "net.prototxt: is a text"),
    "both": ("train solver.prototxt --weights w --snapshot s", "weights: found them beside a snapshot"),
    "seed": ("train solver.prototxt --seed many", "--seed"),
    "device": ("train solver.prototxt --device tpu", "device: found 'tpu'"),
    "out": ("train solver.prototxt --out net.prototxt", "--out: net.prototxt cannot be made a folder"),
    "no pictures": ("train pictures.prototxt", "list.txt"),
    "inputs": ("train inputs.prototxt", "layer 'x' (Input): found an input that nothing feeds, expected a data layer"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str, here, run) -> None:
    line, message = BAD[name]
    Path("pictures_net.prototxt").write_text(IMAGE_DATA)
    Path("inputs_net.prototxt").write_text('layer { name: "x" type: "Input" top: "x" }' + NET)
    for own in ("pictures", "inputs"):
        Path(f"{own}.prototxt").write_text(SOLVER.replace("net.prototxt", f"{own}_net.prototxt"))
    told = run(line)
    assert told.status == 2 and told.out == ""
    last = told.err.splitlines()[-1]
    assert last.startswith("thinktwice: error: ") and message in last and "Traceback" not in told.err
