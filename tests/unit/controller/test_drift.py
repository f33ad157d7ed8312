"""What somebody changes behind the operator's back is put right, and costs neither weights nor evidence."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from unit.controller.world import World

from slipway.cluster import DEPLOYMENT, HTTP_ROUTE, SERVICE, Object

AT_TEN = {"v1": 9000, "v2": 1000}


async def stepping(world: World) -> None:
    """v2 takes a tenth of the traffic, and has been counted on it."""
    await world.serving("v1", strategy={"canary": {"steps": [{"weight": 10, "minDuration": "10m"}, {"weight": 100}]}})
    world.declare("v2")
    await world.run(lambda: "v2" in world.weights)
    await world.pass_time(35)
    assert world.weights == AT_TEN


async def repaired(world: World, kind: object, name: str, wanted: Object) -> None:
    before = world.record("v2")
    await world.pass_time(5)
    (found,) = [obj for obj in world.mirror.objects(kind) if obj["metadata"]["name"] == name]  # type: ignore[arg-type]
    assert found["spec"] == wanted["spec"]
    assert found["metadata"]["labels"] == wanted["metadata"]["labels"]
    assert world.weights == AT_TEN
    after = world.record("v2")
    assert after["timeline"] == before["timeline"]
    assert world.metric("v2", "errors")["verdict"] != "NoData"
    samples = {vector["name"]: vector["values"] for vector in world.metric("v2", "errors")["state"]}["candidate"][1]
    assert samples > 100, "the evidence so far still counts"


def _more_traffic(route: Object) -> None:
    for ref, weight in zip(route["spec"]["rules"][0]["backendRefs"], (1, 99), strict=True):
        ref["weight"] = weight


def _one_backend(route: Object) -> None:
    del route["spec"]["rules"][0]["backendRefs"][0]


def _another_host(route: Object) -> None:
    route["spec"]["hostnames"] = ["other.example"]


def _a_filter(route: Object) -> None:
    route["spec"]["rules"][0]["filters"] = [{"type": "RequestHeaderModifier"}]


def _another_component(obj: Object) -> None:
    obj["metadata"]["labels"]["app.kubernetes.io/component"] = "else"


@pytest.mark.parametrize("edit", [_more_traffic, _one_backend, _another_host, _a_filter, _another_component])
async def test_a_changed_route_is_put_right(world: World, edit: Callable[[Object], None]) -> None:
    await stepping(world)
    wanted = world.route
    changed = copy.deepcopy(wanted)
    edit(changed)
    world.cluster.put(changed)
    await repaired(world, HTTP_ROUTE, "fraud", wanted)


async def test_a_deleted_route_is_made_again_with_the_weights_that_it_had(world: World) -> None:
    await stepping(world)
    wanted = world.route
    await world.cluster.delete(HTTP_ROUTE, "shop", "fraud")
    await repaired(world, HTTP_ROUTE, "fraud", wanted)


def _another_image(deployment: Object) -> None:
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "evil.example/fraud:1"


def _fewer_pods(deployment: Object) -> None:
    deployment["spec"]["replicas"] = 0


def _no_label(obj: Object) -> None:
    del obj["metadata"]["labels"]["slipway.dev/model-deployment"]


@pytest.mark.parametrize("edit", [_another_image, _another_component])
@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_a_changed_deployment_is_put_right(world: World, version: str, edit: Callable[[Object], None]) -> None:
    await stepping(world)
    wanted = world.mirror.one(DEPLOYMENT, world.name_of(version))
    changed = copy.deepcopy(wanted)
    edit(changed)
    world.repairs_pods = True
    world.cluster.put(changed)
    await repaired(world, DEPLOYMENT, world.name_of(version), wanted)


async def test_a_fleet_that_was_scaled_by_hand_is_scaled_back(world: World) -> None:
    await stepping(world)
    wanted = world.mirror.one(DEPLOYMENT, world.name_of("v1"))
    changed = copy.deepcopy(wanted)
    _fewer_pods(changed)
    world.cluster.put(changed)
    await repaired(world, DEPLOYMENT, world.name_of("v1"), wanted)


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_a_deployment_that_lost_its_label_is_not_taken_for_a_fleet_without_pods(
    world: World, version: str
) -> None:
    await stepping(world)
    wanted = world.mirror.one(DEPLOYMENT, world.name_of(version))
    changed = copy.deepcopy(wanted)
    _no_label(changed)
    world.cluster.put(changed)
    world.queue.add(("shop", "fraud"))  # a watch that selects by label shows it as deleted
    await repaired(world, DEPLOYMENT, world.name_of(version), wanted)


async def test_a_deleted_service_is_made_again(world: World) -> None:
    await stepping(world)
    name = world.name_of("v1")
    wanted = world.mirror.one(SERVICE, name)
    world.gateway.accepted["fraud"] = {}  # it is somebody else who deletes it
    await world.cluster.delete(SERVICE, "shop", name)
    await repaired(world, SERVICE, name, wanted)


async def test_what_a_server_or_a_webhook_adds_is_not_drift(world: World) -> None:
    await world.serving("v1")
    for kind in (DEPLOYMENT, SERVICE, HTTP_ROUTE):
        for obj in world.mirror.objects(kind):
            metadata = obj["metadata"]
            labels, annotations = metadata["labels"], metadata["annotations"]
            world.edit(
                obj, metadata=metadata | {"labels": labels | {"team": "a"}, "annotations": annotations | {"b": "c"}}
            )
    deployment = world.mirror.one(DEPLOYMENT, world.name_of("v1"))
    changed = copy.deepcopy(deployment)
    changed["spec"]["template"]["spec"]["containers"].append({"name": "istio-proxy", "image": "mesh.example/proxy"})
    world.cluster.put(changed)
    writes = len(world.writes())
    await world.run()
    assert len(world.writes()) == writes
