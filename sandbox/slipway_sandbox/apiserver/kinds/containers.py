"""Validation of containers, which pods and pod templates share."""

from __future__ import annotations

import re
from typing import Any

from slipway_sandbox.apiserver import names, quantity
from slipway_sandbox.apiserver.errors import (
    DUPLICATE,
    FORBIDDEN,
    INVALID,
    NOT_FOUND,
    NOT_SUPPORTED,
    REQUIRED,
    FieldError,
)

_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_FIELDS = {
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
}  # fmt: skip
_RESOURCE = re.compile(r"(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.+)")
_ENV_NAME = re.compile(r"[^=\x00-\x1f\x7f]+")
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def port_name_problem(name: str) -> str:
    """What is wrong with the name of a port."""
    if len(name) > 15:
        return "must be no more than 15 characters"
    return "" if _PORT_NAME.fullmatch(name) and "--" not in name else "must be a valid IANA service name"


def validate_container(
    container: dict[str, Any], path: str, seen: set[str], volumes: set[str], errors: list[FieldError], *, init: bool
) -> None:
    """Check a container; `seen` are the names of those before it, `init` says that it runs before others."""
    name = container.get("name", "")
    if not name:
        errors.append(FieldError(REQUIRED, f"{path}.name", ""))
    elif names.dns_label_problem(name):
        errors.append(FieldError(INVALID, f"{path}.name", names.dns_label_problem(name), name))
    elif name in seen:
        errors.append(FieldError(DUPLICATE, f"{path}.name", "", name))
    seen.add(name)
    if not container.get("image"):
        errors.append(FieldError(REQUIRED, f"{path}.image", ""))
    elif container["image"] != container["image"].strip():
        detail = "must not have leading or trailing whitespace"
        errors.append(FieldError(INVALID, f"{path}.image", detail, container["image"]))
    for field, allowed in (
        ("imagePullPolicy", ("Always", "IfNotPresent", "Never")),
        ("terminationMessagePolicy", ("FallbackToLogsOnError", "File")),
    ):
        if container.get(field) not in {None, *allowed}:
            listed = ", ".join(f'"{value}"' for value in allowed)
            errors.append(FieldError(NOT_SUPPORTED, f"{path}.{field}", f"supported values: {listed}", container[field]))
    _validate_ports(container.get("ports") or [], f"{path}.ports", errors)
    _validate_env(container.get("env") or [], f"{path}.env", errors)
    for index, source in enumerate(container.get("envFrom") or ()):
        errors.extend(
            FieldError(REQUIRED, f"{path}.envFrom[{index}].{kind}.name", "")
            for kind in ("configMapRef", "secretRef")
            if source.get(kind) is not None and not source[kind].get("name")
        )
    _validate_mounts(container.get("volumeMounts") or [], f"{path}.volumeMounts", volumes, errors)
    _validate_running(container, path, errors, early=init and container.get("restartPolicy") != "Always")
    _validate_resources(container.get("resources") or {}, f"{path}.resources", errors)


def _validate_running(container: dict[str, Any], path: str, errors: list[FieldError], *, early: bool) -> None:
    """Probes and hooks: those that run to their end before the others start have none."""
    for name in ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle"):
        if container.get(name) is None:
            continue
        if early:
            detail = "may not be set for init containers without restartPolicy=Always"
            errors.append(FieldError(FORBIDDEN, f"{path}.{name}", detail))
        elif name == "lifecycle":
            for hook in ("postStart", "preStop"):
                if container[name].get(hook) is not None:
                    _validate_handler(container[name][hook], f"{path}.{name}.{hook}", errors)
        else:
            _validate_probe(container[name], f"{path}.{name}", name, errors)


def _validate_mounts(mounts: list[dict[str, Any]], path: str, volumes: set[str], errors: list[FieldError]) -> None:
    seen: set[str] = set()
    for index, mount in enumerate(mounts):
        here, place, part = f"{path}[{index}]", mount.get("mountPath", ""), mount.get("subPath", "")
        if not mount.get("name"):
            errors.append(FieldError(REQUIRED, f"{here}.name", ""))
        if mount.get("name") not in volumes:
            errors.append(FieldError(NOT_FOUND, f"{here}.name", "", mount.get("name")))
        if not place:
            errors.append(FieldError(REQUIRED, f"{here}.mountPath", ""))
        if place in seen:
            errors.append(FieldError(INVALID, f"{here}.mountPath", "must be unique", place))
        seen.add(place)
        if part.startswith("/"):
            errors.append(FieldError(INVALID, f"{here}.subPath", "must be a relative path", part))
        elif ".." in part.split("/"):
            errors.append(FieldError(INVALID, f"{here}.subPath", "must not contain '..'", part))


def _validate_ports(ports: list[dict[str, Any]], path: str, errors: list[FieldError]) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        here = f"{path}[{index}]"
        name = port.get("name")
        if name:
            if port_name_problem(name):
                errors.append(FieldError(INVALID, f"{here}.name", port_name_problem(name), name))
            elif name in seen:
                errors.append(FieldError(DUPLICATE, f"{here}.name", "", name))
            seen.add(name)
        if not port.get("containerPort"):
            errors.append(FieldError(REQUIRED, f"{here}.containerPort", ""))
        elif not 0 < port["containerPort"] < 65536:
            errors.append(
                FieldError(
                    INVALID, f"{here}.containerPort", "must be between 1 and 65535, inclusive", port["containerPort"]
                )
            )
        if port.get("protocol") not in {"TCP", "UDP", "SCTP"}:
            errors.append(
                FieldError(
                    NOT_SUPPORTED, f"{here}.protocol", 'supported values: "SCTP", "TCP", "UDP"', port.get("protocol")
                )
            )


def _validate_env(env: list[dict[str, Any]], path: str, errors: list[FieldError]) -> None:
    for index, variable in enumerate(env):
        here = f"{path}[{index}]"
        name = variable.get("name", "")
        if not name:
            errors.append(FieldError(REQUIRED, f"{here}.name", ""))
        elif not _ENV_NAME.fullmatch(name):
            errors.append(
                FieldError(INVALID, f"{here}.name", "a valid environment variable name must not contain '='", name)
            )
        source = variable.get("valueFrom")
        if source is None:
            continue
        if variable.get("value"):
            errors.append(
                FieldError(INVALID, f"{here}.valueFrom", "may not be specified when `value` is not empty", "")
            )
        if len(source) == 0:
            errors.append(FieldError(INVALID, f"{here}.valueFrom", "must specify one of the sources", ""))
        if len(source) > 1:
            errors.append(
                FieldError(INVALID, f"{here}.valueFrom", "may not have more than one field specified at a time", "")
            )
        _validate_sources(source, f"{here}.valueFrom", errors)


def _validate_sources(source: dict[str, Any], path: str, errors: list[FieldError]) -> None:
    for kind in ("configMapKeyRef", "secretKeyRef"):
        found = source.get(kind)
        if found is None:
            continue
        errors.extend(
            FieldError(REQUIRED, f"{path}.{kind}.{field}", "") for field in ("name", "key") if not found.get(field)
        )
        if found.get("key") and not _CONFIG_KEY.fullmatch(found["key"]):
            detail = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
            errors.append(FieldError(INVALID, f"{path}.{kind}.key", detail, found["key"]))
    field, resource = source.get("fieldRef"), source.get("resourceFieldRef")
    if field is not None:
        place = field.get("fieldPath", "")
        if not place:
            errors.append(FieldError(REQUIRED, f"{path}.fieldRef.fieldPath", ""))
        elif place not in _FIELDS and not re.fullmatch(r"metadata\.(labels|annotations)\['[^']+'\]", place):
            detail = f"error converting fieldPath: field label not supported: {place}"
            errors.append(FieldError(INVALID, f"{path}.fieldRef.fieldPath", detail, place))
    if resource is not None:
        name = resource.get("resource", "")
        if not name:
            errors.append(FieldError(REQUIRED, f"{path}.resourceFieldRef.resource", ""))
        elif not _RESOURCE.fullmatch(name):
            errors.append(FieldError(NOT_SUPPORTED, f"{path}.resourceFieldRef.resource", "", name))


def _validate_handler(handler: dict[str, Any], path: str, errors: list[FieldError]) -> None:
    """What a probe or a hook does: exactly one thing."""
    kinds = [kind for kind in ("exec", "httpGet", "tcpSocket", "grpc", "sleep") if handler.get(kind) is not None]
    if not kinds:
        errors.append(FieldError(REQUIRED, path, "must specify a handler type"))
    detail = "may not specify more than 1 handler type"
    errors.extend(FieldError(FORBIDDEN, f"{path}.{extra}", detail) for extra in kinds[1:])
    for kind in kinds[:1]:
        action = handler[kind]
        if kind == "exec" and not action.get("command"):
            errors.append(FieldError(REQUIRED, f"{path}.exec.command", ""))
        if kind == "httpGet" and action.get("scheme") not in {"HTTP", "HTTPS"}:
            detail = 'supported values: "HTTP", "HTTPS"'
            errors.append(FieldError(NOT_SUPPORTED, f"{path}.httpGet.scheme", detail, action.get("scheme")))
        if kind in {"httpGet", "tcpSocket", "grpc"}:
            port = action.get("port", 0)
            problem = port_name_problem(port) if isinstance(port, str) else _number_problem(port)
            if problem:
                errors.append(FieldError(INVALID, f"{path}.{kind}.port", problem, port))


def _number_problem(port: int) -> str:
    return "" if 0 < port < 65536 else "must be between 1 and 65535, inclusive"


def _validate_probe(probe: dict[str, Any], path: str, name: str, errors: list[FieldError]) -> None:
    _validate_handler(probe, path, errors)
    errors.extend(
        FieldError(INVALID, f"{path}.{field}", "must be greater than or equal to 0", probe[field])
        for field in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
        if probe.get(field, 0) < 0
    )
    if name != "readinessProbe" and probe.get("successThreshold", 1) != 1:
        errors.append(FieldError(INVALID, f"{path}.successThreshold", "must be 1", probe["successThreshold"]))
    grace = probe.get("terminationGracePeriodSeconds")
    if grace is not None and name == "readinessProbe":
        detail = "must not be set for readinessProbes"
        errors.append(FieldError(INVALID, f"{path}.terminationGracePeriodSeconds", detail, grace))
    elif grace is not None and grace <= 0:
        errors.append(FieldError(INVALID, f"{path}.terminationGracePeriodSeconds", "must be greater than 0", grace))


def _validate_resources(resources: dict[str, Any], path: str, errors: list[FieldError]) -> None:
    limits = resources.get("limits") or {}
    for kind in ("limits", "requests"):
        for name, amount in (resources.get(kind) or {}).items():
            here = f"{path}.{kind}[{name}]"
            if quantity.value(amount) < 0:
                errors.append(FieldError(INVALID, here, "must be greater than or equal to 0", amount))
            elif (
                "/" not in name
                and name not in {"cpu", "memory", "ephemeral-storage"}
                and not name.startswith("hugepages-")
            ):
                errors.append(FieldError(INVALID, here, "must be a standard resource type or fully qualified", name))
    for name, amount in (resources.get("requests") or {}).items():
        if name in limits and quantity.value(amount) > quantity.value(limits[name]):
            detail = f"must be less than or equal to {name} limit of {limits[name]}"
            errors.append(FieldError(INVALID, f"{path}.requests", detail, amount))


def toleration_errors(toleration: dict[str, Any], path: str) -> list[FieldError]:
    """What is wrong with a toleration."""
    errors = []
    key, operator, value = toleration.get("key", ""), toleration.get("operator", ""), toleration.get("value", "")
    effect = toleration.get("effect", "")
    if key and names.label_key_problem(key):
        errors.append(FieldError(INVALID, f"{path}.key", names.label_key_problem(key), key))
    if not key and operator != "Exists":
        detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        errors.append(FieldError(INVALID, f"{path}.operator", detail, operator))
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        errors.append(FieldError(INVALID, f"{path}.effect", detail, effect))
    if operator == "Exists" and value:
        detail = "value must be empty when `operator` is 'Exists'"
        errors.append(FieldError(INVALID, f"{path}.operator", detail, toleration))
    elif operator in {"", "Equal"} and names.label_value_problem(value):
        errors.append(FieldError(INVALID, f"{path}.operator", names.label_value_problem(value), value))
    elif operator not in {"", "Equal", "Exists"}:
        detail = 'supported values: "Equal", "Exists"'
        errors.append(FieldError(NOT_SUPPORTED, f"{path}.operator", detail, operator))
    if effect not in {"", "NoSchedule", "PreferNoSchedule", "NoExecute"}:
        detail = 'supported values: "NoExecute", "NoSchedule", "PreferNoSchedule"'
        errors.append(FieldError(NOT_SUPPORTED, f"{path}.effect", detail, effect))
    return errors
