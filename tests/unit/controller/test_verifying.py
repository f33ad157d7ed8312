"""Phase Verifying: what a delivered release is made of is known, and as it has to be, before a pod of it exists."""

from __future__ import annotations

from typing import Any

import pytest
from unit.controller.builders import NAMESPACE, a_release
from unit.controller.jobs import IMAGE, arguments, fail, finish, jobs, put_pod, the_job
from unit.controller.world import World

from slipway.cluster import CONFIG_MAP, DEPLOYMENT, JOB, POD, Object

URI = "s3://models/fraud/v2"
DIGEST = f"sha256:{'ab' * 32}"
OTHER = f"sha256:{'cd' * 32}"
FOUND = {"digest": DIGEST, "bytes": 7, "files": 2, "verified": []}


def delivered(version: str = "v2", *, digest: str | None = None, uri: str = URI, **delivery: Any) -> Object:
    """A release whose model is brought to its pods."""
    release = a_release(version)
    pinned = {"digest": digest} if digest else {}
    return release | {"model": release["model"] | {"uri": uri} | pinned, "delivery": delivery}


@pytest.fixture
async def shop(world: World) -> World:
    """v1 serves, and the operator knows its image."""
    world.kill_operator()
    world.image = IMAGE
    world.start_operator()
    await world.serving("v1")
    return world


def pods_of(world: World, version: str) -> Object | None:
    """The Deployment of a release; None where it has none."""
    name = world.name_of(version)
    return next((obj for obj in world.mirror.objects(DEPLOYMENT) if obj["metadata"]["name"] == name), None)


async def asked(world: World, **release: Any) -> None:
    """v2 is declared, and the Job is there."""
    world.declare("v2", release=delivered(**release))
    await world.run(lambda: bool(jobs(world)))


async def test_no_pod_of_a_release_exists_while_its_artifact_is_verified(shop: World) -> None:
    await asked(shop)
    await shop.pass_time(60)
    assert (shop.phase("v2"), shop.record("v2")["reason"]) == ("Verifying", "WaitingForArtifact")
    assert pods_of(shop, "v2") is None
    assert len(jobs(shop)) == 1


async def test_what_was_verified_is_recorded_and_is_what_every_pod_fetches(shop: World) -> None:
    await asked(shop)
    finish(shop, FOUND)
    await shop.run(lambda: shop.stable == "v2")
    artifact = shop.record("v2")["artifact"]
    assert {key: artifact[key] for key in ("uri", "digest", "bytes", "files")} == {
        "uri": URI,
        "digest": DIGEST,
        "bytes": 7,
        "files": 2,
    }
    deployment = pods_of(shop, "v2")
    assert deployment is not None
    (fetch,) = deployment["spec"]["template"]["spec"]["initContainers"]
    assert (fetch["image"], fetch["args"][:2]) == (IMAGE, ["fetch", URI])
    assert f"--digest={DIGEST}" in fetch["args"]
    assert [phase for phase, _ in shop.timeline("v2")][:3] == ["Pending", "Verifying", "Starting"]


async def test_an_upgraded_operator_leaves_the_pods_the_image_that_they_were_born_with(shop: World) -> None:
    await asked(shop)
    finish(shop, FOUND)
    await shop.run(lambda: shop.stable == "v2")
    shop.kill_operator()
    shop.image = "slipway.example/slipway:2"
    shop.start_operator()
    await shop.pass_time(60)  # the world watches over templates that the operator changes
    deployment = pods_of(shop, "v2")
    assert deployment is not None
    assert deployment["spec"]["template"]["spec"]["initContainers"][0]["image"] == IMAGE


async def test_a_release_that_is_refused_never_gets_a_pod_and_stable_goes_on(shop: World) -> None:
    await asked(shop, digest=OTHER)
    finish(shop, {"refused": f"spec.release.model.digest: the URI holds {DIGEST}, and {OTHER} is wanted"})
    await shop.run(lambda: shop.phase("v2") == "RolledBack")
    assert pods_of(shop, "v2") is None
    assert ("RollingBack", "VerificationFailed") in shop.timeline("v2")
    assert "spec.release.model.digest" in shop.record("v2")["timeline"][-2]["message"]
    assert shop.stable == "v1"
    assert shop.condition("Ready")["status"] == "False"
    assert shop.condition("Available")["status"] == "True"


async def test_a_store_that_does_not_answer_is_waited_for_and_then_told(shop: World) -> None:
    await asked(shop)
    put_pod(shop, the_job(shop), "Failed", exitCode=1, reason="Error", message="spec.release.model.uri: nobody answers")
    await shop.pass_time(100)
    assert shop.phase("v2") == "Verifying"
    assert "nobody answers" in shop.condition("Ready")["message"]
    await shop.pass_time(60)
    assert ("RollingBack", "VerificationDeadlineExceeded") in shop.timeline("v2")
    assert pods_of(shop, "v2") is None


async def test_a_job_that_was_given_up_says_so_until_the_deadline(shop: World) -> None:
    await asked(shop)
    fail(shop, "BackoffLimitExceeded", "spec.release.delivery.credentials: the key is not enough")
    await shop.pass_time(20)
    assert shop.phase("v2") == "Verifying"
    assert "the key is not enough" in shop.condition("Ready")["message"]


@pytest.mark.parametrize("result", ["", "no JSON", {"bytes": 3}, {"digest": "sha256:1"}])
async def test_a_result_that_says_nothing_starts_no_pod(shop: World, result: object) -> None:
    await asked(shop)
    finish(shop, result)
    await shop.pass_time(20)
    assert shop.phase("v2") == "Verifying"
    assert pods_of(shop, "v2") is None


async def test_an_operator_without_its_image_says_so_and_starts_nothing(world: World) -> None:
    world.declare("v2", release=delivered())
    await world.run(lambda: world.phase("v2") == "Verifying")
    await world.pass_time(10)
    assert "--image" in world.condition("Ready")["message"]
    assert jobs(world) == []


async def test_a_retry_asks_anew(shop: World) -> None:
    await asked(shop)
    finish(shop, {"refused": "spec.release.model.uri: it is empty"})
    await shop.run(lambda: shop.phase("v2") == "RolledBack")
    hash_ = shop.revision("v2")["spec"]["hash"]
    metadata = shop.deployment["metadata"]
    annotations = metadata.get("annotations", {}) | {"slipway.dev/command": f"retry@{hash_[:8]}#1"}
    shop.edit(shop.deployment, metadata=metadata | {"annotations": annotations})
    await shop.run(lambda: len(jobs(shop)) == 2)
    assert shop.phase("v2") == "Verifying"


async def test_the_job_of_a_release_that_is_off_is_ended(shop: World) -> None:
    await asked(shop)
    shop.declare("v1")
    await shop.run(lambda: not jobs(shop))
    assert shop.phase("v2") == "Superseded"


async def test_a_release_that_returns_is_not_verified_again(shop: World) -> None:
    await asked(shop)
    finish(shop, FOUND)
    await shop.run(lambda: shop.stable == "v2")
    shop.declare("v1")
    await shop.run(lambda: shop.stable == "v1")
    shop.declare("v2", release=delivered())
    await shop.run(lambda: shop.stable == "v2")
    created = [write for write in shop.writes() if (write.verb, write.kind) == ("create", JOB)]
    assert len(created) == 1


async def test_the_job_fetches_with_the_users_credentials_and_without_any_right(shop: World) -> None:
    cache = {"claimName": "models", "maxSize": "200Gi"}
    await asked(shop, digest=DIGEST, credentials={"secretName": "store"}, maxSize="20Gi", cache=cache)
    spec = the_job(shop)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "store"}}]
    assert arguments(the_job(shop))[:2] == ["verify", URI]
    assert {f"--digest={DIGEST}", "--max-size=20Gi", "--cache-size=200Gi"} <= set(arguments(the_job(shop)))
    assert {"secret", "emptyDir", "persistentVolumeClaim"} == {
        kind for volume in spec["volumes"] for kind in volume.keys() - {"name"}
    }
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


async def test_the_job_runs_where_the_pods_of_the_release_may(shop: World) -> None:
    pod = {
        "nodeSelector": {"accelerator": "l4"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "priorityClassName": "serving",
        "runtimeClassName": "nvidia",
        "terminationGracePeriodSeconds": 90,
    }
    shop.declare("v2", release=delivered() | {"pod": pod})
    await shop.run(lambda: bool(jobs(shop)))
    job = the_job(shop)["spec"]["template"]["spec"]
    finish(shop, FOUND)
    await shop.run(lambda: pods_of(shop, "v2") is not None)
    deployment = pods_of(shop, "v2")
    assert deployment is not None
    serving = deployment["spec"]["template"]["spec"]
    for field in ("nodeSelector", "tolerations", "priorityClassName", "runtimeClassName"):
        assert job[field] == serving[field] == pod[field]
    assert "terminationGracePeriodSeconds" not in job


def refuses(world: World, version: str, message: str) -> None:
    """A pod of the release finds other bytes."""
    deployment = pods_of(world, version)
    assert deployment is not None
    said = '{"event": "error", "error": "DigestMismatch", "field": "digest", "message": "' + message + '"}'
    ended = {"exitCode": 1, "reason": "Error", "message": '{"event": "progress"}\n' + said}
    world.cluster.put(
        {
            "apiVersion": POD.api_version,
            "kind": POD.kind,
            "metadata": {
                "name": f"{deployment['metadata']['name']}-again",
                "namespace": NAMESPACE,
                "labels": deployment["spec"]["selector"]["matchLabels"],
            },
            "status": {
                "phase": "Pending",
                "initContainerStatuses": [
                    {
                        "name": "fetch",
                        "ready": False,
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                        "lastState": {"terminated": ended},
                    }
                ],
            },
        }
    )


async def test_bytes_that_changed_under_a_serving_release_are_a_condition_and_no_silent_swap(shop: World) -> None:
    await asked(shop)
    finish(shop, FOUND)
    await shop.run(lambda: shop.stable == "v2")
    refuses(shop, "v2", f"the URI holds {OTHER}, and {DIGEST} is wanted")
    shop.outside.models["v2"].starts = False
    await shop.pass_time(30)
    condition = shop.condition("ArtifactChanged")
    assert condition["status"] == "True"
    assert OTHER in condition["message"]
    assert DIGEST in condition["message"]
    assert "spec.release.model.uri" in condition["message"]
    assert shop.weights == {"v2": 10000}


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("ftp://host/model", "scheme"),
        ("s3://user:word@bucket/model", "user or a password"),
        ("https://host/model?X-Amz-Signature=abc", "token or a signature"),
        ("https://host/folder/", "folder"),
        ("http://host/model", "https"),
    ],
)
async def test_a_uri_that_cannot_be_fetched_is_told_at_once_and_never_repeated(
    shop: World, uri: str, says: str
) -> None:
    shop.declare("v2", release=delivered(uri=uri))
    await shop.run()
    assert shop.condition("Ready")["reason"] == "InvalidSpec"
    message = shop.condition("Ready")["message"]
    assert "spec.release.model.uri" in message
    assert says in message
    assert "word" not in message.replace("password", "")
    assert jobs(shop) == []
    assert shop.stable == "v1"


POLICY = "slipway-policy"


def a_policy(text: str, *, key: str = "policy.yaml") -> Object:
    metadata = {"name": POLICY, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {key: text}}


@pytest.mark.parametrize(
    ("policy", "release", "field"),
    [
        ("require: [digest]", a_release("v2"), "spec.release.delivery"),
        ("require: [digest]", delivered(), "spec.release.model.digest"),
        ("require: [signature]", delivered(), "spec.release.verification.signature"),
        ("require: [attestation]", delivered(), "spec.release.verification.attestation"),
    ],
)
async def test_a_release_that_cannot_meet_the_policy_is_refused_without_a_job(
    shop: World, policy: str, release: Object, field: str
) -> None:
    shop.cluster.put(a_policy(policy))
    shop.declare("v2", release=release)
    await shop.run(lambda: shop.phase("v2") == "RolledBack")
    assert field in shop.record("v2")["message"]
    assert POLICY in shop.record("v2")["message"]
    assert jobs(shop) == []
    assert pods_of(shop, "v2") is None
    assert shop.stable == "v1"


@pytest.mark.parametrize(
    ("policy", "key", "says"),
    [
        ("require: [digest", "policy.yaml", "no YAML"),
        ("require: [digests]", "policy.yaml", "require.0"),
        ("required: [digest]", "policy.yaml", "required"),
        ("require: [digest]", "policy", "no key policy.yaml"),
        ("require: " + "[" * 3000, "policy.yaml", "policy.yaml is nested too deep"),
        ("require: !!bool perhaps", "policy.yaml", "policy.yaml holds a value that its tag does not allow"),
        ("require: [digest]" + " " * 70_000, "policy.yaml", "policy.yaml has more than 64 KiB"),
    ],
)
async def test_a_policy_that_cannot_be_read_lets_nothing_begin_until_it_is_corrected(
    shop: World, policy: str, key: str, says: str
) -> None:
    shop.cluster.put(a_policy(policy, key=key))
    shop.declare("v2")
    await shop.run(lambda: shop.phase("v2") == "Pending")
    await shop.pass_time(600)
    assert (shop.phase("v2"), shop.record("v2")["reason"]) == ("Pending", "PolicyUnreadable")
    assert says in shop.condition("Ready")["message"]
    assert shop.stable == "v1"
    (live,) = [obj for obj in shop.mirror.objects(CONFIG_MAP) if obj["metadata"]["name"] == POLICY]
    shop.edit(live, data={"policy.yaml": "require: []"})
    await shop.run(lambda: shop.stable == "v2")


async def test_the_job_is_told_who_has_to_vouch(shop: World) -> None:
    shop.cluster.put(a_policy("require: [signature]\ntrusted: {keys: [PEM]}"))
    key = {"configMapKeyRef": {"name": "keys", "key": "team.pem"}}
    other = {"secretKeyRef": {"name": "more", "key": "ci.pem"}}
    attestation = {"publicKey": other, "builders": ["https://ci.example/train"]}
    release = delivered() | {"verification": {"signature": {"publicKey": key}, "attestation": attestation}}
    shop.declare("v2", release=release)
    await shop.run(lambda: bool(jobs(shop)))
    said = arguments(the_job(shop))
    assert {
        "--public-key=/slipway/trust/signature/key.pem",
        "--attestation-key=/slipway/trust/attestation/key.pem",
        "--builder=https://ci.example/train",
    } <= set(said)
    assert any(word.startswith("--policy=") and '"keys":["PEM"]' in word for word in said)
    volumes = the_job(shop)["spec"]["template"]["spec"]["volumes"]
    assert {"keys", "more"} <= {
        (volume.get("configMap") or {}).get("name") or (volume.get("secret") or {}).get("secretName")
        for volume in volumes
    }


ADAPTERS = [{"name": "fraud", "uri": "s3://adapters/fraud", "digest": OTHER}]
KEYS = "trusted: {keys: [PEM]}"


@pytest.mark.parametrize("asked_for", ["signature", "attestation", "digest, signature, attestation"])
async def test_adapters_are_refused_where_somebody_has_to_vouch_whoever_signed_the_base(
    shop: World, asked_for: str
) -> None:
    shop.cluster.put(a_policy(f"require: [{asked_for}]\n{KEYS}"))
    shop.declare("v2", release=delivered(digest=DIGEST) | {"adapters": ADAPTERS})
    await shop.run(lambda: shop.phase("v2") == "RolledBack")
    message = shop.record("v2")["message"]
    for said in ("spec.release.adapters", POLICY, asked_for, "pinned by digest", "not verified", "merged"):
        assert said in message, said
    assert ("RollingBack", "VerificationFailed") in shop.timeline("v2")
    assert (jobs(shop), pods_of(shop, "v2"), shop.stable) == ([], None, "v1")


async def test_a_policy_that_asks_for_digests_is_met_by_those_of_adapters(shop: World) -> None:
    shop.cluster.put(a_policy("require: [digest]"))
    shop.declare("v2", release=delivered(digest=DIGEST) | {"adapters": ADAPTERS})
    await shop.run(lambda: bool(jobs(shop)))
    finish(shop, FOUND | {"verified": ["digest"]})
    await shop.run(lambda: shop.stable == "v2")
    deployment = pods_of(shop, "v2")
    assert deployment is not None
    _, adapter = deployment["spec"]["template"]["spec"]["initContainers"]
    assert f"--digest={OTHER}" in adapter["args"]


async def test_a_signature_that_was_verified_before_is_the_bases_and_brings_no_adapters_back(shop: World) -> None:
    release = delivered() | {"adapters": ADAPTERS}
    shop.declare("v2", release=release)
    await shop.run(lambda: bool(jobs(shop)))
    finish(shop, FOUND | {"verified": ["signature"]})
    await shop.run(lambda: shop.stable == "v2")
    shop.declare("v1")
    await shop.run(lambda: shop.stable == "v1")
    shop.cluster.put(a_policy(f"require: [signature]\n{KEYS}"))
    shop.declare("v2", release=release)
    await shop.run(lambda: shop.phase("v2") == "RolledBack")
    assert "spec.release.adapters" in shop.record("v2")["message"]
    assert shop.stable == "v1"


async def test_a_release_that_was_verified_under_an_easier_policy_is_verified_again(shop: World) -> None:
    await asked(shop)
    finish(shop, FOUND)
    await shop.run(lambda: shop.stable == "v2")
    shop.declare("v1")
    await shop.run(lambda: shop.stable == "v1")
    shop.cluster.put(a_policy("require: [signature]\ntrusted: {keys: [PEM]}"))
    shop.declare("v2", release=delivered())
    await shop.run(lambda: shop.phase("v2") == "Verifying" and len(jobs(shop)) == 2)
    assert any(f"--digest={DIGEST}" in arguments(job) for job in jobs(shop))
    assert shop.stable == "v1"


async def test_the_condition_goes_when_the_bytes_are_back(shop: World) -> None:
    await asked(shop)
    finish(shop, FOUND)
    await shop.run(lambda: shop.stable == "v2")
    refuses(shop, "v2", "the URI holds another")
    shop.outside.models["v2"].starts = False
    await shop.pass_time(30)
    assert shop.condition("ArtifactChanged")["status"] == "True"
    shop.outside.models["v2"].starts = True
    await shop.pass_time(30)
    assert shop.condition("ArtifactChanged") == {}
