"""Words for schemas: small functions that build OpenAPI dicts, and the field types that Gateway API kinds share."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

GROUP = "gateway.networking.k8s.io"

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
WILDCARD = rf"^(\*\.)?{SUBDOMAIN}$"
_PATH_CHARACTERS = r"[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+"


def text(
    low: int = 0,
    high: int = 0,
    pattern: str = "",
    *,
    one_of: list[str] | None = None,
    default: str | None = None,
    form: str = "",
) -> Schema:
    """A string with what limits it."""
    schema: Schema = {"type": "string"}
    if low:
        schema["minLength"] = low
    if high:
        schema["maxLength"] = high
    if pattern:
        schema["pattern"] = pattern
    if one_of is not None:
        schema["enum"] = one_of
    if default is not None:
        schema["default"] = default
    if form:
        schema["format"] = form
    return schema


def number(low: int | None = None, high: int | None = None, default: int | None = None, form: str = "int32") -> Schema:
    """An integer with what limits it."""
    schema: Schema = {"type": "integer", "format": form}
    for name, value in (("minimum", low), ("maximum", high), ("default", default)):
        if value is not None:
            schema[name] = value
    return schema


def fields(required: tuple[str, ...] = (), /, *, cel: list[Schema] | None = None, **properties: Schema) -> Schema:
    """An object with named fields; `cel` are its rules."""
    schema: Schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = list(required)
    return ruled(schema, cel)


def items(
    of: Schema,
    high: int,
    *,
    low: int = 0,
    keys: tuple[str, ...] = (),
    unique: bool = False,
    cel: list[Schema] | None = None,
) -> Schema:
    """A list: keyed when `keys` are given, a set when `unique`, else atomic."""
    schema: Schema = {"type": "array", "items": of, "maxItems": high}
    if low:
        schema["minItems"] = low
    schema["x-kubernetes-list-type"] = "map" if keys else "set" if unique else "atomic"
    if keys:
        schema["x-kubernetes-list-map-keys"] = list(keys)
    return ruled(schema, cel)


def mapping(of: Schema, high: int, cel: list[Schema] | None = None) -> Schema:
    """A map with string keys."""
    return ruled({"type": "object", "additionalProperties": of, "maxProperties": high}, cel)


def rule(expression: str, message: str) -> Schema:
    return {"rule": expression, "message": message}


def ruled(schema: Schema, rules: list[Schema] | None) -> Schema:
    return {**schema, "x-kubernetes-validations": rules} if rules else schema


def with_default(schema: Schema, default: Any) -> Schema:
    return {**schema, "default": default}


# -- shared field types


def group(default: str | None = None) -> Schema:
    return text(0, 253, f"^$|^{SUBDOMAIN}$", default=default)


def kind(default: str | None = None) -> Schema:
    return text(1, 63, "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$", default=default)


def name() -> Schema:
    return text(1, 253)


def namespace() -> Schema:
    return text(1, 63, f"^{_LABEL}$")


def section_name() -> Schema:
    return text(1, 253, f"^{SUBDOMAIN}$")


def hostname() -> Schema:
    """A host that may begin with a wildcard label."""
    return text(1, 253, WILDCARD)


def precise_hostname() -> Schema:
    return text(1, 253, f"^{SUBDOMAIN}$")


def port() -> Schema:
    return number(1, 65535)


def controller_name() -> Schema:
    return text(1, 253, rf"^{SUBDOMAIN}\/{_PATH_CHARACTERS}$")


def local_reference() -> Schema:
    return fields(("group", "kind", "name"), group=group(), kind=kind(), name=name())


def namespaced_reference() -> Schema:
    """A reference to any kind, here or in another namespace."""
    return fields(("group", "kind", "name"), group=group(), kind=kind(), name=name(), namespace=namespace())


def secret_reference() -> Schema:
    return fields(("name",), group=group(""), kind=kind("Secret"), name=name(), namespace=namespace())


def options() -> Schema:
    """Free settings of an implementation."""
    return mapping(text(0, 4096), 16)


def label_selector() -> Schema:
    plain = {"type": "string"}
    values = {"type": "array", "items": plain, "x-kubernetes-list-type": "atomic"}
    expression = fields(("key", "operator"), key=plain, operator=plain, values=values)
    schema = fields(
        matchExpressions={"type": "array", "items": expression, "x-kubernetes-list-type": "atomic"},
        matchLabels={"type": "object", "additionalProperties": plain},
    )
    return {**schema, "x-kubernetes-map-type": "atomic"}


def conditions(*pending: str, low: int = 0) -> Schema:
    """Conditions; those named in `pending` are there from the start, as Unknown."""
    prefix = rf"({SUBDOMAIN}/)?"
    one = fields(
        ("lastTransitionTime", "message", "reason", "status", "type"),
        lastTransitionTime=text(form="date-time"),
        message=text(0, 32768),
        observedGeneration=number(0, form="int64"),
        reason=text(1, 1024, "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"),
        status=text(one_of=["True", "False", "Unknown"]),
        type=text(0, 316, f"^{prefix}(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"),
    )
    schema = items(one, 8, low=low, keys=("type",))
    return with_default(schema, waiting(*pending)) if pending else schema


def waiting(*kinds: str) -> list[dict[str, str]]:
    """The conditions of an object that no controller has looked at."""
    shared = {
        "status": "Unknown",
        "reason": "Pending",
        "message": "Waiting for controller",
        "lastTransitionTime": "1970-01-01T00:00:00Z",
    }
    return [{"type": kind_, **shared} for kind_ in kinds]


def parent_reference() -> Schema:
    return fields(
        ("name",), group=group(GROUP), kind=kind("Gateway"), namespace=namespace(), name=name(),
        sectionName=section_name(), port=port(),
    )  # fmt: skip


def _absent_or_empty(item: str, field: str) -> str:
    return f"(!has({item}.{field}) || {item}.{field} == '')"


def _alike(field: str) -> str:
    both = f"has(p1.{field}) && has(p2.{field}) && p1.{field} == p2.{field}"
    return f"(({_absent_or_empty('p1', field)} && {_absent_or_empty('p2', field)}) || ({both}))"


def distinct_sections(same_target: str, what: str) -> list[Schema]:
    """Of several references to one target each names its section, and each another one."""
    named = f"{_absent_or_empty('p1', 'sectionName')} == {_absent_or_empty('p2', 'sectionName')}"
    return [
        rule(
            f"self.all(p1, self.all(p2, {same_target} ? ({named}) : true))",
            f"sectionName is needed where {what} name the same target twice",
        ),
        rule(
            f"self.all(p1, self.exists_one(p2, {same_target} && {_alike('sectionName')}))",
            f"sectionName may not repeat where {what} name the same target",
        ),
    ]


SAME_TARGET = "p1.group == p2.group && p1.kind == p2.kind && p1.name == p2.name"


def parent_references() -> Schema:
    same = f"{SAME_TARGET} && {_alike('__namespace__')}"
    return items(parent_reference(), 32, cel=distinct_sections(same, "parentRefs"))


def backend_reference(**more: Schema) -> Schema:
    """A reference to where traffic goes: a Service unless it says otherwise."""
    needs_port = rule(
        "(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true", "a Service needs a port"
    )
    return fields(
        ("name",),
        cel=[needs_port],
        group=group(""),
        kind=kind("Service"),
        name=name(),
        namespace=namespace(),
        port=port(),
        **more,
    )


def weight() -> Schema:
    return number(0, 1_000_000, 1)


def route_status() -> Schema:
    parent = fields(
        ("conditions", "controllerName", "parentRef"),
        conditions=conditions(low=1),
        controllerName=controller_name(),
        parentRef=parent_reference(),
    )
    return fields(("parents",), parents=items(parent, 32))
