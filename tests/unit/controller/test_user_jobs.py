"""Metrics that a Job of the user measures before any traffic: counts of failures, or pairs of items."""

from __future__ import annotations

from typing import Any

import pytest
from unit.controller.builders import ACCURACY, ERRORS, a_release
from unit.controller.jobs import fail, finish, jobs, the_job
from unit.controller.world import World

from slipway.cluster import JOB

SAFETY = {"image": "checks.example/safety:3", "args": ["--all"], "timeout": "20m"}


def a_metric(source: dict[str, Any] | None = None, **gates: Any) -> dict[str, Any]:
    return {"name": "safety", "job": SAFETY | (source or {}), **(gates or {"comparison": {"margin": 0.01}})}


async def asked(world: World, metric: dict[str, Any], version: str = "v2") -> None:
    """The version is declared, and the Job is there."""
    analysis = {"interval": "10s", "maxDuration": "10m", "metrics": [ACCURACY, metric, ERRORS]}
    world.declare(version, analysis=analysis)
    await world.run(lambda: bool(jobs(world)))


def arms(bad: int, stable: int, total: int = 2000) -> dict[str, Any]:
    return {"candidate": {"bad": bad, "total": total}, "stable": {"bad": stable, "total": total}}


async def test_a_candidate_that_fails_more_of_a_users_checks_than_stable_is_hauled_back(world: World) -> None:
    await world.serving("v1")
    await asked(world, a_metric())
    finish(world, arms(bad=150, stable=20))
    await world.run(lambda: world.phase("v2") == "RolledBack")
    assert world.metric("v2", "safety")["dataset"] == the_job(world)["metadata"]["name"]
    assert "Stepping" not in [phase for phase, _ in world.timeline("v2")]


async def test_a_candidate_that_is_as_good_goes_on_and_is_measured_once(world: World) -> None:
    await world.serving("v1")
    await asked(world, a_metric(nonInferiority={"margin": 0.02}))
    await world.pass_time(60)
    assert world.phase("v2") == "Evaluating"
    finish(world, arms(bad=20, stable=20, total=20000))
    await world.run(lambda: world.stable == "v2")
    assert world.metric("v2", "safety")["verdict"] == "Pass"
    assert len([write for write in world.writes() if (write.verb, write.kind) == ("create", JOB)]) == 1
    state = {vector["name"]: vector["values"] for vector in world.metric("v2", "safety")["state"]}
    assert state["candidate"] == [20, 20000]


async def test_non_inferiority_that_is_not_shown_holds(world: World) -> None:
    await world.serving("v1")
    await asked(world, a_metric(nonInferiority={"margin": 0.02}))
    finish(world, arms(bad=2, stable=2, total=50))
    await world.pass_time(120)
    assert (world.phase("v2"), world.metric("v2", "safety")["verdict"]) == ("Evaluating", "Continue")
    assert len(jobs(world)) == 1


@pytest.mark.parametrize(("bad", "stable"), [(4, "v1"), (400, None)])
async def test_a_first_release_is_held_against_the_limit(world: World, bad: int, stable: str | None) -> None:
    await asked(world, a_metric(threshold={"max": 0.05}), version="v1")
    finish(world, {"bad": bad, "total": 2000})
    await world.run(lambda: world.stable == "v1" or world.phase("v1") == "RolledBack")
    assert world.stable == stable


async def test_pairs_are_judged_as_a_golden_set_is(world: World) -> None:
    await world.serving("v1")
    await asked(world, a_metric({"result": "Pairs"}))
    finish(world, {"losses": 60, "wins": 5, "tiesRight": 900, "tiesWrong": 35})
    await world.run(lambda: world.phase("v2") == "RolledBack")
    assert "60 lost and 5 won" in world.metric("v2", "safety")["message"]


async def test_a_users_job_is_told_whom_to_ask_and_runs_without_any_right(world: World) -> None:
    await world.serving("v1")
    await asked(world, a_metric({"env": [{"name": "SLIPWAY_RESULT", "value": "/tmp/mine"}]}))
    spec = the_job(world)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    env = {variable["name"]: variable["value"] for variable in container["env"]}
    assert (container["image"], container["args"]) == ("checks.example/safety:3", ["--all"])
    assert env["SLIPWAY_CANDIDATE_URL"] == f"http://{world.name_of('v2')}.shop.svc:80"
    assert env["SLIPWAY_STABLE_URL"] == f"http://{world.name_of('v1')}.shop.svc:80"
    assert env["SLIPWAY_CANDIDATE_PODS"].split(",")[0] == f"http://127.0.0.1:{world.outside.models['v2'].port}"
    assert (env["SLIPWAY_CANDIDATE_MODEL"], env["SLIPWAY_STABLE_VERSION"]) == ("fraud", "v1")
    assert env["SLIPWAY_RESULT"] == "/tmp/mine"
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True


async def test_a_users_job_may_run_on_tainted_nodes_of_the_release_and_need_not(world: World) -> None:
    await world.serving("v1")
    taint = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    pod = {"nodeSelector": {"accelerator": "l4"}, "tolerations": [taint], "priorityClassName": "serving"}
    analysis = {"interval": "10s", "maxDuration": "10m", "metrics": [ACCURACY, a_metric(), ERRORS]}
    world.declare("v2", release=a_release("v2") | {"pod": pod}, analysis=analysis)
    await world.run(lambda: bool(jobs(world)))
    spec = the_job(world)["spec"]["template"]["spec"]
    assert spec["tolerations"] == [taint]
    assert not {"nodeSelector", "priorityClassName"} & spec.keys()


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        ("ok", "no JSON"),
        ({"bad": 1, "total": 100}, "it has to name candidate and stable"),
        (arms(bad=3, stable=2, total=0), "3 bad outcomes are more than there are (0)"),
        (arms(bad=0, stable=0, total=0), "it has measured nothing"),
        ('{"bad": NaN, "total": 100}', "NaN is no number"),
        ({"bad": -1, "total": 100}, "bad: Input should be greater than or equal to 0"),
        ({"bad": 1}, "either bad and total, or candidate and stable"),
        ({"candidate": {"bad": 1, "total": 2}}, "either bad and total, or candidate and stable"),
        ({"losses": 1, "wins": 1, "tiesRight": 1, "tiesWrong": 1}, "losses: Extra inputs"),
    ],
)
async def test_a_result_that_cannot_be_used_is_an_error_with_its_reason(
    world: World, result: Any, problem: str
) -> None:
    await world.serving("v1")
    await asked(world, a_metric())
    finish(world, result)
    await world.pass_time(30)
    judged = world.metric("v2", "safety")
    assert judged["verdict"] == "Error"
    assert problem in judged["message"]
    assert world.phase("v2") == "Evaluating"


async def test_a_job_that_is_out_of_time_holds_the_release(world: World) -> None:
    await world.serving("v1")
    await asked(world, a_metric())
    fail(world, "DeadlineExceeded", "")
    await world.pass_time(30)
    assert "it took longer than its timeout of 1200s" in world.metric("v2", "safety")["message"]
    assert world.phase("v2") == "Evaluating"
