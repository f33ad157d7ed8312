"""How single cells of built-in tables are computed, chiefly the summaries that people read as a pod's or node's state."""  # noqa: E501

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from slipway_sandbox.apiserver.ages import human_duration

NONE = "<none>"


def json_path(obj: Any, path: str, default: Any = "") -> Any:
    """The value at a dotted path, or the default where it is missing or null."""
    for part in path.split("."):
        obj = obj.get(part) if isinstance(obj, dict) else None
    return default if obj is None else obj


def since(stamp: Any) -> str:
    """How long ago a moment was."""
    if not stamp:
        return "<unknown>"
    try:
        moment = datetime.fromisoformat(str(stamp).replace("Z", "+00:00"))
    except ValueError:
        return "<invalid>"
    if moment.tzinfo is None:
        return "<invalid>"
    return human_duration((datetime.now(UTC) - moment).total_seconds())


def age(obj: dict[str, Any]) -> str:
    return since(obj["metadata"].get("creationTimestamp"))


def labels_text(labels: dict[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def selector_text(selector: dict[str, Any] | None) -> str:
    """A label selector, or a plain map of labels, as text."""
    if not selector:
        return NONE
    if "matchLabels" not in selector and "matchExpressions" not in selector:
        return labels_text(selector)
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or ():
        values = ",".join(expression.get("values") or ())
        operator, key = expression["operator"], expression["key"]
        parts.append({"Exists": key, "DoesNotExist": f"!{key}"}.get(operator, f"{key} {operator.lower()} ({values})"))
    return ",".join(parts) or NONE


def containers(spec: dict[str, Any]) -> str:
    return ",".join(container.get("name", "") for container in spec.get("containers") or ())


def images(spec: dict[str, Any]) -> str:
    return ",".join(container.get("image", "") for container in spec.get("containers") or ())


def _container_statuses(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return json_path(pod, "status.containerStatuses", []) or []


def pod_ready(pod: dict[str, Any]) -> str:
    ready = sum(1 for status in _container_statuses(pod) if status.get("ready"))
    return f"{ready}/{len(json_path(pod, 'spec.containers', []))}"


def pod_restarts(pod: dict[str, Any]) -> str:
    statuses = _container_statuses(pod)
    count = sum(status.get("restartCount", 0) for status in statuses)
    ends = [json_path(status, "lastState.terminated.finishedAt", "") for status in statuses]
    last = max((end for end in ends if end), default="")
    return f"{count} ({since(last)} ago)" if count and last else str(count)


def _state_reason(state: dict[str, Any]) -> str:
    waiting, ended = state.get("waiting"), state.get("terminated")
    if waiting and waiting.get("reason"):
        return str(waiting["reason"])
    if ended is None:
        return ""
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def pod_status(pod: dict[str, Any]) -> str:
    """The one word for a pod's state: its phase, unless a container has something more telling to say."""
    status = pod.get("status") or {}
    found = str(status.get("reason") or status.get("phase") or "Unknown")
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            found = "SchedulingGated"
    initial = _init_status(pod)
    if initial:
        found = initial
    else:
        running = False
        for container in reversed(_container_statuses(pod)):
            state = container.get("state") or {}
            found = _state_reason(state) or found
            running = running or bool(container.get("ready") and "running" in state)
        if found == "Completed" and running:
            found = "Running" if _condition(status, "Ready") == "True" else "NotReady"
    if pod["metadata"].get("deletionTimestamp") and found not in {"Succeeded", "Failed"}:
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return found


def _init_status(pod: dict[str, Any]) -> str:
    total = len(json_path(pod, "spec.initContainers", []) or [])
    for index, container in enumerate(json_path(pod, "status.initContainerStatuses", []) or []):
        state = container.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting")
        if ended is not None and ended.get("exitCode", 0) == 0:
            continue
        if container.get("started") and "running" in state:
            continue
        if ended is not None:
            return f"Init:{_state_reason(state)}"
        if waiting and waiting.get("reason") and waiting["reason"] != "PodInitializing":
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{total}"
    return ""


def _condition(status: dict[str, Any], kind: str) -> str:
    return next((str(c.get("status")) for c in status.get("conditions") or () if c.get("type") == kind), "")


def condition_status(obj: dict[str, Any], kind: str) -> str:
    return _condition(obj.get("status") or {}, kind) or "Unknown"


def node_status(node: dict[str, Any]) -> str:
    found = {"True": "Ready", "": "Unknown"}.get(_condition(node.get("status") or {}, "Ready"), "NotReady")
    return found + ",SchedulingDisabled" if json_path(node, "spec.unschedulable", False) else found


def node_roles(node: dict[str, Any]) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = node["metadata"].get("labels") or {}
    return ",".join(sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix))) or NONE


def node_address(node: dict[str, Any]) -> str:
    found = json_path(node, "status.addresses", []) or []
    return next((str(address["address"]) for address in found if address.get("type") == "InternalIP"), NONE)


def service_address(service: dict[str, Any]) -> str:
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    external = list(spec.get("externalIPs") or ())
    if spec.get("type") == "LoadBalancer":
        found = [
            entry.get("ip") or entry.get("hostname", "")
            for entry in json_path(service, "status.loadBalancer.ingress", [])
        ]
        return ",".join(found + external) or "<pending>"
    return ",".join(external) or NONE


def service_ports(service: dict[str, Any]) -> str:
    shown = []
    for port in service["spec"].get("ports") or ():
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        shown.append(f"{port.get('port')}{node_port}/{port.get('protocol')}")
    return ",".join(shown) or NONE


def _some(items: list[str], limit: int = 3) -> str:
    if not items:
        return NONE
    more = f" + {len(items) - limit} more..." if len(items) > limit else ""
    return ",".join(items[:limit]) + more


def endpoints(obj: dict[str, Any]) -> str:
    found = []
    for subset in obj.get("subsets") or ():
        for address in subset.get("addresses") or ():
            ports = subset.get("ports") or [None]
            found += [f"{address['ip']}:{port['port']}" if port else address["ip"] for port in ports]
    return _some(found)


def slice_ports(obj: dict[str, Any]) -> str:
    ports = obj.get("ports")
    if not ports:
        return "*" if ports is None else "<unset>"
    return _some([str(port.get("port", "*")) for port in ports])


def slice_endpoints(obj: dict[str, Any]) -> str:
    found = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    return _some(found) if found else "<unset>"


def ingress_hosts(obj: dict[str, Any]) -> str:
    hosts = [rule["host"] for rule in json_path(obj, "spec.rules", []) if rule.get("host")]
    return _some(hosts) if hosts else "*"


def first_addresses(obj: dict[str, Any]) -> str:
    found = [
        entry.get("ip") or entry.get("hostname", "") for entry in json_path(obj, "status.loadBalancer.ingress", [])
    ]
    return ",".join(found)


def ingress_ports(obj: dict[str, Any]) -> str:
    return "80, 443" if json_path(obj, "spec.tls", []) else "80"


def event_source(obj: dict[str, Any]) -> str:
    source = obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent", "")
    host = source.get("host") or obj.get("reportingInstance", "")
    return f"{component}, {host}" if host else str(component)


def job_status(obj: dict[str, Any]) -> str:
    status = obj.get("status") or {}
    for kind, word in (("Complete", "Complete"), ("Failed", "Failed")):
        if _condition(status, kind) == "True":
            return word
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    if _condition(status, "Suspended") == "True":
        return "Suspended"
    return "FailureTarget" if _condition(status, "FailureTarget") == "True" else "Running"


def job_duration(obj: dict[str, Any]) -> str:
    start, end = json_path(obj, "status.startTime", ""), json_path(obj, "status.completionTime", "")
    if not start:
        return ""
    if not end:
        return since(start)
    begin, finish = (datetime.fromisoformat(stamp.replace("Z", "+00:00")) for stamp in (start, end))
    return human_duration((finish - begin).total_seconds())


def hpa_targets(obj: dict[str, Any]) -> str:
    current = json_path(obj, "status.currentMetrics", []) or []
    shown = []
    for index, metric in enumerate(json_path(obj, "spec.metrics", []) or []):
        part = metric.get(metric["type"][0].lower() + metric["type"][1:]) or {}
        target = part.get("target") or {}
        live = current[index] if index < len(current) else {}
        found = (live.get(metric["type"][0].lower() + metric["type"][1:]) or {}).get("current") or {}
        name = (part.get("name") or "") if metric["type"] in {"Resource", "ContainerResource"} else ""
        prefix = f"{name}: " if name else ""
        if target.get("averageUtilization") is not None:
            seen = f"{found['averageUtilization']}%" if "averageUtilization" in found else "<unknown>"
            shown.append(f"{prefix}{seen}/{target['averageUtilization']}%")
        else:
            wanted = target.get("averageValue") or target.get("value", "<unknown>")
            seen = found.get("averageValue") or found.get("value") or "<unknown>"
            shown.append(f"{prefix}{seen}/{wanted}" + (" (avg)" if target.get("averageValue") else ""))
    return ", ".join(shown) or NONE
