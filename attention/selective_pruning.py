"""Feedback selective pruning: gates closed by contribution weights that no gate has changed (`fsp`).

Feedback CNN (TPAMI 2018), §3.4.2, Algorithm 2. The contribution weight a = dS/dy of a gated neuron depends on the layers
above it alone, and is the same throughout one iteration; so one backward pass, then setting all gates from it, equals the
paper's bottom-up sweep exactly:

    z <- z threshold(a)       closed gates stay closed

``mode=paper``: on the linear approximation of the first pass (masks, switches and normalisers frozen), threshold by sign,
about 5 iterations (Fig. 6). ``mode=demo``, the authors' program: masks recomputed, first the upper layers down to relu4_2,
then all, each gate by a >= the mean of its layer's positive weights, the one-pixel border closed.

The score of the gated net can fall (the proof of the appendix passes ReLUs in silence): look at the curve.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..layers import feedback
from ..layers.arrays import Array, array_module, multiply
from .gates import Gated, Gates, Pass
from .maps import over_channels
from .method import Answer, Method, Option, Question, chosen, reduce_option
from .places import image_blob
from .recovery import threshold_options
from .rest import Rest, changes
from .thresholds import threshold, without_edge

MODES: dict[str, dict[str, Any]] = {
    "paper": {"threshold": "sign", "edge": True, "masks": "frozen", "iterations": 5, "reduce": "sum_abs"},
    "demo": {"threshold": "mean-positive", "edge": False, "masks": "recomputed", "iterations": 2, "reduce": "l2"},
}
DEMO_FIRST_DOWN_TO = "relu4_2"  # of VGG16: how far down the program's first iteration sets gates


def run(question: Question) -> Answer:
    options = chosen(question.options, MODES)
    gated, gates, passed, curve = select(question, options)
    maps = over_channels(passed.to_image(at=question.at), options["reduce"])
    return Answer(maps, question.at or image_blob(question.net), gated.scores, gates, curve)


def select(question: Question, options: Mapping[str, Any]) -> tuple[Gated, Gates, Pass, Array]:
    """The gated net, the gates after the last iteration, the pass under them, and the curve of class scores.

    The last iteration is the one after which no gate of any image and target would change.
    """
    gated = Gated.over(question, options["where"])
    gates = gated.open()
    passed = gated.frozen(gates)
    curve, rest = [passed.class_scores()], Rest()
    for iteration in range(options["iterations"]):
        pruned = prune(gated, gates, passed, options, first=iteration == 0)
        if iteration and rest.reached(changes(pruned, gates)):
            break
        gates = pruned
        again = gated.recomputed(gates)
        curve.append(again.class_scores())
        passed = again if options["masks"] == "recomputed" else gated.frozen(gates)
    return gated, gates, passed, array_module(question.image).stack(curve[: 2 + rest.after])


def prune(gated: Gated, gates: Gates, passed: Pass, options: Mapping[str, Any], first: bool) -> Gates:
    """One iteration: every gate from the contribution weights under the gates of before."""
    weights, active = passed.contributions(), passed.activations()
    spared = below_first_phase(gated) if first and options["mode"] == "demo" else set()
    pruned = {}
    for gate, z in gates.items():
        a = weights[gate]
        if options["mode"] == "demo":  # the program compares what goes on below the gate and the ReLU
            a = multiply(a, z) * (active[gate] > 0)
        a = a if options["edge"] else without_edge(a)
        pruned[gate] = (
            z if gate in spared else feedback.prune(z, a, threshold(a, options["threshold"], options["ratio"]))
        )
    return pruned


def below_first_phase(gated: Gated) -> set[str]:
    """The gates that the program's first iteration leaves open: those below relu4_2, or the lower half in other nets."""
    names = list(gated.gates)
    first = f"{DEMO_FIRST_DOWN_TO}_gates"
    return set(names[: names.index(first) if first in names else len(names) // 2])


PRUNING_OPTIONS = {
    **threshold_options(),
    "iterations": Option(None, "updates of all gates; 5 in the paper, 2 in the program", number=int, least=0),
    "masks": Option(None, "ReLU masks and switches of the first pass, or of each", (None, "frozen", "recomputed")),
}

METHOD = Method(
    name="fsp",
    title="Feedback selective pruning",
    paper="Cao et al., Feedback CNN, TPAMI 2018, §3.4.2, Algorithm 2",
    equation="z <- z [a > 0], a = dS/dy of all layers at once",
    run=run,
    options={**PRUNING_OPTIONS, **reduce_option(None)},
)
