"""The names of classes, and which class a person means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInput, nearest

WNID = re.compile(r"([nvars]\d{8})\s+(.*)")  # WordNet's part of speech and number


@dataclass(frozen=True)
class Label:
    """One class: its WordNet id, if the file has one, and its names, separated by commas."""

    index: int
    wnid: str | None
    names: str

    @property
    def short(self) -> str:
        """The first of the names."""
        return self.names.split(",")[0].strip()


def read_labels(path: str | Path) -> list[Label]:
    """One line per class, in the order of the scores: ``n01440764 tench, Tinca tinca`` or just names. Raises ``BadInput``."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: byte {error.start} is not UTF-8 text, expected one class per line") from None
    lines = [line.strip() for line in text.rstrip().splitlines()]
    if not any(lines):
        raise BadInput(f"{path}: found no names, expected one class per line")
    with_ids = [WNID.fullmatch(line) for line in lines]
    return [
        Label(index, found[1], found[2]) if all(with_ids) and found else Label(index, None, line)
        for index, (line, found) in enumerate(zip(lines, with_ids, strict=True))
    ]


def labels_for(path: str | Path | None, classes: int) -> list[Label] | None:
    """The labels of a net with this many classes, ``None`` where there is no file."""
    if path is None:
        return None
    labels = read_labels(path)
    if len(labels) != classes:
        raise BadInput(f"{path}: found {len(labels)} names, expected {classes}, one for each class of the net")
    return labels


def label_of(labels: Sequence[Label] | None, index: int) -> str:
    """A class's first name; without labels its number."""
    return labels[index].short if labels else f"class {index}"


def find_targets(text: str, labels: Sequence[Label] | None) -> list[int]:
    """Class indices from indices, wnids and names, separated by commas; names may hold commas themselves.

    The longest row of pieces that is one class's name wins. Case and spaces do not matter. Raises ``BadInput``.
    """
    pieces, targets = text.split(","), []
    while pieces:
        for length in range(len(pieces), 0, -1):
            classes = _classes(",".join(pieces[:length]), labels)
            if classes:
                break
        else:
            raise _unknown(pieces[0], labels)
        if len(classes) > 1 and labels:
            candidates = "; ".join(f"{index} {labels[index].wnid or ''} {labels[index].names}" for index in classes)
            raise BadInput(f"target: found {pieces[0].strip()!r}, expected the index of one of these: {candidates}")
        targets.append(classes[0])
        del pieces[:length]
    return targets


def _classes(text: str, labels: Sequence[Label] | None) -> list[int]:
    """The classes that a text may mean."""
    wanted = _folded(text)
    if re.fullmatch(r"-?\d+", wanted):
        return [int(wanted)]
    if not wanted:
        return []
    return [
        label.index
        for label in labels or ()
        if wanted in (label.wnid, _folded(label.names), *map(_folded, label.names.split(",")))
    ]


def _unknown(piece: str, labels: Sequence[Label] | None) -> BadInput:
    piece = piece.strip()
    if not piece:
        return BadInput("target: found an empty name, expected a class index, a wnid or a name")
    if labels is None:
        return BadInput(f"target: found {piece!r}, expected a class index, or --labels FILE to look the name up in")
    known = {name.strip() for label in labels for name in label.names.split(",")}
    known.update(label.wnid for label in labels if label.wnid)
    return BadInput(f"target: found {piece!r}, expected a class index, a wnid or a name{nearest(piece, known)}")


def _folded(text: str) -> str:
    """Without case, and with commas and spaces as they are in the files."""
    return ", ".join(" ".join(part.split()) for part in text.split(",")).casefold()
