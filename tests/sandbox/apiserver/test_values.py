"""What the schema of a definition asks of values."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox.apiserver.conftest import BOATS, Client, a_boat, a_definition

from slipway_sandbox.apiserver.formats import has_format


async def fields(client: Client, schema: dict[str, Any], **spec: Any) -> list[str]:
    await client.define(a_definition({"type": "object", "properties": schema}))
    answer = await client.post(BOATS, a_boat(**spec))
    if answer.status == 201:
        return []
    return answer.causes


async def test_a_wrong_type_does_not_hide_other_errors_of_a_field(client: Client) -> None:
    found = await fields(client, {"a": {"type": "string", "enum": ["x"]}}, a=1)
    assert found == ["spec.a", "spec.a"]


async def test_a_failing_all_of_is_told_with_what_failed_in_it(client: Client) -> None:
    found = await fields(client, {"a": {"type": "string", "allOf": [{"minLength": 3}, {"maxLength": 9}]}}, a="x")
    assert found == ["<nil>", "spec.a"]


async def test_of_branches_that_fail_the_one_that_fits_best_is_told_of(client: Client) -> None:
    branches = [
        {"properties": {"kind": {"enum": ["A"]}}, "required": ["a"]},
        {"properties": {"kind": {"enum": ["B"], "minLength": 1}}, "required": ["b"]},
    ]
    texts = {name: {"type": "string"} for name in ("kind", "a", "b")}
    found = await fields(client, {"u": {"type": "object", "properties": texts, "oneOf": branches}}, u={"kind": "A"})
    assert found == ["<nil>", "spec.u.a"]


async def test_a_number_beyond_its_format_is_refused(client: Client) -> None:
    assert await fields(client, {"a": {"type": "integer", "format": "int32"}}, a=2**31) == ["<nil>"]


async def test_a_schema_can_restrict_the_name_of_an_object(client: Client) -> None:
    definition = a_definition()
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["metadata"] = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 3}}}
    await client.define(definition)
    answer = await client.post(BOATS, a_boat("long"))
    assert answer.causes == ["metadata.name"]
    assert (await client.post(BOATS, a_boat("ok"))).status == 201


async def test_repeated_members_are_told_once_and_by_key(client: Client) -> None:
    repeated = {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}
    schema = {"m": {"type": "object", "additionalProperties": repeated}}
    assert await fields(client, schema, m={"k": ["a", "a", "a"]}) == ["spec.m[k][1]"]


async def test_repeated_members_are_forgiven_where_there_were_some_before(client: Client) -> None:
    items = {"type": "array", "items": {"type": "string"}}
    await client.define(a_definition({"type": "object", "properties": {"s": items}}))
    await client.post(BOATS, a_boat(s=["a", "a"]))
    stricter = a_definition({"type": "object", "properties": {"s": {**items, "x-kubernetes-list-type": "set"}}})
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/boats.test.example"
    await client.merge(path, {"spec": stricter["spec"]})
    assert (await client.merge(f"{BOATS}/b", {"spec": {"s": ["b", "b"]}})).status == 200


async def test_a_status_is_checked_without_the_spec(client: Client) -> None:
    definition = a_definition(subresources={"status": {}})
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["status"] = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
    }
    await client.define(definition)
    await client.post(BOATS, a_boat())
    answer = await client.merge(f"{BOATS}/b/status", {"status": {"a": "x", "b": "y"}})
    assert answer.causes == ["status"]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date", "2024-02-29", "2024-2-29"),
        ("date-time", "2024-01-02T03:04:05.5+01:00", "2024-01-02 03:04:05Z"),
        ("duration", "3 days", "soon"),
        ("hostname", "example.com", "1.2.3.4"),
        ("uri", "https://x/y", "x/y"),
        ("ipv4", "10.0.0.1", "::1"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("byte", "YQ==", ""),
        ("uuid4", "0f8fad5b-d9cb-469f-a165-70867728950e", "0f8fad5b-d9cb-169f-a165-70867728950e"),
        ("isbn", "978-0321751041", "978-0321751042"),
        ("k8s-short-name", "a-b", "A.b"),
        ("rgbcolor", "rgb(1,2,3)", "rgb(1,2,300)"),
    ],
)
def test_a_format_takes_what_a_cluster_takes(name: str, good: str, bad: str) -> None:
    assert has_format(name, good)
    assert not has_format(name, bad)
