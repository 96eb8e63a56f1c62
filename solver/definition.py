"""What a solver prototxt asks for, checked: every setting is honoured, or refused by its name."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..caffe_models import schema
from ..caffe_models.definition import read_net, read_solver
from ..caffe_models.phases import for_state
from ..caffe_models.upgrade import upgraded_net
from ..errors import BadInput, nearest
from .data_layer import find
from .rates import POLICIES, READS
from .updates import UPDATES

TRAIN_FIELDS = ("net", "net_param", "train_net", "train_net_param")
PHASES = {number: name for name, number in schema.enum("Phase").items()}


@dataclass(frozen=True)
class TrainingNet:
    """A net of one state, with its data layers; ``source`` and ``folder`` of the file that it came from."""

    message: Any
    source: str
    folder: Path


@dataclass(frozen=True)
class Definition:
    """``param``: the checked ``SolverParameter``, whose ``snapshot_prefix`` is set as Caffe sets it. ``notes``: what a
    person should know of it, one line each."""

    source: str
    param: Any
    train: TrainingNet
    tests: tuple[TrainingNet, ...]
    notes: tuple[str, ...]


def read_definition(path: str | os.PathLike[str]) -> Definition:
    """A solver prototxt and the nets that it names. Raises ``BadInput``."""
    return Reader(read_solver(path), str(path)).definition()


def find_file(name: str, folder: str | os.PathLike[str], where: str) -> str:
    """A file to read: from the current directory as in Caffe, or else in ``folder``. Raises ``BadInput``."""
    found, looked = find(name, folder)
    if found is None:
        raise BadInput(f"{where}: found {name!r}, expected a file; there is none at {' or '.join(looked)}")
    return found


class Reader:
    """Reads one ``SolverParameter``; ``source`` is its file."""

    def __init__(self, param: Any, source: str):
        self.param = schema.copy(param)
        self.source = source
        self.folder = Path(source).parent
        self.notes: list[str] = []

    def definition(self) -> Definition:
        self._check_numbers()
        self._check_rate()
        self._check_update()
        self._check_refused()
        self._set_prefix()
        train, tests = self._train_net(), tuple(self._test_nets())
        return Definition(self.source, self.param, train, tests, tuple(self.notes))

    def refuse(self, field: str, found: Any, expected: str) -> BadInput:
        told = f"{found:g}" if isinstance(found, float) else found
        return BadInput(f"{self.source}: {field}: found {told}, expected {expected}")

    # -- settings -----------------------------------------------------------------------------------------------------

    def _check_numbers(self) -> None:
        for field, value in self.param.ListFields():
            if isinstance(value, float) and not math.isfinite(value):
                raise self.refuse(field.name, value, "a finite number")
        least = {"max_iter": 1, "iter_size": 1, "average_loss": 1}
        least |= dict.fromkeys(("display", "test_interval", "snapshot", "stepsize", "device_id"), 0)
        for name, fewest in least.items():
            if getattr(self.param, name) < fewest:
                found = getattr(self.param, name) if self.param.HasField(name) else "none"
                raise self.refuse(name, found, f"a number from {fewest} on")
        for name in ("base_lr", "momentum", "weight_decay", "gamma", "rms_decay", "delta", "momentum2"):
            if getattr(self.param, name) < 0:
                raise self.refuse(name, getattr(self.param, name), "a number from 0 on")

    def _check_rate(self) -> None:
        param = self.param
        if not param.HasField("base_lr"):
            raise self.refuse("base_lr", "none", "the learning rate to start with")
        if param.lr_policy not in POLICIES:
            known = f"one of {', '.join(POLICIES)}{nearest(param.lr_policy, POLICIES)}"
            raise self.refuse("lr_policy", repr(param.lr_policy) if param.HasField("lr_policy") else "none", known)
        reads = READS.get(param.lr_policy, ())
        for name in reads:
            if not (getattr(param, name) if name == "stepvalue" else param.HasField(name)):
                self.notes.append(f"{self.source}: lr_policy {param.lr_policy} reads {name}: not given, 0 as in Caffe")
        if "stepsize" in reads and param.stepsize < 1:
            raise self.refuse("stepsize", param.stepsize, f"a positive number for lr_policy {param.lr_policy}")
        if any(value < 0 for value in param.stepvalue):
            raise self.refuse("stepvalue", list(param.stepvalue), "numbers from 0 on")

    def _check_update(self) -> None:
        param = self.param
        if param.type not in UPDATES:
            raise self.refuse("type", repr(param.type), f"one of {', '.join(UPDATES)}{nearest(param.type, UPDATES)}")
        if param.type in ("AdaGrad", "RMSProp") and param.momentum:
            raise self.refuse("momentum", param.momentum, f"none: {param.type} has no use for it")
        if param.rms_decay >= 1:
            raise self.refuse("rms_decay", param.rms_decay, "a number below 1")
        if param.type == "Adam" and not max(param.momentum, param.momentum2) < 1:
            raise self.refuse(
                "momentum", f"{param.momentum:g} and momentum2 {param.momentum2:g}", "numbers below 1 for Adam"
            )
        if param.regularization_type not in ("L1", "L2"):
            raise self.refuse("regularization_type", repr(param.regularization_type), "L1 or L2")

    def _check_refused(self) -> None:
        """Settings of Caffe's that nothing here answers."""
        if self.param.snapshot_diff:
            raise self.refuse("snapshot_diff", "true", "false: snapshots hold weights, not gradients")
        if self.param.debug_info:
            raise self.refuse("debug_info", "true", "false: `thinktwice forward` tells what every blob holds")
        if self.param.HasField("layer_wise_reduce"):
            self.notes.append(
                f"{self.source}: layer_wise_reduce says how several GPUs add up gradients; one device is used"
            )

    def _set_prefix(self) -> None:
        """Caffe's ``UpgradeSnapshotPrefixProperty``: the solver's own name where none is given, or only a folder."""
        param = self.param
        if not param.HasField("snapshot_prefix"):
            param.snapshot_prefix = str(Path(self.source).with_suffix(""))
            self.notes.append(f"{self.source}: no snapshot_prefix: {param.snapshot_prefix}, as in Caffe")
        elif Path(param.snapshot_prefix).is_dir():
            param.snapshot_prefix = str(Path(param.snapshot_prefix) / Path(self.source).stem)
        folder = Path(param.snapshot_prefix).parent
        if not (folder.is_dir() and os.access(folder, os.W_OK)):
            raise self.refuse(
                "snapshot_prefix", repr(param.snapshot_prefix), "a place in a folder that can be written to"
            )

    # -- nets ---------------------------------------------------------------------------------------------------------

    def _train_net(self) -> TrainingNet:
        given = [name for name in TRAIN_FIELDS if self.param.HasField(name)]
        if len(given) != 1:
            raise self.refuse("net", " and ".join(given) or "none", f"exactly one of {', '.join(TRAIN_FIELDS)}")
        return self._in_state(self._net(given[0], getattr(self.param, given[0])), "TRAIN", self.param.train_state)

    def _test_nets(self) -> Iterator[TrainingNet]:
        """In Caffe's order: test_net_param, test_net, and ``net`` once for every test_iter that is left."""
        param = self.param
        own = [self._net("test_net_param", net) for net in param.test_net_param]
        own += [self._net("test_net", name) for name in param.test_net]
        generic = next((name for name in ("net", "net_param") if param.HasField(name)), None)
        left = len(param.test_iter) - len(own)
        if left < 0 or (left and not generic):
            raise self.refuse("test_iter", f"{len(param.test_iter)} numbers", f"one for each of {len(own)} test nets")
        if any(number < 1 for number in param.test_iter):
            raise self.refuse("test_iter", list(param.test_iter), "positive numbers")
        if param.test_iter and not param.test_interval:
            raise self.refuse("test_interval", "none", "a positive number beside test_iter")
        if param.test_interval and not param.test_iter:
            self.notes.append(f"{self.source}: test_interval without test_iter: nothing is tested, as in Caffe")
        if len(param.test_state) not in (0, len(param.test_iter)):
            states = f"{len(param.test_state)} states"
            raise self.refuse("test_state", states, f"none, or one for each of {len(param.test_iter)} test nets")
        if generic:
            own += [self._net(generic, getattr(param, generic)) for _ in range(left)]
        for number, net in enumerate(own):
            state = param.test_state[number] if param.test_state else schema.new("NetState")
            yield self._in_state(net, "TEST", state)

    def _net(self, field: str, value: Any) -> TrainingNet:
        """The net that a field names, or holds."""
        if not isinstance(value, str):
            source = f"{self.source}: {field}"
            return TrainingNet(upgraded_net(value, source), source, self.folder)
        path = find_file(value, self.folder, f"{self.source}: {field}")
        return TrainingNet(read_net(path), path, Path(path).parent)

    @staticmethod
    def _in_state(net: TrainingNet, phase: str, state: Any) -> TrainingNet:
        """The net's layers of a state: the phase, then what the net's own state says, then what the solver's does."""
        merged = schema.new("NetState", phase=schema.enum("Phase")[phase])
        merged.MergeFrom(net.message.state)
        merged.MergeFrom(state)
        stages = list(state.stage)  # the net's own are added in any case
        filtered = for_state(net.message, PHASES[merged.phase], merged.level, stages, source=net.source)
        return TrainingNet(filtered, net.source, net.folder)
