"""The pod of a revision: one container named ``model``, rendered from what the release allows itself to say.

Nothing is passed through unseen: the API's models are an allow-list, and what is not in them cannot reach a pod.
Whatever is rendered here is the same for the same release for ever, because a changed pod template restarts every
model of every user on the day that the operator is upgraded. Another form of pods goes into `slipway.workload.forms`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from slipway.api import DEFAULT_PORT, ContainerPort, ContainerSpec, ProtocolSpec, ReleaseSpec, Resources
from slipway.workload.quantity import canonical_quantity

CONTAINER_NAME: Final = "model"
"""Name of the container that serves. Logs, metrics and messages refer to it."""

TRANSFORMER_NAME: Final = "transformer"
"""Name of the container in front of it, where there is one."""

PREDICTOR_PORT: Final = "predictor"
"""Name of the model's first port behind a transformer, where the release gives it none."""

READY_PATHS: Final = {
    "OpenInferenceV2": "/v2/health/ready",
    "MLflow": "/ping",
    "TorchServe": "/ping",
    "OpenAIChat": "/v1/models",
    "OpenAICompletions": "/v1/models",
    "KServeV1": "/v1/models/{{model}}",
}
"""Where servers of each protocol say that they are ready."""

READY_PERIOD_SECONDS: Final = 2
"""A candidate's start and a pod's sickness are both noticed at this pace; the kubelet's own default is 10 s."""

DRAIN_SECONDS: Final = 5
"""How long a pod that ends goes on answering: gateways were seen to take up to two and a half seconds to stop sending
it requests."""

GRACE_SECONDS: Final = 30
"""Kubernetes' own time for a pod to end in, where the release names none."""

SLEEPS_SINCE: Final = (1, 30)
"""The first version of Kubernetes whose kubelets pause by themselves, as (major, minor)."""


_PLACEMENT: Final = ("nodeSelector", "tolerations", "priorityClassName", "runtimeClassName")


@dataclass(frozen=True, slots=True)
class NamedPort:
    """A container port with the name that its Service refers to."""

    name: str
    number: int


def container_of(release: ReleaseSpec) -> ContainerSpec:
    """The container of a release that serves. Raises ValueError for a release that was not settled with its runtime."""
    if release.container is None or release.container.image is None:
        raise ValueError("spec.release.container.image: nothing says what serves the model")
    return release.container


def as_written(model: BaseModel) -> dict[str, Any]:
    """A part of a specification as a manifest says it."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def free_name(number: int, taken: set[str]) -> str:
    """A name for a port that depends on nothing but its number and the names that are taken; at most 15 characters."""
    names = (f"port-{number}", *(f"port-{number}-{again}" for again in range(2, 20)))
    return next(name for name in names if name not in taken)  # two containers have at most 16 ports


def named_ports(release: ReleaseSpec) -> tuple[NamedPort, ...]:
    """The pods' ports, at least one; the first takes the inference requests.

    A port without a name is ``http`` when it is the first and no other is named so, and ``port-<number>`` otherwise.
    Where a transformer stands in front of the model, its ports come first, and the model's first is ``predictor``.
    """
    return (*transformer_ports(release), *model_ports(release))


def transformer_ports(release: ReleaseSpec) -> tuple[NamedPort, ...]:
    """The ports of the container in front of the model; none where there is none."""
    if release.transformer is None:
        return ()
    return _named(release)[: len(release.transformer.container.ports)]


def model_ports(release: ReleaseSpec) -> tuple[NamedPort, ...]:
    """The ports of the model's container, at least one; the first is where the model is asked."""
    return _named(release)[len(transformer_ports(release)) :]


def _named(release: ReleaseSpec) -> tuple[NamedPort, ...]:
    ahead = release.transformer.container.ports if release.transformer is not None else []
    declared = [*ahead, *(container_of(release).ports or [ContainerPort(container_port=DEFAULT_PORT)])]
    taken = {port.name for port in declared if port.name}
    ports = []
    for index, port in enumerate(declared):
        first = {len(ahead): PREDICTOR_PORT, 0: "http"}.get(index)
        name = port.name
        if name is None:
            name = first if first is not None and first not in taken else free_name(port.container_port, taken)
        taken.add(name)
        ports.append(NamedPort(name, port.container_port))
    return tuple(ports)


def model_facts(release: ReleaseSpec) -> dict[str, str | None]:
    """What each container is told of the model."""
    model = release.model
    return {
        "SLIPWAY_MODEL_NAME": model.name,
        "SLIPWAY_MODEL_VERSION": model.version,
        "SLIPWAY_MODEL_URI": model.uri,
        "SLIPWAY_MODEL_FORMAT": model.format,
        "SLIPWAY_MODEL_DIGEST": model.digest,
    }


def told(facts: Mapping[str, str | None], container: ContainerSpec) -> list[dict[str, Any]]:
    """A container's variables: facts first, so that the user's variables and arguments can refer to
    ``$(SLIPWAY_MODEL_URI)``."""
    declared = [as_written(variable) for variable in container.env or []]
    names = {variable["name"] for variable in declared}
    ours = [
        # The kubelet expands $(NAME) in values; a doubled dollar is a plain one, so that a URI stays what it is.
        {"name": name, "value": value.replace("$", "$$")}
        for name, value in facts.items()
        if value is not None and name not in names
    ]
    return ours + declared


def amounts_of(declared: Resources | None) -> dict[str, dict[str, str]]:
    """Compute resources as a container has them; empty where none are declared."""
    if declared is None:
        return {}
    return {
        kind: {name: canonical_quantity(amount) for name, amount in amounts.items()}
        for kind, amounts in (("requests", declared.requests), ("limits", declared.limits))
        if amounts
    }


def placement_of(release: ReleaseSpec) -> dict[str, Any]:
    """Where the pods of a release may run, and how urgently, as a pod's ``spec`` says it."""
    settings = as_written(release.pod) if release.pod is not None else {}
    return {name: settings[name] for name in _PLACEMENT if settings.get(name)}


def ready_path(protocol: ProtocolSpec | None, model: str) -> str:
    """Where a server of this protocol says that it is ready."""
    if protocol is None:
        return READY_PATHS["OpenInferenceV2"]
    path = protocol.custom.ready_path if protocol.custom is not None else READY_PATHS[protocol.name]
    return path.replace("{{model}}", model)


def _probes(container: ContainerSpec, port: NamedPort, ready_at: str) -> dict[str, Any]:
    declared = {
        "readinessProbe": container.readiness_probe,
        "livenessProbe": container.liveness_probe,
        "startupProbe": container.startup_probe,
    }
    probes = {name: as_written(probe) for name, probe in declared.items() if probe is not None}
    ready = {
        "httpGet": {"path": ready_at, "port": port.number},
        "periodSeconds": READY_PERIOD_SECONDS,
    }
    return {"readinessProbe": ready, **probes}


def rendered(
    name: str, declared: ContainerSpec, *, ports: Sequence[NamedPort], env: list[dict[str, Any]], ready_at: str
) -> dict[str, Any]:
    """A container of a pod, asked on its first port whether it is ready."""
    container: dict[str, Any] = {
        "name": name,
        "image": declared.image,
        "ports": [{"name": port.name, "containerPort": port.number, "protocol": "TCP"} for port in ports],
        "env": env,
        **_probes(declared, ports[0], ready_at),
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    if declared.command:
        container["command"] = list(declared.command)
    if declared.args:
        container["args"] = list(declared.args)
    if resources := amounts_of(declared.resources):
        container["resources"] = resources
    return container


def _container(release: ReleaseSpec) -> dict[str, Any]:
    declared = container_of(release)
    return rendered(
        CONTAINER_NAME,
        declared,
        ports=model_ports(release),
        env=told(model_facts(release), declared),
        ready_at=ready_path(release.protocol, release.model.name),
    )


def drain_seconds(release: ReleaseSpec) -> int:
    """How long a pod that ends goes on answering; 0 where it has no time for that."""
    declared = release.pod.termination_grace_period_seconds if release.pod is not None else None
    return min(DRAIN_SECONDS, (declared or GRACE_SECONDS) // 2)


def drained(container: dict[str, Any], seconds: int) -> dict[str, Any]:
    """The container with a pause before it is told to end.

    A pod that ends is taken out of the endpoints at that moment, and gateways and nodes learn of it a little later.
    Until they have, it goes on answering. The kubelet's own pause needs no program in the image; it is there from
    Kubernetes 1.30 on. It is part of the time that a pod has to end in, and an API server refuses one that is longer:
    half of that time is left to the server.
    """
    return {**container, "lifecycle": {"preStop": {"sleep": {"seconds": seconds}}}} if seconds else container


def drains(deployment: Mapping[str, Any]) -> bool:
    """Whether the pods of a live Deployment pause before they end. What was made one way stays so: to change it would
    restart the fleet."""
    template = (deployment.get("spec") or {}).get("template") or {}
    containers = (template.get("spec") or {}).get("containers") or []
    ours: Mapping[str, Any] = next((found for found in containers if found.get("name") == CONTAINER_NAME), {})
    return ((ours.get("lifecycle") or {}).get("preStop") or {}).get("sleep") is not None


def pod_spec(release: ReleaseSpec, *, drain: bool = False) -> dict[str, Any]:
    """The pod's spec.

    No service account token is mounted, because a model server has no business with the API; a service account may
    still be named for a cloud's own identity. Service links are off: they put one variable for each Service of the
    namespace into the environment, and would make a pod depend on its neighbours.
    """
    settings = as_written(release.pod) if release.pod is not None else {}
    security = {"seccompProfile": {"type": "RuntimeDefault"}, **settings.pop("securityContext", {})}
    return {
        "containers": [drained(_container(release), drain_seconds(release)) if drain else _container(release)],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": security,
        **{name: value for name, value in settings.items() if value not in ({}, [])},
    }
