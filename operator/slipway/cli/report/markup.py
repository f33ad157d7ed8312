"""HTML and SVG as text, safe by construction: what is not markup already is escaped, whoever wrote it."""

from __future__ import annotations

from html import escape
from typing import Final

VOID: Final = frozenset({"meta", "link", "br", "hr"})
"""Elements of HTML that have no end tag."""


class Markup(str):
    """Text that is markup: only what this module makes may be written into a page as it is."""

    __slots__ = ()


Content = str | None
"""Markup, or text to escape; None for nothing."""


def element(name: str, /, *content: Content, **attributes: str | float | None) -> Markup:
    """An element with its content. ``class_`` is the attribute class, ``aria_label`` aria-label; None is left out."""
    written = "".join(
        f' {_attribute(key)}="{escape(_value(value))}"' for key, value in attributes.items() if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{joined(*content)}</{name}>")


def joined(*content: Content) -> Markup:
    """Pieces one after the other."""
    return Markup("".join(piece if isinstance(piece, Markup) else escape(piece) for piece in content if piece))


def style(css: str) -> Markup:
    """A style sheet of our own; text of others has no place in one."""
    return Markup(f"<style>{css}</style>")


def _attribute(key: str) -> str:
    return key if key in ("viewBox", "preserveAspectRatio") else key.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
