"""Between the two faces of kinds that are served twice: events (core and events.k8s.io) and autoscalers (v1 and v2)."""

from __future__ import annotations

import json
from typing import Any

_EVENT_FIELDS = {"involvedObject": "regarding", "message": "note", "source": "deprecatedSource",
                 "firstTimestamp": "deprecatedFirstTimestamp", "lastTimestamp": "deprecatedLastTimestamp",
                 "count": "deprecatedCount", "reportingComponent": "reportingController"}  # fmt: skip
_FROM_NEW = {new: old for old, new in _EVENT_FIELDS.items()}
_EXTRA = "autoscaling.alpha.kubernetes.io/"


def _renamed(event: dict[str, Any], names: dict[str, str], api_version: str) -> dict[str, Any]:
    out = {names.get(key, key): value for key, value in event.items()}
    out["apiVersion"] = api_version
    return out


def event_from_core(event: dict[str, Any]) -> dict[str, Any]:
    """An `events.k8s.io/v1` Event from a core one."""
    return _renamed(event, _EVENT_FIELDS, "events.k8s.io/v1")


def event_to_core(event: dict[str, Any]) -> dict[str, Any]:
    """A core Event from an `events.k8s.io/v1` one."""
    out = _renamed(event, _FROM_NEW, "v1")
    out.setdefault("involvedObject", {})
    out.setdefault("source", {})
    out.setdefault("firstTimestamp", None)
    out.setdefault("lastTimestamp", None)
    return out


def hpa_from_v2(hpa: dict[str, Any]) -> dict[str, Any]:
    """An `autoscaling/v1` autoscaler: the CPU target has a field, everything else goes into annotations."""
    spec, status = hpa.get("spec", {}), hpa.get("status", {})
    out_spec = {key: spec[key] for key in ("scaleTargetRef", "minReplicas", "maxReplicas") if key in spec}
    other = []
    for metric in spec.get("metrics", []):
        target = metric.get("resource", {}).get("target", {})
        is_cpu = metric.get("type") == "Resource" and metric["resource"].get("name") == "cpu"
        if is_cpu and "averageUtilization" in target and "targetCPUUtilizationPercentage" not in out_spec:
            out_spec["targetCPUUtilizationPercentage"] = target["averageUtilization"]
        else:
            other.append(metric)
    names = {"observedGeneration": "observedGeneration", "lastScaleTime": "lastScaleTime",
             "currentReplicas": "currentReplicas", "desiredReplicas": "desiredReplicas"}  # fmt: skip
    out_status = {names[key]: value for key, value in status.items() if key in names}
    out_status.setdefault("currentReplicas", 0)
    out_status.setdefault("desiredReplicas", 0)
    metadata = dict(hpa["metadata"])
    extra = {"metrics": other, "behavior": spec.get("behavior"), "current-metrics": status.get("currentMetrics"),
             "conditions": status.get("conditions")}  # fmt: skip
    kept = {_EXTRA + name: json.dumps(value, separators=(",", ":")) for name, value in extra.items() if value}
    if kept:
        metadata["annotations"] = {**metadata.get("annotations", {}), **kept}
    return {
        "apiVersion": "autoscaling/v1",
        "kind": hpa["kind"],
        "metadata": metadata,
        "spec": out_spec,
        "status": out_status,
    }


def hpa_to_v2(hpa: dict[str, Any]) -> dict[str, Any]:
    """An `autoscaling/v2` autoscaler from a v1 one, its annotations unfolded again."""
    spec = dict(hpa.get("spec", {}))
    metadata = dict(hpa.get("metadata", {}))
    annotations = dict(metadata.get("annotations", {}))
    unfolded = {}
    for name in ("metrics", "behavior", "current-metrics", "conditions"):
        text = annotations.pop(_EXTRA + name, None)
        if text is not None:
            unfolded[name] = json.loads(text)
    if "annotations" in metadata:
        metadata["annotations"] = annotations
        if not annotations:
            del metadata["annotations"]
    metrics = unfolded.get("metrics", [])
    percentage = spec.pop("targetCPUUtilizationPercentage", None)
    if percentage is not None:
        target = {"type": "Utilization", "averageUtilization": percentage}
        metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}, *metrics]
    if metrics:
        spec["metrics"] = metrics
    if "behavior" in unfolded:
        spec["behavior"] = unfolded["behavior"]
    status = dict(hpa.get("status", {}))
    status["currentMetrics"] = unfolded.get("current-metrics")
    if "conditions" in unfolded:
        status["conditions"] = unfolded["conditions"]
    return {
        "apiVersion": "autoscaling/v2",
        "kind": hpa.get("kind"),
        "metadata": metadata,
        "spec": spec,
        "status": status,
    }
