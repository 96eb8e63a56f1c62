"""The kernels' tests once more, over builds that the address and undefined-behaviour sanitizers watch: as the CPU runs them, one
thread to a block, and as a GPU does, several with barriers between them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from thinktwice.cuda.text import HERE, digest

HERE_TESTED = ["test_slide.py", "test_elementwise.py"]
FLAGS = "-std=c++17 -O1 -g -fopenmp -fPIC -shared -Wno-unknown-pragmas -fsanitize=address,undefined -fno-sanitize-recover=all"


@pytest.mark.parametrize("block", ["", "-DBLOCK_THREADS=3"], ids=["one thread a block", "three threads a block"])
def test_no_kernel_leaves_its_arrays(tmp_path: Path, block: str) -> None:
    compiler = shutil.which("g++")
    runtime = compiler and Path(output(compiler, "-print-file-name=libasan.so"))
    if not runtime or not runtime.is_absolute():
        pytest.skip("no g++ with libasan to build with sanitizers")
    build = tmp_path / "watched.so"
    output(
        compiler,
        *FLAGS.split(),
        *block.split(),
        f'-DTEXT_DIGEST="{digest()}"',
        str(HERE / "host.cpp"),
        "-o",
        str(build),
    )
    watched = {
        "THINKTWICE_HOST_KERNELS": str(build),
        "LD_PRELOAD": f"{runtime.resolve()} {Path(output(compiler, '-print-file-name=libubsan.so')).resolve()}",
        "ASAN_OPTIONS": "detect_leaks=0",
        "OMP_NUM_THREADS": "2",
        "PYTHONMALLOC": "malloc",
    }
    tests = [str(Path(__file__).with_name(name)) for name in HERE_TESTED]
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-k", "not past_2_to", *tests]
    done = subprocess.run(
        command, env=os.environ | watched, cwd=HERE.parent, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
