"""Pod templates: the defaults that the server fills in wherever a pod is described."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver import nodes
from slipway_sandbox.apiserver.nodes import Node, type_node

_PULL_LATEST = ("latest", "")


def fill(obj: dict[str, Any], **defaults: Any) -> None:
    """Set what is missing, in place."""
    for name, value in defaults.items():
        if obj.get(name) is None:
            obj[name] = value


def declared_defaults(node: Node, value: Any) -> None:
    """Fill in the defaults that the type table states (`default=`), in place, at every depth."""
    if isinstance(value, dict) and node.kind == nodes.STRUCT:
        for name, below in node.fields.items():
            if below.default is not nodes.NO_DEFAULT and below.default != "" and value.get(name) is None:
                value[name] = below.default
        for name, item in value.items():
            found = node.fields.get(name)
            if found is not None and isinstance(item, dict | list):
                declared_defaults(found, item)
    elif isinstance(value, list) and node.kind == nodes.LIST:
        for item in value:
            declared_defaults(node.item, item)
    elif isinstance(value, dict) and node.kind == nodes.MAP and node.elem is not None:
        for item in value.values():
            declared_defaults(node.elem, item)


def default_pod_spec(spec: dict[str, Any]) -> None:
    """The defaults of a pod spec, in place."""
    declared_defaults(type_node("core.v1.PodSpec"), spec)
    fill(spec, restartPolicy="Always", terminationGracePeriodSeconds=30, dnsPolicy="ClusterFirst", securityContext={},
         schedulerName="default-scheduler")  # fmt: skip
    if spec.get("serviceAccountName"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    elif spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"]
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        default_container(container, spec)
    for container in spec.get("ephemeralContainers") or ():
        default_container(container, spec)
    for volume in spec.get("volumes") or ():
        _default_volume(volume)
    for constraint in spec.get("topologySpreadConstraints") or ():
        fill(constraint, nodeAffinityPolicy="Honor", nodeTaintsPolicy="Ignore")
        if constraint["nodeAffinityPolicy"] == "Honor" and constraint["nodeTaintsPolicy"] == "Ignore":
            del constraint["nodeAffinityPolicy"], constraint["nodeTaintsPolicy"]


def image_tag(image: str) -> str:
    """The tag of an image reference: "latest" where none is given, "" for a digest."""
    if "@" in image:
        return "@"
    last = image.rsplit("/", 1)[-1]
    return last.partition(":")[2] or "latest"


def default_container(container: dict[str, Any], spec: dict[str, Any]) -> None:
    """The defaults of a container, in place."""
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = "Always" if image_tag(container.get("image", "")) == "latest" else "IfNotPresent"
    fill(container, terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File", resources={})
    for port in container.get("ports") or ():
        fill(port, protocol="TCP")
        if spec.get("hostNetwork") and not port.get("hostPort"):
            port["hostPort"] = port.get("containerPort")
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference is not None:
            fill(reference, apiVersion="v1")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(name) is not None:
            _default_probe(container[name])
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict) and hook.get("httpGet") is not None:
            fill(hook["httpGet"], path="/", scheme="HTTP")


def default_requests(container: dict[str, Any]) -> None:
    """What is limited and not requested counts as requested."""
    resources = container["resources"]
    limits = resources.get("limits") or {}
    if limits:
        requests = dict(resources.get("requests") or {})
        for name, amount in limits.items():
            requests.setdefault(name, amount)
        resources["requests"] = requests


def _default_probe(probe: dict[str, Any]) -> None:
    for name, value in (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)):
        if not probe.get(name):
            probe[name] = value
    if probe.get("httpGet") is not None:
        fill(probe["httpGet"], path="/", scheme="HTTP")
    if probe.get("grpc") is not None and "service" not in probe["grpc"]:
        probe["grpc"]["service"] = ""


_MODE = 0o644


def _default_volume(volume: dict[str, Any]) -> None:
    sources = [name for name in volume if name != "name"]
    if not sources:
        volume["emptyDir"] = {}
    for name in ("secret", "configMap", "downwardAPI", "projected"):
        if volume.get(name) is not None:
            fill(volume[name], defaultMode=_MODE)
    if volume.get("hostPath") is not None:
        fill(volume["hostPath"], type="")
    if volume.get("ephemeral") is not None:
        template = volume["ephemeral"].get("volumeClaimTemplate")
        if template is not None:
            fill(template.setdefault("spec", {}), volumeMode="Filesystem")
    for item in (volume.get("downwardAPI") or {}).get("items") or ():
        if item.get("fieldRef") is not None:
            fill(item["fieldRef"], apiVersion="v1")
    for source in (volume.get("projected") or {}).get("sources") or ():
        if source.get("serviceAccountToken") is not None:
            fill(source["serviceAccountToken"], expirationSeconds=3600)
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            if item.get("fieldRef") is not None:
                fill(item["fieldRef"], apiVersion="v1")


def default_template(template: dict[str, Any]) -> None:
    """The defaults of a pod template, in place."""
    template.setdefault("metadata", {})
    default_pod_spec(template.setdefault("spec", {}))
