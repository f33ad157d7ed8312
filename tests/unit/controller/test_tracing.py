"""Traces of looks: what a collector gets of them, and that a collector that gets nothing changes nothing.

A real exporter sends real requests to a collector on the loopback. What is asked of the operator is asked by the
standard variables alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import pytest
from unit.controller.builders import a_model_deployment
from unit.controller.collector import Collected, Span, a_collector
from unit.controller.server import until
from unit.controller.world import World

from slipway.cluster import MODEL_DEPLOYMENT, Cluster, Unavailable
from slipway.controller import Settings, run
from slipway.controller.tracing import FLUSH, note, span, trace_id, tracing

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="pip install 'slipway[traces]'")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
    monkeypatch.setattr(logging.getLogger("opentelemetry"), "level", logging.CRITICAL)  # as the operator sets it


def parts(collected: Collected, root: Span) -> set[str]:
    return {part.name for part in collected.below(root)}


async def test_a_look_is_one_trace_with_its_reads_its_sources_its_decision_and_its_writes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_collector() as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
        async with tracing():
            await world.serving("v1")
            world.declare("v2")
            await world.run()
    stepping = [
        look
        for look in collected.named("reconcile")
        if look.attributes.get("slipway.phase") == "Stepping" and "slipway.decisions" in look.attributes
    ]
    trees = [collected.tree(look) for look in stepping]
    tree = next(tree for tree in trees if "measure" in tree["collect"])
    assert list(tree) == ["get ModelDeployment", "registry", "observe", "collect", "decide", "act"]
    assert {"list ModelRevision", "list Deployment", "list Service", "get HTTPRoute"} <= tree["observe"].keys()
    assert "list EndpointSlice" in tree["collect"]
    assert {"apply ModelRevision/status", "apply HTTPRoute", "apply ModelDeployment/status"} <= tree["act"].keys()
    assert tree["decide"] == {}
    roots = collected.named("reconcile")
    assert {root.parent for root in roots} == {""}
    assert len({root.trace for root in roots}) == len(roots)
    by_trace = {root.trace for root in roots}
    assert {part.trace for part in collected.spans} == by_trace


async def test_a_look_says_which_object_which_revisions_and_what_was_decided(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_collector() as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
        async with tracing():
            await world.serving("v1")
            await world.model("v4", errors=0.33)
            world.declare("v4")
            await world.run()
    look = next(look for look in collected.named("reconcile") if look.attributes.get("slipway.phase") == "RollingBack")
    hashes = {version: world.revision(version)["spec"]["hash"] for version in ("v1", "v4")}
    said = {name.removeprefix("slipway."): value for name, value in look.attributes.items()}
    assert len(said.pop("reconcile_id")) == 16
    assert said == {
        "namespace": "shop",
        "name": "fraud",
        "uid": world.deployment["metadata"]["uid"],
        "generation": world.deployment["metadata"]["generation"],
        "desired": hashes["v4"],
        "stable": hashes["v1"],
        "candidate": hashes["v4"],
        "phase": "RollingBack",
        "step": 0,
        "reason": "AnalysisFailed",
        "decisions": ["AnalysisFailed"],
        "result": "requeue_after",
    }
    measured = {
        (one.attributes["slipway.metric"], one.attributes["slipway.source"]) for one in collected.named("measure")
    }
    assert ("errors", "gateway") in measured
    assert look.resource["service.name"] == "slipway"


async def test_what_others_write_and_what_is_secret_is_in_no_span(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_collector() as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url.replace("//", "//us3r:s3cret@"))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=t0ken")
        async with tracing():
            world.declare("v1")
            world.cluster.fail_next("get", MODEL_DEPLOYMENT, Unavailable("the password is hunter2"))
            await world.run()
    assert collected.headers[0]["api-key"] == "t0ken"
    assert [word for word in (b"us3r", b"s3cret", b"t0ken", b"hunter2") if word in collected.raw] == []
    [failed] = [part for part in collected.spans if part.failed]
    assert (failed.name, failed.attributes["error.type"]) == ("get ModelDeployment", "Unavailable")


async def test_lines_of_a_look_carry_its_trace_its_object_and_its_revision(
    world: World, monkeypatch: pytest.MonkeyPatch, lines: list[dict[str, Any]]
) -> None:
    async with a_collector() as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
        async with tracing():
            await world.serving("v1")
    looks = {look.trace: look.attributes["slipway.reconcile_id"] for look in collected.named("reconcile")}
    decisions = [line for line in lines if "reason" in line]
    assert decisions
    for line in decisions:
        assert (line["namespace"], line["name"], line["revision"]) == ("shop", "fraud", world.name_of("v1"))
        assert looks[line["trace_id"]] == line["reconcileID"]


async def test_without_an_endpoint_nothing_is_recorded_and_no_line_has_a_trace(
    world: World, lines: list[dict[str, Any]]
) -> None:
    async with tracing():
        await world.serving("v1")
        with span("anything", about="nothing"):
            assert trace_id() is None
    assert lines
    assert all("reconcileID" in line and "trace_id" not in line for line in lines)


@pytest.mark.parametrize(
    "variables",
    [{}, {"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}],
    ids=lambda one: next(iter(one), ""),
)
def test_opentelemetry_is_not_even_imported_where_nobody_wants_traces(variables: dict[str, str]) -> None:
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"} if variables else {}
    code = (
        "import asyncio, sys, slipway.controller.main\n"
        "from slipway.controller.tracing import tracing, span\n"
        "async def main():\n"
        "    async with tracing():\n"
        "        with span('reconcile'): pass\n"
        "asyncio.run(main())\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    environment = {"PYTHONPATH": ":".join(sys.path), **asked, **variables}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "us3r:s3cret@collector:4318"}, "is no URL that begins with http"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc', and the operator speaks"),
        ({"OTEL_TRACES_EXPORTER": "jaeger"}, "OTEL_TRACES_EXPORTER is 'jaeger', and the operator knows otlp and none"),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "1"}, "one of the variables OTEL_.* cannot be read: .*max_export_batch_size"),
    ],
)
async def test_settings_that_cannot_be_are_told_and_leave_the_operator_without_traces(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, variables: dict[str, str], told: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with tracing():
        with span("reconcile"):
            assert trace_id() is None
    [line] = [record.getMessage() for record in caplog.records if record.name.startswith("slipway")]
    assert line.startswith("no traces are sent: ")
    assert re.search(told, line)
    assert "s3cret" not in line


async def test_an_installation_without_the_extra_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.delitem(sys.modules, "slipway.controller.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    async with tracing():
        pass
    assert "OpenTelemetry is not installed: pip install 'slipway[traces]'" in caplog.text


async def test_an_operator_that_is_told_to_end_sends_its_last_traces(
    installed: Cluster, kubeconfig: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")

    async def looked_at() -> bool:
        found = await installed.get(MODEL_DEPLOYMENT, "shop", "fraud")
        return bool(((found or {}).get("status") or {}).get("conditions"))

    async with a_collector() as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
        operator = asyncio.create_task(run(Settings(kubeconfig=kubeconfig)))
        declared = a_model_deployment("v1")
        del declared["status"]
        await installed.create(declared)
        await until(looked_at)
        assert collected.spans == []
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(operator, 30)
    looks = collected.named("reconcile")
    assert {look.attributes["slipway.name"] for look in looks} == {"fraud"}
    assert any(
        {"observe", "decide", "act", "apply ModelDeployment/status"}
        <= {*collected.tree(look), *collected.tree(look).get("act", {})}
        for look in looks
    )


@pytest.mark.parametrize(("sampler", "share"), [("parentbased_traceidratio", 0), ("always_on", 1)])
async def test_the_sampler_is_the_standards(monkeypatch: pytest.MonkeyPatch, sampler: str, share: int) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    async with a_collector() as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
        async with tracing():
            with span("reconcile"), span("observe"):
                assert (trace_id() is not None) == bool(share)
    assert [part.name for part in collected.spans] == ["observe", "reconcile"] * share


async def test_the_name_of_the_service_is_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "ours")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    async with a_collector() as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
        async with tracing():
            with span("reconcile"):
                note(phase="Stable")
    [only] = collected.spans
    assert only.attributes == {"slipway.phase": "Stable"}
    assert only.resource.items() >= {"service.name": "ours", "deployment.environment.name": "test"}.items()


async def test_a_collector_that_cannot_be_reached_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.3")
    async with tracing():
        await world.serving("v1")
        world.declare("v2")
        await world.run()
        assert world.stable == "v2"
    told = [record.getMessage() for record in caplog.records if "traces" in record.getMessage()]
    assert told == ["the collector does not take traces (no answer): they are dropped until it does"]


async def test_a_collector_that_refuses_is_told_once_and_once_more_when_it_takes_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def told(words: str) -> None:
        async with asyncio.timeout(30):
            while words not in caplog.text:
                with span("reconcile"):
                    pass
                await asyncio.sleep(0.02)

    async with a_collector() as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
        collected.status = 401
        async with tracing():
            await told("the collector does not take traces (answer 401)")
            collected.status = 200
            await told("the collector takes traces again")
    assert caplog.text.count("does not take traces") == 1


async def test_a_collector_that_hangs_keeps_no_operator_from_ending(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("slipway.controller.tracing.FLUSH", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        async with tracing():
            with span("reconcile"):
                pass
            began = time.monotonic()
        assert time.monotonic() - began < 8, "the exporter by itself would wait for ten seconds"
    assert "the last traces were not taken" in caplog.text
    assert FLUSH < 5, "with the 20 s of the looks, it ends within the shortest grace that the chart allows"
