"""On what a benchmark ran: processor, versions, and what the environment told the libraries."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from ...cpu.engine import engine
from ...cuda.launcher import host_build
from ...executor.device import Device

CPUINFO = Path("/proc/cpuinfo")
WIDEST = ("avx512f", "avx2", "avx", "neon", "asimd")  # vector instructions, the widest first
TOLD = ("OMP_", "OPENBLAS_", "MKL_", "GOMP_", "KMP_", "THINKTWICE_")  # variables that begin like this change times


def machine(device: Device) -> dict[str, Any]:
    """The hardware, and how busy it was when this was asked."""
    facts = _processor()
    vectors = next((name for name in WIDEST if name in facts.get("flags", facts.get("Features", "")).split()), None)
    found = {
        "processor": facts.get("model name") or platform.processor() or platform.machine(),
        "vectors": vectors,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.platform(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }
    return found | ({} if device.index is None else {"gpu": _gpu(device.index)})


def versions(peers: Mapping[str, Any]) -> dict[str, str]:
    """Of Python, of what the package stands on, and of the peers; and which of its own builds this processor runs."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "thinktwice": _version("thinktwice"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas.get('name')} {blas.get('version')}",
        "kernels": "built" if host_build() else "not built",
        "engine": "built" if engine() else "not built",
        **{name: peer.version() for name, peer in peers.items()},
    }


def environment() -> dict[str, str]:
    """The variables that were set of those which change times."""
    return {name: told for name, told in sorted(os.environ.items()) if name.startswith(TOLD)}


def _processor() -> dict[str, str]:
    """The first core's lines of /proc/cpuinfo; nothing where there is none."""
    try:
        first = CPUINFO.read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): told.strip() for name, _, told in pairs}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _gpu(index: int) -> str:
    import cupy

    return cupy.cuda.runtime.getDeviceProperties(index)["name"].decode()
