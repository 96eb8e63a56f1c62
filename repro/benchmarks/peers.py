"""The programs that ours are held against: hand-written equivalents, which lie with the tests and never in the package.

A peer is a module of ``tests/peers`` with

    version() -> str
    prepare(device, threads)                              before anything else
    synchronise()                                         wait for the device
    method_ways(job) -> {label: way}                      ways to the result of a ``methods.Job``; none where it has no equivalent
    layer_ways(job) -> {label: way}                       likewise of a ``layers.Job``
    kernel_ways(name, arrays) -> {label: way}             likewise of a kernel, from its arrays
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from ...errors import BadInput, nearest
from ...executor.device import Device

PEERS = {  # and where each is to be had
    "torch": "pip install torch",
    "onnxruntime": "pip install onnxruntime",
    "caffe": "its Python interface, built from github.com/BVLC/caffe and on PYTHONPATH",
}
ROOM = f"{__name__.partition('.')[0]}.tests.peers"


def find_peers(names: Sequence[str], device: Device, threads: int) -> dict[str, Any]:
    """The peers of these names, ready for the device. Raises ``BadInput`` where one is not to be had."""
    return {name: _find(name, device, threads) for name in names}


def _find(name: str, device: Device, threads: int) -> Any:
    if name not in PEERS:
        raise BadInput(f"--against: found {name!r}, expected some of {list(PEERS)}{nearest(name, PEERS)}")
    try:
        import_module(name)
    except ImportError as error:
        raise BadInput(f"--against: found {name} not installed ({error}), expected it: {PEERS[name]}") from None
    try:
        peer = import_module(f"{ROOM}.{name}_peer")
    except ModuleNotFoundError as error:
        raise BadInput(
            f"--against: found no {error.name}, expected a checkout of the repository: the peers are kept with the tests"
        ) from None
    peer.prepare(device, threads)
    return peer
