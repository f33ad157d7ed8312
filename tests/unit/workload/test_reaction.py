"""The Job that follows from drift: restricted, without a token, and named after the firing."""

from __future__ import annotations

from typing import Any

from slipway.api import DriftJob
from slipway.workload import Object, Owner, reaction_job

HASH, FIRING = "1a2b3c4d" * 8, "b4a0f3f6c1d24c0f9e2d7a8b6c5d4e3f"


def a_job(*, model_deployment: str = "fraud", **job: Any) -> Object:
    spec = DriftJob.model_validate({"image": "train.example/fraud:1"} | job)
    owner = Owner("slipway.dev/v1alpha1", "ModelDeployment", model_deployment, "uid-1")
    facts = {"SLIPWAY_DRIFT_ID": FIRING, "SLIPWAY_DRIFT_FINDINGS": "costs $5"}
    return reaction_job(
        spec,
        model_deployment=model_deployment,
        namespace="shop",
        full_hash=HASH,
        owner=owner,
        firing=FIRING,
        facts=facts,
    )


def pod(job: Object) -> Object:
    found: Object = job["spec"]["template"]["spec"]
    return found


def test_it_is_named_after_the_firing_and_goes_with_the_model_deployment() -> None:
    metadata = a_job()["metadata"]
    assert metadata["name"] == "fraud-drift-b4a0f3f6"
    assert [owner["uid"] for owner in metadata["ownerReferences"]] == ["uid-1"]
    assert len(a_job(model_deployment="x" * 54)["metadata"]["name"]) <= 63


def test_nothing_of_it_makes_more_of_its_author() -> None:
    spec = pod(a_job())
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert "serviceAccountName" not in spec
    (container,) = spec["containers"]
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_it_is_no_job_that_measures_and_is_kept_for_a_week() -> None:
    assert a_job()["metadata"]["labels"]["app.kubernetes.io/component"] == "reaction"
    assert a_job()["spec"]["ttlSecondsAfterFinished"] == 7 * 24 * 3600


def test_its_pods_are_none_of_the_model() -> None:
    labels = a_job()["spec"]["template"]["metadata"]["labels"]
    assert not {"slipway.dev/model-deployment", "slipway.dev/revision"} & set(labels)


def test_the_container_is_told_what_was_found_and_the_users_variables_come_last() -> None:
    job = a_job(
        command=["train"],
        args=["--new"],
        env=[{"name": "RUN", "value": "$(SLIPWAY_DRIFT_ID)"}],
        resources={"limits": {"cpu": 2}},
        timeout="90m",
    )
    (container,) = pod(job)["containers"]
    assert [variable["name"] for variable in container["env"]] == ["SLIPWAY_DRIFT_ID", "SLIPWAY_DRIFT_FINDINGS", "RUN"]
    assert container["env"][1]["value"] == "costs $$5"
    assert (container["command"], container["args"]) == (["train"], ["--new"])
    assert container["resources"] == {"limits": {"cpu": "2"}}
    assert job["spec"]["activeDeadlineSeconds"] == 5400
