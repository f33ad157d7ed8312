"""Releases from an MLflow registry over real HTTP: what is suggested, what is declared, and what an outage changes.

The registry answers as a real one was recorded to.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from unit.controller.builders import NAMESPACE, a_release
from unit.controller.jobs import IMAGE, arguments, finish, jobs, the_job
from unit.controller.world import World
from unit.registries.mlflow_server import MLflowServer, an_mlflow_server

from slipway.cluster import DEPLOYMENT, MODEL_REVISION, SECRET
from slipway.controller.registries import LONGEST_PAUSE, pause_after
from slipway.outside import Egress
from slipway.registries import Registry
from slipway.release import release_hash

SHORT: dict[str, Any] = {"strategy": {"canary": {"steps": [{"weight": 20}, {"weight": 60}]}}}
KEY = (NAMESPACE, "fraud")
DIGEST = f"sha256:{'ab' * 32}"


@pytest.fixture
async def mlflow() -> AsyncIterator[MLflowServer]:
    async with an_mlflow_server() as server:
        server.aliases["production"] = "1"
        yield server


def from_(server: MLflowServer | None, policy: str | None = None, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"mlflow": {"model": "fraud", "alias": "production"}, **more}
    if server is not None:
        found["mlflow"]["uri"] = server.url
    return found | ({"policy": policy} if policy else {})


def suggesting(server: MLflowServer, version: str = "1", **more: Any) -> dict[str, Any]:
    return a_release(version) | {"from": from_(server, **more)}


def automatic(server: MLflowServer | None, **more: Any) -> dict[str, Any]:
    release = a_release("") | {"from": from_(server, "Automatic", **more)}
    return release | {"model": {"name": "fraud"}}


def allowing(world: World) -> None:
    world.kill_operator()
    world.egress = Egress(("127.0.0.0/8",))
    world.start_operator()


async def heard(world: World) -> None:
    """Everything that was asked is answered, and followed by what follows."""
    await world.run()
    await world.registries.idle()
    await world.run()


async def moved(world: World, server: MLflowServer, version: str, alias: str = "production") -> None:
    """The alias moves, and the next interval is here."""
    server.aliases[alias] = version
    await asked(world)


async def asked(world: World) -> None:
    assert world.registries.ask_now(KEY)
    await heard(world)


async def serving_automatically(world: World, server: MLflowServer, **more: Any) -> None:
    allowing(world)
    world.declare(release=automatic(server, **more), **SHORT)
    await heard(world)
    assert world.stable == "1", world.story()


# --- Suggest ----------------------------------------------------------------------------------------------------------


async def test_another_version_is_suggested_and_nothing_rolls_out(world: World, mlflow: MLflowServer) -> None:
    allowing(world)
    world.declare(release=suggesting(mlflow), **SHORT)
    await heard(world)
    assert world.stable == "1"
    assert "suggestion" not in world.status
    mlflow.tags["2"] = {"slipway.dev/digest": DIGEST}
    await moved(world, mlflow, "2")
    assert world.versions() == ["1"]
    suggestion = world.status["suggestion"]
    assert suggestion["release"] == {"model": {"version": "2", "uri": "s3://models/fraud/2", "digest": DIGEST}}
    assert mlflow.url in suggestion["source"]
    assert world.condition("Suggested")["reason"] == "ReleaseSuggested"
    assert world.condition("Ready")["status"] == "True"
    assert [reason for _, reason, _ in world.events()].count("ReleaseSuggested") == 1


async def test_a_suggestion_that_was_declared_is_no_suggestion_any_more(world: World, mlflow: MLflowServer) -> None:
    allowing(world)
    world.declare(release=suggesting(mlflow), **SHORT)
    await heard(world)
    await moved(world, mlflow, "2")
    world.declare(release=suggesting(mlflow, "2"))
    await heard(world)
    assert world.stable == "2"
    assert "suggestion" not in world.status
    assert world.condition("Suggested") == {}


async def test_where_a_release_comes_from_is_no_part_of_it(world: World, mlflow: MLflowServer) -> None:
    allowing(world)
    await world.serving("1", **SHORT)
    world.declare(release=suggesting(mlflow))
    await heard(world)
    (revision,) = world.mirror.objects(MODEL_REVISION)
    assert revision["spec"]["hash"] == release_hash(a_release("1"))
    assert "from" not in revision["spec"]["release"]
    assert world.record("1")["attempt"] == 1


# --- Automatic --------------------------------------------------------------------------------------------------------


async def test_what_the_alias_names_is_rolled_out_as_an_immutable_release(world: World, mlflow: MLflowServer) -> None:
    await serving_automatically(world, mlflow)
    await moved(world, mlflow, "2")
    assert world.stable == "2"
    spec = world.revision("2")["spec"]
    assert spec["release"]["model"] == {"name": "fraud", "version": "2", "uri": "s3://models/fraud/2"}
    assert "from" not in spec["release"]
    assert spec["hash"] == release_hash(spec["release"]) == world.status["resolved"]["hash"]


async def test_a_restart_without_a_registry_changes_nothing(world: World, mlflow: MLflowServer) -> None:
    await serving_automatically(world, mlflow)
    mlflow.instead = web.Response(status=500)
    allowing(world)
    await world.run()
    await asked(world)
    assert world.stable == "1"
    assert world.condition("Ready")["status"] == "True"
    assert world.condition("RegistryFailing")["reason"] == "RegistryUnreachable"
    since = world.condition("RegistryFailing")["lastTransitionTime"]
    await world.pass_time(400)
    await asked(world)
    assert world.condition("RegistryFailing")["lastTransitionTime"] == since
    mlflow.instead = None
    await asked(world)
    assert world.condition("RegistryFailing") == {}
    assert world.versions() == ["1"]


async def test_a_first_release_waits_for_the_registry(world: World, mlflow: MLflowServer) -> None:
    allowing(world)
    mlflow.aliases.clear()
    world.declare(release=automatic(mlflow), **SHORT)
    await heard(world)
    assert world.versions() == []
    ready = world.condition("Ready")
    assert (world.status["phase"], ready["reason"]) == ("Holding", "AwaitingRegistry")
    assert "has no alias production" in ready["message"]
    assert world.condition("Stalled") == {}
    await moved(world, mlflow, "1")
    assert world.stable == "1"


async def test_a_manifest_that_was_corrected_is_not_shown_as_invalid_while_its_registry_is_waited_for(
    world: World, mlflow: MLflowServer
) -> None:
    allowing(world)
    mlflow.aliases.clear()
    good = automatic(mlflow)
    world.declare(release=good | {"schemas": {"input": "{"}}, **SHORT)
    mlflow.aliases["production"] = "1"
    await heard(world)
    assert world.status["phase"] == "InvalidSpec"
    mlflow.aliases.clear()
    missing = {**good, "from": {**good["from"], "mlflow": {**good["from"]["mlflow"], "alias": "champion"}}}
    world.edit(world.deployment, spec=world.deployment["spec"] | {"release": missing})
    await heard(world)
    assert world.condition("Ready")["reason"] == "AwaitingRegistry"
    assert world.status["phase"] == "Holding"


async def test_an_alias_that_moves_back_returns_without_being_judged(world: World, mlflow: MLflowServer) -> None:
    await serving_automatically(world, mlflow)
    await moved(world, mlflow, "2")
    await moved(world, mlflow, "1")
    assert world.stable == "1"
    assert ("Pending", "ReleaseReturns") in world.timeline("1")


async def test_a_rejected_version_is_not_tried_again_because_an_alias_comes_and_goes(
    world: World, mlflow: MLflowServer
) -> None:
    await serving_automatically(world, mlflow)
    world.golden(200)
    await world.model("2", accuracy=0.2)
    await moved(world, mlflow, "2")
    assert world.phase("2") == "RolledBack"
    await asked(world)
    await moved(world, mlflow, "1")
    await moved(world, mlflow, "2")
    assert (world.stable, world.phase("2"), world.record("2")["attempt"]) == ("1", "RolledBack", 1)
    await world.model("2", accuracy=1.0)
    about = f"retry@{world.revision('2')['spec']['hash']}#1"
    metadata = world.deployment["metadata"]
    world.edit(world.deployment, metadata=metadata | {"annotations": {"slipway.dev/command": about}})
    await world.run()
    assert world.stable == "2"


async def test_another_source_changes_nothing_before_it_has_answered(world: World, mlflow: MLflowServer) -> None:
    await serving_automatically(world, mlflow)
    release = automatic(mlflow)
    release["from"]["mlflow"]["alias"] = "nobody-set-it"
    release["container"]["image"] = "models.example/fraud:2"
    world.declare(release=release)
    await heard(world)
    assert (world.stable, world.versions()) == ("1", ["1"])
    assert world.condition("Ready")["status"] == "True"
    assert world.condition("RegistryFailing")["reason"] == "RegistryNotFound"
    mlflow.aliases["nobody-set-it"] = "2"
    await asked(world)
    assert world.stable == "2"


# --- what only the server can read -----------------------------------------------------------------------------------


async def served_by_mlflow(world: World, server: MLflowServer, release: dict[str, Any]) -> list[str]:
    """The options by which what fetches version 1 of a server that hands its artifacts on itself finds the server: the
    same of the Job that verifies it, and of its pods."""
    server.versions["1"] = "mlflow-artifacts:/1/models/fraud/artifacts"
    world.egress = Egress(("127.0.0.0/8",))
    world.image = IMAGE
    world.kill_operator()
    world.start_operator()
    world.declare(release=release | {"delivery": {"credentials": {"secretName": "store"}}}, **SHORT)
    await world.pass_time(1)
    await world.registries.idle()
    await world.run(lambda: bool(jobs(world)))
    assert arguments(the_job(world))[:2] == ["verify", "mlflow:models:/fraud/1"]
    finish(world, {"digest": DIGEST, "bytes": 7, "files": 2, "verified": []})
    await world.run(lambda: world.stable == "1")
    (deployment,) = world.mirror.objects(DEPLOYMENT)
    (fetch,) = deployment["spec"]["template"]["spec"]["initContainers"]
    said = [
        [word for word in words if word.startswith("--mlflow")] for words in (arguments(the_job(world)), fetch["args"])
    ]
    assert said[0] == said[1]
    return said[0]


async def test_what_fetches_is_told_the_server_that_the_release_was_resolved_by(
    world: World, mlflow: MLflowServer
) -> None:
    world.registry = Registry("http://other.example:5000")
    assert await served_by_mlflow(world, mlflow, automatic(mlflow)) == [f"--mlflow-tracking-uri={mlflow.url}"]
    assert world.revision("1")["spec"]["mlflowTrackingUri"] == mlflow.url
    assert mlflow.url not in str(world.revision("1")["spec"]["release"])


async def test_what_fetches_is_told_the_operators_server_where_nothing_else_names_one(
    world: World, mlflow: MLflowServer
) -> None:
    world.registry = Registry(f"{mlflow.url}/")
    assert await served_by_mlflow(world, mlflow, automatic(None)) == [f"--mlflow-tracking-uri={mlflow.url}"]


async def test_a_server_that_a_secret_names_is_not_recorded_and_no_other_one_takes_its_place(
    world: World, mlflow: MLflowServer
) -> None:
    world.registry = Registry("http://other.example:5000")
    a_secret(world, MLFLOW_TRACKING_URI=mlflow.url)
    release = automatic(None, credentials={"secretName": "registry"})
    assert await served_by_mlflow(world, mlflow, release) == []
    assert mlflow.url not in str(world.revision("1"))


async def test_a_declared_version_of_mlflow_is_of_the_server_that_it_is_followed_at(
    world: World, mlflow: MLflowServer
) -> None:
    release = suggesting(mlflow)
    release["model"] = release["model"] | {"uri": "mlflow:models:/fraud/1"}
    assert await served_by_mlflow(world, mlflow, release) == [f"--mlflow-tracking-uri={mlflow.url}"]


async def test_a_release_goes_on_with_the_server_that_its_revision_was_created_with(
    world: World, mlflow: MLflowServer
) -> None:
    await served_by_mlflow(world, mlflow, automatic(mlflow))
    before = world.mirror.objects(DEPLOYMENT)
    async with an_mlflow_server() as other:
        other.aliases["production"] = "1"
        other.versions = mlflow.versions
        release = automatic(other) | {"delivery": {"credentials": {"secretName": "store"}}}
        world.declare(release=release)
        await heard(world)
        await world.pass_time(60)
    assert world.status["resolved"]["source"].endswith(other.url)
    assert world.revision("1")["spec"]["mlflowTrackingUri"] == mlflow.url
    assert [obj["spec"]["template"] for obj in world.mirror.objects(DEPLOYMENT)] == [
        obj["spec"]["template"] for obj in before
    ]


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "reason", "said"),
    [
        (web.Response(status=503), "RegistryUnreachable", "HTTP 503"),
        (web.Response(status=401), "RegistryRefused", "spec.release.from.credentials"),
        (web.Response(text="<html>welcome</html>"), "RegistryAnswer", "check the address"),
        (web.Response(text="[" * 100_000), "RegistryAnswer", "check the address"),
        (web.json_response({"model_version": {"version": "x/../y"}}), "RegistryAnswer", "is no number"),
        (web.json_response({"model_version": {"version": 7}}), "RegistryAnswer", "no text"),
        (web.json_response({"model_version": []}), "RegistryAnswer", "no model_version"),
        (web.Response(body=b"x" * (1024 * 1024 + 1)), "RegistryUnreachable", "more than"),
        (web.Response(status=404, text="<h1>Not Found</h1>"), "RegistryAnswer", "check the address"),
        (
            web.json_response({"model_version": {"version": "3", "status": "PENDING_REGISTRATION"}}),
            "RegistryNotFound",
            "is not ready",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_answer_that_names_nothing_is_told_and_changes_nothing(
    world: World, mlflow: MLflowServer, answer: web.Response, reason: str, said: str
) -> None:
    await serving_automatically(world, mlflow)
    mlflow.instead = answer
    await asked(world)
    found = world.condition("RegistryFailing")
    assert (found["status"], found["reason"]) == ("True", reason)
    assert said in found["message"]
    assert found["message"].startswith("spec.release.from.")
    assert (world.stable, world.versions()) == ("1", ["1"])


async def test_an_alias_and_a_model_that_do_not_exist_are_named(world: World, mlflow: MLflowServer) -> None:
    await serving_automatically(world, mlflow)
    mlflow.aliases.clear()
    await asked(world)
    assert (
        "spec.release.from.mlflow.alias: model fraud has no alias production"
        in world.condition("RegistryFailing")["message"]
    )
    release = automatic(mlflow)
    release["from"]["mlflow"]["model"] = "nobody"
    world.declare(release=release)
    await heard(world)
    assert (
        "spec.release.from.mlflow.model: the server has no model nobody"
        in world.condition("RegistryFailing")["message"]
    )


async def test_private_addresses_are_not_reached_without_a_rule(world: World, mlflow: MLflowServer) -> None:
    world.declare(release=automatic(mlflow), **SHORT)
    await heard(world)
    assert "may not be reached" in world.condition("Ready")["message"]
    assert mlflow.asked == []


async def test_a_source_that_cannot_be_read_is_refused(world: World, mlflow: MLflowServer) -> None:
    allowing(world)
    both = suggesting(mlflow)
    both["from"]["s3"] = {"prefix": "s3://models/fraud"}
    world.declare(release=both, **SHORT)
    await world.run()
    assert "spec.release.from: name exactly one of mlflow" in world.condition("Ready")["message"]
    world.declare(
        release=a_release("1")
        | {"from": from_(None) | {"mlflow": {"uri": "http://me:secret@mlflow/", "model": "m", "alias": "a"}}}
    )
    await world.run()
    assert "spec.release.from.mlflow.uri" in world.condition("Ready")["message"]
    assert "secret" not in str(world.status)
    world.declare(release={"model": {"name": "fraud"}, "container": {"image": "models.example/fraud:1"}})
    await world.run()
    assert "spec.release.model.version" in world.condition("Ready")["message"]


# --- credentials and servers ------------------------------------------------------------------------------------------


def a_secret(world: World, **values: str) -> None:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    metadata = {"name": "registry", "namespace": NAMESPACE}
    world.cluster.put({"apiVersion": "v1", "kind": SECRET.kind, "metadata": metadata, "data": data})


async def test_the_secret_names_the_server_and_who_asks(world: World, mlflow: MLflowServer) -> None:
    allowing(world)
    a_secret(world, MLFLOW_TRACKING_URI=mlflow.url, MLFLOW_TRACKING_TOKEN="t0ken")
    world.declare(release=automatic(None, credentials={"secretName": "registry"}), **SHORT)
    await heard(world)
    assert world.stable == "1"
    assert set(mlflow.authorizations) == {"Bearer t0ken"}
    a_secret(world, MLFLOW_TRACKING_URI=mlflow.url, MLFLOW_TRACKING_USERNAME="me\n", MLFLOW_TRACKING_PASSWORD="pw\n")
    await asked(world)
    assert mlflow.authorizations[-1] == "Basic bWU6cHc="
    assert "t0ken" not in str(world.cluster.requests) + str(world.status)


async def test_a_secret_that_is_not_there_is_named(world: World, mlflow: MLflowServer) -> None:
    allowing(world)
    world.declare(release=automatic(mlflow, credentials={"secretName": "registry"}), **SHORT)
    await heard(world)
    assert "credentials.secretName: Secret shop/registry does not exist" in world.condition("Ready")["message"]


async def test_the_operators_server_is_the_last_resort(world: World, mlflow: MLflowServer) -> None:
    allowing(world)
    world.declare(release=automatic(None), **SHORT)
    await heard(world)
    assert "no server is named" in world.condition("Ready")["message"]
    world.registry = Registry(mlflow.url)
    allowing(world)
    await heard(world)
    assert world.stable == "1"


# --- how often --------------------------------------------------------------------------------------------------------


async def test_one_request_an_interval_is_all_while_nothing_changes(world: World, mlflow: MLflowServer) -> None:
    await serving_automatically(world, mlflow)
    mlflow.asked.clear()
    writes = len(world.writes())
    for _ in range(3):
        await asked(world)
    assert mlflow.asked == ["GET registered-models/alias"] * 3
    assert len(world.writes()) == writes


async def test_a_look_does_not_wait_for_a_registry(world: World, mlflow: MLflowServer) -> None:
    await serving_automatically(world, mlflow)
    mlflow.opens = asyncio.Event()
    world.registries.ask_now(KEY)
    world.declare(release=automatic(mlflow, interval="10m"))
    await asyncio.wait_for(world.run(), 30)
    assert world.condition("Ready")["status"] == "True"
    mlflow.opens.set()


@pytest.mark.parametrize(("failures", "least", "most"), [(0, 270, 330), (1, 13.5, 16.5), (3, 54, 66), (50, 540, 660)])
def test_failures_are_tried_again_soon_and_then_ever_less_often(failures: int, least: float, most: float) -> None:
    assert pause_after(failures, 300.0, spread=lambda: 0.0) == pytest.approx(least)
    assert pause_after(failures, 300.0, spread=lambda: 1.0) == pytest.approx(most)
    assert pause_after(50, 3600.0, spread=lambda: 0.5) == pytest.approx(max(3600.0, LONGEST_PAUSE))


# --- writing back -----------------------------------------------------------------------------------------------------


BACK: dict[str, Any] = {"writeBack": {"alias": "champion", "tag": "slipway.dev/rollout"}}


async def written(world: World) -> None:
    await heard(world)
    await world.writing_back.idle()
    await heard(world)


async def champion(world: World, mlflow: MLflowServer) -> None:
    """Version 1 serves, and the registry knows it."""
    await serving_automatically(world, mlflow, **BACK)
    await written(world)
    assert mlflow.aliases["champion"] == "1"


async def test_a_promotion_is_written_into_the_registry_once(world: World, mlflow: MLflowServer) -> None:
    await champion(world, mlflow)
    mlflow.asked.clear()
    await moved(world, mlflow, "2")
    await written(world)
    assert mlflow.aliases["champion"] == "2"
    assert mlflow.tags["2"] == {"slipway.dev/rollout": "Promoted"}
    assert len(mlflow.written()) == 2
    for _ in range(2):
        allowing(world)
        await written(world)
    assert len(mlflow.written()) == 2
    assert {one["state"] for one in world.status["registry"]["writtenBack"]} == {"Written"}
    assert [reason for _, reason, _ in world.events()].count("RegistryWritten") == 4


async def test_an_alias_that_somebody_moved_since_is_left_where_it_is(world: World, mlflow: MLflowServer) -> None:
    await champion(world, mlflow)
    mlflow.aliases["champion"] = "2"
    allowing(world)
    await written(world)
    assert mlflow.aliases["champion"] == "2"


async def test_what_was_cut_off_is_looked_up_before_it_is_written_again(world: World, mlflow: MLflowServer) -> None:
    allowing(world)
    world.declare(release=automatic(mlflow, **BACK), **SHORT)
    await world.run()
    await world.registries.idle()
    await world.run(until=lambda: bool((world.status.get("registry") or {}).get("writtenBack")))
    states = [one["state"] for one in world.status["registry"]["writtenBack"]]
    assert set(states) == {"Writing"}
    await world.writing_back.idle()  # the registry has it, and the operator ends before it could say so
    count = len(mlflow.written())
    allowing(world)
    await written(world)
    assert len(mlflow.written()) == count == 2
    assert {one["state"] for one in world.status["registry"]["writtenBack"]} == {"Written"}


async def test_a_rejected_version_is_tagged_with_the_reason_and_no_alias_moves(
    world: World, mlflow: MLflowServer
) -> None:
    await champion(world, mlflow)
    world.golden(200)
    await world.model("2", accuracy=0.2)
    await moved(world, mlflow, "2")
    await written(world)
    assert mlflow.tags["2"] == {"slipway.dev/rollout": "RolledBack: AnalysisFailed"}
    assert mlflow.aliases["champion"] == "1"


async def test_a_haul_back_after_a_promotion_moves_the_alias_back(world: World, mlflow: MLflowServer) -> None:
    await serving_automatically(world, mlflow, **BACK)
    watched = {"rollback": {"watch": "10m", "scaleDownDelay": "30s"}}
    world.edit(world.deployment, spec=world.deployment["spec"] | watched)
    await moved_until_promoted(world, mlflow)
    await world.writing_back.idle()
    assert mlflow.aliases["champion"] == "2"
    about = f"abort@{world.revision('2')['spec']['hash']}#1"
    world.edit(
        world.deployment, metadata=world.deployment["metadata"] | {"annotations": {"slipway.dev/command": about}}
    )
    await world.run(until=lambda: world.stable == "1")
    await world.writing_back.idle()
    await written(world)
    assert mlflow.aliases["champion"] == "1"
    assert mlflow.tags["2"]["slipway.dev/rollout"].startswith("RolledBack")


async def moved_until_promoted(world: World, mlflow: MLflowServer) -> None:
    mlflow.aliases["production"] = "2"
    world.registries.ask_now(KEY)
    await world.registries.idle()
    await world.run(until=lambda: world.stable == "2")


async def test_a_registry_that_fails_is_tried_again_and_holds_nothing_up(world: World, mlflow: MLflowServer) -> None:
    await champion(world, mlflow)
    world.declare(release=a_release("2") | {"from": from_(mlflow, **BACK)})
    mlflow.instead = web.Response(status=503)
    await world.run(until=lambda: world.stable == "2")
    assert world.condition("Ready")["status"] == "True"
    mlflow.instead = None
    await written(world)
    assert mlflow.aliases["champion"] == "2"


async def test_a_version_that_the_registry_does_not_know_is_told_once(world: World, mlflow: MLflowServer) -> None:
    allowing(world)
    world.declare(release=a_release("v1") | {"from": from_(mlflow, writeBack={"alias": "champion"})}, **SHORT)
    await written(world)
    assert world.stable == "v1"
    (entry,) = world.status["registry"]["writtenBack"]
    assert entry["state"] == "Failed"
    assert "spec.release.model.version has to be the registry's number" in entry["message"]
    assert [reason for _, reason, _ in world.events()].count("RegistryNotWritten") == 1
