"""What stands in rooms, and what grows: chair, guitar, teapot, flower, mushroom."""

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
    leafy,
    lighter,
    metal,
    pale,
    plain,
    shaded,
    spotted,
    striped,
    vivid,
    wooden,
    woody,
)
from .shapes import Blend, Limb, Lines, Oval, Overlap, Polygon, Shape, arc, curve, middle, reach

BLACK: Colour = (0.07, 0.06, 0.07)


def chair(c: Chance) -> list[Part]:
    """Its back to the left, seen from the front and a little from above."""
    colour = c.one_of((woody, woody, vivid, dark, pale))(c)
    material = wooden(c, colour) if c.often(0.6) else grainy(c, colour, 0.08, 12)
    wide, deep, shift = c.between(0.5, 0.68), c.between(0.2, 0.32), c.between(0.1, 0.28)
    leg, tall, thick = c.between(0.65, 0.85), c.between(0.7, 0.95), c.between(0.035, 0.055)
    left, right = -wide / 2 - shift / 2, wide / 2 - shift / 2
    back = [(left, -deep / 2), (right, -deep / 2)]
    front = [(left + shift, deep / 2), (right + shift, deep / 2)]
    lean = c.between(-0.1, 0.0)
    splay = c.between(0.0, 0.06)
    parts = []
    for x, y in back:
        parts.append(
            Part(
                Limb([(x, y), (x - splay, y + leg)], [thick, thick * 0.8]),
                shaded(material, 0.65),
                thick,
                Frame((x, y), 90),
            )
        )
    if c.often(0.6):
        low = leg * c.between(0.4, 0.7)
        rungs = [
            ((front[0][0], front[0][1] + low), (front[1][0], front[1][1] + low)),
            ((back[0][0], back[0][1] + low), (front[0][0], front[0][1] + low)),
        ]
        parts.append(Part(Lines(rungs, thick * 0.6), shaded(material, 0.8), thick * 0.6))
    tops = [(x + lean, y - tall) for x, y in back]
    parts += _chair_back(c, back, tops, thick, material, colour)
    parts.append(Part(Lines(list(zip(back, tops, strict=True)), thick), material, thick, Frame((0, 0), 90)))
    seat = Polygon([back[0], back[1], front[1], front[0]], thick * 1.1)
    cloth = c.one_of((material, material, grainy(c, vivid(c), 0.15, 16), striped(c, vivid(c), pale(c), 5, 0.5, 0.0)))
    edge = Polygon(
        [front[0], front[1], (front[1][0], front[1][1] + 0.06), (front[0][0], front[0][1] + 0.06)], thick * 0.9
    )
    for x, y in front:
        parts.append(
            Part(Limb([(x, y), (x + splay, y + leg)], [thick * 1.1, thick * 0.8]), material, thick, Frame((x, y), 90))
        )
    parts += [Part(edge, shaded(material, 0.75), 0.03), Part(seat, cloth, 0.05)]
    if c.often(0.35):
        for number in (0, 1):
            rest = middle(back[number], tops[number], c.between(0.33, 0.42))
            end = (front[number][0], front[number][1] - tall * 0.33)
            parts.append(Part(Limb([rest, end, front[number]], [thick, thick, thick * 0.8]), material, thick))
    return parts


def _chair_back(
    c: Chance, feet: list[Point], tops: list[Point], thick: float, material: Paint, colour: Colour
) -> list[Part]:
    rail = Part(
        Limb([tops[0], middle(tops[0], tops[1]), tops[1]], [thick * 1.2, thick * 1.5, thick * 1.2]), material, thick
    )
    kind = c.whole(0, 2)
    if kind == 0:
        count = c.whole(2, 5)
        slats = [
            (middle(feet[0], feet[1], (n + 1) / (count + 1)), middle(tops[0], tops[1], (n + 1) / (count + 1)))
            for n in range(count)
        ]
        return [Part(Lines(slats, thick * 0.7), shaded(material, 0.85), thick * 0.7, Frame((0, 0), 90)), rail]
    if kind == 1:
        heights = [0.35, 0.62] if c.often(0.5) else [0.3, 0.52, 0.74]
        slats = [(middle(feet[0], tops[0], h), middle(feet[1], tops[1], h)) for h in heights]
        return [Part(Lines(slats, thick * 1.2), shaded(material, 0.9), thick), rail]
    low = [middle(feet[number], tops[number], c.between(0.3, 0.4)) for number in (0, 1)]
    panel = Polygon([low[0], tops[0], tops[1], low[1]], 0.02)
    return [Part(panel, grainy(c, c.one_of((colour, vivid(c))), 0.12, 10), 0.08), rail]


def guitar(c: Chance) -> list[Part]:
    """Its neck to the right."""
    colour = c.one_of((woody, woody, vivid, dark))(c)
    electric = c.often(0.35)
    wood = wooden(c, colour) if not electric else grainy(c, colour, 0.05, 8)
    lower, upper = c.between(0.34, 0.42), c.between(0.25, 0.31)
    bouts: list[Shape] = [
        Oval((-0.62, 0), lower * 0.95, lower),
        Oval((-0.16, 0), upper * 0.95, upper),
        Limb([(-0.6, 0), (-0.2, 0)], [0.22, 0.2]),
    ]
    if electric:
        bouts += [Limb([(-0.1, -0.15), (0.1, -0.3)], [0.1, 0.05]), Limb([(-0.1, 0.15), (0.08, 0.28)], [0.1, 0.05])]
    body = Blend(bouts, 0.12)
    trim = lighter(colour, c.between(0.3, 0.6)) if c.often(0.5) else lighter(colour, -0.6)
    parts = [Part(body, wood, c.between(0.05, 0.09), gloss=0.6)]
    if c.often(0.6):
        inner = Blend(
            [
                Oval((-0.62, 0), lower * 0.85, lower * 0.88),
                Oval((-0.16, 0), upper * 0.82, upper * 0.86),
                Limb([(-0.6, 0), (-0.2, 0)], [0.18, 0.16]),
            ],
            0.12,
        )
        parts.append(Part(inner, shaded(wooden(c, lighter(colour, 0.25)), 1.0), 0.0))
    hole = (c.between(-0.25, -0.2), 0.0)
    if electric:
        for x in (-0.6, -0.42, -0.26):
            parts.append(
                Part(
                    Polygon([(x, -0.1), (x + 0.06, -0.1), (x + 0.06, 0.1), (x, 0.1)], 0.015),
                    plain(c.one_of((BLACK, (0.85, 0.85, 0.82)))),
                    0.03,
                )
            )
    else:
        parts.append(Part(Oval(hole, 0.155, 0.155), plain(trim), 0.0))
        parts.append(Part(Oval(hole, 0.125, 0.125), plain((0.06, 0.04, 0.03)), 0.0))
    parts.append(
        Part(
            Polygon([(-0.76, -0.14), (-0.7, -0.14), (-0.7, 0.14), (-0.76, 0.14)], 0.012),
            plain(lighter(woody(c), -0.5)),
            0.02,
        )
    )
    neck = c.between(0.72, 0.85)
    board = lighter(woody(c), -0.55)
    frets = striped(c, board, (0.75, 0.72, 0.6), 13, 0.16, 0.0)
    parts.append(Part(Polygon([(-0.1, -0.062), (neck, -0.045), (neck, 0.045), (-0.1, 0.062)], 0.008), frets, 0.03))
    head = [
        (neck, -0.055),
        (neck + 0.06, -0.1),
        (neck + 0.28, -0.09),
        (neck + 0.3, 0.09),
        (neck + 0.06, 0.1),
        (neck, 0.055),
    ]
    pegs = [(neck + x, side * 0.15) for x in (0.09, 0.16, 0.23) for side in (-1, 1)]
    parts.append(Part(Lines([((x, 0.0), (x, y)) for x, y in pegs], 0.02), plain(metal(c)), 0.02, gloss=0.6))
    parts.append(Part(Polygon(head, 0.015), wood, 0.05, gloss=0.4))
    strings = [((-0.73, y), (neck + 0.05, y * 0.8)) for y in (-0.04, -0.013, 0.013, 0.04)]
    parts.append(Part(Lines(strings, 0.005), plain((0.85, 0.83, 0.75)), 0.0))
    return parts


def teapot(c: Chance) -> list[Part]:
    """Its spout to the right."""
    glaze = anything(c)
    wide, high = c.between(0.46, 0.6), c.between(0.36, 0.52)
    other = c.one_of((pale, vivid, dark))(c)
    pattern = _glaze(c, glaze, other, high)
    shine = c.between(0.4, 1.0)
    handle = [
        (-wide * 0.75, -high * 0.55),
        (-wide - 0.28, -high * 0.6),
        (-wide - c.between(0.26, 0.4), 0.05),
        (-wide * 0.85, high * 0.5),
    ]
    if c.often(0.25):
        handle = [
            (-wide * 0.7, -high * 0.6),
            (-wide * 0.75, -high - 0.4),
            (wide * 0.75, -high - 0.4),
            (wide * 0.7, -high * 0.6),
        ]
    line = curve(handle, 4)
    parts = [
        Part(
            Limb(line, [c.between(0.05, 0.075)] * len(line)), plain(c.one_of((glaze, glaze, other))), 0.06, gloss=shine
        )
    ]
    tip = (wide + c.between(0.28, 0.42), -high * c.between(0.55, 1.0))
    spout = curve([(wide * 0.6, high * 0.35), (wide + 0.08, high * 0.1), (wide + 0.17, -high * 0.4), tip], 4)
    parts.append(
        Part(
            Limb(spout, [0.17 - 0.115 * n / (len(spout) - 1) for n in range(len(spout))]),
            plain(glaze),
            0.1,
            gloss=shine,
        )
    )
    parts.append(Part(Oval(tip, 0.05, 0.03, 30), plain(lighter(glaze, -0.75)), 0.0))
    foot = wide * c.between(0.5, 0.7)
    parts.append(
        Part(
            Polygon(
                [(-foot, high * 0.8), (foot, high * 0.8), (foot * 1.06, high + 0.04), (-foot * 1.06, high + 0.04)], 0.01
            ),
            plain(lighter(glaze, -0.2)),
            0.04,
        )
    )
    belly: Shape = Oval((0, 0), wide, high)
    if c.often(0.4):
        belly = Blend(
            [Oval((0, 0.06), wide, high * 0.92), Limb([(0, -high * 0.5), (0, -high * 0.8)], [wide * 0.6, wide * 0.45])],
            0.15,
        )
    parts.append(Part(belly, pattern, min(wide, high) * 0.95, gloss=shine))
    lid = wide * c.between(0.45, 0.6)
    top = -high * 0.84
    parts.append(
        Part(
            Overlap(
                Oval((0, top), lid, c.between(0.13, 0.2)),
                Polygon([(-1, top + 0.02), (1, top + 0.02), (1, -2), (-1, -2)]),
            ),
            c.one_of((plain(glaze), plain(other), pattern)),
            0.13,
            gloss=shine,
        )
    )
    parts.append(
        Part(
            Limb([(-lid * 1.05, top + 0.02), (lid * 1.05, top + 0.02)], [0.022, 0.022]),
            plain(lighter(glaze, -0.4)),
            0.02,
        )
    )
    parts.append(Part(Oval((0, top - 0.2), 0.07, 0.065), plain(c.one_of((glaze, other))), 0.065, gloss=shine))
    return parts


def _glaze(c: Chance, glaze: Colour, other: Colour, high: float) -> Paint:
    kind = c.whole(0, 4)
    if kind == 0:
        return banded([glaze, other, glaze], [c.between(-0.2, -0.05), c.between(0.05, 0.2)])
    if kind == 1:
        return spotted(c, glaze, other, c.between(4, 6), c.between(0.2, 0.35))
    if kind == 2:
        return striped(c, glaze, other, c.between(3, 6), c.between(0.2, 0.5), 0.0)
    if kind == 3:
        return grainy(c, glaze, 0.2, 6)
    return banded([other, glaze], [c.between(-0.1, 0.15)])


def flower(c: Chance) -> list[Part]:
    """A blossom on a stalk with leaves."""
    petal, heart = (
        c.one_of((vivid, vivid, vivid, pale))(c),
        hsv(c.between(0.05, 0.18), c.between(0.5, 0.9), c.between(0.25, 0.9)),
    )
    green = leafy(c)
    size, centre = c.between(0.42, 0.56), (c.between(-0.1, 0.1), -0.35)
    flat = c.between(0.75, 1.0)
    stalk = curve([(c.between(-0.2, 0.2), 1.0), (c.between(-0.15, 0.15), 0.45), centre], 4)
    parts = [Part(Limb(stalk, [0.036] * len(stalk)), grainy(c, green, 0.1, 10), 0.04)]
    for side in c.shuffled((-1, 1))[: c.whole(1, 2)]:
        parts += _leaf(c, stalk[c.whole(1, 5)], 90 - side * c.between(95, 150), c.between(0.35, 0.55), green)
    count, thick = c.whole(5, 12), c.between(0.75, 1.1)
    turn = c.between(0, 360)
    veined = striped(c, petal, lighter(petal, c.between(-0.35, 0.3)), 7, 0.3, 0.3)
    for layer, (long, dim) in enumerate(((1.0, 0.78), (0.8, 1.0))):
        if layer and c.often(0.4):
            break
        for number in range(count):
            angle = turn + 360 * (number + layer * 0.5) / count + c.between(-5, 5)
            parts.append(
                _petal(c, centre, angle, size * long * c.about(1, 0.07), flat, thick * 2.2 / count, veined, dim)
            )
    heart_size = size * c.between(0.22, 0.42)
    seeds = spotted(c, heart, lighter(heart, c.one_of((-0.6, 0.5))), 14, 0.35)
    parts.append(Part(Oval(centre, heart_size, heart_size * flat), seeds, heart_size * 0.8))
    return parts


def _petal(
    c: Chance, centre: Point, angle: float, length: float, flat: float, wide: float, paint: Paint, dim: float
) -> Part:
    x, y = reach((0, 0), angle, 1.0)
    tip = (centre[0] + x * length, centre[1] + y * length * flat)
    root = middle(centre, tip, 0.12)
    belly = middle(root, tip, 0.62)
    thick = min(wide, 0.7) * length * 0.62
    return Part(
        Limb([root, belly, middle(root, tip, 0.9)], [0.03, thick, thick * 0.55]),
        shaded(paint, dim * c.about(1, 0.08)),
        thick,
        Frame(centre, angle + 90),
    )


def _leaf(c: Chance, root: Point, angle: float, length: float, green: Colour) -> list[Part]:
    knee = reach(root, angle, length * 0.5)
    tip = reach(knee, angle + c.between(-35, 35), length * 0.5)
    blade = Limb([root, middle(root, knee, 0.8), tip], [0.015, length * 0.17, 0.008])
    return [
        Part(blade, grainy(c, lighter(green, c.between(-0.2, 0.2)), 0.2, 12), 0.08),
        Part(Limb([root, knee, tip], [0.012, 0.01, 0.006]), plain(lighter(green, 0.3)), 0.0),
    ]


def mushroom(c: Chance) -> list[Part]:
    """A cap with gills on a stem, alone or with a small one beside it."""
    cap = anything(c)
    stem = c.one_of((pale(c), lighter(woody(c), 0.4), pale(c)))
    skin = _cap_skin(c, cap)
    parts = []
    if c.often(0.35):
        parts += _one_mushroom(c, (c.sign() * c.between(0.5, 0.7), 0.85), c.between(0.4, 0.55), skin, cap, stem)
    return parts + _one_mushroom(c, (0.0, 0.95), 1.0, skin, cap, stem)


def _one_mushroom(c: Chance, foot: Point, size: float, skin: Paint, cap: Colour, stem: Colour) -> list[Part]:
    wide, high, tall = size * c.between(0.55, 0.85), size * c.between(0.4, 0.75), size * c.between(0.75, 1.1)
    thick, lean = size * c.between(0.1, 0.18), size * c.between(-0.18, 0.18)
    top = (foot[0] + lean, foot[1] - tall)
    rim = size * c.between(0.08, 0.2)
    trunk = curve([foot, (foot[0] + lean * 0.2, foot[1] - tall * 0.5), top], 3)
    radii = [thick * (1.35 - 0.5 * n / (len(trunk) - 1)) for n in range(len(trunk))]
    parts = [Part(Limb(trunk, radii), striped(c, stem, lighter(stem, -0.2), 12, 0.3, 0.4), thick)]
    if c.often(0.4):
        ring = middle(trunk[-1], trunk[-3], 0.6)
        parts.append(
            Part(
                Polygon(
                    [
                        (ring[0] - thick, ring[1] - 0.04),
                        (ring[0] + thick, ring[1] - 0.04),
                        (ring[0] + thick * 1.6, ring[1] + 0.1 * size),
                        (ring[0] - thick * 1.6, ring[1] + 0.1 * size),
                    ],
                    0.01,
                ),
                plain(lighter(stem, 0.3)),
                0.04,
            )
        )
    gills = striped(c, lighter(stem, -0.15), lighter(stem, -0.5), 16 / size, 0.5, 0.0)
    parts.append(Part(Oval(top, wide * 0.97, rim), gills, 0.04))
    hem = rim * 0.55
    dome = arc(top, wide, 180, 360, 13, high / wide)
    brim = [(top[0] + wide * part, top[1] + hem * (1 - part * part)) for part in (0.7, 0.35, 0.0, -0.35, -0.7)]
    parts.append(Part(Polygon([*dome, *brim], 0.02), skin, size * 0.4, gloss=c.between(0, 0.6)))
    return parts


def _cap_skin(c: Chance, cap: Colour) -> Paint:
    kind = c.whole(0, 3)
    if kind <= 1:
        return spotted(
            c, cap, c.one_of((pale(c), lighter(cap, 0.6), lighter(cap, -0.5))), c.between(3.5, 6), c.between(0.25, 0.4)
        )
    if kind == 2:
        return striped(c, cap, lighter(cap, -0.35), c.between(3, 6), 0.4, 0.6)
    return grainy(c, cap, 0.2, 5)
