"""The README is a promise: its two lines, its table of methods, its links."""

from __future__ import annotations

import re
from pathlib import Path

import thinktwice as tt

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_two_lines_to_copy() -> None:
    lines = re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)
    assert lines == [
        "python3 -m venv .venv && .venv/bin/pip install -e '.[cpu]' && .venv/bin/thinktwice demo",
        "python3 -m venv .venv && .venv/bin/pip install -e '.[cpu,test]' && .venv/bin/pytest -n auto",
    ]


def test_every_method_is_linked_to_its_file() -> None:
    linked = dict(re.findall(r"^\| \[`([^`]+)`\]\(([^)]+)\)", README, re.MULTILINE))
    assert linked == {method.name: method.file for method in tt.METHODS.values()}


def test_links_lead_somewhere() -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in target]
    assert targets
    missing = [target for target in targets if not (ROOT / target).exists()]
    assert not missing
