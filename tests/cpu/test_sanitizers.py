"""The engine's tests once more, over builds that sanitizers watch."""

from __future__ import annotations

from pathlib import Path

import pytest

from thinktwice.cpu import engine

from ..sanitizers import run_watched


def test_no_build_leaves_its_arrays(tmp_path: Path) -> None:
    builds = [name for name in engine.BUILDS if engine.build(name)]
    if not builds:
        pytest.skip("the engine was not built: python setup.py build_ext --inplace, with a C++ compiler")
    tests = [
        Path(__file__).with_name(name)
        for name in ("test_convolution.py", "test_sparse.py", "test_winograd.py", "test_pooling.py")
    ]
    watched = tmp_path / "watched.so"
    run_watched(engine.HERE, tests, "THINKTWICE_ENGINE", watched, only=" or ".join(builds))
