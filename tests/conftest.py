"""What all tests share: where the reference data lies, if it does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Real models, images and results of real Caffe, kept beside a checkout; THINKTWICE_SHARED names another place.
SHARED = Path(os.environ.get("THINKTWICE_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data; a test that asks for it is skipped, visibly, where there is none."""
    if not SHARED.is_dir():
        pytest.skip(f"no reference data at {SHARED}: real models and golden files are not part of the repository")
    return SHARED
