"""What is read from Deployments and pods."""

from __future__ import annotations

from typing import Any

import pytest
from unit.workload.builders import a_pod

from slipway.workload import FleetStatus, fleet_status, pod_problem


def a_live_deployment(*, generation: int = 2, seen: int = 2, conditions: Any = (), **counts: int) -> dict[str, Any]:
    return {
        "metadata": {"name": "fraud-1a2b3c4d", "generation": generation},
        "spec": {"replicas": 3},
        "status": {"observedGeneration": seen, "conditions": list(conditions), **counts},
    }


def test_no_deployment_is_an_empty_fleet() -> None:
    assert fleet_status(None) == FleetStatus(False, 0, 0, 0, 0, False, None)


def test_counts_are_read_from_where_kubernetes_writes_them() -> None:
    live = a_live_deployment(readyReplicas=2, availableReplicas=1, updatedReplicas=3)
    assert fleet_status(live) == FleetStatus(True, 3, 2, 1, 3, True, None)


def test_counts_of_an_older_spec_are_not_current() -> None:
    assert not fleet_status(a_live_deployment(generation=3, seen=2, readyReplicas=3)).current


def test_a_deployment_that_no_controller_has_seen_is_not_current() -> None:
    fleet = fleet_status({"metadata": {"generation": 1}, "spec": {}})
    assert fleet == FleetStatus(True, 1, 0, 0, 0, False, None)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: gpu"},
            "pods cannot be created: FailedCreate: exceeded quota: gpu",
        ),
        (
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"},
            "pods make no progress: ProgressDeadlineExceeded: timed out",
        ),
        ({"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}, None),
        ({"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable"}, None),
    ],
)
def test_the_deployment_controllers_own_complaint_is_passed_on(condition: Any, said: str | None) -> None:
    assert fleet_status(a_live_deployment(conditions=[condition])).problem == said


def refused_by(standard: str, *violations: str) -> dict[str, Any]:
    """A Deployment whose pods Pod Security Admission refuses, in the words of an API server."""
    message = f'pods "fraud-1a2b3c4d-7d9c-x2x" is forbidden: violates PodSecurity "{standard}": {", ".join(violations)}'
    return a_live_deployment(
        conditions=[{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]
    )


def test_a_namespace_that_wants_no_root_is_told_with_the_field_that_says_so() -> None:
    said = 'runAsNonRoot != true (pod or container "model" must set securityContext.runAsNonRoot=true)'
    problem = fleet_status(refused_by("restricted:latest", said)).problem
    assert problem is not None
    assert problem.startswith("pods cannot be created: FailedCreate: pods ")
    assert "spec.release.pod.securityContext.runAsNonRoot: true" in problem
    assert "runAsUser" in problem


def test_a_namespace_that_refuses_what_no_release_says_is_not_blamed_on_the_release() -> None:
    problem = fleet_status(refused_by("baseline:v1.34", 'privileged (container "mesh" must not set it)')).problem
    assert problem is not None
    assert problem.endswith("; look for a webhook that changes pods, or label the namespace with another level")


def _waiting(reason: str, message: str = "told by the kubelet") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        (
            a_pod(state=_waiting("ErrImagePull")),
            ["ErrImagePull", "told by", "spec.release.container.image", "imagePullSecrets"],
        ),
        (a_pod(state=_waiting("ImagePullBackOff")), ["ImagePullBackOff", "spec.release.container.image"]),
        (a_pod(state=_waiting("InvalidImageName")), ["InvalidImageName", "spec.release.container.image"]),
        (
            a_pod(state=_waiting("CreateContainerConfigError", 'secret "s" not found')),
            ["CreateContainerConfigError", 'secret "s" not found', "spec.release.container.env"],
        ),
        (
            a_pod(
                state=_waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")
            ),
            ["image will run as root", "set spec.release.pod.securityContext.runAsUser"],
        ),
        (a_pod(state=_waiting("RunContainerError")), ["RunContainerError", "spec.release.container.command"]),
        (
            a_pod(state=_waiting("CrashLoopBackOff"), last={"exitCode": 3, "reason": "Error"}, restarts=4),
            [
                "CrashLoopBackOff: it ended with exit code 3, restarted 4 times",
                "--previous",
                "spec.release.container (",
            ],
        ),
        (
            a_pod(state=_waiting("CrashLoopBackOff"), last={"exitCode": 137, "reason": "OOMKilled"}, restarts=1),
            ["exit code 137 (OOMKilled), restarted 1 time", "spec.release.container.resources.limits.memory"],
        ),
        (
            a_pod(state={"terminated": {"exitCode": 128, "reason": "StartError", "message": "no such file: serve"}}),
            ["exit code 128 (StartError)", "no such file: serve", "command"],
        ),
        (a_pod(state={"running": {}}, last={"exitCode": 1}, restarts=1), ["it ended with exit code 1"]),
        (a_pod(state=_waiting("CrashLoopBackOff"), last={"exitCode": 0, "reason": "Completed"}), ["exit code 0"]),
        (
            a_pod(
                conditions=[
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
                ]
            ),
            ["Unschedulable: 0/3 nodes", "spec.release.container.resources", "nodeSelector"],
        ),
        (a_pod(state={"running": {}}), ["readinessProbe does not pass", "spec.release.container.readinessProbe"]),
        (
            a_pod(state={"running": {}}, started=False),
            ["startupProbe does not pass", "spec.release.container.startupProbe"],
        ),
        (a_pod(phase="Failed", reason="Evicted", message="disk pressure"), ["failed: Evicted: disk pressure"]),
    ],
)
def test_a_problem_names_pod_reason_and_the_field_to_fix(pod: dict[str, Any], words: list[str]) -> None:
    said = pod_problem([pod])
    assert said is not None
    assert said.startswith("pod fraud-1a2b3c4d-x")
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    "pod",
    [
        a_pod(state={"running": {}}, ready=True),
        a_pod(state=_waiting("ContainerCreating")),
        a_pod(state=_waiting("PodInitializing")),
        a_pod(),
        {},
    ],
)
def test_a_pod_that_is_ready_or_on_its_way_is_no_problem(pod: dict[str, Any]) -> None:
    assert pod_problem([pod]) is None


def test_a_container_that_is_ready_is_not_blamed_for_a_pod_that_is_not() -> None:
    pod = a_pod(state={"running": {}}, ready=True)
    pod["status"]["conditions"] = [{"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady"}]
    assert pod_problem([pod]) is None


def test_a_pod_that_is_being_deleted_is_not_looked_at() -> None:
    pod = a_pod(state=_waiting("ImagePullBackOff"))
    pod["metadata"]["deletionTimestamp"] = "2025-03-01T10:00:00Z"
    assert pod_problem([pod]) is None


def test_the_most_telling_problem_is_said_whatever_the_order() -> None:
    pods = [
        a_pod("a", state={"running": {}}),
        a_pod("b", conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]),
        a_pod("c", state=_waiting("CrashLoopBackOff"), last={"exitCode": 1}),
        a_pod("d", state=_waiting("ImagePullBackOff")),
    ]
    for expected in ("d", "c", "b", "a"):
        for order in (pods, pods[::-1]):
            said = pod_problem(order)
            assert said is not None
            assert said.startswith(f"pod {expected}")
        pods.pop()


def test_a_message_of_the_server_is_cut_and_on_one_line() -> None:
    said = pod_problem([a_pod(state=_waiting("ErrImagePull", "line one\n  line two " + "x" * 5000))])
    assert said is not None
    assert "line one line two x" in said
    assert len(said) < 600


def test_a_transformer_that_does_not_come_up_is_told_with_its_own_fields() -> None:
    def said(**container: Any) -> str:
        pod = a_pod(**container)
        pod["status"]["containerStatuses"][0]["name"] = "transformer"
        return str(pod_problem([pod]))

    assert said(state=_waiting("ErrImagePull")).count("spec.release.transformer.container.image") == 1
    assert "spec.release.transformer.container.readinessProbe" in said(state={"running": {}})
    killed = said(state=_waiting("CrashLoopBackOff"), last={"exitCode": 137, "reason": "OOMKilled"}, restarts=1)
    assert "container transformer: " in killed
    assert "raise spec.release.transformer.container.resources.limits.memory" in killed


def test_an_injected_container_is_not_blamed_on_the_release() -> None:
    said = pod_problem([a_pod(container="proxy", state=_waiting("CrashLoopBackOff"), last={"exitCode": 1})])
    assert said is not None
    assert "container proxy" in said
    assert "spec.release" not in said
