"""The gradient of a class score by torch's autograd."""

from __future__ import annotations

from torch import Tensor, autograd

from .torch_net import TorchNet


def gradient(net: TorchNet, image: Tensor, target: int, score: str) -> Tensor:
    """dS/dI of every image (N, C, H, W) for one class."""
    image = image.detach().requires_grad_()
    scores = net.forward({net.inputs[0]: image}, score)[score]
    return autograd.grad(scores[:, target].sum(), image)[0]
