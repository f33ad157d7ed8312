"""Label selectors, and the pod facts that several controllers read."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from slipway_sandbox.client import Manifest


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str] | None) -> bool:
    """Whether a LabelSelector (`matchLabels`, `matchExpressions`) selects these labels.

    A selector that is absent selects nothing; an empty one selects everything.
    """
    if selector is None:
        return False
    labels = labels or {}
    if any(labels.get(name) != value for name, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_holds(expression, labels) for expression in selector.get("matchExpressions") or ())


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    name, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(name) in values
        case "NotIn":
            return labels.get(name) not in values
        case "Exists":
            return name in labels
        case "DoesNotExist":
            return name not in labels
    return False


def condition_of(obj: Manifest, kind: str) -> Manifest | None:
    """The status condition of this type."""
    for condition in obj.get("status", {}).get("conditions") or ():
        if condition["type"] == kind:
            found: Manifest = condition
            return found
    return None


def is_ready(pod: Manifest) -> bool:
    """The pod's Ready condition is True."""
    condition = condition_of(pod, "Ready")
    return condition is not None and condition["status"] == "True"


def is_active(pod: Manifest) -> bool:
    """The pod neither has come to its end nor is being deleted."""
    return not is_finished(pod) and not pod["metadata"].get("deletionTimestamp")


def is_finished(pod: Manifest) -> bool:
    """Every container of the pod has ended for good."""
    return pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}


def seconds_until_available(pod: Manifest, min_ready_seconds: int) -> float | None:
    """How long the pod has to stay Ready until it counts as available: 0 when it does, None when it is not Ready."""
    condition = condition_of(pod, "Ready")
    if condition is None or condition["status"] != "True":
        return None
    if not min_ready_seconds:
        return 0.0
    since = datetime.fromisoformat(condition["lastTransitionTime"])
    return max(0.0, min_ready_seconds - (datetime.now(UTC) - since).total_seconds())
