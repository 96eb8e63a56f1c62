"""The demonstration as a page: what ``demo --json`` prints, with the pictures beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from thinktwice import __version__

from .colours import classes
from .grid import LEGEND, Column, grid_figure
from .page import Markup, bar, beside, contents, element, named, page, paragraph, picture, section, table

HEIGHT = 216  # of a scene's picture, pixels
THUMB = 72  # of what is cut out of it
OPEN = 2  # scenes whose maps are shown at once; the others' are folded
BOXES = (
    "Boxes: the tightest one of 95 % of each map's energy, in its object's colour; thin dark lines are the true ones."
)
MASKS = "Masks: cut out along the picture's colours by GrabCut, which starts at the map's brightest and darkest pixels."
METHODS_COLUMNS = ("method", "pointing", "boxes right", ">mean overlap", ">ms")


def demo_page(
    data: Mapping[str, Any],
    images: Sequence[np.ndarray],
    columns: Sequence[Sequence[Column]],
    notes: Sequence[str],
    command: str,
) -> str:
    """The page of the demonstration's ``data``, each scene's image (H, W, 3) and drawn columns; ``command`` does it for others."""
    scenes = data["scenes"]
    number = len(columns[0])
    titles = [(f"scene-{index + 1}", _and(_names(scene))) for index, scene in enumerate(scenes)]
    return page(
        "Look and think twice",
        contents([*titles, ("methods", "All methods"), ("next", "Your own model")]),
        *(_scene(*one) for one in zip(range(len(scenes)), titles, scenes, images, columns, strict=True)),
        section("All methods", *_pointing(data["pointing"], len(scenes)), id_="methods"),
        section("Your own model", element("pre", element("code", command)), id_="next"),
        lead=[
            f"{len(scenes)} pictures, shown to {data['model']}, a small net that comes with thinktwice. What does it see? Which "
            f"pixels speak for each class, as {number} methods tell? And what does it say when it looks again, at these alone?"
        ],
        foot=[*notes, f"Made by thinktwice {__version__} in {data['seconds']:.0f} s."],
    )


def row_names(scene: Mapping[str, Any], columns: Sequence[Column]) -> list[str]:
    """The rows below a scene's methods: there may be no masks."""
    return [*_names(scene), "boxes", "masks"][: len(columns[0].panels)]


def legend(scene: Mapping[str, Any], columns: Sequence[Column]) -> str:
    """What the rows below the maps are."""
    return f"{BOXES} {MASKS}" if "masks" in row_names(scene, columns) else BOXES


def told(entries: Sequence[Mapping[str, Any]]) -> str:
    """``house 0.81, tree 0.19``: classes with their probabilities."""
    return ", ".join(f"{_name(entry)} {entry['probability']:.2f}" for entry in entries)


def _scene(
    index: int, told_as: tuple[str, str], scene: Mapping[str, Any], image: np.ndarray, columns: Sequence[Column]
) -> Markup:
    id_, title = told_as
    names = row_names(scene, columns)
    inks = [*_inks(scene), *[None] * (len(names) - len(scene["objects"]))]
    maps = grid_figure(columns, names, "" if index else f"{LEGEND} {legend(scene, columns)}", inks)
    return section(
        title,
        beside(picture(_resized(image, HEIGHT), f"{scene['image']}: {title}"), _glance(scene, image), _answer(scene)),
        element("details", element("summary", "What each method shows"), maps, open="" if index < OPEN else None),
        id_=id_,
    )


def _glance(scene: Mapping[str, Any], image: np.ndarray) -> Markup:
    """The first guesses, and what each becomes when what spoke for it is seen alone."""
    thought, rows = scene["think_twice"], []
    for guess, crop in zip(thought["first_glance"], thought["crops"], strict=True):
        x0, y0, x1, y1 = (round(crop["box"][end]) for end in ("x0", "y0", "x1", "y1"))
        alt = f"{x0}, {y0} to {x1}, {y1}"
        cut = picture(_resized(image[y0:y1, x0:x1], THUMB), alt)
        rows.append((_marked(guess, scene), f"{guess['probability']:.2f}", cut, told(crop["classes"][:1])))
    return table(
        f"First glance, and what {thought['method']} cuts out for each guess",
        ("guess", ">probability", "cut out", "seen there"),
        rows,
    )


def _answer(scene: Mapping[str, Any]) -> Markup:
    rows = [
        (_marked(entry, scene), bar(entry["probability"], f"{entry['probability']:.2f}"))
        for entry in scene["think_twice"]["classes"]
    ]
    return table("Second thought: the best of the cut-outs", ("class", "probability"), rows)


def _pointing(rows: Sequence[Mapping[str, Any]], scenes: int) -> list[Markup]:
    ranked = sorted(rows, key=lambda row: (-row["hits"], -row["overlap"]))
    cells = [
        (
            row["method"],
            bar(row["hits"] / row["of"], f"{row['hits']} of {row['of']}"),
            bar(row["boxes_right"] / row["of"], f"{row['boxes_right']} of {row['of']}"),
            f"{row['overlap']:.2f}",
            f"{1000 * row['seconds']:.0f}",
        )
        for row in ranked
    ]
    return [
        paragraph(
            "Pointing: how many maps have their highest value in a true box of their own object. Boxes: their overlap with the "
            "true one, intersection over union; from 0.5 on they count as right. The row “centre” always points at the "
            "picture's middle, and its box is the whole picture. So few pictures rank no methods: they show how they differ."
        ),
        table(f"{rows[0]['of']} objects in {scenes} pictures", METHODS_COLUMNS, cells),
    ]


def _marked(entry: Mapping[str, Any], scene: Mapping[str, Any]) -> Markup:
    """A class's name, behind its colour if it is one of the scene's objects."""
    name = _name(entry)
    return named(name, dict(zip(_names(scene), _inks(scene), strict=True)).get(name))


def _inks(scene: Mapping[str, Any]) -> list[Sequence[int] | None]:
    return [classes()[number + 1].tolist() for number in range(len(scene["objects"]))]


def _names(scene: Mapping[str, Any]) -> list[str]:
    return [_name(entry) for entry in scene["objects"]]


def _name(entry: Mapping[str, Any]) -> str:
    return entry["name"].split(",")[0]


def _and(names: Sequence[str]) -> str:
    """``house, sailboat and tree``, as a title."""
    text = ", ".join(names[:-1]) + (" and " if names[1:] else "") + names[-1]
    return text[:1].upper() + text[1:]


def _resized(image: np.ndarray, height: int) -> Image.Image:
    rows, columns = image.shape[:2]
    return Image.fromarray(image).resize((max(1, round(columns * height / rows)), height), Image.Resampling.LANCZOS)
