"""The columns that `kubectl get` shows for built-in kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slipway_sandbox.apiserver.cells import (
    age,
    condition_status,
    containers,
    endpoints,
    event_source,
    first_addresses,
    hpa_targets,
    images,
    ingress_hosts,
    ingress_ports,
    job_duration,
    job_status,
    json_path,
    labels_text,
    node_address,
    node_roles,
    node_status,
    pod_ready,
    pod_restarts,
    pod_status,
    selector_text,
    service_address,
    service_ports,
    slice_endpoints,
    slice_ports,
)  # fmt: skip

Cell = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class Column:
    """One column; priority 1 shows only with `-o wide`."""

    name: str
    cell: Cell
    kind: str = "string"
    priority: int = 0


def _at(path: str, default: Any = "") -> Cell:
    return lambda obj: json_path(obj, path, default)


def _count(path: str) -> Cell:
    return lambda obj: len(json_path(obj, path, ()) or ())


def _name(obj: dict[str, Any]) -> str:
    return str(obj["metadata"].get("name", ""))


NAME = Column("Name", _name)
AGE = Column("Age", age)


def _wide(name: str, cell: Cell, kind: str = "string") -> Column:
    return Column(name, cell, kind, 1)


def _number(name: str, path: str) -> Column:
    return Column(name, _at(path, 0), "integer")


def _template_columns(path: str) -> list[Column]:
    return [
        _wide("Containers", lambda obj: containers(json_path(obj, path, {}))),
        _wide("Images", lambda obj: images(json_path(obj, path, {}))),
        _wide("Selector", lambda obj: selector_text(json_path(obj, "spec.selector", None))),
    ]


def _ready_of(ready: str, wanted: str) -> Cell:
    return lambda obj: f"{json_path(obj, ready, 0)}/{json_path(obj, wanted, 0)}"


def _data_count(obj: dict[str, Any]) -> int:
    return len(obj.get("data") or {}) + len(obj.get("binaryData") or {})


_TEMPLATE = "spec.template.spec"

COLUMNS: dict[tuple[str, str], list[Column]] = {
    ("", "pods"): [
        NAME, Column("Ready", pod_ready), Column("Status", pod_status), Column("Restarts", pod_restarts), AGE,
        _wide("IP", _at("status.podIP", "<none>")), _wide("Node", _at("spec.nodeName", "<none>")),
        _wide("Nominated Node", _at("status.nominatedNodeName", "<none>")), _wide("Readiness Gates", lambda _: "<none>"),  # noqa: E501
    ],
    ("apps", "deployments"): [
        NAME, Column("Ready", _ready_of("status.readyReplicas", "spec.replicas")),
        _number("Up-to-date", "status.updatedReplicas"), _number("Available", "status.availableReplicas"), AGE,
        *_template_columns(_TEMPLATE),
    ],
    ("apps", "replicasets"): [
        NAME, _number("Desired", "spec.replicas"), _number("Current", "status.replicas"),
        _number("Ready", "status.readyReplicas"), AGE, *_template_columns(_TEMPLATE),
    ],
    ("", "replicationcontrollers"): [
        NAME, _number("Desired", "spec.replicas"), _number("Current", "status.replicas"),
        _number("Ready", "status.readyReplicas"), AGE, *_template_columns(_TEMPLATE),
    ],
    ("apps", "statefulsets"): [
        NAME, Column("Ready", _ready_of("status.readyReplicas", "spec.replicas")), AGE, *_template_columns(_TEMPLATE)[:2],  # noqa: E501
    ],
    ("apps", "daemonsets"): [
        NAME, _number("Desired", "status.desiredNumberScheduled"), _number("Current", "status.currentNumberScheduled"),
        _number("Ready", "status.numberReady"), _number("Up-to-date", "status.updatedNumberScheduled"),
        _number("Available", "status.numberAvailable"),
        Column("Node Selector", lambda obj: labels_text(json_path(obj, "spec.template.spec.nodeSelector", {}))), AGE,
        *_template_columns(_TEMPLATE),
    ],
    ("apps", "controllerrevisions"): [
        NAME, Column("Controller", lambda obj: next((f"{o['kind'].lower()}.{o['apiVersion'].partition('/')[0]}/{o['name']}" for o in obj["metadata"].get("ownerReferences", ())), "<none>")),  # noqa: E501
        Column("Revision", _at("revision", 0), "integer"), AGE,
    ],
    ("batch", "jobs"): [
        NAME, Column("Status", job_status), Column("Completions", _ready_of("status.succeeded", "spec.completions")),
        Column("Duration", job_duration), AGE, *_template_columns(_TEMPLATE),
    ],
    ("batch", "cronjobs"): [
        NAME, Column("Schedule", _at("spec.schedule")), Column("Timezone", _at("spec.timeZone", "<none>")),
        Column("Suspend", lambda obj: str(bool(json_path(obj, "spec.suspend", False)))),
        Column("Active", _count("status.active"), "integer"),
        Column("Last Schedule", lambda obj: age({"metadata": {"creationTimestamp": json_path(obj, "status.lastScheduleTime", "")}}) if json_path(obj, "status.lastScheduleTime", "") else "<none>"), AGE,  # noqa: E501
        *_template_columns("spec.jobTemplate.spec.template.spec"),
    ],
    ("", "services"): [
        NAME, Column("Type", _at("spec.type")), Column("Cluster-IP", _at("spec.clusterIP", "<none>")),
        Column("External-IP", service_address), Column("Port(s)", service_ports), AGE,
        _wide("Selector", lambda obj: labels_text(json_path(obj, "spec.selector", {}))),
    ],
    ("", "endpoints"): [NAME, Column("Endpoints", endpoints), AGE],
    ("discovery.k8s.io", "endpointslices"): [
        NAME, Column("AddressType", _at("addressType")), Column("Ports", slice_ports), Column("Endpoints", slice_endpoints), AGE,  # noqa: E501
    ],
    ("networking.k8s.io", "ingresses"): [
        NAME, Column("Class", _at("spec.ingressClassName", "<none>")), Column("Hosts", ingress_hosts),
        Column("Address", first_addresses), Column("Ports", ingress_ports), AGE,
    ],
    ("networking.k8s.io", "ingressclasses"): [
        NAME, Column("Controller", _at("spec.controller")), Column("Parameters", lambda _: "<none>"), AGE,
    ],
    ("networking.k8s.io", "networkpolicies"): [
        NAME, Column("Pod-Selector", lambda obj: selector_text(json_path(obj, "spec.podSelector", None))), AGE,
    ],
    ("", "configmaps"): [NAME, Column("Data", _data_count, "integer"), AGE],
    ("", "secrets"): [NAME, Column("Type", _at("type")), Column("Data", _count("data"), "integer"), AGE],
    ("", "serviceaccounts"): [NAME, Column("Secrets", _count("secrets"), "integer"), AGE],
    ("", "namespaces"): [NAME, Column("Status", _at("status.phase")), AGE],
    ("", "nodes"): [
        NAME, Column("Status", node_status), Column("Roles", node_roles), AGE, Column("Version", _at("status.nodeInfo.kubeletVersion")),  # noqa: E501
        _wide("Internal-IP", node_address), _wide("External-IP", lambda _: "<none>"),
        _wide("OS-Image", _at("status.nodeInfo.osImage", "<unknown>")),
        _wide("Kernel-Version", _at("status.nodeInfo.kernelVersion", "<unknown>")),
        _wide("Container-Runtime", _at("status.nodeInfo.containerRuntimeVersion", "<unknown>")),
    ],
    ("", "events"): [
        Column("Last Seen", lambda obj: age({"metadata": {"creationTimestamp": obj.get("lastTimestamp") or obj.get("eventTime")}})),  # noqa: E501
        Column("Type", _at("type")), Column("Reason", _at("reason")),
        Column("Object", lambda obj: f"{json_path(obj, 'involvedObject.kind', '').lower()}/{json_path(obj, 'involvedObject.name', '')}"),  # noqa: E501
        _wide("Subobject", _at("involvedObject.fieldPath")), _wide("Source", event_source),
        Column("Message", lambda obj: str(obj.get("message") or obj.get("note") or "").strip()),
        _wide("First Seen", lambda obj: age({"metadata": {"creationTimestamp": obj.get("firstTimestamp") or obj.get("eventTime")}})),  # noqa: E501
        _wide("Count", lambda obj: obj.get("count") or 1, "integer"), _wide("Name", _name),
    ],
    ("", "persistentvolumeclaims"): [
        NAME, Column("Status", _at("status.phase")), Column("Volume", _at("spec.volumeName")),
        Column("Capacity", _at("status.capacity.storage")),
        Column("Access Modes", lambda obj: ",".join(json_path(obj, "status.accessModes", ()))),
        Column("StorageClass", _at("spec.storageClassName")), Column("VolumeAttributesClass", _at("spec.volumeAttributesClassName", "<unset>")), AGE,  # noqa: E501
        _wide("VolumeMode", _at("spec.volumeMode", "<unset>")),
    ],
    ("coordination.k8s.io", "leases"): [NAME, Column("Holder", _at("spec.holderIdentity")), AGE],
    ("autoscaling", "horizontalpodautoscalers"): [
        NAME, Column("Reference", lambda obj: f"{json_path(obj, 'spec.scaleTargetRef.kind', '')}/{json_path(obj, 'spec.scaleTargetRef.name', '')}"),  # noqa: E501
        Column("Targets", hpa_targets), Column("MinPods", _at("spec.minReplicas", "<unset>")),
        _number("MaxPods", "spec.maxReplicas"), _number("Replicas", "status.currentReplicas"), AGE,
    ],
    ("policy", "poddisruptionbudgets"): [
        NAME, Column("Min Available", lambda obj: str(json_path(obj, "spec.minAvailable", "N/A"))),
        Column("Max Unavailable", lambda obj: str(json_path(obj, "spec.maxUnavailable", "N/A"))),
        _number("Allowed Disruptions", "status.disruptionsAllowed"), AGE,
    ],
    ("apiextensions.k8s.io", "customresourcedefinitions"): [
        NAME, Column("Created At", lambda obj: obj["metadata"].get("creationTimestamp", ""), "date"),
    ],
    ("rbac.authorization.k8s.io", "roles"): [NAME, Column("Created At", _at("metadata.creationTimestamp"), "date")],
    ("rbac.authorization.k8s.io", "clusterroles"): [NAME, Column("Created At", _at("metadata.creationTimestamp"), "date")],  # noqa: E501
    ("rbac.authorization.k8s.io", "rolebindings"): [
        NAME, Column("Role", lambda obj: f"{obj['roleRef'].get('kind')}/{obj['roleRef'].get('name')}"), AGE,
    ],
    ("rbac.authorization.k8s.io", "clusterrolebindings"): [
        NAME, Column("Role", lambda obj: f"{obj['roleRef'].get('kind')}/{obj['roleRef'].get('name')}"), AGE,
    ],
    ("storage.k8s.io", "storageclasses"): [
        NAME, Column("Provisioner", _at("provisioner")), Column("ReclaimPolicy", _at("reclaimPolicy")),
        Column("VolumeBindingMode", _at("volumeBindingMode")),
        Column("AllowVolumeExpansion", lambda obj: str(bool(obj.get("allowVolumeExpansion"))).lower()), AGE,
    ],
    ("scheduling.k8s.io", "priorityclasses"): [
        NAME, _number("Value", "value"), Column("Global-Default", lambda obj: str(bool(obj.get("globalDefault"))).lower()), AGE,  # noqa: E501
        Column("PreemptionPolicy", _at("preemptionPolicy")),
    ],
    ("apiregistration.k8s.io", "apiservices"): [
        NAME, Column("Service", lambda _: "Local"), Column("Available", lambda obj: condition_status(obj, "Available")), AGE,  # noqa: E501
    ],
}  # fmt: skip
