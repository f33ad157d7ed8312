"""What pods show of themselves, through a whole operator: what is counted, and what is no evidence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from unit.controller.builders import a_model_deployment
from unit.controller.test_runtimes import a_runtime, by_format
from unit.controller.test_sources import on_the_way
from unit.controller.world import World

from slipway.cluster import Object

ERRORS: Object = {
    "name": "errors",
    "pods": {"bad": ['req_total{code="500"}'], "total": ["req_total"]},
    "comparison": {"margin": 0.02},
    "minSamples": 20,
}


def counting(world: World, bad: float = 0.0, suffix: str = "", begun: float = 0.0) -> Callable[[], str]:
    """A page with fifty requests a second, of which a share failed: no series of failures before the first one."""

    def page() -> str:
        total = int(50 * (world.clock.time() - begun))
        failed = int(bad * total)
        lines = [f'req_total{{code="200"}} {total - failed}{suffix}']
        lines += [f'req_total{{code="500"}} {failed}{suffix}'] if failed else []
        return "\n".join([*lines, "queue 3", ""])

    return page


async def counted(world: World, metric: Object = ERRORS) -> None:
    """Release v2 has its first traffic, and the pods of both count."""
    (await world.model("v1")).page = counting(world)
    (await world.model("v2")).page = counting(world)
    await on_the_way(world, metric)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ('req_total{code="200"} NaN\n', "req_total is nan, which is not a count"),
        ('req_total{code="200"} +Inf\n', "req_total is inf, which is not a count"),
        ('req_total{code="200"} -5\n', "req_total is -5, which is not a count"),
        ('req_total{code="200"} 5\nreq_total{code="200"} 6\n', "req_total shows one series twice"),
        ("<html>502 Bad Gateway</html>", "did not answer with metrics"),
        ('{"status": "ok"}', "did not answer with metrics"),
    ],
    ids=["NaN", "Inf", "negative", "twice", "HTML", "JSON"],
)
async def test_a_page_that_counts_nothing_sane_holds_the_weight(world: World, page: str, said: str) -> None:
    await counted(world)
    world.outside.models["v2"].page = lambda: page
    await world.pass_time(25)
    status = world.metric("v2", "errors")
    assert status["verdict"] == "Error"
    assert said in status["message"]
    assert world.record("v2")["reason"] == "MetricsUnavailable"
    assert world.weights == {"v1": 9000, "v2": 1000}


async def test_when_the_page_is_sane_again_all_requests_of_the_time_between_count(world: World) -> None:
    await counted(world, ERRORS | {"minSamples": 1000})
    await world.pass_time(12)
    world.outside.models["v2"].page = lambda: "<html></html>"
    await world.pass_time(25)
    assert world.metric("v2", "errors")["verdict"] == "Error"
    world.outside.models["v2"].page = counting(world)
    await world.run()
    assert world.stable == "v2", world.story()


async def test_a_page_without_the_series_is_no_data_and_no_pass(world: World) -> None:
    await counted(world)
    world.outside.models["v2"].page = lambda: "other_total 7\n"
    await world.pass_time(25)
    assert world.metric("v2", "errors")["verdict"] == "NoData"
    assert world.record("v2")["reason"] == "NoData"
    assert world.weights == {"v1": 9000, "v2": 1000}


async def test_a_series_of_failures_that_appears_late_counts_from_its_first_one(world: World) -> None:
    await counted(world)
    world.outside.models["v2"].page = counting(world, bad=0.5)
    await world.run()
    assert world.stable == "v1", world.story()


async def test_counters_that_begin_anew_are_no_failures_and_no_outage(world: World) -> None:
    await counted(world, ERRORS | {"minSamples": 2000})
    await world.pass_time(15)
    before = world.metric("v2", "errors")["message"]
    world.outside.models["v2"].page = counting(world, begun=world.clock.time() - 1)
    await world.run()
    assert world.stable == "v2", f"{before}\n{world.story()}"


async def test_clocks_of_pods_that_differ_by_years_count_for_nothing(world: World) -> None:
    await counted(world)
    world.outside.models["v1"].page = counting(world, suffix=" 1000")
    world.outside.models["v2"].page = counting(world, suffix=" 4102444800000")
    await world.run()
    assert world.stable == "v2", world.story()


@pytest.mark.parametrize(("limit", "stays"), [(5, "v2"), (2, "v1")])
async def test_a_gauge_of_the_pods_is_held_against_its_limit(world: World, limit: float, stays: str) -> None:
    gauge: dict[str, Any] = {"gauge": "queue"}
    await counted(world, {"name": "queue", "pods": gauge, "threshold": {"max": limit, "for": "1m"}})
    await world.run()
    assert world.stable == stays, world.story()


@pytest.mark.parametrize(
    ("page", "verdict", "said"),
    [("queue NaN\n", "Error", "queue is nan, which is not a number"), ("", "NoData", "no number of candidate yet")],
)
async def test_a_gauge_that_is_none_is_no_evidence(world: World, page: str, verdict: str, said: str) -> None:
    await counted(world, {"name": "queue", "pods": {"gauge": "queue"}, "threshold": {"max": 5}})
    world.outside.models["v2"].page = lambda: page
    await world.pass_time(25)
    status = world.metric("v2", "queue")
    assert (status["verdict"], said in status["message"]) == (verdict, True), status["message"]


async def test_a_gauge_below_zero_cannot_be_ranked_and_its_field_is_named(world: World) -> None:
    await counted(world, {"name": "queue", "pods": {"gauge": "queue"}, "comparison": {"relative": 0.2}})
    world.outside.models["v2"].page = lambda: "queue -3\n"
    await world.pass_time(25)
    said = "spec.analysis.metrics[queue].pods.gauge: a pod of candidate is below 0"
    assert world.metric("v2", "queue")["message"].startswith(said)


@pytest.mark.parametrize(("bad", "stays"), [(0, "v2"), (0.5, "v1")])
async def test_a_preset_names_the_counters_of_its_server(world: World, bad: float, stays: str) -> None:
    preset = {key: value for key, value in ERRORS.items() if key != "pods"} | {"pods": {"preset": "MLServer"}}
    await counted(world, preset)
    for version, share in (("v1", 0.0), ("v2", bad)):
        world.outside.models[version].page = _mlserver(world, share)
    await world.run()
    assert world.stable == stays, world.story()


def _mlserver(world: World, bad: float) -> Callable[[], str]:
    name = "model_infer_request"

    def page() -> str:
        total = int(50 * world.clock.time())
        return f"{name}_success_total {total - int(bad * total)}\n{name}_failure_total {int(bad * total)}\n"

    return page


LEFT_TO_THE_RUNTIME: Object = {key: value for key, value in ERRORS.items() if key != "pods"} | {"pods": {}}


async def judged_by_runtime(world: World, preset: str | None, metric: Object = LEFT_TO_THE_RUNTIME) -> None:
    """Release v2 takes its first traffic; what serves both is a runtime that names a preset of metrics, or none."""
    runtime = a_runtime()
    runtime["spec"] |= {"metrics": {"preset": preset}} if preset else {}
    world.cluster.put(runtime)
    analysis = {"interval": "10s", "maxDuration": "10m", "metrics": [metric]}
    world.cluster.put(a_model_deployment(release=by_format("v1"), analysis=analysis))
    await world.run()
    assert world.stable == "v1", world.story()
    world.edit(world.deployment, spec=world.deployment["spec"] | {"release": by_format("v2")})
    await world.run(lambda: "v2" in world.weights)


@pytest.mark.parametrize(("bad", "stays"), [(0, "v2"), (0.5, "v1")])
async def test_the_runtime_says_what_is_read_where_the_metric_does_not(world: World, bad: float, stays: str) -> None:
    for version, share in (("v1", 0.0), ("v2", bad)):
        (await world.model(version)).page = _mlserver(world, share)
    await judged_by_runtime(world, "MLServer")
    await world.run()
    assert world.stable == stays, world.story()


@pytest.mark.parametrize(
    ("preset", "measure", "said"),
    [
        (None, "Errors", "spec.analysis.metrics[errors].pods: it names nothing to read, and what serves the release"),
        ("KServe", "Errors", "spec.analysis.metrics[errors].pods: the runtime's preset KServe does not have it"),
        ("Triton", "Latency", "spec.analysis.metrics[errors].pods: the runtime's preset Triton does not have it"),
    ],
)
async def test_what_the_runtime_does_not_tell_holds_the_weight_and_names_the_field(
    world: World, preset: str | None, measure: str, said: str
) -> None:
    await judged_by_runtime(world, preset, LEFT_TO_THE_RUNTIME | {"pods": {"measure": measure}})
    await world.pass_time(25)
    status = world.metric("v2", "errors")
    assert status["verdict"] == "Error"
    assert status["message"].startswith(said), status["message"]
    assert world.weights == {"v1": 9000, "v2": 1000}
