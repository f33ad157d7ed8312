"""What makes a definition's schema structural: the shape of an object is said once, outside of `anyOf` and its like.

Below a junctor a schema may only restrict what is specified outside of it.
"""

from __future__ import annotations

import re
from typing import Any

from slipway_sandbox.apiserver.errors import FORBIDDEN, INVALID, REQUIRED, FieldError
from slipway_sandbox.apiserver.schema import compile_pattern

Schema = dict[str, Any]

ROOT, ITEM, FIELD = "the root", "specified array items", "specified object fields"

_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_NOT_IN_LOGIC = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    "x-kubernetes-preserve-unknown-fields": "must be false to be structural",
    "x-kubernetes-embedded-resource": "must be false to be structural",
    "x-kubernetes-int-or-string": "must be false to be structural",
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-list-type": "must be undefined to be structural",
    "x-kubernetes-map-type": "must be undefined to be structural",
    "x-kubernetes-validations": "must be empty to be structural",
}


def structural_errors(schema: Schema, path: str) -> list[FieldError]:
    """What keeps the schema of a version from being structural; `path` is how errors name it."""
    return _check(schema, path, ROOT) + _completeness(schema, schema, path, path)


def _check(schema: Schema, path: str, level: str) -> list[FieldError]:
    errors = _check_shape(schema, path, level) + _check_extensions(schema, path)
    items, extra = schema.get("items"), schema.get("additionalProperties")
    if isinstance(items, dict):
        errors += _check(items, f"{path}.items", ITEM)
    for name, below in (schema.get("properties") or {}).items():
        errors += _check(below, f"{path}.properties[{name}]", FIELD)
    if extra is not None and level == ROOT:
        errors.append(FieldError(FORBIDDEN, f"{path}.additionalProperties", "must not be used at the root"))
    if isinstance(extra, dict):
        errors += _check(extra, f"{path}.additionalProperties", FIELD)
    return errors + _check_junctors(schema, path) + _check_meta(schema, path, level)


def _check_shape(schema: Schema, path: str, level: str) -> list[FieldError]:
    kind = schema.get("type") or ""
    errors: list[FieldError] = []
    if kind == "array" and not isinstance(schema.get("items"), dict):
        errors.append(FieldError(REQUIRED, f"{path}.items", "must be specified"))
    if schema.get("x-kubernetes-embedded-resource"):
        errors += _check_embedded(schema, path, kind)
    elif not kind and not _is_free(schema):
        place = "at the root" if level == ROOT else f"for {level}"
        errors.append(FieldError(REQUIRED, f"{path}.type", f"must not be empty {place}"))
    if level == ROOT and kind and kind != "object":
        errors.append(FieldError(INVALID, f"{path}.type", "must be object at the root", kind))
    if schema.get("pattern"):
        try:
            compile_pattern(schema["pattern"])
        except re.error as error:
            detail = f"must be a valid regular expression, but isn't: {error}"
            errors.append(FieldError(INVALID, f"{path}.pattern", detail, schema["pattern"]))
    return errors


def _is_free(schema: Schema) -> bool:
    return bool(schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields"))


def _check_embedded(schema: Schema, path: str, kind: str) -> list[FieldError]:
    errors = []
    detail = "must be object if x-kubernetes-embedded-resource is true"
    if kind != "object":
        errors.append(FieldError(INVALID if kind else REQUIRED, f"{path}.type", detail, kind))
    if schema.get("additionalProperties") is not None:
        detail = "must not be used if x-kubernetes-embedded-resource is set"
        errors.append(FieldError(FORBIDDEN, f"{path}.additionalProperties", detail))
    if not schema.get("x-kubernetes-preserve-unknown-fields") and not schema.get("properties"):
        detail = (
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        )
        errors.append(FieldError(REQUIRED, f"{path}.properties", detail))
    return errors


def _check_extensions(schema: Schema, path: str) -> list[FieldError]:
    if not schema.get("x-kubernetes-int-or-string"):
        return []
    detail = "must be false if x-kubernetes-int-or-string is true"
    clashing = ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource")
    return [FieldError(INVALID, f"{path}.{name}", detail, True) for name in clashing if schema.get(name)]


def _check_meta(schema: Schema, path: str, level: str) -> list[FieldError]:
    """The type and metadata of an object are the server's: a schema may say no more than what they are anyway."""
    properties = schema.get("properties") or {}
    errors: list[FieldError] = []
    if level != ROOT and not schema.get("x-kubernetes-embedded-resource"):
        return errors
    for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        found = (properties.get(name) or {}).get("type") or ""
        if name in properties and found != wanted:
            errors.append(FieldError(INVALID, f"{path}.properties[{name}].type", f"must be {wanted}", found))
    rest = {
        name: value for name, value in (properties.get("metadata") or {}).items() if name not in {"type", "default"}
    }
    if set(rest.get("properties") or {"-": None}) <= {"name", "generateName"}:
        rest.pop("properties", None)
    if level == ROOT and any(value not in (None, {}, [], False, "") for value in rest.values()):
        detail = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        errors.append(FieldError(FORBIDDEN, f"{path}.properties[metadata]", detail))
    return errors


def _check_junctors(schema: Schema, path: str) -> list[FieldError]:
    """The branches below a schema; the one pattern that says int-or-string by hand may name types."""
    errors = []
    for name in ("anyOf", "allOf", "oneOf"):
        branches = schema.get(name) or ()
        if name == "anyOf" and branches == _INT_OR_STRING:
            continue
        for index, below in enumerate(branches):
            spelled = name == "allOf" and index == 0 and below.get("anyOf") == _INT_OR_STRING
            errors += _check_nested(below, f"{path}.{name}[{index}]", spelled=spelled)
    if schema.get("not") is not None:
        errors += _check_nested(schema["not"], f"{path}.not")
    return errors


def _check_nested(schema: Schema, path: str, *, spelled: bool = False) -> list[FieldError]:
    inner = {name: below for name, below in schema.items() if not (spelled and name == "anyOf")}
    errors = _check_junctors(inner, path)
    if isinstance(schema.get("items"), dict):
        errors += _check_nested(schema["items"], f"{path}.items")
    for name, below in (schema.get("properties") or {}).items():
        errors += _check_nested(below, f"{path}.properties[{name}]")
    errors += [
        FieldError(FORBIDDEN, f"{path}.{name}", detail)
        for name, detail in _NOT_IN_LOGIC.items()
        if schema.get(name) not in (None, False, "", [])
    ]
    if "metadata" in (schema.get("properties") or {}):
        detail = "must not be specified in a nested context"
        errors.append(FieldError(FORBIDDEN, f"{path}.properties[metadata]", detail))
    return errors


def _completeness(restricting: Schema, specified: Schema | None, path: str, where: str) -> list[FieldError]:
    """Every field that the branches of a schema restrict has to be specified outside of them."""
    errors = []
    for name in ("allOf", "anyOf", "oneOf"):
        for index, below in enumerate(restricting.get(name) or ()):
            errors += _complete(below, specified, path, f"{where}.{name}[{index}]")
    if restricting.get("not") is not None:
        errors += _complete(restricting["not"], specified, path, f"{where}.not")
    return errors


def _complete(restricting: Schema, specified: Schema | None, path: str, where: str) -> list[FieldError]:
    if specified is None:
        return [FieldError(REQUIRED, path, f"because it is defined in {where}")]
    errors = _completeness(restricting, specified, path, where)
    if isinstance(restricting.get("items"), dict):
        items = specified.get("items")
        outside = items if isinstance(items, dict) else None
        errors += _complete(restricting["items"], outside, f"{path}.items", f"{where}.items")
    for name, below in (restricting.get("properties") or {}).items():
        outside = (specified.get("properties") or {}).get(name)
        errors += _complete(below, outside, f"{path}.properties[{name}]", f"{where}.properties[{name}]")
    return errors
