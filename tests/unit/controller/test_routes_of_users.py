"""A ModelDeployment that sets weights in a route of the user gives that route back before it goes, or says why not."""

from __future__ import annotations

from typing import Any

import pytest
from unit.controller.builders import NAMESPACE
from unit.controller.world import World

from slipway.cluster import HTTP_ROUTE, MODEL_DEPLOYMENT, Forbidden, Object, Request
from slipway.controller.reconciler import RefusedError

KEY = (NAMESPACE, "fraud")
OLD: list[Any] = [{"name": "old", "port": 80}]
TRAFFIC = {"gateway": {"route": {"name": "front-door", "rule": "inference"}}}


def front_door(world: World) -> Object:
    (found,) = [route for route in world.mirror.objects(HTTP_ROUTE) if route["metadata"]["name"] == "front-door"]
    return found


async def moving(world: World) -> None:
    """v1 serves over a route of its own, and is moving to one of the user that no Gateway has taken up yet."""
    spec = {"parentRefs": [{"name": "later"}], "rules": [{"name": "inference", "backendRefs": OLD}]}
    metadata = {"name": "front-door", "namespace": NAMESPACE}
    world.cluster.put({"apiVersion": HTTP_ROUTE.api_version, "kind": "HTTPRoute", "metadata": metadata, "spec": spec})
    if not world.mirror.objects(MODEL_DEPLOYMENT):
        await world.serving("v1")
    world.edit(world.deployment, spec=world.deployment["spec"] | {"traffic": TRAFFIC})
    await world.pass_time(10)
    (backend,) = front_door(world)["spec"]["rules"][0]["backendRefs"]
    assert backend["name"] == world.name_of("v1")
    assert world.status["router"] == "gateway", "its own route still leads"


async def test_a_route_that_was_about_to_lead_is_given_back_too(world: World) -> None:
    await moving(world)
    await world.cluster.delete(MODEL_DEPLOYMENT, *KEY)
    await world.reconciler.reconcile(KEY)
    assert world.mirror.objects(MODEL_DEPLOYMENT) == []
    assert front_door(world)["spec"]["rules"][0]["backendRefs"] == OLD
    assert front_door(world)["metadata"].get("annotations") in (None, {})


async def test_a_route_that_was_left_before_it_led_is_given_back_too(world: World) -> None:
    await world.serving("v1")
    own = world.deployment["spec"]["traffic"]
    await moving(world)
    world.edit(world.deployment, spec=world.deployment["spec"] | {"traffic": own})
    await world.pass_time(10)
    await world.cluster.delete(MODEL_DEPLOYMENT, *KEY)
    await world.reconciler.reconcile(KEY)
    assert world.mirror.objects(MODEL_DEPLOYMENT) == []
    assert front_door(world)["spec"]["rules"][0]["backendRefs"] == OLD


async def test_a_route_that_cannot_be_given_back_is_told_and_kept_for_until_it_can(world: World) -> None:
    await moving(world)

    def refuse(request: Request) -> None:
        if request.verb == "merge_patch" and request.kind == HTTP_ROUTE:
            raise Forbidden("merge_patch HTTPRoute shop/front-door: 403 a policy refuses it")

    world.cluster.before_write = refuse
    await world.cluster.delete(MODEL_DEPLOYMENT, *KEY)
    for _ in range(2):
        with pytest.raises(RefusedError):
            await world.reconciler.reconcile(KEY)
    ready = world.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ApplyRefused")
    assert "HTTPRoute shop/front-door: 403 a policy refuses it" in ready["message"]
    world.cluster.before_write = None
    await world.reconciler.reconcile(KEY)
    assert world.mirror.objects(MODEL_DEPLOYMENT) == []
    assert front_door(world)["spec"]["rules"][0]["backendRefs"] == OLD
