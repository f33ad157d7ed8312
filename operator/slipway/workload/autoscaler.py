"""The autoscaler of a revision, and how its number of pods is kept by two who both write it.

A Deployment's ``spec.replicas`` has two writers: the operator, which knows that a weight needs pods before it is given,
and the autoscaler, which knows the load. Neither waits for the other, and they do not fight, because

1. the operator says the live value wherever that lies within the bounds. It cannot say nothing: the
   field would be 1 in a new Deployment, and what one manager alone has applied is removed, and 1 again, when it is no
   longer applied. For the same reason the count is no part of the Deployment's stamp: a change by the autoscaler is not
   drift, and costs no write.
2. both write on the version that they read. The operator's apply carries the resourceVersion, the autoscaler's update
   of ``/scale`` that of the Deployment. Whoever comes second gets a conflict and looks again; the count of an old look
   is never written.
3. outside the bounds both want the same. A HorizontalPodAutoscaler brings fewer pods than ``minReplicas`` up to it, and
   more than ``maxReplicas`` down to it, at its next look and even without any metric; the operator does it at once. The
   autoscaler is applied before the Deployment: with the old floor it could take the new pods away again.
4. below a floor that was lowered lies nothing to do. The operator leaves the pods, and the autoscaler takes away what
   the load does not need, at its own pace.
5. a fleet that shall be empty has no autoscaler. One of Kubernetes would do no harm: at 0 replicas it pauses by itself
   (``ScalingDisabled``). But KEDA raises an empty fleet to its floor, so its ScaledObject has to be gone first.

The floor of a revision is the caller's: it follows the weight, and a stable release that has to be able to take its
traffic back keeps its pods although it has little load.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from slipway.api import AutoscalingMetric, AutoscalingSpec, KedaSpec, KedaTrigger, stamped
from slipway.release import revision_name
from slipway.workload.manifests import Object, Owner, Role, child_metadata
from slipway.workload.quantity import canonical_quantity


def autoscaler_manifest(
    *,
    model_deployment: str,
    namespace: str,
    autoscaling: AutoscalingSpec,
    full_hash: str,
    min_replicas: int,
    max_replicas: int,
    role: Role,
    owner: Owner,
) -> Object:
    """The HorizontalPodAutoscaler of a revision, or its ScaledObject where ``keda`` is asked for.

    `min_replicas` and `max_replicas` are those of this revision, not those that are declared. The floor is 1 at the
    least, and wins over the ceiling: an API server refuses anything else.
    """
    metadata = child_metadata(
        model_deployment=model_deployment,
        namespace=namespace,
        full_hash=full_hash,
        owner=owner,
        component="model",
        role=role,
    )
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": revision_name(model_deployment, full_hash)}
    floor = max(1, min_replicas)
    ceiling = max(floor, max_replicas)
    if autoscaling.keda is not None:
        return _scaled_object(metadata, target, autoscaling.keda, floor, ceiling)
    return stamped(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": metadata,
            "spec": {
                "scaleTargetRef": target,
                "minReplicas": floor,
                "maxReplicas": ceiling,
                "metrics": [_metric(metric) for metric in autoscaling.metrics or ()],
            },
        }
    )


def _metric(metric: AutoscalingMetric) -> Object:
    target: Object = (
        {"type": "Utilization", "averageUtilization": metric.average_utilization}
        if metric.average_value is None
        else {"type": "AverageValue", "averageValue": canonical_quantity(metric.average_value)}
    )
    if metric.pods is not None:
        return {"type": "Pods", "pods": {"metric": {"name": metric.pods}, "target": target}}
    return {"type": "Resource", "resource": {"name": metric.resource, "target": target}}


def _scaled_object(metadata: Object, target: Object, keda: KedaSpec, floor: int, ceiling: int) -> Object:
    spec: dict[str, Any] = {
        "scaleTargetRef": target,
        "minReplicaCount": floor,
        "maxReplicaCount": ceiling,
        "triggers": [_trigger(trigger) for trigger in keda.triggers],
    }
    if keda.polling_interval is not None:
        spec["pollingInterval"] = max(1, _seconds(keda.polling_interval))
    if keda.cooldown_period is not None:
        spec["cooldownPeriod"] = _seconds(keda.cooldown_period)
    return stamped({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": metadata, "spec": spec})


def _trigger(trigger: KedaTrigger) -> Object:
    rendered: Object = {"type": trigger.type, "metadata": dict(trigger.metadata)}
    if trigger.metric_type is not None:
        rendered["metricType"] = trigger.metric_type
    if trigger.authentication_ref is not None:
        rendered["authenticationRef"] = {"name": trigger.authentication_ref}
    return rendered


def _seconds(duration: timedelta) -> int:
    """Whole seconds, which is all that KEDA knows, and never fewer than asked for."""
    return math.ceil(duration.total_seconds())
