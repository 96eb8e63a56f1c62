"""The memory that a method needs at its peak, beyond its net's: measured in a process of its own, which does nothing else."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...executor.device import Device

if TYPE_CHECKING:
    from .methods import Case
    from .race import Setting

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_memory(case: Case, way: str, setting: Setting) -> int | None:
    """Bytes that a case's first run takes at its peak, with its net open and its weights in place. ``way``: ours, or a peer's by
    its label. On the CPU resident memory, where Linux tells; on a GPU what our pool holds, and ``None`` for peers."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        task = (case, way, setting.device.name, setting.threads, tuple(setting.peers), setting.seed)
        return pool.submit(_peak, *task).result()


def _peak(case: Case, way: str, device: str, threads: int, peers: tuple[str, ...], seed: int) -> int | None:
    from .methods import job_of, ours
    from .peers import find_peers
    from .race import OURS

    place = Device.named(device)
    job = job_of(case, case.model.open(device), seed)
    if way == OURS:
        return _rise(ours(job), place)
    ways = [peer.method_ways(job) for peer in find_peers(peers, place, threads).values()]
    return _rise(next(own[way] for own in ways if way in own), place)


def _rise(way: Any, device: Device) -> int | None:
    if device.index is not None:
        return _rise_of_pool(way)
    before = _resident("VmRSS")
    try:
        RESET.write_text("5", encoding="ascii")  # the peak starts anew
    except OSError:
        return None
    way()
    peak = _resident("VmHWM")
    return None if before is None or peak is None else peak - before


def _resident(what: str) -> int | None:
    for line in STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{what}:"):
            return 1024 * int(line.split()[1])
    return None


def _rise_of_pool(way: Any) -> int:
    import cupy

    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    before = pool.total_bytes()
    way()
    return pool.total_bytes() - before
