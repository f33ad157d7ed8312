"""Jobs beside a revision: their manifest, and what is read of how they went.

Matrix of the states: {nothing yet, a pod that cannot start, a try that failed, done, done and its pod gone, tries used
up, out of time} by the words that a person reads.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from unit.workload.builders import OWNER, a_deployment

from slipway.api import EnvVar
from slipway.workload import JobPod, JobState, JobVolume, Progress, job_manifest, job_name, job_state

HASH = "0123456789abcdef" * 4


def a_job(**pod: Any) -> dict[str, Any]:
    return job_manifest(
        name=job_name("fraud", HASH, "accuracy"),
        model_deployment="fraud",
        namespace="shop",
        full_hash=HASH,
        owner=OWNER,
        timeout=timedelta(minutes=5),
        pod=JobPod(**{"image": "slipway:1", **pod}),
    )


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = job["spec"]["template"]["spec"]
    return spec


def container_of(job: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod_of(job)["containers"]
    found: dict[str, Any] = container
    return found


def test_a_name_is_that_of_one_question_and_fits_a_label() -> None:
    name = job_name("fraud", HASH, "uid", 1, {"url": "s3://a"})
    assert name == job_name("fraud", HASH, "uid", 1, {"url": "s3://a"})
    assert name != job_name("fraud", HASH, "uid", 2, {"url": "s3://a"})
    assert name.startswith("fraud-01234567-")
    assert len(job_name("x" * 54, HASH, "uid")) <= 63


def test_a_job_can_do_no_more_than_its_author() -> None:
    pod = pod_of(a_job())
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container_of(a_job())["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName", "volumes"} & pod.keys()


def test_a_job_runs_as_whom_it_is_told_and_never_as_root() -> None:
    told = {"runAsNonRoot": False, "runAsUser": 1000, "fsGroup": 1000}
    assert pod_of(a_job(security=told))["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "fsGroup": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_a_job_ends_by_itself_and_goes_with_its_owner() -> None:
    job = a_job()
    assert job["metadata"]["ownerReferences"] == [OWNER.reference()]
    assert (job["spec"]["backoffLimit"], job["spec"]["activeDeadlineSeconds"]) == (2, 300)
    assert job["spec"]["ttlSecondsAfterFinished"] == 3600
    assert pod_of(job)["restartPolicy"] == "Never"


def test_no_service_and_no_deployment_takes_a_jobs_pods_for_its_own() -> None:
    labels = a_job()["spec"]["template"]["metadata"]["labels"].items()
    assert not a_deployment()["spec"]["selector"]["matchLabels"].items() <= labels
    assert "slipway.dev/model-deployment" in a_job()["metadata"]["labels"]


def test_a_volume_is_mounted_for_reading_only() -> None:
    job = a_job(volume=JobVolume("sets", "/data"))
    assert pod_of(job)["volumes"] == [
        {"name": "data", "persistentVolumeClaim": {"claimName": "sets", "readOnly": True}}
    ]
    assert container_of(job)["volumeMounts"] == [{"name": "data", "mountPath": "/data", "readOnly": True}]


def test_the_users_variables_replace_those_of_the_operator() -> None:
    env = [EnvVar.model_validate({"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "store", "key": "key"}}})]
    job = a_job(facts={"KEY": "ours", "URL": "http://a$b"}, env=env)
    assert container_of(job)["env"] == [
        {"name": "URL", "value": "http://a$$b"},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "store", "key": "key"}}},
    ]


# --- how it went


def served(*conditions: dict[str, Any]) -> dict[str, Any]:
    job = a_job()
    return job | {"metadata": job["metadata"] | {"uid": "job-1"}, "status": {"conditions": list(conditions)}}


def a_pod(phase: str, name: str = "p1", *, owner: str = "job-1", **status: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "ownerReferences": [{"uid": owner}],
            "creationTimestamp": f"2026-01-01T00:0{name[1]}",
        },
        "status": {"phase": phase, **status},
    }


def terminated(message: str = "", **more: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"name": "job", "state": {"terminated": {"message": message, **more}}}]}


COMPLETE = {"type": "Complete", "status": "True"}


def failed(reason: str) -> dict[str, Any]:
    return {"type": "Failed", "status": "True", "reason": reason, "message": "m"}


IMAGE = {"containerStatuses": [{"name": "job", "state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}]}
PENDING = {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "claim"}]}


@pytest.mark.parametrize(
    ("job", "pods", "progress", "said"),
    [
        (served(), [], Progress.RUNNING, ""),
        (served(), [a_pod("Running")], Progress.RUNNING, ""),
        (served(), [a_pod("Pending", **IMAGE)], Progress.RUNNING, "ErrImagePull: no"),
        (served(), [a_pod("Pending", **PENDING)], Progress.RUNNING, "Unschedulable: claim"),
        (
            served(),
            [a_pod("Failed", **terminated("no such file", exitCode=1, reason="Error"))],
            Progress.RUNNING,
            "a try failed: exit code 1: no such file",
        ),
        (served(COMPLETE), [a_pod("Succeeded", **terminated('{"a": 1}'))], Progress.SUCCEEDED, '{"a": 1}'),
        (served(COMPLETE), [], Progress.FAILED, "its pod is gone and its result with it: delete the Job"),
        (
            served(COMPLETE),
            [a_pod("Succeeded", owner="another", **terminated("forged"))],
            Progress.FAILED,
            "its pod is gone",
        ),
        (
            served(COMPLETE),
            [a_pod("Succeeded", "p2", **terminated("later")), a_pod("Succeeded", "p1", **terminated("first"))],
            Progress.SUCCEEDED,
            "first",
        ),
        (
            served(failed("BackoffLimitExceeded")),
            [a_pod("Failed", "p1"), a_pod("Failed", "p2", **terminated("boom", exitCode=3, reason="OOMKilled"))],
            Progress.FAILED,
            "each of its tries failed; at last: OOMKilled, exit code 3: boom",
        ),
        (
            served(failed("DeadlineExceeded")),
            [a_pod("Failed", reason="Evicted", message="The node was low on memory")],
            Progress.FAILED,
            "it took longer than its timeout of 300s; at last: Evicted: The node was low on memory",
        ),
    ],
)
def test_how_a_job_went_is_told_with_the_reason(
    job: dict[str, Any], pods: list[dict[str, Any]], progress: Progress, said: str
) -> None:
    state = job_state(job, pods)
    assert state.progress is progress
    assert said in state.said if said else state == JobState(progress)
