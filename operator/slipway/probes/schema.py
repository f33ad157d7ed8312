"""A user's JSON Schema for golden items, evaluated without giving the user the operator's time or network.

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

_REFUSED: Final = ("patternProperties", "uniqueItems")
"""Keywords whose single evaluation can take for ever."""


class SchemaError(ValueError):
    """A schema cannot be used, or an item does not match it."""


class ItemSchema:
    """A schema that was read, with the steps that are left to evaluate it."""

    def __init__(self, text: str) -> None:
        """Raises SchemaError for a schema that is not one."""
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

    def check(self, item: Any) -> None:
        """Raises SchemaError when an item does not match, or the schema cannot be evaluated."""
        try:
            error = next(self._validator.iter_errors(item), None)
        except Unresolvable as missing:
            raise SchemaError(
                f"the schema refers to {str(missing.ref)[:120]!r}, which is not in it: references stay inside it"
            ) from None
        except RecursionError:
            raise SchemaError("the schema refers to itself without end: correct it") from None
        if error is not None:
            raise SchemaError(f"does not match the schema at {error.json_path}: {error.message[:200]}")

    def _counted(self, check: Callable[..., Any]) -> Callable[..., Iterator[ValidationError]]:
        def evaluated(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
            # looked for beside every keyword: additionalProperties evaluates patternProperties by itself
            if refused := [name for name in _REFUSED if name in schema]:
                raise SchemaError(
                    f"the schema uses {refused[0]!r}, which is not supported: write it with other keywords"
                )
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise SchemaError(f"the schema takes more than {MAX_STEPS} steps to evaluate: simplify it")
            yield from check(validator, value, instance, schema) or ()

        return evaluated


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    try:
        if isinstance(instance, str) and not PlainPattern(pattern).search(instance):
            yield ValidationError(f"{instance!r} does not match {pattern!r}")
    except ValueError as error:
        raise SchemaError(f"the schema cannot be evaluated: {error}") from None
