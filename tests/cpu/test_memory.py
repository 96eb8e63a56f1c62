"""Freed memory stays with the process, unless the user has said otherwise."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import pytest

from thinktwice.cpu import memory


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What C's library is told."""
    calls: list[tuple[int, int]] = []
    for name in memory.TOLD:
        monkeypatch.delenv(name, raising=False)
    library = SimpleNamespace(mallopt=lambda option, value: calls.append((option, value)) is None)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    return calls


def test_blocks_of_any_size_stay(told: list[tuple[int, int]]) -> None:
    memory.keep_freed()
    assert dict(told) == {memory.M_TRIM_THRESHOLD: memory.KEPT, memory.M_MMAP_THRESHOLD: memory.KEPT}


@pytest.mark.parametrize("name", memory.TOLD)
def test_the_users_word_stands(told: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1048576")
    memory.keep_freed()
    assert not told


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    memory.keep_freed()


def test_older_libraries_keep_what_they_can(told: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = SimpleNamespace(mallopt=lambda option, value: told.append((option, value)))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: refusing)
    memory.keep_freed()
    assert (memory.M_MMAP_THRESHOLD, memory.LEAST) in told
