"""Results in a file: whole lines count, broken ends are cut off, and what is no result is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from thinktwice.errors import BadInput
from thinktwice.repro.results import appending, read_results
from thinktwice.repro.runs import Run, parse_runs


def test_results_are_in_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    assert read_results(path) == []
    with appending(path) as append:
        append([{"a": 1}, {"a": 2}])
        assert read_results(path) == [{"a": 1}, {"a": 2}]
    with appending(path) as append:
        append([{"a": 3}])
    assert [result["a"] for result in read_results(path)] == [1, 2, 3]


def test_what_a_killed_run_wrote_of_a_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text('{"a": 1}\n{"a": 2')
    assert read_results(path) == [{"a": 1}]
    with appending(path) as append:
        append([{"a": 3}])
    assert read_results(path) == [{"a": 1}, {"a": 3}]


@pytest.mark.parametrize("line", ['{"a": ', "[1]", ""])
def test_lines_that_are_no_results(tmp_path: Path, line: str) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text('{"a": 1}\n' + line + '\n{"a": 2}\n')
    with pytest.raises(BadInput, match=r"results\.jsonl:2: found .*, expected a result"):
        read_results(path)


def test_a_folder_holds_no_results(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="found no readable results"):
        read_results(tmp_path)
    with pytest.raises(BadInput, match="found no place for results"), appending(tmp_path / "none" / "results.jsonl"):
        pass


def test_rows() -> None:
    runs = parse_runs("mwp@pool1, fsp mode=demo iterations=3")
    assert runs == [
        Run("mwp@pool1", "mwp", "pool1", {}),
        Run("fsp mode=demo iterations=3", "fsp", None, {"mode": "demo", "iterations": 3}),
    ]


@pytest.mark.parametrize("text", ["mwp,", "mwp@pool1, gradeint", "fsp mode=letter", "fsp mood=demo"])
def test_bad_rows(text: str) -> None:
    with pytest.raises(BadInput):
        parse_runs(text)
