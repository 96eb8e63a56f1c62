"""Finding the engine: the builds, what is said where there is none, and results that do not hang on the number of threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from thinktwice.cpu import engine
from thinktwice.cpu.engine import Engine
from thinktwice.cpu.recording import address, ask
from thinktwice.cuda.text import digest, files
from thinktwice.layers.threads import cores

RUN = """
import warnings, numpy as np
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    from thinktwice.cpu import engine
    from thinktwice.layers.correlation import Geometry, correlate, correlate_transposed, correlate_weights
    geometry = Geometry((1, 2), (1, 1), (0, 0), (1, 1))
    x, weights, signal = (np.array(numbers, "f").reshape(1, 1, 1, -1) for numbers in ([1, 2, 3], [10, 1], [1, 4]))
    y = correlate(x, weights, geometry), correlate_transposed(signal, weights, geometry, (1, 3)), correlate_weights(x, signal, geometry)
    print(getattr(engine.engine(), "lanes", None), *(one.ravel().tolist() for one in y), *[str(one.message) for one in said])
"""
RESULTS = "[12.0, 23.0] [10.0, 41.0, 4.0] [9.0, 14.0]"
LANES = {"avx512": 16, "avx2": 8, "portable": 4}


def ran(told: str | None, code: str = RUN, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if name != "THINKTWICE_ENGINE"}
    clean["THINKTWICE_HOST_KERNELS"] = "0"  # which would say something as well, were they not built
    told_to = {} if told is None else {"THINKTWICE_ENGINE": told}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=clean | told_to | environment, capture_output=True, text=True, check=True).stdout


def runs(name: str) -> bool:
    return engine.build(name) is not None


def test_the_best_build_runs_and_nothing_is_said() -> None:
    best = next((name for name in engine.BUILDS if runs(name)), None)
    if best is None:
        pytest.skip("the engine was not built: python setup.py build_ext --inplace, with a C++ compiler")
    assert ran(None) == ran("") == f"{LANES[best]} {RESULTS}\n"


@pytest.mark.usefixtures("build")
def test_the_build_that_is_asked_for_runs_and_nothing_is_said(request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.params["build"]
    assert ran(name) == f"{LANES[name]} {RESULTS}\n"


def test_asked_for_numpy_no_build_runs_and_nothing_is_said() -> None:
    assert ran("0") == f"None {RESULTS}\n"


@pytest.mark.usefixtures("build")
def test_an_unknown_build_is_told_once() -> None:
    found = ran("sse9")
    assert found.startswith(f"None {RESULTS} thinktwice: found THINKTWICE_ENGINE=sse9, expected one of ('avx512', ")
    assert found.count("layers run on NumPy") == 1


def test_without_a_build_it_is_said_once(tmp_path: Path) -> None:
    found = ran(str(tmp_path / "none.so"))
    assert found.startswith(f"None {RESULTS} thinktwice: the engine was not built for the CPU: layers run on NumPy")
    assert found.count("layers run on NumPy") == 1


@pytest.mark.usefixtures("build")
def test_a_build_of_another_text_is_not_used(tmp_path: Path) -> None:
    """Its functions may take other arguments."""
    (library,) = (path for path in engine.HERE.glob("_engine.*") if path.suffix in (".so", ".pyd"))
    old = tmp_path / library.name
    old.write_bytes(library.read_bytes().replace(digest(engine.HERE).encode(), b"0123456789abcdef"))
    found = ran(str(old))
    assert found.startswith(f"None {RESULTS} thinktwice: {old.name} was built from another text of the engine")
    assert found.count("layers run on NumPy") == 1


def test_the_text_is_every_file_that_is_compiled() -> None:
    compiled = {path.name for path in engine.HERE.iterdir() if path.suffix in (".h", ".cpp")}
    assert {path.name for path in files(engine.HERE)} == compiled
    assert {f"{name}.cpp" for name in engine.BUILDS} | {"engine.cpp", "engine.h"} <= compiled


THREADS = """
import hashlib, numpy as np
from thinktwice.cpu.convolution import correlate, correlate_transposed, correlate_weights
from thinktwice.layers.correlation import Geometry
rng, seen = np.random.default_rng(0), hashlib.sha256()
for images, channels, size, geometry in [
    (1, 6, (1, 3457), Geometry((1, 1), (1, 1), (0, 0), (1, 1), 2)),
    (1, 20, (61, 83), Geometry((3, 3), (1, 1), (1, 1), (1, 1))),
    (9, 6, (23, 17), Geometry((5, 3), (2, 3), (2, 0), (1, 2), 2)),
    (2, 48, (7, 6), Geometry((3, 3), (1, 1), (1, 1), (1, 1))),
]:
    x = rng.normal(size=(images, channels, *size)).astype("f")
    weights = rng.normal(size=(50, channels // geometry.group, *geometry.kernel)).astype("f")
    signal = rng.normal(size=(images, 50, *geometry.reduced(size))).astype("f")
    seen.update(correlate(x, weights, geometry, weights[:, 0, 0, 0].copy()).tobytes())
    seen.update(correlate_transposed(signal, weights, geometry, size).tobytes())
    seen.update(correlate_weights(x, signal, geometry).tobytes())
print(seen.hexdigest())
"""


@pytest.mark.usefixtures("build")
def test_results_do_not_hang_on_the_number_of_threads(request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.params["build"]
    one, two, three = (ran(name, THREADS, OMP_NUM_THREADS=number) for number in "123")
    assert one == two == three


def test_a_loop_of_multiply_adds_counts_its_operations(build: Engine) -> None:
    sums = np.full(cores() + 1, -1, np.float32)
    ask(build.multiply_adds, 1000, address(sums))
    assert build.operations == 2 * build.lanes * build.rows * 3
    lanes = build.operations // 2
    assert (sums[sums != -1] == 2 * lanes).all()  # x -> x / 2 + 1 tends to 2
    assert sums[-1] == -1
