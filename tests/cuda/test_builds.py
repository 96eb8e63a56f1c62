"""How a built library is loaded: OpenMP reads how its threads are to wait at that moment, and the environment stays as it was."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from thinktwice.cuda import builds


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The environment at the moment of loading."""
    environments: list[dict[str, str]] = []
    monkeypatch.setattr(ctypes, "CDLL", lambda path: environments.append(dict(os.environ)))
    for name in builds.WAITING:
        monkeypatch.delenv(name, raising=False)
    return environments


def test_threads_wait_a_moment_and_sleep(seen: list[dict[str, str]]) -> None:
    builds._loaded(Path("some.so"))
    assert builds.WAITING.items() <= seen[0].items()
    assert os.environ.keys().isdisjoint(builds.WAITING)


@pytest.mark.parametrize("name", builds.WAITING)
def test_the_users_word_stands(seen: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "7")
    builds._loaded(Path("some.so"))
    assert {key: seen[0].get(key) for key in builds.WAITING} == {
        key: "7" if key == name else None for key in builds.WAITING
    }
    assert os.environ[name] == "7"


def test_a_file_that_cannot_be_loaded_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in builds.WAITING:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(OSError, match=r"nothing\.so"):
        builds._loaded(tmp_path / "nothing.so")
    assert os.environ.keys().isdisjoint(builds.WAITING)
