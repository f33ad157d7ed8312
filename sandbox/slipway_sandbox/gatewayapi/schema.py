"""Words for schemas: small functions that build what OpenAPI says in many lines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Schema = dict[str, Any]
Rule = dict[str, str]


def text(
    low: int = 0,
    high: int = 0,
    pattern: str = "",
    *,
    one_of: Iterable[str] = (),
    default: str | None = None,
    form: str = "",
) -> Schema:
    """A string with what limits it: its length, a pattern, a choice, a format."""
    limits: Schema = {"minLength": low, "maxLength": high, "pattern": pattern, "enum": list(one_of), "format": form}
    schema: Schema = {"type": "string", **{name: limit for name, limit in limits.items() if limit}}
    return schema if default is None else defaulted(schema, default)


def number(
    low: int | None = None, high: int | None = None, *, default: int | None = None, form: str = "int32"
) -> Schema:
    """An integer with what limits it."""
    limits = {"minimum": low, "maximum": high, "default": default}
    return {"type": "integer", "format": form, **{name: limit for name, limit in limits.items() if limit is not None}}


def fields(required: Iterable[str] = (), /, *, cel: Iterable[Rule] = (), **properties: Schema) -> Schema:
    """An object with named fields."""
    return record(properties, required, cel)


def record(properties: dict[str, Schema], required: Iterable[str] = (), cel: Iterable[Rule] = ()) -> Schema:
    """An object like those of `fields`, whose fields are computed, or have names that Python keeps for itself."""
    schema: Schema = {"type": "object", "properties": properties}
    names = list(required)
    return ruled({**schema, "required": names} if names else schema, cel)


def items(
    of: Schema,
    high: int | None,
    *,
    low: int = 0,
    key: str = "",
    unique: bool = False,
    cel: Iterable[Rule] = (),
) -> Schema:
    """A list of at most `high` items: keyed by a field, a set when `unique`, else replaced as a whole by an apply."""
    schema: Schema = {"type": "array", "items": of}
    if high is not None:
        schema["maxItems"] = high
    if low:
        schema["minItems"] = low
    schema["x-kubernetes-list-type"] = "map" if key else "set" if unique else "atomic"
    if key:
        schema["x-kubernetes-list-map-keys"] = [key]
    return ruled(schema, cel)


def mapping(of: Schema, high: int | None, *, cel: Iterable[Rule] = ()) -> Schema:
    """A map with free keys, at most `high` of them."""
    schema: Schema = {"type": "object", "additionalProperties": of}
    if high is not None:
        schema["maxProperties"] = high
    return ruled(schema, cel)


def ruled(schema: Schema, cel: Iterable[Rule]) -> Schema:
    """The schema with rules in CEL."""
    found = list(cel)
    return {**schema, "x-kubernetes-validations": found} if found else schema


def defaulted(schema: Schema, default: Any) -> Schema:
    """The schema with a default."""
    return {**schema, "default": default}
