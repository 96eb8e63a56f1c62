"""Train a net as Caffe's solver does, from a solver prototxt and the nets and data that it names.

Weights and the solver's state go to snapshot_prefix's files in Caffe's formats; beside them a log (.jsonl) and, at the end,
its curves (.png). Ctrl-C saves a snapshot first, a second one does not. A run that goes on from any snapshot ends with the
very weights of one that was never cut off.
"""

from __future__ import annotations

import shlex
import signal
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import BadInput
from ...executor.device import Device
from ...layers import threads
from ...solver.definition import Definition, read_definition
from ...solver.events import Displayed, Saved, Tested
from ...solver.log import Log
from ...solver.solver import Solver, open_solver
from .. import arguments
from ..output import Output
from ..training_progress import TrainingProgress

DONE, INTERRUPTED = 0, 130


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("solver", metavar="SOLVER.PROTOTXT", help="the solver's definition")
    parser.add_argument("--snapshot", metavar="S.SOLVERSTATE", help="go on from this snapshot (also .solverstate.h5)")
    parser.add_argument(
        "--weights", metavar="W[,W2]", help="start from the weights of the layers that these files have"
    )
    parser.add_argument("--seed", type=arguments.seed, help="in the place of random_seed (default: that, else 0)")
    parser.add_argument("--out", metavar="DIR", help="folder for log and curves (default: that of the snapshots)")
    arguments.add_device(parser)
    arguments.add_output(parser)


def run(args: Namespace) -> int:
    output = Output(args)
    definition = read_definition(args.solver)
    for note in definition.notes:
        output.note(note)
    solver = open_solver(
        definition,
        seed=args.seed,
        device=_device(args.device, definition, output),
        weights=args.weights.split(",") if args.weights else (),
        snapshot=args.snapshot,
    )
    if not threads.available():
        output.note(
            "threadpoolctl is not installed: training is slower than it could be: pip install 'thinktwice[train]'"
        )
    for layer in solver.drawn_as_zeros:
        output.note(f"layer {layer!r}: its weights start as zeros: no weight_filler, as in Caffe")
    place = _place(args.out, definition.param.snapshot_prefix)
    log = Log(place.with_name(f"{place.name}.jsonl"), solver.iteration if args.snapshot else None)
    if args.snapshot:
        _check_seed(solver, log, output)
        solver.recent.extend(log.last_snapshot.get("recent", []))
    result = _train(solver, log, output, shlex.join(_go_on(args)))
    result |= {"log": str(log.path), "plot": _plot(log, place.with_name(f"{place.name}.png"), output)}
    if output.json:
        output.data(result)
    else:
        _show(output, result)
    return INTERRUPTED if result["stopped"] else DONE


def _check_seed(solver: Solver, log: Log, output: Output) -> None:
    seed = log.last_snapshot.get("seed", solver.seed)
    if seed != solver.seed:
        output.note(
            f"seed: found {solver.seed}, expected {seed} as before: what is drawn at random will be something else"
        )


def _train(solver: Solver, log: Log, output: Output, go_on: str) -> dict[str, Any]:
    """Run to the end, or to Ctrl-C; what came of it."""
    displayed, saved, tests = None, None, {}
    with _signals(solver) as stopped, TrainingProgress(solver, output) as progress:
        for event in solver.run():
            log.add(event)
            progress.show(event, log.seconds)
            match event:
                case Displayed():
                    displayed = event
                case Tested():
                    tests[event.net] = event
                case Saved():
                    saved = event
    if stopped:
        state = shlex.quote(solver.last_state)
        output.note(f"stopped after {solver.iteration} iterations; to go on: {go_on} --snapshot {state}")
    return {
        "iterations": solver.iteration,
        "stopped": bool(stopped),
        "loss": displayed.loss if displayed else None,
        "tests": [{"iteration": test.iteration, **test.outputs} for test in tests.values()],
        "weights": saved.weights if saved else None,
        "state": saved.state if saved else None,
        "seconds": log.seconds,
    }


@contextmanager
def _signals(solver: Solver) -> Iterator[list[int]]:
    """Ctrl-C ends the run after a snapshot, and at once when it comes again; SIGHUP takes a snapshot. As in Caffe."""
    told: list[int] = []

    def stop(number: int, frame: Any) -> None:
        told.append(number)
        solver.stop()
        signal.signal(number, signal.default_int_handler)

    if threading.current_thread() is not threading.main_thread():  # only there can signals be handled
        yield told
        return
    handlers = {signal.SIGINT: stop}
    if hasattr(signal, "SIGHUP"):
        handlers[signal.SIGHUP] = lambda number, frame: solver.save_soon()
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _go_on(args: Namespace) -> list[str]:
    """The command line without what the snapshot replaces."""
    flags = {"--seed": args.seed, "--out": args.out, "--device": args.device if args.device != "auto" else None}
    given = [word for flag, value in flags.items() if value is not None for word in (flag, str(value))]
    return ["thinktwice", "train", args.solver, *given]


def _device(name: str, definition: Definition, output: Output) -> str:
    """``--device``, or what solver_mode and device_id say; a GPU that is not there gives way to the CPU, which is said."""
    param = definition.param
    if name != "auto":
        return name
    if param.solver_mode == param.CPU:
        return "cpu"
    try:
        return Device.named(f"cuda:{param.device_id}").name
    except BadInput as error:
        if param.HasField("solver_mode"):
            output.note(f"{definition.source}: solver_mode: found GPU, training on the CPU: {error}")
        return "cpu"


def _place(folder: str | None, prefix: str) -> Path:
    """Log and curves are named like the snapshots."""
    if folder is None:
        return Path(prefix)
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"--out: {folder} cannot be made a folder: {error.strerror or error}") from None
    return Path(folder) / Path(prefix).name


def _plot(log: Log, path: Path, output: Output) -> str | None:
    from ...solver.curve import draw

    try:
        return str(path) if draw(log.lines, path, title=path.stem) else None
    except ImportError:
        output.note("no curves drawn: matplotlib is not installed: pip install 'thinktwice[train]'")
        return None


def _show(output: Output, result: dict[str, Any]) -> None:
    loss = "" if result["loss"] is None else f", loss {result['loss']:.6g}"
    output.text(f"{result['iterations']} iterations in {result['seconds']:.1f} s{loss}")
    for number, test in enumerate(result["tests"]):
        for blob, value in test.items():
            if blob != "iteration":
                told = f"{float(value):.6g}" if value.size == 1 else value.tolist()
                output.text(f"test net {number} after {test['iteration']} iterations: {blob} = {told}")
    for what in ("weights", "state", "log", "plot"):
        if result[what]:
            output.text(f"{what}: {result[what]}")
