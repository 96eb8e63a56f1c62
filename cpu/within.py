"""What is so within a ``with`` block, and in all that is called there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Within:
    """``with it():`` or ``with it(wanted):`` makes it so, if it is wanted; ``it.here()`` tells. Blocks within others leave it so."""

    def __init__(self, name: str):
        self.state: ContextVar[bool] = ContextVar(name, default=False)

    @contextmanager
    def __call__(self, wanted: bool = True) -> Iterator[None]:
        before = self.state.set(wanted or self.here())
        try:
            yield
        finally:
            self.state.reset(before)

    def here(self) -> bool:
        return self.state.get()
