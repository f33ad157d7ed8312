"""Where Slipway meets what is not its own: a route of the user, autoscalers, a gateway that cannot do everything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sandbox.rollout.kit import NAME, Open, Shop, a_release, errors
from sandbox.rollout.strategies import pod_errors
from sandbox.runtime.kit import eventually

from slipway_sandbox.client import Resource

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

ROUTES = Resource("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute")
AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
BEFORE = [{"group": "", "kind": "Service", "name": "maintenance-page", "port": 80, "weight": 1}]


def a_route(shop: Shop) -> dict[str, Any]:
    """The user's own route: Slipway may set the backends of the rule ``inference``, and nothing else."""
    path = {"path": {"type": "PathPrefix", "value": "/v2"}}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "front-door", "annotations": {"owner": "platform"}},
        "spec": {
            "parentRefs": [{"name": "sandbox", "namespace": "default"}],
            "hostnames": [shop.load.host],
            "rules": [
                {"name": "docs", "matches": [{"path": {"type": "PathPrefix", "value": "/docs"}}]},
                {"name": "inference", "matches": [path], "backendRefs": BEFORE},
            ],
        },
    }


async def rules_of(shop: Shop) -> dict[str, Any]:
    """The rules of the user's route by name."""
    route = json.loads(await shop.kubectl("get", "httproute", "front-door", "--output=json"))
    return {rule["name"]: rule for rule in route["spec"]["rules"]}


async def test_weights_move_inside_a_rule_of_the_users_route_and_the_rule_is_given_back(open_shops: Open) -> None:
    shop = await open_shops()
    await shop.apply(a_route(shop))
    known = await rules_of(shop)
    traffic = {"gateway": {"parentRefs": None, "hostnames": None, "route": {"name": "front-door", "rule": "inference"}}}
    await shop.apply(a_release("v1", traffic=traffic))
    await shop.until_ready("v1")
    await shop.load.first_answer(seconds=60)
    shop.load.start()
    await shop.apply(a_release("v2", traffic=traffic))
    await shop.until_ready("v2")
    now = await rules_of(shop)
    assert now["docs"] == known["docs"]
    assert now["inference"]["matches"] == known["inference"]["matches"]
    assert [ref["name"] for ref in now["inference"]["backendRefs"]] == [shop.service("v2")]
    assert shop.failed == []
    await shop.load.stop()
    await shop.kubectl("delete", "mdep", NAME, "--wait=true", "--timeout=120s")
    assert await rules_of(shop) == known
    route = json.loads(await shop.kubectl("get", "httproute", "front-door", "--output=json"))
    assert route["metadata"]["annotations"]["owner"] == "platform"
    assert not [name for name in route["metadata"]["annotations"] if name.startswith("slipway.dev/")]


async def test_each_revision_has_an_autoscaler_of_its_own_and_scale_shows_stable_alone(open_shops: Open) -> None:
    shop = await open_shops()
    scaled = {"minReplicas": 1, "maxReplicas": 3, "metrics": [{"resource": "memory", "averageValue": "1Mi"}]}
    several = {"replicas": None, "autoscaling": scaled, "podDisruptionBudget": {"maxUnavailable": 1}}
    await shop.apply(a_release("v1", **several))
    await shop.until_ready("v1")
    await shop.load.first_answer(seconds=60)
    shop.load.start()
    await shop.until("stable being scaled up", lambda: shop.status.get("replicas") == 3, seconds=60)
    await shop.apply(a_release("v2", steps=((50, "3s"), (100, "0s")), **several))
    await shop.until_phase("v2", "Stepping", seconds=40)
    found, _ = await shop.stage.sandbox.client.list_all(AUTOSCALERS, shop.namespace)
    floors = {obj["metadata"]["name"]: obj["spec"]["minReplicas"] for obj in found}
    assert floors == {shop.service("v1"): 3, shop.service("v2"): 2}
    assert shop.status["replicas"] == 3
    assert shop.revision("v1")["spec"]["hash"][:8] in shop.status["selector"]
    await shop.until_ready("v2", seconds=60)
    assert await shop.apply(a_release("v2", replicas=2, autoscaling=scaled), check=False)
    assert shop.deployment["spec"].get("replicas") is None, "replicas beside an autoscaler are refused"
    assert shop.failed == []


def _scale_path(shop: Shop) -> str:
    return f"/apis/slipway.dev/v1alpha1/namespaces/{shop.namespace}/modeldeployments/{NAME}/scale"


async def test_scaling_changes_the_size_of_the_stable_release(open_shops: Open) -> None:
    shop = await open_shops()
    await shop.apply(a_release("v1"))
    await shop.until_ready("v1")
    await shop.kubectl("scale", f"mdep/{NAME}", "--replicas=2")

    async def two() -> bool:
        status = json.loads(await shop.kubectl("get", "--raw", _scale_path(shop)))["status"]
        return bool(status["replicas"] == 2) and shop.status.get("stable", {}).get("readyReplicas") == 2

    await eventually(two, seconds=20)


async def test_what_the_gateway_cannot_do_is_refused_with_its_field(open_shops: Open) -> None:
    shop = await open_shops()
    await shop.serve_first_release()
    sticky = {"canary": None, "abTest": {"weight": 50, "sticky": {"cookie": "release"}}}
    await shop.apply(a_release("v2", strategy=sticky, analysis={"metrics": [errors(), pod_errors()]}))
    message = await shop.until_told("Ready", "False", "StrategyUnsupported")
    assert message.startswith("spec.strategy.abTest.sticky: the router spec.traffic.gateway")
    assert shop.status["phase"] == "Holding"
    await shop.apply(a_release("v2"))
    await shop.until_ready("v2")


async def test_another_router_takes_over_before_the_first_one_is_cleaned_up(open_shops: Open) -> None:
    shop = await open_shops()
    await shop.serve_first_release()
    await shop.apply(a_release("v1", traffic={"gateway": None, "traefik": {}}))
    await shop.until("the router having moved", lambda: shop.status.get("router") == "traefik", seconds=30)
    left = await shop.kubectl("get", "httproutes", "--output=name")
    assert left.strip() == ""
    await shop.until_served_by("v1")
    assert shop.condition("Ready")["status"] == "True"
    assert shop.failed == []
