"""Definitions: what they may say, and how they go."""

from __future__ import annotations

import asyncio
from typing import Any

from sandbox.apiserver.conftest import BOATS, Client, a_boat, a_definition

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
BOAT_DEFINITION = f"{DEFINITIONS}/boats.test.example"
FINALIZER = "customresourcecleanup.apiextensions.k8s.io"


async def conditions(client: Client) -> dict[str, Any]:
    found = (await client.get(BOAT_DEFINITION)).body["status"]["conditions"]
    return {condition["type"]: condition["reason"] for condition in found}


async def until_gone(client: Client, path: str) -> None:
    async with asyncio.timeout(5):
        while (await client.get(path)).status != 404:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_definition_goes_after_its_objects(client: Client) -> None:
    await client.define(a_definition())
    await client.post(BOATS, {**a_boat(), "metadata": {"name": "b", "finalizers": ["test.example/keep"]}})
    marked = await client.delete(BOAT_DEFINITION)
    assert (marked.status, marked.body["metadata"]["finalizers"]) == (200, [FINALIZER])
    assert marked.body["status"]["conditions"][-1]["reason"] == "InstanceDeletionPending"
    async with asyncio.timeout(5):
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
    async with asyncio.timeout(5):
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
    async with asyncio.timeout(5):
        while (await client.get("/apis/test.example/v1/ships")).status != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
