"""Tests once more, over a build that the address and undefined-behaviour sanitizers watch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from thinktwice.cuda.text import digest, files

ROOT = Path(__file__).resolve().parents[1]
SANITIZERS = "-fsanitize=address,undefined -fno-sanitize-recover=all"
FLAGS = f"-std=c++17 -O1 -g1 -fopenmp -fPIC -Wno-unknown-pragmas -Wno-psabi {SANITIZERS}"  # lines, no variables: twice as quick


def run_watched(text: Path, tests: Sequence[Path], variable: str, build: Path, *more: str, only: str = "") -> None:
    """``tests``, those that pytest's expression ``only`` names, over a build of a folder's ``text`` with ``more`` options, which
    ``variable`` tells the package to load. Skipped where there is no g++ with sanitizers."""
    compiler = shutil.which("g++")
    runtime = compiler and Path(_output(compiler, "-print-file-name=libasan.so"))
    if not compiler or not runtime or not runtime.is_absolute():
        pytest.skip("no g++ with libasan to build with sanitizers")
    _build(compiler, text, build, *more)
    watched = {
        variable: str(build),
        "LD_PRELOAD": f"{runtime.resolve()} {Path(_output(compiler, '-print-file-name=libubsan.so')).resolve()}",
        "ASAN_OPTIONS": "detect_leaks=0",
        "OMP_NUM_THREADS": "2",
        "PYTHONMALLOC": "malloc",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-k", only, *map(str, tests)]
    done = subprocess.run(command, env=os.environ | watched, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def _build(compiler: str, text: Path, build: Path, *more: str) -> None:
    """The library ``build``, its sources compiled side by side."""
    sources = [path for path in files(text) if path.suffix == ".cpp"]
    objects = [build.with_name(path.name).with_suffix(".o") for path in sources]

    def compiled(source: Path, to: Path) -> None:
        _output(compiler, *FLAGS.split(), *more, f'-DTEXT_DIGEST="{digest(text)}"', "-c", str(source), "-o", str(to))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compiled, sources, objects))
    _output(compiler, "-shared", "-fopenmp", *SANITIZERS.split(), *map(str, objects), "-o", str(build))


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
