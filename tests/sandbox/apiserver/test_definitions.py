"""Definitions: what they may say, and how they go."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sandbox.apiserver.conftest import BOATS, Client, a_boat, a_definition

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
BOAT_DEFINITION = f"{DEFINITIONS}/boats.test.example"
FINALIZER = "customresourcecleanup.apiextensions.k8s.io"


async def conditions(client: Client) -> dict[str, Any]:
    found = (await client.get(BOAT_DEFINITION)).body["status"]["conditions"]
    return {condition["type"]: condition["reason"] for condition in found}


async def until_gone(client: Client, path: str) -> None:
    async with asyncio.timeout(30):
        while (await client.get(path)).status != 404:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_definition_goes_after_its_objects(client: Client) -> None:
    await client.define(a_definition())
    await client.post(BOATS, {**a_boat(), "metadata": {"name": "b", "finalizers": ["test.example/keep"]}})
    marked = await client.delete(BOAT_DEFINITION)
    assert (marked.status, marked.body["metadata"]["finalizers"]) == (200, [FINALIZER])
    assert marked.body["status"]["conditions"][-1]["reason"] == "InstanceDeletionPending"
    async with asyncio.timeout(30):
        while (await conditions(client))["Terminating"] != "InstanceDeletionInProgress":  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert (await client.get(f"{BOATS}/b")).body["metadata"]["deletionTimestamp"]
    await client.merge(f"{BOATS}/b", {"metadata": {"finalizers": None}})
    await until_gone(client, BOAT_DEFINITION)
    await until_gone(client, BOATS)


async def test_nothing_is_created_while_a_definition_goes(client: Client) -> None:
    await client.define(a_definition())
    await client.post(BOATS, {**a_boat(), "metadata": {"name": "b", "finalizers": ["test.example/keep"]}})
    await client.delete(BOAT_DEFINITION)
    async with asyncio.timeout(30):
        while (await client.post(BOATS, a_boat("c"), dryRun="All")).status != 403:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    served = (await client.get("/apis/test.example/v1")).body["resources"][0]
    assert "create" not in served["verbs"]


async def test_names_that_a_definition_held_are_free_when_it_is_gone(client: Client) -> None:
    await client.define(a_definition())
    other = a_definition()
    other["metadata"] = {"name": "ships.test.example"}
    other["spec"]["names"] = {**other["spec"]["names"], "plural": "ships"}
    await client.post(DEFINITIONS, other)
    await client.delete(BOAT_DEFINITION)
    async with asyncio.timeout(30):
        while (await client.get("/apis/test.example/v1/ships")).status != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def refused(client: Client, schema: dict[str, Any] | None = None, **version: Any) -> list[str]:
    answer = await client.post(DEFINITIONS, a_definition(schema, **version), dryRun="All")
    assert answer.status == 422, answer.body
    return answer.causes


async def test_the_columns_of_a_definition_have_a_type_and_a_path(client: Client) -> None:
    columns = [{"name": "A", "type": "text", "jsonPath": "spec.a"}]
    place = "spec.additionalPrinterColumns[0]"
    assert await refused(client, additionalPrinterColumns=columns) == [f"{place}.JSONPath", f"{place}.type"]


async def test_a_scale_counts_in_the_spec_and_in_the_status(client: Client) -> None:
    scale = {"specReplicasPath": ".status.n", "statusReplicasPath": ".spec.n", "labelSelectorPath": ".x"}
    place = "spec.subresources.scale"
    wanted = [f"{place}.specReplicasPath", f"{place}.statusReplicasPath", f"{place}.labelSelectorPath"]
    assert await refused(client, subresources={"scale": scale}) == sorted(wanted)


async def test_fields_to_select_by_are_plain_values_outside_of_the_metadata(client: Client) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "o": {"type": "object"}}}
    paths = (".spec.a", ".spec.a", ".spec.o", ".spec.nowhere")
    found = await refused(client, schema, selectableFields=[{"jsonPath": path} for path in paths])
    assert found == [f"spec.selectableFields[{index}].jsonPath" for index in (1, 2, 3)]


async def test_exactly_one_version_is_for_storage(client: Client) -> None:
    assert await refused(client, storage=False) == ["spec.versions", "status.storedVersions"]


async def test_only_deprecated_versions_warn(client: Client) -> None:
    assert await refused(client, deprecationWarning="old") == ["spec.versions[0].deprecationWarning"]


async def test_a_format_that_the_server_does_not_know_is_warned_of(client: Client) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "format": "semver"}}}
    answer = await client.post(DEFINITIONS, a_definition(schema))
    assert answer.status == 201
    assert answer.headers.getall("Warning") == ['299 - "unrecognized format \\"semver\\""']


async def test_what_a_branch_restricts_is_specified_outside_of_it(client: Client) -> None:
    definition = a_definition({"type": "object"})
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["anyOf"] = [{"properties": {"spec": {"properties": {"a": {"minLength": 1}}}}}]
    answer = await client.post(DEFINITIONS, definition)
    assert answer.causes == ["spec.validation.openAPIV3Schema.properties[spec].properties[a]"]


async def test_a_branch_names_no_types(client: Client) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "allOf": [{"type": "string"}]}}}
    place = "spec.validation.openAPIV3Schema.properties[spec].properties[a].allOf[0].type"
    assert await refused(client, schema) == [place]


async def test_a_conversion_by_webhook_says_where_and_in_which_versions(client: Client) -> None:
    definition = a_definition()
    definition["spec"]["conversion"] = {"strategy": "Webhook"}
    answer = await client.post(DEFINITIONS, definition)
    place = "spec.conversion"
    wanted = [f"{place}.webhookClientConfig", f"{place}.conversionReviewVersions"]
    assert answer.causes == sorted(wanted)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("self.name in ['', self.name, 'a']", ""),
        ("self.name in ['', self.size]", "expected type 'string' but found 'int'"),
        ("[self.anything, 'a'].size() == 2", ""),  # a real server may know its type
        ("{'a': self.name, 'b': self.size}.size() == 2", "expected type 'string' but found 'int'"),
    ],
)
async def test_a_list_or_map_in_a_rule_has_one_type(client: Client, rule: str, said: str) -> None:
    fields = {"name": {"type": "string"}, "size": {"type": "integer"}, "anything": {"x-kubernetes-int-or-string": True}}
    spec = {"type": "object", "properties": fields, "x-kubernetes-validations": [{"rule": rule, "message": "no"}]}
    made = await client.post(DEFINITIONS, a_definition(spec))
    assert made.status == (422 if said else 201), made.body
    assert said in made.body.get("message", "")
