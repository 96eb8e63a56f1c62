"""Every kernel compiles for every card: NVRTC makes machine code of the text without a GPU, and has nothing to remark."""

from __future__ import annotations

import re
from typing import Any

import pytest

from thinktwice.cuda import launcher
from thinktwice.cuda.text import HERE

nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="no NVRTC: pip install nvidia-cuda-nvrtc cuda-bindings")

TEXTS = sorted(HERE.glob("*.cu"))
INSTANCES = re.findall(r"KERNEL\(((?!\.)[^()]+)\)", (HERE / "host.cpp").read_text(encoding="utf-8"))
KERNELS = {path.name: re.findall(r"__global__ void (\w+)\(", path.read_text(encoding="utf-8")) for path in TEXTS}


def test_every_kernel_has_instances_on_the_cpu() -> None:
    assert {name for names in KERNELS.values() for name in names} == {one.partition("<")[0] for one in INSTANCES}


@pytest.mark.parametrize("architecture", ["75", "80", "86", "89", "90", "100", "120"])
@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_it_compiles(path: Any, architecture: str) -> None:
    names = [one for one in INSTANCES if one.partition("<")[0] in KERNELS[path.name]]
    (program,) = ok(nvrtc.nvrtcCreateProgram(path.read_bytes(), path.name.encode(), 0, [], []))
    for name in names:
        ok(nvrtc.nvrtcAddNameExpression(program, name.encode()))
    options = [
        *(option.encode() for option in launcher.NVRTC_OPTIONS),
        f"--gpu-architecture=sm_{architecture}".encode(),
    ]
    result = nvrtc.nvrtcCompileProgram(program, len(options), options)
    log = b" " * ok(nvrtc.nvrtcGetProgramLogSize(program))[0]
    ok(nvrtc.nvrtcGetProgramLog(program, log))
    assert (result[0], log.strip(b"\0 \n").decode()) == (nvrtc.nvrtcResult.NVRTC_SUCCESS, "")
    code = b" " * ok(nvrtc.nvrtcGetCUBINSize(program))[0]
    ok(nvrtc.nvrtcGetCUBIN(program, code))
    for name in names:  # each of them is in the machine code
        assert ok(nvrtc.nvrtcGetLoweredName(program, name.encode()))[0] in code


def ok(result: tuple) -> tuple:
    assert result[0] == nvrtc.nvrtcResult.NVRTC_SUCCESS, result
    return result[1:]
