"""Static checks of rules: whether an expression compiles against the types that its schema declares.

Rules run with dynamic types, because values are plain JSON. For checking, the schema is turned into protobuf message
types, with which the engine finds misspelt fields and impossible comparisons like a real server does.
"""

from __future__ import annotations

import re
from itertools import count
from typing import Any

from slipway_sandbox.apiserver import cel
from slipway_sandbox.apiserver.cel import CelError
from slipway_sandbox.apiserver.cel_literals import OBJECTS, mixed_literal
from slipway_sandbox.apiserver.errors import FORBIDDEN, INVALID, NOT_SUPPORTED, REQUIRED, FieldError

_RULES = "x-kubernetes-validations"
_REASONS = ("FieldValueRequired", "FieldValueForbidden", "FieldValueInvalid", "FieldValueDuplicate")
_LOOP = re.compile(r"\.(all|exists|exists_one|map|filter)\s*\(")
_ids = count()


class _Messages:
    """Protobuf messages for the objects of a schema, collected into one file."""

    def __init__(self) -> None:
        from google.protobuf import descriptor_pb2

        self._package = f"{OBJECTS}{next(_ids)}"
        self._file = descriptor_pb2.FileDescriptorProto(
            name=f"{self._package}.proto", package=self._package, syntax="proto3"
        )
        self._file.dependency.extend(f"google/protobuf/{name}.proto" for name in ("struct", "duration", "timestamp"))
        self._field = descriptor_pb2.FieldDescriptorProto
        self._scalars = {
            "string": self._field.TYPE_STRING,
            "integer": self._field.TYPE_INT64,
            "number": self._field.TYPE_DOUBLE,
            "boolean": self._field.TYPE_BOOL,
        }
        self._names: dict[int, str] = {}
        self._kept: list[dict[str, Any]] = []  # ids name schemas, so those made here have to stay

    def message(self, schema: dict[str, Any], *, root: bool = False) -> str:
        """The full name of the message for an object's schema."""
        known = self._names.get(id(schema))
        if known is not None:
            return known
        name = f"M{len(self._names)}"
        self._names[id(schema)] = f"{self._package}.{name}"
        message = self._file.message_type.add(name=name)
        properties = dict(schema.get("properties") or {})
        if root or schema.get("x-kubernetes-embedded-resource"):
            text = {"type": "string"}
            named = {"type": "object", "properties": {"name": text, "generateName": text}}
            properties.update(apiVersion=text, kind=text, metadata=named)
            self._kept.append(named)
        for number, (key, below) in enumerate(sorted(properties.items()), 1):
            escaped = cel.escape(key)
            if escaped:
                field = message.field.add(
                    name=escaped, number=number, json_name=f"f{number}", label=self._field.LABEL_OPTIONAL
                )
                self._fill(message, field, below)
        return self._names[id(schema)]

    def _fill(self, message: Any, field: Any, schema: dict[str, Any]) -> None:
        kind = self.shape(schema)
        if kind == "list" and self.shape(schema["items"]) not in {"list", "map"}:
            field.label = self._field.LABEL_REPEATED
            self._type(field, schema["items"])
        elif kind == "map" and self.shape(schema["additionalProperties"]) not in {"list", "map"}:
            camel = "".join(part[:1].upper() + part[1:] for part in field.name.split("_"))
            entry = message.nested_type.add(name=f"{camel}Entry")  # the name that a map field's type has to have
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, type=self._field.TYPE_STRING, label=self._field.LABEL_OPTIONAL)
            value = entry.field.add(name="value", number=2, label=self._field.LABEL_OPTIONAL)
            self._type(value, schema["additionalProperties"])
            field.label, field.type = self._field.LABEL_REPEATED, self._field.TYPE_MESSAGE
            field.type_name = f".{self._package}.{message.name}.{entry.name}"
        else:
            self._type(field, schema)

    def _type(self, field: Any, schema: dict[str, Any]) -> None:
        kind = self.shape(schema)
        if kind in self._scalars:
            field.type = self._scalars[kind]
            return
        field.type = self._field.TYPE_MESSAGE
        if kind == "object":
            field.type_name = "." + self.message(schema)
        else:
            field.type_name = ".google.protobuf." + {"duration": "Duration", "timestamp": "Timestamp"}.get(
                kind, "Value"
            )

    def shape(self, schema: dict[str, Any]) -> str:
        """What kind of value a schema describes; "any" where nothing is known."""
        kind = schema.get("type")
        if schema.get("x-kubernetes-int-or-string") or schema.get("nullable") or kind is None:
            return "any"
        if kind == "object":
            if schema.get("properties"):
                return "object"
            return "map" if isinstance(schema.get("additionalProperties"), dict) else "any"
        if kind == "array":
            return "list" if isinstance(schema.get("items"), dict) else "any"
        form = schema.get("format")
        if kind == "string" and form in {"duration", "date-time", "date", "byte"}:
            return {"duration": "duration", "byte": "any"}.get(form, "timestamp")
        return str(kind)

    def cel_type(self, schema: dict[str, Any], *, root: bool = False) -> Any:
        """The type of `self` at a schema."""
        from cel_expr_python import cel as engine

        kind = "object" if root else self.shape(schema)
        scalars = {"string": engine.Type.STRING, "integer": engine.Type.INT, "number": engine.Type.DOUBLE,
                   "boolean": engine.Type.BOOL, "duration": engine.Type.DURATION, "timestamp": engine.Type.TIMESTAMP}  # fmt: skip  # noqa: E501
        if kind == "object":
            return engine.Type(self.message(schema, root=root))
        if kind == "list":
            return engine.Type.List(self.cel_type(schema["items"]))
        if kind == "map":
            return engine.Type.Map(engine.Type.STRING, self.cel_type(schema["additionalProperties"]))
        return scalars.get(kind, engine.Type.DYN)

    def environment(self, variable: Any) -> Any:
        """An environment in which `self` and `oldSelf` have a type."""
        from google.protobuf import descriptor_pool, duration_pb2, struct_pb2, timestamp_pb2

        pool = descriptor_pool.DescriptorPool()
        for module in (struct_pb2, duration_pb2, timestamp_pb2):
            pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
        pool.AddSerializedFile(self._file.SerializeToString())
        return cel.new_environment(pool, variable)


_LINE_BREAK = re.compile(r"[\n\r]")
_UNKNOWN = frozenset({"self", "oldSelf", "oldSelf__"})
"""Not every schema has a type of its own here, so where one of these is dynamic, a real server may know more."""
_OLD_SELF = re.compile(r"\boldSelf\b")


def rule_form_errors(schema: dict[str, Any], path: str) -> list[FieldError]:
    """What is wrong with the rules at one schema before anybody compiles them."""
    errors: list[FieldError] = []
    for index, rule in enumerate(schema.get(_RULES) or ()):
        here = f"{path}.{_RULES}[{index}]"
        text, message = rule.get("rule", "").strip(), rule.get("message", "")
        if not text:
            errors.append(FieldError(REQUIRED, f"{here}.rule", "rule is not specified"))
        elif message and not message.strip():
            errors.append(FieldError(INVALID, f"{here}.message", "must be non-empty if specified", message))
        elif _LINE_BREAK.search(message.strip()):
            errors.append(FieldError(INVALID, f"{here}.message", "must not contain line breaks", message))
        elif _LINE_BREAK.search(text) and not message:
            detail = "message must be specified if rule contains line breaks"
            errors.append(FieldError(REQUIRED, f"{here}.message", detail))
        if rule.get("messageExpression") and not rule["messageExpression"].strip():
            detail = "messageExpression must be non-empty if specified"
            errors.append(FieldError(REQUIRED, f"{here}.messageExpression", detail))
        if rule.get("reason") and rule["reason"] not in _REASONS:
            listed = ", ".join(f'"{reason}"' for reason in sorted(_REASONS))
            errors.append(FieldError(NOT_SUPPORTED, f"{here}.reason", f"supported values: {listed}", rule["reason"]))
        if rule.get("fieldPath") and schema_at(schema, rule["fieldPath"]) is None:
            errors.append(FieldError(INVALID, f"{here}.fieldPath", "must be a valid path", rule["fieldPath"]))
    return errors


def check_rules(schema: dict[str, Any], path: str, *, root: bool, uncorrelatable: str = "") -> list[FieldError]:
    """What is wrong with the expressions of the rules that stand at one schema.

    `uncorrelatable` names the part around it, if any, whose old items cannot be told apart.
    """
    errors: list[FieldError] = []
    messages = _Messages()
    checked = messages.environment(messages.cel_type(schema, root=root))
    for index, rule in enumerate(schema.get(_RULES) or ()):
        here = f"{path}.{_RULES}[{index}]"
        found = _check_expression(checked, rule, "rule", "bool", here)
        if rule.get("messageExpression"):
            found += _check_expression(checked, rule, "messageExpression", "string", here)
        uses_old = _OLD_SELF.search(rule["rule"]) is not None
        if uses_old and uncorrelatable:
            detail = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelatable}"
            found.append(FieldError(INVALID, f"{here}.rule", detail, rule["rule"]))
        if not uses_old and rule.get("optionalOldSelf") is not None:
            detail = "may not be set if oldSelf is not used in rule"
            found.append(FieldError(INVALID, f"{here}.optionalOldSelf", detail, rule["optionalOldSelf"]))
        errors += found or _cost_errors(schema, rule, here, path)
    return errors


def _cost_errors(schema: dict[str, Any], rule: dict[str, Any], here: str, path: str) -> list[FieldError]:
    """Rules of which it can be told that they may take too long: loops in loops over lists without a limit, and
    messages that put a number's text, of which no length is known, together with other text."""
    expensive = []
    if _nested_loops(rule["rule"]) and _unbounded(schema):
        expensive.append(("rule", "estimated rule cost"))
    message = rule.get("messageExpression") or ""
    if "+" in message and _shows_number(schema, message):
        expensive.append(("messageExpression", "estimated messageExpression cost"))
    errors = []
    for name, what in expensive:
        errors.append(FieldError(FORBIDDEN, f"{here}.{name}", f"{what} {_TOO_COSTLY}"))
        detail = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
        errors.append(FieldError(FORBIDDEN, f"{here}.{name}", detail))
    if expensive:
        whole = f"x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema {_TOO_COSTLY}"
        errors.append(FieldError(FORBIDDEN, path.split(".properties[", maxsplit=1)[0], whole))
    return errors


_TOO_COSTLY = (
    "exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, maxProperties, and "
    "maxLength where arrays, maps, and strings are declared)"
)


def _shows_number(schema: dict[str, Any], text: str) -> bool:
    for argument in re.findall(r"\bstring\(\s*(self(?:\.[A-Za-z0-9_]+)*|oldSelf(?:\.[A-Za-z0-9_]+)*)\s*\)", text):
        found: Any = schema
        for name in argument.split(".")[1:]:
            found = (found.get("properties") or {}).get(name) or {}
        if found.get("type") in {"integer", "number"}:
            return True
    return False


def _check_expression(environment: Any, rule: dict[str, Any], name: str, wanted: str, path: str) -> list[FieldError]:
    text = rule[name]
    if rule.get("optionalOldSelf"):
        text = cel.with_optional_old(text)
    try:
        cel.compile_expression(text)
    except CelError as error:
        return [FieldError(INVALID, f"{path}.{name}", f"compilation failed: {error}", rule[name])]
    try:
        compiled = environment.compile(text)
    except Exception as error:  # noqa: BLE001
        if "undefined field" in str(error) or "no matching overload" in str(error):
            return [FieldError(INVALID, f"{path}.{name}", f"compilation failed: {error}", rule[name])]
        return []
    mixed = mixed_literal(compiled.serialize(), text, _UNKNOWN)
    if mixed is not None:
        return [FieldError(INVALID, f"{path}.{name}", f"compilation failed: {mixed}", rule[name])]
    result = compiled.return_type().name().lower()
    if result not in {wanted, "dyn"}:
        detail = (
            "cel expression must evaluate to a bool"
            if wanted == "bool"
            else "messageExpression must evaluate to a string"
        )
        return [FieldError(INVALID, f"{path}.{name}", detail, rule[name])]
    return []


def schema_at(schema: dict[str, Any], path: str) -> dict[str, Any] | None:
    """The schema of the field that a path leads to, or None where it leads nowhere."""
    found: Any = schema
    steps = re.findall(r"\.([^.\[\]]+)|\[['\"]([^'\"]+)['\"]\]", path)
    if not steps or not path.startswith((".", "[")):
        return None
    for plain, quoted in steps:
        name = plain or quoted
        properties, extra = found.get("properties") or {}, found.get("additionalProperties")
        found = properties.get(name) or (extra if isinstance(extra, dict) else None)
        if found is None:
            return None
    return found if isinstance(found, dict) else None


def _nested_loops(text: str) -> bool:
    """Whether a comprehension runs inside another one."""
    for match in _LOOP.finditer(text):
        depth, at = 1, match.end()
        while at < len(text) and depth:
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            at += 1
        if _LOOP.search(text, match.end(), at):
            return True
    return False


def _unbounded(schema: dict[str, Any]) -> bool:
    """Whether a list or map may grow without a limit, here or right below."""
    kind = schema.get("type")
    if kind == "array":
        return "maxItems" not in schema
    if isinstance(schema.get("additionalProperties"), dict):
        return "maxProperties" not in schema
    return any(
        (below.get("type") == "array" and "maxItems" not in below)
        or (isinstance(below.get("additionalProperties"), dict) and "maxProperties" not in below)
        for below in (schema.get("properties") or {}).values()
    )
