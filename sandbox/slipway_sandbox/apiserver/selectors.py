"""Label and field selectors: text into predicates over objects."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slipway_sandbox.apiserver.names import label_key_problem, label_value_problem

IN = "in"
NOT_IN = "notin"
EXISTS = "exists"
ABSENT = "!"
GREATER = "gt"
LESS = "lt"


class SelectorError(ValueError):
    """The selector's text is malformed."""


@dataclass(frozen=True)
class Requirement:
    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: dict[str, str]) -> bool:
        present = self.key in labels
        if self.operator == EXISTS:
            return present
        if self.operator == ABSENT:
            return not present
        if self.operator == IN:
            return present and labels[self.key] in self.values
        if self.operator == NOT_IN:
            return not present or labels[self.key] not in self.values
        return present and self._compares(labels[self.key])

    def _compares(self, found: str) -> bool:
        if not re.fullmatch(r"-?\d+", found):
            return False
        bound = int(next(iter(self.values)))
        return int(found) > bound if self.operator == GREATER else int(found) < bound


_TOKEN = re.compile(r"\s*(==|!=|[=!<>(),]|[^\s=!<>(),]+)")


class _Tokens:
    def __init__(self, text: str) -> None:
        self.items: list[str] = []
        at = 0
        text = text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise SelectorError(f"unable to parse requirement: unexpected character at {at}")
            self.items.append(match.group(1))
            at = match.end()
        self.at = 0

    def peek(self) -> str:
        return self.items[self.at] if self.at < len(self.items) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token


_SYMBOLS = frozenset({"=", "==", "!=", "!", "<", ">", "(", ")", ",", ""})


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """A label selector as requirements that all have to hold.

    Raises:
        SelectorError: with the parser's complaint.
    """
    tokens = _Tokens(text)
    found: list[Requirement] = []
    if not tokens.items:
        return ()
    while True:
        found.append(_requirement(tokens))
        token = tokens.take()
        if token == "":
            return tuple(found)
        if token != ",":  # noqa: S105
            raise SelectorError(f"found '{token}', expected: ',' or 'end of string'")
        if tokens.peek() == "":
            raise SelectorError("found '', expected: identifier after ','")


def _requirement(tokens: _Tokens) -> Requirement:
    negated = tokens.peek() == "!"
    if negated:
        tokens.take()
    key = tokens.take()
    if key in _SYMBOLS:
        raise SelectorError(f"found '{key}', expected: !, identifier, or 'end of string'")
    problem = label_key_problem(key)
    if problem:
        raise SelectorError(f'key: Invalid value: "{key}": {problem}')
    if negated:
        return Requirement(key, ABSENT)
    operator = tokens.peek()
    if operator in {"", ","}:
        return Requirement(key, EXISTS)
    tokens.take()
    if operator in {"in", "notin"}:
        return Requirement(key, operator, _checked(_values(tokens), key))
    if operator in {"=", "==", "!="}:
        value = "" if tokens.peek() in {"", ","} else tokens.take()
        if value in _SYMBOLS - {""}:
            raise SelectorError(f"found '{value}', expected: identifier")
        return Requirement(key, NOT_IN if operator == "!=" else IN, _checked(frozenset({value}), key))
    if operator in {"<", ">"}:
        value = tokens.take()
        if not re.fullmatch(r"-?\d+", value):
            raise SelectorError(f"for 'Gt', 'Lt' operators, the value must be an integer: {value!r}")
        return Requirement(key, GREATER if operator == ">" else LESS, frozenset({value}))
    raise SelectorError(f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")


def _checked(values: frozenset[str], key: str) -> frozenset[str]:
    for value in values:
        problem = label_value_problem(value)
        if problem:
            raise SelectorError(f'values[0][{key}]: Invalid value: "{value}": {problem}')
    return values


def _values(tokens: _Tokens) -> frozenset[str]:
    if tokens.take() != "(":
        raise SelectorError("found other, expected: '('")
    values: set[str] = set()
    expect_value = True
    while True:
        token = tokens.take()
        if token == "":
            raise SelectorError("found '', expected: ',', or ')'")
        if token in {",", ")"}:
            if expect_value:
                values.add("")
            if token == ")":  # noqa: S105
                return frozenset(values)
            expect_value = True
        elif token in _SYMBOLS or not expect_value:
            raise SelectorError(f"found '{token}', expected: ',', or ')'")
        else:
            values.add(token)
            expect_value = False


@dataclass(frozen=True)
class FieldTerm:
    path: str
    equal: bool
    value: str


def parse_fields(text: str) -> tuple[FieldTerm, ...]:
    """A field selector as terms that all have to hold.

    Raises:
        SelectorError: a term has no operator.
    """
    terms = []
    for part in _split_terms(text):
        if not part:
            continue
        match = re.match(r"^([^=!]*)(!=|==|=)(.*)$", part, re.DOTALL)
        if match is None:
            raise SelectorError(f"invalid selector: '{text}'; can't understand '{part}'")
        value = re.sub(r"\\([\\,=])", r"\1", match.group(3))
        terms.append(FieldTerm(match.group(1), match.group(2) != "!=", value))
    return tuple(terms)


def _split_terms(text: str) -> list[str]:
    return re.split(r"(?<!\\),", text)


Predicate = Callable[[dict[str, Any]], bool]


def label_predicate(requirements: tuple[Requirement, ...]) -> Predicate:
    """Whether an object's labels satisfy all requirements."""

    def matches(obj: dict[str, Any]) -> bool:
        labels = obj["metadata"].get("labels") or {}
        return all(requirement.matches(labels) for requirement in requirements)

    return matches


def from_label_selector(selector: dict[str, Any] | None) -> tuple[Requirement, ...]:
    """The requirements of a `LabelSelector` object."""
    found = [
        Requirement(key, IN, frozenset({value})) for key, value in ((selector or {}).get("matchLabels") or {}).items()
    ]
    operators = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": ABSENT}
    found.extend(
        Requirement(expression["key"], operators[expression["operator"]], frozenset(expression.get("values") or ()))
        for expression in (selector or {}).get("matchExpressions") or []
    )
    return tuple(found)
