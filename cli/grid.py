"""The papers' figure: the picture once, then small maps over it, methods in columns and targets in rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from .overlay import CLIPPED, FAINT, INK, PAPER, fitting, font, mark, over
from .page import Markup, element, figure, joined, picture_table
from .page import picture as embedded
from .page_style import MOST_COLUMNS

WIDTH, TALLEST = 210, 280  # of a panel, pixels
IN_BAND = MOST_COLUMNS  # side by side; the others go below
MARGIN, GAP, HEADER, NAME, LINE = 16, 8, 44, 26, 20
EMPTY = "the same everywhere"
BLUR = 1.8  # standard deviation, pixels of a panel
LEGEND = (
    f"Each panel is scaled by its own {CLIPPED}th percentile; a ring marks the highest value. "
    "For drawing alone, maps are slightly blurred."
)


@dataclass(frozen=True)
class Column:
    """One method's drawn ``panels``, one for each row, two lines to stand above them, and each panel in ``words``."""

    title: str
    subtitle: str
    panels: list[Image.Image]
    words: list[str]


def column(picture: np.ndarray, title: str, subtitle: str, maps: np.ndarray) -> Column:
    """The maps (K, H, W), at the size of the picture (H, W, 3), uint8, RGB, as panels over it.

    Maps of single pixels, such as gradients, are specks that a small panel loses: every map is slightly blurred before it is
    coloured, so that one sees where they are dense. The ring stands at the highest value of the map as it is.
    """
    plain = small(picture)
    return Column(title, subtitle, [_panel(plain, values) for values in maps], [_words(values) for values in maps])


def grid(
    picture: np.ndarray,
    columns: Sequence[Column],
    rows: Sequence[str],
    title: str = "",
    subtitle: str = "",
    notes: Sequence[str] = (),
) -> Image.Image:
    """One sheet: the picture with its title, the columns in bands below one another, the names of the ``rows`` at their left,
    and at the bottom how to read it, with further ``notes``."""
    plain = small(picture)
    width, height = plain.size
    bands = _bands(columns)
    start = MARGIN + width + MARGIN + NAME
    tall = HEADER + len(rows) * (height + GAP)
    wide = start + len(bands[0]) * (width + GAP) - GAP + MARGIN
    lines = [line for note in (LEGEND, *notes) for line in _wrapped(note, wide - 2 * MARGIN)]
    paper = Image.new("RGB", (wide, len(bands) * tall + len(lines) * LINE + MARGIN), PAPER)
    paper.paste(plain, (MARGIN, HEADER))
    _write_header(paper, MARGIN, 0, width, title, subtitle)
    for number, band in enumerate(bands):
        top = number * tall
        for row, name in enumerate(rows):
            _write_upwards(paper, start - NAME, top + HEADER + row * (height + GAP), height, name)
        for index, one in enumerate(band):
            left = start + index * (width + GAP)
            _write_header(paper, left, top, width, one.title, one.subtitle)
            for row, panel in enumerate(one.panels):
                paper.paste(panel, (left, top + HEADER + row * (height + GAP)))
    pen = ImageDraw.Draw(paper)
    for number, line in enumerate(lines):
        pen.text((MARGIN, len(bands) * tall + (number + 0.5) * LINE), line, FAINT, font(13), "lm")
    return paper


def grid_figure(
    columns: Sequence[Column], rows: Sequence[str], caption: str, inks: Sequence[Sequence[int] | None] | None = None
) -> Markup:
    """The same for a page: tables of panels, one for each band of columns, the names of the ``rows`` at their left, behind
    a dab of their colours ``inks``, if they have any."""
    tables = []
    for band in _bands(columns):
        titles = [joined(one.title, element("small", one.subtitle)) for one in band]
        lines = [
            (name, ink, [embedded(one.panels[row], f"{one.title}, {name}: {one.words[row]}") for one in band])
            for row, (name, ink) in enumerate(zip(rows, inks or [None] * len(rows), strict=True))
        ]
        tables.append(picture_table(", ".join(one.title for one in band), titles, lines))
    return figure(caption, *tables)


def peak(values: np.ndarray) -> tuple[int, int] | None:
    """Where a map (H, W) has its highest value, x and y; ``None`` for a flat one."""
    if not values.max() > values.min():
        return None
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return int(column), int(row)


def small(picture: np.ndarray) -> Image.Image:
    """A picture (H, W, 3) as large as a panel."""
    rows, columns = picture.shape[:2]
    zoom = min(WIDTH / columns, TALLEST / rows)
    size = max(1, round(columns * zoom)), max(1, round(rows * zoom))
    return Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)


def _panel(plain: Image.Image, values: np.ndarray) -> Image.Image:
    small = Image.fromarray(values.astype(np.float32)).resize(plain.size, Image.Resampling.BILINEAR)
    drawn = over(plain, gaussian_filter(np.asarray(small), BLUR))
    highest = peak(values)
    if highest is None:
        ImageDraw.Draw(drawn).text(
            (plain.width / 2, plain.height / 2), EMPTY, INK, font(14), "mm", stroke_width=3, stroke_fill=PAPER
        )
        return drawn
    (x, y), (rows, columns) = highest, values.shape
    mark(drawn, (x + 0.5) * plain.width / columns, (y + 0.5) * plain.height / rows)
    return drawn


def _words(values: np.ndarray) -> str:
    highest = peak(values)
    return EMPTY if highest is None else f"highest at {highest[0]}, {highest[1]}"


def _bands(columns: Sequence[Column]) -> list[Sequence[Column]]:
    """As few as will do, of equal length but for the last."""
    number = -(-len(columns) // IN_BAND)
    length = -(-len(columns) // number)
    return [columns[start : start + length] for start in range(0, len(columns), length)]


def _write_header(paper: Image.Image, left: int, top: int, width: int, title: str, subtitle: str) -> None:
    pen = ImageDraw.Draw(paper)
    pen.text((left, top + 22), fitting(title, width, font(16)), INK, font(16), "ls")
    pen.text((left, top + 37), fitting(subtitle, width, font(11)), FAINT, font(11), "ls")


def _write_upwards(paper: Image.Image, left: int, top: int, height: int, name: str) -> None:
    line = Image.new("L", (height, NAME))
    ImageDraw.Draw(line).text((height / 2, NAME / 2), fitting(name, height, font(16)), 255, font(16), "mm")
    paper.paste(INK, (left, top), line.rotate(90, expand=True))


def _wrapped(text: str, width: int) -> list[str]:
    """A text in lines of this width, broken between words."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font(13).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return [line for line in lines if line]
