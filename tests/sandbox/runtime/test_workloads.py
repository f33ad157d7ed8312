"""Deployments, Services and routes with real pods and real requests, and what happens to children."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from sandbox.runtime.kit import Space, a_deployment, a_pod, a_route, a_service, eventually, get

from slipway_sandbox.client import CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, PODS, REPLICA_SETS, Manifest

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

DRAIN = {"preStop": {"sleep": {"seconds": 3}}}


def condition(obj: Manifest, kind: str) -> tuple[str, str]:
    for entry in obj.get("status", {}).get("conditions") or ():
        if entry["type"] == kind:
            return entry["status"], entry["reason"]
    return "", ""


async def answers(space: Space, host: str, count: int) -> Counter[str]:
    async with aiohttp.ClientSession() as session:

        async def one() -> str:
            async with session.get(space.sandbox.gateway_url, headers={"Host": host}) as response:
                return (await response.json())["version"] if response.status == 200 else str(response.status)

        return Counter([await one() for _ in range(count)])


async def routed(space: Space, host: str) -> None:
    async def through() -> bool:
        return (await get(space.sandbox.gateway_url, Host=host))[0] == 200

    await eventually(through)


@asynccontextmanager
async def load(space: Space, host: str) -> AsyncIterator[Counter[str]]:
    """Requests through the gateway, one after the other from four clients, counted by what came back."""
    seen: Counter[str] = Counter()

    async def client() -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                async with session.get(space.sandbox.gateway_url, headers={"Host": host}) as response:
                    seen[(await response.json())["version"] if response.status == 200 else str(response.status)] += 1
                await asyncio.sleep(0.02)

    clients = [asyncio.create_task(client()) for _ in range(4)]
    try:
        yield seen
    finally:
        for task in clients:
            task.cancel()
        await asyncio.wait(clients)
    for task in clients:
        assert task.cancelled(), f"a client was cut off: {task.exception()!r}"


async def test_a_deployment_becomes_available_and_its_service_lists_its_addresses(space: Space) -> None:
    await space.apply(a_deployment(replicas=2), a_service())
    deployment = await space.rolled_out("web")
    assert condition(deployment, "Available") == ("True", "MinimumReplicasAvailable")
    assert condition(deployment, "Progressing") == ("True", "NewReplicaSetAvailable")
    assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    assert "unavailableReplicas" not in deployment["status"]
    [replica_set] = await space.replica_sets()
    digest = replica_set["metadata"]["labels"]["pod-template-hash"]
    assert replica_set["metadata"]["name"] == f"web-{digest}"
    pods = await space.pods("web")
    assert {pod["metadata"]["labels"]["pod-template-hash"] for pod in pods} == {digest}

    async def both() -> list[Manifest]:
        endpoints = await space.endpoints("web")
        return endpoints if [entry["conditions"]["ready"] for entry in endpoints] == [True, True] else []

    endpoints = await eventually(both)
    assert {entry["addresses"][0] for entry in endpoints} == {pod["status"]["podIP"] for pod in pods}


async def test_a_pod_that_is_not_ready_is_listed_as_such(space: Space) -> None:
    await space.apply(a_pod("web"), a_service(), a_service("all", app="web", publishNotReadyAddresses=True))

    async def ready(state: bool) -> bool:
        endpoints = await space.endpoints("web")
        return bool(endpoints) and endpoints[0]["conditions"]["ready"] is state

    await eventually(lambda: ready(True))
    [pod] = await space.pods("web")
    [folder] = space.sandbox.state_dir.glob(f"pods/{pod['metadata']['uid']}/containers/main")
    (folder / "broken").touch()
    await eventually(lambda: ready(False))
    assert [entry["conditions"]["ready"] for entry in await space.endpoints("all")] == [True]


async def test_a_bad_image_does_not_replace_pods_that_serve(space: Space) -> None:
    await space.apply(a_deployment(replicas=2))
    await space.rolled_out("web")
    before = {pod["metadata"]["name"] for pod in await space.pods()}
    broken = a_deployment(replicas=2, image="registry.example/none:1")
    broken["spec"]["progressDeadlineSeconds"] = 1
    await space.apply(broken)

    async def stuck() -> bool:
        return condition(await space.deployment("web"), "Progressing") == ("False", "ProgressDeadlineExceeded")

    await eventually(stuck)
    names = {pod["metadata"]["name"] for pod in await space.pods()}
    assert before < names
    deployment = await space.deployment("web")
    assert condition(deployment, "Available") == ("True", "MinimumReplicasAvailable")
    assert deployment["status"]["unavailableReplicas"] == 1


async def test_a_rolling_update_loses_no_request(space: Space) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    host = f"{space.name}.example"
    await space.apply(a_deployment(replicas=2, strategy=strategy, lifecycle=DRAIN), a_service(), a_route(host, web=1))
    await space.rolled_out("web")
    await routed(space, host)
    async with load(space, host) as seen:
        await space.apply(a_deployment(replicas=2, strategy=strategy, lifecycle=DRAIN, version="2"))
        await space.rolled_out("web")

        async def only_new() -> bool:
            return len(await space.pods("web")) == 2

        await eventually(only_new)
    assert set(seen) == {"1", "2"}, seen
    assert set(await answers(space, host, 10)) == {"2"}
    revisions = {
        entry["metadata"]["annotations"]["deployment.kubernetes.io/revision"]: entry["spec"]["replicas"]
        for entry in await space.replica_sets()
    }
    assert revisions == {"1": 0, "2": 2}


async def test_recreate_ends_the_old_pods_before_it_starts_new_ones_and_forgets_beyond_the_history_limit(
    space: Space,
) -> None:
    await space.apply(a_deployment(strategy={"type": "Recreate"}))
    await space.rolled_out("web")
    [old] = await space.pods("web")
    second = a_deployment(strategy={"type": "Recreate"}, version="2")
    second["spec"]["revisionHistoryLimit"] = 0
    await space.apply(second)

    async def replaced() -> Manifest | None:
        pods = await space.pods("web")
        assert len(pods) <= 1
        return pods[0] if pods and pods[0]["metadata"]["uid"] != old["metadata"]["uid"] else None

    new = await eventually(replaced)
    assert new["metadata"]["creationTimestamp"] >= old["metadata"]["creationTimestamp"]
    await space.rolled_out("web")

    async def forgotten() -> bool:
        return len(await space.replica_sets()) == 1

    await eventually(forgotten)


async def test_a_paused_deployment_scales_but_does_not_roll(space: Space) -> None:
    await space.apply(a_deployment())
    await space.rolled_out("web")
    paused = a_deployment(replicas=2, version="2")
    paused["spec"]["paused"] = True
    await space.apply(paused)

    async def scaled() -> bool:
        deployment = await space.deployment("web")
        return deployment["status"].get("readyReplicas") == 2

    await eventually(scaled)
    [only] = await space.replica_sets()
    assert only["spec"]["replicas"] == 2
    assert condition(await space.deployment("web"), "Progressing") == ("Unknown", "DeploymentPaused")


async def test_scaling_down_ends_pods_that_are_not_ready_first_and_politely(space: Space) -> None:
    await space.apply(a_deployment(replicas=3))
    await space.rolled_out("web")
    pods = await space.pods("web")
    sick = pods[1]["metadata"]
    [folder] = space.sandbox.state_dir.glob(f"pods/{sick['uid']}/containers/main")
    (folder / "broken").touch()

    async def one_less() -> bool:
        return (await space.deployment("web"))["status"].get("readyReplicas") == 2

    await eventually(one_less)
    await space.client.patch(DEPLOYMENTS, space.name, "web", {"spec": {"replicas": 2}})

    async def two_left() -> bool:
        return len(await space.pods("web")) == 2

    await eventually(two_left)
    assert sick["name"] not in {pod["metadata"]["name"] for pod in await space.pods("web")}
    [log] = space.sandbox.logs_dir.glob(f"pods/*{sick['uid']}/main/0.log")
    assert "goodbye" in log.read_text()


async def test_weights_of_a_route_split_real_requests_and_a_change_arrives_quickly(space: Space) -> None:
    host = f"{space.name}.example"
    await space.apply(
        a_deployment("one"),
        a_deployment("two", version="2"),
        a_service("one"),
        a_service("two"),
        a_route(host, one=90, two=10),
    )
    await space.rolled_out("one")
    await space.rolled_out("two")
    await routed(space, host)

    async def both_behind() -> bool:
        return set(await answers(space, host, 20)) == {"1", "2"}

    await eventually(both_behind)
    seen = await answers(space, host, 100)
    assert set(seen) == {"1", "2"}
    assert 5 <= seen["2"] <= 15
    await space.apply(a_route(host, one=0, two=100))

    async def moved() -> bool:
        return set(await answers(space, host, 3)) == {"2"}

    await eventually(moved)
    route = await space.client.request(
        "GET", f"/apis/gateway.networking.k8s.io/v1/namespaces/{space.name}/httproutes/route"
    )
    states = {entry["type"]: entry["status"] for entry in route["status"]["parents"][0]["conditions"]}
    assert states == {"Accepted": "True", "ResolvedRefs": "True"}


async def test_children_go_with_their_owner(space: Space) -> None:
    await space.apply(a_deployment(readinessProbe=None))
    await space.rolled_out("web")
    await space.client.delete(DEPLOYMENTS, space.name, "web", propagation="Background")

    async def empty() -> bool:
        return not await space.replica_sets() and not await space.pods()

    await eventually(empty)


async def test_a_foreground_deletion_waits_for_the_children(space: Space) -> None:
    await space.apply(a_deployment(readinessProbe=None, lifecycle=DRAIN))
    await space.rolled_out("web")
    deleted = await space.client.delete(DEPLOYMENTS, space.name, "web", propagation="Foreground")
    assert deleted is not None
    assert deleted["metadata"]["finalizers"] == ["foregroundDeletion"]

    async def gone() -> bool:
        return await space.client.find(DEPLOYMENTS, space.name, "web") is None

    await eventually(gone)
    assert await space.pods() == []
    assert await space.replica_sets() == []


async def test_orphaned_children_stay(space: Space) -> None:
    await space.apply(a_deployment(readinessProbe=None))
    await space.rolled_out("web")
    await space.client.delete(DEPLOYMENTS, space.name, "web", propagation="Orphan")

    async def gone() -> bool:
        return await space.client.find(DEPLOYMENTS, space.name, "web") is None

    await eventually(gone)
    [replica_set] = await space.replica_sets()
    assert "ownerReferences" not in replica_set["metadata"]
    assert len(await space.pods("web")) == 1


async def test_a_replica_set_adopts_pods_that_match_and_lets_go_of_those_that_do_not(space: Space) -> None:
    await space.apply(a_deployment(readinessProbe=None))
    await space.rolled_out("web")
    [pod] = await space.pods("web")
    name = pod["metadata"]["name"]
    await space.client.patch(PODS, space.name, name, {"metadata": {"labels": {"app": "other"}}})

    async def replaced() -> bool:
        released = await space.get(PODS, name)
        return "ownerReferences" not in released["metadata"] and len(await space.pods("web")) == 1

    await eventually(replaced)
    await space.client.patch(PODS, space.name, name, {"metadata": {"labels": {"app": "web"}}})

    async def adopted_and_one_too_many_gone() -> bool:
        pods = await space.pods("web")
        return len(pods) == 1 and "ownerReferences" in pods[0]["metadata"]

    await eventually(adopted_and_one_too_many_gone)


async def test_a_namespace_has_its_defaults_and_is_emptied_before_it_goes(space: Space) -> None:
    async def defaults() -> bool:
        found = await space.client.find(CONFIG_MAPS, space.name, "kube-root-ca.crt")
        return found is not None

    await eventually(defaults)
    await space.apply(a_deployment(readinessProbe=None))
    await space.rolled_out("web")
    await space.client.delete(NAMESPACES, None, space.name)

    async def gone() -> bool:
        return await space.client.find(NAMESPACES, None, space.name) is None

    await eventually(gone)
    assert (await space.client.list_all(REPLICA_SETS, space.name))[0] == []
