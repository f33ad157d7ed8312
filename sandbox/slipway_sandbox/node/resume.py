"""A pod whose node went away and came back: what its status says of the time before, and what runs again.

A sandbox that keeps its objects ends every process when it is stopped, as a machine that is switched off does. Its pods
go on as they would after that: counts of restarts grow, what ran has ended for a reason that nobody saw, and what was
over stays over.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from slipway_sandbox.client import Manifest
from slipway_sandbox.node.status import ContainerState, now
from slipway_sandbox.node.volumes import claim_folder

LOST_CODE: Final = 255
LOST_REASON: Final = "Unknown"
"""What a container runtime reports of a container that ran when the machine went down."""


def is_over(pod: Manifest) -> bool:
    """Whether the pod has ended for good."""
    return pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}


def how_it_ended(pod: Manifest) -> tuple[str, str, str] | None:
    """Phase, reason and message of a pod that is over."""
    status = pod.get("status", {})
    return (status["phase"], status.get("reason", ""), status.get("message", "")) if is_over(pod) else None


def ran_before(pod: Manifest) -> bool:
    """Whether the pod's status tells of containers that have run."""
    return any(_record(entry) is not None for entry in _entries(pod).values())


def resume_all(pod: Manifest, init: Iterable[ContainerState], main: Iterable[ContainerState]) -> None:
    """Begin with what the pod's status said of its containers, and what its restart policy makes of that.

    Those that have ended for good have `ended` afterwards and are not to be started; those that start again have
    `last`. All init containers of a pod that goes on run again.
    """
    entries, policy = _entries(pod), pod["spec"].get("restartPolicy", "Always")
    if is_over(pod):
        policy = "Never"
    for state in init:
        _resume(state, entries.get(state.name, {}), policy="Never" if policy == "Never" else "Always")
    for state in main:
        _resume(state, entries.get(state.name, {}), policy=policy)


def forget_all_but(state: Path, pods: Iterable[Manifest], claims: Iterable[Manifest]) -> None:
    """Remove the files of pods and claims that are no more."""
    uids = {pod["metadata"]["uid"] for pod in pods}
    for folder in _folders(state / "pods"):
        if folder.name not in uids:
            shutil.rmtree(folder, ignore_errors=True)
    for folder in _folders(state / "logs" / "pods"):
        if folder.name.rpartition("_")[2] not in uids:
            shutil.rmtree(folder, ignore_errors=True)
    kept = {claim_folder(state / "volumes", claim) for claim in claims}
    for folder in _folders(state / "volumes"):
        if folder not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def _folders(path: Path) -> list[Path]:
    return [entry for entry in path.iterdir() if entry.is_dir()] if path.is_dir() else []


def _entries(pod: Manifest) -> dict[str, Manifest]:
    status = pod.get("status", {})
    return {
        entry["name"]: entry
        for entry in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    }


def _resume(state: ContainerState, before: Manifest, *, policy: str) -> None:
    record = _record(before)
    if record is None:
        return
    state.restarts = before.get("restartCount", 0)
    state.image_id = before.get("imageID", "")
    state.container_id = before.get("containerID", "")
    if policy == "Never" or (policy == "OnFailure" and record["exitCode"] == 0):
        state.ended, state.waiting = record, None
        state.ready = bool(before.get("ready")) and "running" not in before["state"]
        state.last = (before.get("lastState") or {}).get("terminated")
    else:
        state.last = record


def _record(entry: Manifest) -> Manifest | None:
    """How the container's last run ended, as the API writes it; None for one that has not run."""
    state = entry.get("state") or {}
    if "running" in state:
        return {
            "exitCode": LOST_CODE,
            "reason": LOST_REASON,
            "startedAt": state["running"].get("startedAt"),
            "finishedAt": now(),
            "containerID": entry.get("containerID", ""),
        }
    found: Manifest | None = state.get("terminated") or (entry.get("lastState") or {}).get("terminated")
    return found
