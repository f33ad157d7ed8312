"""How a revision's pods are doing: counts for the machine, and one sentence for the person who is to act."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from slipway.workload.delivery import fetch_error, fetches
from slipway.workload.podspec import CONTAINER_NAME, TRANSFORMER_NAME

_LONGEST_MESSAGE: Final = 300


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """The pods of one revision. Counts are pods; all of them 0 when there is no Deployment."""

    exists: bool
    replicas: int
    """As asked for in the Deployment's spec, which is not yet what runs."""
    ready: int
    available: int
    updated: int
    """Pods of the current template."""
    current: bool
    """Whether the counts belong to the spec as it is now. When not, they are those of an older one."""
    problem: str | None
    """Why pods cannot be created or do not progress, in the Deployment controller's words."""
    other_bytes: str | None = None
    """What a pod says that fetches other bytes than those that were verified."""


def fleet_status(deployment: Mapping[str, Any] | None) -> FleetStatus:
    """Read a Deployment."""
    if deployment is None:
        return FleetStatus(
            exists=False, replicas=0, ready=0, available=0, updated=0, current=False, problem=None
        )  # fmt: skip
    spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
    generation = (deployment.get("metadata") or {}).get("generation", 0)
    return FleetStatus(
        exists=True,
        replicas=spec.get("replicas", 1),
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        updated=status.get("updatedReplicas", 0),
        current=status.get("observedGeneration", -1) == generation,
        problem=_deployment_problem(status.get("conditions") or []),
    )


def _deployment_problem(conditions: Sequence[Mapping[str, Any]]) -> str | None:
    by_type = {condition.get("type"): condition for condition in conditions}
    failure, progress = by_type.get("ReplicaFailure", {}), by_type.get("Progressing", {})
    if failure.get("status") == "True":
        said = str(failure.get("message") or "")
        return f"pods cannot be created: {failure.get('reason', 'ReplicaFailure')}: {cut(said)}{_refusal_fix(said)}"
    if progress.get("status") == "False":
        return f"pods make no progress: {progress.get('reason', 'Progressing')}: {cut(progress.get('message'))}"
    return None


_POD_SECURITY: Final = 'violates PodSecurity "'
"""How an API server's refusal of a pod begins that its namespace is too strict for."""
_NON_ROOT: Final = "runAsNonRoot"
_SECURITY: Final = "spec.release.pod.securityContext"


def _refusal_fix(said: str) -> str:
    """What to do about a pod that Pod Security Admission refuses; empty for other refusals.

    A release can say one of the things that the standard `restricted` asks for; the others are said of every pod, so
    that what is refused then was put there by somebody else.
    """
    if _POD_SECURITY not in said:
        return ""
    if _NON_ROOT in said:
        return f"; set {_SECURITY}.runAsNonRoot: true, and runAsUser where the image names no other user than root"
    return "; look for a webhook that changes pods, or label the namespace with another level"


_ROOT_IMAGE: Final = (
    f"set {_SECURITY}.runAsUser to the number of a user that the image can run as, or name an image that has one"
)

# The most telling reason first: what can only be repaired by a changed manifest, then what may pass.
_IMAGE: Final = "spec.release.container.image"
_DELIVERY: Final = "spec.release.delivery"
_WAITING: Final[Mapping[str, tuple[int, str]]] = {
    "InvalidImageName": (0, f"fix {_IMAGE}"),
    "ErrImageNeverPull": (0, f"fix {_IMAGE}"),
    "ErrImagePull": (0, f"fix {_IMAGE}, or name the registry's credentials in spec.release.pod.imagePullSecrets"),
    "ImagePullBackOff": (0, f"fix {_IMAGE}, or name the registry's credentials in spec.release.pod.imagePullSecrets"),
    "CreateContainerConfigError": (0, "fix spec.release.container.env, or create what it refers to"),
    "CreateContainerError": (0, "fix spec.release.container.command"),
    "RunContainerError": (0, "fix spec.release.container.command"),
}
_FIX_SCHEDULING: Final = (
    "fix spec.release.container.resources or spec.release.pod (nodeSelector, tolerations), or add nodes"
)
_RANK_CRASH: Final = 1
_RANK_UNSCHEDULABLE: Final = 2
_RANK_FAILED: Final = 3
_RANK_NOT_READY: Final = 4

_Finding = tuple[int, str, str]
"""Rank, the pod's name for a stable order, and the sentence."""


def pod_problem(pods: Sequence[Mapping[str, Any]]) -> str | None:
    """The most telling sentence about why pods are not ready; None when each is ready, or only on its way.

    Names the pod, the container, the reason, the cluster's own message (cut) and the field of the ModelDeployment to
    change. Pods that are being deleted are not looked at.
    """
    findings = [finding for pod in pods for finding in _findings(pod)]
    return min(findings)[2] if findings else None


def _findings(pod: Mapping[str, Any]) -> Iterator[_Finding]:
    metadata, status = pod.get("metadata") or {}, pod.get("status") or {}
    if metadata.get("deletionTimestamp") or condition(status, "Ready").get("status") == "True":
        return
    name = str(metadata.get("name", ""))
    scheduled = condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        yield (
            _RANK_UNSCHEDULABLE,
            name,
            f"pod {name}: {scheduled.get('reason')}: {cut(scheduled.get('message'))}; {_FIX_SCHEDULING}",
        )
    if status.get("phase") == "Failed":
        said = ": ".join(filter(None, (status.get("reason"), cut(status.get("message")))))
        yield _RANK_FAILED, name, f"pod {name} failed{f': {said}' if said else ''}"
    for container in (*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])):
        if not container.get("ready"):
            yield from _container_findings(name, container)


def _container_findings(pod: str, container: Mapping[str, Any]) -> Iterator[_Finding]:
    name = str(container.get("name", ""))
    where = f"pod {pod}, container {name}"
    if fetches(container) and (told := fetch_error(container)) is not None:
        yield 0, pod, f"{where}: {told[0]}: {cut(told[1])}"
        return
    state = container.get("state") or {}
    waiting = state.get("waiting") or {}
    reason = str(waiting.get("reason", ""))
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    if reason in _WAITING:
        rank, fix = _WAITING[reason]
        message = str(waiting.get("message") or "")
        if reason == "CreateContainerConfigError" and _NON_ROOT in message:
            fix = _ROOT_IMAGE
        yield rank, pod, f"{where}: {reason}: {cut(message)}{_fix(name, fix)}"
    elif reason == "CrashLoopBackOff" or ended.get("exitCode", 0) != 0:
        loop = "CrashLoopBackOff: " if reason == "CrashLoopBackOff" else ""
        yield _RANK_CRASH, pod, f"{where}: {loop}{_crash(pod, container, ended)}"
    elif "running" in state:
        probe = "startupProbe" if container.get("started") is False else "readinessProbe"
        fix = f"look at its log (kubectl logs {pod} -c {name}), or fix spec.release.container.{probe}"
        yield _RANK_NOT_READY, pod, f"{where}: runs, but its {probe} does not pass{_fix(name, fix)}"


def _crash(pod: str, container: Mapping[str, Any], ended: Mapping[str, Any]) -> str:
    """How the container ended, how often, and what to look at."""
    name, restarts = str(container.get("name", "")), container.get("restartCount", 0)
    reason, said = ended.get("reason"), cut(ended.get("message"))
    told = f" ({reason})" if reason not in {None, "Error", "Completed"} else ""
    code = f"it ended with exit code {ended['exitCode']}{told}" if "exitCode" in ended else "it keeps ending"
    again = f", restarted {restarts} {'time' if restarts == 1 else 'times'}" if restarts else ""
    if reason == "OOMKilled":
        fix = "raise spec.release.container.resources.limits.memory"
    else:
        log = f"kubectl logs {pod} -c {name}{' --previous' if restarts else ''}"
        fix = f"look at its log ({log}), and fix spec.release.container (image, command, args, env)"
    return f"{code}{again}{f': {said}' if said else ''}{_fix(name, fix)}"


def _fix(container: str, fix: str) -> str:
    """What to do, where the manifest describes the container; an injected one is somebody else's."""
    if container == TRANSFORMER_NAME:
        return f"; {fix.replace('spec.release.container', 'spec.release.transformer.container')}"
    if fetches({"name": container}):
        return f"; look at its log, and at {_DELIVERY}"
    return f"; {fix}" if container == CONTAINER_NAME else "; the container is not part of the release"


def condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The condition of this type, empty when there is none."""
    return next((found for found in status.get("conditions") or [] if found.get("type") == kind), {})


def cut(message: Any) -> str:
    """A foreign message as one line of bounded length."""
    text = " ".join(str(message or "").split())
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[: _LONGEST_MESSAGE - 1]}…"
