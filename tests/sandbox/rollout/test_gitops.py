"""A ModelDeployment from git: what Argo CD, Flux and Helm apply again changes nothing, at whatever point a rollout is.

One ModelDeployment is in the hands of all tools that apply on the server, one in those of the tools that merge in the
client. What a tool has to write once, to own what it declares, it writes without a new generation; after that an apply
of the same manifest is not even a new resourceVersion.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sandbox.clients.helmfetch import UnavailableError, helm_binary
from sandbox.rollout.delivery import TRACKING, Git, Tools
from sandbox.rollout.kit import Open, Shop, a_release, accuracy
from sandbox.rollout.test_cli import said
from unit.gitops.lua import health
from unit.gitops.test_kstatus import kstatus

from demo.stage import DEPLOYMENTS as MODEL_DEPLOYMENTS
from demo.stage import REVISIONS, ROUTES, Manifest
from slipway_sandbox.client import DEPLOYMENTS, SERVICES

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

LONG = ((30, "1h"), (100, "0s"))
QUICK = ((100, "0s"),)


def of_git(version: str, steps: tuple[tuple[float, str], ...] = QUICK) -> Manifest:
    """A release that is judged by its golden set alone: no request of a user is needed."""
    return a_release(version, steps=steps, analysis={"metrics": [accuracy()]}, rollback={"watch": "0s"})


async def ours(shop: Shop) -> Manifest:
    """What no tool may take back: everything that the operator decides and writes, but for how evidence grows."""
    client = shop.stage.sandbox.client
    found: Manifest = {}
    for kind in (ROUTES, DEPLOYMENTS, SERVICES, REVISIONS):
        items, _ = await client.list_all(kind, shop.namespace)
        found |= {f"{kind.kind} {item['metadata']['name']}": written(item) for item in items}
    revisions, _ = await client.list_all(REVISIONS, shop.namespace)
    for item in revisions:
        status = item["status"]
        told = {key: status.get(key) for key in ("phase", "step", "weight", "attempt", "timeline")}
        found[f"record of {item['metadata']['name']}"] = told
    (deployment,), _ = await client.list_all(MODEL_DEPLOYMENTS, shop.namespace)
    found["spec"] = deployment["spec"]
    status = deployment["status"]
    found["status"] = {key: status.get(key) for key in ("phase", "observedGeneration", "lastCommand")}
    found["conditions"] = {kind["type"]: (kind["status"], kind["reason"]) for kind in status["conditions"]}
    found["generation"] = deployment["metadata"]["generation"]
    return found


def written(obj: Manifest) -> Manifest:
    metadata = {key: obj["metadata"].get(key) for key in ("uid", "generation", "labels", "annotations")}
    if obj["kind"] == "Deployment":
        metadata.pop("annotations")  # the Deployment controller's
    return {"metadata": metadata, "spec": obj["spec"]}


def handwriting(obj: Manifest) -> Any:
    """Who wrote what and when, without the statuses: an apply that changes nothing leaves this alone."""
    return [entry for entry in obj["metadata"]["managedFields"] if entry.get("subresource") != "status"]


async def sweep(git: Git, tools: Tools, *, moved: bool) -> None:
    """Every tool applies what git says; after it `moved` all but the one that brought it take note of that first."""
    before = await ours(git.shop)
    if moved:
        for tool in list(tools.values())[1:]:
            await tool()
        assert await ours(git.shop) == before
    assert await git.argo_diff() == {}
    if "Flux" in tools:
        assert await git.argo_server_side_diff() == {}
        assert await git.flux_diff() == {}
    for name, tool in tools.items():
        known = await git.live()
        await tool()
        live = await git.live()
        assert handwriting(live) == handwriting(known), name
        assert live["metadata"]["resourceVersion"] == known["metadata"]["resourceVersion"], name
    assert await ours(git.shop) == before


async def until_at_rest(git: Git, version: str) -> None:
    """Until all is done that follows the end of a release: its pods are gone, and a second long nothing is told."""
    shop = git.shop
    client, name = shop.stage.sandbox.client, shop.service(version)
    deadline = asyncio.get_running_loop().time() + 60
    while left := (await client.get(DEPLOYMENTS, shop.namespace, name))["spec"]["replicas"]:
        assert asyncio.get_running_loop().time() < deadline, f"{version} still has {left} replicas"
        await asyncio.sleep(0.1)
    last, since = "", asyncio.get_running_loop().time()
    while (now := asyncio.get_running_loop().time()) - since < 1:
        assert now < deadline, "the status changes again and again"
        version_now = (await git.live())["metadata"]["resourceVersion"]
        if version_now != last:
            last, since = version_now, now
        await asyncio.sleep(0.1)


async def healthy_at_once(git: Git, stable: Manifest) -> None:
    """After a revert: the release before is served, by whom it was served all the time, and every tool is content."""
    shop = git.shop
    await shop.until_told("Ready", "True", "ReleaseServing", seconds=20)
    live = await git.live()
    assert health(live)["status"] == "Healthy"
    assert kstatus(live) == "Current"
    assert shop.weight("v1") == 10_000
    assert shop.record("v1")["timeline"] == stable["timeline"], "nothing was tried anew"


async def through_all_its_phases(git: Git, tools: Tools) -> None:
    """At rest, in mid-canary, paused, rolled back, reverted, promoted; the first of the tools brings each commit."""
    shop = git.shop
    deliver = next(iter(tools.values()))

    git.commit(of_git("v1"))
    await deliver()
    await shop.until_ready("v1")
    await sweep(git, tools, moved=True)
    stable = shop.record("v1")

    git.commit(of_git("v2", LONG))
    await deliver()
    await shop.until_told("Ready", "False", "MinimumDuration")
    assert shop.weight("v2") == 3000
    await sweep(git, tools, moved=True)

    await said(shop, "pause", "fraud")
    await shop.until("the pause", lambda: shop.status.get("phase") == "Paused")
    await sweep(git, tools, moved=False)
    await said(shop, "abort", "fraud")
    await shop.until("the rollback", lambda: shop.status.get("phase") == "RolledBack")
    await until_at_rest(git, "v2")
    await sweep(git, tools, moved=False)
    git.commit(of_git("v1"))
    await deliver()
    await healthy_at_once(git, stable)

    git.commit(of_git("v2"))
    await deliver()
    await shop.until_told("Stalled", "True", "RolledBack")
    await said(shop, "retry", "fraud")  # what was rejected does not come back by a commit alone
    await shop.until_ready("v2")
    await until_at_rest(git, "v1")
    await sweep(git, tools, moved=True)
    children = await ours(shop)
    assert TRACKING not in json.dumps({name: found for name, found in children.items() if name != "spec"})


async def test_no_tool_of_gitops_finds_or_makes_a_difference_at_any_point_of_a_rollout(
    open_shops: Open, tmp_path: Path
) -> None:
    try:
        helm_binary("helm4")
    except UnavailableError as why:
        pytest.skip(str(why))
    server, client = [Git(await open_shops(), tmp_path / name) for name in ("server", "client")]
    async with asyncio.TaskGroup() as both:
        both.create_task(through_all_its_phases(server, server.on_the_server))
        both.create_task(through_all_its_phases(client, client.in_the_client))
