"""Caffe's six solvers for one number, written down line by line from src/caffe/solvers/*.cpp."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class Weight:
    """One weight with the history of one solver; settings are named as in the SolverParameter."""

    value: float
    momentum: float = 0.0
    momentum2: float = 0.999
    rms_decay: float = 0.99
    delta: float = 1e-8
    iteration: int = 0
    history: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def update(self, solver: str, gradient: float, rate: float) -> None:
        self.value -= getattr(self, solver.lower())(gradient, rate)
        self.iteration += 1

    def sgd(self, diff: float, rate: float) -> float:
        self.history[0] = rate * diff + self.momentum * self.history[0]
        return self.history[0]

    def nesterov(self, diff: float, rate: float) -> float:
        update = self.history[0]
        self.history[0] = rate * diff + self.momentum * self.history[0]
        return (1 + self.momentum) * self.history[0] - self.momentum * update

    def adagrad(self, diff: float, rate: float) -> float:
        update = diff**2
        self.history[0] = update + self.history[0]
        update = self.history[0] ** 0.5
        update = update + self.delta
        update = diff / update
        return rate * update

    def rmsprop(self, diff: float, rate: float) -> float:
        update = diff**2
        self.history[0] = (1 - self.rms_decay) * update + self.rms_decay * self.history[0]
        update = self.history[0] ** 0.5
        update = update + self.delta
        update = diff / update
        return rate * update

    def adadelta(self, diff: float, rate: float) -> float:
        update = diff**2
        self.history[0] = (1 - self.momentum) * update + self.momentum * self.history[0]
        temp = self.delta
        update = temp + self.history[1]
        temp = temp + self.history[0]
        update = update / temp
        update = update**0.5
        diff = diff * update
        update = diff**2
        self.history[1] = (1 - self.momentum) * update + self.momentum * self.history[1]
        return rate * diff

    def adam(self, diff: float, rate: float) -> float:
        t = self.iteration + 1
        correction = math.sqrt(1 - self.momentum2**t) / (1 - self.momentum**t)
        self.history[0] = (1 - self.momentum) * diff + self.momentum * self.history[0]
        self.history[1] = (1 - self.momentum2) * diff * diff + self.momentum2 * self.history[1]
        return rate * correction * self.history[0] / (math.sqrt(self.history[1]) + self.delta)
