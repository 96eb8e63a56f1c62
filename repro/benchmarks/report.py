"""All tables of one run as plain data, and as the page that is made of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...caffe_models import files
from ...errors import BadInput
from .limits import ARITHMETIC_BY
from .race import COPY, OURS, PEAK

TABLES = {
    "kernels": "The kernels alone, each beside NumPy's result and a copy of as many bytes.",
    "layers": "Layers alone, with the sizes that they have in their net, forward and gradient.",
    "methods": "Whole methods on whole nets, as a user calls them.",
}
Report = Mapping[str, Any]
Cell = Callable[[Mapping[str, Any]], str]


def read_report(path: str) -> Report:
    """A report that ``--out`` wrote. Raises ``BadInput``."""
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: found no report ({error}), expected what --out wrote") from None
    if not isinstance(report, dict) or not isinstance(report.get("tables"), dict) or "limits" not in report:
        raise BadInput(f"{path}: found no report, expected what --out wrote: an object with tables and limits")
    return report


def write_report(report: Report, path: str) -> None:
    with files.replacing(path) as temporary:
        Path(temporary).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def columns(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """A table's heads, ``>`` before those of numbers, and its cells: only columns in which some row has something."""
    peers = list(dict.fromkeys(label for row in rows for label in row.get("ratios", {})))
    cells: dict[str, Cell] = {
        "": lambda row: row["name"],
        ">ours, ms": lambda row: _milliseconds(row, OURS),
        **{f">{peer}, ms": _time_of(peer) for peer in peers},
        **{f">{peer} / ours": _ratio_of(peer) for peer in peers},
        "ours by": lambda row: "; ".join(f"{x:.2f} x {label}" for label, x in row.get("yardsticks", {}).items()),
        ">GFLOP/s": lambda row: _scaled(row.get("operations_per_second"), 1e-9),
        ">of sgemm, %": lambda row: _scaled(row.get("of_arithmetic"), 100),
        ">of the peak, %": lambda row: _scaled(row.get("of_peak"), 100),
        ">GB/s": lambda row: _scaled(row.get("bytes_per_second"), 1e-9),
        ">of a copy, %": lambda row: _scaled(row.get("of_copy"), 100),
        "peak memory, MB": _memory,
        ">error": lambda row: f"{max(row['errors'].values()):.0e}" if row["errors"] else "",
        "noted": _noted,
    }
    filled = {head: [cell(row) for row in rows] for head, cell in cells.items()}
    heads = [head for head, column in filled.items() if any(column)]
    return heads, [[filled[head][number] for head in heads] for number in range(len(rows))]


def limits(report: Report) -> str:
    """What the machine did at best, in one line."""
    found = report["limits"]
    copy = found["copy_bytes_per_second"] * 1e-9
    noted = " (others used the cores meanwhile)" if found["disturbed"] else ""
    peak = found.get("peak_operations_per_second")
    alone = f"{peak * 1e-9:.0f} by multiply-adds over registers alone (the peak); " if peak else ""
    return (
        f"limits{noted}: {found['operations_per_second'] * 1e-9:.0f} GFLOP/s, by {ARITHMETIC_BY}; {alone}"
        f"{copy:.1f} GB/s read and written by a copy of {found['copy_bytes'] >> 20} MB"
    )


def page(report: Report) -> str:
    """Markdown: machine, versions, precision, limits, and all tables."""
    machine, versions = report["machine"], report["versions"]
    told = ", ".join(f"{name}={value}" for name, value in report["environment"].items()) or "nothing"
    lines = [
        "# Benchmarks",
        "",
        f"Made by `{report['command']}`.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in machine.items() if value is not None),
        f"| device | {report['device']}, {report['threads']} threads |",
        f"| precision | {report['precision']} |",
        f"| versions | {', '.join(f'{name} {value}' for name, value in versions.items())} |",
        f"| environment | {told} |",
        "",
        *EXPLAINED,
        "",
        limits(report)[0].upper() + limits(report)[1:] + ".",
    ]
    for name, rows in report["tables"].items():
        heads, cells = columns(rows)
        lines += ["", f"## {name.capitalize()}", "", TABLES[name], "", *_markdown(heads, cells)]
    return "\n".join(lines) + "\n"


EXPLAINED = (
    "Every row's results are held against the others' before anything is timed; *error* is the greatest relative one (l2).",
    "Times are medians over rounds in which all have their turn. Samples during which other processes used more than a tenth",
    "of the cores are left out while three others are there; *disturbed* counts them where they are not. *x / ours*: above 1",
    "ours is faster. Operations are those of direct convolution, a multiply-add being two, whatever way they are computed; a",
    "gradient to the image counts as many as the forward pass. Bytes are inputs and outputs, once each; *of a copy* is the time",
    "of a copy that moves as many, in the same rounds, by ours. *of the peak* is the time that multiply-adds over registers alone",
    "take for as many operations, in the same rounds, by ours; *of sgemm* goes by the best product of the whole run. Peak memory is",
    "what the first run takes beyond net and weights.",
)


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    line = "|".join("--:" if head.startswith(">") else "---" for head in heads)
    return [_cells([head.removeprefix(">") for head in heads]), f"|{line}|", *(_cells(row) for row in rows)]


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _time_of(way: str) -> Cell:
    return lambda row: _milliseconds(row, way)


def _ratio_of(peer: str) -> Cell:
    return lambda row: f"{row['ratios'][peer]:.2f}" if peer in row.get("ratios", {}) else ""


def _milliseconds(row: Mapping[str, Any], way: str) -> str:
    times = row.get("times", {}).get(way)
    return _scaled(times and times["seconds"], 1000)


def _scaled(number: float | None, factor: float) -> str:
    """Three digits, or all of a whole number's."""
    return "" if number is None else f"{factor * number:.{'0f' if factor * number >= 999.5 else '3g'}}"


def _memory(row: Mapping[str, Any]) -> str:
    found = row.get("peak_memory", {})
    return "; ".join(f"{way} {'?' if size is None else f'{size * 1e-6:.0f}'}" for way, size in found.items())


def _noted(row: Mapping[str, Any]) -> str:
    """What a reader must know of a row: results that differ, or samples that others disturbed."""
    if not row["agrees"]:
        worst = max(row["errors"], key=row["errors"].__getitem__)
        return f"differs from {worst}: {row['errors'][worst]:.1e}, at most {row['bound']:.0e} expected; not timed"
    loud = {way: times for way, times in row["times"].items() if not times["quiet"] and way not in (COPY, PEAK)}
    return "; ".join(f"{way}: {times['disturbed']} of {len(times['samples'])} disturbed" for way, times in loud.items())
