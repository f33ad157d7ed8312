"""A user's JSON Schema, of golden items or of what a model takes and gives, evaluated without giving the user the
operator's time or network.

References are resolved inside the schema only. Patterns are plain ones, which are quick on any text; patterns of
property names and uniqueItems, which is quadratic, are refused. Keywords are counted, as a short schema that refers
to itself can ask for any number of steps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote

from jsonschema import Draft202012Validator, ValidationError, validators
from jsonschema import SchemaError as MalformedSchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from slipway.api import PlainPattern, SchemasSpec

MAX_STEPS: Final = 1_000_000
"""Keywords that may be evaluated for one golden set: a hundred for each item of the largest."""

MAX_BODY_STEPS: Final = 20_000
"""Keywords that may be evaluated for one request or answer: some ten thousand values, in about a tenth of a second, in
which nothing else is looked at."""

_REFUSED: Final = ("patternProperties", "uniqueItems")
"""Keywords whose single evaluation can take for ever."""


_SCHEMA: Final = (
    *("items", "additionalItems", "additionalProperties", "unevaluatedItems", "unevaluatedProperties"),
    *("contains", "propertyNames", "not", "if", "then", "else"),
)
_LIST: Final = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_NAMED: Final = ("properties", "$defs", "definitions", "dependentSchemas")
"""Keywords with one schema in them, with a list of schemas, and with schemas by name."""


class SchemaError(ValueError):
    """A schema cannot be used, or an item does not match it."""


class ItemSchema:
    """A schema that was read, with the steps that are left to evaluate it."""

    def __init__(self, text: str, *, steps: int | None = None) -> None:
        """`steps` is how many keywords may be evaluated in all. Raises SchemaError for a schema that is not one."""
        self._limit = MAX_STEPS if steps is None else steps
        try:
            schema = json.loads(text)
            kind = validators.validator_for(schema, default=Draft202012Validator)
            kind.check_schema(schema)
        except json.JSONDecodeError as error:
            raise SchemaError(f"the schema is not JSON, at line {error.lineno} ({error.msg}): correct it") from None
        except MalformedSchemaError as error:
            raise SchemaError(f"the schema is not a JSON Schema at {error.json_path}: {error.message[:200]}") from None
        except (RecursionError, ValueError, TypeError, AttributeError) as error:
            raise SchemaError(f"the schema is not a JSON Schema ({type(error).__name__}): correct it") from None
        self._steps = 0
        counted = {keyword: self._counted(check) for keyword, check in kind.VALIDATORS.items()}
        counted["pattern"] = self._counted(_pattern)
        extend: Any = validators.extend
        self._validator = extend(kind, counted)(schema, registry=Registry())

    def begin(self) -> None:
        """Counts steps anew."""
        self._steps = 0

    def check(self, item: Any) -> None:
        """Raises SchemaError when an item does not match, or the schema cannot be evaluated."""
        error = self.mismatch(item)
        if error is not None:
            raise SchemaError(f"does not match the schema at {error.json_path}: {error.message[:200]}")

    def mismatch(self, item: Any) -> ValidationError | None:
        """The first thing in an item that does not match. Raises SchemaError when the schema cannot be evaluated."""
        try:
            return next(self._validator.iter_errors(item), None)
        except Unresolvable as missing:
            raise SchemaError(
                f"the schema refers to {str(missing.ref)[:120]!r}, which is not in it: references stay inside it"
            ) from None
        except RecursionError:
            raise SchemaError("the schema refers to itself without end: correct it") from None

    def _counted(self, check: Callable[..., Any]) -> Callable[..., Iterator[ValidationError]]:
        def evaluated(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
            # looked for beside every keyword: additionalProperties evaluates patternProperties by itself
            if refused := [name for name in _REFUSED if name in schema]:
                raise SchemaError(
                    f"the schema uses {refused[0]!r}, which is not supported: write it with other keywords"
                )
            self._steps += 1
            if self._steps > self._limit:
                raise SchemaError(f"the schema takes more than {self._limit} steps to evaluate: simplify it")
            yield from check(validator, value, instance, schema) or ()

        return evaluated


class BodySchema:
    """A schema that a release declares for the requests it takes or the answers it gives.

    It was a user who wrote it, but each body has steps of its own: a model that has answered for a week is not
    refused because of how often.
    """

    def __init__(self, text: str) -> None:
        """Raises SchemaError for a schema that is not one, or has a part that cannot be evaluated: nobody waits for the
        first answer to hear of that."""
        self._schema = ItemSchema(text, steps=MAX_BODY_STEPS)
        whole = json.loads(text)
        for path, schema in _parts(whole):
            _check_part(path, schema, whole)

    def problem(self, body: Any) -> str:
        """Where a body does not match and by which keyword; empty where it does. Shows nothing of the body.

        Raises SchemaError when the schema itself cannot be evaluated.
        """
        self._schema.begin()
        error = self._schema.mismatch(body)
        return "" if error is None else f"{error.json_path[:120]} is not as the schema has it ({error.validator})"


def schema_problem(schemas: SchemasSpec | None) -> str:
    """What is wrong with the schemas that a release declares, and in which field; empty where they can be used."""
    if schemas is None:
        return ""
    for name, text in (("input", schemas.input), ("output", schemas.output)):
        problem = _problem(text) if text is not None else ""
        if problem:
            return f"spec.release.schemas.{name}: {problem}"
    return ""


@lru_cache(maxsize=256)
def _problem(text: str) -> str:
    """The same for one text, which is looked at every few seconds while a rollout is under way."""
    try:
        BodySchema(text)
    except SchemaError as error:
        return str(error)
    return ""


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    try:
        if isinstance(instance, str) and not PlainPattern(pattern).search(instance):
            yield ValidationError(f"{instance!r} does not match {pattern!r}")
    except ValueError as error:
        raise SchemaError(f"the schema cannot be evaluated: {error}") from None


def _parts(whole: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every schema in a schema, with the place where it is."""
    pending: list[tuple[str, Any]] = [("$", whole)]
    while pending:
        path, schema = pending.pop()
        if not isinstance(schema, dict):
            continue
        yield path, schema
        for name, inner in schema.items():
            if isinstance(inner, list) and name in _LIST:
                pending += [(f"{path}.{name}[{index}]", one) for index, one in enumerate(inner)]
            elif isinstance(inner, dict) and name in _NAMED:
                pending += [(f"{path}.{name}.{key}", one) for key, one in inner.items()]
            elif name in _SCHEMA:
                pending.append((f"{path}.{name}", inner))


def _check_part(path: str, schema: Mapping[str, Any], whole: Any) -> None:
    if refused := [name for name in _REFUSED if name in schema]:
        raise SchemaError(f"the schema uses {refused[0]!r} at {path}, which is not supported: write it otherwise")
    for keyword in ("$ref", "$dynamicRef"):
        reference = schema.get(keyword, "#")
        if not isinstance(reference, str) or not reference.startswith("#") or not _leads(reference, whole):
            raise SchemaError(
                f"the schema refers to {str(reference)[:120]!r} at {path}, which is not in it: references stay inside "
                "it, like #/$defs/name"
            )
    if isinstance(schema.get("pattern"), str):
        try:
            PlainPattern(schema["pattern"])
        except ValueError as error:
            raise SchemaError(f"the schema has a pattern at {path} that cannot be used: {error}") from None


def _leads(reference: str, whole: Any) -> bool:
    """Whether a pointer leads anywhere. Names of anchors are looked up when the schema is evaluated."""
    if not reference.startswith("#/"):
        return True
    place = whole
    for step in unquote(reference[2:]).split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(place, list) and name.isdecimal() and int(name) < len(place):
            place = place[int(name)]
        elif isinstance(place, dict) and name in place:
            place = place[name]
        else:
            return False
    return True
