"""What Prometheus and a log's reader are told of rollouts and of the operator."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from unit.controller.fake_clock import FakeClock
from unit.controller.world import World

from slipway.cluster import DEPLOYMENT, MODEL_DEPLOYMENT, Unavailable
from slipway.controller.logs import JsonFormatter, TextFormatter, looking_at
from slipway.controller.queue import WorkQueue
from slipway.controller.reconciler import Key
from slipway.controller.telemetry import Telemetry
from slipway.controller.workers import working

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def series(telemetry: Telemetry) -> Series:
    """Every sample of the page by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(telemetry.page().decode())
        for sample in family.samples
    }


def value(telemetry: Telemetry, sample: str, /, **labels: str) -> float | None:
    return series(telemetry).get((sample, frozenset(labels.items())))


FRAUD = {"namespace": "shop", "name": "fraud"}


async def test_a_rollout_is_told_with_its_weights_as_asked_and_as_seen(world: World) -> None:
    await world.serving("v1")
    world.declare("v2")

    def weight(state: str, role: str) -> float | None:
        return value(world.telemetry, f"slipway_weight_{state}_ratio", **FRAUD, role=role)

    def judged() -> bool:
        return value(world.telemetry, "slipway_evidence_of_harm_log10", **FRAUD, metric="errors") is not None

    await world.run(lambda: weight("observed", "candidate") == 0.1)
    assert (weight("desired", "candidate"), weight("desired", "stable")) == (0.1, 0.9)
    phase = value(world.telemetry, "slipway_modeldeployment_phase", **FRAUD, phase=world.status["phase"])
    assert phase == 1
    await world.run(judged)
    harm = value(world.telemetry, "slipway_evidence_of_harm_log10", **FRAUD, metric="errors")
    needed = value(world.telemetry, "slipway_evidence_needed_log10", **FRAUD, metric="errors")
    assert harm is not None
    assert needed is not None
    assert harm < needed
    await world.run()
    assert (weight("observed", "stable"), weight("observed", "candidate")) == (1, None)
    assert value(world.telemetry, "slipway_rollout_duration_seconds_count", outcome="Promoted") == 2


async def test_whether_anything_serves_is_told_once_something_has(world: World) -> None:
    def available() -> float | None:
        return value(world.telemetry, "slipway_modeldeployment_available", **FRAUD)

    world.declare("v1")
    await world.run(lambda: bool(world.versions()))
    assert available() is None
    await world.run()
    assert available() == 1
    await world.model("v1", starts=False)
    world.edit(world.deployment, metadata=world.deployment["metadata"] | {"labels": {"look": "again"}})
    await world.run(lambda: available() == 0)


async def test_a_rollback_is_counted_once_with_its_reason_and_its_verdict(world: World) -> None:
    await world.serving("v1")
    await world.model("v4", errors=0.33)
    world.declare("v4")
    await world.run()
    told = {"phase": "RollingBack", "reason": "AnalysisFailed"}
    assert value(world.telemetry, "slipway_phases_entered_total", **told) == 1
    assert value(world.telemetry, "slipway_verdicts_total", verdict="Fail") == 1
    assert value(world.telemetry, "slipway_metric_verdict", **FRAUD, metric="errors", verdict="Fail") == 1
    assert value(world.telemetry, "slipway_rollout_duration_seconds_count", outcome="RolledBack") == 1


async def test_the_series_of_a_deleted_object_end(world: World) -> None:
    await world.serving("v1")
    assert any(("name", "fraud") in labels for _, labels in series(world.telemetry))
    await world.cluster.delete(MODEL_DEPLOYMENT, "shop", "fraud")
    await world.reconciler.reconcile(("shop", "fraud"))
    assert not any(("name", "fraud") in labels for _, labels in series(world.telemetry))


class Fails:
    async def reconcile(self, key: Key) -> None:
        raise KeyError(key)


async def test_looks_and_the_queue_are_told_under_the_names_of_controller_runtime() -> None:
    telemetry = Telemetry()
    queue: WorkQueue[Key] = WorkQueue(waited=telemetry.waited, worked=telemetry.worked)
    telemetry.watch_queue(queue.statistics, 8)
    logging.getLogger("slipway.controller.workers").disabled = True
    try:
        async with working(queue, Fails(), telemetry, asyncio.sleep(60)):  # type: ignore[arg-type]
            queue.add(("shop", "fraud"))
            async with asyncio.timeout(30):
                while not queue.statistics().work_duration_seconds_count:  # noqa: ASYNC110 - the queue has no event for it
                    await asyncio.sleep(0.01)
    finally:
        logging.getLogger("slipway.controller.workers").disabled = False
    failed = {"controller": "modeldeployment", "result": "error"}
    assert value(telemetry, "controller_runtime_reconcile_total", **failed) == 1
    assert value(telemetry, "controller_runtime_reconcile_errors_total", controller="modeldeployment") == 1
    assert value(telemetry, "controller_runtime_reconcile_time_seconds_count", controller="modeldeployment") == 1
    assert value(telemetry, "controller_runtime_max_concurrent_reconciles", controller="modeldeployment") == 8
    for name in ("workqueue_adds_total", "workqueue_retries_total", "workqueue_work_duration_seconds_count"):
        assert value(telemetry, name, name="modeldeployment") == 1


async def test_each_decision_is_one_line_with_its_object_its_revision_and_its_look(
    world: World, lines: list[dict[str, Any]]
) -> None:
    await world.serving("v1")
    lines.clear()
    await world.model("v4", errors=0.33)
    world.declare("v4")
    await world.run()
    told = [line for line in lines if "reason" in line]
    assert [line["reason"] for line in told] == [reason for _, reason in world.timeline("v4")]
    assert {(line["namespace"], line["name"], line["revision"]) for line in told} == {
        ("shop", "fraud", world.name_of("v4"))
    }
    assert len({line["reconcileID"] for line in told}) == len(told)


async def test_a_line_that_tells_no_decision_names_the_revision_and_the_look_too(
    world: World, lines: list[dict[str, Any]]
) -> None:
    await world.serving("v1")
    world.declare("v2")
    world.cluster.fail_next("apply", DEPLOYMENT, Unavailable("the server is away"))
    await world.run()
    [line] = [line for line in lines if "the server is away" in line["msg"]]
    assert (line["namespace"], line["name"], line["revision"]) == ("shop", "fraud", world.name_of("v2"))
    assert line["reconcileID"] in {other["reconcileID"] for other in lines if "reason" in other}


async def test_a_specification_that_cannot_be_read_is_one_line_however_often_it_is_looked_at(
    world: World, lines: list[dict[str, Any]]
) -> None:
    await world.serving("v1")
    lines.clear()
    world.declare("v2", strategy={})
    await world.run()
    world.edit(world.deployment, metadata=world.deployment["metadata"] | {"labels": {"look": "again"}})
    await world.run()
    [line] = lines
    assert (line["reason"], line["namespace"], line["name"]) == ("InvalidSpec", "shop", "fraud")
    assert "spec.strategy" in line["msg"]


def test_a_line_in_json_has_the_object_the_look_and_what_was_passed_along() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonFormatter())
    log = logging.Logger("slipway.test")
    log.addHandler(handler)
    with looking_at("shop", "fraud"):
        log.info("%s was hauled back", "v4", extra={"reason": "AnalysisFailed"})
        log.info("again")
    log.warning("nothing in particular")
    first, second, third = (json.loads(line) for line in out.getvalue().splitlines())
    assert first["msg"] == "v4 was hauled back"
    assert (first["level"], first["logger"], first["reason"]) == ("info", "slipway.test", "AnalysisFailed")
    assert (first["namespace"], first["name"]) == ("shop", "fraud")
    assert first["reconcileID"] == second["reconcileID"]
    assert "namespace" not in third


def test_an_error_in_json_stays_on_one_line() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonFormatter())
    log = logging.Logger("slipway.test")
    log.addHandler(handler)
    try:
        raise ValueError("line one\nline two")
    except ValueError:
        log.exception("it failed")
    (line,) = out.getvalue().splitlines()
    assert "line two" in json.loads(line)["error"]


def test_a_line_for_people_is_one_line_and_moves_no_cursor() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(TextFormatter())
    log = logging.Logger("slipway.test")
    log.addHandler(handler)
    log.warning("it said %s", "no\n2026-05-04 INFO slipway: v2 was approved\x1b[1A\u2028")
    (line,) = out.getvalue().splitlines()
    assert line.endswith("it said no\\n2026-05-04 INFO slipway: v2 was approved\\x1b[1A\\u2028")
    try:
        raise ValueError("why")
    except ValueError:
        log.exception("it failed")
    assert out.getvalue().endswith("ValueError: why\n")


@pytest.mark.parametrize("state", ["ready", "busy", "due"])
async def test_the_dump_of_the_queue_shows_where_each_key_is(state: str) -> None:
    clock = FakeClock()
    queue: WorkQueue[Key] = WorkQueue(clock=clock)
    key = ("shop", "fraud")
    if state == "due":
        queue.add_after(key, 7)
    else:
        queue.add(key)
    if state == "busy":
        await queue.get()
    assert queue.picture()[state] == {"('shop', 'fraud')": 7 if state == "due" else 0}
