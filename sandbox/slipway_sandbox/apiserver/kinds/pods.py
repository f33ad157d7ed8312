"""Pods, and what the admission plugins of a standard server do to them."""

from __future__ import annotations

import random
from typing import Any

from slipway_sandbox.apiserver import quantity
from slipway_sandbox.apiserver.errors import FORBIDDEN, FieldError
from slipway_sandbox.apiserver.kinds.hooks import Hooks
from slipway_sandbox.apiserver.kinds.pod_warnings import pod_warnings
from slipway_sandbox.apiserver.kinds.podspec import default_pod_spec, default_requests, fill
from slipway_sandbox.apiserver.kinds.templates import validate_pod_spec

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105  (a mount path)
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


class Pods(Hooks):
    checks_metadata_again = True
    generation = True

    def default(self, obj: dict[str, Any]) -> None:
        spec = obj["spec"]
        default_pod_spec(spec)
        for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
            default_requests(container)
        fill(spec, enableServiceLinks=True)

    def for_create(self, obj: dict[str, Any]) -> None:
        obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj["spec"])}
        spec = obj["spec"]
        fill(spec, priority=0, preemptionPolicy="PreemptLowerPriority")
        if not spec.get("serviceAccountName"):
            spec["serviceAccountName"] = spec["serviceAccount"] = "default"
        _tolerate_short_outages(spec)
        if spec.get("automountServiceAccountToken") is not False:
            mount_token(spec)

    def for_update(self, new: dict[str, Any], old: dict[str, Any]) -> None:
        for name in ("serviceAccountName", "serviceAccount", "nodeName"):
            if name not in new["spec"] and name in old["spec"]:
                new["spec"][name] = old["spec"][name]

    def for_status_update(self, new: dict[str, Any], old: dict[str, Any]) -> None:
        super().for_status_update(new, old)
        new["metadata"]["deletionTimestamp"] = old["metadata"].get("deletionTimestamp")
        if new["metadata"]["deletionTimestamp"] is None:
            del new["metadata"]["deletionTimestamp"]
        new.setdefault("status", {})
        if "qosClass" in old.get("status", {}):
            new["status"].setdefault("qosClass", old["status"]["qosClass"])

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        return validate_pod_spec(obj["spec"], "spec")

    def warn(self, obj: dict[str, Any]) -> list[str]:
        return pod_warnings(obj["spec"], "spec")

    def warn_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[str]:  # noqa: ARG002
        return []

    def validate_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        if _fixed(new["spec"]) == _fixed(old["spec"]) and _only_added(new["spec"], old["spec"]):
            return []
        detail = (
            "pod updates may not change fields other than `spec.containers[*].image`, `spec.initContainers[*].image`, "
            "`spec.activeDeadlineSeconds`, `spec.tolerations` (only additions to existing tolerations), "
            "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
        )
        return [FieldError(FORBIDDEN, "spec", detail)]


def _fixed(spec: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in spec.items() if name not in {"activeDeadlineSeconds", "tolerations"}}
    for kind in ("containers", "initContainers"):
        if kept.get(kind):
            kept[kind] = [{name: value for name, value in one.items() if name != "image"} for one in kept[kind]]
    return kept


def _only_added(new: dict[str, Any], old: dict[str, Any]) -> bool:
    return all(toleration in (new.get("tolerations") or ()) for toleration in old.get("tolerations") or ())


def _tolerate_short_outages(spec: dict[str, Any]) -> None:
    """Every pod stays for five minutes on a node that is not ready or out of reach."""
    tolerations = list(spec.get("tolerations") or ())
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(_tolerates(toleration, key) for toleration in tolerations):
            tolerations.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})
    spec["tolerations"] = tolerations


def _tolerates(toleration: dict[str, Any], key: str) -> bool:
    return toleration.get("key") in {key, None, ""} and toleration.get("effect") in {"NoExecute", None, ""}


def mount_token(spec: dict[str, Any]) -> None:
    """Give every container the service account's token, in place, as the ServiceAccount admission plugin does."""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    wanting = [
        one for one in containers if not any(m.get("mountPath") == TOKEN_PATH for m in one.get("volumeMounts") or ())
    ]
    if not wanting:
        return
    name = "kube-api-access-" + "".join(random.choices(_ALPHABET, k=5))
    spec.setdefault("volumes", []).append(
        {"name": name, "projected": {"sources": _token_sources(), "defaultMode": 0o644}}
    )
    for container in wanting:
        container.setdefault("volumeMounts", []).append({"name": name, "readOnly": True, "mountPath": TOKEN_PATH})


def _token_sources() -> list[dict[str, Any]]:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]


def qos_class(spec: dict[str, Any]) -> str:
    """Guaranteed when every container limits what it requests, BestEffort when none says anything, else Burstable."""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    guaranteed, nothing = True, True
    for container in containers:
        resources = container.get("resources") or {}
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        for name in ("cpu", "memory"):
            asked, limited = requests.get(name), limits.get(name)
            nothing = nothing and not _positive(asked) and not _positive(limited)
            guaranteed = guaranteed and _positive(limited) and asked == limited
    return "BestEffort" if nothing else "Guaranteed" if guaranteed else "Burstable"


def _positive(amount: Any) -> bool:
    return amount is not None and quantity.value(amount) > 0
