"""Validation of values by the OpenAPI subset that custom resource schemas are written in.

Written out instead of taken from `jsonschema`, because the result has to be the server's: which field is to blame, how
violations that an update did not touch are forgiven (ratcheting), and which errors keep CEL rules from running.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from slipway_sandbox.apiserver.errors import (
    DUPLICATE,
    INVALID,
    NOT_SUPPORTED,
    OMITTED,
    REQUIRED,
    TOO_LONG,
    TOO_MANY,
    TYPE_INVALID,
    FieldError,
)  # fmt: skip
from slipway_sandbox.apiserver.formats import has_format

ABSENT: Any = object()


@dataclass
class Findings:
    """Errors and warnings of a validation."""

    errors: list[FieldError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    matches: int = 0
    """How much was right: of several branches that all fail, the one that fits best is told of."""


def validate_value(schema: dict[str, Any], new: dict[str, Any], old: dict[str, Any] | None) -> Findings:
    """Validate a custom resource; `old` is what an update starts from.

    Violations in parts that are the same as in `old` are forgiven.
    """
    found = Findings()
    Walk(found).visit(schema, new, ABSENT if old is None else old, "")
    return found


def blocks_rules(errors: list[FieldError]) -> bool:
    """Whether a value is too broken for rules to look at it."""
    return any(error.reason in {REQUIRED, TOO_LONG, TOO_MANY, TYPE_INVALID, NOT_SUPPORTED} for error in errors)


def join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def type_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int):
        return "integer" if -(2**63) <= value < 2**63 else "number"
    if isinstance(value, float):
        return "integer" if math.isfinite(value) and value.is_integer() and abs(value) < 2**53 else "number"
    return "array" if isinstance(value, list) else "object"


def _fits(kinds: tuple[str, ...], value: Any) -> bool:
    found = type_of(value)
    return found in kinds or (found == "integer" and "number" in kinds)


def _types(schema: dict[str, Any]) -> tuple[str, ...]:
    if schema.get("x-kubernetes-int-or-string"):
        return ("integer", "string")
    return (schema["type"],) if schema.get("type") else ()


class Walk:
    def __init__(self, found: Findings) -> None:
        self.found = found

    def visit(self, schema: dict[str, Any], value: Any, old: Any, path: str) -> None:
        """Validate one value; one that does not differ from `old` is forgiven as a whole."""
        if old is not ABSENT and equal(value, old):
            self.found.matches += 1
            return
        shown = path or "<nil>"
        self._type(schema, value, shown)
        if value is None:
            self._enum(schema, value, shown)
            return
        self.found.matches += 4
        self._junctors(schema, value, old, path)
        if isinstance(value, str):
            self._string(schema, value, shown)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self._number(schema, value, shown)
        elif isinstance(value, list):
            self._items(schema, value, old if isinstance(old, list) else ABSENT, path)
            self._list(schema, value, shown)
        elif isinstance(value, dict):
            self._object(schema, value, path)
            self._members(schema, value, old if isinstance(old, dict) else ABSENT, path)
        self._enum(schema, value, shown)

    def _try(self, schema: dict[str, Any], value: Any, old: Any, path: str) -> Findings:
        inner = Findings()
        Walk(inner).visit(schema, value, old, path)
        return inner

    def _take(self, found: Findings) -> None:
        self.found.errors += found.errors
        self.found.matches += found.matches

    def _compose(self, detail: str) -> None:
        self._add(INVALID, "<nil>", detail, "")

    def _junctors(self, schema: dict[str, Any], value: Any, old: Any, path: str) -> None:
        if schema.get("anyOf"):
            results = [self._try(branch, value, old, path) for branch in schema["anyOf"]]
            valid = [result for result in results if not result.errors]
            if not valid:
                self._compose(f'"{path}" must validate at least one schema (anyOf)')
            self._take(valid[0] if valid else max(results, key=lambda result: result.matches))
        if schema.get("oneOf"):
            results = [self._try(branch, value, old, path) for branch in schema["oneOf"]]
            valid = [result for result in results if not result.errors]
            if len(valid) != 1:
                told = f"Found {len(valid)} valid alternatives" if valid else "Found none valid"
                self._compose(f'"{path}" must validate one and only one schema (oneOf). {told}')
            if len(valid) < 2:
                self._take(valid[0] if valid else max(results, key=lambda result: result.matches))
        if schema.get("allOf"):
            results = [self._try(branch, value, old, path) for branch in schema["allOf"]]
            for result in results:
                self._take(result)
            failed = [result for result in results if result.errors]
            if failed:
                told = ". None validated" if len(failed) == len(results) else ""
                self._compose(f'"{path}" must validate all the schemas (allOf){told}')
        negated = schema.get("not")
        if negated is not None and not self._try(negated, value, old, path).errors:
            self._compose(f'"{path}" must not validate the schema (not)')

    def _type(self, schema: dict[str, Any], value: Any, path: str) -> None:
        kinds = _types(schema)
        if not kinds:
            return
        self.found.matches += 1
        if not _fits(kinds, value) and not (value is None and schema.get("nullable")):
            detail = f'{path} in body must be of type {",".join(kinds)}: "{type_of(value)}"'
            self._add(TYPE_INVALID, path, detail, type_of(value))
        else:
            self.found.matches += 1

    def _enum(self, schema: dict[str, Any], value: Any, path: str) -> None:
        if "enum" in schema and not any(equal(value, allowed) for allowed in schema["enum"]):
            listed = ", ".join(json.dumps(allowed) for allowed in schema["enum"])
            self._add(NOT_SUPPORTED, path, f"supported values: {listed}", value)

    def _add(self, reason: str, path: str, detail: str, value: Any = OMITTED) -> None:
        self.found.errors.append(FieldError(reason, path, detail, value))

    def _string(self, schema: dict[str, Any], value: str, path: str) -> None:
        if "maxLength" in schema and len(value) > schema["maxLength"]:
            self._add(TOO_LONG, path, f"may not be more than {schema['maxLength']} bytes")
        elif "minLength" in schema and len(value) < schema["minLength"]:
            self._add(INVALID, path, f"{path} in body should be at least {schema['minLength']} chars long", value)
        elif schema.get("pattern") and not matches(schema["pattern"], value):
            self._add(INVALID, path, f"{path} in body should match '{schema['pattern']}'", value)
        form = schema.get("format")
        if form and not has_format(form, value):
            self._add(TYPE_INVALID, path, f"{path} in body must be of type {form}: {json.dumps(value)}", value)

    def _number(self, schema: dict[str, Any], value: float, path: str) -> None:
        low, high = schema.get("minimum"), schema.get("maximum")
        if low is not None and (value < low or (schema.get("exclusiveMinimum") and value == low)):
            relation = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
            self._add(INVALID, path, f"{path} in body should be {relation} {low}", value)
        if high is not None and (value > high or (schema.get("exclusiveMaximum") and value == high)):
            relation = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
            self._add(INVALID, path, f"{path} in body should be {relation} {high}", value)
        multiple = schema.get("multipleOf")
        if multiple and not math.isclose(value / multiple, round(value / multiple), rel_tol=1e-9):
            self._add(INVALID, path, f"{path} in body should be a multiple of {multiple}", value)
        bounds = {"int32": 31, "int64": 63}.get(schema.get("format", "int64"))
        if schema.get("type") == "integer" and bounds and not -(2**bounds) <= value < 2**bounds:
            self._compose(f"Checked value must be of type integer with format {schema.get('format')} in {path}")

    def _list(self, schema: dict[str, Any], value: list[Any], path: str) -> None:
        if "maxItems" in schema and len(value) > schema["maxItems"]:
            self._add(TOO_MANY, path, f"must have at most {schema['maxItems']} items")
        if "minItems" in schema and len(value) < schema["minItems"]:
            self._add(INVALID, path, f"{path} in body should have at least {schema['minItems']} items", len(value))
        if schema.get("uniqueItems") and _has_repeats(value):
            self._add(DUPLICATE, path, f"{path} in body shouldn't contain duplicates", value)

    def _object(self, schema: dict[str, Any], value: dict[str, Any], path: str) -> None:
        shown = path or "<nil>"
        if "maxProperties" in schema and len(value) > schema["maxProperties"]:
            self._add(TOO_MANY, shown, f"must have at most {schema['maxProperties']} items")
        if "minProperties" in schema and len(value) < schema["minProperties"]:
            self._add(
                INVALID, shown, f"{shown} in body should have at least {schema['minProperties']} properties", len(value)
            )
        for name in schema.get("required", ()):
            if name not in value:
                self._add(REQUIRED, join(path, name), "")

    def _members(self, schema: dict[str, Any], value: dict[str, Any], old: Any, path: str) -> None:
        properties = schema.get("properties") or {}
        extra = schema.get("additionalProperties")
        for name, below in value.items():
            before = old.get(name, ABSENT) if old is not ABSENT else ABSENT
            if name in properties:
                self.visit(properties[name], below, before, join(path, name))
            elif isinstance(extra, dict):
                self.visit(extra, below, before, join(path, name))

    def _items(self, schema: dict[str, Any], value: list[Any], old: Any, path: str) -> None:
        item_schema = schema.get("items")
        if not isinstance(item_schema, dict):
            return
        partners = correlate(schema, value, old)
        for index, item in enumerate(value):
            self.visit(item_schema, item, partners[index], f"{path}[{index}]")


def correlate(schema: dict[str, Any], new: list[Any], old: Any) -> list[Any]:
    """For each item the old item it stands for, where the list's type allows to say so, else ABSENT."""
    if old is ABSENT or schema.get("x-kubernetes-list-type") != "map":
        return [ABSENT] * len(new)
    keys = schema.get("x-kubernetes-list-map-keys", ())

    def identity(item: Any) -> str:
        return json.dumps([item.get(key) if isinstance(item, dict) else None for key in keys])

    known = {identity(item): item for item in old}
    return [known.get(identity(item), ABSENT) for item in new]


def equal(a: Any, b: Any) -> bool:
    """JSON equality: 1 equals 1.0, but not true."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(below, b[name]) for name, below in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


def _has_repeats(items: list[Any]) -> bool:
    seen = [json.dumps(item, sort_keys=True) for item in items]
    return len(set(seen)) < len(seen)


@lru_cache(maxsize=2048)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """A Go regular expression as a Python one: the few places where the two differ are rewritten.

    Raises:
        re.error: it is not valid.
    """
    text = pattern.replace(r"\z", r"\Z").replace("[[:alnum:]]", "[0-9A-Za-z]").replace("[[:alpha:]]", "[A-Za-z]")
    text = text.replace("[[:digit:]]", "[0-9]").replace("[[:space:]]", r"\s").replace(r"\pL", r"[^\W\d_]")
    text = re.sub(r"(?<!\\)\$$", r"\\Z", text)
    return re.compile(text, re.ASCII)


def matches(pattern: str, value: str) -> bool:
    return compile_pattern(pattern).search(value) is not None
