"""The gradient of a class score: the template that a class lays over the image.

Simonyan, Vedaldi, Zisserman: Deep Inside Convolutional Networks (2013), §3; Look and Think Twice (2015), eq. 7 and §4.2:
M(i, j) = max over colours of |T(i, j, c)|.
"""

from __future__ import annotations

from ..executor.rules import GRADIENT
from .method import Answer, Method, Question, by_walk, reduce_option
from .places import image_blob


def run(question: Question) -> Answer:
    return by_walk(question, GRADIENT, question.at or image_blob(question.net))


METHOD = Method(
    name="gradient",
    title="Gradient of the class score",
    paper="Simonyan et al., 2013, §3; Cao et al., Look and Think Twice, 2015, §4.2",
    equation="M = max_c |dS/dI_c|",
    run=run,
    options=reduce_option("max_abs"),
)
