"""Images with boxes, listed in a table: ``boxes.csv`` beside a folder ``images/``.

Columns: file, wnid, class_index, file_w, file_h (of the file), orig_w, orig_h (of the picture that the boxes were drawn in),
x0, y0, x1, y1; one line per box.
"""

from __future__ import annotations

import csv
from pathlib import Path

from ...errors import BadInput
from .examples import Example, Object

COLUMNS = ("file", "class_index", "file_w", "file_h", "orig_w", "orig_h", "x0", "y0", "x1", "y1")


def read_boxes_csv(folder: str | Path) -> list[Example]:
    """All examples of a folder, by file name, each of one class. Raises ``BadInput``: one line that names the file, the line and the field."""
    table = Path(folder) / "boxes.csv"
    try:
        with table.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{table}: found no readable table ({error}), expected boxes.csv beside images/") from None
    by_file: dict[str, list[dict[str, int]]] = {}
    for number, row in enumerate(rows, start=2):
        by_file.setdefault(row.get("file") or "", []).append(_numbers(row, f"{table}:{number}"))
    names = {row.get("file") or "": row.get("wnid") or "" for row in rows}
    return [_example(Path(folder) / "images" / file, own, names[file]) for file, own in sorted(by_file.items())]


def _numbers(row: dict[str, str | None], where: str) -> dict[str, int]:
    numbers = {}
    for column in COLUMNS[1:]:
        text = row.get(column)
        try:
            numbers[column] = int(text or "")
        except ValueError:
            raise BadInput(f"{where}: {column}: found {text!r}, expected a whole number") from None
    return numbers


def _example(path: Path, rows: list[dict[str, int]], name: str) -> Example:
    first = rows[0]
    label = first["class_index"]
    objects = tuple(Object(label, name, (row["x0"], row["y0"], row["x1"], row["y1"])) for row in rows)
    size, file_size = (first["orig_h"], first["orig_w"]), (first["file_h"], first["file_w"])
    return Example(path, size, objects, label, file_size=file_size)
