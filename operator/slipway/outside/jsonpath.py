"""JSONPath (RFC 9535) for documents that others send: the part of it whose cost is bounded by the document.

Refused are functions, of which two run regular expressions; ``..`` more than once, and several names in one pair of
brackets more than once, as both multiply; and filters that look for more than one place at a time. What is left visits
each value of the document at most a few times a segment.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from jsonpath import JSONPath, JSONPathEnvironment

MAX_PATH: Final = 512
"""Characters of a JSONPath."""

MAX_SIZE: Final = 100_000
"""Values of a document that a JSONPath is followed in: visiting them takes up to half a second, in which nothing else
is looked at."""

MAX_SELECTED: Final = 100_000
"""Values that one JSONPath may select."""


class JsonPathError(ValueError):
    """A JSONPath cannot be used, or what it selects is not what was asked for. The message shows no document."""


class JsonPath:
    """A JSONPath that was read."""

    def __init__(self, text: str) -> None:
        """Raises JsonPathError that says what is wrong and how to write it."""
        self.text = text
        self._path = _compiled(text)

    def values(self, document: Any) -> list[Any]:
        """Everything that the path selects, in the order of the document. Raises JsonPathError."""
        from jsonpath import JSONPathError

        if _larger(document, MAX_SIZE):
            raise JsonPathError(f"{self.text} is not followed in a document of more than {MAX_SIZE} values")
        found = []
        try:
            for match in self._path.finditer(document):
                found.append(match.obj)
                if len(found) > MAX_SELECTED:
                    raise JsonPathError(f"{self.text} selects more than {MAX_SELECTED} values")
        except (JSONPathError, RecursionError):
            raise JsonPathError(f"{self.text} cannot be followed: the document is nested too deeply") from None
        return found

    def value(self, document: Any) -> Any:
        """The one value that the path selects. Raises JsonPathError when there is none or are several."""
        found = self.values(document)
        if len(found) != 1:
            raise JsonPathError(f"{self.text} selects {len(found) or 'no'} values where it has to select one")
        return found[0]

    def number(self, document: Any) -> float:
        """The one finite number that the path selects. Raises JsonPathError."""
        found = self.value(document)
        try:
            number = float(found) if isinstance(found, int | float) and not isinstance(found, bool) else math.nan
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            what = found if isinstance(found, float) else type(found).__name__
            raise JsonPathError(f"{self.text} selects {what} where it has to select a finite number")
        return number


def _larger(document: Any, limit: int) -> bool:
    count, pending = 0, [document]
    while pending:
        value = pending.pop()
        if isinstance(value, dict | list):
            count += len(value)
            if count > limit:
                return True
            pending.extend(value.values() if isinstance(value, dict) else value)
    return False


@lru_cache(maxsize=1)
def _environment() -> JSONPathEnvironment:
    try:
        from jsonpath import JSONPathEnvironment
    except ImportError:
        raise JsonPathError("JSONPath needs the package python-jsonpath: install it") from None
    environment = JSONPathEnvironment(strict=True)
    environment.function_extensions = {}
    return environment


@lru_cache(maxsize=256)
def _compiled(text: str) -> JSONPath:
    environment = _environment()
    from jsonpath import JSONPath, JSONPathError

    if len(text) > MAX_PATH:
        raise JsonPathError(f"a JSONPath of {len(text)} characters is longer than {MAX_PATH}")
    try:
        path = environment.compile(text)
    except (JSONPathError, ValueError, IndexError, RecursionError):  # a syntax error at the end has no place to show
        raise JsonPathError(
            f"{text[:80]!r} is no JSONPath: write it like $.outputs[0].score, without functions"
        ) from None
    if not isinstance(path, JSONPath):
        raise JsonPathError(f"{text[:80]!r} is more than one JSONPath")
    problem = _unbounded(path)
    if problem:
        raise JsonPathError(f"{text[:80]!r} {problem}")
    return path


def _unbounded(path: JSONPath) -> str:
    from jsonpath.segments import JSONPathRecursiveDescentSegment
    from jsonpath.selectors import Filter

    if sum(isinstance(segment, JSONPathRecursiveDescentSegment) for segment in path.segments) > 1:
        return "uses .. more than once: name the place"
    if sum(len(segment.selectors) > 1 for segment in path.segments) > 1:
        return "selects several names more than once: use one bracket of several"
    filters = [one for segment in path.segments for one in segment.selectors if isinstance(one, Filter)]
    if not all(_single(one.expression) for one in filters):
        return "has a filter that looks for more than one place: compare single places"
    return ""


def _single(expression: Any) -> bool:
    from jsonpath.filter import FilterQuery

    if isinstance(expression, FilterQuery):
        return bool(expression.path.singular_query())
    return all(_single(child) for child in expression.children())
