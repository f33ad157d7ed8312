"""Horizontal pod autoscalers."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver import names, quantity
from slipway_sandbox.apiserver.errors import FORBIDDEN, INVALID, NOT_SUPPORTED, REQUIRED, FieldError
from slipway_sandbox.apiserver.kinds.hooks import Hooks
from slipway_sandbox.apiserver.kinds.podspec import fill

_SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
_LONGEST_WINDOW, _LONGEST_PERIOD = 3600, 1800


class Autoscalers(Hooks):
    def default(self, obj: dict[str, Any]) -> None:
        spec = obj["spec"]
        fill(spec, minReplicas=1)
        if not spec.get("metrics"):
            target = {"type": "Utilization", "averageUtilization": 80}
            spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
        behavior = spec.get("behavior")
        if behavior is not None:
            self._default_behavior(behavior)

    def _default_behavior(self, behavior: dict[str, Any]) -> None:
        percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
        if behavior.get("scaleUp") is not None or behavior.get("scaleDown") is not None:
            fill(behavior, scaleUp={}, scaleDown={})
        if behavior.get("scaleUp") is not None:
            pods = {"type": "Pods", "value": 4, "periodSeconds": 15}
            fill(behavior["scaleUp"], stabilizationWindowSeconds=0, selectPolicy="Max", policies=[pods, dict(percent)])
        if behavior.get("scaleDown") is not None:
            fill(behavior["scaleDown"], selectPolicy="Max", policies=[dict(percent)])

    def for_create(self, obj: dict[str, Any]) -> None:
        obj["status"] = {"desiredReplicas": 0, "currentMetrics": None}

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        spec = obj["spec"]
        errors = []
        low, high = spec.get("minReplicas", 1), spec.get("maxReplicas", 0)
        if low < 1:
            errors.append(FieldError(INVALID, "spec.minReplicas", "must be greater than or equal to 1", low))
        if high < 1:
            errors.append(FieldError(REQUIRED, "spec.maxReplicas", "must be set and greater than 0"))
        if high < low:
            detail = "must be greater than or equal to `minReplicas`"
            errors.append(FieldError(INVALID, "spec.maxReplicas", detail, high))
        target = spec.get("scaleTargetRef") or {}
        errors += _reference_errors(target, "spec.scaleTargetRef")
        if target.get("kind") != "ReplicationController" and "/" not in target.get("apiVersion", ""):
            path, detail = "spec.scaleTargetRef.apiVersion", "apiVersion must specify API group"
            errors.append(FieldError(INVALID, path, detail, target.get("apiVersion", "")))
        for index, metric in enumerate(spec["metrics"]):
            errors += _metric_errors(metric, f"spec.metrics[{index}]")
        for name in ("scaleUp", "scaleDown"):
            rules = (spec.get("behavior") or {}).get(name)
            if rules is not None:
                errors += _rules_errors(rules, f"spec.behavior.{name}")
        return errors


def _reference_errors(target: dict[str, Any], path: str) -> list[FieldError]:
    errors = []
    for name in ("kind", "name"):
        value = target.get(name)
        if not value:
            errors.append(FieldError(REQUIRED, f"{path}.{name}", ""))
        elif names.path_segment_problem(value):
            errors.append(FieldError(INVALID, f"{path}.{name}", names.path_segment_problem(value), value))
    return errors


def _metric_errors(metric: dict[str, Any], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    kind = metric.get("type", "")
    if not kind:
        errors.append(FieldError(REQUIRED, f"{path}.type", "must specify a metric source type"))
    if kind not in _SOURCES:
        listed = ", ".join(f'"{name}"' for name in _SOURCES)
        errors.append(FieldError(NOT_SUPPORTED, f"{path}.type", f"supported values: {listed}", kind))
    present = [
        name for name in ("object", "external", "pods", "resource", "containerResource") if metric.get(name) is not None
    ]
    if present:
        errors += _source_errors(present[0], metric[present[0]], f"{path}.{present[0]}")
    wanted = _SOURCES.get(kind, kind.lower())
    if wanted not in present:
        detail = "must populate information for the given metric source"
        errors.append(FieldError(REQUIRED, f"{path}.{wanted}", detail))
    if len(present) != 1:
        detail = "must populate the given metric source only"
        errors += [FieldError(FORBIDDEN, f"{path}.{name}", detail) for name in present if name != wanted]
    return errors


def _source_errors(kind: str, source: dict[str, Any], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    target = source.get("target") or {}
    if kind in {"resource", "containerResource"}:
        if not source.get("name"):
            errors.append(FieldError(REQUIRED, f"{path}.name", "must specify a resource name"))
        if kind == "containerResource" and not source.get("container"):
            errors.append(FieldError(REQUIRED, f"{path}.container", "must specify a container"))
        return errors + _target_errors(target, f"{path}.target") + _share_errors(target, f"{path}.target")
    if kind == "object":
        errors += _reference_errors(source.get("describedObject") or {}, f"{path}.describedObject")
    name = (source.get("metric") or {}).get("name")
    if not name:
        errors.append(FieldError(REQUIRED, f"{path}.metric.name", "must specify a metric name"))
    elif names.path_segment_problem(name):
        errors.append(FieldError(INVALID, f"{path}.metric.name", names.path_segment_problem(name), name))
    errors += _target_errors(target, f"{path}.target")
    value, average = target.get("value"), target.get("averageValue")
    if kind == "pods" and (average is None or quantity.value(average) <= 0):
        detail = "must specify a positive target averageValue"
        errors.append(FieldError(REQUIRED, f"{path}.target.averageValue", detail))
    elif kind != "pods" and value is None and average is None:
        detail = "must set either a target value for metric or a per-pod target"
        errors.append(FieldError(REQUIRED, f"{path}.target.averageValue", detail))
    if kind == "external" and value is not None and average is not None:
        detail = "may not set both a target value for metric and a per-pod target"
        errors.append(FieldError(FORBIDDEN, f"{path}.target.value", detail))
    return errors


def _target_errors(target: dict[str, Any], path: str) -> list[FieldError]:
    errors = []
    kind = target.get("type")
    if not kind:
        errors.append(FieldError(REQUIRED, f"{path}.type", "must specify a metric target type"))
    if kind not in {"Utilization", "Value", "AverageValue"}:
        errors.append(FieldError(INVALID, f"{path}.type", "must be either Utilization, Value, or AverageValue", kind))
    errors += [
        FieldError(INVALID, f"{path}.{name}", "must be positive", target[name])
        for name in ("value", "averageValue")
        if target.get(name) is not None and quantity.value(target[name]) <= 0
    ]
    share = target.get("averageUtilization")
    if share is not None and share < 1:
        errors.append(FieldError(INVALID, f"{path}.averageUtilization", "must be greater than 0", share))
    return errors


def _share_errors(target: dict[str, Any], path: str) -> list[FieldError]:
    share, average = target.get("averageUtilization"), target.get("averageValue")
    if share is None and average is None:
        detail = "must set either a target raw value or a target utilization"
        return [FieldError(REQUIRED, f"{path}.averageUtilization", detail)]
    if share is not None and average is not None:
        detail = "may not set both a target raw value and a target utilization"
        return [FieldError(FORBIDDEN, f"{path}.averageValue", detail)]
    return []


def _rules_errors(rules: dict[str, Any], path: str) -> list[FieldError]:
    errors = []
    window, choice = rules.get("stabilizationWindowSeconds"), rules.get("selectPolicy")
    if window is not None and not 0 <= window <= _LONGEST_WINDOW:
        edge = "greater than or equal to zero" if window < 0 else f"less than or equal to {_LONGEST_WINDOW}"
        errors.append(FieldError(INVALID, f"{path}.stabilizationWindowSeconds", f"must be {edge}", window))
    if choice not in {None, "Max", "Min", "Disabled"}:
        detail = 'supported values: "Disabled", "Max", "Min"'
        errors.append(FieldError(NOT_SUPPORTED, f"{path}.selectPolicy", detail, choice))
    if not rules.get("policies"):
        errors.append(FieldError(REQUIRED, f"{path}.policies", "must specify at least one Policy"))
    for index, policy in enumerate(rules.get("policies") or ()):
        here, kind, period = f"{path}.policies[{index}]", policy.get("type"), policy.get("periodSeconds", 0)
        if kind not in {"Pods", "Percent"}:
            errors.append(FieldError(NOT_SUPPORTED, f"{here}.type", 'supported values: "Percent", "Pods"', kind))
        if policy.get("value", 0) <= 0:
            errors.append(FieldError(INVALID, f"{here}.value", "must be greater than zero", policy.get("value", 0)))
        if not 0 < period <= _LONGEST_PERIOD:
            edge = "greater than zero" if period <= 0 else f"less than or equal to {_LONGEST_PERIOD}"
            errors.append(FieldError(INVALID, f"{here}.periodSeconds", f"must be {edge}", period))
    return errors
