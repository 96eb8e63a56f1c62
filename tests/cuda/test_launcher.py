"""Finding and starting kernels: builds that fit, that are missing or out of date, and what a GPU's launch is given."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from thinktwice.cuda import kernels, launcher, text

RUN = """
import warnings, numpy as np
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    from thinktwice.cuda import kernels
    x = np.array([-1.0, 2.0]); y = np.full(2, 7.0)
    print(kernels.relu(x, 0.0, y), kernels.relu(x, 0.0, y), y.tolist(), *[str(one.message) for one in said])
"""


def ran(told: str | None, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if name != "THINKTWICE_HOST_KERNELS"}
    told_to = {} if told is None else {"THINKTWICE_HOST_KERNELS": told}
    command = [sys.executable, "-c", RUN]
    return subprocess.run(command, env=clean | told_to | environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.usefixtures("host")
def test_kernels_run_and_nothing_is_said() -> None:
    assert ran(None) == "True True [0.0, 2.0]\n"


def test_asked_for_numpy_nothing_runs_and_nothing_is_said() -> None:
    assert ran("0") == "False False [7.0, 7.0]\n"


def test_without_a_build_it_is_said_once(tmp_path: Path) -> None:
    found = ran(str(tmp_path / "none.so"))
    assert found.startswith(
        "False False [7.0, 7.0] thinktwice: the kernels were not built for the CPU: layers run on NumPy"
    )
    assert found.count("layers run on NumPy") == 1


@pytest.mark.usefixtures("host")
def test_a_build_of_another_text_is_not_used(tmp_path: Path) -> None:
    """What was built before a kernel changed may take other arguments."""
    (library,) = (path for path in text.HERE.glob("_host.*") if path.suffix in (".so", ".pyd"))
    old = tmp_path / library.name
    old.write_bytes(library.read_bytes().replace(text.digest().encode(), b"0123456789abcdef"))
    found = ran(str(old))
    assert found.startswith(f"False False [7.0, 7.0] thinktwice: {old.name} was built from another text of the kernels")


def test_the_digest_is_of_every_file_of_the_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert {"im2col.cu", "host.cpp", "host.h", "index.h"} <= {path.name for path in text.files()}
    monkeypatch.setattr(text, "HERE", tmp_path)
    seen = {text.digest()}
    for name, content in (("a.cu", "x"), ("a.cu", "y"), ("b.h", "y"), ("c.cpp", "")):
        (tmp_path / name).write_text(content)
        seen.add(text.digest())
    (tmp_path / "notes.md").write_text("not compiled")
    assert text.digest() in seen
    assert len(seen) == 5


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("threads", ["1", "2", "3"])
def test_results_do_not_hang_on_the_number_of_threads(threads: str) -> None:
    code = """
import numpy as np, hashlib
from thinktwice.cuda import kernels
rng = np.random.default_rng(0)
x, signal = rng.normal(size=(7, 50_021)).astype("f"), rng.normal(size=(7, 50_021)).astype("f")
down, g, sums = np.empty_like(x), np.empty_like(x), np.empty((7, kernels.tiles(50_021)), "f")
assert kernels.gate_gradient(x, abs(x), signal, False, down, g, sums)
assert np.array_equal(down, abs(x) * signal)
assert np.array_equal(g, x * signal)
print(hashlib.sha256(sums.tobytes()).hexdigest())
"""
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"OMP_NUM_THREADS": number},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for number in ("1", threads)
    ]
    assert runs[0] == runs[1]


def test_what_a_gpu_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """The launch of a kernel over arrays that are not NumPy's: its instance, grid, threads, and arguments by their types."""
    calls: list[Any] = []

    def gpu_kernel(file: str, kernel: str, types: tuple) -> Any:
        return lambda *launch: calls.append((file, launcher._instance(kernel, types), *launch))

    monkeypatch.setattr(launcher, "_gpu_kernel", gpu_kernel)
    x, y = on_gpu((2, 3, 4, 5)), on_gpu((2, 3, 2, 2))
    winners = on_gpu((2, 3, 2, 2), "i1")
    where = kernels.windows((4, 5), (3, 3), (2, 2), (1, 1), (1, 1), (2, 2))
    assert kernels.max_pool(x, where, y, winners)
    (file, name, grid, threads, arguments) = calls.pop()
    assert (file, name, grid, threads) == ("max_pool.cu", "max_pool<float, signed char>", (12,), (128,))
    assert arguments[:4] == (x, y, winners, 6)
    assert np.frombuffer(arguments[4].tobytes(), np.int64).tolist() == [4, 5, 3, 3, 2, 2, 1, 1, 1, 1, 2, 2]
    assert kernels.relu(x, 0.5, x)
    (_, name, grid, _, arguments) = calls.pop()
    assert (name, grid, arguments[2:6]) == ("relu<float>", (1,), (1, 120, 120, 120))
    assert (type(arguments[6]), float(arguments[6])) == (np.float32, 0.5)
    assert kernels.positive_sums(on_gpu((3, 5000)), on_gpu((2, 3, 2), "f8"))  # single precision, added in double
    assert calls.pop()[1:3] == ("positive_sums<float, double>", (6,))
    assert kernels.relu(on_gpu((0, 3)), 0.0, on_gpu((0, 3)))  # no blocks: nothing to start
    assert not kernels.relu(x, 0.0, on_gpu((2, 3, 4, 5), "f8"))
    assert not kernels.relu(x, 0.0, on_gpu((2, 3, 4, 5), contiguous=False))
    assert calls == []


def on_gpu(shape: tuple[int, ...], dtype: str = "f4", contiguous: bool = True) -> Any:
    """What launching looks at in an array."""
    array = np.empty(shape, dtype) if contiguous else np.empty((*shape[:-1], 2 * shape[-1]), dtype)[..., ::2]
    looks = {name: getattr(array, name) for name in ("shape", "strides", "dtype", "itemsize", "ndim", "size", "flags")}
    return SimpleNamespace(**looks)
