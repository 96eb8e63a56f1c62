"""What all tests share: where the reference data lies, if it does."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from thinktwice.cuda import cudnn, launcher
from thinktwice.executor.device import _cuda_devices

from . import cupy_double
from .cuda.cudnn_double import CuDNN

# Real models, images and results of real Caffe, kept beside a checkout; THINKTWICE_SHARED names another place.
SHARED = Path(os.environ.get("THINKTWICE_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data; a test that asks for it is skipped, visibly, where there is none."""
    if not SHARED.is_dir():
        pytest.skip(f"no reference data at {SHARED}: real models and golden files are not part of the repository")
    return SHARED


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    """Either of them."""
    if request.param == "cuda":
        request.getfixturevalue("cupy")
    return request.param


@pytest.fixture
def cupy(request: pytest.FixtureRequest) -> ModuleType:
    """CuPy where it finds a device, else its double."""
    if not _cuda_devices():
        return request.getfixturevalue("double")
    return pytest.importorskip("cupy")


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """CuPy's double in its place."""
    if launcher.host_build() is None:
        pytest.skip("the kernels are not built for the CPU: the double of CuPy runs them")
    monkeypatch.setitem(sys.modules, "cupy", cupy_double)
    monkeypatch.setenv("THINKTWICE_CUDNN", "0")  # the real one would look for a device
    for known in (launcher._gpu_kernel, cudnn.library):
        known.cache_clear()
    yield cupy_double
    cupy_double.cuda.device = 0
    for known in (launcher._gpu_kernel, cudnn.library):
        known.cache_clear()


@pytest.fixture
def library(double: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[CuDNN]:
    """cuDNN's double in its place, over CuPy's."""
    made = CuDNN()
    monkeypatch.setitem(sys.modules, "cudnn", made)  # type: ignore[arg-type]
    monkeypatch.delenv("THINKTWICE_CUDNN", raising=False)
    monkeypatch.setattr(cudnn, "_handles", cudnn._Handles())
    cudnn.library.cache_clear()
    yield made
    cudnn.library.cache_clear()
    cudnn._plan.cache_clear()
