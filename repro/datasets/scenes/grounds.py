"""What lies behind: open country, sea, woods, rooms, streets, and things too near or too far to be sharp.

A ground says nothing of what will stand on it. All give colours (3, H, W), from 0 to 1, for a height and width in fine pixels.
"""

from __future__ import annotations

import numpy as np

from .drawing import Canvas, Light, Part, View
from .exact import Chance, clip, sine, smooth, step
from .noise import cells, fractal_grid, noise_grid, noise_rows
from .paints import (
    Colour,
    anything,
    blended,
    grainy,
    hsv,
    leafy,
    lighter,
    metal,
    mixed,
    pale,
    plain,
    planes,
    spotted,
    striped,
    vivid,
    woody,
)
from .shapes import Limb, Oval, Polygon


def ground(c: Chance, height: int, width: int, light: Light) -> np.ndarray:
    """A ground of any kind."""
    draw = c.one_of((country, country, country, sea, woods, room, room, street, near, near))
    return draw(c, height, width, light)


def country(c: Chance, height: int, width: int, light: Light) -> np.ndarray:
    """Sky, hills, and a plain of grass, sand, earth or snow with bushes and stones."""
    horizon = int(height * c.between(0.2, 0.65))
    colours = _sky(c, height, width)
    base = c.one_of(
        (leafy(c), leafy(c), hsv(c.between(0.08, 0.14), c.between(0.2, 0.55), c.between(0.45, 0.85)), pale(c), woody(c))
    )
    for layer in range(c.whole(0, 2)):
        _hills(
            c, colours, horizon, lighter(blended(base, hsv(0.58, 0.25, 0.7), 0.6 - 0.25 * layer), c.between(-0.3, 0.1))
        )
    _plain(c, colours, horizon, base, lighter(c.one_of((base, leafy(c), woody(c))), c.between(-0.5, 0.3)))
    canvas = Canvas(colours, light)
    for _ in range(c.whole(0, 7)):
        depth = c.unit()
        foot = horizon + depth * depth * (height - horizon)
        size = (0.03 + 0.22 * depth) * height
        _bush(
            c,
            canvas,
            c.between(0, width),
            foot,
            size,
            leafy(c) if c.often(0.7) else hsv(c.unit(), 0.1, c.between(0.3, 0.7)),
        )
    return canvas.colours


def sea(c: Chance, height: int, width: int, light: Light) -> np.ndarray:
    """Waves up to the horizon or beyond the upper border."""
    horizon = int(height * c.between(0.0, 0.5)) if c.often(0.75) else 0
    colours = _sky(c, height, width)
    if c.often(0.4):
        _hills(c, colours, horizon, hsv(c.between(0.3, 0.65), c.between(0.1, 0.4), c.between(0.2, 0.6)))
    water = hsv(c.between(0.42, 0.66), c.between(0.2, 0.7), c.between(0.25, 0.75))
    x, depth, rows = _receding(c, horizon, height, width)
    waves = (
        noise_rows(x * 0.5, rows * 6)
        + 0.6 * noise_rows(x * 1.3 + 40, rows * 15)
        + 0.4 * noise_rows(x * 2.7 + 80, rows * 33)
    )
    crest = step(waves, c.between(0.7, 1.3), 0.4)
    shallow = blended(water, pale(c), c.between(0.1, 0.5))
    surface = mixed(water, shallow, clip(0.5 + 0.45 * waves)) * (0.75 + 0.35 * depth)[:, None]
    colours[:, horizon:] = surface + (planes((0.95, 0.97, 1.0)) - surface) * crest * c.between(0.1, 0.8)
    return colours


def woods(c: Chance, height: int, width: int, light: Light) -> np.ndarray:
    """Trunks before leaves and gaps of light."""
    green, gap = leafy(c), c.one_of((pale(c), lighter(leafy(c), 0.4)))
    x, y = _grid(c, height, width, c.between(7, 14))
    leaves = fractal_grid(x, y, 4, 0.7)
    colours = mixed(lighter(green, -0.6), green, clip(0.5 + 0.6 * leaves))
    blink = step(fractal_grid(x * 0.4 + 70, y * 0.4, 4, 0.75), c.between(0.35, 0.65), 0.3)
    colours = colours + (planes(gap) - colours) * blink
    floor = int(height * c.between(0.65, 1.0))
    _plain(c, colours, floor, lighter(c.one_of((woody(c), leafy(c))), -0.2), lighter(green, -0.4))
    canvas, bark = Canvas(colours, light), lighter(woody(c), c.between(-0.5, 0.2))
    ink = lighter(bark, -0.5)
    for number in range(c.whole(2, 7)):
        thick = height * c.between(0.01, 0.05) * (0.5 + 0.2 * number)
        start, lean = c.between(0, width), c.between(-0.1, 0.1) * width
        end = floor + thick + c.between(0, 0.08) * height
        trunk = Limb(
            [(start, min(end, height + 20.0)), (start + lean * 0.4, height * 0.4), (start + lean, -20.0)],
            [thick, thick * 0.85, thick * 0.7],
        )
        texture = striped(c, bark, ink, 0.05 + 1 / thick, 0.4, 2.0)
        canvas.add([Part(trunk, texture, thick)], _PIXELS, figure=False, blur=c.between(1, 3))
    return canvas.colours


def room(c: Chance, height: int, width: int, light: Light) -> np.ndarray:
    """A wall with paper, tiles or bricks, a floor, and perhaps a window, a picture or a cupboard."""
    floor = int(height * c.between(0.5, 0.95))
    colours = _wall(c, height, width)
    canvas = Canvas(colours, light)
    for _ in range(c.whole(0, 3)):
        _furniture(c, canvas, floor)
    skirting = pale(c) if c.often(0.5) else lighter(woody(c), -0.2)
    colours[:, floor - max(3, height // 40) : floor] = planes(skirting)
    _floor(c, colours, floor)
    return canvas.colours


def street(c: Chance, height: int, width: int, light: Light) -> np.ndarray:
    """Houses with windows, and a road or pavement."""
    floor = int(height * c.between(0.5, 0.85))
    colours = _sky(c, height, width)
    left = -c.between(0, 0.2) * width
    while left < width:
        wide = c.between(0.2, 0.5) * width
        _house(c, colours, int(left), int(left + wide), int(height * c.between(-0.1, 0.4)), floor)
        left += wide
    tar = hsv(c.unit(), c.between(0, 0.12), c.between(0.25, 0.65))
    if c.often(0.6):
        _plain(c, colours, floor, tar, lighter(tar, c.between(-0.3, 0.3)))
    else:
        _floor(c, colours, floor)
    return colours


def near(c: Chance, height: int, width: int, light: Light) -> np.ndarray:
    """Leaf litter, gravel, cloth or a blurred garden that fills the picture."""
    kind = c.whole(0, 3)
    x, y = _grid(c, height, width, c.between(3, 8))
    first, second = c.one_of((leafy, woody, anything))(c), c.one_of((leafy, woody, anything))(c)
    if kind == 0:
        full_x, full_y = np.broadcast_arrays(x[None, :] * 1.5, y[:, None] * 1.5)
        close, far = cells(full_x[::2, ::2], full_y[::2, ::2])
        stones = _doubled(clip(1.6 * (far - close)) * (0.75 + 0.25 * noise_grid(x[::2] * 2, y[::2] * 2)))
        return mixed(lighter(first, -0.75), first, stones) * (1 + 0.12 * fractal_grid(x * 6, y * 6, 2))
    soft = fractal_grid(x * 0.4, y * 0.4, 2)
    colours = mixed(first, second, smooth(clip(0.5 + 0.7 * soft)))
    if kind == 1:
        litter = fractal_grid(x * 2, y * 2, 4, 0.8)
        return clip(colours * (1 + 0.45 * litter))
    if kind == 2:
        pace = c.between(3, 12)
        weave = sine(x * pace * 60)[None, :] * c.between(0, 1) + sine(y * pace * 60)[:, None]
        stripe = step(sine(y * c.between(40, 160)), c.between(-0.5, 0.7), 0.2)[:, None]
        colours = colours + (planes(anything(c)) - colours) * stripe * c.between(0, 0.8)
        return clip(colours * (1 + 0.06 * weave + 0.15 * fractal_grid(x, y, 3)))
    canvas = Canvas(colours, light)
    for _ in range(c.whole(6, 16)):
        size = c.between(0.04, 0.16) * height
        spot = Part(
            Oval((c.between(0, width), c.between(0, height)), size, size * c.between(0.6, 1)),
            plain(c.one_of((leafy, vivid, pale))(c)),
            0.0,
        )
        canvas.add([spot], _PIXELS, figure=False, blur=size * 0.6)
    return canvas.colours


# -- their parts ------------------------------------------------------------------------------------------------------

_PIXELS = View((0.0, 0.0), 1.0)


def _grid(c: Chance, height: int, width: int, pace: float) -> tuple[np.ndarray, np.ndarray]:
    """Lattice places of the columns and rows, ``pace`` steps to the longer side, from anywhere on the lattice."""
    step_ = pace / max(height, width)
    return c.between(0, 200) + np.arange(width) * step_, c.between(0, 200) + np.arange(height) * step_


def _receding(c: Chance, horizon: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For a plain below the horizon: lattice columns (h, w), depth from 0 far away to 1 (h,), and lattice rows (h,)."""
    depth = (np.arange(height - horizon) + 0.5) / (height - horizon)
    away = 1 / (depth + 0.12)
    spread = np.arange(width) / width - c.between(0.2, 0.8)
    return spread[None, :] * away[:, None] * c.between(5, 9) + c.between(50, 200), depth, away * c.between(1.5, 3)


def _sky(c: Chance, height: int, width: int) -> np.ndarray:
    zenith = hsv(c.between(0.52, 0.66), c.between(0.05, 0.65), c.between(0.45, 0.95))
    low = c.one_of((lighter(zenith, 0.55), hsv(c.between(0.02, 0.13), c.between(0.15, 0.5), c.between(0.75, 0.97))))
    x, y = _grid(c, height, width, c.between(2, 5))
    clouds = fractal_grid(x, y * 2, 4, 0.55)
    fall = (np.arange(height) / height)[:, None]
    colours = mixed(zenith, low, np.broadcast_to(fall, (height, width)))
    grey = c.between(0.55, 0.98)
    cover = step(clouds, c.between(-0.3, 0.7), c.between(0.3, 1.0)) * c.between(0.0, 0.9)
    return colours + (planes((grey, grey, grey)) - colours) * cover


def _hills(c: Chance, colours: np.ndarray, horizon: int, colour: Colour) -> None:
    _, height, width = colours.shape
    x, y = _grid(c, height, width, c.between(2, 6))
    ridge = fractal_grid(x, y[:1], 4)[0] * c.between(0.03, 0.14) * height + horizon - c.between(0.02, 0.14) * height
    land = clip(np.arange(height)[:, None] - ridge[None, :] + 0.5)
    texture = planes(colour) * (1 + 0.15 * fractal_grid(x * 8, y * 8, 2))
    colours += (texture - colours) * land


def _plain(c: Chance, colours: np.ndarray, horizon: int, base: Colour, other: Colour) -> None:
    _, height, width = colours.shape
    if horizon >= height - 2:
        return
    x, depth, rows = _receding(c, horizon, height, width)
    fine = step(depth, 0.25, 0.5)[:, None]
    broad = noise_rows(x * 0.4, rows)
    detail = (
        noise_rows(x * 1.7 + 31, rows * 4)
        + (noise_rows(x * 4.3 + 57, rows * 9) + 0.8 * noise_rows(x * 9.1 + 83, rows * 19)) * fine
    )
    surface = mixed(base, other, clip(0.5 + 0.6 * broad)) * (1 + c.between(0.08, 0.25) * detail)
    haze = (1 - depth)[:, None] * c.between(0, 0.4)
    colours[:, horizon:] = clip(surface + (planes((0.7, 0.75, 0.8)) - surface) * haze * haze)


def _bush(c: Chance, canvas: Canvas, x: float, foot: float, size: float, colour: Colour) -> None:
    blobs = [
        Part(Oval((x + c.between(-0.8, 0.8) * size, foot - c.between(0.2, 0.8) * size), size * c.between(0.3, 0.6), size * c.between(0.25, 0.5)),
             grainy(c, lighter(colour, c.between(-0.35, 0.1)), 0.35, 6 / size), size * 0.5)
        for _ in range(c.whole(2, 5))
    ]  # fmt: skip
    canvas.add(blobs, _PIXELS, figure=False, blur=c.between(1.5, 3))


def _wall(c: Chance, height: int, width: int) -> np.ndarray:
    colour = c.one_of((pale, pale, vivid, woody))(c)
    x, y = _grid(c, height, width, c.between(3, 6))
    colours = planes(colour) * (1 + 0.12 * fractal_grid(x, y, 4, 0.6))
    columns, rows = np.arange(width) / height, np.arange(height) / height
    kind, pace = c.whole(0, 4), c.between(5, 14)
    other = lighter(c.one_of((colour, anything(c))), c.between(-0.4, 0.4))
    if kind == 0:
        paper = np.broadcast_to(step(sine(columns * pace * 360), c.between(-0.6, 0.8), 0.3)[None, :], (height, width))
    elif kind == 1:
        paper = 1 - _joint(columns * pace)[None, :] * _joint(rows * pace)[:, None]
    elif kind == 2:
        row = np.floor(rows * pace)
        shift = (row - 2 * np.floor(row / 2)) * 0.5
        paper = 1 - _joint(columns[None, :] * pace * 0.45 + shift[:, None]) * _joint(rows * pace)[:, None]
        colours = colours * (1 + 0.12 * noise_grid(np.floor(columns * pace * 0.45) * 1.37, row * 1.71))
    elif kind == 3:
        paper = step(sine(columns * pace * 360)[None, :] * sine(rows * pace * 360)[:, None], c.between(0.2, 0.7), 0.2)
    else:
        return colours
    return colours + (planes(other) - colours) * paper * c.between(0.3, 0.9)


def _joint(places: np.ndarray) -> np.ndarray:
    """1 within a tile or brick, 0 at the joint between two."""
    inside = places - np.floor(places)
    return clip(np.minimum(inside, 1 - inside) * 18 - 0.5)


def _floor(c: Chance, colours: np.ndarray, top: int) -> None:
    """Planks, tiles or a carpet that recede."""
    _, height, width = colours.shape
    if top >= height - 2:
        return
    x, depth, rows = _receding(c, top, height, width)
    first = c.one_of((woody, woody, pale, vivid, metal))(c)
    second = lighter(first, c.between(-0.5, 0.3))
    away = rows[:, None]
    if c.often(0.5):
        board = np.floor(x)
        pattern = 0.5 + 0.5 * noise_rows(board * 1.37 + 0.5, rows * 0.3) + 0.3 * noise_rows(x * 6, rows * 0.8)
        seam = clip(abs(x - board - 0.5) * 16 - 7) * depth[:, None]
        surface = mixed(first, second, clip(pattern)) * (1 - 0.6 * seam)
    else:
        check = sine(x * 180) * sine(np.broadcast_to(away * 270, x.shape))
        surface = mixed(first, second, step(check, 0, 0.25)) * (1 + 0.08 * noise_rows(x * 4, rows * 8))
    colours[:, top:] = surface * (0.75 + 0.3 * depth)[:, None]


def _furniture(c: Chance, canvas: Canvas, floor: int) -> None:
    """A window, a picture or a cupboard on the wall."""
    height, width = canvas.size
    wide, high = c.between(0.15, 0.4) * width, c.between(0.15, 0.45) * height
    x, y = c.between(-0.1, 0.9) * width, c.between(0.0, 0.4) * height
    bottom = min(y + high, floor) if c.often(0.6) else float(floor)
    wood, frame = c.one_of((woody, pale, anything))(c), c.between(0.015, 0.035) * height
    inner = c.one_of((hsv(0.57, c.between(0.1, 0.5), c.between(0.6, 0.95)), wood, anything(c)))
    box = lambda m: Polygon([(x + m, y + m), (x + wide - m, y + m), (x + wide - m, bottom - m), (x + m, bottom - m)])  # noqa: E731
    pace = c.between(3, 9) / height
    filling = c.one_of(
        (
            spotted(c, inner, anything(c), pace * 2, 0.4),
            striped(c, inner, anything(c), pace, 0.4, 0.3),
            grainy(c, inner, 0.4, pace * 2),
        )
    )
    parts = [Part(box(0.0), grainy(c, wood, 0.1, pace * 4), frame), Part(box(frame), filling, 0.0)]
    if c.often(0.5):
        middle = x + wide / 2
        parts.append(Part(Limb([(middle, y), (middle, bottom)], [frame / 2, frame / 2]), plain(wood), frame / 2))
    canvas.add(parts, _PIXELS, figure=False, blur=c.between(1, 3))


def _house(c: Chance, colours: np.ndarray, left: int, right: int, top: int, floor: int) -> None:
    """A front with rows of windows."""
    _, height, width = colours.shape
    window = (slice(None), slice(max(top, 0), floor), slice(max(left, 0), min(right, width)))
    view = colours[window]
    if not view.size:
        return
    wall = c.one_of((pale, woody, vivid, metal))(c)
    pane = hsv(c.between(0.5, 0.65), c.between(0.05, 0.4), c.between(0.1, 0.7))
    x, y = _grid(c, view.shape[1], view.shape[2], 8)
    columns, rows = (np.arange(view.shape[2]) - c.between(0, 9)) / height, np.arange(view.shape[1]) / height
    pace = c.between(4, 8)
    share, tall = c.between(-0.2, 0.4), c.between(-0.3, 0.3)
    panes = step(sine(columns * pace * 360), share, 0.25)[None, :] * step(sine(rows * pace * 300), tall, 0.25)[:, None]
    front = planes(wall) * (1 + 0.1 * fractal_grid(x, y, 3, 0.7))
    view[...] = (front + (planes(pane) - front) * panes) * c.between(0.6, 1.0)


def _doubled(values: np.ndarray) -> np.ndarray:
    return np.repeat(np.repeat(values, 2, 0), 2, 1)
