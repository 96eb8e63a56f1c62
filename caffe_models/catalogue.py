"""The models that are known by name: where their files lie, and how a picture must be made up for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import BadInput, nearest

EMBEDDED = Path(__file__).with_name("embedded")


@dataclass(frozen=True)
class Model:
    """A net and its weights (of several files the later one wins). ``labels`` names the classes, one line each, as
    synset_words.txt does: an id, then names.

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


MULTI = "-multi"  # the end of the name of a net with a head of several labels
ILSVRC_MEAN = (104.0, 117.0, 123.0)  # blue, green, red: what the Model Zoo's ImageNet nets subtract


def _scenes(name: str, what: str, flat: bool = False) -> tuple[Model, Model]:
    """A net that tells the classes of scenes apart, and the same with a head that tells of each class whether it is there."""
    folder, labels = EMBEDDED / name, EMBEDDED / "scenes_labels.txt"
    weights, head = folder / f"{name}.caffemodel", folder / f"{name}{MULTI}.caffemodel"
    one = Model(
        name,
        f"{what}: one object in a scene",
        "BSD-2-Clause",
        folder / "deploy.prototxt",
        (weights,),
        labels,
        ILSVRC_MEAN,
        scale=0.017,
    )
    several = replace(
        one,
        name=name + MULTI,
        description=f"{what}: several objects in a scene, of any size",
        prototxt=folder / "multi_deploy.prototxt",
        weights=(weights, head),
        flat=flat,
    )
    return one, several


MODELS = {
    model.name: model
    for pair in (
        _scenes("scenes-alexnet", "grouped convolutions, LRN, two fully connected layers", flat=True),
        _scenes("scenes-vgg", "stacks of 3 x 3 convolutions, two fully connected layers", flat=True),
        _scenes("scenes-googlenet", "inception modules, LRN, global average pooling"),
        _scenes("scenes-resnet", "residual blocks with batch normalisation, global average pooling"),
    )
    for model in pair
}


def model_names() -> list[str]:
    return sorted(MODELS)


def find_model(name: str) -> Model:
    """The model of this name. Raises ``BadInput`` with the nearest known name."""
    if name not in MODELS:
        raise BadInput(f"model: found {name!r}, expected one of {model_names()}{nearest(name, MODELS)}")
    return MODELS[name]
