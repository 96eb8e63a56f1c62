"""The table of methods: every file that defines one is named here, in the order in which the table shows them."""

from __future__ import annotations

from ..errors import BadInput, nearest
from . import (
    cam,
    contrastive,
    deconvnet,
    feedback,
    feedback_hard,
    global_perception,
    grad_cam,
    gradient,
    guided,
    lrp_alphabeta,
    lrp_epsilon,
    mwp,
    recovery,
    selected_recovery,
    selective_pruning,
    summation,
)
from .method import Method

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        gradient.METHOD,
        deconvnet.METHOD,
        guided.METHOD,
        lrp_epsilon.METHOD,
        lrp_alphabeta.METHOD,
        cam.METHOD,
        grad_cam.METHOD,
        mwp.METHOD,
        contrastive.METHOD,
        feedback.METHOD,
        feedback_hard.METHOD,
        global_perception.METHOD,
        selective_pruning.METHOD,
        recovery.METHOD,
        selected_recovery.METHOD,
        summation.METHOD,
    )
}


def find_method(name: str) -> Method:
    """A method by name. Raises ``BadInput`` that names the nearest known one."""
    if name not in METHODS:
        raise BadInput(f"method: found {name!r}, expected one of {list(METHODS)}{nearest(name, METHODS)}")
    return METHODS[name]
