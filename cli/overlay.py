"""The picture of a map: colours over the image, one panel for each target, the plain image first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .colours import classes, coloured, heat, signed

HEIGHT = 360  # of a panel, pixels
WIDEST = 720
MARGIN, TITLE, BAR, TICKS = 14, 46, 12, 66
INK, FAINT, PAPER = (25, 25, 28), (110, 110, 118), (255, 255, 255)
FINE = 4  # marks are drawn this many times larger, then averaged down
CLIPPED = 99.8  # per cent of the pixels keep their colours apart; the few beyond, spikes of gradients, share the last


@dataclass(frozen=True)
class Panel:
    """A map (H, W) at the image's size, two lines to stand above it, and boxes (x0, y0, x1, y1) in pixels of the image.

    Boxes are drawn over map and image, the first one thick.
    """

    map: np.ndarray
    title: str
    subtitle: str = ""
    boxes: Sequence[Sequence[float]] | np.ndarray = ()


def sheet(
    image: np.ndarray, panels: Sequence[Panel], title: str = "", subtitle: str = "", marked: np.ndarray | None = None
) -> Image.Image:
    """The image (H, W, 3), uint8, RGB, and each panel's map over it, side by side; ``marked`` stands in the image's own place."""
    width, height = _panel_size(image)
    step = width + MARGIN + BAR + TICKS
    paper = Image.new("RGB", (MARGIN + width + MARGIN + len(panels) * step, TITLE + height + MARGIN), PAPER)
    plain = Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS)
    first = plain if marked is None else Image.fromarray(marked).resize(plain.size, Image.Resampling.LANCZOS)
    paper.paste(first, (MARGIN, TITLE))
    _write_title(paper, MARGIN, width, title, subtitle)
    for index, panel in enumerate(panels):
        left = MARGIN + width + MARGIN + index * step
        _draw(paper, left, plain, panel)
        for start in (MARGIN, left):
            _draw_boxes(paper, start, width / image.shape[1], height / image.shape[0], panel.boxes, index)
    return paper


def over(image: Image.Image, values: np.ndarray) -> Image.Image:
    """A map (H, W) in colours over an image of any size; the higher a value, the less of the image shows through."""
    shown, strength, table = _normalised(values)
    size = image.size
    colours = Image.fromarray(coloured(shown, table)).resize(size, Image.Resampling.BILINEAR)
    opacity = Image.fromarray(np.rint(235 * strength**0.75).astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    pale = Image.blend(image.convert("L").convert("RGB"), image, 0.35)
    return Image.composite(colours, Image.blend(pale, Image.new("RGB", size, PAPER), 0.12), opacity)


def _normalised(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions in a colour table, strengths (both 0 to 1), and the table."""
    low, high = limits(values)
    shown = np.clip((values - low) / ((high - low) or 1), 0, 1)
    return (shown, abs(2 * shown - 1), signed()) if low < 0 else (shown, shown, heat())


def limits(values: np.ndarray) -> tuple[float, float]:
    """The values at both ends of the colour bar: 0 is one of them, or for signed maps the middle."""
    if values.min() < 0:
        greatest = _greatest(abs(values))
        return -greatest, greatest
    return 0.0, _greatest(values)


def mark(paper: Image.Image, x: float, y: float) -> None:
    """A ring around the highest value: white with a dark edge, to be seen on any ground."""
    reach = 11
    corner = (round(x) - reach, round(y) - reach)
    for radius, thickness, ink in ((9, 5, INK), (8, 3, PAPER)):
        ring = Image.new("L", (2 * reach * FINE,) * 2)
        outer = [(reach - radius) * FINE, (reach - radius) * FINE, (reach + radius) * FINE, (reach + radius) * FINE]
        ImageDraw.Draw(ring).ellipse(outer, outline=255, width=thickness * FINE // 2)
        paper.paste(ink, corner, ring.resize((2 * reach,) * 2, Image.Resampling.BOX))


def fitting(text: str, width: int, face: ImageFont.FreeTypeFont) -> str:
    """As much of a text as there is room for."""
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(text + "...") > width:
        text = text[:-1]
    return text.rstrip() + "..."


def font(size: int) -> ImageFont.FreeTypeFont:
    """The one that comes with Pillow: the same everywhere."""
    return ImageFont.load_default(size)  # type: ignore[return-value]


def _greatest(values: np.ndarray) -> float:
    return float(np.percentile(values, CLIPPED)) or float(values.max())


def _draw(paper: Image.Image, left: int, plain: Image.Image, panel: Panel) -> None:
    width, height = plain.size
    paper.paste(over(plain, panel.map), (left, TITLE))
    _write_title(paper, left, width, panel.title, panel.subtitle)
    row, column = np.unravel_index(int(panel.map.argmax()), panel.map.shape)
    rows, columns = panel.map.shape
    if panel.map.max() > panel.map.min():
        mark(paper, left + (column + 0.5) * width / columns, TITLE + (row + 0.5) * height / rows)
    _draw_bar(paper, left + width + MARGIN // 2, height, panel.map)


def _draw_boxes(
    paper: Image.Image,
    left: int,
    x_zoom: float,
    y_zoom: float,
    boxes: Sequence[Sequence[float]] | np.ndarray,
    number: int,
) -> None:
    """Boxes in the ink of the panel ``number``, with a light edge, the first one above all others."""
    pen, ink = ImageDraw.Draw(paper), tuple(classes()[number + 1].tolist())
    for index, box in reversed(list(enumerate(boxes))):
        outline(pen, box, ink, 3 if index == 0 else 1, (x_zoom, y_zoom), (left, TITLE))


def outline(
    pen: ImageDraw.ImageDraw,
    box: Sequence[float] | np.ndarray,
    ink: tuple[int, ...],
    thick: int,
    zoom: tuple[float, float],
    corner: tuple[int, int] = (0, 0),
) -> None:
    """A box (x0, y0, x1, y1) of a picture that is drawn ``zoom`` times as large at ``corner``; with a light edge inside where there
    is room for one."""
    x0, y0, x1, y1 = box
    left, top = corner[0] + round(x0 * zoom[0]), corner[1] + round(y0 * zoom[1])
    right, bottom = corner[0] + round(x1 * zoom[0]) - 1, corner[1] + round(y1 * zoom[1]) - 1
    if min(right - left, bottom - top) > 2 * thick:
        pen.rectangle((left, top, right, bottom), outline=PAPER, width=thick + 1)
    pen.rectangle((left, top, right, bottom), outline=ink, width=thick)


def _draw_bar(paper: Image.Image, left: int, height: int, values: np.ndarray) -> None:
    low, high = limits(values)
    table = signed() if low < 0 else heat()
    ramp = coloured(np.linspace(1, 0, height)[:, None].repeat(BAR, 1), table)
    paper.paste(Image.fromarray(ramp), (left, TITLE))
    pen = ImageDraw.Draw(paper)
    for share in (0, 0.5, 1):
        y = TITLE + (1 - share) * (height - 1)
        pen.line((left + BAR, y, left + BAR + 3, y), fill=INK)
        anchor = {0: "ls", 0.5: "lm", 1: "lt"}[share]
        beyond = "> " if share == 1 and values.max() > high else ""
        pen.text((left + BAR + 6, y), f"{beyond}{low + share * (high - low):.2g}", INK, font(12), anchor)


def _write_title(paper: Image.Image, left: int, width: int, title: str, subtitle: str) -> None:
    pen = ImageDraw.Draw(paper)
    pen.text((left, 20), fitting(title, width, font(16)), INK, font(16), "ls")
    pen.text((left, 38), fitting(subtitle, width, font(12)), FAINT, font(12), "ls")


def _panel_size(image: np.ndarray) -> tuple[int, int]:
    rows, columns = image.shape[:2]
    zoom = min(HEIGHT / rows, WIDEST / columns)
    return max(1, round(columns * zoom)), max(1, round(rows * zoom))
