"""The training loop, as in Caffe's ``src/caffe/solver.cpp``.

    for event in open_solver("solver.prototxt").run():
        ...

Everything random is a function of the seed and the number of the iteration: a run that was cut off anywhere, and goes on
from a snapshot, ends with the very weights of one that was not.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from ..caffe_models.weights import Weights, fit, read_weights
from ..errors import BadInput
from ..executor.device import Device, to_numpy
from ..executor.graph import Graph
from ..executor.net import Net
from ..executor.parameters import Specs, parameter_specs, share, with_borrowed
from ..executor.trace import Trace
from ..layers import threads
from ..layers.arrays import Array
from .definition import Definition, find_file, read_definition
from .events import Displayed, Event, Outputs, Saved, Stepped, Tested
from .feed import FedNet, open_net
from .losses import loss_weights, training_losses, with_loss_tops
from .parameters import initial_arrays, learnable, learning_layers, unfilled
from .rates import current_step, learning_rate
from .snapshot import State, read_state, restored, snapshot_file, state_file, weights_of, write_snapshot
from .updates import UPDATES, clipped, regularized


def open_solver(
    path: str | os.PathLike[str] | Definition,
    *,
    seed: int | None = None,
    device: str = "cpu",
    weights: Sequence[str] = (),
    snapshot: str | None = None,
) -> Solver:
    """A solver from its prototxt and all that this names. Raises ``BadInput``.

    ``seed``: in the place of the prototxt's ``random_seed``; 0 where there is none either. ``weights``: files to start
    from, in the place of the prototxt's. ``snapshot``: the .solverstate to go on from.
    """
    definition = path if isinstance(path, Definition) else read_definition(path)
    if weights and snapshot:
        raise BadInput("weights: found them beside a snapshot, which has its own; expected one of the two")
    if seed is None:
        seed = max(0, definition.param.random_seed)
    train = open_net(definition.train, "TRAIN", seed)
    tests = [open_net(net, "TEST", seed) for net in definition.tests]
    solver = Solver(definition.param, train, tests, seed=seed, device=device)
    if snapshot:
        solver.restore(snapshot)
        return solver
    folder = Path(definition.source).parent
    for name in weights or [
        find_file(name, folder, f"{definition.source}: weights") for name in definition.param.weights
    ]:
        solver.start_from(read_weights(name))
    return solver


class Solver:
    """Trains one net. ``parameters`` lists what is learnt; ``iteration`` counts the updates made."""

    def __init__(self, param: Any, train: FedNet, tests: Sequence[FedNet] = (), *, seed: int = 0, device: str = "cpu"):
        """``param``: a checked ``SolverParameter``. Weights are drawn from the ``seed`` by the net's fillers."""
        self.param = param
        self.seed = seed
        self.iteration = 0
        self.recent: deque[float] = deque(maxlen=param.average_loss)
        self.from_files: set[str] = set()  # layers whose weights were read
        self._train, self._tests = train, tests
        self._device, self._update = Device.named(device), UPDATES[param.type]
        self._device.use()
        self.last_state = ""  # the .solverstate of the last snapshot
        self._stopped, self._asked, self._saved = False, False, -1

        graph = Graph(with_loss_tops(train.message), train.source)
        self._losses = training_losses(graph)
        self._specs = parameter_specs(graph)
        drawn = initial_arrays(graph, self._specs, seed)
        placed = {layer: tuple(self._placed(array) for array in own) for layer, own in drawn.items()}
        self._arrays = share(graph, placed)
        self._net = Net(graph, self._arrays, device=self._device.name)  # a view: it changes as the arrays do
        self.parameters = list(learnable(graph, self._specs, self._arrays))
        for parameter in self.parameters:
            parameter.history.extend(parameter.array * 0 for _ in range(self._update.arrays))
        self._learning = learning_layers(graph, self.parameters)
        self._test_nets = [self._test_net(test) for test in tests]

    # -- what a caller does -------------------------------------------------------------------------------------------

    def run(self) -> Iterator[Event]:
        """Train until ``max_iter``, or until ``stop``; then save, and look at the result once more."""
        param = self.param
        self._device.use()
        while self.iteration < param.max_iter and not self._stopped:
            if self.iteration > 0 or param.test_initialization:
                yield from self._test_if_due()
            if self._stopped:
                break
            yield from self._step()
            if self._asked or _due(param.snapshot, self.iteration):
                yield from self._saving()
        if self._saved != self.iteration and (self._stopped or param.snapshot_after_train):
            yield from self._saving()
        if self._stopped:
            return
        if _due(param.display, self.iteration):
            with self._threads():
                trace = self._forward(0)
            self.recent.append(_loss(trace, self._losses))
            yield self._displayed(trace)
        yield from self._test_if_due()

    def stop(self) -> None:
        """Let the iteration that runs end, save, and end: for a signal handler."""
        self._stopped = True

    def save_soon(self) -> None:
        """Save after the iteration that runs: for a signal handler."""
        self._asked = True

    def snapshot(self) -> Saved:
        """Write the weights and the state to ``snapshot_prefix``'s files."""
        param, hdf5, event = self.param, self.param.snapshot_format == self.param.HDF5, self._saved_event()
        step = current_step(param, max(0, self.iteration - 1))
        history = [to_numpy(array) for number in range(self._update.arrays) for array in self._history(number)]
        state = State(self.iteration, event.weights, step, tuple(history))
        write_snapshot(self._train.stored, self.weights(event.weights), state, hdf5)
        self.last_state, self._saved, self._asked = event.state, self.iteration, False
        return event

    def restore(self, path: str) -> None:
        """Go on from a snapshot, the .solverstate of a solver of this type and net. Raises ``BadInput``."""
        state = read_state(path)
        if state.iteration > self.param.max_iter:
            raise BadInput(
                f"{path}: found iteration {state.iteration}, expected at most max_iter, {self.param.max_iter}"
            )
        weights = read_weights(weights_of(state, path))
        history = restored(state.history, [p.array.shape for p in self.parameters] * self._update.arrays, path)
        self._take(weights, whole=True)
        for number in range(self._update.arrays):
            for array in self._history(number):
                array[...] = self._device.array(history.pop(0), array.dtype)
        self.iteration = self._saved = state.iteration
        self.last_state = path

    def start_from(self, weights: Weights) -> None:
        """Take over the weights of all layers that a file has as well, as Caffe does to fine-tune. Raises ``BadInput``."""
        self._take(weights, whole=False)

    def weights(self, name: str = "") -> Weights:
        """A copy of the weights as they are now; ``name``: the file that they are for."""
        return Weights(name, {layer: tuple(np.array(to_numpy(a)) for a in own) for layer, own in self._arrays.items()})

    @property
    def drawn_as_zeros(self) -> list[str]:
        """The layers whose weights start as zeros, for want of a filler or a file."""
        return [layer for layer in unfilled(self._specs) if layer not in self.from_files]

    @property
    def rate(self) -> float:
        """The learning rate of the next update."""
        return learning_rate(self.param, self.iteration)

    def _threads(self) -> AbstractContextManager[None]:
        """Images are shared out to a CPU's threads."""
        return threads.shared_out() if self._device.index is None else nullcontext()

    def _saving(self) -> Iterator[Event]:
        """A snapshot, told just before its files appear: who kills the run in between loses it, but no log ever lacks the line
        of a snapshot that is there."""
        yield self._saved_event()
        self.snapshot()

    def _saved_event(self) -> Saved:
        hdf5 = self.param.snapshot_format == self.param.HDF5
        path = snapshot_file(self.param.snapshot_prefix, self.iteration, hdf5)
        return Saved(self.iteration, path, state_file(path), tuple(self.recent), self.seed)

    # -- one iteration ------------------------------------------------------------------------------------------------

    def _step(self) -> Iterator[Event]:
        """One update."""
        with self._threads(), np.errstate(over="ignore", invalid="ignore"):  # a loss that is no number ends it all
            trace, gradients = self._gradients()
        if _due(self.param.display, self.iteration):
            yield self._displayed(trace)
        rate = self.rate
        with np.errstate(over="ignore", invalid="ignore"):
            self._apply(gradients, rate)
        self.iteration += 1
        yield Stepped(self.iteration, self._smoothed, rate)

    def _apply(self, gradients: dict[str, list[Array]], rate: float) -> None:
        """Caffe's order: clip, normalize, regularize, update. What has no learning rate stays, and its history too."""
        param = self.param
        learning = [parameter for parameter in self.parameters if parameter.lr_mult]
        own = clipped(param, [gradients[parameter.layer][parameter.index] for parameter in learning])
        for parameter, gradient in zip(learning, own, strict=True):
            if param.iter_size > 1:
                gradient = gradient * (1 / param.iter_size)
            gradient = regularized(param, parameter.decay_mult, parameter.array, gradient)
            local_rate = rate * parameter.lr_mult
            self._update.apply(param, self.iteration, local_rate, parameter.array, gradient, parameter.history)

    def _gradients(self) -> tuple[Trace, dict[str, list[Array]]]:
        """The last pass of this iteration, and the sum of all ``iter_size`` passes' gradients, by layer."""
        loss = 0.0
        total: dict[str, list[Array]] = {}
        for part in range(self.param.iter_size):
            trace = self._forward(part)
            loss += _loss(trace, self._losses)
            for layer, arrays in trace.updated.items():
                for array, updated in zip(self._arrays[layer], arrays, strict=True):
                    array[...] = updated
            for layer, gradients in self._backward(trace).items():
                before = total.get(layer)
                total[layer] = [a + b for a, b in zip(before, gradients, strict=True)] if before else list(gradients)
        loss /= self.param.iter_size
        if not math.isfinite(loss):
            raise BadInput(
                f"iteration {self.iteration}: found loss {loss}, expected a finite number: the learning rate "
                f"({self.rate:g}) may be too high; the last snapshot is unharmed"
            )
        self.recent.append(loss)
        return trace, total

    def _forward(self, part: int) -> Trace:
        number = self.iteration * self.param.iter_size + part
        return self._net.forward(
            self._train.batch(number),
            blobs={*self._net.outputs, *self._losses},
            rule="gradient",
            params=self._learning,
            seed=(self.seed, self.iteration, part),
        )

    def _backward(self, trace: Trace) -> dict[str, tuple[Array, ...]]:
        if not self._learning:
            return {}
        signals = {blob: np.full(trace.shape(blob), weight) for blob, weight in self._losses.items()}
        return self._net.backward(trace, signals, to=(), params=self._learning).params

    def _displayed(self, trace: Trace) -> Displayed:
        return Displayed(self.iteration, self._smoothed, self.rate, _outputs(self._net, trace))

    @property
    def _smoothed(self) -> float:
        """The mean of the last ``average_loss`` losses."""
        return math.fsum(self.recent) / max(1, len(self.recent))

    # -- test nets ----------------------------------------------------------------------------------------------------

    def _test_net(self, test: FedNet) -> Net:
        """A test net over the arrays of the net that is trained. Raises ``BadInput`` for a layer that this one lacks."""
        graph = Graph(with_loss_tops(test.message), test.source)
        specs = parameter_specs(graph)
        shapes = {layer: [array.shape for array in own] for layer, own in self._arrays.items()}
        _check_same(graph, specs, shapes)
        return Net(graph, {layer: self._arrays[layer] for layer in specs}, device=self._device.name)

    def _test_if_due(self) -> Iterator[Tested]:
        if not _due(self.param.test_interval, self.iteration):
            return
        before = self.iteration // self.param.test_interval - (not self.param.test_initialization)
        for number in range(len(self._tests)):
            tested = self._test(number, before)
            if tested:
                yield tested

    def _test(self, number: int, before: int) -> Tested | None:
        """The next ``test_iter`` batches after those of the tests ``before``; nothing where someone said stop."""
        test, net, batches = self._tests[number], self._test_nets[number], self.param.test_iter[number]
        weights, loss = loss_weights(net.graph), 0.0
        sums: dict[str, Any] = {}
        for k in range(before * batches, (before + 1) * batches):
            if self._stopped:
                return None
            with self._threads():
                blobs = {*net.outputs, *weights}
                trace = net.forward(test.batch(k), blobs=blobs, seed=(self.seed, self.iteration, k))
            loss += _loss(trace, weights)
            for blob, array in _outputs(net, trace).items():
                sums[blob] = sums.get(blob, 0) + array.astype(np.float64)
        outputs = {blob: array / batches for blob, array in sums.items()}
        return Tested(self.iteration, number, outputs, loss / batches if self.param.test_compute_loss else None)

    # -- arrays -------------------------------------------------------------------------------------------------------

    def _placed(self, array: np.ndarray) -> Array:
        return self._device.array(array, np.dtype(np.float32))

    def _history(self, number: int) -> Iterable[Array]:
        return (parameter.history[number] for parameter in self.parameters)

    def _take(self, weights: Weights, whole: bool) -> None:
        """Copy a file's weights: all that there must be (``whole``), or those of layers that the file and the net have."""
        expected = {layer: [array.shape for array in own] for layer, own in self._arrays.items()}
        blobs = Weights(weights.path, with_borrowed(self._net.graph, weights.blobs))
        found = fit(blobs, expected, partial=not whole)
        if not found:
            raise BadInput(f"{weights.path}: found no layer of the net, expected at least one of {', '.join(expected)}")
        for layer, arrays in found.items():
            for array, taken in zip(self._arrays[layer], arrays, strict=True):
                array[...] = self._device.array(taken, array.dtype)
        self.from_files.update(found)


def _due(interval: int, iteration: int) -> bool:
    return interval > 0 and iteration % interval == 0


def _loss(trace: Trace, weights: Mapping[str, float]) -> float:
    """The sum of the losses, each by its weight."""
    return sum(weight * float(trace[blob].sum()) for blob, weight in weights.items())


def _outputs(net: Net, trace: Trace) -> Outputs:
    return {blob: to_numpy(trace[blob]) for blob in net.outputs}


def _check_same(graph: Graph, specs: Specs, trained: dict[str, list[tuple[int, ...]]]) -> None:
    """Refuse a test net with a layer that is not trained, or not in this shape."""
    for layer, own in specs.items():
        wanted, found = [tuple(spec.shape) for spec in own], trained.get(layer)
        if wanted != found:
            told = f"shapes {found}" if found else "no layer of this name"
            raise graph.nodes[graph.node(layer)].layer.refuse(
                "parameters", f"{told} in the net that is trained", f"{wanted}"
            )
