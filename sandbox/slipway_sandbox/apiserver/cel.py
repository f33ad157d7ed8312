"""The CEL engine behind rules: environments, compiled expressions, values in and out."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any

from slipway_sandbox.apiserver.formats import DURATION

_RESERVED = frozenset(
    {"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let",  # noqa: E501
     "loop", "package", "namespace", "return", "var", "void", "while"}
)  # fmt: skip
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
}


class CelError(Exception):
    """An expression does not compile, or does not evaluate."""


@cache
def _environment() -> Any:
    return new_environment(None, None)


def new_environment(pool: Any, self_type: Any) -> Any:
    """An environment with the Kubernetes functions; `self_type` is that of `self` and `oldSelf` (dynamic when None)."""
    from cel_expr_python import cel

    variables = dict.fromkeys(VARIABLES, cel.Type.DYN)
    variables["oldSelf__given"] = cel.Type.BOOL
    if self_type is None:
        return environment_of(variables)
    return environment_of(variables | dict.fromkeys(("self", "oldSelf", "oldSelf__"), self_type), pool)


def environment_of(variables: dict[str, Any], pool: Any = None) -> Any:
    """An environment with the Kubernetes functions, and with these variables by their types."""
    from cel_expr_python import cel
    from cel_expr_python.ext import ext_bindings, ext_encoders, ext_math, ext_optional, ext_strings

    extensions = [
        ext_strings.ExtStrings(),
        ext_math.ExtMath(),
        ext_optional.ExtOptional(),
        ext_bindings.ExtBindings(),
        ext_encoders.ExtEncoders(),
    ]
    given = {} if pool is None else {"descriptor_pool": pool}
    return cel.NewEnv(**given, variables=variables, extensions=extensions, functions=_functions())


@cache
def _functions() -> list[Any]:
    from slipway_sandbox.apiserver import cel_authorizer, cel_library

    return [*cel_library.functions(), *cel_authorizer.functions()]


VARIABLES = (
    "self",
    "oldSelf",
    "oldSelf__",
    "oldSelf__given",
    "object",
    "oldObject",
    "request",
    "params",
    "namespaceObject",
    "variables",
    "authorizer",
)


@lru_cache(maxsize=4096)
def compile_expression(text: str) -> Any:
    """A compiled expression.

    Raises:
        CelError: it does not compile; the message says where.
    """
    try:
        return _environment().compile(text)
    except Exception as error:
        raise CelError(str(error)) from error


def with_optional_old(text: str) -> str:
    """A rule whose `oldSelf` is an optional: the engine cannot be given one, so the expression makes it."""
    return f"cel.bind(oldSelf, oldSelf__given ? optional.of(oldSelf__) : optional.none(), {text})"


def evaluate(text: str, data: dict[str, Any]) -> Any:
    """The value of an expression.

    Raises:
        CelError: it does not compile, or fails.
    """
    expression = compile_expression(text)
    try:
        found = expression.eval(data=data)
    except Exception as error:
        raise CelError(str(error)) from error
    if found.type().name() == "ERROR":
        raise CelError(str(found.value()))
    return found.plain_value()


def escape(name: str) -> str:
    """A property's name as expressions write it; "" when they cannot."""
    if name in _RESERVED:
        return f"__{name}__"
    text = (
        name.replace("__", "__underscores__").replace(".", "__dot__").replace("-", "__dash__").replace("/", "__slash__")
    )
    return text if _IDENTIFIER.fullmatch(text) else ""


def parse_duration(text: str) -> timedelta:
    """A Go duration (`1h30m`)."""
    sign = -1 if text.startswith("-") else 1
    found = re.findall(r"(\d+\.?\d*|\.\d+)\s*(ns|us|µs|μs|ms|s|m|h|d|w)", text)
    return timedelta(seconds=sign * sum(float(number) * _UNITS[unit] for number, unit in found))


def to_cel(schema: dict[str, Any], value: Any, *, root: bool = False) -> Any:
    """A value as expressions see it: typed by its schema, with escaped names, without what the schema does not know."""
    if value is None:
        return None
    if isinstance(value, dict):
        return _object(schema, value, root=root)
    if isinstance(value, list):
        items = schema.get("items")
        below = items if isinstance(items, dict) else {}
        return [to_cel(below, item) for item in value]
    if isinstance(value, str):
        return _text(schema.get("format", ""), value)
    if schema.get("type") == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if schema.get("type") == "integer" and isinstance(value, float):
        return int(value)
    return value


def _object(schema: dict[str, Any], value: dict[str, Any], *, root: bool) -> dict[str, Any]:
    properties, extra = schema.get("properties"), schema.get("additionalProperties")
    if isinstance(extra, dict) and not properties:
        return {name: to_cel(extra, below) for name, below in value.items()}
    if not properties and not root and not schema.get("x-kubernetes-embedded-resource"):
        return dict(value) if schema.get("x-kubernetes-preserve-unknown-fields") else {}
    found: dict[str, Any] = {}
    for name, below in value.items():
        if root or schema.get("x-kubernetes-embedded-resource"):
            if name in {"apiVersion", "kind"}:
                found[name] = below
                continue
            if name == "metadata":
                found[name] = {
                    key: below[key] for key in ("name", "generateName") if isinstance(below, dict) and key in below
                }
                continue
        escaped = escape(name)
        if escaped and name in (properties or {}):
            found[escaped] = to_cel((properties or {})[name], below)
    return found


def _text(form: str, value: str) -> Any:
    if form == "duration" and DURATION.fullmatch(value):
        from google.protobuf import duration_pb2

        message = duration_pb2.Duration()
        message.FromTimedelta(parse_duration(value))
        return message
    if form in {"date-time", "date"}:
        from google.protobuf import timestamp_pb2

        try:
            moment = datetime.fromisoformat(
                value.replace("Z", "+00:00") if form == "date-time" else value + "T00:00:00+00:00"
            )
        except ValueError:
            return value
        stamp = timestamp_pb2.Timestamp()
        stamp.FromDatetime(moment)
        return stamp
    return value
