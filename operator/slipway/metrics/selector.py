"""Series selectors as users write them: ``http_requests_total{code=~"5..", path!="/healthz"}``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from slipway.api import PlainPattern
from slipway.metrics.window import SourceError

_SELECTOR: Final = re.compile(r"\s*(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(?P<labels>.*)\}\s*)?", re.DOTALL)
_MATCHER: Final = re.compile(
    r"""\s*(?P<label>[a-zA-Z_][a-zA-Z0-9_]*)\s*(?P<op>=~|!~|!=|=)\s*"(?P<value>(?:[^"\\\n]|\\.)*)"\s*(?:,|$)"""
)
_ESCAPES: Final = {"\\": "\\", '"': '"', "n": "\n"}


Matcher = tuple[str, str, str]
"""A label, an operator and a value without escapes, as in ``code=~"5.."``."""


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
        raise _refused(text, field, error) from None


def split_selector(text: str, field: str) -> tuple[str, tuple[Matcher, ...]]:
    """The metric's name and the matchers of a selector, for a server that matches by itself. Raises SelectorError."""
    try:
        return _split(text)
    except ValueError as error:
        raise _refused(text, field, error) from None


def _refused(text: str, field: str, error: ValueError) -> SelectorError:
    return SelectorError(
        field, f'{_short(text)} is not a selector: {error}; write it like http_requests_total{{code=~"5.."}}'
    )


@lru_cache(maxsize=1024)
def _parse(text: str) -> Selector:
    name, matchers = _split(text)
    return Selector(name, tuple((label, _test(operator, value)) for label, operator, value in matchers))


def _split(text: str) -> tuple[str, tuple[Matcher, ...]]:
    whole = _SELECTOR.fullmatch(text)
    if whole is None:
        raise ValueError("it needs a metric name, with label matchers in braces behind it or none")
    rest, matchers = whole["labels"] or "", []
    while rest.strip():
        matcher = _MATCHER.match(rest)
        if matcher is None:
            raise ValueError(f'{_short(rest.strip())} is not a label matcher such as code="500"')
        matchers.append((matcher["label"], matcher["op"], _unescaped(matcher["value"])))
        rest = rest[matcher.end() :]
    return whole["name"], tuple(matchers)


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
    pattern = PlainPattern(value)
    if operator == "=~":
        return pattern.fullmatch
    return lambda actual: not pattern.fullmatch(actual)


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")
