"""Eight steps against real Caffe's: losses and weights within 1e-5 of a blob's maximum, in single precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from thinktwice.caffe_models.definition import read_solver
from thinktwice.caffe_models.weights import Weights
from thinktwice.solver.definition import Reader
from thinktwice.solver.events import Stepped
from thinktwice.solver.feed import FedNet
from thinktwice.solver.solver import Solver

from ..conftest import SHARED

CASES = sorted(path.name for path in (SHARED / "golden" / "solver").glob("*"))
TOLERANCE = 1e-5


def opened(folder: Path, golden: np.lib.npyio.NpzFile, out: Path) -> Solver:
    param = read_solver(folder / "solver.prototxt")
    param.net = str(folder / "net.prototxt")
    param.snapshot_prefix = str(out / "run")
    definition = Reader(param, str(folder / "solver.prototxt")).definition()
    net = FedNet(
        definition.train.message, lambda k: {"data": golden["data"], "label": golden["label"]}, definition.train.message
    )
    solver = Solver(definition.param, net)
    solver.start_from(Weights("golden.npz", blobs(golden, "init")))
    return solver


def blobs(golden: np.lib.npyio.NpzFile, prefix: str) -> dict[str, tuple[np.ndarray, ...]]:
    """The arrays ``prefix/<layer>/<index>`` of a golden file."""
    found: dict[str, list[np.ndarray]] = {}
    for key in sorted(key for key in golden.files if key.startswith(f"{prefix}/")):
        found.setdefault(key.split("/")[1], []).append(golden[key])
    return {layer: tuple(arrays) for layer, arrays in found.items()}


@pytest.mark.parametrize("case", CASES)
def test_steps(shared: Path, case: str, tmp_path: Path) -> None:
    folder = shared / "golden" / "solver" / case
    golden = np.load(folder / "golden.npz")
    losses = golden["loss"]
    solver = opened(folder, golden, tmp_path)
    steps = 0
    for event in solver.run():
        if not isinstance(event, Stepped) or event.iteration > len(losses):
            continue
        steps += 1
        assert abs(event.loss - losses[steps - 1]) <= TOLERANCE * losses[steps - 1], f"loss of step {steps}"
        for layer, expected in blobs(golden, f"after{steps}").items():
            for index, (mine, theirs) in enumerate(zip(solver.weights().blobs[layer], expected, strict=True)):
                error = np.abs(mine - theirs).max()
                assert error <= TOLERANCE * np.abs(theirs).max(), f"{layer} {index} after {steps}: {error:.3g} off"
    assert steps == len(losses) == 8


def test_reference_data(shared: Path) -> None:
    assert len(CASES) >= 5
