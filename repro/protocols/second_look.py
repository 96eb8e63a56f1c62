"""Does a net classify better when it looks twice? Look and Think Twice (2015), §4.3, Table 3, by its method and by all others.

The net, trained on single objects, sees the whole picture squashed to its input and names its five best classes; each
one's map gives the box of 95 % of its energy; the five crops are classified again, and the best five of these 25 answers are
the final ones. The paper's pictures have one label each. A picture of several objects has several, so three numbers are given,
each for the first answers and for the final ones:

    top-1, top-5     the ``dominant`` category, the one whose boxes cover most, is the first answer, is among the five
    precision        of the first n answers, n being the number of categories there, so many are there
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...attention.boxes import area
from ...attention.think_twice import Prepare, think_twice
from ...executor.net import Net

TOP = 5


def look_twice(
    net: Net, image: np.ndarray, prepare: Prepare, method: str, options: Mapping[str, Any]
) -> dict[str, list[int]]:
    """The classes a net names for ``image`` (H, W, 3), best first: after the ``first`` look and the ``final`` ones."""
    thought = think_twice(net, image, prepare, method, top=TOP, options=options)
    return {"first": thought.first.classes.tolist(), "final": thought.final.classes.tolist()}


def dominant(categories: Sequence[int], boxes: Sequence[np.ndarray]) -> int:
    """The category whose boxes (n, 4), taken together, are largest; of equal ones the first."""
    return categories[int(np.argmax([area(own).sum() for own in boxes]))]


def among(answers: Sequence[int], category: int, top: int) -> bool:
    """Whether a category is among the first ``top`` answers."""
    return category in list(answers)[:top]


def precision(answers: Sequence[int], categories: Sequence[int]) -> float:
    """Of the first n answers, n the number of ``categories`` (no more than there are answers), the share that are among them."""
    number = min(len(categories), len(answers))
    return sum(answer in categories for answer in list(answers)[:number]) / number
