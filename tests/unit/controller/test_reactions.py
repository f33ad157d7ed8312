"""What follows from drift, with a receiver over real HTTP: told once, again after failures, and never held up for."""

from __future__ import annotations

import base64
from typing import Any

from unit.controller.builders import NAMESPACE
from unit.controller.test_stable_drift import Counted, an_hour, signal, watched
from unit.controller.world import World

from slipway.cluster import JOB, MODEL_REVISION, SECRET, Forbidden, Unavailable
from slipway.outside import Egress

AS_EVER, ELSEWHERE = (400, 400, 200), (100, 100, 800)


def hook(world: World, **more: Any) -> dict[str, Any]:
    return {"onDrift": {"webhook": {"url": world.outside.metrics_url.replace("/metrics", "/hook"), **more}}}


async def drifting(world: World, *, egress: Egress | None = None, **drift: Any) -> Counted:
    """v1 serves with a reference, and what it is asked has changed; nobody has looked yet."""
    world.kill_operator()
    world.egress = egress or Egress(("127.0.0.0/8",))
    world.start_operator()
    counted = await watched(world, **(drift or hook(world)))
    await an_hour(world, counted, *AS_EVER, ham=800, spam=200)
    (await world.model("v1")).counted = counted.add(*ELSEWHERE, ham=800, spam=200).page()
    return counted


async def told(world: World) -> None:
    """The look that finds drift, and what follows from it."""
    await world.run(lambda: signal(world, "amount")["verdict"] == "Drifted")
    await world.reactions.idle()


async def outcome(world: World) -> dict[str, Any]:
    """The next look, which hears what came of it."""
    await world.pass_time(4)
    (action,) = world.record("v1")["drift"]["firing"]["actions"]
    found: dict[str, Any] = action
    return found


async def test_a_receiver_is_told_once_in_the_form_of_cloudevents(world: World) -> None:
    await drifting(world)
    await told(world)
    assert (await outcome(world))["state"] == "Done"
    ((kind, _, event),) = world.outside.hooked
    assert kind == "application/cloudevents+json"
    assert event["specversion"] == "1.0"
    assert event["id"] == world.record("v1")["drift"]["firing"]["id"]
    assert event["data"]["version"] == "v1"
    assert [finding["name"] for finding in event["data"]["findings"]] == ["amount"]
    await world.pass_time(60)
    assert len(world.outside.hooked) == 1
    assert [reason for _, reason, _ in world.events()][-2:] == ["DriftFound", "DriftReacted"]


async def test_a_killed_operator_tells_again_under_the_same_id_and_never_under_another(world: World) -> None:
    await drifting(world)
    await told(world)
    world.kill_operator()
    world.start_operator()
    await world.run(lambda: bool(world.reactions._on))
    await world.reactions.idle()
    assert (await outcome(world))["state"] == "Done"
    world.kill_operator()
    world.start_operator()
    await world.pass_time(60)
    first, second = (event["id"] for _, _, event in world.outside.hooked)
    assert first == second


async def test_a_receiver_is_told_although_the_cluster_refuses_something(world: World) -> None:
    await drifting(world)
    world.refuse_to_repair("v1")
    await told(world)
    assert (await outcome(world))["state"] == "Done"
    assert len(world.outside.hooked) == 1
    assert world.condition("Drifted")["status"] == "True"


async def test_nobody_is_told_before_it_is_written_down(world: World) -> None:
    await drifting(world)
    world.cluster.fail_next("apply_status", MODEL_REVISION, Unavailable("no leader"))
    failed = len(world.cluster.requests)
    await world.run(lambda: any(one.verb == "apply_status" for one in world.cluster.requests[failed:]))
    assert world.outside.hooked == []
    await told(world)
    assert len(world.outside.hooked) == 1


async def test_a_receiver_that_fails_is_told_again_after_a_pause(world: World) -> None:
    world.outside.hook_status = 503
    await drifting(world)
    await told(world)
    action = await outcome(world)
    assert (action["state"], action["attempts"]) == ("Pending", 1)
    assert "answered HTTP 503" in action["message"]
    world.outside.hook_status = 200
    await world.pass_time(6)
    await world.reactions.idle()
    assert (await outcome(world))["state"] == "Done"
    assert len({event["id"] for _, _, event in world.outside.hooked}) == 1


async def test_a_redirect_is_no_delivery(world: World) -> None:
    world.outside.hook_status = 302
    await drifting(world)
    await told(world)
    assert "answered HTTP 302" in (await outcome(world))["message"]


async def test_an_address_that_may_not_be_reached_is_refused_and_nothing_is_sent(world: World) -> None:
    await drifting(world, egress=Egress())
    await told(world)
    assert "loopback is allowed by an address only" in (await outcome(world))["message"]
    assert world.outside.hooked == []


async def test_the_receiver_is_shown_the_token_of_a_secret(world: World) -> None:
    auth = {"bearer": {"name": "hook-token", "key": "token"}}
    await drifting(world, **hook(world, auth=auth))
    await told(world)
    assert "Secret shop/hook-token does not exist" in (await outcome(world))["message"]
    data = {"token": base64.b64encode(b"s3cret").decode()}
    metadata = {"name": "hook-token", "namespace": NAMESPACE}
    world.cluster.put({"apiVersion": SECRET.api_version, "kind": SECRET.kind, "metadata": metadata, "data": data})
    await world.pass_time(6)
    await world.reactions.idle()
    ((_, headers, _),) = world.outside.hooked
    assert headers["authorization"] == "Bearer s3cret"
    assert "s3cret" not in str(world.record("v1"))


# --- Jobs ------------------------------------------------------------------------------------------------------------

TRAINING: dict[str, Any] = {"onDrift": {"job": {"image": "train.example/fraud:1", "args": ["--fresh"]}}}


async def test_a_job_is_created_once_also_where_its_outcome_is_lost(world: World) -> None:
    await drifting(world, **TRAINING)
    await told(world)
    world.kill_operator()
    world.start_operator()
    await world.run(lambda: bool(world.reactions._on))
    await world.reactions.idle()
    assert (await outcome(world))["state"] == "Done"
    (job,) = world.mirror.objects(JOB)
    firing = world.record("v1")["drift"]["firing"]
    assert job["metadata"]["name"] == f"fraud-drift-{firing['id'][:8]}"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    facts = {variable["name"]: variable["value"] for variable in container["env"]}
    assert facts["SLIPWAY_DRIFT_ID"] == firing["id"]
    assert facts["SLIPWAY_MODEL_VERSION"] == "v1"
    assert "amount" in facts["SLIPWAY_DRIFT_FINDINGS"]


async def test_a_job_of_somebody_else_is_left_alone_and_told_of(world: World) -> None:
    await drifting(world, **TRAINING)
    world.cluster.fail_next("create", JOB, Forbidden("jobs is forbidden"))
    await told(world)
    assert "jobs is forbidden" in (await outcome(world))["message"]
    name = f"fraud-drift-{world.record('v1')['drift']['firing']['id'][:8]}"
    metadata = {"name": name, "namespace": NAMESPACE}
    world.cluster.put({"apiVersion": JOB.api_version, "kind": JOB.kind, "metadata": metadata, "spec": {}})
    await world.pass_time(6)
    await world.reactions.idle()
    assert "is not Slipway's: delete it" in (await outcome(world))["message"]
