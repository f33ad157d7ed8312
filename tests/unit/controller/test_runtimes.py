"""Releases that leave it to a runtime what serves them: settled once, and what serves goes on whatever comes of it."""

from __future__ import annotations

from typing import Any

import pytest
from unit.controller.builders import NAMESPACE, a_model_deployment
from unit.controller.world import World

from slipway.cluster import CLUSTER_MODEL_RUNTIME, DEPLOYMENT, MODEL_REVISION, MODEL_RUNTIME, Forbidden, Kind, Object

IMAGE = "models.example/fraud:1"


def a_runtime(name: str = "house", *formats: str, cluster: bool = True, **container: Any) -> Object:
    kind = CLUSTER_MODEL_RUNTIME if cluster else MODEL_RUNTIME
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": name} if cluster else {"name": name, "namespace": NAMESPACE},
        "spec": {
            "supportedFormats": [{"name": one} for one in formats or ("sklearn",)],
            "container": {"image": IMAGE, "args": ["--model={{model.name}}"], **container},
        },
    }


def by_format(version: str, **parts: Any) -> Object:
    return {"model": {"name": "fraud", "version": version, "format": "sklearn"}, **parts}


async def serving(world: World) -> None:
    world.cluster.put(a_runtime())
    world.cluster.put(a_model_deployment(release=by_format("v1")))
    await world.run()
    assert world.stable == "v1", world.story()


def args_of(world: World, version: str) -> list[str]:
    deployment = world.mirror.one(DEPLOYMENT, world.name_of(version))
    found: list[str] = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    return found


async def test_a_release_that_only_names_its_format_serves_by_the_runtime_for_it(world: World) -> None:
    await serving(world)
    frozen = world.revision("v1")["spec"]["runtime"]
    assert (frozen["kind"], frozen["name"]) == ("ClusterModelRuntime", "house")
    assert args_of(world, "v1") == frozen["container"]["args"] == ["--model=fraud"]


async def test_an_edited_runtime_changes_nothing_that_serves_and_its_digest_rolls_it_out(world: World) -> None:
    await serving(world)
    world.cluster.put(a_runtime(args=["--model={{model.name}}", "--workers=2"]))
    await world.run()
    told = world.condition("RuntimeChanged")
    assert (told["status"], told["reason"]) == ("True", "RuntimeEdited")
    assert args_of(world, "v1") == ["--model=fraud"]
    assert world.condition("Ready")["status"] == "True", "it is only told"
    digest = told["message"].rpartition("digest: ")[2]
    reference = {"kind": "ClusterModelRuntime", "name": "house", "digest": digest}
    spec = world.deployment["spec"] | {"release": by_format("v2", runtime=reference)}
    world.edit(world.deployment, spec=spec)
    await world.run()
    assert world.stable == "v2", world.story()
    assert args_of(world, "v2") == ["--model=fraud", "--workers=2"]
    assert not world.condition("RuntimeChanged")


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("https://ann:word@store.example/model", "it holds a user or a password"),
        ("https://store.example/model?X-Amz-Signature=word", "its query holds a token or a signature"),
        ("ftp://store.example/model", "ftp: is not a scheme that can be fetched"),
    ],
)
async def test_an_address_that_a_runtime_cannot_deliver_is_recorded_nowhere(world: World, uri: str, says: str) -> None:
    runtime = a_runtime()
    world.cluster.put(runtime | {"spec": runtime["spec"] | {"delivery": {}}})
    release = by_format("v1")
    wrong = release | {"model": release["model"] | {"uri": uri}}
    world.cluster.put(a_model_deployment(release=wrong))
    await world.run()
    ready = world.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "RuntimeInvalid")
    assert f"spec.release.model.uri: {says}" in ready["message"]
    assert not world.mirror.objects(MODEL_REVISION), "a revision stays as it is, and is shown"
    assert "word" not in str(world.status).replace("password", "")


async def test_a_first_release_waits_for_its_runtime_and_starts_when_it_is_there(world: World) -> None:
    world.cluster.put(a_model_deployment(release=by_format("v1")))
    await world.run()
    ready = world.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "RuntimeNotFound")
    assert "spec.release.model.format: no runtime serves sklearn" in ready["message"]
    assert world.status["phase"] == "Holding"
    assert not world.mirror.objects(MODEL_REVISION)
    assert [event[:2] for event in world.events()] == [("Warning", "RuntimeNotFound")]
    world.cluster.put(a_runtime())
    await world.run()
    assert world.stable == "v1", "nobody has to touch the ModelDeployment"


async def test_what_serves_goes_on_while_the_declared_release_comes_to_nothing(world: World) -> None:
    await serving(world)
    world.cluster.put(a_runtime("other"))
    world.edit(world.deployment, spec=world.deployment["spec"] | {"release": by_format("v2")})
    await world.run()
    ready = world.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "RuntimeAmbiguous")
    assert "ClusterModelRuntime house and ClusterModelRuntime other" in ready["message"]
    assert world.weights == {"v1": 10_000}
    assert world.condition("Available")["status"] == "True"
    assert world.versions() == ["v1"], "nothing is created"
    await world.cluster.delete(CLUSTER_MODEL_RUNTIME, None, "other")
    await world.run()
    assert world.stable == "v2"


async def test_a_candidate_that_is_not_declared_any_more_does_not_keep_its_share(world: World) -> None:
    """Nobody would judge it, while the release that took its place comes to nothing."""
    await serving(world)
    world.edit(world.deployment, spec=world.deployment["spec"] | {"release": by_format("v2")})
    await world.run(lambda: world.phase("v2") == "Stepping")
    release = by_format("v3", runtime={"name": "gone"})
    world.edit(world.deployment, spec=world.deployment["spec"] | {"release": release})
    await world.pass_time(60)
    assert world.condition("Ready")["reason"] == "RuntimeNotFound"
    assert world.weights == {"v1": 10_000}
    assert world.phase("v2") == "Superseded"


async def test_a_release_that_is_watched_goes_on_being_watched(world: World) -> None:
    await serving(world)
    spec = world.deployment["spec"] | {"release": by_format("v2"), "rollback": {"watch": "10m"}}
    world.edit(world.deployment, spec=spec)
    await world.run(lambda: world.phase("v2") == "Watching")
    world.edit(world.deployment, spec=spec | {"release": by_format("v3", runtime={"name": "gone"})})
    await world.pass_time(60)
    assert world.condition("Ready")["reason"] == "RuntimeNotFound"
    assert world.phase("v2") == "Watching"
    assert world.status["standby"]["version"] == "v1", "there is no other release yet that could take its place"


async def test_a_pinned_digest_that_is_not_there_names_both(world: World) -> None:
    world.cluster.put(a_runtime())
    wrong = "sha256:" + "0" * 64
    release = by_format("v1", runtime={"name": "house", "digest": wrong})
    world.cluster.put(a_model_deployment(release=release))
    await world.run()
    ready = world.condition("Ready")
    assert ready["reason"] == "RuntimeDigestDiffers"
    assert ready["message"].count("sha256:") == 2
    assert not world.mirror.objects(MODEL_REVISION)


async def test_a_runtime_of_the_namespace_serves_where_those_of_the_cluster_may_not_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = world.cluster.get

    async def closed(kind: Kind, namespace: str | None, name: str) -> Object | None:
        if kind == CLUSTER_MODEL_RUNTIME:
            raise Forbidden("clustermodelruntimes may not be read")
        return await get(kind, namespace, name)

    monkeypatch.setattr(world.cluster, "get", closed)
    world.cluster.put(a_model_deployment(release=by_format("v1", runtime={"name": "house"})))
    await world.run()
    message = world.condition("Ready")["message"]
    assert "this operator cannot read all runtimes, so write a ModelRuntime that it can read" in message
    assert message.endswith("clustermodelruntimes may not be read")
    world.cluster.put(a_runtime(cluster=False))
    await world.run()
    assert world.stable == "v1"
    assert world.revision("v1")["spec"]["runtime"]["kind"] == "ModelRuntime"


async def test_an_edit_of_a_runtime_wakes_only_those_that_it_may_serve(world: World) -> None:
    await world.serving("v1")
    looks = world.looks
    world.cluster.put(a_runtime())
    await world.run()
    assert world.looks == looks
