"""Animals on four legs: one skeleton with joints, and for each kind its proportions, coat, and what else grows on it."""

from __future__ import annotations

from typing import NamedTuple

from .drawing import Frame, Part
from .exact import Chance, Point, direction
from .paints import (
    Colour,
    Paint,
    grainy,
    hsv,
    lighter,
    meshed,
    plain,
    shaded,
    spotted,
    striped,
)
from .shapes import Blend, Limb, Oval, Polygon, Shape, closed_curve, curve, middle, reach

BLACK: Colour = (0.07, 0.06, 0.07)
FAR = 0.62  # brightness of the legs on the far side


class Build(NamedTuple):
    """Lengths as parts of the trunk's length, from hip to shoulder, which is 1; angles in degrees."""

    girth: float
    rise: float  # of the shoulder over the hip
    thigh: float
    shin: float
    leg: float  # thickness at the top
    ankle: float
    neck: float
    neck_angle: float
    nape: float  # thickness of the neck at the head
    stride: float


class Coat(NamedTuple):
    """A paint; one that ``follows`` is turned along every limb, as a zebra's stripes are."""

    paint: Paint
    follows: bool

    def frame(self, start: Point, degrees: float) -> Frame:
        return Frame(start, degrees) if self.follows else Frame()


Joints = tuple[Point, Point, Point, float, float]  # hip, knee, foot, and the directions of thigh and shin


def zebra(c: Chance) -> list[Part]:
    light = hsv(c.between(0.04, 0.16), c.between(0.0, 0.3), c.between(0.78, 0.98))
    ink = hsv(c.unit(), c.between(0.1, 0.5), c.between(0.06, 0.3))
    build = Build(0.3, 0.04, 0.42, 0.42, 0.13, 0.05, c.about(0.5, 0.1), c.between(-75, -20), 0.13, 26)
    coat = Coat(striped(c, light, ink, c.between(5.5, 8.5), c.between(0.42, 0.58), 0.3), True)
    hip, shoulder, head, tilt = _spine(c, build)
    neck = _Neck(shoulder, head)
    parts = _far_legs(c, build, coat, hip, shoulder, ink)
    tail = curve([(hip[0] - 0.24, hip[1] - 0.1), (hip[0] - 0.36, hip[1] + 0.1), (hip[0] - c.between(0.2, 0.5), 0.45)])
    parts.insert(0, Part(Limb(tail, _taper(0.035, 0.03, len(tail))), plain(light), 0.04))
    parts.insert(1, Part(Limb([tail[-3], tail[-1]], [0.03, 0.055]), plain(ink), 0.04))
    parts.append(_mane(c, neck, build.nape * 1.5, coat.paint))
    parts += _body(c, build, coat, hip, shoulder, ink)
    parts += [Part(Limb([shoulder, head], [0.21, build.nape]), coat.paint, 0.2, Frame(shoulder, neck.degrees))]
    muzzle = reach(head, tilt, c.about(0.36, 0.04))
    skull = Blend([Limb([head, muzzle], [0.13, 0.08]), Oval(reach(head, tilt, 0.05), 0.15, 0.14)], 0.1)
    parts.append(Part(skull, coat.paint, 0.13, Frame(head, tilt)))
    parts.append(Part(Oval(muzzle, 0.1, 0.085, tilt), plain(ink), 0.09))
    return parts + _ear(c, head, tilt, 0.19, light) + [_eye(reach(reach(head, tilt, 0.09), tilt - 90, 0.05), 0.028)]


def giraffe(c: Chance) -> list[Part]:
    seam = hsv(c.between(0.08, 0.15), c.between(0.1, 0.45), c.between(0.75, 0.97))
    patch = hsv(c.between(0.01, 0.1), c.between(0.45, 0.8), c.between(0.25, 0.65))
    build = Build(0.27, 0.2, 0.52, 0.58, 0.11, 0.045, c.about(1.15, 0.15), c.between(-82, -42), 0.085, 20)
    coat = Coat(meshed(c, seam, patch, c.between(4.5, 7), c.between(0.1, 0.2)), False)
    hip, shoulder, head, tilt = _spine(c, build)
    neck = _Neck(shoulder, head)
    parts = _far_legs(c, build, coat, hip, shoulder, BLACK)
    tail = [(hip[0] - 0.2, hip[1] - 0.08), (hip[0] - 0.32, hip[1] + 0.2), (hip[0] - c.between(0.25, 0.4), 0.5)]
    parts.insert(0, Part(Limb(tail, [0.03, 0.02, 0.05]), plain(patch), 0.03))
    parts.append(_mane(c, neck, 0.13, plain(lighter(patch, -0.2))))
    parts += _body(c, build, coat, hip, shoulder, BLACK)
    parts.append(Part(Limb([shoulder, middle(shoulder, head, 0.3), head], [0.2, 0.14, 0.08]), coat.paint, 0.15))
    muzzle = reach(head, tilt, 0.3)
    for side in (-0.03, 0.03):
        root = reach(head, tilt, side)
        parts.append(
            Part(Limb([root, reach(root, tilt - 100, 0.19)], [0.022, 0.036]), plain(lighter(patch, -0.4)), 0.03)
        )
    parts += _ear(c, head, tilt, 0.17, seam)
    parts.append(Part(Limb([head, muzzle], [0.105, 0.065]), coat.paint, 0.1))
    parts.append(Part(Oval(muzzle, 0.085, 0.07, tilt), plain(lighter(seam, -0.35)), 0.08))
    return [*parts, _eye(reach(reach(head, tilt, 0.06), tilt - 90, 0.04), 0.025)]


def elephant(c: Chance) -> list[Part]:
    skin = hsv(c.unit(), c.between(0.02, 0.22), c.between(0.3, 0.68))
    build = Build(0.44, 0.04, 0.38, 0.36, 0.2, 0.13, 0.42, c.between(-30, 5), 0.28, 20)
    coat = Coat(grainy(c, skin, 0.22, 9), False)
    hip, shoulder, head, tilt = _spine(c, build)
    nails = lighter(skin, 0.25)
    parts = _far_legs(c, build, coat, hip, shoulder, nails)
    tail = [(hip[0] - 0.36, hip[1] - 0.1), (hip[0] - 0.46, hip[1] + 0.2), (hip[0] - c.between(0.36, 0.5), 0.42)]
    parts.insert(0, Part(Limb(tail, [0.035, 0.02, 0.035]), plain(lighter(skin, -0.3)), 0.03))
    parts += _body(c, build, coat, hip, shoulder, nails)
    face = reach(head, tilt, 0.14)
    lift = c.between(-150, 40)
    trunk = [face]
    angle = 75.0 + c.between(-20, 10)
    for _ in range(5):
        trunk.append(reach(trunk[-1], angle, 0.17))
        angle += lift / 5
    trunk = curve(trunk, 3)
    tusk = [reach(face, 60, 0.13), reach(face, 45, 0.3), reach(face, 25, c.between(0.38, 0.5))]
    parts.append(Part(Limb(curve(tusk, 3), _taper(0.045, 0.012, 7)), plain((0.93, 0.9, 0.8)), 0.04))
    skull = Blend([Oval(head, 0.29, 0.31), Limb(trunk, _taper(0.15, 0.055, len(trunk)))], 0.2)
    parts.append(Part(skull, coat.paint, 0.2))
    parts.append(_eye(reach(head, tilt + 10, 0.17), 0.03))
    spread = c.between(0.8, 1.2)
    ear = reach(head, 180, 0.12)
    flap = [
        (ear[0] + dx * spread * c.about(1, 0.08), ear[1] + dy * c.about(1, 0.08))
        for dx, dy in ((0.08, -0.27), (-0.15, -0.33), (-0.36, -0.16), (-0.34, 0.12), (-0.18, 0.36), (0.0, 0.22))
    ]
    parts.append(Part(Polygon(closed_curve(flap), 0.01), grainy(c, lighter(skin, c.between(-0.2, 0.1)), 0.15, 7), 0.07))
    return parts


def leopard(c: Chance) -> list[Part]:
    fur = hsv(c.between(0.05, 0.16), c.between(0.05, 0.7), c.between(0.6, 0.95))
    ink = hsv(c.between(0.0, 0.1), c.between(0.2, 0.6), c.between(0.06, 0.25))
    build = Build(
        0.21, c.between(-0.06, 0.08), 0.32, 0.32, 0.12, 0.065, c.about(0.32, 0.04), c.between(-45, 15), 0.13, 38
    )
    rosettes = spotted(c, fur, ink, c.between(7, 10), c.between(0.36, 0.44), c.between(0.3, 0.6))
    coat = Coat(rosettes, False)
    hip, shoulder, head, tilt = _spine(c, build)
    parts = _far_legs(c, build, coat, hip, shoulder, fur, paws=True)
    start = (hip[0] - 0.15, hip[1] - 0.05)
    swing = c.between(-60, 60)
    tail = [start]
    angle = 180 - c.between(-40, 50)
    for _ in range(4):
        tail.append(reach(tail[-1], angle, 0.22))
        angle += swing / 2.2
    tail = curve(tail, 3)
    ringed = striped(c, fur, ink, 7, 0.45, 0.1)
    parts.insert(0, Part(Limb(tail, _taper(0.06, 0.045, len(tail))), ringed, 0.06))
    parts += _body(c, build, coat, hip, shoulder, fur, paws=True)
    parts.append(Part(Limb([shoulder, head], [0.18, 0.14]), coat.paint, 0.15))
    for side in (-0.11, 0.1):
        ear = reach(reach(head, tilt - 90, 0.14), tilt, side - 0.02)
        parts.append(Part(Oval(ear, 0.065, 0.065), shaded(rosettes, 0.8), 0.05))
        parts.append(Part(Oval(ear, 0.035, 0.035), plain(lighter(ink, 0.3)), 0.0))
    muzzle = reach(head, tilt + 20, 0.16)
    face = spotted(c, fur, ink, 15, 0.28)
    parts.append(Part(Blend([Oval(head, 0.19, 0.17), Oval(muzzle, 0.1, 0.08)], 0.1), face, 0.15))
    parts.append(Part(Oval(reach(muzzle, tilt + 50, 0.02), 0.08, 0.06), plain(lighter(fur, 0.6)), 0.06))
    parts.append(Part(Oval(reach(muzzle, tilt - 10, 0.08), 0.035, 0.028), plain((0.25, 0.12, 0.12)), 0.02))
    return [*parts, _eye(reach(head, tilt - 25, 0.1), 0.03, hsv(c.between(0.12, 0.35), 0.7, 0.8))]


# -- the skeleton -----------------------------------------------------------------------------------------------------


class _Neck:
    """The line from the shoulder to the head."""

    def __init__(self, shoulder: Point, head: Point):
        self.shoulder, self.head = shoulder, head
        self.degrees = _angle(head[0] - shoulder[0], head[1] - shoulder[1])


def _spine(c: Chance, build: Build) -> tuple[Point, Point, Point, float]:
    """Hip, shoulder, head, and the direction in which the head looks."""
    half = c.about(0.5, 0.07)
    hip, shoulder = (-half, build.rise / 2), (half, -build.rise / 2)
    head = reach(reach(shoulder, -60, 0.1), build.neck_angle, build.neck)
    return hip, shoulder, head, c.between(5, 50) + max(build.neck_angle + 40, 0) * 0.3


def _body(
    c: Chance, build: Build, coat: Coat, hip: Point, shoulder: Point, foot: Colour, paws: bool = False
) -> list[Part]:
    """The trunk, and the legs on the near side, whose thighs flow into it, or lie on it with a pattern of their own."""
    girth = build.girth
    trunk: list[Shape] = [
        Limb([hip, (0.0, girth * 0.12), shoulder], [girth * 0.88, girth * 0.95, girth * 0.92]),
        Oval(hip, girth * 0.98, girth * 0.9),
        Oval(shoulder, girth * 0.85, girth),
    ]
    legs = [_leg(build, coat, _joints(c, build, joint, joint == hip), foot, paws) for joint in (hip, shoulder)]
    lower, thighs = [part for leg in legs for part in leg[:-1]], [leg[-1] for leg in legs]
    if coat.follows:
        return [Part(Blend(trunk, girth * 0.4), coat.paint, girth * 0.95), *lower, *thighs]
    whole = Blend([*trunk, *(thigh.shape for thigh in thighs)], girth * 0.4)
    return [*lower, Part(whole, coat.paint, girth * 0.8)]


def _far_legs(
    c: Chance, build: Build, coat: Coat, hip: Point, shoulder: Point, foot: Colour, paws: bool = False
) -> list[Part]:
    dim = Coat(shaded(coat.paint, FAR), coat.follows)
    parts = []
    for joint, back in ((hip, True), (shoulder, False)):
        limb = _joints(c, build, (joint[0] + c.between(-0.04, 0.1), joint[1]), back)
        parts += _leg(build, dim, limb, lighter(foot, -0.3), paws)
    return parts


def _joints(c: Chance, build: Build, joint: Point, back: bool) -> Joints:
    """A hind leg's lower half goes back from the knee, a foreleg's goes straight down or lifts backwards."""
    top = (joint[0] + (-0.3 if back else 0.1) * build.girth, joint[1] + 0.35 * build.girth)
    thigh = 90 - c.about(4 if back else 0, build.stride)
    bend = c.between(4, 34) if back else c.between(-4, 10) if c.often(0.75) else c.between(30, 80)
    shin = thigh + bend
    knee = reach(top, thigh, build.thigh)
    return top, knee, reach(knee, shin, build.shin), thigh, shin


def _leg(build: Build, coat: Coat, joints: Joints, foot: Colour, paws: bool) -> list[Part]:
    """Foot, shin and thigh."""
    top, knee, end, thigh, shin = joints
    lower = Limb([knee, end], [build.ankle * 1.5, build.ankle])
    upper = Limb([top, knee], [build.leg * 1.15, build.ankle * 1.6])
    toe = (end[0] + build.ankle * (1.2 if paws else 0.5), end[1] + build.ankle * 0.3)
    hoof = Limb([end, toe], [build.ankle * 1.05, build.ankle * 0.95])
    return [
        Part(hoof, plain(foot), build.ankle),
        Part(lower, coat.paint, build.ankle * 1.3, coat.frame(knee, shin)),
        Part(upper, coat.paint, build.leg, coat.frame(top, thigh)),
    ]


def _mane(c: Chance, neck: _Neck, thick: float, paint: Paint) -> Part:
    """A crest along the back of the neck."""
    away = neck.degrees - 90
    start, end = reach(middle(neck.shoulder, neck.head, 0.15), away, 0.13), reach(neck.head, away, thick * 0.55)
    return Part(Limb([start, end], [0.1, 0.085]), paint, 0.05, Frame(neck.shoulder, neck.degrees))


def _ear(c: Chance, head: Point, tilt: float, length: float, colour: Colour) -> list[Part]:
    parts = []
    for shift, bright in ((-14.0, 0.75), (8.0, 1.0)):
        root = reach(reach(head, tilt - 90, 0.1), tilt + 180, 0.03)
        tip = reach(root, tilt - 125 + shift + c.between(-15, 15), length)
        parts.append(
            Part(Limb([root, middle(root, tip, 0.55), tip], [0.03, 0.055, 0.01]), shaded(plain(colour), bright), 0.04)
        )
    return parts


def _eye(centre: Point, size: float, iris: Colour = BLACK) -> Part:
    return Part(Oval(centre, size, size), plain(iris), size, gloss=1.0)


def _taper(start: float, end: float, count: int) -> list[float]:
    return [start + (end - start) * number / (count - 1) for number in range(count)]


def _angle(x: float, y: float) -> float:
    """The direction of a vector in degrees, by halving: the inverse of ``direction``, from -180 to 180."""
    low, high = (-180.0, 0.0) if y < 0 else (0.0, 180.0)
    for _ in range(40):
        half = (low + high) / 2
        cos, sin = direction(half)
        turned = cos * y - sin * x
        low, high = (half, high) if turned > 0 else (low, half)
    return low
