"""Caffe's snapshots: weights (``.caffemodel``) and what the solver remembers beside them (``.solverstate``), also as HDF5.

Files appear whole or not at all, the weights first: where there is a state, there are the weights that it names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..caffe_models import files, schema
from ..caffe_models.files import FilePath
from ..caffe_models.hdf5 import read_array
from ..caffe_models.weights import Weights
from ..caffe_models.wire import (
    BYTES,
    VARINT,
    Piece,
    Span,
    blob,
    encoded_blob,
    encoded_field,
    fields,
    signed,
)
from ..caffe_models.writer import PROTOBUF_LIMIT, write_caffemodel, write_hdf5
from ..errors import BadInput

STATE = "a solver's state (.solverstate or .solverstate.h5)"
ITERATION, LEARNED_NET, HISTORY, CURRENT_STEP = (
    schema.message("SolverState").DESCRIPTOR.fields_by_name[name].number
    for name in ("iter", "learned_net", "history", "current_step")
)


@dataclass(frozen=True)
class State:
    """Caffe's ``SolverState``: how many updates were made, the file of the weights, and the history of every parameter."""

    iteration: int
    learned_net: str
    current_step: int
    history: tuple[np.ndarray, ...]


def write_snapshot(net: Any, weights: Weights, state: State, hdf5: bool) -> str:
    """The weights to ``state.learned_net``, then the state beside them; returns the state's file."""
    path = state_file(state.learned_net)
    Path(path).unlink(missing_ok=True)  # of an earlier run: it would speak of weights that are no more
    (write_hdf5 if hdf5 else write_caffemodel)(net, weights, state.learned_net)
    (_write_hdf5 if hdf5 else _write_binary)(state, path)
    return path


def snapshot_file(prefix: str, iteration: int, hdf5: bool) -> str:
    """Caffe's name for the weights of a snapshot."""
    return f"{prefix}_iter_{iteration}.caffemodel{'.h5' if hdf5 else ''}"


def state_file(learned_net: str) -> str:
    """Caffe's name for the state beside such weights."""
    stem, _, ending = learned_net.rpartition(".caffemodel")
    return f"{stem}.solverstate{ending}"


def weights_of(state: State, path: FilePath) -> Path:
    """The weights of a state that was read from ``path``: beside it, where they were written, or else where it says.

    Caffe looks only where the state says, and so finds another run's weights from a folder that was copied.
    """
    beside, told = Path(path).with_name(Path(state.learned_net).name), Path(state.learned_net)
    for place in (beside, told):
        if place.exists():
            return place
    raise BadInput(f"{path}: learned_net: found {state.learned_net!r}, expected a file there or at {beside}")


def read_state(path: FilePath) -> State:
    """A .solverstate or .solverstate.h5, whichever its content says. Raises ``BadInput``."""
    with files.mapped(path) as content:
        kind = files.kind(content)
        if kind == files.BINARY:
            try:
                return _from_binary(content)
            except BadInput as error:
                raise BadInput(f"{error}; expected {STATE}") from None
    if kind == files.HDF5:
        return _from_hdf5(path)
    raise BadInput(f"{path}: is {kind}, expected {STATE}")


# --- binaryproto --------------------------------------------------------------------------------------------


def _write_binary(state: State, path: str) -> None:
    head = schema.new(
        "SolverState", iter=state.iteration, learned_net=state.learned_net, current_step=state.current_step
    )
    pieces: list[Piece] = [head.SerializeToString(deterministic=True)]
    for array in state.history:
        pieces += encoded_field(HISTORY, encoded_blob(array))
    if sum(len(piece) for piece in pieces) > PROTOBUF_LIMIT:
        raise BadInput(f"{path}: would exceed protobuf's 2 GiB, expected snapshot_format: HDF5")
    with files.replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines(pieces)


def _from_binary(content: Span) -> State:
    numbers = {ITERATION: 0, CURRENT_STEP: 0}
    learned_net = ""
    history: list[np.ndarray] = []
    for field in fields(content):
        if field.number in numbers and field.kind == VARINT:
            numbers[field.number] = signed(field.value)
        elif field.number == LEARNED_NET and field.kind == BYTES:
            learned_net = content.within(field, "learned_net").bytes().decode("utf-8", "replace")
        elif field.number == HISTORY:
            history.append(blob(content.within(field, f"history {len(history)}")))
        else:
            raise BadInput(f"{content.where}: holds field {field.number}, which no solver's state has")
    return _checked(State(numbers[ITERATION], learned_net, numbers[CURRENT_STEP], tuple(history)), content.where)


# --- HDF5 ---------------------------------------------------------------------------------------------------


def _write_hdf5(state: State, path: str) -> None:
    with files.replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.create_dataset("iter", data=np.array([state.iteration], np.int32))
        name = state.learned_net.encode()
        file.create_dataset("learned_net", data=np.array(name, h5py.string_dtype("ascii", len(name) + 1)))
        file.create_dataset("current_step", data=np.array([state.current_step], np.int32))
        group = file.create_group("history")
        for number, array in enumerate(state.history):
            group.create_dataset(str(number), data=array)


def _from_hdf5(path: FilePath) -> State:
    try:
        with h5py.File(path, "r") as file:
            missing = [name for name in ("iter", "learned_net", "current_step", "history") if name not in file]
            if missing:
                raise BadInput(f"{path}: has no {missing[0]!r}, expected {STATE}")
            history = file["history"]
            arrays = tuple(
                read_array(history[str(i)], Path(path).stat().st_size, f"{path}: history/{i}")
                for i in range(len(history))
            )
            name = bytes(np.asarray(file["learned_net"]).tobytes()).rstrip(b"\0").decode("utf-8", "replace")
            iteration, step = (int(np.asarray(file[key]).reshape(-1)[0]) for key in ("iter", "current_step"))
    except BadInput:
        raise
    except Exception as error:  # libhdf5 meets a damaged file with whatever its parts raise
        raise BadInput(f"{path}: is a damaged HDF5 file: {error}; expected {STATE}") from None
    return _checked(State(iteration, name, step, arrays), str(path))


def _checked(state: State, where: str) -> State:
    if state.iteration < 0 or not state.learned_net:
        raise BadInput(f"{where}: found iteration {state.iteration} and weights {state.learned_net!r}, expected both")
    return state


def restored(history: Sequence[np.ndarray], shapes: Sequence[tuple[int, ...]], where: str) -> list[np.ndarray]:
    """The history's arrays, one for each of these shapes. Raises ``BadInput``."""
    if len(history) != len(shapes):
        raise BadInput(
            f"{where}: found a history of {len(history)} blobs, expected {len(shapes)}: is it another solver's?"
        )
    for number, (array, shape) in enumerate(zip(history, shapes, strict=True)):
        if array.shape != tuple(shape):
            raise BadInput(f"{where}: history {number}: found shape {array.shape}, expected {tuple(shape)}")
    return list(history)
