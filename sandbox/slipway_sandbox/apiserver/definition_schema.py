"""Whether a schema may stand in a definition: structural, with valid defaults and compilable rules."""

from __future__ import annotations

import re
from typing import Any

from slipway_sandbox.apiserver.cel_types import check_rules
from slipway_sandbox.apiserver.errors import FORBIDDEN, INVALID, NOT_SUPPORTED, REQUIRED, FieldError
from slipway_sandbox.apiserver.schema import ABSENT, Findings, Walk, compile_pattern

_TYPES = {"string", "integer", "number", "boolean", "object", "array"}
_NOT_IN_LOGIC = ("type", "default", "nullable", "description", "title", "x-kubernetes-preserve-unknown-fields",
                 "x-kubernetes-embedded-resource", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type")  # fmt: skip  # noqa: E501


def check_schema(schema: dict[str, Any], path: str, *, status: bool) -> list[FieldError]:
    """What is wrong with a version's schema; `path` is how errors name it."""
    errors: list[FieldError] = []
    if schema.get("type") != "object":
        if not schema.get("type"):
            errors.append(FieldError(REQUIRED, f"{path}.type", "must not be empty at the root"))
        else:
            errors.append(FieldError(INVALID, f"{path}.type", "must be object at the root", schema["type"]))
    _ = status
    _check(schema, path, errors, root=True)
    return errors


def _check(schema: dict[str, Any], path: str, errors: list[FieldError], *, root: bool = False) -> None:  # noqa: PLR0912
    _check_type(schema, path, errors, root)
    if schema.get("x-kubernetes-validations"):
        errors += check_rules(schema, path, root=root)
    _check_lists(schema, path, errors)
    if schema.get("properties") and schema.get("additionalProperties"):
        detail = "additionalProperties and properties are mutual exclusive"
        errors.append(FieldError(FORBIDDEN, f"{path}.additionalProperties", detail))
    if schema.get("additionalProperties") is False:
        errors.append(
            FieldError(FORBIDDEN, f"{path}.additionalProperties", "additionalProperties cannot be set to false")
        )
    for name in ("definitions", "dependencies", "patternProperties", "additionalItems", "$ref", "id"):
        if schema.get(name):
            errors.append(FieldError(FORBIDDEN, f"{path}.{name}", f"{name} is not supported"))
    if schema.get("uniqueItems"):
        errors.append(
            FieldError(
                FORBIDDEN,
                f"{path}.uniqueItems",
                "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
            )
        )
    if schema.get("pattern"):
        try:
            compile_pattern(schema["pattern"])
        except re.error as error:
            errors.append(
                FieldError(
                    INVALID,
                    f"{path}.pattern",
                    f"must be a valid regular expression, but isn't: {error}",
                    schema["pattern"],
                )
            )
    if "default" in schema and schema["default"] is not None:
        found = Findings()
        Walk(found).visit(schema, schema["default"], ABSENT, f"{path}.default")
        errors.extend(found.errors)
    for branch in ("allOf", "anyOf", "oneOf"):
        for index, below in enumerate(schema.get(branch) or ()):
            _check_logic(below, f"{path}.{branch}[{index}]", errors, schema)
    if schema.get("not"):
        _check_logic(schema["not"], f"{path}.not", errors, schema)
    for name, below in (schema.get("properties") or {}).items():
        if root and name == "metadata":
            _check_metadata(below, f"{path}.properties[metadata]", errors)
        _check(below, f"{path}.properties[{name}]", errors)
    if isinstance(schema.get("items"), dict):
        _check(schema["items"], f"{path}.items", errors)
    if isinstance(schema.get("additionalProperties"), dict):
        _check(schema["additionalProperties"], f"{path}.additionalProperties", errors)


def _check_metadata(schema: dict[str, Any], path: str, errors: list[FieldError]) -> None:
    errors.extend(
        FieldError(FORBIDDEN, path, f"{name} may not be set: only name and generateName can be restricted")
        for name in schema
        if name not in {"type", "description", "properties"}
    )
    errors.extend(
        FieldError(
            FORBIDDEN,
            f"{path}.properties[{name}]",
            "must not specify anything other than name and generateName",
        )
        for name in schema.get("properties") or {}
        if name not in {"name", "generateName"}
    )


def _check_type(schema: dict[str, Any], path: str, errors: list[FieldError], root: bool) -> None:
    kind = schema.get("type")
    if kind and kind not in _TYPES:
        listed = ", ".join(f'"{name}"' for name in sorted(_TYPES))
        errors.append(FieldError(NOT_SUPPORTED, f"{path}.type", f"supported values: {listed}", kind))
    free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if not kind and not free and not root:
        place = "array items" if path.endswith(".items") else "object fields"
        errors.append(FieldError(REQUIRED, f"{path}.type", f"must not be empty for specified {place}"))
    if schema.get("x-kubernetes-int-or-string") and kind:
        errors.append(FieldError(FORBIDDEN, f"{path}.type", "must be empty if x-kubernetes-int-or-string is true"))
    if schema.get("x-kubernetes-embedded-resource"):
        if kind != "object":
            errors.append(
                FieldError(
                    INVALID, f"{path}.type", "must be object if x-kubernetes-embedded-resource is true", kind or ""
                )
            )
        if not schema.get("x-kubernetes-preserve-unknown-fields") and not schema.get("properties"):
            errors.append(
                FieldError(
                    REQUIRED,
                    f"{path}.properties",
                    (
                        "must not be empty if x-kubernetes-embedded-resource is true without "
                        "x-kubernetes-preserve-unknown-fields"
                    ),
                )
            )
    if kind == "array" and not isinstance(schema.get("items"), dict):
        errors.append(FieldError(REQUIRED, f"{path}.items", "must be specified"))


def _check_lists(schema: dict[str, Any], path: str, errors: list[FieldError]) -> None:
    list_type, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or []
    items = schema.get("items") if isinstance(schema.get("items"), dict) else {}
    if list_type and schema.get("type") != "array":
        errors.append(
            FieldError(
                INVALID, f"{path}.type", "must be array if x-kubernetes-list-type is specified", schema.get("type", "")
            )
        )
    if list_type and list_type not in {"atomic", "set", "map"}:
        errors.append(
            FieldError(
                NOT_SUPPORTED, f"{path}.x-kubernetes-list-type", 'supported values: "atomic", "map", "set"', list_type
            )
        )
    if keys and list_type != "map":
        errors.append(
            FieldError(
                INVALID,
                f"{path}.x-kubernetes-list-type",
                "must be map if x-kubernetes-list-map-keys is non-empty",
                list_type,
            )
        )
    if list_type == "map":
        _check_map_list(keys, items or {}, path, errors)
    if list_type == "set" and items:
        shape = items.get("type")
        loose_object = shape == "object" and items.get("x-kubernetes-map-type") != "atomic"
        loose_array = shape == "array" and items.get("x-kubernetes-list-type") not in {None, "atomic"}
        if loose_object:
            errors.append(
                FieldError(
                    INVALID,
                    f"{path}.items.x-kubernetes-map-type",
                    "must be atomic as item of a list with x-kubernetes-list-type=set",
                    items.get("x-kubernetes-map-type"),
                )
            )
        if loose_array:
            errors.append(
                FieldError(
                    INVALID,
                    f"{path}.items.x-kubernetes-list-type",
                    "must be atomic as item of a list with x-kubernetes-list-type=set",
                    items.get("x-kubernetes-list-type"),
                )
            )
        if items.get("nullable"):
            errors.append(
                FieldError(FORBIDDEN, f"{path}.items.nullable", "cannot be nullable when x-kubernetes-list-type is set")
            )
    if schema.get("x-kubernetes-map-type") not in {None, "atomic", "granular"}:
        errors.append(
            FieldError(
                NOT_SUPPORTED,
                f"{path}.x-kubernetes-map-type",
                'supported values: "atomic", "granular"',
                schema["x-kubernetes-map-type"],
            )
        )
    if schema.get("x-kubernetes-map-type") and schema.get("type") != "object":
        errors.append(
            FieldError(
                INVALID, f"{path}.type", "must be object if x-kubernetes-map-type is specified", schema.get("type", "")
            )
        )


def _check_map_list(keys: list[str], items: dict[str, Any], path: str, errors: list[FieldError]) -> None:
    if not keys:
        errors.append(
            FieldError(
                REQUIRED, f"{path}.x-kubernetes-list-map-keys", "must not be empty if x-kubernetes-list-type is map"
            )
        )
    if items and items.get("type") != "object":
        errors.append(
            FieldError(
                INVALID,
                f"{path}.items.type",
                "must be object if parent array's x-kubernetes-list-type is map",
                items.get("type", ""),
            )
        )
    properties = items.get("properties") or {}
    for index, key in enumerate(keys):
        if key in keys[:index]:
            errors.append(
                FieldError(INVALID, f"{path}.x-kubernetes-list-map-keys[{index}]", "must not contain duplicates", key)
            )
        if key not in properties:
            errors.append(
                FieldError(
                    INVALID,
                    f"{path}.x-kubernetes-list-map-keys[{index}]",
                    "entries must all be names of item properties",
                    key,
                )
            )
            continue
        below = properties[key]
        if below.get("type") in {"object", "array"}:
            errors.append(
                FieldError(
                    INVALID,
                    f"{path}.items.properties[{key}].type",
                    "must be a scalar type if parent array's x-kubernetes-list-type is map",
                    below["type"],
                )
            )
        if key not in (items.get("required") or ()) and "default" not in below:
            detail = (
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            )
            errors.append(FieldError(REQUIRED, f"{path}.items.properties[{key}].default", detail))


def _check_logic(schema: dict[str, Any], path: str, errors: list[FieldError], around: dict[str, Any]) -> None:
    """Below a junctor a schema may only restrict what is specified outside."""
    allowed = around.get("x-kubernetes-int-or-string") and set(schema) == {"type"}
    errors.extend(
        FieldError(
            FORBIDDEN,
            f"{path}.{name}",
            "must be empty to be structural" if name == "type" else "must be undefined to be structural",
        )
        for name in _NOT_IN_LOGIC
        if schema.get(name) is not None and schema.get(name) is not False and not allowed
    )
    for name, below in (schema.get("properties") or {}).items():
        outside = (around.get("properties") or {}).get(name)
        if outside is None:
            errors.append(
                FieldError(
                    REQUIRED,
                    f"{path[: path.rindex('.')]}.properties[{name}]",
                    f"because it is defined in {path}.properties[{name}]",
                )
            )
        _check_logic(below, f"{path}.properties[{name}]", errors, outside or {})
    if isinstance(schema.get("items"), dict):
        outside = around.get("items")
        _check_logic(schema["items"], f"{path}.items", errors, outside if isinstance(outside, dict) else {})
    for branch in ("allOf", "anyOf", "oneOf"):
        for index, below in enumerate(schema.get(branch) or ()):
            _check_logic(below, f"{path}.{branch}[{index}]", errors, around)
