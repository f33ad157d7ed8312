"""The rules of metadata on updates and deletions, and of the options that go with requests."""

from __future__ import annotations

from sandbox.apiserver.conftest import BOATS, Client, a_boat, a_definition

MAPS = "/api/v1/namespaces/default/configmaps"


def a_map(**metadata: object) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", **metadata}}


async def test_a_bad_label_is_found_by_every_check_of_an_update(client: Client) -> None:
    await client.define(a_definition())
    await client.post(BOATS, a_boat())
    reply = await client.merge(f"{BOATS}/b", {"metadata": {"labels": {"bad key": "x"}}})
    assert (reply.status, reply.causes) == (422, ["metadata.labels"] * 3)


async def test_repeated_owners_are_taken_once_with_a_warning(client: Client) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"}
    reply = await client.post(MAPS, a_map(ownerReferences=[owner, owner]))
    assert reply.body["metadata"]["ownerReferences"] == [owner]
    assert "duplicate UID(s) observed: u" in reply.headers["Warning"]


async def test_only_new_finalizers_of_custom_resources_are_warned_of(client: Client) -> None:
    await client.define(a_definition())
    created = await client.post(BOATS, {**a_boat(), "metadata": {"name": "b", "finalizers": ["plain"]}})
    assert "domain-qualified" in created.headers["Warning"]
    assert "Warning" not in (await client.merge(f"{BOATS}/b", {"metadata": {"labels": {"a": "b"}}})).headers


async def test_a_deletion_that_has_to_wait_is_accepted_when_a_cascade_was_asked_for(client: Client) -> None:
    await client.post(MAPS, a_map(finalizers=["test.example/a"]))
    assert (await client.delete(f"{MAPS}/m", {"orphanDependents": False})).status == 202


async def test_options_of_lists_are_checked_each_by_itself(client: Client) -> None:
    reply = await client.get(MAPS, resourceVersionMatch="Sideways")
    assert (reply.status, reply.causes) == (422, ["resourceVersionMatch"] * 2)
    reply = await client.get(MAPS, watch="true", resourceVersionMatch="Exact")
    assert (reply.status, reply.causes) == (422, ["resourceVersionMatch"] * 2)
    reply = await client.call("DELETE", MAPS, resourceVersionMatch="Exact")
    assert reply.status == 422


async def test_a_watch_from_the_beginning_says_when_the_list_is_over(client: Client) -> None:
    await client.post(MAPS, a_map())
    events = await client.watch(MAPS, 2, allowWatchBookmarks="true")
    assert [event["type"] for event in events] == ["ADDED", "BOOKMARK"]
    assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
