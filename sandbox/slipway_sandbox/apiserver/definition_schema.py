"""Whether a schema may stand in a definition: structural, well formed, with valid defaults and compilable rules."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver.cel_types import check_rules, rule_form_errors
from slipway_sandbox.apiserver.content import inner_object_errors, member_errors
from slipway_sandbox.apiserver.errors import FORBIDDEN, INVALID, NOT_SUPPORTED, REQUIRED, FieldError
from slipway_sandbox.apiserver.schema import ABSENT, Findings, Walk
from slipway_sandbox.apiserver.structural import build, prune
from slipway_sandbox.apiserver.structural_rules import structural_errors

Schema = dict[str, Any]

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_META = {"metadata", "kind", "apiVersion"}
_AT_THE_ROOT = {
    "description", "type", "format", "title", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength",
    "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "multipleOf", "required", "items", "properties",
    "externalDocs", "example", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations",
}  # fmt: skip


def check_schema(schema: Schema, path: str, *, status: bool) -> list[FieldError]:
    """What is wrong with a version's schema; `path` is how errors name it, `status` whether the status is apart."""
    errors = _root_errors(schema, path, status=status)
    shape = structural_errors(schema, path) or _default_errors(schema, path)
    form = _Form(allow_rules=not shape)
    form.visit(schema, path, root=True)
    return errors + shape + form.errors + ([] if form.errors else form.rule_errors)


def _root_errors(schema: Schema, path: str, *, status: bool) -> list[FieldError]:
    errors = []
    odd = [
        name for name, value in schema.items() if name not in _AT_THE_ROOT and value not in (None, {}, [], False, "")
    ]
    kind = schema.get("type", "")
    if status and kind and kind != "object":
        detail = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
        errors.append(FieldError(INVALID, f"{path}.type", detail, kind))
    elif status and odd:
        detail = f"{odd[0]} is not allowed at the root of the schema if the status subresource is enabled"
        errors.append(FieldError(INVALID, path, detail, {}))
    if schema.get("nullable"):
        errors.append(FieldError(FORBIDDEN, f"{path}.nullable", "nullable cannot be true at the root"))
    return errors


def _default_errors(schema: Schema, path: str) -> list[FieldError]:
    """Defaults have to be valid by the schema that they stand in, and to have known fields only."""
    errors: list[FieldError] = []
    default = schema.get("default")
    if default is not None:
        if prune(build({**schema, "default": None}), default, None, top=False) != default:
            errors.append(FieldError(INVALID, f"{path}.default", "must not have unknown fields", default))
        found = Findings()
        Walk(found).visit(schema, default, ABSENT, f"{path}.default")
        errors += found.errors
        here = f"{path}.default"
        errors += inner_object_errors(schema, default, here) + member_errors(schema, default, here)
    if isinstance(schema.get("items"), dict):
        errors += _default_errors(schema["items"], f"{path}.items")
    for name, below in (schema.get("properties") or {}).items():
        errors += _default_errors(below, f"{path}.properties[{name}]")
    return errors


class _Form:
    """The walk that looks at every part of a schema by itself. Rules are compiled where nothing else is wrong."""

    def __init__(self, *, allow_rules: bool) -> None:
        self.errors: list[FieldError] = []
        self.rule_errors: list[FieldError] = []
        self._allow_rules = allow_rules

    def visit(
        self, schema: Schema, path: str, *, root: bool = False, no_default: str = "", no_old: str = "",
        nested: bool = False,
    ) -> None:  # fmt: skip
        """Check one schema and all below it.

        `no_default` says why there may be no default here, `no_old` from where on no old value can be told apart,
        `nested` that this is below a junctor.
        """
        self.errors += _own_errors(schema, path, no_default)
        self._below(schema, path, root=root, no_default=no_default, no_old=no_old, nested=nested)
        self.errors += list_errors(schema, path) + rule_form_errors(schema, path)
        if schema.get("x-kubernetes-validations") and self._allow_rules and not nested and not self.errors:
            self.rule_errors += check_rules(schema, path, root=root, uncorrelatable=no_old)

    def _below(self, schema: Schema, path: str, *, root: bool, no_default: str, no_old: str, nested: bool) -> None:
        extra, items = schema.get("additionalProperties"), schema.get("items")
        if extra is not None and extra is not True and schema.get("properties"):
            detail = "additionalProperties and properties are mutual exclusive"
            self.errors.append(FieldError(FORBIDDEN, f"{path}.additionalProperties", detail))
        kept: dict[str, Any] = {"no_default": no_default, "nested": nested}
        if isinstance(extra, dict):
            self.visit(extra, f"{path}.additionalProperties", no_old=no_old, **kept)
        apart = no_old or (path if schema.get("x-kubernetes-map-type") == "atomic" else "")
        for name, below in (schema.get("properties") or {}).items():
            why = f"in top-level {name}" if root and name in _META else no_default
            here = f"{path}.properties[{name}]"
            self.visit(below, here, no_default=why, no_old=apart, nested=nested)
        if isinstance(items, dict):
            apart = no_old or ("" if schema.get("x-kubernetes-list-type") == "map" else path)
            self.visit(items, f"{path}.items", no_old=apart, **kept)
        for name in ("allOf", "anyOf", "oneOf"):
            for index, below in enumerate(schema.get(name) or ()):
                self.visit(below, f"{path}.{name}[{index}]", no_default=no_default, nested=True)
        if schema.get("not") is not None:
            self.visit(schema["not"], f"{path}.not", no_default=no_default, nested=True)


def _own_errors(schema: Schema, path: str, no_default: str) -> list[FieldError]:
    errors = []
    kind = schema.get("type")
    if kind and kind not in _TYPES:
        listed = ", ".join(f'"{name}"' for name in _TYPES)
        errors.append(FieldError(NOT_SUPPORTED, f"{path}.type", f"supported values: {listed}", kind))
    if kind == "null":
        detail = "type cannot be set to null, use nullable as an alternative"
        errors.append(FieldError(FORBIDDEN, f"{path}.type", detail))
    if schema.get("default") is not None and no_default:
        errors.append(FieldError(FORBIDDEN, f"{path}.default", f"must not be set {no_default}"))
    errors += [
        FieldError(FORBIDDEN, f"{path}.{name}", f"{name} is not supported") for name in _UNSUPPORTED if schema.get(name)
    ]
    if isinstance(schema.get("items"), list):
        errors.append(FieldError(FORBIDDEN, f"{path}.items", "items must be a schema object and not an array"))
    if schema.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        errors.append(FieldError(FORBIDDEN, f"{path}.uniqueItems", detail))
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        field = f"{path}.x-kubernetes-preserve-unknown-fields"
        errors.append(FieldError(INVALID, field, "must be true or undefined", False))
    return errors


def _needs_type(schema: Schema, path: str, wanted: str, because: str) -> list[FieldError]:
    kind = schema.get("type") or ""
    if kind == wanted:
        return []
    return [
        FieldError(INVALID if kind else REQUIRED, f"{path}.type", f"must be {wanted} if {because} is specified", kind)
    ]


def list_errors(schema: Schema, path: str) -> list[FieldError]:
    """What is wrong with the way in which a schema says how lists and maps are merged."""
    errors: list[FieldError] = []
    list_type, map_type = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-map-type")
    if map_type is not None:
        errors += _needs_type(schema, path, "object", "x-kubernetes-map-type")
        if map_type not in {"atomic", "granular"}:
            detail = 'supported values: "atomic", "granular"'
            errors.append(FieldError(NOT_SUPPORTED, f"{path}.x-kubernetes-map-type", detail, map_type))
    if schema.get("x-kubernetes-list-map-keys") and list_type != "map":
        detail = "must be map if x-kubernetes-list-map-keys is non-empty"
        reason = REQUIRED if list_type is None else INVALID
        errors.append(FieldError(reason, f"{path}.x-kubernetes-list-type", detail, list_type))
    if list_type is None:
        return errors
    mistyped = _needs_type(schema, path, "array", "x-kubernetes-list-type")
    errors += mistyped
    if list_type not in {"atomic", "set", "map"}:
        detail = 'supported values: "atomic", "map", "set"'
        errors.append(FieldError(NOT_SUPPORTED, f"{path}.x-kubernetes-list-type", detail, list_type))
    items = schema.get("items")
    items = items if isinstance(items, dict) else None
    if list_type == "set" and items is not None and not mistyped:
        errors += _set_errors(items, path)
    if list_type == "map":
        errors += _map_errors(schema.get("x-kubernetes-list-map-keys") or [], items, path)
    if list_type in {"set", "map"} and items is not None and items.get("nullable"):
        detail = f"cannot be nullable when x-kubernetes-list-type is {list_type}"
        errors.append(FieldError(FORBIDDEN, f"{path}.items.nullable", detail))
    return errors


def _set_errors(items: Schema, path: str) -> list[FieldError]:
    """The items of a set are equal or not as a whole."""
    name = {"object": "x-kubernetes-map-type", "array": "x-kubernetes-list-type"}.get(items.get("type", ""))
    allowed = {"atomic"} if name == "x-kubernetes-map-type" else {"atomic", None}
    if name is None or items.get(name) in allowed:
        return []
    detail = "must be atomic as item of a list with x-kubernetes-list-type=set"
    return [FieldError(INVALID, f"{path}.items.{name}", detail, items.get(name))]


def _map_errors(keys: list[str], items: Schema | None, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    where = f"{path}.x-kubernetes-list-map-keys"
    if not keys:
        errors.append(FieldError(REQUIRED, where, "must not be empty if x-kubernetes-list-type is map"))
    if items is None:
        detail = "must have a schema if x-kubernetes-list-type is map"
        return [*errors, FieldError(REQUIRED, f"{path}.items", detail)]
    if items.get("type") != "object":
        detail = "must be object if parent array's x-kubernetes-list-type is map"
        errors.append(FieldError(INVALID, f"{path}.items.type", detail, items.get("type", "")))
    properties = items.get("properties") or {}
    for index, key in enumerate(keys):
        below = properties.get(key)
        here = f"{path}.items.properties[{key}]"
        if items.get("type") == "object" and below is None:
            errors.append(FieldError(INVALID, where, "entries must all be names of item properties", keys))
        if items.get("type") == "object" and key in keys[:index]:
            errors.append(FieldError(INVALID, where, "must not contain duplicate entries", keys))
        if below is None:
            continue
        if items.get("type") == "object" and below.get("type") in {"object", "array"}:
            detail = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            errors.append(FieldError(INVALID, f"{here}.type", detail, below["type"]))
        key_is = "this property is in x-kubernetes-list-map-keys, so it"
        if key not in (items.get("required") or ()) and below.get("default") is None:
            errors.append(
                FieldError(REQUIRED, f"{here}.default", f"{key_is} must have a default or be a required property")
            )
        if below.get("nullable"):
            errors.append(FieldError(FORBIDDEN, f"{here}.nullable", f"{key_is} cannot be nullable"))
    return errors
