"""The two ways a layer can go: by the host build of the kernels, and by NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from thinktwice.cuda import launcher


@pytest.fixture
def host() -> None:
    """Asked for by what runs kernels: skipped, visibly, where they were not built."""
    if launcher.host_build() is None:
        pytest.skip("no host build of the kernels: python setup.py build_ext --inplace, with a C++ compiler")


@pytest.fixture
def by_numpy(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], Any]:
    """``by_numpy(work)``: what ``work`` returns where no kernel runs."""

    def run(work: Callable[[], Any]) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(launcher, "_host_kernel", lambda kernel, types: None)
            return work()

    return run
