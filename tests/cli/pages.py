"""A page as a reader's program sees it: checked for well-formedness while it is read."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from PIL import Image

VOID = {"img", "link", "meta"}


@dataclass
class Element:
    """A tag, its attributes, and what is in it: elements and texts."""

    tag: str
    attributes: dict[str, str | None]
    inside: list[Element | str] = field(default_factory=list)

    def all(self, tag: str) -> list[Element]:
        """All elements of this tag in it, in the page's order."""
        found = []
        for one in self.inside:
            if isinstance(one, Element):
                found += ([one] if one.tag == tag else []) + one.all(tag)
        return found

    @property
    def text(self) -> str:
        parts = [one if isinstance(one, str) else one.text for one in self.inside]
        return " ".join(" ".join(parts).split())


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in <{tag}>"
        element = Element(tag, dict(attrs))
        self.open[-1].inside.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].inside.append(data)


def read_page(path: str | Path) -> Element:
    """The page; every tag is closed where it should be, every id is one of a kind, and nothing is fetched."""
    source = Path(path).read_text(encoding="utf-8")
    return read_html(source)


def read_html(source: str) -> Element:
    assert source.startswith("<!DOCTYPE html>\n<html")
    reader = _Reader()
    reader.feed(source)
    reader.close()
    (root,) = reader.open
    _check_nothing_is_fetched(root, source)
    ids = [one.attributes["id"] for one in _elements(root) if "id" in one.attributes]
    assert len(set(ids)) == len(ids)
    links = [one.attributes["href"] for one in root.all("a")]
    assert {link for link in links if link} <= {f"#{id_}" for id_ in ids}
    return root


def pictures(page: Element) -> list[tuple[str, Image.Image]]:
    """Alt texts and pictures, each of the size that the page says."""
    found = []
    for one in page.all("img"):
        head, _, content = (one.attributes["src"] or "").partition(";base64,")
        image = Image.open(io.BytesIO(base64.b64decode(content, validate=True)))
        assert head == f"data:image/{(image.format or '').lower()}"
        assert (one.attributes["width"], one.attributes["height"]) == (str(image.width), str(image.height))
        assert one.attributes["alt"]
        found.append((one.attributes["alt"] or "", image))
    return found


def rows(table: Element) -> list[list[str]]:
    """The texts of a table's body."""
    (body,) = table.all("tbody")
    return [[cell.text for cell in row.inside if isinstance(cell, Element)] for row in body.all("tr")]


def _check_nothing_is_fetched(root: Element, source: str) -> None:
    for one in _elements(root):
        assert one.tag not in {"script", "iframe", "object", "embed", "form", "base"}
        for name, value in one.attributes.items():
            assert not name.startswith("on")
            if name in {"src", "href", "srcset", "action", "poster"}:
                assert (value or "").startswith(("data:", "#"))
    assert not re.search(r"@import|url\(|https?:|//\w", re.sub(r'"data:[^"]*"', "", source))


def _elements(root: Element) -> list[Element]:
    children = [one for one in root.inside if isinstance(one, Element)]
    return children + [below for child in children for below in _elements(child)]
