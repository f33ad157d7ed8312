"""The predicates beside the rules of the CRDs: one for each, and the same answer as a CEL engine.

Values are drawn from a rule's own part of the schema, cut down to the fields that the rule names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from slipway.api.common import DURATION_PATTERN
from slipway.api.crd import definitions
from slipway.cli.rules import PREDICATES, TRANSITION, predicate
from slipway_sandbox.apiserver.cel import evaluate, to_cel

Schema = dict[str, Any]

TEXTS = (
    "a",
    "b",
    "http",
    "80",
    "0",
    "1-1",
    "-a",
    "a-",
    "B",
    "25%",
    "100%",
    "101%",
    "%",
    "x" * 54,
    "x" * 55,
    "1x",
    "Full",
    "sha256:0",
    "s3://bucket/model",
    "s3://user:word@bucket/model",
    "https://host/model?a=1&X-Amz-Signature=2",
)
DURATIONS = ("0s", "500ms", "1s", "90s", "1h30m", "168h", "168h1ms", "99999h")
NUMBERS = (0, 0.5, 1, 1.005, 1.25, 1.255, 10, 33.33, 33.333, 50, 99.99, 100)
DURATIONS = ("0s", "999ms", "1s", "10m", "1h30m", "720h", "719h60m", "721h", "99999h")
METADATA = {"type": "object", "properties": {"name": {"type": "string"}}}


def parts(schema: Schema, root: bool = True) -> Iterator[tuple[Schema, str, bool]]:
    """Every rule with its part of the schema, and whether that is the object itself."""
    for rule in schema.get("x-kubernetes-validations", ()):
        yield schema, rule["rule"], root
    inner = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    for part in inner:
        if isinstance(part, dict):
            yield from parts(part, root=False)


SCHEMAS = [crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for crd in definitions().values()]
ALL = {rule: (schema, root) for whole in SCHEMAS for schema, rule, root in parts(whole)}
OF_ONE_VERSION = [rule for rule in ALL if TRANSITION not in rule]


def values(schema: Schema, rule: str) -> st.SearchStrategy[Any]:
    """Values that fit the schema, with no more in them than the rule can see."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return st.integers(-2, 3) | st.sampled_from(TEXTS)
    match schema["type"]:
        case "object":
            named = {
                name: values(METADATA if name == "metadata" else inner, rule)
                for name, inner in schema.get("properties", {}).items()
                if re.search(rf"\b(__)?{name}(__)?\b", rule)
            }
            required = {name: named[name] for name in schema.get("required", ()) if name in named}
            if "metadata" in named:
                required["metadata"] = named["metadata"].filter(lambda metadata: "name" in metadata)
            return st.fixed_dictionaries(required, optional={n: s for n, s in named.items() if n not in required})
        case "array":
            return st.lists(values(schema["items"], rule), min_size=schema.get("minItems", 0), max_size=4)
        case "integer":
            small = st.integers(int(schema.get("minimum", 0)), min(int(schema.get("maximum", 3)), 3))
            said = [int(number) for number in re.findall(r"\b\d{2,9}\b", rule)]
            named = [number for number in said if number <= schema.get("maximum", 0)]
            return small | st.sampled_from(named) if named else small
        case "number":
            return st.sampled_from(NUMBERS)
        case "boolean":
            return st.booleans()
    if schema.get("pattern") == DURATION_PATTERN:
        return st.sampled_from(DURATIONS)
    return st.sampled_from(TEXTS)


@pytest.mark.parametrize("rule", OF_ONE_VERSION)
def test_every_rule_has_a_predicate(rule: str) -> None:
    assert predicate(rule) is not None, "write one in slipway.cli.rules"


def test_no_predicate_is_left_of_a_rule_that_is_gone() -> None:
    assert set(PREDICATES) - set(ALL) == set()


def test_an_unknown_rule_has_none() -> None:
    assert predicate("self.weight < 7") is None


@pytest.mark.parametrize("rule", OF_ONE_VERSION)
def test_a_predicate_says_what_a_cel_engine_says(rule: str) -> None:
    schema, root = ALL[rule]
    holds = predicate(rule)
    assert holds is not None

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(value=values(schema, rule))
    def the_same(value: Any) -> None:
        assert holds(value) == evaluate(rule, {"self": to_cel(schema, value, root=root)})

    the_same()


@pytest.mark.parametrize("rule", OF_ONE_VERSION)
def test_every_rule_can_be_kept_and_broken(rule: str) -> None:
    """A comparison that only ever saw one answer would show nothing."""
    schema, _ = ALL[rule]
    holds = predicate(rule)
    assert holds is not None
    for answer in (True, False):
        find(
            values(schema, rule),
            lambda value, answer=answer: holds(value) is answer,
            settings=settings(database=None, max_examples=2000),
        )
