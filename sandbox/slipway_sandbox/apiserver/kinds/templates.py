"""Validation that workloads share: selectors, pod templates, containers."""

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
from slipway_sandbox.apiserver.metadata import validate_labels
from slipway_sandbox.apiserver.selectors import from_label_selector

_ENV_NAME = re.compile(r"[^=\x00-\x1f\x7f]+")
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def negative(spec: dict[str, Any], *fields: str) -> list[FieldError]:
    """Counts may not be negative."""
    return [
        FieldError(INVALID, f"spec.{name}", "must be greater than or equal to 0", spec[name])
        for name in fields
        if isinstance(spec.get(name), int) and spec[name] < 0
    ]


def immutable(new: dict[str, Any], old: dict[str, Any], *fields: str, path: str = "spec") -> list[FieldError]:
    """Fields that may not change."""
    return [
        FieldError(INVALID, f"{path}.{name}", "field is immutable", new.get(name))
        for name in fields
        if new.get(name) != old.get(name)
    ]


def validate_label_selector(selector: dict[str, Any], path: str) -> list[FieldError]:
    """What is wrong with a label selector by itself."""
    errors = validate_labels(selector.get("matchLabels"), f"{path}.matchLabels")
    for index, expression in enumerate(selector.get("matchExpressions") or ()):
        here = f"{path}.matchExpressions[{index}]"
        operator, values = expression.get("operator"), expression.get("values") or []
        if operator in {"In", "NotIn"}:
            if not values:
                errors.append(
                    FieldError(REQUIRED, f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'")
                )
        elif operator in {"Exists", "DoesNotExist"}:
            if values:
                detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                errors.append(FieldError(FORBIDDEN, f"{here}.values", detail))
        else:
            errors.append(FieldError(INVALID, f"{here}.operator", "not a valid selector operator", operator))
        if names.label_key_problem(expression.get("key", "")):
            errors.append(
                FieldError(
                    INVALID, f"{here}.key", names.label_key_problem(expression.get("key", "")), expression.get("key")
                )
            )
    return errors


def validate_selector(selector: dict[str, Any] | None, template: dict[str, Any], path: str) -> list[FieldError]:
    """A workload's selector has to be there, to be valid, and to select the template."""
    if selector is None:
        detail = "`selector` does not match template `labels`"
        labels = template.get("metadata", {}).get("labels") or {}
        mismatch = FieldError(INVALID, f"{path}.template.metadata.labels", detail, labels)
        return [FieldError(REQUIRED, f"{path}.selector", ""), mismatch]
    errors = validate_label_selector(selector, f"{path}.selector")
    labels = template.get("metadata", {}).get("labels") or {}
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        errors.append(FieldError(INVALID, f"{path}.selector", "empty selector is invalid for deployment", selector))
        return errors
    if not errors and not all(requirement.matches(labels) for requirement in from_label_selector(selector)):
        detail = "`selector` does not match template `labels`"
        errors.append(FieldError(INVALID, f"{path}.template.metadata.labels", detail, labels))
    return errors


def validate_rolling_amount(rolling: dict[str, Any], path: str) -> list[FieldError]:
    """maxUnavailable and maxSurge: counts or percentages, not both zero."""
    errors = []
    amounts = []
    for name in ("maxUnavailable", "maxSurge"):
        value = rolling.get(name)
        amounts.append(_amount(value))
        problem = amount_problem(value)
        if problem:
            errors.append(FieldError(INVALID, f"{path}.{name}", problem, value))
        elif name == "maxUnavailable" and isinstance(value, str) and int(value[:-1]) > 100:
            errors.append(FieldError(INVALID, f"{path}.{name}", "must not be greater than 100%", value))
    if not errors and amounts == [0, 0]:
        detail = "may not be 0 when `maxSurge` is 0"
        errors.append(FieldError(INVALID, f"{path}.maxUnavailable", detail, rolling.get("maxUnavailable")))
    return errors


def amount_problem(value: Any) -> str:
    """What is wrong with a count-or-percentage."""
    if isinstance(value, str) and not re.fullmatch(r"[0-9]+%", value):
        return "a valid percent string must be a numeric string followed by an ending '%'"
    if isinstance(value, int) and value < 0:
        return "must be greater than or equal to 0"
    return ""


def _amount(value: Any) -> int:
    if isinstance(value, str):
        return int(value[:-1]) if re.fullmatch(r"[0-9]+%", value) else 1
    return value if isinstance(value, int) else 0


def validate_template(template: dict[str, Any], path: str, *, restart: tuple[str, ...]) -> list[FieldError]:
    """A pod template; `restart` are the restart policies that its owner allows."""
    meta = template.get("metadata", {})
    errors = validate_labels(meta.get("labels"), f"{path}.labels")
    spec = template.get("spec", {})
    errors += validate_pod_spec(spec, f"{path}.spec")
    policy = spec.get("restartPolicy")
    if policy not in restart and not any(error.field == f"{path}.spec.restartPolicy" for error in errors):
        listed = ", ".join(f'"{allowed}"' for allowed in restart)
        if len(restart) > 1:
            errors.append(FieldError(REQUIRED, f"{path}.spec.restartPolicy", f"valid values: {listed}"))
        else:
            errors.append(
                FieldError(NOT_SUPPORTED, f"{path}.spec.restartPolicy", f"supported values: {listed}", policy)
            )
    return errors


def validate_pod_spec(spec: dict[str, Any], path: str) -> list[FieldError]:
    """A pod spec."""
    errors: list[FieldError] = []
    volumes = _validate_volumes(spec.get("volumes") or [], f"{path}.volumes", errors)
    containers = spec.get("containers") or []
    if not containers:
        errors.append(FieldError(REQUIRED, f"{path}.containers", ""))
    seen: set[str] = set()
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(kind) or ()):
            _validate_container(container, f"{path}.{kind}[{index}]", seen, volumes, errors)
    choices = {"restartPolicy": ("Always", "OnFailure", "Never"),
               "dnsPolicy": ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")}  # fmt: skip
    for name, allowed in choices.items():
        if spec.get(name) is not None and spec[name] not in allowed:
            listed = ", ".join(f'"{value}"' for value in allowed)
            errors.append(FieldError(NOT_SUPPORTED, f"{path}.{name}", f"supported values: {listed}", spec[name]))
    for name in ("terminationGracePeriodSeconds", "activeDeadlineSeconds"):
        value = spec.get(name)
        if isinstance(value, int) and value < (1 if name == "activeDeadlineSeconds" else 0):
            errors.append(FieldError(INVALID, f"{path}.{name}", "must be greater than or equal to 0", value))
    errors += validate_labels(spec.get("nodeSelector"), f"{path}.nodeSelector")
    for name in ("serviceAccountName", "nodeName"):
        if spec.get(name) and names.subdomain_problem(spec[name]):
            errors.append(FieldError(INVALID, f"{path}.{name}", names.subdomain_problem(spec[name]), spec[name]))
    return errors


def _validate_volumes(volumes: list[dict[str, Any]], path: str, errors: list[FieldError]) -> set[str]:
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        here = f"{path}[{index}]"
        name = volume.get("name", "")
        if not name:
            errors.append(FieldError(REQUIRED, f"{here}.name", ""))
        elif names.dns_label_problem(name):
            errors.append(FieldError(INVALID, f"{here}.name", names.dns_label_problem(name), name))
        elif name in seen:
            errors.append(FieldError(DUPLICATE, f"{here}.name", "", name))
        seen.add(name)
        sources = [source for source in volume if source != "name"]
        errors.extend(
            FieldError(FORBIDDEN, f"{here}.{extra}", "may not specify more than 1 volume type") for extra in sources[1:]
        )
        if volume.get("configMap") is not None and not volume["configMap"].get("name"):
            errors.append(FieldError(REQUIRED, f"{here}.configMap.name", ""))
        if volume.get("secret") is not None and not volume["secret"].get("secretName"):
            errors.append(FieldError(REQUIRED, f"{here}.secret.secretName", ""))
        if volume.get("hostPath") is not None and not volume["hostPath"].get("path"):
            errors.append(FieldError(REQUIRED, f"{here}.hostPath.path", ""))
    return seen


def _validate_container(
    container: dict[str, Any], path: str, seen: set[str], volumes: set[str], errors: list[FieldError]
) -> None:
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
        errors.append(
            FieldError(INVALID, f"{path}.image", "must not have leading or trailing whitespace", container["image"])
        )
    if container.get("imagePullPolicy") not in {None, "Always", "IfNotPresent", "Never"}:
        detail = 'supported values: "Always", "IfNotPresent", "Never"'
        errors.append(FieldError(NOT_SUPPORTED, f"{path}.imagePullPolicy", detail, container["imagePullPolicy"]))
    _validate_ports(container.get("ports") or [], f"{path}.ports", errors)
    _validate_env(container.get("env") or [], f"{path}.env", errors)
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        if not mount.get("name"):
            errors.append(FieldError(REQUIRED, f"{path}.volumeMounts[{index}].name", ""))
        if mount.get("name") not in volumes:
            errors.append(FieldError(NOT_FOUND, f"{path}.volumeMounts[{index}].name", "", mount.get("name")))
        if not mount.get("mountPath"):
            errors.append(FieldError(REQUIRED, f"{path}.volumeMounts[{index}].mountPath", ""))
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(probe) is not None:
            _validate_probe(container[probe], f"{path}.{probe}", probe, errors)
    _validate_resources(container.get("resources") or {}, f"{path}.resources", errors)


def _validate_ports(ports: list[dict[str, Any]], path: str, errors: list[FieldError]) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        here = f"{path}[{index}]"
        name = port.get("name")
        if name:
            if len(name) > 15 or not _PORT_NAME.fullmatch(name) or "--" in name:
                errors.append(FieldError(INVALID, f"{here}.name", "must be a valid IANA service name", name))
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


def _validate_probe(probe: dict[str, Any], path: str, name: str, errors: list[FieldError]) -> None:
    handlers = [handler for handler in ("exec", "httpGet", "tcpSocket", "grpc") if probe.get(handler) is not None]
    if not handlers:
        errors.append(FieldError(REQUIRED, path, "must specify a handler type"))
    errors.extend(
        FieldError(FORBIDDEN, f"{path}.{extra}", "may not specify more than 1 handler type") for extra in handlers[1:]
    )
    errors.extend(
        FieldError(INVALID, f"{path}.{field}", "must be greater than or equal to 0", probe[field])
        for field in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
        if probe.get(field, 0) < 0
    )
    if name != "readinessProbe" and probe.get("successThreshold", 1) != 1:
        errors.append(FieldError(INVALID, f"{path}.successThreshold", "must be 1", probe["successThreshold"]))


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
