"""What a method is: a name, a source, named options, and a function from a question to an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import BadInput, nearest
from ..executor.forward import Keep, run_forward
from ..executor.net import Net
from ..executor.routine import done
from ..executor.rules import Rule
from ..executor.walk import Walk, walk_back
from ..layers.arrays import Array, Shape, array_module
from .maps import REDUCTIONS, over_channels
from .places import image_blob
from .targets import hangs_on_scores, prior

# scores (N, C, ...), targets (N, K), their positions (N, K, axes) or None -> the signal at the scores (K, N, C, ...)
Start = Callable[[Array, np.ndarray, "np.ndarray | None"], Array]


@dataclass(frozen=True)
class Option:
    """One named choice of a method; the default is the authors' value. Where there are no choices, it is a number (of the
    default's type, or of ``number`` where the default is None; at least ``least``) or a text."""

    default: Any
    help: str
    choices: tuple[Any, ...] = ()
    number: type[int] | type[float] | None = None
    least: float | None = None

    def read(self, value: Any) -> Any:
        """A value as this option takes it; the words of a command line will do. ``ValueError`` says what is expected."""
        if value is None and self.default is None:
            return None
        number = self.number or type(self.default)
        if self.choices:
            return self._choice(value)
        if number in (int, float):
            return self._number(value, number)
        if not isinstance(value, str):
            raise ValueError("a text")
        return value

    def _choice(self, value: Any) -> Any:
        def word(choice: Any) -> str:
            return choice if isinstance(choice, str) else str(choice).lower()

        words = {word(choice): choice for choice in self.choices}
        if word(value) not in words:
            raise ValueError(f"one of {list(self.choices)}")
        return words[word(value)]

    def _number(self, value: Any, number: type) -> Any:
        kind = "a whole number" if number is int else "a number"
        bound = "" if self.least is None else f" of at least {self.least:g}"
        try:
            found = number(value)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(kind + bound) from None
        cut = number is int and found != float(value)
        if isinstance(value, bool) or cut or not (self.least is None or found >= self.least):
            raise ValueError(kind + bound)
        return found


@dataclass(frozen=True)
class Question:
    """What a method is asked: the net, the images (N, C, H, W), the class indices (N, K), where scores and map lie.

    ``positions`` (N, K, 2): the target is one neuron of a hidden blob ``score``, its class index being the channel.
    """

    net: Net
    image: Array
    targets: np.ndarray
    score: str
    at: str | None
    options: Mapping[str, Any]
    positions: np.ndarray | None = None


@dataclass(frozen=True)
class Answer:
    """Maps (K, N, H, W) at the blob ``at``, and the scores' blob (N, C, ...) of the first forward pass.

    Feedback methods add the final ``gates`` (gate blob -> (K, N, C, H, W)) and the ``curve`` of all class scores, one
    entry per pass: (passes, K, N, C).
    """

    maps: Array
    at: str
    scores: Array
    gates: Mapping[str, Array] = field(default_factory=dict)
    curve: Array | None = None


@dataclass(frozen=True)
class Method:
    """An attention method, as ``METHODS`` lists it."""

    name: str
    title: str
    paper: str
    equation: str
    run: Callable[[Question], Answer]
    options: Mapping[str, Option] = field(default_factory=dict)

    @property
    def file(self) -> str:
        """Where it is written, from the package's root."""
        return self.run.__module__.removeprefix("thinktwice.").replace(".", "/") + ".py"

    def checked(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """All options with their defaults. Raises ``BadInput`` for unknown names and values."""
        given = {}
        for name, value in options.items():
            if name not in self.options:
                known = sorted(self.options)
                raise BadInput(
                    f"method {self.name!r}: found option {name!r}, expected one of {known}{nearest(name, known)}"
                )
            try:
                given[name] = self.options[name].read(value)
            except ValueError as expected:
                raise BadInput(f"method {self.name!r}: option {name}: found {value!r}, expected {expected}") from None
        return {name: given.get(name, option.default) for name, option in self.options.items()}

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


def by_walk(question: Question, rule: Rule, at: str, start: Start = prior) -> Answer:
    """One forward pass, one walk from the target's score down to ``at``, channels reduced as the options say."""
    (signal,), scores = walks(question, [rule], at, start)
    return Answer(over_channels(signal, question.options["reduce"]), at, scores)


def walks(question: Question, rules: Sequence[Rule], at: str, start: Start = prior) -> tuple[list[Array], Array]:
    """One forward pass and a walk under each of ``rules``: the signals (K, N, C, H, W) at ``at``, and the scores' blob.

    ``start`` makes the signal at the scores of these, the targets and their positions. The rules must read the same arrays of every layer.
    """
    net, score, positions = question.net, question.score, question.positions
    graph, x = net.graph, net.array(image_blob(net), question.image)
    image, top, ends = graph.given(image_blob(net)), graph.final(score), set(graph.all_versions(at))
    keep = Keep.for_walk(graph, [top], ends, rules[0], ())

    def sweep(arrays: tuple[Array, Array | None]) -> tuple[list[Array], Array]:
        x, signal = arrays
        trace = run_forward(graph, net.params, {image: x}, keep.values, keep)
        scores = trace.values[top]
        began = {top: start(scores, question.targets, positions) if signal is None else signal}
        return [_signal_at(at, walk_back(graph, trace, began, rule, ends)) for rule in rules], scores

    signal, forms = _known_start(question, x, start), [rule.form for rule in rules]
    what = ("sweep", *forms, score, at) if signal is not None and None not in forms else None
    routine = graph.routines.of(what, net.params, {image: x, top: signal})
    signals, scores = done(routine, (x, signal), sweep)
    check_plane(at, signals[0].shape[1:])
    return signals, scores


def _known_start(question: Question, x: Array, start: Start) -> Array | None:
    """The signal at the scores of images ``x`` where it hangs on no scores: one position, or a certain one, for each target."""
    shape = question.net.shapes(**{image_blob(question.net): tuple(x.shape)})[question.score]
    if start is not prior or shape is None or hangs_on_scores(shape, question.positions):
        return None
    return prior(array_module(x).zeros(shape, x.dtype), question.targets, question.positions)


def _signal_at(at: str, walk: Walk) -> Array:
    """At the image: below any layer in place over it."""
    walk.version(at)  # a blob that no signal reaches is an error
    return walk.signals[walk.graph.given(at)]


def check_plane(at: str, shape: Shape) -> None:
    """Refuse to read a map at a blob that has no positions."""
    if len(shape) != 4:
        raise BadInput(f"at: found blob {at!r} of shape {tuple(shape)}, expected one with 4 axes (N, C, H, W)")


def reduce_option(default: str | None) -> dict[str, Option]:
    """The option by which maps are made of signals; None: as the mode has it."""
    choices = tuple(REDUCTIONS) if default else (None, *REDUCTIONS)
    return {"reduce": Option(default, "how a pixel's channels become one number", choices)}


def chosen(options: Mapping[str, Any], modes: Mapping[Any, Mapping[str, Any]], by: str = "mode") -> dict[str, Any]:
    """The options, with what is None taken from the mode that option ``by`` names."""
    mode = modes[options[by]]
    return {**mode, **{name: mode.get(name) if value is None else value for name, value in options.items()}}
