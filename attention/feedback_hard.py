"""Deep Feedback, hard optimisation: gates decided from the class node down (`feedback-hard`).

Deep Feedback Neural Networks (the draft of Look and Think Twice), §3.2, as its authors' 2014 program does it. The row e with
S = e x is carried from the class node towards the image; a gate it meets stays open where e > 0, and a closed one stays
closed:

    z <- z [e > 0],      e <- e z [x > 0]  below the gated ReLU

LRN counts as its frozen normaliser, e scale^-beta, which is exact and needs no constant. After each sweep the net runs
again under the gates. The map is what the last sweep carried to the image.

So this is what Feedback CNN (2018) calls recovery, not selective pruning. One sweep with the forward mask [x > 0] is
*guided* backprop; without it, the deconvnet.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..executor.rules import Rule, reads
from ..layers.arrays import Array, array_module
from ..layers.feedback import hard_step
from ..layers.layer import Step
from .deconvnet import frozen_lrn
from .gates import Gated, Gates
from .maps import over_channels
from .method import Answer, Method, Option, Question, reduce_option
from .places import image_blob
from .thresholds import threshold


def run(question: Question) -> Answer:
    options = question.options
    gated = Gated.over(question, options["where"])
    gates, curve = gated.open(), []
    for iteration in range(options["iterations"]):
        passed = gated.under(gates) if iteration else gated.frozen(gates)
        curve.append(passed.class_scores())
        gates = dict(gates)
        carried = passed.to_image(hard_rule(gated, gates, options), at=question.at)
    curve.append(gated.recomputed(gates).class_scores())
    maps = over_channels(carried, options["reduce"])
    at = question.at or image_blob(question.net)
    return Answer(maps, at, gated.scores, gates, array_module(maps).stack(curve))


def hard_rule(gated: Gated, gates: Gates, options) -> Rule:
    """The sweep as a rule; it writes the gates that it decides into ``gates``."""
    names = {gated.net.graph.nodes[number].layer.name: gate for gate, number in gated.gates.items()}

    @reads()
    def gate(step: Step, signals: Sequence[Array]) -> list[Array | None]:
        e, name = signals[0], names[step.layer.name]
        arriving = e.reshape(gates[name].shape)
        gates[name], carried = hard_step(gates[name], arriving, threshold(arriving, "sign"))
        return [carried.reshape(e.shape), None]

    @reads()
    def unmasked(step: Step, signals: Sequence[Array]) -> list[Array | None]:
        return [signals[0]]

    table = {"Feedback": gate}
    if options["lrn"] == "frozen":
        table["LRN"] = frozen_lrn
    if not options["forward_mask"]:
        table["ReLU"] = unmasked
    return Rule("hard feedback", table, exact=True)


METHOD = Method(
    name="feedback-hard",
    title="Feedback: hard gates, top-down",
    paper="Deep Feedback Neural Networks (draft of Look and Think Twice), §3.2",
    equation="z <- z [e > 0], e <- e z [x > 0]",
    run=run,
    options={
        "iterations": Option(1, "sweeps, each followed by a forward pass under the new gates", least=1),
        "forward_mask": Option(True, "whether e passes only where the ReLU was active", (True, False)),
        "lrn": Option("frozen", "LRN on the way down: its frozen normaliser, or its gradient", ("frozen", "gradient")),
        "where": Option("all", "ReLUs with gates", ("conv", "all")),
        **reduce_option("max_abs"),
    },
)
