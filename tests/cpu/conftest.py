"""Every build of the engine that this processor can run."""

from __future__ import annotations

import pytest

from thinktwice.cpu import engine


@pytest.fixture(params=engine.BUILDS)
def build(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> engine.Engine:
    """The engine is this build; skipped, visibly, where there is none."""
    found = engine.build(request.param)
    if found is None:
        pytest.skip(f"no build {request.param} of the engine, or this processor cannot run it")
    for module in ("engine", "convolution", "pooling", "inner_product"):
        monkeypatch.setattr(f"thinktwice.cpu.{module}.engine", lambda: found)
    return found
