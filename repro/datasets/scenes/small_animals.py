"""Animals with wings, fins and six legs."""

from __future__ import annotations

from .drawing import Frame, Part
from .exact import Chance, Point, sine
from .paints import (
    Colour,
    Paint,
    anything,
    banded,
    bellied,
    dark,
    grainy,
    hsv,
    lighter,
    meshed,
    mixed,
    pale,
    plain,
    shaded,
    spotted,
    striped,
    vivid,
)
from .shapes import Blend, Limb, Lines, Oval, Overlap, Polygon, closed_curve, curve, middle, reach

BLACK: Colour = (0.06, 0.06, 0.07)


def bird(c: Chance) -> list[Part]:
    """It looks to the right, on its legs or in the air."""
    back, breast = anything(c), anything(c)
    beak = hsv(c.between(0.02, 0.16), c.between(0.3, 0.95), c.between(0.3, 0.95))
    flying = c.often(0.4)
    lean = c.between(-35, 5) if not flying else c.between(-12, 8)
    chest, rump = reach((0, 0), lean, 0.25), reach((0, 0), lean + 180, 0.3)
    head = reach(chest, lean - c.between(20, 55), c.between(0.26, 0.4))
    body = Blend([Limb([rump, chest], [0.16, c.between(0.22, 0.3)]), Limb([chest, head], [0.17, 0.13])], 0.15)
    plumage = bellied(grainy(c, back, 0.15, 20), breast, c.between(0.0, 0.1), 0.12)
    parts = _tail(c, rump, lean, back)
    if flying:
        parts += _wing(c, middle(chest, rump, 0.3), lean - c.between(95, 120), shaded(plain(back), 0.7), back, True)
    else:
        parts += _bird_legs(c, beak)
    gape = reach(head, lean + c.between(-10, 25), 0.1)
    parts += _beak(c, gape, lean + c.between(-5, 25), beak)
    parts.append(Part(body, plumage, 0.22, Frame((0, 0), lean)))
    hood = Oval(head, c.between(0.145, 0.17), c.between(0.14, 0.16))
    if c.often(0.6):
        parts.append(Part(hood, grainy(c, anything(c), 0.1, 20), 0.15))
    eye = reach(head, lean - 15, 0.06)
    parts.append(Part(Oval(eye, 0.04, 0.04), plain(c.one_of(((0.9, 0.85, 0.7), BLACK))), 0.03))
    parts.append(Part(Oval(eye, 0.025, 0.025), plain(BLACK), 0.025, gloss=1.0))
    shoulder = middle(chest, rump, 0.15)
    if flying:
        return parts + _wing(c, shoulder, lean - c.between(60, 130), plain(back), back, True)
    return parts + _wing(c, shoulder, lean + c.between(168, 186), plain(back), back, False)


def _tail(c: Chance, rump: Point, lean: float, back: Colour) -> list[Part]:
    length, spread = c.between(0.3, 0.6), c.between(3, 14)
    feathers = []
    for number in range(4):
        angle = lean + 180 + (number - 1.5) * spread
        tip = reach(rump, angle, length * c.about(1, 0.08))
        feathers.append(Part(Limb([rump, tip], [0.05, 0.055]), shaded(plain(back), 0.65 + 0.1 * number), 0.05))
    return feathers


def _bird_legs(c: Chance, colour: Colour) -> list[Part]:
    parts = []
    length = c.between(0.22, 0.45)
    for side, dim in ((0.07, 0.6), (-0.05, 1.0)):
        hip = (side, 0.17)
        knee = reach(hip, 90 + c.between(5, 30), length * 0.5)
        foot = reach(knee, 90 - c.between(5, 30), length * 0.65)
        toes = [(foot, reach(foot, angle, 0.13)) for angle in (8.0, 30.0, 165.0)]
        shape = Blend([Limb([hip, knee, foot], [0.045, 0.025, 0.022]), Lines(toes, 0.02)], 0.02)
        parts.append(Part(shape, shaded(plain(colour), dim), 0.025))
    return parts


def _beak(c: Chance, gape: Point, tilt: float, colour: Colour) -> list[Part]:
    length, thick = c.between(0.14, 0.36), c.between(0.04, 0.075)
    upper, lower = reach(gape, tilt - 90, thick), reach(gape, tilt + 90, thick)
    tip = reach(gape, tilt + c.between(0, 12), length)
    open_ = reach(gape, tilt + c.between(8, 24), length * 0.85)
    return [
        Part(Polygon([gape, lower, open_], 0.008), plain(lighter(colour, -0.3)), 0.03),
        Part(Polygon([upper, tip, reach(gape, tilt + 90, thick * 0.4)], 0.008), plain(colour), 0.03),
    ]


def _wing(c: Chance, shoulder: Point, angle: float, paint: Paint, colour: Colour, spread: bool) -> list[Part]:
    """Feathers that fan out from an arm, long ones first; folded, they lie together."""
    count = 7
    length = c.between(0.75, 1.0) if spread else c.between(0.5, 0.65)
    fan = c.between(9, 14) if spread else c.between(2, 4)
    elbow = reach(shoulder, angle, length * (0.35 if spread else 0.08))
    tip_colour = lighter(colour, c.between(-0.7, 0.5))
    parts = []
    for number in range(count):
        root = middle(elbow, shoulder, number / count)
        feather = angle - fan * number if spread else angle - fan * (number - 3)
        end = reach(root, feather, length * (0.68 - 0.055 * number))
        dim = 0.75 + 0.25 * (number % 2)
        parts.append(Part(Limb([root, end], [0.05, 0.06]), shaded(plain(tip_colour), dim), 0.05))
    coverts = c.between(0.1, 0.14)
    bars = spotted(c, colour, tip_colour, 10, 0.3) if c.often(0.4) else grainy(c, colour, 0.2, 18)
    parts.append(
        Part(Limb([shoulder, elbow, reach(elbow, angle - fan * 2, 0.2)], [coverts * 1.2, coverts, 0.06]), bars, 0.1)
    )
    return parts


def fish(c: Chance) -> list[Part]:
    """It swims to the right; its spine bends."""
    slim, bend = c.between(0.22, 0.5), c.between(-0.16, 0.16)
    skin, other = anything(c), anything(c)
    scale = _scales(c, skin, other)
    upper = [(-0.75, -0.07), (-0.45, -0.55), (0.0, -1.0), (0.4, -0.92), (0.72, -0.5), (0.95, -0.06)]
    lower = [(0.95, 0.06), (0.72, 0.5), (0.4, 0.85), (0.0, 0.9), (-0.45, 0.45), (-0.75, 0.07)]
    bent = lambda x, y: (x, y * slim + bend * (x - 0.3) * (x - 0.3))  # noqa: E731
    outline = closed_curve([bent(x, y if abs(y) > 0.08 else y / slim) for x, y in upper + lower], 3)
    fin = lighter(c.one_of((skin, other)), c.between(-0.3, 0.3))
    rays = striped(c, fin, lighter(fin, -0.35), 11, 0.45, 0.05)
    root, fork = bent(-0.72, 0.0), c.between(0.05, 0.3)
    high = c.between(0.3, 0.48)
    tail = [
        root,
        (root[0] - 0.4, root[1] - high),
        (root[0] - 0.42 + fork, root[1]),
        (root[0] - 0.4, root[1] + high * c.between(0.8, 1)),
    ]
    crest = c.between(0.1, 0.4)
    dorsal = [
        bent(0.35, -0.8),
        bent(0.2, -1.0 - crest / slim),
        bent(-0.3, -0.95 - crest * 0.6 / slim),
        bent(-0.5, -0.4),
    ]
    anal = [bent(0.0, 0.8), bent(-0.2, 0.9 + 0.22 / slim), bent(-0.5, 0.4)]
    parts = [
        Part(Polygon(closed_curve(tail, 3)), rays, 0.05, Frame(root, 90)),
        Part(Polygon(closed_curve(dorsal, 3)), rays, 0.04, Frame(root, c.between(10, 30))),
        Part(Polygon(anal, 0.02), rays, 0.04, Frame(root, -20)),
        Part(
            Polygon(outline),
            bellied(scale, lighter(skin, 0.6), slim * 0.45, slim * 0.5),
            slim * 0.8,
            gloss=c.between(0.1, 0.7),
        ),
    ]
    gill = Overlap(Oval(bent(0.52, 0.0), 0.19, slim * 0.72), Oval(bent(0.56, 0.0), 0.19, slim * 0.78), without=True)
    parts.append(Part(gill, plain(lighter(skin, -0.45)), 0.0))
    flap = reach(bent(0.34, 0.25), 180 - c.between(-10, 50), c.between(0.25, 0.36))
    parts.append(Part(Limb([bent(0.38, 0.25), flap], [0.03, 0.1]), shaded(rays, 0.9), 0.05, Frame(flap, 60)))
    eye = bent(0.72, -0.18)
    parts.append(Part(Oval(eye, 0.07, 0.07), plain((0.92, 0.88, 0.75)), 0.04))
    parts.append(Part(Oval(eye, 0.042, 0.042), plain(BLACK), 0.04, gloss=1.0))
    mouth = bent(0.93, 0.03)
    parts.append(
        Part(Limb([mouth, (mouth[0] - 0.12, mouth[1] + 0.05)], [0.02, 0.012]), plain(lighter(skin, -0.6)), 0.0)
    )
    return parts


def _scales(c: Chance, skin: Colour, other: Colour) -> Paint:
    kind = c.whole(0, 3)
    if kind == 0:
        return striped(c, skin, other, c.between(1.8, 3.5), c.between(0.3, 0.5), 0.15)
    if kind == 1:
        return meshed(c, lighter(skin, -0.4), skin, c.between(9, 13), 0.12)
    if kind == 2:
        return spotted(c, skin, other, c.between(6, 9), 0.35)
    return banded([lighter(skin, -0.3), skin, other], [-0.15, 0.05])


def beetle(c: Chance) -> list[Part]:
    """Seen from above, its head to the right."""
    shell, limbs = anything(c), c.one_of((dark, dark, vivid))(c)
    wide, long = c.between(0.36, 0.52), c.between(0.55, 0.72)
    parts = _six_legs(c, wide, limbs)
    for side in (-1.0, 1.0):
        turn = side * c.between(15, 50)
        feeler = [(0.62, side * 0.07), reach((0.62, side * 0.07), turn, 0.22)]
        feeler.append(reach(feeler[1], turn * c.between(-0.3, 1.6), c.between(0.14, 0.3)))
        parts.append(Part(Limb(curve(feeler, 3), [0.022] * 7), plain(limbs), 0.02))
        jaw = [(0.68, side * 0.08), (0.8, side * 0.1), (0.84, side * 0.03)]
        parts.append(Part(Limb(jaw, [0.035, 0.03, 0.012]), plain(limbs), 0.03, gloss=0.5))
    parts.append(Part(Oval((0.6, 0), 0.15, 0.17), plain(lighter(limbs, 0.08)), 0.12, gloss=0.8))
    parts.append(Part(Oval((0.66, -0.13), 0.05, 0.05), plain(BLACK), 0.05, gloss=1.0))
    parts.append(Part(Oval((0.66, 0.13), 0.05, 0.05), plain(BLACK), 0.05, gloss=1.0))
    collar = c.one_of((shell, limbs, anything(c)))
    parts.append(Part(Oval((0.4, 0), 0.2, wide * 0.72), grainy(c, collar, 0.1, 12), 0.18, gloss=0.8))
    wing_case = Oval((-0.18, 0), long * 0.86, wide)
    pattern, gap = _shell(c, shell), c.between(0.0, 6.0)
    for side in (-1.0, 1.0):
        half = Polygon([(0.55, 0), (0.55, side), (-1, side), (-1, side * gap * 0.02)])
        parts.append(Part(Overlap(wing_case, half), pattern, wide * 0.75, Frame((0, 0), 0), gloss=1.0))
    parts.append(Part(Limb([(0.3, 0), (-0.18 - long * 0.84, 0)], [0.014, 0.014]), plain(lighter(shell, -0.7)), 0.0))
    return parts


def _six_legs(c: Chance, wide: float, colour: Colour) -> list[Part]:
    parts = []
    for side in (-1.0, 1.0):
        for at, out in ((0.38, 52.0), (0.12, 92.0), (-0.12, 130.0)):
            angle = side * (out + c.between(-14, 14))
            root = (at, side * wide * 0.6)
            knee = reach(root, angle, c.between(0.3, 0.38))
            shin = angle + side * (c.between(-30, -5) if out < 60 else c.between(8, 40))
            foot = reach(knee, shin, c.between(0.26, 0.36))
            toe = reach(foot, shin - side * c.between(-30, 30), 0.13)
            parts.append(
                Part(Limb([root, knee, foot, toe], [0.06, 0.042, 0.028, 0.02]), plain(colour), 0.04, gloss=0.5)
            )
    return parts


def _shell(c: Chance, shell: Colour) -> Paint:
    kind = c.whole(0, 3)
    if kind == 0:
        return spotted(c, shell, c.one_of((BLACK, pale(c))), c.between(3, 5), c.between(0.25, 0.38))
    if kind == 1:
        return _ridges(lighter(shell, -0.35), shell, c.between(12, 18))
    if kind == 2:
        return striped(c, shell, anything(c), c.between(1.4, 2.6), 0.5, 0.15)
    return grainy(c, shell, 0.12, 20)


def _ridges(groove: Colour, shell: Colour, pace: float) -> Paint:
    """Fine grooves along the body."""
    return lambda u, v, pixel: mixed(groove, shell, 0.5 + 0.5 * sine(v * pace * 360))
