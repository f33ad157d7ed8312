"""What is odd about the pods that somebody describes, and taken nevertheless."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver import quantity

_OLD_LABELS = {
    "beta.kubernetes.io/arch": ("v1.14", "kubernetes.io/arch"),
    "beta.kubernetes.io/os": ("v1.14", "kubernetes.io/os"),
    "beta.kubernetes.io/instance-type": ("v1.17", "node.kubernetes.io/instance-type"),
    "failure-domain.beta.kubernetes.io/region": ("v1.17", "topology.kubernetes.io/region"),
    "failure-domain.beta.kubernetes.io/zone": ("v1.17", "topology.kubernetes.io/zone"),
}


def pod_warnings(spec: dict[str, Any], path: str) -> list[str]:
    """The warnings for a pod spec that stands at a path."""
    warnings = []
    for name in sorted(spec.get("nodeSelector") or ()):
        if name in _OLD_LABELS:
            since, better = _OLD_LABELS[name]
            warnings.append(f'{path}.nodeSelector[{name}]: deprecated since {since}; use "{better}" instead')
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind) or ()):
            warnings += _container_warnings(container, f"{path}.{kind}[{index}]")
    return warnings


def _container_warnings(container: dict[str, Any], path: str) -> list[str]:
    warnings = []
    seen: set[str] = set()
    for index, variable in enumerate(container.get("env") or ()):
        name = variable.get("name", "")
        if name in seen:
            hidden = f'hides previous definition of "{name}", which may be dropped when using apply'
            warnings.append(f"{path}.env[{index}]: {hidden}")
        seen.add(name)
    first: dict[Any, str] = {}
    for index, port in enumerate(container.get("ports") or ()):
        identity = (port.get("protocol"), port.get("containerPort"), port.get("hostPort"), port.get("hostIP"))
        here = f"{path}.ports[{index}]"
        if identity in first:
            warnings.append(f"{here}: duplicate port definition with {first[identity]}")
        first.setdefault(identity, here)
    for kind in ("limits", "requests"):
        for name, amount in sorted(((container.get("resources") or {}).get(kind) or {}).items()):
            if name in {"memory", "ephemeral-storage"} and quantity.value(amount) % 1:
                detail = f'fractional byte value "{amount}" is invalid, must be an integer'
                warnings.append(f"{path}.resources.{kind}[{name}]: {detail}")
    return warnings
