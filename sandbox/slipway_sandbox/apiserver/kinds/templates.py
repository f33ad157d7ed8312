"""Validation that workloads share: selectors, pod templates, containers."""

from __future__ import annotations

import re
from typing import Any

from slipway_sandbox.apiserver import names
from slipway_sandbox.apiserver.errors import (
    DUPLICATE,
    FORBIDDEN,
    INVALID,
    NOT_SUPPORTED,
    REQUIRED,
    FieldError,
)
from slipway_sandbox.apiserver.kinds.containers import toleration_errors, validate_container
from slipway_sandbox.apiserver.metadata import validate_labels
from slipway_sandbox.apiserver.selectors import from_label_selector


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
        FieldError(INVALID, f"{path}.{name}" if path else name, "field is immutable", new.get(name))
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
            validate_container(
                container, f"{path}.{kind}[{index}]", seen, volumes, errors, init=kind == "initContainers"
            )
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
    for index, toleration in enumerate(spec.get("tolerations") or ()):
        errors += toleration_errors(toleration, f"{path}.tolerations[{index}]")
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
        if volume.get("persistentVolumeClaim") is not None and not volume["persistentVolumeClaim"].get("claimName"):
            errors.append(FieldError(REQUIRED, f"{here}.persistentVolumeClaim.claimName", ""))
    return seen
