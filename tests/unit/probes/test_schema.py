"""Schemas that a release declares: what is refused before the first answer is looked at."""

from __future__ import annotations

import json
from typing import Any

import pytest

from slipway.api import SchemasSpec
from slipway.probes import BodySchema, SchemaError, schema_problem


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "objekt"}, r"not a JSON Schema at \$\.type"),
        (
            {"properties": {"a": {"uniqueItems": True}}},
            r"uses 'uniqueItems' at \$\.properties\.a, which is not supported",
        ),
        ({"anyOf": [{}, {"patternProperties": {"a": {}}}]}, r"uses 'patternProperties' at \$\.anyOf\[1\]"),
        ({"items": {"$ref": "https://schemas.example/x.json"}}, r"'https://schemas\.example/x\.json' at \$\.items"),
        ({"not": {"$dynamicRef": "other.json#x"}}, r"'other\.json#x' at \$\.not, which is not in it"),
        ({"$ref": "#/$defs/label"}, r"refers to '#/\$defs/label' at \$, which is not in it"),
        ({"$defs": {"l": {"pattern": "(a+)+$"}}}, r"a pattern at \$\.\$defs\.l that cannot be used"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_with_its_place(schema: Any, said: str) -> None:
    with pytest.raises(SchemaError, match=said):
        BodySchema(json.dumps(schema))


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "object"}}},
        {"$ref": "#here", "$defs": {"x": {"$anchor": "here", "type": "object"}}},
        {"$ref": "#/allOf/0", "allOf": [{"type": "object"}]},
        {"properties": {"uniqueItems": {"type": "boolean"}, "$ref": {"type": "string"}}},
        {"const": {"$ref": "https://schemas.example/x.json"}},
        True,
    ],
)
def test_what_only_looks_like_it_is_taken(schema: Any) -> None:
    BodySchema(json.dumps(schema)).problem({"a": 1})


@pytest.mark.parametrize(
    ("schemas", "said"),
    [
        ({"input": "{]"}, "spec.release.schemas.input: the schema is not JSON, at line 1"),
        ({"input": "{}", "output": '{"type": 5}'}, "spec.release.schemas.output: the schema is not a JSON Schema"),
        ({"input": "{}", "output": "{}"}, ""),
    ],
)
def test_the_field_is_named(schemas: dict[str, str], said: str) -> None:
    assert schema_problem(SchemasSpec.model_validate(schemas)).startswith(said)
    assert bool(schema_problem(SchemasSpec.model_validate(schemas))) == bool(said)


def test_a_release_without_schemas_has_no_problem() -> None:
    assert schema_problem(None) == ""
