"""What a schema cannot say, in CEL: the shapes of rule that the Gateway API uses again and again.

A server reports each violation by itself, so one rule says one thing. Rules run beside the checks of the schema: where
a name is expected, an empty string counts as absent in a rule, since the schema has complained about it already.
"""

from __future__ import annotations

from collections.abc import Iterable

from slipway_sandbox.gatewayapi.schema import Rule


def rule(expression: str, message: str) -> Rule:
    """A rule; `message` is what a user reads after the field's path."""
    return {"rule": expression, "message": message}


def given(field: str, of: str = "self") -> str:
    """The field is there, and not empty. Of a list or a string."""
    return f"(has({of}.{field}) && size({of}.{field}) > 0)"


def matches(subject: str, pattern: str) -> str:
    """The text has the pattern; CEL's raw strings keep its backslashes."""
    return f'{subject}.matches(r"{pattern}")'


def coupled(type_: str, field: str, present: str = "") -> list[Rule]:
    """A union's member: the field is there when `type` is `type_`, and only then."""
    present = present or f"has(self.{field})"
    return [
        rule(f"self.type != '{type_}' || {present}", f"type {type_} needs {field}"),
        rule(f"self.type == '{type_}' || !{present}", f"{field} is for type {type_} only"),
    ]


def distinct(same: str, message: str, *, among: str = "") -> Rule:
    """No two items are the `same`, which compares `one` and `other`; `among` says of `{}` which items count at all."""
    if not among:
        return rule(f"self.all(one, self.exists_one(other, {same}))", message)
    one, other = among.format("one"), among.format("other")
    return rule(f"self.all(one, !({one}) || self.exists_one(other, {other} && {same}))", message)


def _or_empty(of: str, field: str) -> str:
    return f"(has({of}.{field}) ? {of}.{field} : '')"


def equal(*names: str) -> str:
    """`one` and `other` agree in required fields."""
    return " && ".join(f"one.{name} == other.{name}" for name in names)


def equal_or_absent(name: str) -> str:
    """`one` and `other` agree in an optional string, where empty counts as absent."""
    return f"{_or_empty('one', name)} == {_or_empty('other', name)}"


def distinct_sections(same_target: str, target: str) -> list[Rule]:
    """Of several references to one target each names a section of it, and each another one."""
    bare, named = f"{_or_empty('one', 'sectionName')} == ''", f"{_or_empty('other', 'sectionName')} != ''"
    return [
        rule(
            f"!self.exists(one, {bare} && self.exists(other, {named} && {same_target}))",
            f"of several references to one {target} each needs a sectionName",
        ),
        distinct(
            f"{same_target} && {equal_or_absent('sectionName')}",
            f"of several references to one {target} each needs another sectionName",
        ),
    ]


def at_most_once(types: Iterable[str]) -> list[Rule]:
    """No more than one item of each type."""
    return [rule(f"size(self.filter(item, item.type == '{type_}')) < 2", f"{type_} may not repeat") for type_ in types]


def total_matches(limit: int) -> Rule:
    """The rules of a route have no more than so many matches together."""
    counts = "self.filter(each, has(each.matches)).map(each, size(each.matches))"
    return rule(f"{counts}.sum() <= {limit}", f"a route may have {limit} matches in all its rules together")


STAR_ALONE = rule("size(self) < 2 || !self.exists(item, item == '*')", "'*' says all, so it stands alone")
