"""The kernels' tests once more, over builds that sanitizers watch: as the CPU runs them, one thread to a block, and as a GPU does,
several with barriers between them."""

from __future__ import annotations

from pathlib import Path

import pytest

from thinktwice.cuda.text import HERE

from ..sanitizers import run_watched

TESTS = [Path(__file__).with_name(name) for name in ("test_slide.py", "test_elementwise.py", "test_maps.py")]


@pytest.mark.parametrize("block", [[], ["-DBLOCK_THREADS=3"]], ids=["one thread a block", "three threads a block"])
def test_no_kernel_leaves_its_arrays(tmp_path: Path, block: list[str]) -> None:
    run_watched(HERE, TESTS, "THINKTWICE_HOST_KERNELS", tmp_path / "watched.so", *block, only="not past_2_to")
