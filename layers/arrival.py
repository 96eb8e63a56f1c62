"""Where signals arrive on the way back: at a blob that other readers have sent theirs to, and that a ReLU may have made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .arrays import Array, add, multiply, where_positive


class Sender(NamedTuple):
    """A layer's signal (K, N, ...), and the weights through which it is to be sent down: then it is multiplied by ``times``."""

    signal: Array
    weights: Array
    times: Array | None


@dataclass(frozen=True)
class Arrival:
    """A signal (K, N, ...) becomes ``(onto + times * signal) * [where > 0]``; each of them may be missing.

    ``onto`` (K, N, ...): what has arrived so far; ``times`` and ``where`` (N, ...): for all targets. ``senders``: a convolution
    does not send its signal down, but only adds itself to them.
    """

    onto: Array | None = None
    times: Array | None = None
    where: Array | None = None
    senders: list[Sender] | None = None

    def at(self, signal: Array) -> Array:
        """What becomes of a new ``signal``, whose array may serve for it."""
        if self.times is not None:
            signal = multiply(signal, self.times)
        if self.onto is not None:
            signal = add(self.onto, signal)
        return signal if self.where is None else where_positive(signal, self.where)


ALONE = Arrival()  # nothing was there before, and nothing happens to it
