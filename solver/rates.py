"""How the learning rate falls: Caffe's ``lr_policy``, as ``SGDSolver::GetLearningRate`` has it.

    fixed      base_lr
    step       base_lr gamma ^ floor(i / stepsize)
    exp        base_lr gamma ^ i
    inv        base_lr (1 + gamma i) ^ -power
    multistep  base_lr gamma ^ (number of stepvalues reached)
    poly       base_lr (1 - i / max_iter) ^ power
    sigmoid    base_lr / (1 + exp(-gamma (i - stepsize)))

``i`` counts the updates made before this one. A setting that is not given is 0, as in Caffe.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

POLICIES: dict[str, Callable[[Any, int], float]] = {
    "fixed": lambda p, i: 1,
    "step": lambda p, i: p.gamma ** current_step(p, i),
    "exp": lambda p, i: p.gamma**i,
    "inv": lambda p, i: (1 + p.gamma * i) ** -p.power,
    "multistep": lambda p, i: p.gamma ** current_step(p, i),
    "poly": lambda p, i: (1 - i / p.max_iter) ** p.power,
    "sigmoid": lambda p, i: (1 + math.tanh(p.gamma * (i - p.stepsize) / 2)) / 2,  # the same, without overflow
}
READS = {  # the settings that a policy cannot do without
    "step": ("gamma", "stepsize"),
    "exp": ("gamma",),
    "inv": ("gamma", "power"),
    "multistep": ("gamma", "stepvalue"),
    "poly": ("power",),
    "sigmoid": ("gamma", "stepsize"),
}


def learning_rate(param: Any, iteration: int) -> float:
    """The rate of update number ``iteration`` = 0, 1, 2 ... under a checked ``SolverParameter``."""
    try:
        return param.base_lr * POLICIES[param.lr_policy](param, iteration)
    except (OverflowError, ZeroDivisionError):  # C's pow makes an infinity of these
        return math.inf


def current_step(param: Any, iteration: int) -> int:
    """How many steps the rate has fallen by update number ``iteration``; 0 for policies without steps.

    Caffe looks at one ``stepvalue`` per iteration: the second of two equal ones counts one iteration later.
    """
    if param.lr_policy == "step":
        return iteration // param.stepsize
    if param.lr_policy != "multistep":
        return 0
    taken, reached = 0, -1
    for value in param.stepvalue:
        reached = max(value, reached + 1)
        taken += reached <= iteration
    return taken
