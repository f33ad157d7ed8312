"""Series selectors as users write them: ``http_requests_total{code=~"5..", path!="/healthz"}``.

Regular expressions are matched against label values that pods choose, in the operator's own process. A backtracking
engine can be kept busy for hours by a few characters of each, so only expressions are taken that cannot backtrack
badly: no groups, and at most two repetitions of varying length in each alternative.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from slipway.metrics.window import SourceError

MAX_MATCHED: Final = 256
"""Longest label value that a regular expression is tried on."""

_SELECTOR: Final = re.compile(r"\s*(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(?P<labels>.*)\}\s*)?", re.DOTALL)
_MATCHER: Final = re.compile(
    r"""\s*(?P<label>[a-zA-Z_][a-zA-Z0-9_]*)\s*(?P<op>=~|!~|!=|=)\s*"(?P<value>(?:[^"\\\n]|\\.)*)"\s*(?:,|$)"""
)
_ESCAPES: Final = {"\\": "\\", '"': '"', "n": "\n"}

_ATOM: Final = r"(?:\\[dwsDWS\W]|\[\^?\]?(?:[^\]\\\[]|\\[dwsDWS\W])*\]|[^\\\[\](){}*+?|])"
_PIECE: Final = re.compile(rf"{_ATOM}(?P<repeated>[*+?]|\{{\d{{1,3}}(?:,\d{{0,3}})?\}})?|(?P<bar>\|)")
_FIXED: Final = re.compile(r"\{\d+\}")
_MAX_VARYING: Final = 2


class SelectorError(SourceError):
    """A selector cannot be read. Waiting does not help: the field named as the source has to be corrected."""


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric's name and what its labels have to be; an absent label is the empty text, as in PromQL."""

    metric: str
    matchers: tuple[tuple[str, Callable[[str], bool]], ...]

    def matches(self, metric: str, labels: Mapping[str, str]) -> bool:
        """Whether a series is selected. Raises ValueError for a label value too long to be matched safely."""
        return metric == self.metric and all(test(labels.get(label, "")) for label, test in self.matchers)


def parse_selector(text: str, field: str) -> Selector:
    """Reads a selector. Raises SelectorError that names the field, what is wrong in it and how to write it."""
    try:
        return _parse(text)
    except ValueError as error:
        raise SelectorError(
            field, f'{_short(text)} is not a selector: {error}; write it like http_requests_total{{code=~"5.."}}'
        ) from None


@lru_cache(maxsize=1024)
def _parse(text: str) -> Selector:
    whole = _SELECTOR.fullmatch(text)
    if whole is None:
        raise ValueError("it needs a metric name, with label matchers in braces behind it or none")
    rest, matchers = whole["labels"] or "", []
    while rest.strip():
        matcher = _MATCHER.match(rest)
        if matcher is None:
            raise ValueError(f'{_short(rest.strip())} is not a label matcher such as code="500"')
        matchers.append((matcher["label"], _test(matcher["op"], _unescaped(matcher["value"]))))
        rest = rest[matcher.end() :]
    return Selector(whole["name"], tuple(matchers))


def _unescaped(value: str) -> str:
    def one(escape: re.Match[str]) -> str:
        # PromQL refuses unknown escapes; users of regular expressions write them all the time, and mean the backslash
        return _ESCAPES.get(escape[1], escape[0])

    return re.sub(r"\\(.)", one, value)


def _test(operator: str, value: str) -> Callable[[str], bool]:
    if operator == "=":
        return lambda actual: actual == value
    if operator == "!=":
        return lambda actual: actual != value
    pattern = _compiled(value)

    def matched(actual: str) -> bool:
        if len(actual) > MAX_MATCHED:
            raise ValueError(f"a label value is longer than the {MAX_MATCHED} characters that are matched")
        return pattern.fullmatch(actual) is not None

    return matched if operator == "=~" else lambda actual: not matched(actual)


def _compiled(value: str) -> re.Pattern[str]:
    if not _is_plain(value):
        raise ValueError(
            f"the regular expression {_short(value)} is beyond what is supported: characters, classes such as [0-9] "
            "and alternatives divided by |, each with at most two repetitions, but no parentheses"
        )
    try:
        return re.compile(value)
    except re.error as error:
        raise ValueError(f"the regular expression {_short(value)} is malformed: {error}") from None


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


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")
