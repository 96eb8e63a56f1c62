"""The kernels' counterparts among torch's operators; each reads the arrays of ``repro/benchmarks/kernels.py`` and changes none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOWS = {"kernel_size": 3, "stride": 2}
ATEN: Any = torch.ops.aten


def ways(name: str, a: dict[str, Tensor]) -> Callable[[], Tensor] | None:
    """The operator that finds ``y``; ``None`` where torch has none of its own."""
    x, y = a["x"], a["y"]
    size = tuple(y.shape[-2:])
    made: dict[str, Callable[[], Callable[[], Tensor]]] = {
        "max_pool": lambda: lambda: F.max_pool2d(x, **WINDOWS, return_indices=True)[0],
        "to_winners": lambda: _to_winners(x, a["winners"], y),
        "window_sums": lambda: lambda: F.avg_pool2d(x, **WINDOWS, divisor_override=1),
        "spread": lambda: lambda: ATEN.avg_pool2d_backward(x, y, [3, 3], [2, 2], [0, 0], False, True, 1),
        "im2col": lambda: lambda: F.unfold(x, **WINDOWS).reshape(y.shape),
        "col2im": lambda: lambda: F.fold(x.reshape(len(x), -1, x[0, 0, 0, 0].numel()), size, **WINDOWS),
        "relu": lambda: lambda: F.relu(x),
        "relu_gradient": lambda: lambda: ATEN.threshold_backward(a["signal"], x, 0),
        "add": lambda: lambda: torch.add(x, a["z"], alpha=-1),
        "normalise_channels": lambda: lambda: (x - a["first"]) / a["second"],
        "scale_channels": lambda: lambda: torch.addcmul(a["second"], x, a["first"]),
        "softmax": lambda: lambda: torch.softmax(x, 1),
        "gate": lambda: lambda: x * a["z"],
        "gate_gradient": lambda: lambda: _gate_gradient(x, a["z"], a["signal"]),
        "soft_step": lambda: lambda: _soft_step(x, y, a["signal"], a["sums"]),
        "prune": lambda: lambda: a["z"] * (x > a["threshold"][:, None]),
        "opened": lambda: lambda: (x > a["threshold"][:, None]).float(),
        "share": lambda: lambda: torch.where(a["z"] == 0, 0, x / a["z"]),
        "portion": lambda: lambda: a["a"] * torch.where(a["z"] == 0, 0, x / a["z"]),
        "lrn": lambda: lambda: F.local_response_norm(x, 5, 0.0001, 0.75, 1.0),
        "lrn_frozen": lambda: lambda: x * a["scale"] ** -0.75,
        "over_channels": lambda: lambda: x.abs().amax(1),
    }
    return made[name]() if name in made else None


def _to_winners(signal: Tensor, winners: Tensor, pixels: Tensor) -> Callable[[], Tensor]:
    """torch names winners by their pixels in the plane."""
    rows, columns = (2 * torch.arange(size, device=signal.device) for size in signal.shape[-2:])
    cells = winners.long()
    indices = (rows[:, None] + cells // 3) * pixels.shape[-1] + columns + cells % 3
    sizes = [3, 3], [2, 2], [0, 0], [1, 1], False
    return lambda: ATEN.max_pool2d_with_indices_backward(signal, pixels, *sizes, indices)


def _soft_step(x: Tensor, gates: Tensor, signal: Tensor, sums: Tensor) -> Tensor:
    """The gates after it; dS/dx below the ReLU is found and dropped."""
    ATEN.threshold_backward(gates * signal, x, 0)
    return torch.clamp(gates + 0.1 * len(x[0]) / sums.sum(1)[:, None] * (x * signal) - 0.2, 0, 1)


def _gate_gradient(x: Tensor, z: Tensor, signal: Tensor) -> Tensor:
    """dS/dz; its mean magnitude and dS/dx below the ReLU, which a step needs too, are found and dropped."""
    g = x * signal
    g.abs().mean(1)
    ATEN.threshold_backward(z * signal, x, 0)
    return g
