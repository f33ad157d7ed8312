"""What a Deployment says of itself: counts, and the conditions Available, Progressing and ReplicaFailure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from slipway_sandbox.client import Manifest
from slipway_sandbox.controllers.base import moment_of, timestamp
from slipway_sandbox.controllers.rolling import bounds
from slipway_sandbox.controllers.selectors import condition_of

NO_DEADLINE: Final = 2**31 - 1
_ALWAYS_WRITTEN: Final = frozenset({"observedGeneration", "terminatingReplicas"})


def next_status(deployment: Manifest, new: Manifest | None, sets: Sequence[Manifest]) -> Manifest:
    """The status that the deployment should have, given its new set (None while there is none) and all its sets."""
    old = deployment.get("status", {})
    counts = _counts(deployment, new, sets)
    status = {name: value for name, value in counts.items() if value or name in _ALWAYS_WRITTEN}
    if old.get("collisionCount"):
        status["collisionCount"] = old["collisionCount"]
    conditions = [_available(deployment, counts)]
    progressing = _progressing(deployment, counts, new)
    if progressing is not None:
        conditions.append(progressing)
    conditions += _replica_failure(sets, new)
    status["conditions"] = [_carried(deployment, condition) for condition in conditions]
    return status


def with_condition(deployment: Manifest, kind: str, state: str, reason: str, message: str) -> Manifest | None:
    """The status with one condition set, or None when it says so already."""
    known = condition_of(deployment, kind)
    if known is not None and (known["status"], known["reason"]) == (state, reason):
        return None
    status = deployment.get("status", {})
    others = [condition for condition in status.get("conditions") or () if condition["type"] != kind]
    wanted = _carried(deployment, _condition(kind, state, reason, message))
    return {**status, "conditions": [*others, wanted]}


def seconds_to_deadline(deployment: Manifest, status: Manifest) -> float | None:
    """When the rollout has to be looked at again because it may be stuck; None when no deadline runs."""
    deadline = int(deployment["spec"].get("progressDeadlineSeconds", NO_DEADLINE))
    progressing = condition_of({"status": status}, "Progressing")
    if deadline >= NO_DEADLINE or progressing is None or deployment["spec"].get("paused"):
        return None
    if progressing["reason"] in {"NewReplicaSetAvailable", "ProgressDeadlineExceeded"}:
        return None
    elapsed = (datetime.now(UTC) - moment_of(progressing["lastUpdateTime"])).total_seconds()
    return max(0.0, deadline - elapsed) + 1.0


def is_complete(deployment: Manifest, counts: Manifest) -> bool:
    """All replicas are of the new template, available, and nothing else runs."""
    replicas = int(deployment["spec"].get("replicas", 1))
    return bool(
        counts.get("updatedReplicas", 0) == replicas
        and counts.get("replicas", 0) == replicas
        and counts.get("availableReplicas", 0) == replicas
        and counts.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    )


def _counts(deployment: Manifest, new: Manifest | None, sets: Sequence[Manifest]) -> Manifest:
    def total(field: str) -> int:
        return sum(entry.get("status", {}).get(field, 0) for entry in sets)

    wanted = sum(int(entry["spec"].get("replicas", 1)) for entry in sets)
    available = total("availableReplicas")
    return {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": total("replicas"),
        "updatedReplicas": (new or {}).get("status", {}).get("replicas", 0),
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, wanted - available),
        "terminatingReplicas": total("terminatingReplicas"),
    }


def _available(deployment: Manifest, counts: Manifest) -> Manifest:
    _, unavailable = bounds(deployment)
    needed = int(deployment["spec"].get("replicas", 1)) - unavailable
    if counts["availableReplicas"] >= needed:
        return _condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    message = "Deployment does not have minimum availability."
    return _condition("Available", "False", "MinimumReplicasUnavailable", message)


def _progressing(deployment: Manifest, counts: Manifest, new: Manifest | None) -> Manifest | None:
    deadline = int(deployment["spec"].get("progressDeadlineSeconds", NO_DEADLINE))
    known = condition_of(deployment, "Progressing")
    if deadline >= NO_DEADLINE:
        return None
    old = deployment.get("status", {})
    subject = f'ReplicaSet "{new["metadata"]["name"]}"' if new else f'Deployment "{deployment["metadata"]["name"]}"'
    settled = known is not None and known["reason"] == "NewReplicaSetAvailable"
    if settled and old.get("updatedReplicas", 0) == old.get("replicas", 0):
        return known  # finished once, stays finished until a new template comes, whatever pods do later
    if is_complete(deployment, counts):
        message = f"{subject} has successfully progressed."
        return _condition("Progressing", "True", "NewReplicaSetAvailable", message)
    if _moved_on(old, counts):
        progress = _condition("Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.")
        progress["lastUpdateTime"] = timestamp()
        return progress
    if known is not None and _timed_out(deployment, known, deadline):
        return _condition("Progressing", "False", "ProgressDeadlineExceeded", f"{subject} has timed out progressing.")
    return known


def _moved_on(old: Manifest, counts: Manifest) -> bool:
    def was(field: str) -> int:
        return int(old.get(field, 0))

    old_sets_before = was("replicas") - was("updatedReplicas")
    return bool(
        counts["updatedReplicas"] > was("updatedReplicas")
        or counts["replicas"] - counts["updatedReplicas"] < old_sets_before
        or counts["readyReplicas"] > was("readyReplicas")
        or counts["availableReplicas"] > was("availableReplicas")
    )


def _timed_out(deployment: Manifest, known: Manifest, deadline: int) -> bool:
    if known["reason"] == "ProgressDeadlineExceeded":
        return True
    if deployment["spec"].get("paused") or known["reason"] == "NewReplicaSetAvailable":
        return False
    return (datetime.now(UTC) - moment_of(known["lastUpdateTime"])).total_seconds() > deadline


def _replica_failure(sets: Sequence[Manifest], new: Manifest | None) -> list[Manifest]:
    for entry in ([new] if new else []) + [entry for entry in sets if entry is not new]:
        failure = condition_of(entry, "ReplicaFailure")
        if failure is not None:
            return [_condition("ReplicaFailure", failure["status"], failure["reason"], failure["message"])]
    return []


def _condition(kind: str, state: str, reason: str, message: str) -> Manifest:
    return {"type": kind, "status": state, "reason": reason, "message": message}


def _carried(deployment: Manifest, condition: Manifest) -> Manifest:
    """A condition with its times: of the last change of status, and of the last change of anything."""
    known = condition_of(deployment, condition["type"]) or {}
    now = timestamp()
    same_status = known.get("status") == condition["status"]
    same = same_status and known.get("reason") == condition["reason"] and "lastUpdateTime" not in condition
    return {
        "type": condition["type"],
        "status": condition["status"],
        "lastUpdateTime": known["lastUpdateTime"] if same else condition.get("lastUpdateTime", now),
        "lastTransitionTime": known["lastTransitionTime"] if same_status else now,
        "reason": condition["reason"],
        "message": condition["message"],
    }
