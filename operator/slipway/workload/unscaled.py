"""Why an autoscaler does not scale: one sentence from its conditions, which names what to do.

An autoscaler that cannot work says so in its own status and nowhere else, and the fleet just stays as it is. A reader
of the ModelDeployment has to learn it there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from slipway.workload.fleet import condition, cut

_KEDA_PAUSES: Final = ("autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-replicas")
"""Annotations with which somebody stops KEDA."""

_PASSING: Final = ("the object has been modified",)
"""Parts of messages of what the autoscaler tries again by itself: it lost a write to somebody who was faster."""

_METRICS: Final = "spec.autoscaling.metrics"
_TRIGGERS: Final = "spec.autoscaling.keda.triggers"

_FIXES: Final = (
    # reason (its beginning), a part of the message, what to do; the first that fits
    (
        "FailedGet",
        "in container transformer",
        "set spec.release.transformer.container.resources.requests for it",
    ),
    ("FailedGet", "missing request for", "set spec.release.container.resources.requests for it"),
    ("FailedGet", "did not receive metrics", "it goes on as soon as ready pods have reported their first metrics"),
    ("FailedGet", "no metrics returned", "it goes on as soon as ready pods have reported their first metrics"),
    (
        "FailedGetResourceMetric",
        "",
        "install metrics-server, or find out why metrics.k8s.io does not answer (kubectl get apiservices)",
    ),
    (
        "FailedGetPodsMetric",
        "",
        f"install an adapter that serves the metric in custom.metrics.k8s.io, or fix its name in {_METRICS}",
    ),
    ("FailedGetExternalMetric", "", f"find out why KEDA does not serve the metric, or fix {_TRIGGERS}"),
    ("FailedGetScale", "", "find out why the Deployment of this name cannot be read"),
    ("FailedUpdateScale", "", "find out what refuses the change: an admission policy, a webhook or a missing right"),
    ("AmbiguousSelector", "", "delete the other HorizontalPodAutoscaler that scales the same pods"),
    ("ScaledObjectCheckFailed", "", f"fix {_TRIGGERS}, or delete the other autoscaler of this Deployment"),
    ("TriggerError", "", f"fix {_TRIGGERS}, or repair what they ask"),
)


def autoscaler_problem(live: Mapping[str, Any]) -> str | None:
    """Why the autoscaler of a fleet that shall have pods does not scale; None when it does, or only has to begin.

    `live` is a HorizontalPodAutoscaler or a ScaledObject as it was read. The sentence names it, its own reason and
    message (cut), and what to do.
    """
    status = live.get("status") or {}
    metadata = live.get("metadata") or {}
    name = f"{live.get('kind')} {metadata.get('name')}"
    annotations = metadata.get("annotations") or {}
    if live.get("kind") == "ScaledObject":
        pause = next((key for key in _KEDA_PAUSES if annotations.get(key, "false") != "false"), None)
        if pause is not None:
            return f"{name} does not scale: it is paused; remove its annotation {pause}"
        kinds = ("Ready", "HPAActive")
    else:
        kinds = ("AbleToScale", "ScalingActive")
    said = (_said(condition(status, kind)) for kind in kinds)
    found = next((sentence for sentence in said if sentence is not None), None)
    return None if found is None else f"{name} does not scale: {found}"


def _said(found: Mapping[str, Any]) -> str | None:
    """What a condition complains of, and what to do; None when it is True, unknown, or what is meant or passes."""
    reason, message = str(found.get("reason") or ""), cut(found.get("message"))
    if found.get("status") != "False" or reason == "ScalingDisabled" or any(part in message for part in _PASSING):
        return None
    told = ": ".join(filter(None, (reason, message)))
    fix = next((fix for begins, part, fix in _FIXES if reason.startswith(begins) and part in message), None)
    return f"{told}; {fix}" if fix is not None else told
