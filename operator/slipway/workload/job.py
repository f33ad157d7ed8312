"""Jobs beside a revision: what one looks like, and how it ended. Pure.

A Job's name says what it does, and for which attempt of which release, so that it is created once whoever creates it,
and found again by an operator that knows nothing of it. Its result is what its container writes to the file for
termination messages: a cluster keeps that in the pod's status, where it can be read without a volume or a token.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from slipway.api import LABEL_MODEL_DEPLOYMENT, LABEL_REVISION, Component, EnvVar, Resources, child_labels
from slipway.release import short_hash
from slipway.workload.fleet import condition, cut
from slipway.workload.manifests import Object, Owner
from slipway.workload.podspec import amounts_of, as_written

CONTAINER: Final = "job"
"""Name of a Job's container."""

RESULT_PATH: Final = "/dev/termination-log"
"""Where the container writes its result: at most 4096 bytes are kept of it."""

TRIES: Final = 3
"""Pods that a Job may use up: one that is evicted, or meets a server that is just starting, is no reason to give up."""

KEPT: Final = timedelta(hours=1)
"""How long a Job that has ended is there to be looked at. One that failed is run again after it."""

_LONGEST_STEM: Final = 40


class Progress(StrEnum):
    """How far a Job is."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class JobState:
    """How far a Job is. `said` is its result once it has succeeded, why it failed, or what keeps it from running."""

    progress: Progress
    said: str = ""


@dataclass(frozen=True, slots=True)
class JobVolume:
    """A PersistentVolumeClaim that is mounted for reading only."""

    claim: str
    path: str


@dataclass(frozen=True, slots=True)
class JobPod:
    """The pod of a Job: one container, and what it may use."""

    image: str
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    """Variables of the operator, which the user's own may refer to and replace."""
    env: Sequence[EnvVar] = ()
    resources: Resources | None = None
    volume: JobVolume | None = None
    pull_secrets: Sequence[str] = ()
    env_from: Sequence[Object] = ()
    mounts: Sequence[Object] = ()
    volumes: Sequence[Object] = ()
    """Further volumes, and where the container has them."""
    service_account: str | None = None
    """Whose identity a cloud may give to the pod. No token for the API comes with it."""
    security: Mapping[str, Any] = field(default_factory=dict)
    """As whom the pod runs, where that is said."""
    placement: Mapping[str, Any] = field(default_factory=dict)
    """Where the pod may run, as `placement_of` has it."""


def job_name(model_deployment: str, full_hash: str, *what: object) -> str:
    """A name for what a Job does, which is given in JSON values; the same for the same for ever. 63 characters at most,
    as a Job's name becomes a label."""
    digest = hashlib.sha256(json.dumps([full_hash, *what], sort_keys=True).encode()).hexdigest()[:10]
    return f"{model_deployment[:_LONGEST_STEM].rstrip('-')}-{short_hash(full_hash)}-{digest}"


def job_manifest(
    *,
    name: str,
    model_deployment: str,
    namespace: str,
    full_hash: str,
    owner: Owner,
    pod: JobPod,
    timeout: timedelta,
    component: Component = "job",
    kept: timedelta = KEPT,
    tries: int = TRIES,
) -> Object:
    """The Job. Its pods do not carry the labels by which a revision's Service and Deployment find theirs. `kept` is how
    long it is there after its end.

    Nothing of it can be used to become more than its author is: no token, no privilege, no root, no path of the node.
    """
    labels = child_labels(model_deployment=model_deployment, component=component, revision=short_hash(full_hash))
    own = {key: value for key, value in labels.items() if key not in (LABEL_MODEL_DEPLOYMENT, LABEL_REVISION)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels,
            "ownerReferences": [owner.reference()],
        },
        "spec": {
            "backoffLimit": tries - 1,
            "activeDeadlineSeconds": max(1, math.ceil(timeout.total_seconds())),
            "ttlSecondsAfterFinished": int(kept.total_seconds()),
            "template": {"metadata": {"labels": own}, "spec": _pod_spec(pod)},
        },
    }


def _pod_spec(pod: JobPod) -> Object:
    names = {variable.name for variable in pod.env}
    facts = [
        {"name": name, "value": value.replace("$", "$$")} for name, value in pod.facts.items() if name not in names
    ]
    container: Object = {
        "name": CONTAINER,
        "image": pod.image,
        "env": facts + [as_written(variable) for variable in pod.env],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "terminationMessagePath": RESULT_PATH,
        # a program that failed and wrote nothing has said why in its log
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    for key, words in (("command", pod.command), ("args", pod.args)):
        if words:
            container[key] = list(words)
    if resources := amounts_of(pod.resources):
        container["resources"] = resources
    spec: Object = {
        "restartPolicy": "Never",
        "containers": [container],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {**pod.security, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        **pod.placement,
    }
    if pod.volume is not None:
        claim = {"claimName": pod.volume.claim, "readOnly": True}
        spec["volumes"] = [{"name": "data", "persistentVolumeClaim": claim}]
        container["volumeMounts"] = [{"name": "data", "mountPath": pod.volume.path, "readOnly": True}]
    if pod.env_from:
        container["envFrom"] = list(pod.env_from)
    if pod.mounts:
        container["volumeMounts"] = [*container.get("volumeMounts", []), *pod.mounts]
        spec["volumes"] = [*spec.get("volumes", []), *pod.volumes]
    if pod.service_account is not None:
        spec["serviceAccountName"] = pod.service_account
    if pod.pull_secrets:
        spec["imagePullSecrets"] = [{"name": secret} for secret in pod.pull_secrets]
    return copy.deepcopy(spec)


# --- how it went ----------------------------------------------------------------------------------------------------


def job_state(job: Mapping[str, Any], pods: Sequence[Mapping[str, Any]]) -> JobState:
    """How far a Job is, by itself and its pods, which may be some of another Job's too."""
    mine = sorted((pod for pod in pods if _of(job, pod)), key=_age)
    status = job.get("status") or {}
    if condition(status, "Complete").get("status") == "True":
        return _succeeded(mine)
    failed = condition(status, "Failed")
    last = next((words for pod in reversed(mine) if (words := _last_words(pod))), "")
    if failed.get("status") == "True":
        reason = _why(job, str(failed.get("reason", "")), cut(failed.get("message")))
        return JobState(Progress.FAILED, f"{reason}{f'; at last: {last}' if last else ''}")
    if last:
        return JobState(Progress.RUNNING, f"a try failed: {last}")
    return JobState(Progress.RUNNING, next((words for pod in mine if (words := _waiting(pod))), ""))


def _of(job: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    owners = pod["metadata"].get("ownerReferences") or []
    return any(owner.get("uid") == job["metadata"]["uid"] for owner in owners)


def _age(pod: Mapping[str, Any]) -> tuple[str, str]:
    metadata = pod["metadata"]
    return str(metadata.get("creationTimestamp", "")), str(metadata.get("name", ""))


def _succeeded(pods: Sequence[Mapping[str, Any]]) -> JobState:
    """Of several pods that succeeded, which should not be, the first speaks: who asks again gets the same answer."""
    done = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Succeeded"]
    if not done:
        return JobState(
            Progress.FAILED, "it is done, but its pod is gone and its result with it: delete the Job to run it again"
        )
    return JobState(Progress.SUCCEEDED, str(_terminated(done[0]).get("message", "")))


def _terminated(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    state = _container(pod).get("state") or {}
    return state.get("terminated") or {}


def _container(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return next((status for status in statuses if status.get("name") == CONTAINER), {})


def _why(job: Mapping[str, Any], reason: str, message: str) -> str:
    if reason == "DeadlineExceeded":
        seconds = (job.get("spec") or {}).get("activeDeadlineSeconds")
        return f"it took longer than its timeout of {seconds}s"
    if reason == "BackoffLimitExceeded":
        return "each of its tries failed"
    return f"{reason or 'it failed'}: {message}" if message else reason or "it failed"


def _last_words(pod: Mapping[str, Any]) -> str:
    """Why a pod failed, in its own words or the cluster's; empty for one that did not."""
    status = pod.get("status") or {}
    if status.get("phase") != "Failed":
        return ""
    ended = _terminated(pod)
    told = [f"{status['reason']}: {cut(status.get('message'))}"] if status.get("reason") else []
    if ended.get("reason") not in (None, "Error", "Completed"):
        told.append(str(ended["reason"]))
    if "exitCode" in ended:
        told.append(f"exit code {ended['exitCode']}")
    said = cut(ended.get("message"))
    return ", ".join(told) + (f": {said}" if said else "") or "its pod failed"


def _waiting(pod: Mapping[str, Any]) -> str:
    """What keeps a pod from running, where the cluster says so."""
    waiting = (_container(pod).get("state") or {}).get("waiting") or {}
    if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
        return f"{waiting['reason']}: {cut(waiting.get('message'))}"
    scheduled = condition(pod.get("status") or {}, "PodScheduled")
    if scheduled.get("status") == "False":
        return f"{scheduled.get('reason')}: {cut(scheduled.get('message'))}"
    return ""
