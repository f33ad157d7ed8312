"""Whole rollouts, from what a user applies to what clients get and operators are told."""

from __future__ import annotations

from unit.controller.builders import ERRORS, a_release
from unit.controller.world import World

from slipway.cluster import (
    DEPLOYMENT,
    EVENT,
    HTTP_ROUTE,
    MODEL_DEPLOYMENT,
    MODEL_REVISION,
    SERVICE,
    Object,
)


def routed(world: World) -> list[dict[str, int]]:
    """Every set of weights that was ever written, by version."""
    versions = {world.name_of(version): version for version in world.versions()}
    return [
        {versions[ref["name"]]: ref["weight"] for ref in request.body["spec"]["rules"][0]["backendRefs"]}
        for request in world.writes()
        if request.kind == HTTP_ROUTE and request.body is not None
    ]


def pods(world: World, version: str) -> int:
    replicas: int = world.mirror.one(DEPLOYMENT, world.name_of(version))["spec"]["replicas"]
    return replicas


def role(obj: Object) -> str | None:
    found: str | None = obj["metadata"]["labels"].get("slipway.dev/role")
    return found


async def test_a_first_release_serves_once_its_golden_set_is_passed(world: World) -> None:
    await world.serving("v1")
    assert routed(world) == [{"v1": 10_000}]
    assert pods(world, "v1") == 2
    ready, available = world.condition("Ready"), world.condition("Available")
    assert (ready["status"], ready["reason"]) == ("True", "ReleaseServing")
    assert (available["status"], available["reason"]) == ("True", "StableServing")
    assert ready["observedGeneration"] == world.deployment["metadata"]["generation"]
    assert {found["type"] for found in world.status["conditions"]} == {"Ready", "Available"}


async def test_a_first_release_that_is_inaccurate_is_never_routed_to(world: World) -> None:
    world.golden(24)
    await world.model("v1", accuracy=0.2)
    world.declare("v1")
    await world.run()
    assert world.phase("v1") == "RolledBack"
    assert not world.mirror.objects(HTTP_ROUTE)
    assert world.condition("Available")["status"] == "False"
    assert world.condition("Stalled")["status"] == "True"


async def test_a_release_that_is_as_good_is_promoted_step_by_step(world: World) -> None:
    await world.serving("v1")
    world.declare("v2")
    await world.run()
    assert world.stable == "v2"
    assert routed(world)[1:] == [
        {"v1": 9000, "v2": 1000},
        {"v1": 5000, "v2": 5000},
        {"v2": 10_000},
    ]
    assert world.timeline("v2") == [
        ("Pending", "RevisionCreated"),
        ("Starting", "CandidateStarting"),
        ("Evaluating", "CandidateEvaluating"),
        ("Stepping", "StepStarted"),
        ("Stepping", "StepStarted"),
        ("Stepping", "StepStarted"),
        ("Promoting", "CandidatePromoting"),
        ("Stable", "CandidatePromoted"),
    ]
    assert world.phase("v1") == "Superseded"
    assert (pods(world, "v1"), pods(world, "v2")) == (0, 2)
    assert [reason for _, reason, _ in world.events()][-2:] == ["CandidatePromoted", "Superseded"]


async def test_a_release_that_is_less_accurate_is_hauled_back_without_any_request(world: World) -> None:
    world.golden(40)
    await world.serving("v1")
    await world.model("v3", accuracy=0.5)
    world.declare("v3")
    await world.run()
    assert world.phase("v3") == "RolledBack"
    assert routed(world) == [{"v1": 10_000}]
    assert world.gateway.sent.keys() == {world.name_of("v1")}
    ready = world.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "RolledBack")
    assert "accuracy" in ready["message"]
    assert world.condition("Available")["status"] == "True"
    assert (pods(world, "v1"), pods(world, "v3")) == (2, 0)
    told = [event for event in world.events() if event[0] == "Warning"]
    assert len(told) == 2, "that it is hauled back, and that it was"
    assert "20 lost and 0 won" in told[0][2]


async def test_a_release_that_fails_live_requests_is_hauled_back_at_the_first_step(world: World) -> None:
    await world.serving("v1")
    await world.model("v4", errors=0.33)
    world.declare("v4")
    await world.run(lambda: world.phase("v4") == "Stepping" and "v4" in world.weights)
    began = world.clock.time()
    await world.run(lambda: "v4" not in world.weights)
    assert world.clock.time() - began < 25, "two looks, ten seconds apart"
    await world.run()
    assert world.phase("v4") == "RolledBack"
    assert routed(world)[1:] == [{"v1": 9000, "v4": 1000}, {"v1": 10_000}]
    assert world.timeline("v4")[-2:] == [("RollingBack", "AnalysisFailed"), ("RolledBack", "RolledBack")]
    told = [message for kind, _, message in world.events() if kind == "Warning"]
    assert "errors" in told[0]
    assert "n=" in told[0], "an Event names the sample sizes"
    assert world.stable == "v1"
    assert pods(world, "v4") == 0


async def test_pods_go_on_running_for_a_while_after_they_were_last_routed_to(world: World) -> None:
    await world.serving("v1")
    world.declare("v2")
    await world.run(lambda: world.stable == "v2")
    moved = world.clock.time()
    await world.run(lambda: pods(world, "v1") == 0)
    assert world.clock.time() - moved > 29


async def test_the_intent_is_on_record_before_the_route_is_written(world: World) -> None:
    await world.serving("v1")
    await world.model("v2", errors=0.33)
    world.declare("v2")
    recorded: Object = {}
    await world.run()
    for request in world.writes():
        if request.kind == MODEL_REVISION and request.verb == "apply_status" and request.body is not None:
            recorded[request.name] = request.body["status"].get("weight", 0)
        if request.kind == HTTP_ROUTE and request.body is not None:
            for ref in request.body["spec"]["rules"][0]["backendRefs"]:
                assert recorded[ref["name"]] * 100 == ref["weight"]
    assert len(routed(world)) == 3


async def test_a_status_is_written_once_a_decision_and_after_everything_else(world: World) -> None:
    await world.serving("v1")
    world.declare("v2")
    looks = [world.looks]
    while world.stable != "v2":
        before = len(world.writes())
        looks.append(world.looks)
        await world.run(lambda: world.looks > looks[-1])
        kinds = [request.kind for request in world.writes()[before:] if request.kind != EVENT]
        assert kinds.count(MODEL_DEPLOYMENT) <= 1
        assert MODEL_DEPLOYMENT not in kinds[:-1]


async def test_a_release_that_replaces_one_in_mid_rollout_begins_with_its_own_evidence(world: World) -> None:
    await world.serving("v1")
    world.declare("v2")
    await world.run(lambda: world.phase("v2") == "Stepping" and "v2" in world.weights)
    world.declare("v3")
    await world.run(lambda: world.phase("v3") == "Starting")
    assert "v3" not in world.weights
    await world.run()
    assert world.stable == "v3"
    assert world.phase("v2") == "Superseded"
    assert (world.outside.models["v3"].asked, world.outside.models["v2"].asked) == (8, 8)


async def test_going_back_to_the_stable_release_ends_a_rollout(world: World) -> None:
    await world.serving("v1")
    world.declare("v2")
    await world.run(lambda: "v2" in (world.weights if world.versions() else {}))
    world.declare("v1")
    await world.run(lambda: "v2" not in world.weights)
    await world.run()
    assert world.stable == "v1"
    assert world.phase("v2") == "Superseded"
    assert world.condition("Ready")["status"] == "True"


async def test_a_fix_is_all_that_a_hauled_back_release_needs(world: World) -> None:
    await world.serving("v1")
    await world.model("v4", errors=0.33)
    world.declare("v4")
    await world.run()
    assert world.phase("v4") == "RolledBack"
    world.declare("v5")
    await world.run()
    assert world.stable == "v5"


async def test_the_role_of_a_revision_is_a_label_that_restarts_nothing(world: World) -> None:
    await world.serving("v1")
    world.declare("v2")
    await world.run(lambda: world.phase("v2") == "Stepping")
    name = world.name_of("v2")
    assert role(world.mirror.one(DEPLOYMENT, name)) == role(world.mirror.one(SERVICE, name)) == "candidate"
    template = world.mirror.one(DEPLOYMENT, name)["spec"]["template"]
    await world.run()
    assert role(world.mirror.one(DEPLOYMENT, name)) == role(world.mirror.one(SERVICE, name)) == "stable"
    assert role(world.mirror.one(DEPLOYMENT, world.name_of("v1"))) is None
    assert world.mirror.one(DEPLOYMENT, name)["spec"]["template"] == template
    assert "role" not in str(template["metadata"]["labels"])


async def test_revisions_beyond_the_limit_of_the_history_are_deleted_by_their_uid(world: World) -> None:
    limits = {"rollback": {"scaleDownDelay": "1s", "revisionHistoryLimit": 1}}
    await world.serving("v1", **limits)
    first = world.revision("v1")["metadata"]
    deleted: list[tuple[str, str | None]] = []
    delete = world.cluster.delete

    async def noting(kind: object, namespace: object, name: str, *, uid: str | None = None, **more: object) -> None:
        deleted.append((name, uid))
        await delete(kind, namespace, name, uid=uid, **more)  # type: ignore[arg-type]

    world.cluster.delete = noting  # type: ignore[method-assign, assignment]
    for version in ("v2", "v3"):
        world.declare(version, **limits)
        await world.run()
    assert sorted(world.versions()) == ["v2", "v3"]
    assert deleted == [(first["name"], first["uid"])]
    assert first["name"] not in {obj["metadata"]["name"] for obj in world.mirror.objects(DEPLOYMENT)}


async def test_what_a_user_wrote_is_never_written_and_never_copied_to_children(world: World) -> None:
    await world.serving("v1")
    world.declare("v2")
    before = world.deployment
    await world.run()
    assert world.deployment["spec"] == before["spec"]
    assert world.deployment["metadata"]["labels"] == before["metadata"]["labels"]
    assert world.deployment["metadata"]["annotations"] == before["metadata"]["annotations"]
    assert "finalizers" not in world.deployment["metadata"]
    for request in world.writes():
        assert request.kind != MODEL_DEPLOYMENT or request.verb == "apply_status"
        assert "argocd" not in str(request.body)
        assert "app.kubernetes.io/instance" not in str(request.body)


async def test_an_idle_model_deployment_asks_for_nothing(world: World) -> None:
    await world.serving("v1")
    world.declare("v2")
    await world.run()
    due = world.queue.statistics()
    assert (due.depth, due.delayed) == (0, 0)
    assert await world.reconciler.reconcile(("shop", "fraud")) is None


async def test_a_second_look_at_what_is_idle_writes_nothing(world: World) -> None:
    await world.serving("v1")
    world.declare("v2")
    await world.run()
    writes, requests = len(world.writes()), len(world.cluster.requests)
    for _ in range(3):
        assert await world.reconciler.reconcile(("shop", "fraud")) is None
    assert len(world.writes()) == writes
    assert len(world.cluster.requests) - requests <= 3 * 6


async def test_a_hauled_back_release_asks_for_nothing_either(world: World) -> None:
    await world.serving("v1")
    await world.model("v4", errors=0.33)
    world.declare("v4")
    await world.run()
    writes = len(world.writes())
    assert await world.reconciler.reconcile(("shop", "fraud")) is None
    assert len(world.writes()) == writes


async def test_deleting_a_model_deployment_in_mid_rollout_is_left_to_its_owner_references(world: World) -> None:
    await world.serving("v1")
    world.declare("v2")
    await world.run(lambda: "v2" in world.weights)
    kept = world.edit(world.deployment, metadata=world.deployment["metadata"] | {"finalizers": ["example.com/wait"]})
    await world.cluster.delete(MODEL_DEPLOYMENT, "shop", "fraud")
    assert world.deployment["metadata"]["deletionTimestamp"]
    writes = len(world.writes())
    await world.run()
    assert len(world.writes()) == writes, "until it is gone, what serves goes on serving"
    assert world.route["spec"]
    del kept["metadata"]["finalizers"]
    world.gateway.accepted.clear()
    world.edit(kept)
    await world.run()
    assert len(world.writes()) == writes
    left = [obj for kind in (MODEL_REVISION, DEPLOYMENT, SERVICE, HTTP_ROUTE) for obj in world.mirror.objects(kind)]
    assert not left


async def test_two_model_deployments_keep_apart(world: World) -> None:
    world.declare("v1")
    world.declare("v1", name="churn")
    await world.run()
    world.declare("v2")
    await world.run()
    (churn,) = world.mirror.one(HTTP_ROUTE, "churn")["spec"]["rules"][0]["backendRefs"]
    assert churn["name"].startswith("churn-")
    assert world.stable == "v2"
    assert world.condition("Ready", "churn")["status"] == "True"


async def test_a_rollout_without_metrics_follows_its_ladder(world: World) -> None:
    await world.serving("v1", analysis={})
    world.declare("v2", analysis={})
    await world.run()
    assert world.stable == "v2"
    assert len(routed(world)) == 4


async def test_a_provider_outage_freezes_the_weight(world: World) -> None:
    ladder = {"strategy": {"canary": {"steps": [{"weight": 10}, {"weight": 100}]}}}
    await world.serving("v1", **ladder)
    world.declare("v2", **ladder)
    await world.run(lambda: "v2" in world.weights)
    world.outside.page_status = 500
    await world.pass_time(600)
    assert world.weights == {"v1": 9000, "v2": 1000}
    assert world.phase("v2") == "Stepping"
    ready = world.condition("Ready")
    assert ready["reason"] == "MetricsUnavailable"
    assert "HTTP 500" in ready["message"]
    assert [reason for _, reason, _ in world.events()].count("MetricsUnavailable") == 1
    world.outside.page_status = 200
    await world.run()
    assert world.stable == "v2"


async def test_pods_that_all_fail_are_left_within_one_look(world: World) -> None:
    await world.serving("v1")
    model = await world.model("v2")
    world.declare("v2")
    await world.run(lambda: "v2" in world.weights)
    await world.pass_time(1)
    model.starts = False
    before = world.looks
    await world.run(lambda: "v2" not in world.weights)
    assert world.looks - before <= 1
    await world.run()
    assert world.timeline("v2")[-2:] == [("RollingBack", "CapacityLost"), ("RolledBack", "RolledBack")]
    assert "ImagePullBackOff" in world.record("v2")["message"]


async def test_pods_of_a_metric_are_scraped_at_the_container_port_that_it_names(world: World) -> None:
    """EndpointSlices name ports as the Service does, which calls the first one `http` whatever the container says."""
    source = {"bad": ['traefik_config_reloads_total{no="thing"}'], "total": ["traefik_config_reloads_total"]}
    metric = ERRORS | {"pods": {**source, "port": "inference"}}
    del metric["gateway"]
    analysis = {"interval": "10s", "metrics": [metric | {"minSamples": 0}]}
    ports = [{"name": "inference", "containerPort": 8080}]
    world.declare("v1", analysis=analysis, release=a_release("v1", ports=ports))
    await world.run()
    world.declare("v2", analysis=analysis, release=a_release("v2", ports=ports))
    await world.run(lambda: "v2" in world.weights)
    await world.pass_time(15)
    assert world.metric("v2", "errors").get("errorSince") is None, world.metric("v2", "errors")
