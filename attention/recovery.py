"""Feedback recovering: gates decided from the top down, each seeing what the gates above let through (`fr`).

Feedback CNN (TPAMI 2018), §3.4.1, Algorithm 1, on the linear approximation of the first pass:

    for l = N .. 1:   a = dS_{l+1}/dx^l,   z^l = threshold(a),   a <- z^l a

With the sign as threshold this is guided backprop, gate for gate. It shows what a neuron sees, but does not tell targets
apart (§3.5). The authors' program (``mode=demo``) clears the one-pixel border of what arrives and compares with the mean of
the positive weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..executor.rules import Rule, reads
from ..layers import feedback
from ..layers.arrays import Array, array_module
from ..layers.layer import Step
from .gates import Gated, Gates
from .maps import over_channels
from .method import Answer, Method, Option, Question, chosen, reduce_option
from .places import image_blob
from .thresholds import THRESHOLDS, threshold, without_edge

MODES: dict[str, dict[str, Any]] = {
    "paper": {"threshold": "sign", "edge": True, "reduce": "sum_abs"},
    "demo": {"threshold": "mean-positive", "edge": False, "reduce": "l2"},
}


def run(question: Question) -> Answer:
    options = chosen(question.options, MODES)
    gated = Gated.over(question, options["where"])
    gates = gated.open()
    first = gated.frozen({})
    signal = first.to_image(recovery_rule(gated, gates, options), at=question.at)
    curve = [first.class_scores(), gated.recomputed(gates).class_scores()]
    at = question.at or image_blob(question.net)
    return Answer(over_channels(signal, options["reduce"]), at, gated.scores, gates, array_module(signal).stack(curve))


def recovery_rule(gated: Gated, gates: Gates, options: Mapping[str, Any]) -> Rule:
    """Algorithm 1 as a rule for walks over the first pass; it writes the gates that it decides into ``gates``."""
    names = {gated.net.graph.nodes[number].layer.name: gate for gate, number in gated.gates.items()}

    @reads()
    def recover(step: Step, signals: Sequence[Array]) -> list[Array | None]:
        arriving = signals[0] if options["edge"] else without_edge(signals[0])
        z, carried = feedback.recover(arriving, threshold(arriving, options["threshold"], options["ratio"]))
        gates[names[step.layer.name]] = z
        return [carried, None]

    return Rule("recovery", {"Feedback": recover}, exact=True)


def threshold_options(threshold: Any = None) -> dict[str, Option]:
    """Options that recovery and selective pruning share; None means: as the mode has it."""
    return {
        "mode": Option("paper", "the paper's letter, or the authors' program", ("paper", "demo")),
        "threshold": Option(threshold, "when a gate opens", (None, *THRESHOLDS)),
        "ratio": Option(1.0, "r: the factor of the mean in the mean thresholds"),
        "edge": Option(None, "whether the one-pixel border takes part", (None, True, False)),
        "where": Option("all", "ReLUs with gates", ("conv", "all")),
    }


METHOD = Method(
    name="fr",
    title="Feedback recovering",
    paper="Cao et al., Feedback CNN, TPAMI 2018, §3.4.1, Algorithm 1",
    equation="z = [a > 0], a <- z a, from the top layer down",
    run=run,
    options={**threshold_options(), **reduce_option(None)},
)
