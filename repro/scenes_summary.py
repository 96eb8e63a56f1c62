"""From results of single pictures to the tables: one per model, methods in rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .protocols.averages import class_mean
from .protocols.boxes import FOUND
from .protocols.difficult import difficult
from .protocols.halves import best_of_other_half
from .protocols.pointing import centre, hits
from .protocols.second_look import right
from .protocols.segmentation import mean_iou
from .scenes_pictures import Picture
from .scenes_results import Results
from .scenes_scores import Settings

COLUMNS = {  # of a row's numbers
    "pointing": "pointing",
    "pointing_difficult": "difficult",
    "box": "box",
    "box_difficult": "difficult",
    "mean_box": "mean box",
    "mean_box_difficult": "difficult",
    "mean_iou": "mIoU",
    "again_top1": "again: top-1",
    "again_top5": "top-5",
    "again_precision": "precision",
}


class Pairs:
    """All pairs of a picture and a category it shows, in the order of the pictures: ``classes`` and ``difficult`` (n,), and in
    ``second`` whether the picture is of the second half, every other one."""

    def __init__(self, pictures: Sequence[Picture], second: Mapping[str, bool]):
        self.classes = np.array([one for picture in pictures for one in picture.categories], int)
        self.difficult = np.array(
            [
                difficult(boxes, picture.size, len(picture.categories))
                for picture in pictures
                for boxes in picture.boxes
            ],
            bool,
        )
        self.second = np.array([second[p.path.stem] for p in pictures for _ in p.categories], bool)

    def means(self, name: str, values: np.ndarray) -> dict[str, float]:
        """The mean over classes (%) of ``values`` (n,), for all pairs and for the difficult ones."""
        return {
            name: 100 * float(class_mean(values, self.classes)),
            f"{name}_difficult": 100 * float(class_mean(values[self.difficult], self.classes[self.difficult])),
        }


def centre_row(pictures: Sequence[Picture], tolerance: float) -> dict[str, Any]:
    """The numbers of the baseline that points at the centre of every picture."""
    pairs = Pairs(pictures, halves(pictures))
    found = [hits(centre(picture.size), boxes, tolerance) for picture in pictures for boxes in picture.boxes]
    return {"pictures": len(pictures), **pairs.means("pointing", np.array(found, float))}


def map_row(pictures: Sequence[Picture], results: Results) -> dict[str, Any]:
    """Pointing, boxes and segmentation (%) of one method, on those ``pictures`` that have results."""
    second = halves(pictures)
    shown = [picture for picture in pictures if picture.path.stem in results]
    if not shown:
        return {}
    own = [results[picture.path.stem] for picture in shown]
    pairs = Pairs(shown, second)
    hit, box, mean = (np.array([value for one in own for value in one[key]]) for key in ("hits", "box", "mean"))
    masked = [
        (one["pixels"], second[picture.path.stem]) for one, picture in zip(own, shown, strict=True) if "pixels" in one
    ]
    return {
        "pictures": len(shown),
        **pairs.means("pointing", hit.astype(float)),
        **pairs.means("box", (box > FOUND).astype(float)),
        **pairs.means("mean_box", chosen_alphas(mean > FOUND, pairs)),
        "mean_iou": 100 * mean_iou([pixels for pixels, _ in masked], np.array([half for _, half in masked], bool)),
    }


def chosen_alphas(found: np.ndarray, pairs: Pairs) -> np.ndarray:
    """Whether the box is found by the alpha that is best on the other half: (n, alphas) -> (n,); nan where there is no other."""
    best = best_of_other_half(pairs.second, lambda some: class_mean(found[some], pairs.classes[some]))
    return np.where(best < 0, np.nan, found[np.arange(len(best)), best])


def look_row(pictures: Sequence[Picture], results: Results) -> dict[str, Any]:
    """Re-classification (%) on those ``pictures`` that have results: after the first look, and the gain by the second."""
    shown = [picture for picture in pictures if picture.path.stem in results]
    if not shown:
        return {}
    first, final = (
        np.mean([right(results[picture.path.stem][key], picture.categories) for picture in shown], axis=0)
        for key in ("first", "final")
    )
    names = ("top1", "top5", "precision")
    return {
        "looks": len(shown),
        **{f"once_{name}": 100 * float(value) for name, value in zip(names, first, strict=True)},
        **{f"again_{name}": 100 * float(value) for name, value in zip(names, final, strict=True)},
    }


def halves(pictures: Iterable[Picture]) -> dict[str, bool]:
    """Whether a picture is in the second half: every other one in the order of their names, whatever has results."""
    return {name: bool(number % 2) for number, name in enumerate(sorted(picture.path.stem for picture in pictures))}


def markdown(model: str, pictures: Sequence[Picture], rows: Mapping[str, Mapping[str, Any]], settings: Settings) -> str:
    """One model's table. A row that a method refused says why below it."""
    pairs = Pairs(pictures, halves(pictures))
    lines = [
        f"### {model}",
        "",
        f"{len(pictures)} pictures, {len(pairs.classes)} pairs of a picture and a category, {pairs.difficult.sum()} of them "
        f"difficult. Pointing: tolerance of {settings.tolerance:g} pixels. Box: {settings.box}. "
        f"Masks: {settings.cut or 'level'}.",
        "",
        f"| method | pictures | {' | '.join(COLUMNS.values())} |",
        f"|---|{'--:|' * (1 + len(COLUMNS))}",
    ]
    notes = []
    for label, row in rows.items():
        cells = [_cell(row, key) for key in COLUMNS]
        lines.append(f"| {label} | {_number_of_pictures(row)} | {' | '.join(cells)} |")
        if "refused" in row:
            notes += ["", f"{label}: {row['refused']}"]
    return "\n".join(lines + notes)


def _cell(row: Mapping[str, Any], key: str) -> str:
    if key not in row or np.isnan(row[key]):
        return ""
    once = row.get(key.replace("again_", "once_")) if key.startswith("again_") else None
    return f"{row[key]:.1f}" if once is None else f"{row[key]:.1f} ({row[key] - once:+.1f})"


def _number_of_pictures(row: Mapping[str, Any]) -> str:
    maps, looks = row.get("pictures", 0), row.get("looks", 0)
    return f"{maps}" if looks in (0, maps) else f"{maps}, {looks} twice"
