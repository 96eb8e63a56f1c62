"""The models that are known by name: where their files lie, and how a picture must be made up for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInput, nearest

EMBEDDED = Path(__file__).with_name("embedded")


@dataclass(frozen=True)
class Model:
    """A net and its weights (of several files the later one wins). ``labels`` names the classes, one line each, as synset_words.txt does: an id, then names.

    A picture, values 0 to 255, has its channels put in ``order``; ``mean`` (one number per channel, in that order) is
    subtracted, and the rest is multiplied by ``scale``. Its size is that of the prototxt's input.
    """

    name: str
    description: str
    license: str
    prototxt: Path
    weights: tuple[Path, ...]
    labels: Path
    mean: tuple[float, float, float]
    order: str = "BGR"
    scale: float = 1.0
    flat: bool = False  # the definition has convolutions where the weights are of inner products

    @property
    def class_names(self) -> list[str]:
        """The classes in the order of the scores, without their ids."""
        lines = self.labels.read_text(encoding="utf-8").splitlines()
        return [line.partition(" ")[2] for line in lines]


MODELS = {
    model.name: model
    for model in [
        Model(
            "figures",
            "eight drawn figures on cluttered ground, for demonstrations and tests without a download",
            "BSD-2-Clause",
            EMBEDDED / "figures_deploy.prototxt",
            (EMBEDDED / "figures.caffemodel",),
            EMBEDDED / "figures_labels.txt",
            mean=(104.0, 117.0, 123.0),
        )
    ]
}


def model_names() -> list[str]:
    return sorted(MODELS)


def find_model(name: str) -> Model:
    """The model of this name. Raises ``BadInput`` with the nearest known name."""
    if name not in MODELS:
        raise BadInput(f"model: found {name!r}, expected one of {model_names()}{nearest(name, MODELS)}")
    return MODELS[name]
