"""Releases, pods, and objects as a real API server returns them: with every default filled in."""

from __future__ import annotations

import json
from typing import Any

from slipway.api import AutoscalingSpec, DisruptionBudget, ReleaseSpec
from slipway.release import release_hash
from slipway.workload import (
    Owner,
    autoscaler_manifest,
    deployment_manifest,
    disruption_budget_manifest,
    service_manifest,
)

OWNER = Owner(api_version="slipway.dev/v1alpha1", kind="ModelDeployment", name="fraud", uid="uid-of-fraud")


def a_raw_release(*, pod: dict[str, Any] | None = None, **container: Any) -> dict[str, Any]:
    """`spec.release` as a user writes it; keywords are fields of the container."""
    release: dict[str, Any] = {
        "model": {"name": "fraud", "version": "1.4.0", "uri": "s3://models/fraud/1.4.0", "format": "onnx"},
        "container": {"image": "registry.example/fraud:1.4.0", **container},
    }
    if pod is not None:
        release["pod"] = pod
    return release


def a_release(**container: Any) -> ReleaseSpec:
    return ReleaseSpec.model_validate(a_raw_release(**container))


def a_deployment(release: ReleaseSpec | None = None, **changes: Any) -> dict[str, Any]:
    return deployment_manifest(**_arguments(release) | {"replicas": 2} | changes)


def a_service(release: ReleaseSpec | None = None, **changes: Any) -> dict[str, Any]:
    return service_manifest(**_arguments(release) | changes)


CPU = {"resource": "cpu", "averageUtilization": 70}
MEMORY = {"resource": "memory", "averageValue": "1024Mi"}
REQUESTS = {"pods": "http_requests_per_second", "averageValue": "12.5"}
PROMETHEUS = {"type": "prometheus", "metadata": {"serverAddress": "http://prometheus:9090", "threshold": "20"}}


def an_autoscaling(**changes: Any) -> AutoscalingSpec:
    """`spec.autoscaling` for 2 to 10 pods; by the use of CPU unless something else is said."""
    said = {"metrics": [CPU]} if "keda" not in changes else {}
    return AutoscalingSpec.model_validate({"minReplicas": 2, "maxReplicas": 10, **said, **changes})


def an_autoscaler(autoscaling: AutoscalingSpec | None = None, **changes: Any) -> dict[str, Any]:
    bounds = {"autoscaling": autoscaling or an_autoscaling(), "min_replicas": 2, "max_replicas": 10}
    return autoscaler_manifest(**_of_a_revision() | bounds | changes)


def a_scaled_object(keda: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return an_autoscaler(an_autoscaling(keda=keda or {"triggers": [PROMETHEUS]}), **changes)


def a_disruption_budget(declared: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    budget = DisruptionBudget.model_validate(declared or {"maxUnavailable": 1})
    return disruption_budget_manifest(**_of_a_revision() | {"budget": budget} | changes)


def _arguments(release: ReleaseSpec | None) -> dict[str, Any]:
    return _of_a_revision() | {"release": release or a_release()}


def _of_a_revision() -> dict[str, Any]:
    return {
        "model_deployment": "fraud",
        "namespace": "shop",
        "full_hash": release_hash(a_raw_release()),
        "role": "stable",
        "owner": OWNER,
    }


def _as_stored(manifest: dict[str, Any]) -> dict[str, Any]:
    live: dict[str, Any] = json.loads(json.dumps(manifest))  # several times as fast as a deep copy
    live["metadata"] |= {
        "uid": "6a2f",
        "resourceVersion": "4711",
        "generation": 1,
        "creationTimestamp": "2025-03-01T10:00:00Z",
        "managedFields": [{"manager": "slipway", "operation": "Apply"}],
    }
    return live


def as_served_deployment(manifest: dict[str, Any]) -> dict[str, Any]:
    """The Deployment as Kubernetes 1.33 returns it after it was applied."""
    live = _as_stored(manifest)
    live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "1"
    live["spec"]["progressDeadlineSeconds"] = 600
    template = live["spec"]["template"]
    template["metadata"]["creationTimestamp"] = None
    template["spec"] |= {"dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler"}
    template["spec"].setdefault("terminationGracePeriodSeconds", 30)
    if "serviceAccountName" in template["spec"]:
        template["spec"]["serviceAccount"] = template["spec"]["serviceAccountName"]
    container = template["spec"]["containers"][0]
    container |= {
        "imagePullPolicy": "IfNotPresent",
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }
    container.setdefault("resources", {})
    for name in ("readinessProbe", "livenessProbe", "startupProbe"):
        if name in container:
            _fill_probe(container[name])
    for variable in container["env"]:
        if variable.get("value") == "":
            del variable["value"]
        if "fieldRef" in variable.get("valueFrom", {}):
            variable["valueFrom"]["fieldRef"]["apiVersion"] = "v1"
    live["status"] = {"observedGeneration": 1, "replicas": 2, "readyReplicas": 2}
    return live


def _fill_probe(probe: dict[str, Any]) -> None:
    if probe.get("initialDelaySeconds") == 0:
        del probe["initialDelaySeconds"]
    if "httpGet" in probe:
        probe["httpGet"] = {"path": "/", "scheme": "HTTP"} | probe["httpGet"]
    for name, default in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        probe.setdefault(name, default)


def as_served_service(manifest: dict[str, Any]) -> dict[str, Any]:
    """The Service as Kubernetes 1.33 returns it after it was applied."""
    live = _as_stored(manifest)
    del live["metadata"]["generation"]  # Services have none
    del live["spec"]["publishNotReadyAddresses"]  # false is left out on the wire
    live["spec"] |= {
        "clusterIP": "10.96.12.7",
        "clusterIPs": ["10.96.12.7"],
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "sessionAffinity": "None",
    }
    live["status"] = {"loadBalancer": {}}
    return live


def a_pod(
    name: str = "fraud-1a2b3c4d-x",
    *,
    state: dict[str, Any] | None = None,
    last: dict[str, Any] | None = None,
    restarts: int = 0,
    ready: bool = False,
    started: bool = True,
    container: str = "model",
    conditions: list[dict[str, Any]] | None = None,
    **status: Any,
) -> dict[str, Any]:
    """A pod whose one container is in a state; `last` is how the container ended before."""
    containers = []
    if state is not None:
        containers.append(
            {
                "name": container,
                "state": state,
                "lastState": {"terminated": last} if last else {},
                "restartCount": restarts,
                "ready": ready,
                "started": started,
            }
        )
    return {
        "metadata": {"name": name, "namespace": "shop"},
        "status": {
            "phase": "Pending",
            "conditions": [{"type": "Ready", "status": str(ready)}, *(conditions or [])],
            "containerStatuses": containers,
            **status,
        },
    }
