"""The deconvolutional network: a ReLU on the way back passes what is positive, whatever it saw on the way up.

Zeiler, Fergus: Visualizing and Understanding Convolutional Networks (2013), §2.1: unpool through the switches, rectify the
signal, filter with the transposed filters. Not the improved version of ``guided.py``, which also keeps the ReLU's own mask.

Without that mask only the switches tie the signal of a class to the image. Where a net ends in global average pooling, the
signal starts the same at every position; it may be positive nowhere some layers down, and the map empty (SqueezeNet).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..executor.rules import Rule, reads, register_rule
from ..layers.arrays import Array, positive_part
from ..layers.layer import Step
from .dual import normalised_difference
from .method import Answer, Method, Option, Question, by_walk, reduce_option
from .places import image_blob


@reads(recordable=True)
def relu(step: Step, signals: Sequence[Array]) -> list[Array | None]:
    """max(signal, 0), with no mask of the forward pass."""
    return [positive_part(signals[0])]


@reads("saved", recordable=True)
def frozen_lrn(step: Step, signals: Sequence[Array]) -> list[Array | None]:
    """LRN as a filter of its own: the normaliser stays as the forward pass left it."""
    layer: Any = step.layer
    return [layer.frozen(signals[0], step.saved)]


DECONVNET = register_rule(Rule("deconvnet", {"ReLU": relu, "LRN": frozen_lrn}))
RULES = {"frozen": DECONVNET, "gradient": replace(DECONVNET, table={"ReLU": relu})}


def run(question: Question) -> Answer:
    rule, at = RULES[question.options["lrn"]], question.at or image_blob(question.net)
    return (normalised_difference if question.options["contrastive"] else by_walk)(question, rule, at)


METHOD = Method(
    name="deconvnet",
    title="Deconvolutional network",
    paper="Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, 2013, §2.1",
    equation="P_i = max(P_j, 0) at every ReLU",
    run=run,
    options={
        **reduce_option("max_abs"),
        "lrn": Option("frozen", "LRN: divide by the forward pass's normaliser, or the gradient", tuple(RULES)),
        "contrastive": Option(
            False,
            "True: minus the dual class's map, both L1-normalised ('c-Deconv', Zhang et al., 2016, Table 2)",
            (False, True),
        ),
    },
)
