"""A net: layers and weights, and the two things to do with them, a forward pass and a walk back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from ..errors import BadInput, names, nearest
from ..layers.arrays import Array, Shape
from .device import Device
from .forward import Keep, run_forward
from .graph import Graph
from .parameters import add_up, share
from .rules import Rule, find_rule
from .trace import Trace
from .walk import Walk, walk_back

DTYPES = ("float32", "float64")


class Net:
    """An immutable net, safe to share between threads; ``thinktwice.load`` makes one from files.

    ``layers``, ``blobs``, ``inputs`` and ``outputs`` list names in the prototxt's order; ``params["conv1"]`` holds a layer's
    arrays; ``message`` is the upgraded ``NetParameter``.
    """

    def __init__(
        self,
        graph: Graph,
        parameters: Mapping[str, Sequence[np.ndarray]],
        message: Any = None,
        dtype: str = "float32",
        device: str = "cpu",
    ):
        if dtype not in DTYPES:
            raise BadInput(f"dtype: found {dtype!r}, expected one of {list(DTYPES)}")
        self.graph = graph
        self.message = message
        self.dtype = np.dtype(dtype)
        self.device = Device.named(device)
        placed = {
            layer: tuple(_read_only(self.device.array(array, self.dtype), array) for array in arrays)
            for layer, arrays in parameters.items()
        }
        self.params: Mapping[str, tuple[Array, ...]] = MappingProxyType(share(graph, placed))

    @property
    def name(self) -> str:
        return self.message.name if self.message is not None else ""

    @property
    def layers(self) -> list[str]:
        return list(self.graph.by_name)

    @property
    def blobs(self) -> list[str]:
        return list(self.graph.versions)

    @property
    def inputs(self) -> list[str]:
        return list(self.graph.inputs)

    @property
    def outputs(self) -> list[str]:
        return list(self.graph.outputs)

    def shapes(self, **inputs: Shape) -> dict[str, Shape | None]:
        """The shape of every blob, for the prototxt's input shapes or the given ones (``data=(1, 3, 227, 227)``)."""
        shapes = self.graph.shapes(inputs)
        return {blob: shapes[self.graph.final(blob)] for blob in self.graph.versions}

    def forward(
        self,
        inputs: Mapping[str, Any] | None = None,
        *,
        blobs: Iterable[str] | None = None,
        rule: str | Rule | None = None,
        to: Iterable[str] = (),
        params: bool | Iterable[str] = False,
        seed: int | Sequence[int] | None = None,
        **named: Any,
    ) -> Trace:
        """Run the net on ``data=x`` (or ``inputs={"data": x}``), with any batch and image size that its layers accept.

        An inner blob may be given too; then nothing below it is computed. Without ``blobs``, every blob is computed and
        kept. With ``blobs``, only what these need is computed, and only they are kept; if a ``rule`` is named as well, so is
        what a walk under it from ``blobs`` down to ``to`` (with ``params``, to all weights, or to those of the layers that it
        names) will read. Everything else is freed as soon as its last reader is done.

        ``seed``: for layers of the TRAIN phase that draw random numbers (Dropout), which are refused without one.
        """
        if not isinstance(inputs, Mapping | None):
            raise BadInput(f"inputs: found {type(inputs).__name__}, expected arrays by name: {self.inputs[0]}=array")
        given = {self.graph.given(name): self.array(name, array) for name, array in {**(inputs or {}), **named}.items()}
        start = () if seed is None else (seed,) if isinstance(seed, int) else tuple(seed)
        wanted = self.graph.ends if blobs is None else [self.graph.final(blob) for blob in names("blobs", blobs)]
        keep = Keep.everything(self.graph) if blobs is None else Keep(set(wanted))
        if blobs is not None and rule is not None:
            keep = Keep.for_walk(self.graph, wanted, self._versions(to), find_rule(rule), self._owners(params))
        with self.device.here():
            return run_forward(self.graph, self.params, given, wanted if blobs is None else keep.values, keep, start)

    def backward(
        self,
        trace: Trace,
        signals: Mapping[str, Any],
        rule: str | Rule = "gradient",
        to: Iterable[str] | None = None,
        params: bool | Iterable[str] = False,
    ) -> Walk:
        """Walk from ``signals`` (blob -> array) down to the blobs ``to``; by default to all that the trace holds.

        A signal has its blob's shape, or (K, *shape) for K targets at once, and then so have all results; a number will do
        for a blob that holds one number (a loss). ``params=True`` adds the weights' gradients, for one target; names of layers
        in its place add only theirs.
        """
        if trace.graph is not self.graph:  # its values have numbers of their own
            raise BadInput("trace: found one of another net, expected one of this net's forward passes")
        starts = {self.graph.final(blob): self._signal(trace, blob, signal) for blob, signal in signals.items()}
        stacked = {array.ndim - len(trace.shape(blob)) for blob, array in zip(signals, starts.values(), strict=True)}
        targets = {len(array) if stacked == {1} else 1 for array in starts.values()}
        if len(stacked) != 1 or len(targets) != 1:
            raise BadInput(
                "signals: found different numbers of targets, expected at least one signal, and K targets for each"
            )
        owners = self._owners(params)
        if owners and stacked == {1}:
            raise BadInput(
                "signals: found a target axis, expected none where the weights' gradients are wanted (params)"
            )
        if stacked == {0}:
            starts = {value: array[None] for value, array in starts.items()}
        ends = set(trace.values) if to is None else self._versions(to)
        with self.device.here():
            walk = walk_back(self.graph, trace, starts, find_rule(rule), ends, owners)
            if stacked == {0}:
                walk.drop_target_axis()
            walk.params = add_up(self.graph, walk.params)
        for blob in to or ():
            walk.version(blob)  # a blob that no signal reaches is an error, not a silent gap
        return walk

    def _owners(self, params: bool | Iterable[str]) -> Collection[str]:
        """The layers whose parameters' gradients are wanted."""
        if isinstance(params, bool):
            return tuple(self.params) if params else ()
        owners = names("params", params)
        for layer in owners:
            if layer not in self.params:
                raise BadInput(
                    f"params: found {layer!r}, expected a layer that has parameters{nearest(layer, self.params)}"
                )
        return owners

    def _versions(self, blobs: Iterable[str]) -> set[int]:
        """All versions of these blobs."""
        return {value for blob in names("to", blobs) for value in self.graph.all_versions(blob)}

    def array(self, blob: str, array: Any) -> Array:
        """What is given for a blob as an array of this net's type, on its device. Raises ``BadInput``."""
        try:
            return self.device.array(array, self.dtype)
        except (TypeError, ValueError, BufferError, RuntimeError) as error:  # the last two: tensors that give no array
            raise BadInput(f"blob {blob!r}: found {type(array).__name__}, expected numbers ({error})") from None

    def _signal(self, trace: Trace, blob: str, signal: Any) -> Array:
        """The signal at a blob, of its shape or (K, *shape)."""
        shape, array = trace.shape(blob), self.array(blob, signal)
        if array.ndim == 0 and shape == (1,):
            return array.reshape(shape)
        if array.shape != shape and array.shape[1:] != shape:
            wanted = ", ".join(map(str, shape))
            raise BadInput(
                f"signal at {blob!r}: found shape {array.shape}, expected ({wanted}), or (K, {wanted}) for K targets"
            )
        return array


def _read_only(array: Array, given: Array) -> Array:
    """The array, on the CPU as a view that nobody can write through; itself if nobody can as it is: nets that share weights
    share what is kept beside them. A copy of what was ``given`` is this net's own."""
    if isinstance(array, np.ndarray) and array.flags.writeable:
        own = not np.may_share_memory(array, given)
        array = array.view()
        array.setflags(write=False)
        if own and array.base is not None:
            array.base.setflags(write=False)
    return array
