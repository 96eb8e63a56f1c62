"""Pages that stand alone: what is escaped, how pictures lie in them, and that checks of pages can fail."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, features

from thinktwice.cli import page as pages
from thinktwice.cli.page import (
    Markup,
    bar,
    contents,
    element,
    encoded,
    figure,
    named,
    page,
    picture,
    picture_table,
    write_page,
)
from thinktwice.cli.page import section as section_of
from thinktwice.cli.page import table as table_of
from thinktwice.cli.page_style import MOST_COLUMNS, STYLE
from thinktwice.errors import BadInput

from .pages import pictures, read_html, read_page, rows

EVIL = "<script>a & b</script> \"x\" 'y'"
PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8))
DRAWING = Image.fromarray(np.indices((30, 40)).sum(0).astype(np.uint8) // 20 * 60).convert("RGB")


def test_texts_are_escaped_wherever_they_come_into_a_page():
    dab = picture_table(EVIL, [EVIL], [(EVIL, (1, 2, 3), [picture(DRAWING, EVIL)])])
    whole = page(
        EVIL, section_of(EVIL, table_of(EVIL, [EVIL, EVIL], [[EVIL, bar(0.5, EVIL)]]), dab), lead=[EVIL], foot=[EVIL]
    )
    root = read_html(whole)
    assert not root.all("script")
    shown = " ".join(EVIL.split())
    assert root.all("h1")[0].text == root.all("title")[0].text == root.all("h2")[0].text == shown
    assert rows(root.all("table")[0]) == [[shown, shown]]
    assert root.all("img")[0].attributes["alt"] == EVIL
    assert root.all("table")[1].attributes["aria-label"] == EVIL
    assert [one.text for one in root.all("p")] == [shown, shown]


def test_markup_stands_as_it_is_and_attributes_are_spelt_as_html_has_them():
    assert element("a", Markup("<b>"), "<b>", class_="x y", aria_label='"', id=None) == (
        '<a class="x y" aria-label="&quot;"><b>&lt;b&gt;</a>'
    )
    assert element("img", alt="a") == '<img alt="a">'


def test_a_drawing_stays_as_it_is_and_a_photograph_becomes_small():
    kind, content = encoded(DRAWING)
    assert kind == "png"
    np.testing.assert_array_equal(Image.open(io.BytesIO(content)).convert("RGB"), DRAWING)
    smooth = Image.fromarray(np.linspace(0, 255, 300 * 400 * 3).reshape(300, 400, 3).astype(np.uint8))
    kind, content = encoded(smooth)
    assert kind == ("webp" if features.check("webp") else "jpeg")
    difference = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int) - np.asarray(smooth)
    assert abs(difference).mean() < 3


def test_without_webp_photographs_are_jpeg(monkeypatch):
    monkeypatch.setattr(pages.features, "check", lambda name: False)
    assert encoded(PHOTO)[0] == "jpeg"
    ((alt, image),) = pictures(read_html(page("t", picture(PHOTO, "noise"))))
    assert (alt, image.format, image.size) == ("noise", "JPEG", (40, 30))


def test_a_table_has_heads_for_its_columns_and_rows():
    root = read_html(page("t", table_of("all", ("name", ">number"), [("a", "1"), ("b", "22")])))
    (table,) = root.all("table")
    assert [(head.text, head.attributes["scope"]) for head in table.all("th")] == [
        ("name", "col"), ("number", "col"), ("a", "row"), ("b", "row"),
    ]  # fmt: skip
    assert rows(table) == [["a", "1"], ["b", "22"]]
    assert [cell.attributes.get("class") for cell in table.all("td")] == ["right", "right"]


def test_a_picture_knows_its_row_when_the_table_is_turned():
    table = picture_table("maps", ["m", "n"], [(name, None, [picture(DRAWING, name)] * 2) for name in ("cat", "dog")])
    root = read_html(page("t", figure("below", table)))
    cells = [cell.attributes["data-row"] for cell in root.all("td")[1:]]  # the first is the corner
    assert cells == ["cat", "cat", "dog", "dog"]
    assert root.all("figcaption")[0].text == "below"
    assert not read_html(page("t", figure("", table))).all("figcaption")
    for place in range(1, MOST_COLUMNS + 2):  # of the cells of one row, its head among them
        assert f"tr > :nth-child({place}) {{ order: {place} }}" in STYLE


def test_links_lead_to_sections():
    whole = page("t", contents([("one", "First"), ("two", "Second")]), section_of("First", id_="one"))
    with pytest.raises(AssertionError):
        read_html(whole)
    root = read_html(whole.replace("</body>", '<p id="two"></p></body>'))
    assert [link.text for link in root.all("a")] == ["First", "Second"]


def test_bars_and_dabs_of_colour():
    assert 'style="--share: 25.0%"' in bar(0.25, "1 of 4")
    assert "background: rgb(1, 2, 3)" in named("cat", (1, 2, 3))
    assert named("cat") == "cat"


@pytest.mark.parametrize(
    "wrong",
    [
        "<p><b></p></b>",
        '<img src="http://example.org/a.png" alt="a">',
        '<img src="a.png" alt="a">',
        '<link rel="stylesheet" href="style.css">',
        "<style>@import 'a.css';</style>",
        "<style>p { background: url(a.png) }</style>",
        "<script></script>",
        '<p onclick="x()"></p>',
        '<p id="a"></p><p id="a"></p>',
    ],
)
def test_the_check_of_pages_finds_what_is_wrong(wrong):
    with pytest.raises(AssertionError):
        read_html(page("t", Markup(wrong)))


def test_a_page_is_written_whole_or_not_at_all(tmp_path):
    write_page(page("Grüße"), tmp_path / "a.html")
    assert read_page(tmp_path / "a.html").all("h1")[0].text == "Grüße"
    with pytest.raises(BadInput, match=r"no/a\.html: cannot be written"):
        write_page(page("t"), tmp_path / "no/a.html")
    with pytest.raises(UnicodeEncodeError):
        write_page(page("\ud800"), tmp_path / "a.html")
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]
    assert read_page(tmp_path / "a.html").all("h1")[0].text == "Grüße"
