"""What is wrong ends in a condition that names the field and the fix; what serves goes on; a fix is enough to go on."""

from __future__ import annotations

import pytest
from unit.controller.builders import KEY, a_foreign_route, a_gateway, a_golden_set, golden_text
from unit.controller.world import World

from slipway.cluster import (
    CONFIG_MAP,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    GATEWAY,
    GATEWAY_CLASS,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    MODEL_DEPLOYMENT,
    MODEL_REVISION,
    POD,
    POD_DISRUPTION_BUDGET,
    SCALED_OBJECT,
    Forbidden,
    Invalid,
    Kind,
    Request,
)

WHERE = "spec.analysis.metrics[accuracy].goldenSet.configMap"


async def wait(world: World, *, reason: str, seconds: float = 60) -> str:
    """Lives on until the first condition says so, and returns what it says."""
    await world.pass_time(seconds)
    ready = world.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", reason), world.story()
    message: str = ready["message"]
    return message


def refusals(world: World) -> list[Request]:
    """Every time that a refusal was said."""
    return [request for request in world.writes() if "ApplyRefused" in str(request.body)]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, f"{WHERE}: ConfigMap shop/fraud-golden-set does not exist: create it"),
        ({"other.jsonl": ""}, f"{WHERE}.key: ConfigMap shop/fraud-golden-set has no key 'golden.jsonl' (it has other"),
        ({}, "has no key 'golden.jsonl' (it has no key)"),
        ({KEY: ""}, "key golden.jsonl is empty: give it one item a line"),
        ({KEY: golden_text(3) + "\n{"}, "key golden.jsonl, line 4: not JSON"),
        ({KEY: '{"id": "g1", "inputs": [], "expected": [1]}'}, "line 1: inputs"),
    ],
    ids=["missing", "no such key", "no key", "empty", "malformed", "not an item"],
)
async def test_a_golden_set_that_cannot_be_used_holds_until_it_is_fixed(
    world: World, data: dict[str, str] | None, said: str
) -> None:
    await world.serving("v1")
    if data is None:
        await world.cluster.delete(CONFIG_MAP, "shop", "fraud-golden-set")
    else:
        world.cluster.put(a_golden_set() | {"data": data})
    world.declare("v2")
    message = await wait(world, reason="MetricsUnavailable")
    assert said in message
    assert WHERE in message, "it names the field"
    assert world.weights == {"v1": 10_000}
    assert world.condition("Available")["status"] == "True"
    world.cluster.put(a_golden_set())
    await world.run()
    assert world.stable == "v2"


async def test_a_golden_set_that_nobody_answers_is_no_evidence(world: World) -> None:
    await world.serving("v1")
    world.declare("v2")
    await world.run(lambda: world.phase("v2") == "Starting")
    model = await world.model("v2")
    model.answers = False
    message = await wait(world, reason="WaitingForModel")
    assert "says that model fraud is not ready (HTTP 503)" in message
    model.answers = True
    await world.run()
    assert world.stable == "v2"


async def test_a_model_that_never_becomes_ready_is_given_up_at_the_deadline(world: World) -> None:
    await world.serving("v1")
    await world.model("v2", answers=False)
    world.declare("v2")
    await world.run()
    assert world.timeline("v2")[-2:] == [("RollingBack", "StartDeadlineExceeded"), ("RolledBack", "RolledBack")]
    assert "spec.rollback.progressDeadline of 120 s" in world.condition("Ready")["message"]
    assert world.stable == "v1"


async def test_an_image_that_does_not_start_is_named_with_its_field(world: World) -> None:
    await world.serving("v1")
    await world.model("v2", starts=False)
    world.declare("v2")
    message = await wait(world, reason="WaitingForCapacity")
    assert "ImagePullBackOff" in message
    assert "fix spec.release.container.image" in message
    await world.run()
    assert world.timeline("v2")[-2:] == [("RollingBack", "StartDeadlineExceeded"), ("RolledBack", "RolledBack")]
    assert "ImagePullBackOff" in world.condition("Ready")["message"]


async def test_the_reasons_of_pods_are_not_needed_to_decide(world: World) -> None:
    await world.serving("v1")
    model = await world.model("v2")
    world.declare("v2")
    await world.run(lambda: "v2" in world.weights)
    model.starts = False
    world.cluster.absent.add(POD)
    await world.run()
    assert world.timeline("v2")[-2:] == [("RollingBack", "CapacityLost"), ("RolledBack", "RolledBack")]


async def test_a_gateway_that_does_not_exist_is_named_and_waited_for(world: World) -> None:
    await world.cluster.delete(GATEWAY, "shop", "public")
    world.declare("v1")
    message = await wait(world, reason="GatewayNotReady")
    assert "spec.traffic.gateway.parentRefs[0]: Gateway shop/public does not exist" in message
    assert world.condition("Reconciling")["status"] == "True"
    assert not world.mirror.objects(DEPLOYMENT), "nothing is started that could not be reached"
    world.cluster.put(a_gateway())
    await world.run()
    assert world.stable == "v1"


async def test_a_cluster_without_the_gateway_api_is_said_and_waited_for(world: World) -> None:
    world.cluster.absent |= {GATEWAY, GATEWAY_CLASS, HTTP_ROUTE}
    world.declare("v1")
    message = await wait(world, reason="GatewayNotReady")
    assert "install its CRDs" in message
    world.cluster.absent.clear()
    await world.run()
    assert world.stable == "v1"


async def test_a_route_that_the_cluster_does_not_know_is_said(world: World) -> None:
    world.cluster.absent.add(HTTP_ROUTE)
    world.declare("v1")
    message = await wait(world, reason="ApplyRefused")
    assert "HTTPRoute" in message
    world.cluster.absent.clear()
    await world.run()
    assert world.stable == "v1"


async def test_a_gateway_that_cannot_be_looked_at_is_not_a_problem_by_itself(world: World) -> None:
    for _ in range(40):
        world.cluster.fail_next("get", GATEWAY, Forbidden("gateways may not be read"))
    world.declare("v1")
    await world.run()
    assert world.stable == "v1"
    assert not refusals(world)


async def test_a_foreign_route_of_the_same_name_is_left_alone(world: World) -> None:
    theirs = world.cluster.put(a_foreign_route())
    world.declare("v1")
    message = await wait(world, reason="RouteConflict")
    assert "HTTPRoute shop/fraud exists and does not belong to this ModelDeployment" in message
    assert world.route == theirs
    await world.cluster.delete(HTTP_ROUTE, "shop", "fraud")
    await world.run()
    assert world.stable == "v1"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"canary": True}, "spec.canary"),
        ({"strategy": {}}, "spec.strategy: name exactly one strategy"),
        ({"analysis": {"interval": "soon"}}, "'soon' is not a duration: write it like 90s, 10m or 1h30m"),
        ({"replicas": "many"}, "spec.replicas"),
    ],
    ids=["unknown field", "no strategy", "no duration", "no number"],
)
async def test_a_spec_that_cannot_be_read_leaves_what_serves(world: World, spec: dict[str, object], said: str) -> None:
    await world.serving("v1")
    good = world.deployment["spec"]
    before = [world.route, *world.mirror.objects(DEPLOYMENT), *world.mirror.objects(MODEL_REVISION)]
    world.declare("v2", **spec)
    await world.run()
    ready = world.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "InvalidSpec")
    assert said in ready["message"]
    assert world.condition("Stalled")["status"] == "True"
    assert world.condition("Available")["status"] == "True"
    assert [world.route, *world.mirror.objects(DEPLOYMENT), *world.mirror.objects(MODEL_REVISION)] == before
    writes = len(world.writes())
    await world.reconciler.reconcile(("shop", "fraud"))
    assert len(world.writes()) == writes, "it is said once"
    fixed = {key: value for key, value in world.deployment["spec"].items() if key in good} | {
        key: good[key] for key in spec if key in good
    }
    world.edit(world.deployment, spec=fixed)
    await world.run()
    assert world.stable == "v2"
    assert not world.condition("Stalled")


async def test_a_complaint_as_long_as_the_manifest_is_cut(world: World) -> None:
    world.declare("v1", **{f"unknown{n}": n for n in range(500)})
    await world.run()
    assert len(world.condition("Ready")["message"]) <= 1024


async def test_one_poisoned_model_deployment_does_not_stop_the_others(world: World) -> None:
    world.declare("v1", name="poisoned", unknown="field")
    world.declare("v1", name="odd")
    world.edit(world.mirror.one(MODEL_DEPLOYMENT, "odd"), spec="not even a map")
    await world.serving("v1")
    assert world.condition("Ready", "poisoned")["reason"] == "InvalidSpec"
    assert world.condition("Ready", "odd")["reason"] == "InvalidSpec"


async def test_a_defect_of_one_look_stops_neither_the_others_nor_itself(world: World) -> None:
    get = world.cluster.get

    async def get_or_fail(kind: object, namespace: object, name: str) -> object:
        if name == "cursed":
            raise KeyError("a defect of the operator")
        return await get(kind, namespace, name)  # type: ignore[arg-type]

    world.cluster.get = get_or_fail  # type: ignore[method-assign, assignment]
    world.expects_defects = True
    world.declare("v1", name="cursed")
    world.declare("v1")
    await world.run(lambda: world.stable == "v1")
    assert world.reconciler.defects
    world.cluster.get = get  # type: ignore[method-assign]
    await world.run()
    assert world.condition("Ready", "cursed")["status"] == "True"


@pytest.mark.parametrize(
    "refusal",
    [
        Forbidden(
            "deployments.apps is forbidden: exceeded quota: compute, requested: cpu=4, used: cpu=6, limited: cpu=8"
        ),
        Invalid("admission webhook denied the request: images have to come from registry.example"),
    ],
    ids=["quota", "admission"],
)
async def test_what_the_api_refuses_is_said_and_tried_again(world: World, refusal: Exception) -> None:
    await world.serving("v1")

    def hook(request: Request) -> None:
        if request.kind == DEPLOYMENT:
            raise refusal

    world.cluster.before_write = hook
    world.declare("v2")
    assert str(refusal) in await wait(world, reason="ApplyRefused", seconds=40)
    assert world.condition("Reconciling")["status"] == "True"
    assert world.condition("Available")["status"] == "True"
    assert world.weights == {"v1": 10_000}
    statuses = [request for request in world.writes() if request.kind == MODEL_DEPLOYMENT]
    await world.pass_time(40)
    assert [request for request in world.writes() if request.kind == MODEL_DEPLOYMENT] == statuses, "it is said once"
    world.cluster.before_write = None
    await world.run()
    assert world.stable == "v2"


async def test_kinds_without_rights_are_not_missed_by_those_who_do_not_ask_for_them(world: World) -> None:
    without = {HORIZONTAL_POD_AUTOSCALER, SCALED_OBJECT, POD_DISRUPTION_BUDGET}
    list_ = world.cluster.list

    async def list_or_refuse(kind: Kind, *args: object, **labels: object) -> object:
        if kind in without:
            raise Forbidden(f"{kind.plural} may not be listed")
        return await list_(kind, *args, **labels)  # type: ignore[arg-type]

    world.cluster.list = list_or_refuse  # type: ignore[method-assign, assignment]
    await world.serving("v1")
    assert refusals(world) == []


async def test_a_refused_deployment_keeps_no_failing_candidate_in_the_route(world: World) -> None:
    await world.serving("v1")
    await world.model("v2", errors=0.33)
    world.declare("v2")
    await world.run(lambda: "v2" in world.weights)
    world.refuse_to_repair("v1")
    await world.pass_time(30)
    assert world.weights == {"v1": 10_000}
    assert world.phase("v2") in {"RollingBack", "RolledBack"}
    assert "a new admission policy" in world.condition("Ready")["message"]
    assert any(kind == "Warning" and "errors" in message for kind, _, message in world.events())
    assert world.status["phase"] == world.phase("v2"), "what was decided is told although something is refused"
    assert (world.status["stable"]["weight"], world.status["candidate"]["weight"]) == (100, 0)
    said = len(refusals(world))
    await world.pass_time(120)
    assert len(refusals(world)) <= said + 1, "and told once"


async def test_a_revision_of_somebody_else_is_not_taken_over(world: World) -> None:
    world.declare("v1")
    await world.run(lambda: bool(world.versions()))
    revision = world.revision("v1")
    await world.cluster.delete(MODEL_DEPLOYMENT, "shop", "fraud")
    assert not world.versions()
    stranger = revision | {"metadata": {"name": revision["metadata"]["name"], "namespace": "shop"}}
    world.cluster.put(stranger)
    world.declare("v1")
    message = await wait(world, reason="ApplyRefused")
    assert "does not belong to this ModelDeployment: delete it" in message
    await world.cluster.delete(MODEL_REVISION, "shop", revision["metadata"]["name"])
    await world.run()
    assert world.stable == "v1"


async def test_a_revision_that_appeared_meanwhile_is_no_refusal(world: World) -> None:
    def hook(request: Request) -> None:
        if request.verb == "create":
            world.cluster.before_write = None
            world.cluster.stale_reads(5)  # the next look does not see it yet

    world.cluster.before_write = hook
    world.declare("v1")
    await world.run()
    assert world.stable == "v1"
    assert [request.verb for request in world.writes()].count("create") == 2
    assert not refusals(world)


@pytest.mark.parametrize("broken", [{"phase": "Hovering"}, {"phase": "Stable", "attempt": "first"}])
async def test_a_serving_revision_that_cannot_be_read_is_not_taken_for_absent(
    world: World, broken: dict[str, object]
) -> None:
    await world.serving("v1")
    revision, route = world.revision("v1"), world.route
    world.edit(revision, status=revision["status"] | broken)
    world.declare("v2")
    await world.run()
    ready = world.condition("Ready")
    assert ready["reason"] == "InvalidSpec"
    assert f"ModelRevision shop/{revision['metadata']['name']} cannot be read" in ready["message"]
    assert world.route == route
    world.edit(world.revision("v1"), status=revision["status"])
    await world.run()
    assert world.stable == "v2"


async def test_addresses_that_cannot_be_listed_are_no_evidence(world: World) -> None:
    await world.serving("v1")
    world.declare("v2")
    await world.run(lambda: "v2" in world.weights)
    world.cluster.absent.add(ENDPOINT_SLICE)
    message = await wait(world, reason="MetricsUnavailable")
    assert "the addresses of pods are not known" in message
    assert world.weights == {"v1": 9000, "v2": 1000}
    world.cluster.absent.clear()
    await world.run()
    assert world.stable == "v2"
