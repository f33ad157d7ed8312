"""Regular expressions of users, without giving users the operator's time.

A backtracking engine can be kept busy for hours by a few characters of pattern and of text, and users choose both. So
only what cannot backtrack badly is taken: no groups, and at most two repetitions of varying length in each
alternative, on text of bounded length.
"""

from __future__ import annotations

import re
import warnings
from typing import Final

MAX_MATCHED: Final = 256
"""Longest text that a pattern is tried on, in characters."""

_ATOM: Final = r"(?:\\[dwsDWS\W]|\[\^?\]?(?:[^\]\\\[]|\\[dwsDWS\W])*\]|[^\\\[\](){}*+?|])"
_PIECE: Final = re.compile(rf"{_ATOM}(?P<repeated>[*+?]|\{{\d{{1,3}}(?:,\d{{0,3}})?\}})?|(?P<bar>\|)")
_FIXED: Final = re.compile(r"\{\d+\}")
_MAX_VARYING: Final = 2


class PlainPattern:
    """A regular expression that is quick on any text that it is tried on."""

    def __init__(self, text: str) -> None:
        """Raises ValueError for a pattern that is malformed or beyond what is supported."""
        shown = repr(text if len(text) <= 80 else text[:77] + "...")
        if not _is_plain(text):
            raise ValueError(
                f"the regular expression {shown} is beyond what is supported: characters, classes such as [0-9] "
                "and alternatives divided by |, each with at most two repetitions, but no parentheses"
            )
        try:
            with warnings.catch_warnings(action="error"):  # of set operations that a later Python will read otherwise
                self._pattern = re.compile(text)
        except (re.error, Warning) as error:
            raise ValueError(f"the regular expression {shown} is malformed: {error}") from None

    def fullmatch(self, text: str) -> bool:
        """Whether the whole text matches. Raises ValueError for a text that is too long."""
        return self._pattern.fullmatch(_bounded(text)) is not None

    def search(self, text: str) -> bool:
        """Whether any part of the text matches. Raises ValueError for a text that is too long."""
        return self._pattern.search(_bounded(text)) is not None


def _bounded(text: str) -> str:
    if len(text) > MAX_MATCHED:
        raise ValueError(
            f"{text[:24]!r}… is longer than the {MAX_MATCHED} characters that a regular expression is tried on"
        )
    return text


def _is_plain(pattern: str) -> bool:
    position = varying = 0
    while position < len(pattern):
        piece = _PIECE.match(pattern, position)
        if piece is None:
            return False
        if piece["bar"]:
            varying = 0
        elif piece["repeated"] and not _FIXED.fullmatch(piece["repeated"]):
            varying += 1
        if varying > _MAX_VARYING:
            return False
        position = piece.end()
    return True
