"""A user's JSON Schema, of golden items or of what a model takes and gives, evaluated without giving the user the
operator's time or network.

References are resolved inside the schema only. Patterns are plain ones, which are quick on any text; patterns of
property names and uniqueItems, which is quadratic, are refused. Keywords are counted, as a short schema that refers
to itself can ask for any number of steps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from jsonschema import Draft202012Validator, ValidationError, validators
from jsonschema import SchemaError as MalformedSchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from slipway.api import PlainPattern

MAX_STEPS: Final = 1_000_000
"""Keywords that may be evaluated for one golden set: a hundred for each item of the largest."""

MAX_BODY_STEPS: Final = 20_000
"""Keywords that may be evaluated for one request or answer: some ten thousand values, in about a tenth of a second, in
which nothing else is looked at."""

_REFUSED: Final = ("patternProperties", "uniqueItems")
"""Keywords whose single evaluation can take for ever."""


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
        """Raises SchemaError for a schema that is not one."""
        self._schema = ItemSchema(text, steps=MAX_BODY_STEPS)

    def problem(self, body: Any) -> str:
        """Where a body does not match and by which keyword; empty where it does. Shows nothing of the body.

        Raises SchemaError when the schema itself cannot be evaluated.
        """
        self._schema.begin()
        error = self._schema.mismatch(body)
        return "" if error is None else f"{error.json_path[:120]} is not as the schema has it ({error.validator})"


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    try:
        if isinstance(instance, str) and not PlainPattern(pattern).search(instance):
            yield ValidationError(f"{instance!r} does not match {pattern!r}")
    except ValueError as error:
        raise SchemaError(f"the schema cannot be evaluated: {error}") from None
