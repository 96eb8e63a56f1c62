"""Where arrays live: NumPy's on the CPU, CuPy's on a CUDA device."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import BadInput
from ..layers.arrays import Array

ON_CPU = 1  # as DLPack numbers devices


@dataclass(frozen=True)
class Device:
    """``cpu``, or ``cuda:n``."""

    name: str
    index: int | None = None  # of the CUDA device

    @classmethod
    def named(cls, name: str) -> Device:
        """``cpu``, ``cuda``, ``cuda:1``, or ``auto``: a CUDA device where CuPy finds one, else the CPU."""
        kind, _, index = name.partition(":")
        if kind == "auto" and not index:
            return cls("cuda:0", 0) if _cuda_devices() else cls("cpu")
        if kind == "cpu" and not index:
            return cls("cpu")
        if kind == "cuda" and (not index or index.isdecimal()):
            number, found = int(index or 0), _cuda_devices()
            if number >= found:
                raise BadInput(f"device: found {name!r}, expected cpu: CuPy sees {found} CUDA devices (extra `gpu`)")
            return cls(f"cuda:{number}", number)
        raise BadInput(f"device: found {name!r}, expected auto, cpu, cuda or cuda:n")

    def here(self) -> AbstractContextManager[Any]:
        """Within, arrays are made and kernels run there."""
        if self.index is None:
            return nullcontext()
        import cupy

        return cupy.cuda.Device(self.index)

    def use(self) -> None:
        """The same from now on, for a thread that works on no other."""
        if self.index is not None:
            import cupy

            cupy.cuda.Device(self.index).use()

    def array(self, array: Any, dtype: np.dtype) -> Array:
        """Any array, number or DLPack tensor as this device's array of ``dtype``, without a copy where possible."""
        if self.index is None:
            if hasattr(array, "__cuda_array_interface__") and hasattr(array, "get"):  # CuPy's
                array = array.get()
            elif not hasattr(array, "__array__") and hasattr(array, "__dlpack__"):
                array = np.from_dlpack(array)
            array = np.asarray(array)  # complex numbers, texts and None are refused, not made into something else
            return array.astype(dtype, order="C", casting="same_kind", copy=False)  # itself, if it will do
        import cupy

        with cupy.cuda.Device(self.index):
            if not isinstance(array, (np.ndarray, cupy.ndarray)) and hasattr(array, "__dlpack__"):
                on_cpu = array.__dlpack_device__()[0] == ON_CPU
                array = (np if on_cpu else cupy).from_dlpack(array)
            return cupy.ascontiguousarray(cupy.asarray(array), dtype).reshape(cupy.shape(array))


def _cuda_devices() -> int:
    try:
        import cupy

        return cupy.cuda.runtime.getDeviceCount()
    except Exception:  # no CuPy, no driver, no device: each has its own exception type, all mean 0
        return 0


def to_numpy(array: Array) -> np.ndarray:
    """The array on the CPU."""
    return array if isinstance(array, np.ndarray) else array.get()
