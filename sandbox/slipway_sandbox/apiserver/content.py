"""What holds for custom resources beyond their types: lists that are sets or maps, and objects within objects.

Unlike the errors of types these are not forgiven where an update leaves a part as it was.
"""

from __future__ import annotations

import json
from typing import Any

from slipway_sandbox.apiserver import names
from slipway_sandbox.apiserver.errors import DUPLICATE, INVALID, REQUIRED, FieldError
from slipway_sandbox.apiserver.metadata import embedded_errors

Schema = dict[str, Any]


def member_errors(schema: Schema, value: Any, path: str = "") -> list[FieldError]:
    """Members of sets and maps that are there more than once."""
    errors = []
    if isinstance(value, list):
        list_type = schema.get("x-kubernetes-list-type")
        if list_type == "set":
            errors += _repeated(value, path)
        elif list_type == "map":
            errors += _repeated_keys(schema.get("x-kubernetes-list-map-keys") or (), value, path)
    for below, inner, here in _parts(schema, value, path):
        errors += member_errors(below, inner, here)
    return errors


def inner_object_errors(schema: Schema, value: Any, path: str = "") -> list[FieldError]:
    """What is wrong with objects that stand in a field: they have a type and metadata of their own."""
    errors = []
    if isinstance(value, dict) and schema.get("x-kubernetes-embedded-resource"):
        errors += _embedded(value, path)
    for below, inner, here in _parts(schema, value, path):
        errors += inner_object_errors(below, inner, here)
    return errors


def _parts(schema: Schema, value: Any, path: str) -> list[tuple[Schema, Any, str]]:
    found = []
    if isinstance(value, dict):
        properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, inner in value.items():
            if name in properties:
                found.append((properties[name], inner, f"{path}.{name}" if path else name))
            elif isinstance(extra, dict):
                found.append((extra, inner, f"{path}[{name}]"))
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        found += [(schema["items"], inner, f"{path}[{index}]") for index, inner in enumerate(value)]
    return found


def _repeated(items: list[Any], path: str) -> list[FieldError]:
    errors = []
    seen: dict[str, int] = {}
    for index, item in enumerate(items):
        text = json.dumps(item, sort_keys=True)
        seen[text] = seen.get(text, 0) + 1
        if seen[text] == 2:
            errors.append(FieldError(DUPLICATE, f"{path}[{index}]", "", item))
    return errors


def _repeated_keys(keys: list[str] | tuple[str, ...], items: list[Any], path: str) -> list[FieldError]:
    for index, item in enumerate(items):
        if item is not None and not isinstance(item, dict):
            detail = "must be an object for an array of list-type map"
            return [FieldError(INVALID, f"{path}[{index}]", detail, item)]
    return _repeated([{key: item[key] for key in keys if key in item} if item else {} for item in items], path)


def _embedded(value: dict[str, Any], path: str) -> list[FieldError]:
    errors = []
    for name in ("apiVersion", "kind"):
        here, found = f"{path}.{name}" if path else name, value.get(name)
        if name not in value:
            errors.append(FieldError(REQUIRED, here, ""))
        elif not isinstance(found, str):
            errors.append(FieldError(INVALID, here, "must be a string", found))
        elif not found:
            errors.append(FieldError(INVALID, here, "must not be empty", found))
        elif name == "apiVersion" and found.count("/") > 1:
            errors.append(FieldError(INVALID, here, f"unexpected GroupVersion string: {found}", found))
        elif name == "kind" and names.dns1035_problem(found.lower()):
            detail = f"may have mixed case, but should otherwise match: {names.dns1035_problem(found.lower())}"
            errors.append(FieldError(INVALID, here, detail, found))
    if isinstance(value.get("metadata"), dict):
        errors += embedded_errors(value["metadata"], f"{path}.metadata" if path else "metadata")
    return errors
