"""A pod's status as a kubelet writes it, derived from the states of its containers. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from slipway_sandbox.client import Manifest

OWNED_CONDITIONS: Final = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


@dataclass
class ContainerState:
    """What is known of one container; the node's worker keeps it, and the status is read from it."""

    name: str
    image: str
    waiting: str | None = "ContainerCreating"
    waiting_message: str = ""
    running_since: str | None = None
    ended: Manifest | None = None
    """`terminated`, as the API writes it, of a container that is not running now."""
    last: Manifest | None = None
    """`terminated` of the run before."""
    restarts: int = 0
    ready: bool = False
    started: bool = False
    container_id: str = ""
    image_id: str = ""
    restartable: bool = True
    """Whether it may run again: a `Always` sidecar or by the pod's policy; decides what counts as finished."""
    extra: Manifest = field(default_factory=dict)

    @property
    def has_run(self) -> bool:
        """Whether a run of it has ended before."""
        return self.ended is not None or self.last is not None

    def manifest(self) -> Manifest:
        """The entry of `containerStatuses`."""
        if self.running_since is not None:
            state: Manifest = {"running": {"startedAt": self.running_since}}
        elif self.waiting is not None:
            message = {"message": self.waiting_message} if self.waiting_message else {}
            state = {"waiting": {"reason": self.waiting, **message}}
        else:
            state = {"terminated": self.ended}
        entry: Manifest = {
            "name": self.name,
            "state": state,
            "lastState": {"terminated": self.last} if self.last else {},
            "ready": self.ready,
            "restartCount": self.restarts,
            "image": self.image,
            "imageID": self.image_id,
            "started": self.started,
            **self.extra,
        }
        if self.container_id:
            entry["containerID"] = self.container_id
        return entry


@dataclass(frozen=True)
class PodView:
    """Everything that a pod's status is made of."""

    pod: Manifest
    started_at: str
    host_address: str
    address: str | None
    """None until the pod has its address and volumes."""
    init: Sequence[ContainerState]
    main: Sequence[ContainerState]
    ended_as: tuple[str, str, str] | None = None
    """Phase, reason and message when the agent ended the pod as a whole."""


def pod_status(view: PodView) -> Manifest:
    """The status to write; conditions that others own (readiness gates) are carried over."""
    # As long as something runs, a sidecar or what was only asked to go, a pod is not over, whatever it will end as.
    going_on = any(state.running_since is not None for state in [*view.init, *view.main])
    ended_as = None if going_on else view.ended_as
    phase = ended_as[0] if ended_as else _phase(view)
    if going_on and phase in {"Succeeded", "Failed"}:
        phase = "Running"
    old = view.pod.get("status", {})
    status: Manifest = {
        "observedGeneration": view.pod["metadata"].get("generation", 1),
        "phase": phase,
        "conditions": _conditions(view, phase),
        "hostIP": view.host_address,
        "hostIPs": [{"ip": view.host_address}],
        "startTime": view.started_at,
        "containerStatuses": [state.manifest() for state in view.main],
    }
    if view.address:
        status |= {"podIP": view.address, "podIPs": [{"ip": view.address}]}
    if view.init:
        status["initContainerStatuses"] = [state.manifest() for state in view.init]
    if old.get("qosClass"):
        status["qosClass"] = old["qosClass"]
    if ended_as and ended_as[1]:
        status |= {"reason": ended_as[1], "message": ended_as[2]}
    return status


def terminated(code: int, started: str, container_id: str, *, reason: str = "", message: str = "") -> Manifest:
    """The API's record of a container that ended."""
    record = {
        "exitCode": code,
        "reason": reason or ("Completed" if code == 0 else "Error"),
        "startedAt": started,
        "finishedAt": now(),
        "containerID": container_id,
    }
    return {**record, "message": message} if message else record


def now() -> str:
    """This moment as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _finished(state: ContainerState) -> bool:
    return state.ended is not None and state.waiting is None and state.running_since is None


def _initialised(view: PodView) -> bool:
    return _main_began(view) or all(_one_initialised(state) for state in view.init)


def _main_began(view: PodView) -> bool:
    return any(state.running_since or state.ended or state.last for state in view.main)


def _phase(view: PodView) -> str:
    if not _initialised(view):
        policy = view.pod["spec"].get("restartPolicy", "Always")
        failed = any(
            _finished(state) and (state.ended or {}).get("exitCode") and not state.restartable for state in view.init
        )
        return "Failed" if failed and policy == "Never" else "Pending"
    policy = view.pod["spec"].get("restartPolicy", "Always")
    codes = [(state.ended or {}).get("exitCode", 1) for state in view.main if _finished(state)]
    if len(codes) == len(view.main):
        if policy == "Always":
            return "Running"
        if all(code == 0 for code in codes):
            return "Succeeded"
        return "Failed" if policy == "Never" else "Running"
    never_ran = all(
        state.waiting is not None and state.last is None and state.running_since is None for state in view.main
    )
    waiting_for_first = any(state.waiting is not None and state.last is None for state in view.main)
    return "Pending" if never_ran or waiting_for_first else "Running"


def _conditions(view: PodView, phase: str) -> list[Manifest]:
    unready = [state.name for state in view.main if not state.ready]
    over = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase)
    not_ready = f"containers with unready status: [{' '.join(unready)}]" if unready else ""
    if over:
        containers = ("False", over, "")
    else:
        containers = ("False", "ContainersNotReady", not_ready) if unready else ("True", "", "")
    waiting = [] if _main_began(view) else [state.name for state in view.init if not _one_initialised(state)]
    initialised: tuple[str, str, str] = ("True", "PodCompleted", "") if phase == "Succeeded" else ("True", "", "")
    if waiting:
        initialised = ("False", "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(waiting)}]")
    wanted = {
        "PodReadyToStartContainers": ("True" if view.address and not over else "False", "", ""),
        "Initialized": initialised,
        "Ready": _ready(view, containers),
        "ContainersReady": containers,
        "PodScheduled": ("True", "", ""),
    }
    old = {entry["type"]: entry for entry in view.pod.get("status", {}).get("conditions") or ()}
    generation = view.pod["metadata"].get("generation", 1)
    conditions = [_condition(kind, wanted[kind], generation, old.get(kind)) for kind in OWNED_CONDITIONS]
    return conditions + [entry for kind, entry in old.items() if kind not in wanted]


def _one_initialised(state: ContainerState) -> bool:
    return state.started if state.restartable else _finished(state) and (state.ended or {}).get("exitCode") == 0


def _ready(view: PodView, containers: tuple[str, str, str]) -> tuple[str, str, str]:
    if containers[0] != "True":
        return containers
    old = {entry["type"]: entry["status"] for entry in view.pod.get("status", {}).get("conditions") or ()}
    closed = [
        gate["conditionType"]
        for gate in view.pod["spec"].get("readinessGates") or ()
        if old.get(gate["conditionType"]) != "True"
    ]
    if closed:
        message = "; ".join(
            f'corresponding condition of pod readiness gate "{gate}" does not exist.' for gate in closed
        )
        return "False", "ReadinessGatesNotReady", message
    return containers


def _condition(kind: str, words: tuple[str, str, str], generation: int, known: Manifest | None) -> Manifest:
    state, reason, message = words
    same = known is not None and known["status"] == state
    condition: Manifest = {
        "type": kind,
        "observedGeneration": generation,
        "status": state,
        "lastProbeTime": None,
        "lastTransitionTime": known["lastTransitionTime"] if known is not None and same else now(),
    }
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    return condition
