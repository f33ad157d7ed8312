"""Validation of values by the OpenAPI subset that custom resource schemas are written in.

Written out instead of taken from `jsonschema`, because the result has to be the server's: which field is to blame, how
violations that an update did not touch are forgiven (ratcheting), and which errors keep CEL rules from running.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import math
import re
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

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
from slipway_sandbox.apiserver.metadata import embedded_errors

ABSENT: Any = object()
_META = frozenset({"metadata", "apiVersion", "kind"})


@dataclass
class Findings:
    """Errors and warnings of a validation. `blocks_rules` says that the value is too broken for CEL to look at."""

    errors: list[FieldError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    blocks_rules: bool = False


def validate_value(schema: dict[str, Any], new: dict[str, Any], old: dict[str, Any] | None) -> Findings:
    """Validate a custom resource; `old` is what an update starts from.

    Violations in parts that are the same as in `old` are forgiven.
    """
    value = {name: below for name, below in new.items() if name not in _META}
    before: Any = ABSENT
    if old is not None:
        before = {name: below for name, below in old.items() if name not in _META}
    trimmed = _without_meta(schema)
    found = Findings()
    Walk(found).visit(trimmed, value, before, "")
    found.blocks_rules = any(
        error.reason in {REQUIRED, TOO_LONG, TOO_MANY, TYPE_INVALID, NOT_SUPPORTED} for error in found.errors
    )
    return found


def _without_meta(schema: dict[str, Any]) -> dict[str, Any]:
    required = [name for name in schema.get("required", ()) if name not in _META]
    properties = {name: below for name, below in schema.get("properties", {}).items() if name not in _META}
    return {**schema, "required": required, "properties": properties}


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
        return "integer"
    if isinstance(value, float):
        return "integer" if value.is_integer() and math.isfinite(value) else "number"
    return "array" if isinstance(value, list) else "object"


def _fits(kind: str, value: Any) -> bool:
    found = type_of(value)
    return found == kind or (kind == "number" and found == "integer")


class Walk:
    def __init__(self, found: Findings) -> None:
        self.found = found

    def visit(self, schema: dict[str, Any], value: Any, old: Any, path: str) -> None:
        """Validate one value; one that does not differ from `old` is forgiven as a whole."""
        if old is not ABSENT and equal(value, old):
            return
        start = len(self.found.errors)
        self._own(schema, value, path)
        if any(
            error.reason == TYPE_INVALID and error.field == (path or "<nil>") for error in self.found.errors[start:]
        ):
            return
        if isinstance(value, dict):
            self._members(schema, value, old if isinstance(old, dict) else ABSENT, path)
        elif isinstance(value, list):
            self._items(schema, value, old if isinstance(old, list) else ABSENT, path)
        for branch in schema.get("allOf", ()):
            self.found.errors += self._errors_of(branch, value, path)
        self._logic(schema, value, path)

    def _errors_of(self, schema: dict[str, Any], value: Any, path: str) -> list[FieldError]:
        inner = Findings()
        Walk(inner).visit(schema, value, ABSENT, path)
        return inner.errors

    def _logic(self, schema: dict[str, Any], value: Any, path: str) -> None:
        errors: list[FieldError] = []
        if schema.get("x-kubernetes-int-or-string") and type_of(value) not in {"integer", "string"}:  # noqa: SIM102
            if not (value is None and schema.get("nullable")):
                errors.append(FieldError(TYPE_INVALID, "<nil>", "must be of type integer or string", value))
        any_of = schema.get("anyOf")
        if any_of and not schema.get("x-kubernetes-int-or-string"):
            results = [self._errors_of(branch, value, path) for branch in any_of]
            if all(results):
                errors.append(FieldError(INVALID, "<nil>", f'"{path}" must validate at least one schema (anyOf)', ""))
                errors += results[0]
        one_of = schema.get("oneOf")
        if one_of:
            results = [self._errors_of(branch, value, path) for branch in one_of]
            count = sum(1 for result in results if not result)
            if count != 1:
                found = "Found none valid" if count == 0 else f"Found {count} valid alternatives"
                errors.append(
                    FieldError(INVALID, "<nil>", f'"{path}" must validate one and only one schema (oneOf). {found}', "")
                )
                if count == 0:
                    errors += results[0]
        negated = schema.get("not")
        if negated is not None and not self._errors_of(negated, value, path):
            errors.append(FieldError(INVALID, "<nil>", f'"{path}" must not validate the schema (not)', ""))
        self.found.errors += errors

    def _own(self, schema: dict[str, Any], value: Any, path: str) -> None:
        """What a schema says of a value without looking into it."""
        shown = path or "<nil>"
        if value is None and (schema.get("nullable") or "type" not in schema):
            return
        kind = schema.get("type")
        if kind and not _fits(kind, value):
            detail = f'{shown} in body must be of type {kind}: "{type_of(value)}"'
            self._add(TYPE_INVALID, shown, detail, type_of(value))
            return
        if "enum" in schema and not any(equal(value, allowed) for allowed in schema["enum"]):
            listed = ", ".join(json.dumps(allowed) for allowed in schema["enum"])
            self._add(NOT_SUPPORTED, shown, f"supported values: {listed}", value)
        if isinstance(value, str):
            self._string(schema, value, shown)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self._number(schema, value, shown)
        elif isinstance(value, list):
            self._list(schema, value, shown)
        elif isinstance(value, dict):
            self._object(schema, value, path)

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
        bounds = {"int32": 31, "int64": 63}.get(schema.get("format", ""))
        if bounds and not -(2**bounds) <= value < 2**bounds:
            self._add(INVALID, path, f"{path} in body must be of type {schema['format']}", value)

    def _list(self, schema: dict[str, Any], value: list[Any], path: str) -> None:
        if "maxItems" in schema and len(value) > schema["maxItems"]:
            self._add(TOO_MANY, path, f"must have at most {schema['maxItems']} items")
        if "minItems" in schema and len(value) < schema["minItems"]:
            self._add(INVALID, path, f"{path} in body should have at least {schema['minItems']} items", len(value))
        if schema.get("uniqueItems") and _has_repeats(value):
            self._add(DUPLICATE, path, f"{path} in body shouldn't contain duplicates", value)
        list_type = schema.get("x-kubernetes-list-type")
        if list_type in {"set", "map"}:
            self._unique_members(schema, value, path, list_type)

    def _unique_members(self, schema: dict[str, Any], value: list[Any], path: str, list_type: str) -> None:
        seen: set[str] = set()
        for index, item in enumerate(value):
            if list_type == "set":
                identity: Any = item
            elif isinstance(item, dict):
                identity = {
                    name: item.get(name) for name in schema.get("x-kubernetes-list-map-keys", ()) if name in item
                }
            else:
                self._add(INVALID, f"{path}[{index}]", "must be an object for an array of list-type map", item)
                continue
            text = json.dumps(identity, sort_keys=True)
            if text in seen:
                self._add(DUPLICATE, f"{path}[{index}]", "", identity)
            seen.add(text)

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
        if schema.get("x-kubernetes-embedded-resource"):
            self._embedded(value, path)

    def _embedded(self, value: dict[str, Any], path: str) -> None:
        for name in ("apiVersion", "kind"):
            if not value.get(name):
                self._add(REQUIRED, join(path, name), "must not be empty")
        if isinstance(value.get("metadata"), dict):
            self.found.errors += embedded_errors(value["metadata"], join(path, "metadata"))

    def _members(self, schema: dict[str, Any], value: dict[str, Any], old: Any, path: str) -> None:
        properties = schema.get("properties") or {}
        extra = schema.get("additionalProperties")
        for name, below in value.items():
            before = old.get(name, ABSENT) if old is not ABSENT else ABSENT
            if name in properties:
                if schema.get("x-kubernetes-embedded-resource") and name in {"apiVersion", "kind", "metadata"}:
                    continue
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


def _is_date_time(value: str) -> bool:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)", value):
        return False
    try:
        datetime.fromisoformat(re.sub(r"\.\d+", "", value).upper().replace("Z", "+00:00"))
    except ValueError:
        return False
    return True


def _is_date(value: str) -> bool:
    try:
        datetime.strptime(value, "%Y-%m-%d")  # noqa: DTZ007
    except ValueError:
        return False
    return True


def _is_ip(version: int | None, value: str) -> bool:
    try:
        return version is None or ipaddress.ip_address(value).version == version
    except ValueError:
        return False


def _is_cidr(value: str) -> bool:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return "/" in value


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _is_uuid(value: str) -> bool:
    try:
        uuid.UUID(value)
    except ValueError:
        return False
    return True


def _is_uri(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return bool(parts.scheme) or value.startswith("/")


DURATION = re.compile(r"[+-]?(0|(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+|[+-]?(\d+(\.\d*)?\s*(ns|us|ms|s|m|h|d|w))+")
_HOST = re.compile(r"([a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*\.?")
_FORMATS: dict[str, Any] = {
    "date-time": _is_date_time,
    "datetime": _is_date_time,
    "date": _is_date,
    "ipv4": lambda value: _is_ip(4, value),
    "ipv6": lambda value: _is_ip(6, value),
    "cidr": _is_cidr,
    "byte": _is_base64,
    "uuid": _is_uuid,
    "uuid3": _is_uuid,
    "uuid4": _is_uuid,
    "uuid5": _is_uuid,
    "uri": _is_uri,
    "duration": lambda value: DURATION.fullmatch(value) is not None,
    "hostname": lambda value: _HOST.fullmatch(value) is not None and len(value) <= 253,
    "email": lambda value: re.fullmatch(r"[^@\s]+@[^@\s]+", value) is not None,
    "mac": lambda value: re.fullmatch(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}", value) is not None,
    "hexcolor": lambda value: re.fullmatch(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})", value) is not None,
}


def has_format(form: str, value: str) -> bool:
    """Whether text has a format; a format that the server does not know accepts everything."""
    check = _FORMATS.get(form)
    return check is None or bool(check(value))
