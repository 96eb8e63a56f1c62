"""The MWP map: excitation backprop down to one blob, channels added. The rule is in ``excitation.py``."""

from __future__ import annotations

from .excitation import PAPER
from .excitation_variants import OPTIONS, excitation_rule, in_range
from .method import Answer, Method, Question, by_walk, reduce_option
from .places import excitation_blob


def run(question: Question) -> Answer:
    at = question.at or excitation_blob(question)
    return in_range(question, by_walk(question, excitation_rule(question), at))


METHOD = Method(
    name="mwp",
    title="Excitation backprop: marginal winning probability",
    paper=PAPER,
    equation="eq. 5: P_i = a_i sum_j w+_ij P_j / sum_i w+_ij a_i",
    run=run,
    options={**reduce_option("sum"), **OPTIONS},
)
