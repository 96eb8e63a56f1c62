"""The gradient of a class score: the template that a class lays over the image.

Simonyan, Vedaldi, Zisserman: Deep Inside Convolutional Networks (2013), §3; Look and Think Twice (2015), eq. 7 and §4.2:
M(i, j) = max over colours of |T(i, j, c)|.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from ..errors import BadInput
from ..executor.rules import GRADIENT
from ..layers.arrays import array_module
from .maps import resize
from .method import Answer, Method, Option, Question, by_walk, reduce_option
from .places import image_blob

CROP = 7 / 8  # of each side: 224 of 256 pixels, as the classifiers of the time were tested


def run(question: Question) -> Answer:
    image = image_blob(question.net)
    at = question.at or image
    if question.options["crops"] == 1:
        return by_walk(question, GRADIENT, at)
    if at != image:
        raise BadInput(f"at: found {at!r}, expected {image!r} with 10 crops, whose maps are put back in the image")
    return over_ten_crops(question)


def over_ten_crops(question: Question) -> Answer:
    """Maps of ten views of the image, put back where they came from and averaged over the views that hold a pixel.

    Simonyan et al., §3.1: "we computed 10 saliency maps on the 10 sub-images, and then averaged them". The views are the
    four corners and the centre, each also mirrored; what they cut from the image is resized (bilinear) to its size, which
    the net may insist on. The scores are the mean over the views.
    """
    image, at = question.image, image_blob(question.net)
    (images, targets), (height, width) = question.targets.shape, image.shape[-2:]
    xp, h, w = array_module(image), round(CROP * height), round(CROP * width)
    total = xp.zeros((targets, images, height, width), image.dtype)
    covers, scores = xp.zeros((height, width), image.dtype), 0
    for (top, left), mirror in product(_corners(height - h, width - w), (1, -1)):
        window = (..., slice(top, top + h), slice(left, left + w))
        view = resize(image[window], height, width, "bilinear")[..., ::mirror]
        answer = by_walk(replace(question, image=view), GRADIENT, at)
        total[window] += resize(answer.maps[..., ::mirror], h, w, "bilinear")
        covers[window] += 1
        scores = scores + answer.scores / 10
    return Answer(total / covers, at, scores)


def _corners(down: int, right: int) -> list[tuple[int, int]]:
    """Where the five windows begin, for the last place down and to the right."""
    return [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]


METHOD = Method(
    name="gradient",
    title="Gradient of the class score",
    paper="Simonyan et al., 2013, §3; Cao et al., Look and Think Twice, 2015, §4.2",
    equation="M = max_c |dS/dI_c|",
    run=run,
    options={
        **reduce_option("max_abs"),
        "crops": Option(
            1, "10: the average over four corners and the centre, 7/8 of each side, and their mirror images", (1, 10)
        ),
    },
)
