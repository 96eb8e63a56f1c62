"""torch as a peer of the benchmarks: eager, in single precision, in NCHW and in channels-last order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, autograd

from thinktwice.executor.device import Device, to_numpy

from . import torch_excitation, torch_kernels
from .torch_excitation import mwp
from .torch_feedback import feedback
from .torch_gradient import gradient
from .torch_net import CALLS, TorchNet

Ways = dict[str, Callable[[], Any]]

_place = "cpu"


def version() -> str:
    return torch.__version__


def prepare(device: Device, threads: int) -> None:
    """Single precision is single precision: no TF32."""
    global _place
    _place = device.name
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def synchronise() -> None:
    if _place != "cpu":
        torch.cuda.synchronize()


def method_ways(job: Any) -> Ways:
    ways = {"torch": _method(job, channels_last=False)}
    if job.method in ("forward", "gradient"):
        ways["torch channels_last"] = _method(job, channels_last=True)
    return ways


def _method(job: Any, channels_last: bool) -> Callable[[], Tensor]:
    calls = torch_excitation.CALLS if job.method == "mwp" else None
    net = TorchNet(job.net, calls, channels_last=channels_last, device=_place)
    image, score, target = net.tensor(job.image), job.score, job.targets[0]
    return {
        "forward": lambda: _forward(net, {net.inputs[0]: image}, score),
        "gradient": lambda: gradient(net, image, target, score),
        "mwp": lambda: mwp(net, image, job.targets, score, job.at),
        "feedback": lambda: feedback(net, image, target, score, job.iterations),
    }[job.method]


def _forward(net: TorchNet, inputs: dict[str, Tensor], blob: str) -> Tensor:
    with torch.inference_mode():
        return net.forward(inputs, blob)[blob]


def layer_ways(job: Any) -> Ways:
    if job.net.graph.nodes[-1].layer.type not in CALLS:
        return {}
    net = TorchNet(job.net, device=_place)
    inputs, (top,), bottom = {name: net.tensor(x) for name, x in job.inputs.items()}, job.tops, job.net.inputs[0]
    if not job.signals:
        return {"torch": lambda: _forward(net, inputs, top)}
    inputs[bottom].requires_grad_()
    result, signal = net.forward(inputs, top)[top], net.tensor(job.signals[top])
    return {"torch": lambda: autograd.grad(result, inputs[bottom], signal, retain_graph=True)[0]}


def kernel_ways(name: str, arrays: dict[str, Any]) -> Ways:
    way = torch_kernels.ways(name, {key: torch.tensor(to_numpy(array), device=_place) for key, array in arrays.items()})
    return {"torch": way} if way else {}
