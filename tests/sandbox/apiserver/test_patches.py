"""Patches of every type: what is refused, what is warned of, and whose fields they may take.

Cases: strict validation, repeated keys, unknown members of operations, unknown fields and wrong types in a
configuration, kubectl taking over what it applied from the client's side, and the scale of an object.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

from sandbox.apiserver.conftest import BOATS, MERGE, Client, a_boat, a_definition

MAPS = "/api/v1/namespaces/default/configmaps"
JSON_PATCH = "application/json-patch+json"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def a_map(name: str = "m", **data: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def test_a_strict_patch_with_an_unknown_field_is_invalid(client: Client) -> None:
    await client.post(MAPS, a_map())
    reply = await client.merge(f"{MAPS}/m", {"bogus": 1}, fieldValidation="Strict")
    assert (reply.status, reply.causes) == (422, ["patch"])


async def test_a_key_that_comes_twice_in_a_patch_is_warned_of(client: Client) -> None:
    await client.post(MAPS, a_map())
    reply = await client.call("PATCH", f"{MAPS}/m", b'{"data":{"a":"1","a":"2"}}', kind=MERGE)
    assert (reply.body["data"], reply.headers["Warning"]) == ({"a": "2"}, '299 - "duplicate field \\"data.a\\""')


async def test_an_unknown_member_of_an_operation_is_warned_of(client: Client) -> None:
    await client.post(MAPS, a_map(a="1"))
    operations = [{"op": "add", "path": "/data/b", "value": "2", "note": "x"}]
    reply = await client.call("PATCH", f"{MAPS}/m", operations, kind=JSON_PATCH)
    assert reply.headers["Warning"] == '299 - "json patch unknown field \\"[0].note\\""'


async def test_a_patch_of_too_many_operations_is_too_large(client: Client) -> None:
    await client.post(MAPS, a_map())
    operation = {"op": "add", "path": "/data", "value": {}}
    assert (await client.call("PATCH", f"{MAPS}/m", [operation] * 10_001, kind=JSON_PATCH)).status == 413


async def test_an_applied_configuration_may_have_known_fields_only(client: Client) -> None:
    reply = await client.apply(f"{MAPS}/m", {**a_map(), "bogus": 1}, "me")
    assert (reply.status, "reason" in reply.body) == (500, False)
    assert "field not declared in schema" in reply.body["message"]
    await client.define(a_definition({"type": "object", "properties": {"size": {"type": "integer"}}}))
    for spec in ({"bogus": 1}, {"size": "big"}):
        assert (await client.apply(f"{BOATS}/b", a_boat(**spec), "me")).status == 500


async def test_kubectl_takes_over_what_it_applied_before(client: Client) -> None:
    before = a_map(a="1")
    written = {**a_map(a="1", b="1"), "metadata": {"name": "m", "annotations": {LAST_APPLIED: json.dumps(before)}}}
    await client.post(MAPS, written, fieldManager="kubectl-client-side-apply")
    others = await client.apply(f"{MAPS}/m", a_map(a="2"), "somebody")
    assert (others.status, others.causes) == (409, [".data.a"])
    more = await client.apply(f"{MAPS}/m", a_map(a="2", b="2"), "kubectl")
    assert (more.status, more.causes) == (409, [".data.b"])
    assert (await client.apply(f"{MAPS}/m", a_map(a="2"), "kubectl")).body["data"] == {"a": "2", "b": "1"}


async def test_an_apply_that_changes_only_a_value_is_recorded_with_its_time(client: Client) -> None:
    async def applied(value: str) -> str:
        answer = (await client.apply(f"{MAPS}/m", a_map(a=value), "kubectl")).body
        (entry,) = answer["metadata"]["managedFields"]
        return str(entry["time"])

    first = await applied("1")
    whole_second = datetime.fromisoformat(first) + timedelta(seconds=1) - datetime.now(UTC)
    await asyncio.sleep(max(0.0, whole_second.total_seconds()))
    assert await applied("1") == first
    assert await applied("2") > first


async def test_an_applied_scale_owns_the_replicas(client: Client) -> None:
    paths = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    schema = {"type": "object", "properties": {"replicas": {"type": "integer"}}}
    await client.define(a_definition(schema, subresources={"status": {}, "scale": paths}))
    await client.post(BOATS, a_boat(replicas=1))
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "b"}, "spec": {"replicas": 3}}
    refused = await client.apply(f"{BOATS}/b/scale", scale, "scaler")
    assert (refused.status, refused.causes) == (409, [".spec.replicas"])
    assert (await client.apply(f"{BOATS}/b/scale", scale, "scaler", force="true")).body["spec"] == {"replicas": 3}
    entries = (await client.get(f"{BOATS}/b")).body["metadata"]["managedFields"]
    owners = [entry for entry in entries if "f:replicas" in entry["fieldsV1"].get("f:spec", {})]
    assert [(entry["manager"], entry["operation"], entry["subresource"]) for entry in owners] == [
        ("scaler", "Apply", "scale")
    ]
