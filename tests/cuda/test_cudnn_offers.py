"""cuDNN's own answer, without a GPU: it has plans in true single precision for every kind of convolution, and those are taken."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from thinktwice.cuda.cudnn import ROUNDING, TRANSFORMS

HERE = Path(__file__).parent
DRIVER = "libcuda.so.1"
FUNCTIONS = (  # of the driver, that cuDNN links against; where there is no card none is called
    *("cuInit", "cuGetErrorString", "cuModuleLoadData", "cuModuleUnload", "cuModuleGetFunction"),
    *("cuTensorMapEncodeTiled", "cuTensorMapEncodeIm2col"),
)

if importlib.util.find_spec("cudnn") is None:
    pytest.skip("no cuDNN: pip install nvidia-cudnn-frontend nvidia-cudnn-cu13", allow_module_level=True)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to look for the driver in. Where there is none, one in its place whose functions fail."""
    folder = tmp_path_factory.mktemp("driver")
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        compiler = shutil.which("cc") or pytest.skip(f"neither {DRIVER} nor a C compiler to make one in its place")
        (folder / "driver.c").write_text("".join(f"int {name}(void) {{ return 999; }}\n" for name in FUNCTIONS))
        command = [compiler, "-shared", "-fPIC", f"-Wl,-soname,{DRIVER}", "-o", DRIVER, "driver.c"]
        subprocess.run(command, cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module", params=["80", "90", "100"])
def offers(request: pytest.FixtureRequest, driver: Path) -> dict[str, dict[str, Any]]:
    """What cudnn_offers.py says for an architecture."""
    paths = os.pathsep.join(filter(None, [str(driver), os.environ.get("LD_LIBRARY_PATH")]))
    command = [sys.executable, HERE / "cudnn_offers.py", request.param]
    run = subprocess.run(command, env=os.environ | {"LD_LIBRARY_PATH": paths}, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_every_sum_has_a_plan(offers: dict[str, dict[str, Any]]) -> None:
    assert len(offers) == 48
    assert not [name for name, offer in offers.items() if offer["plan"] is None]


def test_none_rounds_more_than_sums_do(offers: dict[str, dict[str, Any]]) -> None:
    notes = {name: offer["notes"] for name, offer in offers.items()}
    assert not {name: found for name, found in notes.items() if {*found} & {*ROUNDING}}
    assert not {name: found for name, found in notes.items() if name.endswith(", exact") and {*found} & {*TRANSFORMS}}


def test_there_was_something_to_refuse(offers: dict[str, dict[str, Any]]) -> None:
    """Left to itself cuDNN would have had other plans for each of the sums."""
    assert all("TENSOR_CORE" in offer["offered"] for offer in offers.values())
    assert any("NONDETERMINISTIC" in offer["offered"] for offer in offers.values())
