"""Sections, facts, tables and badges: the plain parts of a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from slipway.cli.report.markup import Content, Markup, element, joined


def section(title: str, *content: Content) -> Markup:
    """A part of the page with its heading."""
    return element("section", element("h2", title), *content)


def badge(text: str, tone: str) -> Markup:
    """A word in a frame."""
    return element("span", text, class_=f"badge {tone}")


def facts(*pairs: tuple[str, Content]) -> Markup:
    """Names and values; what has no value is left out."""
    known = [(name, value) for name, value in pairs if value]
    if not known:
        return Markup()
    return element(
        "dl", *(element(kind, text) for name, value in known for kind, text in (("dt", name), ("dd", value)))
    )


def table(
    header: Sequence[tuple[str, str | None]], rows: Iterable[Sequence[Content]], *, kind: str | None = None
) -> Markup:
    """Columns, each with its name and class."""
    head = element("tr", *(element("th", name, scope="col", class_=shape) for name, shape in header))
    body = [
        element("tr", *(element("td", cell, class_=shape) for cell, (_, shape) in zip(row, header, strict=True)))
        for row in rows
    ]
    inner = element("table", element("thead", head), element("tbody", *body), class_=kind)
    return element(
        "div", inner, class_="table", tabindex="0", role="region", aria_label=", ".join(n for n, _ in header)
    )


def figure(picture: Markup, caption: str, *, kind: str | None = None) -> Markup:
    """A chart with what is to be seen in it."""
    return element("figure", picture, element("figcaption", caption), class_=kind)


def folded(summary: str, *content: Content) -> Markup:
    """Something that is shown when asked for."""
    return element("details", element("summary", summary), joined(*content))
