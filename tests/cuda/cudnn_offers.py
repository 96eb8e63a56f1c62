"""What cuDNN itself offers for a card that need not be there, as JSON: run by test_cudnn_offers.py, in a process of its own.

For each sum: the plan that ``thinktwice.cuda.cudnn`` would take, with the notes on it, and the notes that are on any plan offered.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import cudnn as library

from thinktwice.cuda import cudnn
from thinktwice.layers.correlation import Geometry

LIMITS = {
    "regsPerBlock": 65536,
    "multiProcessorCount": 132,
    "warpSize": 32,
    "maxSharedMemoryPerBlock": 49152,
    "maxSharedMemoryPerBlockOptin": 232448,
    "reservedSharedMemoryPerBlock": 1024,
    "oversizedSharedMemoryPerBlock": 0,
    "maxRegistersPerSM": 65536,
    "maxCtasPerSM": 32,
    "maxThreadsPerBlock": 1024,
    "maxThreadsPerSM": 2048,
    "pciDeviceId": 0,
    "isTccDriver": 0,
    "supportCoopLaunch": 1,
    "totalGlobalMem": 80_000_000_000,
    "smClockRateKHz": 1_980_000,
    "memClockRateKHz": 3_201_000,
    "memoryBusWidth": 6144,
    "l2CacheSize": 52_428_800,
    "cudaDeviceId": 0,
    "deviceVer": 900,
    "maxBlockSize": [1024, 1024, 64],
    "maxGridSize": [2**31 - 1, 65535, 65535],
    "driverVer": 13000,
    "deviceName": "NVIDIA H100",
    "smCountOrigin": 0,
}
CARDS: dict[str, dict[str, Any]] = {
    "80": {
        "deviceVer": 800,
        "multiProcessorCount": 108,
        "maxSharedMemoryPerBlockOptin": 166912,
        "deviceName": "NVIDIA A100",
    },
    "90": {},
    "100": {"deviceVer": 1000, "multiProcessorCount": 148, "deviceName": "NVIDIA B200"},
}
SUMS = {  # channels and pixels of eight images, number of filters, and how they move
    "1x1": ((64, 28, 28), 96, Geometry((1, 1), (1, 1), (0, 0), (1, 1))),
    "3x3 padded": ((64, 28, 28), 96, Geometry((3, 3), (1, 1), (1, 1), (1, 1))),
    "7x7 by 2": ((3, 224, 224), 64, Geometry((7, 7), (2, 2), (3, 3), (1, 1))),
    "11x11 by 4": ((3, 227, 227), 96, Geometry((11, 11), (4, 4), (0, 0), (1, 1))),
    "5x5 in groups": ((96, 27, 27), 256, Geometry((5, 5), (1, 1), (2, 2), (1, 1), group=2)),
    "3x3 dilated": ((64, 28, 28), 64, Geometry((3, 3), (1, 1), (2, 2), (2, 2))),
    "last rows unseen": ((5, 17, 19), 7, Geometry((3, 3), (3, 3), (0, 0), (1, 1))),
    "fully connected": ((9216, 1, 1), 4096, Geometry((1, 1), (1, 1), (0, 0), (1, 1))),
}


def cases(exact: bool) -> dict[str, cudnn.Case]:
    found = {}
    for name, ((channels, *spatial), outputs, geometry) in SUMS.items():
        x = (8, channels, *spatial)
        weights = (outputs, channels // geometry.group, *geometry.kernel)
        signal = (8, outputs, *geometry.reduced(spatial))
        moves = (geometry.stride, geometry.pad, geometry.dilation, exact)
        found[f"{name}, forward"] = cudnn.Case("conv_fprop", (x, weights), signal, *moves)
        found[f"{name}, input gradient"] = cudnn.Case("conv_dgrad", (signal, weights), x, *moves)
        found[f"{name}, weight gradient"] = cudnn.Case("conv_wgrad", (x, signal), weights, *moves)
    return found


def offers(case: cudnn.Case, card: Any) -> dict[str, Any]:
    notes = library.numerical_note.__members__

    def drawn() -> Any:
        return cudnn.drawn(case, device_property=card)

    def only(note: str) -> Any:
        graph = drawn()
        graph.select_numeric_notes([notes[note]])
        return graph

    kept = drawn()
    cudnn.keep(kept, case)
    count = kept.get_execution_plan_count()
    taken = next((index for index in range(count) if done(kept.build_plan_at_index, index)), None)
    if taken is None:
        return {"plan": None}
    chosen = drawn()
    cudnn.keep(chosen, case)
    chosen.build_plans(library.build_plan_policy.HEURISTICS_CHOICE)  # the first that can be built: that one
    assert chosen.get_workspace_size() == kept.get_workspace_size_plan_at_index(taken)
    return {
        "plan": kept.get_plan_name_at_index(taken),
        "workspace": chosen.get_workspace_size(),
        "notes": [note for note in notes if done(only(note).build_plan_at_index, taken)],
        "offered": [
            note for note in notes if done(only(note).build_plans, library.build_plan_policy.HEURISTICS_CHOICE)
        ],
    }


def done(work: Callable[..., Any], argument: Any) -> bool:
    try:
        work(argument)
    except (library.cudnnGraphNotSupportedError, RuntimeError):  # barred, or not to be built
        return False
    return True


if __name__ == "__main__":
    card = library.create_device_properties(json.dumps(LIMITS | CARDS[sys.argv[1]]))
    said = {
        f"{name}{', exact' if exact else ''}": offers(case, card)
        for exact in (False, True)
        for name, case in cases(exact).items()
    }
    print(json.dumps(said, indent=1))
