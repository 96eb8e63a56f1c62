"""The table of methods: name -> what it is, where it comes from, its options and how to run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import BadInput, nearest
from ..executor.net import Net
from ..executor.rules import Rule, find_rule
from ..layers.arrays import Array
from .contrastive import classifier_below, contrastive_rule
from .maps import REDUCTIONS, over_channels
from .places import excitation_blob, image_blob
from .targets import prior


@dataclass(frozen=True)
class Option:
    """One named choice of a method; the default is the authors' value."""

    default: Any
    help: str
    choices: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Question:
    """What a method is asked: the net, the images (N, C, H, W), the class indices (N, K), where scores and map lie."""

    net: Net
    image: Array
    targets: np.ndarray
    score: str
    at: str | None
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """Maps (K, N, H, W) at the blob ``at``, and the scores' blob (N, C, ...) of the forward pass."""

    maps: Array
    at: str
    scores: Array


@dataclass(frozen=True)
class Method:
    """An attention method, as ``METHODS`` lists it."""

    name: str
    title: str
    paper: str
    equation: str
    file: str
    run: Callable[[Question], Answer]
    options: Mapping[str, Option] = field(default_factory=dict)

    def checked(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """All options with their defaults. Raises ``BadInput`` for unknown names and values."""
        for name, value in options.items():
            if name not in self.options:
                known = sorted(self.options)
                raise BadInput(
                    f"method {self.name!r}: found option {name!r}, expected one of {known}{nearest(name, known)}"
                )
            choices = self.options[name].choices
            if choices and value not in choices:
                raise BadInput(f"method {self.name!r}: option {name}: found {value!r}, expected one of {list(choices)}")
        return {name: options.get(name, option.default) for name, option in self.options.items()}

    def describe(self) -> dict[str, Any]:
        """This method as plain data, for ``methods --json``."""
        options = {
            name: {"default": option.default, "help": option.help, "choices": list(option.choices)}
            for name, option in self.options.items()
        }
        return {
            "name": self.name,
            "title": self.title,
            "paper": self.paper,
            "equation": self.equation,
            "file": self.file,
            "options": options,
        }


def by_walk(question: Question, rule: Rule, at: str) -> Answer:
    """One forward pass, one walk from the target's score down to ``at``, channels reduced as the options say."""
    net, score = question.net, question.score
    trace = net.forward({image_blob(net): question.image}, blobs=[score], rule=rule, to=[at])
    walk = net.backward(trace, {score: prior(trace[score], question.targets)}, rule=rule, to=[at])
    signal = walk[at]
    if signal.ndim != 5:
        raise BadInput(
            f"at: found blob {at!r} of shape {tuple(signal.shape[1:])}, expected one with 4 axes (N, C, H, W)"
        )
    return Answer(over_channels(signal, question.options["reduce"]), at, trace[score])


def _gradient(question: Question) -> Answer:
    return by_walk(question, find_rule("gradient"), question.at or image_blob(question.net))


def _guided(question: Question) -> Answer:
    return by_walk(question, find_rule("guided"), question.at or image_blob(question.net))


def _mwp(question: Question) -> Answer:
    return by_walk(question, find_rule("excitation"), question.at or _excitation_place(question))


def _c_mwp(question: Question) -> Answer:
    classifier = classifier_below(question.net, question.score)
    at = question.at or _excitation_place(question)
    graph = question.net.graph
    below = graph.needed_for(graph.nodes[graph.node(classifier)].bottoms)
    if graph.final(at) not in {value for number in below for value in graph.nodes[number].tops}:
        raise BadInput(
            f"at: found {at!r}, expected a blob below the classifier {classifier!r}, where the contrast is made"
        )
    return by_walk(question, contrastive_rule(classifier), at)


def _excitation_place(question: Question) -> str:
    net = question.net
    shapes = net.shapes(**{image_blob(net): question.image.shape})
    node = net.graph.nodes[net.graph.node(classifier_below(net, question.score))]
    return excitation_blob(net, shapes, below=net.graph.blobs[node.bottoms[0]])


def _reduce(default: str) -> dict[str, Option]:
    return {"reduce": Option(default, "how a pixel's channels become one number", tuple(REDUCTIONS))}


_EBP = "Zhang et al., Top-down Neural Attention by Excitation Backprop, 2016"

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "gradient",
            "Gradient of the class score",
            "Simonyan et al., 2013; Cao et al., Look and Think Twice, 2015, §3.4",
            "dS/dx, max over channels of its absolute value",
            "attention/methods.py",
            _gradient,
            _reduce("max_abs"),
        ),
        Method(
            "guided",
            "Guided backprop",
            "Springenberg et al., Striving for Simplicity, 2014, §3.4; 'Deconv' in the tables of Zhang et al., 2016",
            "P_i = [x_i > 0] max(P_j, 0) at every ReLU",
            "attention/guided.py",
            _guided,
            _reduce("max_abs"),
        ),
        Method(
            "mwp",
            "Excitation backprop: marginal winning probability",
            _EBP,
            "eq. 5: P_i = a_i sum_j w+_ij P_j / sum_i w+_ij a_i",
            "attention/excitation.py",
            _mwp,
            _reduce("sum"),
        ),
        Method(
            "c-mwp",
            "Contrastive excitation backprop",
            _EBP,
            "§3.3: the class's mass minus its dual's at the classifier's input, then eq. 5",
            "attention/contrastive.py",
            _c_mwp,
            _reduce("positive_sum"),
        ),
    )
}


def find_method(name: str) -> Method:
    """A method by name. Raises ``BadInput`` that names the nearest known one."""
    if name not in METHODS:
        raise BadInput(f"method: found {name!r}, expected one of {list(METHODS)}{nearest(name, METHODS)}")
    return METHODS[name]
