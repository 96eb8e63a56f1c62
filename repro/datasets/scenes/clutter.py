"""What is no object: loose limbs and wheels, scraps in the coats of animals, sticks and stones; and what stands before all."""

from __future__ import annotations

from .drawing import Canvas, Frame, Part, View
from .exact import Chance
from .paints import (
    Paint,
    anything,
    dark,
    grainy,
    hsv,
    leafy,
    lighter,
    meshed,
    metal,
    pale,
    plain,
    spotted,
    striped,
    vivid,
    wooden,
    woody,
)
from .shapes import Limb, Lines, Oval, Overlap, Polygon, Ring, arc, closed_curve, curve, middle, reach
from .vehicles import wheel


def scatter(c: Chance, canvas: Canvas, count: int) -> None:
    """Loose parts anywhere, each a tenth to three tenths of the picture large."""
    height, width = canvas.size
    for _ in range(count):
        size = c.between(0.05, 0.15) * max(height, width)
        view = View((c.between(0, width), c.between(0, height)), size, c.between(0, 360), c.sign())
        canvas.add(c.one_of(LOOSE)(c), view, figure=False, blur=c.one_of((1.0, 1.0, 2.0, 4.0)))


def cover(c: Chance, canvas: Canvas) -> None:
    """Something close to the camera that hides a part of the rest: grass, a twig, a post, or nothing."""
    before = c.one_of((_grass, _twig, _twig, _post, _nothing, _nothing))
    before(c, canvas)


def surface(c: Chance) -> Paint:
    """The pattern of one of the classes, or of what they are made of."""
    kind = c.whole(0, 6)
    if kind == 0:
        return striped(c, lighter(pale(c), 0.3), dark(c), c.between(1.5, 3), 0.5, 0.3)
    if kind == 1:
        return meshed(c, pale(c), hsv(c.between(0.01, 0.1), 0.6, c.between(0.25, 0.6)), c.between(1.5, 2.5), 0.15)
    if kind == 2:
        return spotted(
            c, hsv(c.between(0.05, 0.16), c.between(0.1, 0.7), c.between(0.6, 0.95)), dark(c), c.between(2, 4), 0.4, 0.5
        )
    if kind == 3:
        return wooden(c, woody(c))
    if kind == 4:
        return striped(c, anything(c), anything(c), c.between(1, 2.5), 0.5, 0.2)
    if kind == 5:
        return spotted(c, anything(c), anything(c), c.between(1.5, 3), 0.35)
    return grainy(c, anything(c), 0.2, 4)


# -- loose parts, in a frame from about -1 to 1 ------------------------------------------------------------------------


def _limb(c: Chance) -> list[Part]:
    knee = (c.between(-0.2, 0.2), c.between(-0.1, 0.2))
    line, coat = [(0.0, -1.0), knee, reach(knee, 90 + c.between(-60, 60), 0.8)], surface(c)
    thick = c.between(0.12, 0.3)
    return [
        Part(Limb(line[1:], [thick * 0.7, thick * 0.5]), coat, thick * 0.6, Frame(knee, 90)),
        Part(Limb(line[:2], [thick, thick * 0.7]), coat, thick, Frame(knee, 90)),
        Part(Oval(line[2], thick * 0.7, thick * 0.55), plain(dark(c)), thick * 0.5),
    ]


def _wheel(c: Chance) -> list[Part]:
    if c.often(0.5):
        return wheel(c, (0.0, 0.0), 0.8, metal(c))
    spokes = [(reach((0, 0), 25.0 * n, 0.85), reach((0, 0), 25.0 * n, -0.85)) for n in range(7)]
    return [Part(Lines(spokes, 0.018), plain(metal(c)), 0.0), Part(Ring((0, 0), 0.85, 0.1), plain(dark(c)), 0.08)]


def _patch(c: Chance) -> list[Part]:
    corners = [reach((0, 0), 60 * n + c.between(-20, 20), c.between(0.4, 1.0)) for n in range(6)]
    return [Part(Polygon(closed_curve(corners, 3)), surface(c), c.between(0.0, 0.5), gloss=c.between(0, 0.5))]


def _board(c: Chance) -> list[Part]:
    wide = c.between(0.12, 0.6)
    return [Part(Polygon([(-1, -wide), (1, -wide), (1, wide), (-1, wide)], 0.03), surface(c), 0.06)]


def _stone(c: Chance) -> list[Part]:
    grey = hsv(c.unit(), c.between(0, 0.25), c.between(0.25, 0.75))
    corners = [reach((0, 0), 72 * n + c.between(-20, 20), c.between(0.6, 0.9)) for n in range(5)]
    return [Part(Polygon(closed_curve(corners, 3)), grainy(c, grey, 0.3, 4), 0.6)]


def _stick(c: Chance) -> list[Part]:
    line = curve([(-1, 0), (c.between(-0.4, 0.0), c.between(-0.3, 0.3)), (1, c.between(-0.2, 0.2))], 3)
    thick = c.between(0.03, 0.09)
    wood = wooden(c, woody(c))
    fork = reach(line[3], c.between(-70, 70), 0.6)
    return [
        Part(Limb([line[3], fork], [thick * 0.7, thick * 0.4]), wood, thick),
        Part(Limb(line, [thick] * len(line)), wood, thick),
    ]


def _handle(c: Chance) -> list[Part]:
    line = arc((0, 0), 0.8, 0, c.between(120, 230), 9, c.between(0.6, 1))
    return [Part(Limb(line, [c.between(0.08, 0.16)] * 9), plain(anything(c)), 0.12, gloss=c.between(0, 0.8))]


def _dome(c: Chance) -> list[Part]:
    half = Overlap(Oval((0, 0), 0.9, c.between(0.5, 0.9)), Polygon([(-1, -1), (1, -1), (1, 0), (-1, 0)]))
    return [Part(half, surface(c), 0.4, gloss=c.between(0, 0.8))]


def _fin(c: Chance) -> list[Part]:
    colour = anything(c)
    sail = Polygon([(-0.8, 0.6), (c.between(-0.6, 0.6), -0.9), (0.9, 0.6)], 0.02)
    return [Part(sail, striped(c, colour, lighter(colour, -0.3), c.between(3, 6), 0.4, 0.1), 0.1)]


def _ball(c: Chance) -> list[Part]:
    return [Part(Oval((0, 0), 0.7, c.between(0.4, 0.7)), surface(c), 0.6, gloss=c.between(0, 1))]


def _feathers(c: Chance) -> list[Part]:
    colour, fan = anything(c), c.between(8, 30)
    tips = [reach((0, 0.8), -90 + fan * (n - 2), c.between(1.1, 1.6)) for n in range(5)]
    return [
        Part(Limb([(0, 0.8), tip], [0.08, c.between(0.1, 0.18)]), plain(lighter(colour, -0.1 * n)), 0.12)
        for n, tip in enumerate(tips)
    ]


def _leaves(c: Chance) -> list[Part]:
    green = leafy(c)
    parts = []
    for _ in range(c.whole(3, 6)):
        root = (c.between(-0.3, 0.3), c.between(-0.3, 0.3))
        angle, length = c.between(0, 360), c.between(0.5, 0.9)
        tip = reach(root, angle, length)
        blade = Limb([root, middle(root, tip, 0.4), tip], [0.02, length * 0.2, 0.01])
        parts.append(Part(blade, grainy(c, lighter(green, c.between(-0.4, 0.3)), 0.2, 4), 0.12))
    return parts


LOOSE = (_limb, _limb, _wheel, _patch, _patch, _board, _stone, _stick, _handle, _dome, _fin, _ball, _feathers, _leaves)


# -- before all, in fine pixels ----------------------------------------------------------------------------------------

_PIXELS = View((0.0, 0.0), 1.0)


def _grass(c: Chance, canvas: Canvas) -> None:
    height, width = canvas.size
    green = c.one_of((leafy(c), leafy(c), hsv(0.12, 0.4, 0.7)))
    centre, spread = c.between(0, width), c.between(0.1, 0.5) * width
    blades = []
    for _ in range(c.whole(6, 16)):
        foot = (c.about(centre, spread), height + 4.0)
        tall, lean = c.between(0.1, 0.38) * height, c.between(-0.12, 0.12) * height
        line = [foot, (foot[0] + lean * 0.3, height - tall * 0.6), (foot[0] + lean, height - tall)]
        thick = height * c.between(0.006, 0.014)
        blades.append(
            Part(Limb(line, [thick, thick * 0.8, thick * 0.2]), plain(lighter(green, c.between(-0.4, 0.3))), thick)
        )
    canvas.add(blades, _PIXELS, figure=False, blur=c.between(1, 4))


def _twig(c: Chance, canvas: Canvas) -> None:
    """From one side into the picture, with leaves."""
    height, width = canvas.size
    left = c.often(0.5)
    start = (-5.0 if left else width + 5.0, c.between(0, height))
    angle = (0 if left else 180) + c.between(-40, 40)
    line, parts = [start], []
    wood, green = lighter(woody(c), -0.3), leafy(c)
    for _ in range(4):
        line.append(reach(line[-1], angle, c.between(0.08, 0.16) * width))
        angle += c.between(-25, 25)
    for joint in line[1:]:
        for _ in range(c.whole(0, 3)):
            tip = reach(joint, c.between(0, 360), c.between(0.05, 0.12) * height)
            blade = Limb([joint, middle(joint, tip, 0.5), tip], [1.0, height * c.between(0.012, 0.028), 1.0])
            parts.append(Part(blade, plain(lighter(green, c.between(-0.4, 0.3))), height * 0.02))
    thick = height * c.between(0.006, 0.016)
    branch = Part(Limb(line, [thick, thick, thick * 0.8, thick * 0.7, thick * 0.4]), plain(wood), thick)
    canvas.add([branch, *parts], _PIXELS, figure=False, blur=c.between(1, 4))


def _post(c: Chance, canvas: Canvas) -> None:
    """A post, a rope or a rail across the whole picture."""
    height, width = canvas.size
    thick = height * c.between(0.01, 0.03)
    if c.often(0.6):
        x = c.between(0, width)
        line = [(x, -5.0), (x + c.between(-0.15, 0.15) * width, height + 5.0)]
    else:
        y = c.between(0.3, 1) * height
        line = [(-5.0, y), (width + 5.0, y + c.between(-0.15, 0.15) * height)]
    paint = c.one_of((grainy(c, woody(c), 0.2, 0.1), plain(metal(c)), plain(dark(c)), plain(vivid(c))))
    canvas.add([Part(Limb(line, [thick, thick]), paint, thick)], _PIXELS, figure=False, blur=c.between(1, 3))


def _nothing(c: Chance, canvas: Canvas) -> None:
    pass
