"""Look and Think Twice's soft gates as a loop in torch (Cao et al., 2015, eq. 6): one gate per neuron, leaves of autograd.

    z <- clip(z + rate (dS/dz / mean |dS/dz| - sparsity), 0, 1)

from the gates that the first pass's ReLUs opened; z >= 0.5 is open in the end, and the map is the gradient at the image then.
"""

from __future__ import annotations

import torch
from torch import Tensor, autograd

from .torch_net import TorchNet

RATE, SPARSITY, OPEN = 0.1, 2.0, 0.5  # thinktwice's defaults
PASSING = ("ReLU", "Dropout", "LRN")


def feedback(net: TorchNet, image: Tensor, target: int, score: str, iterations: int) -> Tensor:
    """Maps max_c |dS/dI_c| (N, 1, H, W) for one class."""
    inputs, relus = {net.inputs[0]: image}, gated_relus(net)
    gates = {name: (x > 0).to(x.dtype) for name, x in _activations(net, image, score, relus).items()}
    for _ in range(iterations):
        gates = {name: z.requires_grad_() for name, z in gates.items()}
        total = net.forward(inputs, score, gates=gates)[score][:, target].sum()
        signals = autograd.grad(total, list(gates.values()))
        moved = {name: _step(z.detach(), g) for (name, z), g in zip(gates.items(), signals, strict=True)}
        still = all(torch.equal(moved[name], gates[name]) for name in gates)
        if still:
            break
        gates = moved
    final = {name: (z.detach() >= OPEN).to(z.dtype) for name, z in gates.items()}
    image = image.detach().requires_grad_()
    total = net.forward({net.inputs[0]: image}, score, gates=final)[score][:, target].sum()
    return autograd.grad(total, image)[0].abs().amax(1, keepdim=True)


def _step(z: Tensor, g: Tensor) -> Tensor:
    size = g.abs().mean((1, 2, 3), keepdim=True)
    return torch.clamp(z + RATE * (g / torch.where(size == 0, 1, size) - SPARSITY), 0, 1)


def gated_relus(net: TorchNet) -> list[str]:
    """All ReLUs but those fed by fully connected layers (§3.4)."""
    makers: dict[str, str] = {}  # blob -> type of the layer that made its numbers
    relus = []
    for layer in net.layers:
        maker = makers.get(layer.bottom[0], "") if layer.type in PASSING else layer.type
        if layer.type == "ReLU" and maker != "InnerProduct":
            relus.append(layer.name)
        makers[layer.top[0]] = maker
    return relus


def _activations(net: TorchNet, image: Tensor, score: str, relus: list[str]) -> dict[str, Tensor]:
    """What each gated ReLU gives in the first pass."""
    tops = {layer.top[0]: layer.name for layer in net.layers if layer.name in relus}
    with torch.no_grad():
        blobs = net.forward({net.inputs[0]: image}, score, keep=list(tops))
    return {name: blobs[top] for top, name in tops.items() if top in blobs}
