"""Does a net classify better when it looks twice? Look and Think Twice (2015), §4.3, Table 3, by its method and by all others.

The net, trained on single objects, sees the whole picture squashed to its input and names its five best classes; each
one's map gives the box of 95 % of its energy; the five crops are classified again, and the best five of these 25 answers are
the final ones. The paper's pictures have one label each. Where a picture shows several objects, none of them is the one that
ought to be named first (a crop of the smaller one is a better picture of it than the whole was), so all of them are right. For
the first answers and for the final ones:

    top-1        the first answer is there
    top-5        of the categories there, the share that is among the five answers
    precision    of the first n answers, n being the number of categories there, the share that is there
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...attention.think_twice import Prepare, think_twice
from ...executor.net import Net

TOP = 5


def look_twice(
    net: Net, image: np.ndarray, prepare: Prepare, method: str, options: Mapping[str, Any]
) -> dict[str, list[int]]:
    """The classes a net names for ``image`` (H, W, 3), best first: after the ``first`` look and the ``final`` ones."""
    thought = think_twice(net, image, prepare, method, top=TOP, options=options)
    return {"first": thought.first.classes.tolist(), "final": thought.final.classes.tolist()}


def right(answers: Sequence[int], categories: Sequence[int]) -> tuple[float, float, float]:
    """top-1, top-5 and precision of the five ``answers``, best first, for a picture that shows ``categories``."""
    return float(answers[0] in categories), recall(answers, categories), precision(answers, categories)


def recall(answers: Sequence[int], categories: Sequence[int]) -> float:
    """The share of the categories that are among the answers."""
    return sum(category in answers for category in categories) / len(categories)


def precision(answers: Sequence[int], categories: Sequence[int]) -> float:
    """Of the first n answers, n the number of ``categories`` (no more than there are answers), the share that are among them."""
    number = min(len(categories), len(answers))
    return sum(answer in categories for answer in answers[:number]) / number
