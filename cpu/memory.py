"""Memory that freed arrays leave behind serves the next arrays.

A net makes and frees hundreds of megabytes in each pass. By default C's library hands such blocks back to the system at once,
and gets them back page by page, each filled with zeros: that costs more than the arithmetic of many a layer.
"""

from __future__ import annotations

import ctypes
import os

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
KEPT = 2**31 - 1  # bytes: the most that stays with the process though nothing uses it
LEAST = 32 << 20  # the most that older versions let stay in one block
TOLD = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed() -> None:
    """From now on, for the whole process; unless the user has set one of ``TOLD``, or C's library is not GNU's."""
    tune = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if tune and not any(name in os.environ for name in TOLD):
        tune(M_MMAP_THRESHOLD, KEPT) or tune(M_MMAP_THRESHOLD, LEAST)
        tune(M_TRIM_THRESHOLD, KEPT)
