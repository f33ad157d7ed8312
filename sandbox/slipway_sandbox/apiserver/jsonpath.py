"""The part of JSONPath that printer columns, selectable fields and the scale subresource use."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

_PART = re.compile(
    r"""\.([A-Za-z0-9_$-]+(?:\\.[^.\[\]]+)*)        # .field, with escaped dots
      | \[\s*'((?:[^'\\]|\\.)*)'\s*\]               # ['field']
      | \[\s*"((?:[^"\\]|\\.)*)"\s*\]               # ["field"]
      | \[\s*(-?\d+)\s*\]                           # [index]
      | (\[\s*\*\s*\]|\.\*)                         # every item
      | \[\?\(\s*@\.?([^=!<>]*?)\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*\)\]  # a filter
    """,
    re.VERBOSE,
)


class PathError(ValueError):
    """The path is not understood."""


@lru_cache(maxsize=1024)
def compile_path(path: str) -> tuple[tuple[str, Any], ...]:
    """A path as steps.

    Raises:
        PathError: a part of it is not understood.
    """
    text = path.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    text = text.removeprefix("$")
    if text and text[0] not in ".[":
        text = "." + text
    steps: list[tuple[str, Any]] = []
    at = 0
    while at < len(text):
        if text[at] == "." and text[at + 1 : at + 2] in {"[", ""}:
            at += 1
            continue
        match = _PART.match(text, at)
        if match is None:
            raise PathError(f"cannot read {path!r} at {at}")
        steps.append(_step(match))
        at = match.end()
    return tuple(steps)


def _step(match: re.Match[str]) -> tuple[str, Any]:
    field, single, double, index, every, left, operator, right = match.groups()
    if field is not None:
        return ("field", re.sub(r"\\(.)", r"\1", field))
    if single is not None or double is not None:
        return ("field", re.sub(r"\\(.)", r"\1", single if single is not None else double))
    if index is not None:
        return ("index", int(index))
    if every is not None:
        return ("every", None)
    return ("filter", (compile_path(left) if left else (), operator, _literal(right)))


def _literal(text: str) -> Any:
    if text[:1] in {"'", '"'} and text[-1:] == text[:1]:
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError:
        return text


def find(path: str, value: Any) -> list[Any]:
    """All values that a path leads to."""
    return _walk(compile_path(path), value)


def _walk(steps: tuple[tuple[str, Any], ...], value: Any) -> list[Any]:
    found = [value]
    for kind, argument in steps:
        found = [below for item in found for below in _take(kind, argument, item)]
    return found


def _take(kind: str, argument: Any, value: Any) -> list[Any]:
    if kind == "field":
        return [value[argument]] if isinstance(value, dict) and argument in value else []
    if kind == "index":
        inside = isinstance(value, list) and -len(value) <= argument < len(value)
        return [value[argument]] if inside else []
    if kind == "every":
        return list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list) else []
    steps, operator, wanted = argument
    return [item for item in value if _holds(_walk(steps, item), operator, wanted)] if isinstance(value, list) else []


def _holds(found: list[Any], operator: str, wanted: Any) -> bool:
    if not found:
        return False
    value = found[0]
    if operator in {"==", "!="}:
        return bool(value == wanted) == (operator == "==")
    if isinstance(value, bool) or (
        not isinstance(value, type(wanted)) and not (isinstance(value, int | float) and isinstance(wanted, int | float))
    ):
        return False
    return bool({"<": value < wanted, ">": value > wanted, "<=": value <= wanted, ">=": value >= wanted}[operator])
