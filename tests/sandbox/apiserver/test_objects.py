"""Objects over HTTP: writes and their preconditions, ownership, deletion, lists, watches, custom resources."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from sandbox.apiserver.conftest import BOATS, Client, a_boat, a_definition

from slipway_sandbox.apiserver import ApiServer

MAPS = "/api/v1/namespaces/default/configmaps"


def a_map(name: str = "m", **data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def test_every_write_moves_one_version_that_all_kinds_share(client: Client) -> None:
    first = await client.post(MAPS, a_map("a"))
    second = await client.post(
        "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}
    )
    assert int(second.body["metadata"]["resourceVersion"]) == int(first.body["metadata"]["resourceVersion"]) + 1


async def test_a_write_that_changes_nothing_keeps_the_version(client: Client) -> None:
    created = await client.post(MAPS, a_map(k="v"))
    patched = await client.merge(f"{MAPS}/m", {"data": {"k": "v"}})
    assert patched.body["metadata"]["resourceVersion"] == created.body["metadata"]["resourceVersion"]


async def test_a_put_from_an_old_version_conflicts(client: Client) -> None:
    created = (await client.post(MAPS, a_map(k="v"))).body
    await client.merge(f"{MAPS}/m", {"data": {"k": "w"}})
    answer = await client.call("PUT", f"{MAPS}/m", created)
    assert (answer.status, answer.body["reason"]) == (409, "Conflict")


async def test_an_applied_version_is_a_precondition(client: Client) -> None:
    await client.apply(f"{MAPS}/m", a_map(k="v"), "one")
    stale = a_map(k="w")
    stale["metadata"]["resourceVersion"] = "1"
    assert (await client.apply(f"{MAPS}/m", stale, "one")).status == 409


async def test_two_managers_conflict_over_a_field_until_one_forces(client: Client) -> None:
    await client.apply(f"{MAPS}/m", a_map(k="v"), "one")
    refused = await client.apply(f"{MAPS}/m", a_map(k="w"), "two")
    assert (refused.status, refused.causes) == (409, [".data.k"])
    forced = await client.apply(f"{MAPS}/m", a_map(k="w"), "two", force="true")
    assert forced.body["data"] == {"k": "w"}
    assert [entry["manager"] for entry in forced.body["metadata"]["managedFields"]] == ["two"]


async def test_what_a_manager_no_longer_applies_goes_away(client: Client) -> None:
    await client.apply(f"{MAPS}/m", a_map(a="1", b="2"), "one")
    assert (await client.apply(f"{MAPS}/m", a_map(a="1"), "one")).body["data"] == {"a": "1"}


async def test_a_dry_run_answers_and_stores_nothing(client: Client) -> None:
    assert (await client.post(MAPS, a_map(), dryRun="All")).status == 201
    assert (await client.get(f"{MAPS}/m")).status == 404


async def test_an_unknown_field_warns_or_is_refused_when_strict(client: Client) -> None:
    odd = {**a_map(), "spec": {}}
    assert (await client.post(MAPS, odd)).headers["Warning"] == '299 - "unknown field \\"spec\\""'
    assert (await client.post(MAPS, {**odd, "metadata": {"name": "n"}}, fieldValidation="Strict")).status == 400


async def test_a_finalizer_keeps_a_deleted_object_until_it_is_taken_off(client: Client) -> None:
    held = a_map()
    held["metadata"]["finalizers"] = ["test.example/hold"]
    await client.post(MAPS, held)
    assert "deletionTimestamp" in (await client.delete(f"{MAPS}/m")).body["metadata"]
    await client.merge(f"{MAPS}/m", {"metadata": {"finalizers": None}})
    assert (await client.get(f"{MAPS}/m")).status == 404


async def test_a_delete_with_the_wrong_uid_is_refused(client: Client) -> None:
    await client.post(MAPS, a_map())
    answer = await client.delete(f"{MAPS}/m", {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}})
    assert answer.status == 409


async def test_pages_of_a_list_show_one_moment(client: Client) -> None:
    for name in "abc":
        await client.post(MAPS, a_map(name))
    first = await client.get(MAPS, limit="2")
    await client.delete(f"{MAPS}/c")
    second = await client.call("GET", MAPS, **{"limit": "2", "continue": first.body["metadata"]["continue"]})
    assert [item["metadata"]["name"] for item in first.body["items"] + second.body["items"]] == ["a", "b", "c"]


async def test_a_watch_resumes_where_a_list_ended(client: Client) -> None:
    version = (await client.get(MAPS)).body["metadata"]["resourceVersion"]
    await client.post(MAPS, a_map(k="v"))
    await client.merge(f"{MAPS}/m", {"data": {"k": "w"}})
    await client.delete(f"{MAPS}/m")
    events = await client.watch(MAPS, 3, resourceVersion=version)
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]


async def test_an_object_that_stops_matching_leaves_the_watch(client: Client) -> None:
    version = (await client.get(MAPS)).body["metadata"]["resourceVersion"]
    labelled = a_map()
    labelled["metadata"]["labels"] = {"x": "1"}
    await client.post(MAPS, labelled)
    await client.merge(f"{MAPS}/m", {"metadata": {"labels": {"x": "2"}}})
    events = await client.watch(MAPS, 2, resourceVersion=version, labelSelector="x=1")
    assert [event["type"] for event in events] == ["ADDED", "DELETED"]


async def test_a_version_from_before_the_server_is_too_old_to_watch_from(client: Client) -> None:
    (event,) = await client.watch(MAPS, 1, resourceVersion="1")
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


async def test_a_streamed_list_ends_with_a_marked_bookmark(client: Client) -> None:
    await client.post(MAPS, a_map())
    events = await client.watch(
        MAPS, 2, sendInitialEvents="true", resourceVersionMatch="NotOlderThan", allowWatchBookmarks="true"
    )
    assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_schema_defaults_prunes_and_refuses(client: Client) -> None:
    sail = {"type": "string", "enum": ["main", "jib"], "default": "main"}
    await client.define(
        a_definition({"type": "object", "properties": {"sail": sail, "crew": {"type": "integer", "minimum": 1}}})
    )
    taken = await client.post(BOATS, a_boat(crew=2, colour="red"))
    assert taken.body["spec"] == {"sail": "main", "crew": 2}
    refused = await client.post(BOATS, a_boat("c", sail="spinnaker", crew=0))
    assert (refused.status, refused.causes) == (422, ["spec.crew", "spec.sail"])


async def test_a_transition_rule_compares_with_the_old_value(client: Client) -> None:
    hull = {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "a hull stays"}]}
    await client.define(a_definition({"type": "object", "properties": {"hull": hull}}))
    await client.post(BOATS, a_boat(hull="oak"))
    refused = await client.merge(f"{BOATS}/b", {"spec": {"hull": "steel"}})
    assert (refused.status, refused.causes) == (422, ["spec.hull"])


async def test_the_status_endpoint_leaves_the_spec_and_its_generation_alone(client: Client) -> None:
    await client.define(a_definition(subresources={"status": {}}))
    await client.post(BOATS, a_boat(crew=1))
    answer = await client.merge(f"{BOATS}/b/status", {"spec": {"crew": 9}, "status": {"afloat": True}})
    assert (answer.body["spec"], answer.body["status"]) == ({"crew": 1}, {"afloat": True})
    assert answer.body["metadata"]["generation"] == 1


async def test_deleting_a_definition_deletes_its_objects(client: Client) -> None:
    await client.define(a_definition())
    await client.post(BOATS, a_boat())
    await client.delete("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/boats.test.example")
    async with asyncio.timeout(30):
        while (await client.get(BOATS)).status != 404:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_a_namespace_of_the_cluster_itself_cannot_be_deleted(client: Client, name: str) -> None:
    refused = await client.delete(f"/api/v1/namespaces/{name}")
    assert (refused.status, refused.body["reason"]) == (403, "Forbidden")
    assert (await client.get(f"/api/v1/namespaces/{name}")).body["status"] == {"phase": "Active"}


async def test_a_version_without_a_definition_knows_no_field(client: Client) -> None:
    await client.define(a_definition())
    refused = await client.post(BOATS, {**a_boat(crew=1), "apiVersion": "test.example/v9"})
    assert (refused.status, refused.headers["Warning"]) == (400, '299 - "unknown field \\"spec\\""')


async def test_garbage_never_ends_the_server(client: Client) -> None:
    bodies = [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"metadata":7}', b'{"spec":[[]]}']
    for body in bodies:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            for path in (MAPS, f"{MAPS}/x", "/apis/apps/v1/namespaces/default/deployments/x/scale"):
                for kind in ("application/json", "application/apply-patch+yaml", "application/vnd.kubernetes.protobuf"):
                    answer = await client.call(method, path, body, kind=kind, fieldManager="f")
                    assert 200 <= answer.status <= 500, (method, path, body)
    assert (await client.get("/readyz")).status == 200


async def test_a_server_with_a_token_turns_others_away() -> None:
    server = ApiServer(token="secret")
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(server.url + "/api") as stranger:
                assert stranger.status == 401
            async with session.get(server.url + "/api", headers={"Authorization": "Bearer secret"}) as friend:
                assert friend.status == 200
    finally:
        await server.stop()


async def test_requests_are_counted_by_agent_verb_and_resource(client: Client) -> None:
    await client.get(MAPS)
    rows = (await client.get("/debug/requests")).body["requests"]
    assert any((row["verb"], row["resource"], row["count"]) == ("list", "configmaps", 1) for row in rows)
