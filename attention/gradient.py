"""The gradient of a class score: the template that a class lays over the image.

Simonyan, Vedaldi, Zisserman: Deep Inside Convolutional Networks (2013), §3; Look and Think Twice (2015), eq. 7 and §4.2:
M(i, j) = max over colours of |T(i, j, c)|.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

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
    image, size = question.image, tuple(question.image.shape[-2:])
    xp = array_module(image)
    views = [(window, mirror) for window in _windows(size) for mirror in (1, -1)]
    total, covers, scores = 0.0, xp.zeros(size, image.dtype), []
    for (rows, columns), mirror in views:
        view = resize(image[..., rows, columns], *size, "bilinear")[..., ::mirror]
        answer = by_walk(replace(question, image=view), GRADIENT, image_blob(question.net))
        placed = xp.zeros(answer.maps.shape, image.dtype)
        own = rows.stop - rows.start, columns.stop - columns.start
        placed[..., rows, columns] = resize(answer.maps[..., ::mirror], *own, "bilinear")
        total, scores = total + placed, [*scores, answer.scores]
        covers[rows, columns] += 1
    return Answer(total / covers, image_blob(question.net), sum(scores) / len(views))


def _windows(size: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """The corners and the centre of a plane."""
    (height, width), (h, w) = size, (round(n * CROP) for n in size)
    for top, left in ((0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.5)):
        i, j = int(top * (height - h)), int(left * (width - w))
        yield slice(i, i + h), slice(j, j + w)


METHOD = Method(
    name="gradient",
    title="Gradient of the class score",
    paper="Simonyan et al., 2013, §3; Cao et al., Look and Think Twice, 2015, §4.2",
    equation="M = max_c |dS/dI_c|",
    run=run,
    options={
        **reduce_option("max_abs"),
        "crops": Option(1, "10: the average over four corners and the centre, 7/8 of each side, and their mirror images", (1, 10)),
    },
)
