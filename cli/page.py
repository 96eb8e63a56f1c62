"""A page that stands alone: one HTML file with its pictures inside it, for any browser, without a network or a script.

``page`` makes the whole of ``section``s, and these of what ``element``, ``picture``, ``table`` and their like make.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, features

from ..caffe_models.files import replacing
from .page_style import STYLE

VOID = frozenset({"img", "link", "meta"})  # tags without an end
INLINE = frozenset({"a", "code", "img", "small", "span", "strong"})  # a line's end around these would be seen
FEW_COLOURS = 64  # a drawing, which loses by what photographs do not show
QUALITY = 80
# Nothing is ever fetched: pictures lie in the page, and so does its style.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Markup(str):
    """HTML as it stands. Any other text is escaped where it comes into a page."""


def element(name: str, /, *inside: str, **attributes: str | int | None) -> Markup:
    """``<name attribute="value">inside</name>``; in an attribute's name a final ``_`` goes, any other is a hyphen; ``None`` is none."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    end = "" if name in INLINE else "\n"
    return Markup(f"<{name}{told}>{end}" if name in VOID else f"<{name}{told}>{joined(*inside)}</{name}>{end}")


def joined(*inside: str) -> Markup:
    """One after the other, texts escaped."""
    return Markup("".join(one if isinstance(one, Markup) else html.escape(one, quote=False) for one in inside))


def page(title: str, *content: Markup, lead: Sequence[str] = (), foot: Sequence[str] = ()) -> str:
    """The whole file: the ``title``, paragraphs below it (``lead``), the content, and at the bottom small print (``foot``)."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("link", rel="icon", href="data:,"),  # else browsers ask the server for one
        element("title", title),
        element("style", Markup(STYLE)),
    )
    header = element("header", element("h1", title), *(element("p", one) for one in lead))
    footer = element("footer", *(element("p", one) for one in foot)) if foot else Markup()
    body = element("body", header, element("main", *content), footer)
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}"


def write_page(text: str, path: str | Path) -> None:
    """The file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def section(title: str, *content: Markup, id_: str | None = None) -> Markup:
    """A heading and what belongs to it."""
    return element("section", element("h2", title), *content, id_=id_)


def paragraph(*inside: str, class_: str | None = None) -> Markup:
    return element("p", *inside, class_=class_)


def contents(sections: Sequence[tuple[str, str]]) -> Markup:
    """Links to sections: their ids and titles."""
    links = [element("li", element("a", title, href=f"#{id_}")) for id_, title in sections]
    return element("nav", element("ul", *links), aria_label="Contents")


def picture(image: Image.Image, alt: str) -> Markup:
    """A picture, its bytes in the page, and in ``alt`` the words for those who do not see it."""
    kind, content = encoded(image)
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return element("img", src=source, alt=alt, width=image.width, height=image.height)


def encoded(image: Image.Image) -> tuple[str, bytes]:
    """A picture's type and bytes: drawings of few colours as PNG, exactly; all others as WebP, where Pillow has it, or JPEG."""
    rgb, file = image.convert("RGB"), io.BytesIO()
    if rgb.getcolors(FEW_COLOURS):
        rgb.save(file, "PNG", optimize=True)
        return "png", file.getvalue()
    if features.check("webp"):
        rgb.save(file, "WEBP", quality=QUALITY, method=4)
        return "webp", file.getvalue()
    rgb.save(file, "JPEG", quality=QUALITY, optimize=True)
    return "jpeg", file.getvalue()


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """Rows of texts, their first cells naming them. A column whose name starts with ``>`` is flushed right."""
    sides = ["right" if column.startswith(">") else None for column in columns]
    heads = [
        element("th", column.removeprefix(">"), scope="col", class_=side)
        for column, side in zip(columns, sides, strict=True)
    ]
    lines = []
    for row in rows:
        cells = [element("td", cell, class_=side) for cell, side in zip(row[1:], sides[1:], strict=True)]
        lines.append(element("tr", element("th", row[0], scope="row", class_=sides[0]), *cells))
    whole = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *heads)),
        element("tbody", *lines),
        class_="figures",
    )
    return element("div", whole, class_="scroll", tabindex=0, role="region", aria_label=caption)


Row = tuple[str, "Sequence[int] | None", Sequence[Markup]]  # a name, its colour, and pictures


def picture_table(label: str, columns: Sequence[str], rows: Sequence[Row]) -> Markup:
    """A table of pictures, 8 columns at most, the columns' heads above them. It is turned where the screen is narrow."""
    heads = [element("th", column, scope="col") for column in columns]
    lines = [
        element(
            "tr",
            element("th", named(name, colour), scope="row"),
            *(element("td", one, data_row=name) for one in pictures),
        )
        for name, colour, pictures in rows
    ]
    return element(
        "table",
        element("thead", element("tr", element("td"), *heads)),
        element("tbody", *lines),
        class_="pictures",
        aria_label=label,
        style=f"--columns: {len(columns)}; --rows: {len(rows)}",
    )


def figure(caption: str, *content: Markup) -> Markup:
    """Pictures or tables of them, and words below, if there are any."""
    return element("figure", *content, element("figcaption", caption) if caption else Markup())


def beside(*content: Markup) -> Markup:
    """Side by side as far as there is room."""
    return element("div", *content, class_="beside")


def named(name: str, colour: Sequence[int] | None = None) -> Markup:
    """A name, behind a dab of its colour (R, G, B), if it has one."""
    if colour is None:
        return joined(name)
    dab = element("span", class_="swatch", style=f"background: rgb({', '.join(map(str, colour))})")
    return element("span", dab, name, class_="named")


def bar(share: float, text: str) -> Markup:
    """A text on a bar that fills this share, 0 to 1, of its place."""
    return element("span", text, class_="bar", style=f"--share: {100 * share:.1f}%")
