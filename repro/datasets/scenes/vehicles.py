"""What people ride: car, bicycle, aeroplane, sailing boat."""

from __future__ import annotations

from .drawing import Frame, Part
from .exact import Chance, Point
from .paints import (
    Colour,
    Paint,
    anything,
    banded,
    dark,
    grainy,
    hsv,
    lighter,
    metal,
    pale,
    plain,
    shaded,
    striped,
    vivid,
    wooden,
    woody,
)
from .shapes import Limb, Lines, Oval, Polygon, Ring, curve, middle, reach

RUBBER: Colour = (0.09, 0.09, 0.1)


def wheel(c: Chance, centre: Point, radius: float, rim: Colour) -> list[Part]:
    """A car's: tyre, rim, spokes."""
    count, turn = c.whole(4, 9), c.between(0, 90)
    spokes = [
        (reach(centre, turn + 360 * n / count, radius * 0.12), reach(centre, turn + 360 * n / count, radius * 0.6))
        for n in range(count)
    ]
    return [
        Part(Oval(centre, radius, radius), plain(RUBBER), radius * 0.3),
        Part(Oval(centre, radius * 0.66, radius * 0.66), plain(lighter(rim, -0.7)), 0.0),
        Part(Lines(spokes, radius * 0.09), plain(rim), radius * 0.08, gloss=0.5),
        Part(Ring(centre, radius * 0.62, radius * 0.07), plain(rim), radius * 0.06, gloss=0.5),
        Part(Oval(centre, radius * 0.16, radius * 0.16), plain(rim), radius * 0.1, gloss=0.5),
    ]


def car(c: Chance) -> list[Part]:
    """Seen from its right side, the front to the right."""
    paint, rim = anything(c), metal(c)
    roof, sill, waist = c.between(-0.5, -0.34), 0.2, c.between(-0.1, -0.04)
    nose, tail = c.between(0.86, 1.0), -c.between(0.82, 1.0)
    front, rear = c.between(0.28, 0.5), c.one_of((c.between(-0.62, -0.45), tail + 0.08))
    screen, hatch = front - c.between(0.2, 0.34), rear + c.between(0.04, 0.24)
    bonnet = c.between(-0.1, -0.02)
    body = [
        (tail, sill), (tail - 0.02, waist + 0.08), (tail + 0.05, waist), (rear, waist - 0.02), (hatch, roof),
        (screen, roof), (front, bonnet - 0.04), (nose - 0.12, bonnet + 0.05), (nose, 0.08), (nose, sill),
    ]  # fmt: skip
    surface = banded([paint, lighter(paint, -0.35)], [c.between(0.05, 0.14)]) if c.often(0.5) else plain(paint)
    glass = hsv(c.between(0.45, 0.65), c.between(0.1, 0.4), c.between(0.15, 0.6))
    windows = _car_windows(c, hatch, screen, rear, front, roof + 0.05, waist - 0.04)
    parts = [
        Part(
            Polygon([(tail + 0.1, sill), (nose - 0.1, sill), (nose - 0.12, sill + 0.09), (tail + 0.12, sill + 0.09)]),
            plain(RUBBER),
            0.0,
        )
    ]
    parts.append(Part(Polygon(body, 0.035), surface, 0.14, gloss=0.7))
    parts += [Part(Polygon(pane, 0.015), _reflecting(glass), 0.05, gloss=0.9) for pane in windows]
    for x in (middle((hatch, 0), (screen, 0), 0.5)[0], c.between(-0.06, 0.02) + screen):
        parts.append(Part(Limb([(x, waist), (x, sill - 0.03)], [0.008, 0.008]), plain(lighter(paint, -0.6)), 0.0))
        parts.append(
            Part(
                Limb([(x - 0.12, waist + 0.06), (x - 0.06, waist + 0.06)], [0.014, 0.014]),
                plain(lighter(paint, -0.5)),
                0.0,
            )
        )
    parts.append(Part(Oval((nose - 0.02, 0.03), 0.06, 0.045), plain((0.97, 0.95, 0.8)), 0.04, gloss=0.8))
    parts.append(Part(Oval((tail + 0.02, waist + 0.09), 0.04, 0.06), plain((0.75, 0.1, 0.08)), 0.03, gloss=0.8))
    parts.append(
        Part(
            Limb([(nose - 0.05, sill - 0.02), (nose + 0.03, sill - 0.02)], [0.035, 0.03]),
            plain(lighter(paint, -0.6)),
            0.03,
        )
    )
    size = c.between(0.17, 0.225)
    for x in (tail + c.between(0.3, 0.38), nose - c.between(0.3, 0.38)):
        parts.append(Part(Oval((x, sill + 0.02), size * 1.18, size * 1.18), plain(lighter(paint, -0.75)), 0.0))
        parts += wheel(c, (x, sill + 0.05), size, rim)
    return parts


def _car_windows(
    c: Chance, hatch: float, screen: float, rear: float, front: float, top: float, bottom: float
) -> list[list[Point]]:
    post = middle((hatch, 0), (screen, 0), c.between(0.4, 0.6))[0]
    return [
        [(hatch + 0.03, top), (post - 0.03, top), (post - 0.03, bottom), (min(rear + 0.1, post - 0.12), bottom)],
        [(post + 0.03, top), (screen - 0.02, top), (front - 0.09, bottom), (post + 0.03, bottom)],
    ]


def _reflecting(glass: Colour) -> Paint:
    return banded([lighter(glass, 0.4), glass], [-0.2])


def bicycle(c: Chance) -> list[Part]:
    frame, tyre = (
        c.one_of((vivid, vivid, pale, metal, dark))(c),
        c.one_of((RUBBER, RUBBER, woody(c), lighter(vivid(c), -0.4))),
    )
    radius, base = c.between(0.36, 0.43), c.between(0.5, 0.56)
    back, ahead = (-base, 0.25), (base, 0.25)
    crank = (c.between(-0.1, -0.02), 0.28)
    saddle = (crank[0] - c.between(0.12, 0.2), c.between(-0.32, -0.24))
    stem = (base - c.between(0.15, 0.22), c.between(-0.3, -0.2))
    tube = c.between(0.028, 0.042)
    parts = []
    for centre in (back, ahead):
        parts += _spoked(c, centre, radius, tyre)
    drop = middle(stem, ahead, 0.22)
    bars = [
        (saddle, crank),
        (crank, back),
        (middle(saddle, crank, 0.2), back),
        (middle(saddle, crank, 0.2), stem),
        (drop, crank),
    ]
    if c.often(0.25):
        bars[3] = (middle(saddle, crank, 0.55), drop)
    turn = c.between(0, 180)
    for side, dim in ((180.0, 0.6), (0.0, 1.0)):
        pedal = reach(crank, turn + side, 0.17)
        lever = [Part(Limb([crank, pedal], [0.026, 0.022]), shaded(plain(metal(c)), dim), 0.02)]
        lever.append(
            Part(Limb([(pedal[0] - 0.06, pedal[1]), (pedal[0] + 0.06, pedal[1])], [0.026, 0.026]), plain(RUBBER), 0.02)
        )
        if side:
            parts += lever
    parts.append(Part(Lines(bars, tube), plain(frame), tube, gloss=0.8))
    parts.append(
        Part(
            Limb([middle(stem, ahead, -0.12), middle(stem, ahead, 0.3), ahead], [tube, tube, tube * 0.8]),
            plain(frame),
            tube,
            gloss=0.8,
        )
    )
    parts.append(Part(Ring(crank, 0.08, 0.022), plain(metal(c)), 0.02, gloss=0.5))
    parts += lever
    seat = (saddle[0] + (saddle[0] - crank[0]) * 0.15, saddle[1] - 0.06)
    parts.append(Part(Limb([saddle, seat], [0.025, 0.025]), plain(metal(c)), 0.02))
    parts.append(
        Part(
            Limb([(seat[0] - 0.12, seat[1] - 0.02), (seat[0] + 0.15, seat[1] - 0.03)], [0.055, 0.028]),
            plain(dark(c)),
            0.05,
        )
    )
    grip = middle(stem, ahead, -0.2)
    if c.often(0.5):
        handle = [
            grip,
            (grip[0] + 0.14, grip[1] - 0.01),
            (grip[0] + 0.2, grip[1] + 0.09),
            (grip[0] + 0.1, grip[1] + 0.17),
        ]
    else:
        handle = [
            (grip[0] + 0.08, grip[1]),
            (grip[0] - 0.03, grip[1] - 0.06),
            (grip[0] - 0.2, grip[1] - c.between(0.02, 0.1)),
        ]
    line = curve(handle, 3)
    parts.append(Part(Limb(line, [0.028] * len(line)), plain(dark(c)), 0.025))
    return parts


def _spoked(c: Chance, centre: Point, radius: float, tyre: Colour) -> list[Part]:
    count, turn = c.whole(6, 9), c.between(0, 60)
    spokes = [
        (reach(centre, turn + 180 * n / count, radius), reach(centre, turn + 180 * n / count, -radius))
        for n in range(count)
    ]
    return [
        Part(Lines(spokes, 0.007), plain((0.75, 0.76, 0.78)), 0.0),
        Part(Ring(centre, radius - 0.05, 0.016), plain((0.7, 0.71, 0.74)), 0.0),
        Part(Ring(centre, radius, c.between(0.034, 0.05)), plain(tyre), 0.03),
        Part(Oval(centre, 0.045, 0.045), plain((0.6, 0.6, 0.63)), 0.04),
    ]


def aeroplane(c: Chance) -> list[Part]:
    """Its nose to the right, seen somewhat from the side and below or above."""
    skin = c.one_of((pale, pale, metal, vivid))(c)
    trim = vivid(c)
    thick, lift = c.between(0.1, 0.15), c.between(-0.04, 0.04)
    tilt = c.sign() * c.between(0.3, 0.9)  # how much of the wings' upper or lower side is to be seen
    nose, tail = (0.92, lift), (-0.95, -0.05)
    root = c.between(-0.05, 0.15)
    sweep, span = c.between(0.25, 0.6), c.between(0.65, 1.05)
    parts = [
        Part(
            Polygon(_plane_wing(root + 0.04, -0.02, sweep, -tilt * span * 0.55, 0.32), 0.01),
            grainy(c, lighter(skin, -0.3), 0.05, 8),
            0.03,
        )
    ]
    parts.append(
        Part(Polygon(_plane_wing(-0.78, -0.03, 0.2, -tilt * 0.26, 0.16), 0.008), plain(lighter(skin, -0.35)), 0.02)
    )
    fin = [(-0.62, -0.06), (-0.85, -0.42 - c.between(0, 0.12)), (-1.02, -0.42 - c.between(0, 0.1)), (-0.93, -0.03)]
    parts.append(Part(Polygon(fin, 0.012), plain(trim), 0.04, gloss=0.4))
    hull = Limb(
        curve([tail, (-0.5, -0.015), (0.3, 0.0), (0.72, lift * 0.4), nose], 2),
        [0.03, 0.055, thick * 0.85, thick, thick, thick, thick * 0.85, thick * 0.7, 0.035],
    )
    livery = c.one_of((
        banded([skin, trim, skin], [c.between(-0.02, 0.0), c.between(0.025, 0.05)]),
        banded([skin, trim], [c.between(0.03, 0.06)]),
        plain(skin),
    ))  # fmt: skip
    parts.append(Part(hull, livery, thick, gloss=0.6))
    count = c.whole(6, 12)
    panes = [((-0.45 + n * 0.95 / count, -0.035), (-0.45 + n * 0.95 / count + 0.012, -0.035)) for n in range(count)]
    parts.append(Part(Lines(panes, 0.019), plain((0.12, 0.14, 0.2)), 0.0))
    parts.append(
        Part(
            Polygon([(0.7, -0.065), (0.8, -0.05), (0.85, -0.015), (0.74, -0.015)], 0.012),
            plain((0.13, 0.17, 0.24)),
            0.02,
            gloss=0.8,
        )
    )
    near = _plane_wing(root, 0.03, sweep, tilt * span, 0.36)
    for part in c.one_of(((0.35,), (0.3, 0.6), ())):
        x, y = middle(near[0], near[1], part)
        below = c.between(0.02, 0.05)
        parts.append(
            Part(
                Limb([(x - 0.12, y + below), (x + 0.1, y + below)], [0.04, 0.06]),
                plain(lighter(trim, -0.1)),
                0.05,
                gloss=0.6,
            )
        )
        parts.append(Part(Oval((x + 0.13, y + below), 0.025, 0.05), plain((0.1, 0.1, 0.12)), 0.0))
    parts.append(
        Part(
            Polygon(near, 0.012),
            banded([skin, lighter(trim, 0.1)], [tilt * span * 0.8] if tilt > 0 else [9.0]),
            0.04,
            gloss=0.3,
        )
    )
    parts.append(
        Part(Polygon(_plane_wing(-0.76, -0.02, 0.22, tilt * 0.34, 0.18), 0.008), plain(lighter(skin, -0.1)), 0.02)
    )
    return parts


def _plane_wing(root: float, y: float, sweep: float, out: float, chord: float) -> list[Point]:
    """From the front of the root to the tip's front, and back behind."""
    return [
        (root + chord / 2, y),
        (root + chord / 2 - sweep - chord * 0.3, y + out),
        (root - sweep - chord * 0.2, y + out),
        (root - chord / 2, y),
    ]


def sailboat(c: Chance) -> list[Part]:
    hull, cloth = anything(c), c.one_of((pale, pale, vivid))(c)
    long, deep = c.between(0.6, 0.8), c.between(0.2, 0.28)
    deck, mast = 0.55, c.between(-0.08, 0.12)
    side = [(-long, deck - 0.03), (long + 0.12, deck - 0.1), (long * 0.75, deck + deep), (-long * 0.8, deck + deep)]
    lacquer = banded([hull, c.one_of((lighter(hull, -0.6), pale(c), vivid(c)))], [deck + deep * c.between(0.35, 0.6)])
    if c.often(0.3):
        lacquer = wooden(c, woody(c))
    top, swing = (mast + c.between(-0.04, 0.02), -0.95), c.between(0.45, 0.75)
    belly = c.between(0.03, 0.16)
    clew = (mast - swing, deck - c.between(0.1, 0.16))
    leech = middle(top, clew)
    main = [
        top,
        (leech[0] - belly, leech[1] - 0.02),
        clew,
        (mast - swing * 0.5, deck - 0.09),
        (mast - 0.03, deck - 0.1),
        (mast - 0.03, -0.2),
    ]
    parts = [
        Part(
            Polygon(
                [
                    (mast - 0.28, deck - 0.05),
                    (mast - 0.22, deck - 0.16),
                    (mast + 0.1, deck - 0.15),
                    (mast + 0.2, deck - 0.07),
                ],
                0.015,
            ),
            plain(pale(c)),
            0.03,
        )
    ]
    sewn = _cloth(c, cloth)
    parts.append(Part(Polygon(main, 0.005), sewn, 0.22, Frame((0, 0), 90)))
    bow = (long + 0.08, deck - 0.1)
    if c.often(0.85):
        foot = (mast + c.between(0.05, 0.2), deck - 0.12)
        luff = middle((mast, -0.75), bow)
        jib = [(mast + 0.03, c.between(-0.8, -0.5)), (luff[0] + c.between(-0.02, 0.1), luff[1]), bow, foot]
        parts.append(Part(Polygon(jib, 0.005), _cloth(c, c.one_of((cloth, cloth, vivid(c)))), 0.15, Frame((0, 0), 90)))
    parts.append(Part(Limb([(mast, deck), top], [0.026, 0.018]), plain(woody(c)), 0.02))
    parts.append(
        Part(Limb([(mast, deck - 0.09), (clew[0] - 0.05, clew[1] + 0.02)], [0.022, 0.02]), plain(woody(c)), 0.02)
    )
    flag = [top, (top[0] - 0.2, top[1] + c.between(0.0, 0.08)), (top[0], top[1] + 0.1)]
    parts.append(Part(Polygon(flag), plain(vivid(c)), 0.03))
    parts.append(Part(Polygon(side, 0.03), lacquer, 0.14, gloss=0.4))
    parts.append(
        Part(Limb([(-long, deck - 0.04), (long + 0.13, deck - 0.11)], [0.02, 0.02]), plain(lighter(hull, 0.4)), 0.02)
    )
    return parts


def _cloth(c: Chance, colour: Colour) -> Paint:
    """Sailcloth: panels with seams, or broad stripes."""
    if c.often(0.3):
        return striped(c, colour, vivid(c), c.between(1.2, 2.5), 0.4, 0.0)
    return striped(c, colour, lighter(colour, -0.15), c.between(3, 5), 0.25, 0.05)
