"""Kinds that differ from plain data in a few points only: leases, events, autoscalers, ingresses, RBAC, storage."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver import names
from slipway_sandbox.apiserver.errors import INVALID, NOT_SUPPORTED, REQUIRED, FieldError
from slipway_sandbox.apiserver.kinds.hooks import Hooks
from slipway_sandbox.apiserver.kinds.podspec import fill
from slipway_sandbox.apiserver.kinds.templates import amount_problem, immutable, validate_label_selector


class Counted(Hooks):
    """Plain data whose changes are counted."""

    generation = True


class Unconditional(Hooks):
    """Plain data whose PUT needs a resource version."""

    unconditional_update = False


class Leases(Hooks):
    unconditional_update = False
    create_on_update = True

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        spec = obj.get("spec") or {}
        errors = []
        if spec.get("leaseDurationSeconds", 1) <= 0:
            errors.append(
                FieldError(INVALID, "spec.leaseDurationSeconds", "must be greater than 0", spec["leaseDurationSeconds"])
            )
        if spec.get("leaseTransitions", 0) < 0:
            errors.append(
                FieldError(
                    INVALID, "spec.leaseTransitions", "must be greater than or equal to 0", spec["leaseTransitions"]
                )
            )
        return errors


_CLUSTER_WIDE = {
    "Node",
    "Namespace",
    "PersistentVolume",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
}


class Events(Hooks):
    create_on_update = True
    unconditional_update = True

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        errors: list[FieldError] = []
        involved = obj.get("involvedObject", {}).get("namespace", "")
        namespace = obj["metadata"].get("namespace", "")
        if involved != namespace and not (involved == "" and namespace == "default"):
            errors.append(FieldError(INVALID, "involvedObject.namespace", "does not match event.namespace", involved))
        return errors

    def validate_in_group(self, obj: dict[str, Any], group: str) -> list[FieldError]:
        errors: list[FieldError] = []
        if group != "events.k8s.io":
            return errors
        if not obj.get("eventTime"):
            errors.append(FieldError(REQUIRED, "eventTime", ""))
            if obj.get("type") not in {"Normal", "Warning"}:
                errors.append(FieldError(INVALID, "type", "has invalid value", obj.get("type", "")))
            return errors
        for name in ("reportingComponent", "reportingInstance", "action", "reason"):
            if not obj.get(name):
                shown = "reportingController" if name == "reportingComponent" else name
                errors.append(FieldError(REQUIRED, shown, ""))
        if obj.get("type") not in {"Normal", "Warning"}:
            errors.append(FieldError(INVALID, "type", "has invalid value", obj.get("type", "")))
        return errors


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
            errors.append(
                FieldError(INVALID, "spec.maxReplicas", "must be greater than or equal to `minReplicas`", high)
            )
        target = spec.get("scaleTargetRef") or {}
        for name in ("kind", "name"):
            if not target.get(name):
                errors.append(FieldError(REQUIRED, f"spec.scaleTargetRef.{name}", ""))
            elif names.path_segment_problem(target[name]):
                errors.append(
                    FieldError(
                        INVALID, f"spec.scaleTargetRef.{name}", names.path_segment_problem(target[name]), target[name]
                    )
                )
        if target.get("kind") != "ReplicationController" and "/" not in target.get("apiVersion", ""):
            errors.append(
                FieldError(
                    INVALID,
                    "spec.scaleTargetRef.apiVersion",
                    "apiVersion must specify API group",
                    target.get("apiVersion", ""),
                )
            )
        return errors


class DisruptionBudgets(Hooks):
    generation = True

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        spec = obj["spec"]
        errors = []
        if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
            detail = "minAvailable and maxUnavailable cannot be both set"
            errors.append(FieldError(INVALID, "spec", detail, spec))
        for name in ("minAvailable", "maxUnavailable"):
            problem = amount_problem(spec.get(name))
            if problem:
                errors.append(FieldError(INVALID, f"spec.{name}", problem, spec[name]))
        if spec.get("selector") is not None:
            errors += validate_label_selector(spec["selector"], "spec.selector")
        return errors


class Ingresses(Hooks):
    checks_metadata_again = True
    generation = True
    _PATH_TYPES = ("ImplementationSpecific", "Exact", "Prefix")

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        spec = obj["spec"]
        errors: list[FieldError] = []
        if not spec.get("rules") and spec.get("defaultBackend") is None:
            errors.append(FieldError(INVALID, "spec", "either `defaultBackend` or `rules` must be specified", spec))
        if spec.get("defaultBackend") is not None:
            errors += self._backend(spec["defaultBackend"], "spec.defaultBackend")
        for index, rule in enumerate(spec.get("rules") or ()):
            http = rule.get("http")
            if http is None:
                continue
            here = f"spec.rules[{index}].http.paths"
            if not http.get("paths"):
                errors.append(FieldError(REQUIRED, here, ""))
            for position, path in enumerate(http.get("paths") or ()):
                errors += self._path(path, f"{here}[{position}]")
        return errors

    def _path(self, path: dict[str, Any], where: str) -> list[FieldError]:
        errors = []
        kind = path.get("pathType")
        if not kind:
            errors.append(FieldError(REQUIRED, f"{where}.pathType", "pathType must be specified"))
        elif kind not in self._PATH_TYPES:
            listed = ", ".join(f'"{name}"' for name in sorted(self._PATH_TYPES))
            errors.append(FieldError(NOT_SUPPORTED, f"{where}.pathType", f"supported values: {listed}", kind))
        elif kind in {"Exact", "Prefix"} and not path.get("path", "").startswith("/"):
            errors.append(FieldError(INVALID, f"{where}.path", "must be an absolute path", path.get("path", "")))
        return errors + self._backend(path.get("backend") or {}, f"{where}.backend")

    def _backend(self, backend: dict[str, Any], where: str) -> list[FieldError]:
        service = backend.get("service")
        if service is None and backend.get("resource") is None:
            return [FieldError(REQUIRED, where, "resource or service backend is required")]
        if service is None:
            return []
        errors = []
        if not service.get("name"):
            errors.append(FieldError(REQUIRED, f"{where}.service.name", ""))
        port = service.get("port") or {}
        if not port.get("name") and not port.get("number"):
            errors.append(FieldError(REQUIRED, f"{where}", "port name or number is required"))
        return errors


class NetworkPolicies(Hooks):
    generation = True

    def default(self, obj: dict[str, Any]) -> None:
        spec = obj["spec"]
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
        for rule in [*(spec.get("ingress") or ()), *(spec.get("egress") or ())]:
            for port in rule.get("ports") or ():
                fill(port, protocol="TCP")


class Roles(Hooks):
    checks_metadata_again = True

    def name_rule(self, name: str) -> str:
        return names.path_segment_problem(name)

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        errors = []
        for index, rule in enumerate(obj.get("rules") or ()):
            if not rule.get("verbs"):
                errors.append(FieldError(REQUIRED, f"rules[{index}].verbs", "verbs must contain at least one value"))
            if rule.get("nonResourceURLs"):
                continue
            if not rule.get("apiGroups"):
                errors.append(
                    FieldError(
                        REQUIRED, f"rules[{index}].apiGroups", "resource rules must supply at least one api group"
                    )
                )
            if not rule.get("resources"):
                errors.append(
                    FieldError(
                        REQUIRED, f"rules[{index}].resources", "resource rules must supply at least one resource"
                    )
                )
        return errors


class RoleBindings(Hooks):
    checks_metadata_again = True
    GROUP = "rbac.authorization.k8s.io"

    def name_rule(self, name: str) -> str:
        return names.path_segment_problem(name)

    def default(self, obj: dict[str, Any]) -> None:
        if not obj["roleRef"].get("apiGroup"):
            obj["roleRef"]["apiGroup"] = self.GROUP
        for subject in obj.get("subjects") or ():
            if not subject.get("apiGroup") and subject.get("kind") in {"User", "Group"}:
                subject["apiGroup"] = self.GROUP

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        errors = []
        role = obj["roleRef"]
        allowed = ("Role", "ClusterRole") if obj["kind"] == "RoleBinding" else ("ClusterRole",)
        if role.get("kind") not in allowed:
            listed = ", ".join(f'"{name}"' for name in allowed)
            errors.append(FieldError(NOT_SUPPORTED, "roleRef.kind", f"supported values: {listed}", role.get("kind")))
        if not role.get("name"):
            errors.append(FieldError(REQUIRED, "roleRef.name", ""))
        for index, subject in enumerate(obj.get("subjects") or ()):
            if not subject.get("name"):
                errors.append(FieldError(REQUIRED, f"subjects[{index}].name", ""))
            if subject.get("kind") not in {"ServiceAccount", "User", "Group"}:
                detail = 'supported values: "ServiceAccount", "User", "Group"'
                errors.append(FieldError(NOT_SUPPORTED, f"subjects[{index}].kind", detail, subject.get("kind")))
            elif subject["kind"] == "ServiceAccount" and not subject.get("namespace"):
                errors.append(FieldError(REQUIRED, f"subjects[{index}].namespace", ""))
        return errors

    def validate_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        return (
            [FieldError(INVALID, "roleRef", "cannot change roleRef", new["roleRef"])]
            if new["roleRef"] != old["roleRef"]
            else []
        )


class StorageClasses(Hooks):
    def default(self, obj: dict[str, Any]) -> None:
        fill(obj, reclaimPolicy="Delete", volumeBindingMode="Immediate")

    def validate_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        return [
            FieldError("FieldValueForbidden", name, "updates to this field are forbidden.")
            for name in ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode")
            if new.get(name) != old.get(name)
        ]


class PriorityClasses(Hooks):
    generation = True

    def default(self, obj: dict[str, Any]) -> None:
        fill(obj, preemptionPolicy="PreemptLowerPriority")

    def spec_changed(self, new: dict[str, Any], old: dict[str, Any]) -> bool:
        _ = new, old
        return False

    def validate_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        return immutable(new, old, "value", "preemptionPolicy", path="")


class Webhooks(Hooks):
    generation = True

    def spec_changed(self, new: dict[str, Any], old: dict[str, Any]) -> bool:
        return bool(new.get("webhooks") != old.get("webhooks"))

    def default(self, obj: dict[str, Any]) -> None:
        mutating = obj.get("kind") == "MutatingWebhookConfiguration"
        for hook in obj.get("webhooks") or ():
            fill(
                hook,
                failurePolicy="Fail",
                matchPolicy="Equivalent",
                namespaceSelector={},
                objectSelector={},
                timeoutSeconds=10,
            )
            if mutating:
                fill(hook, reinvocationPolicy="Never")
            for rule in hook.get("rules") or ():
                fill(rule, scope="*")
            if (hook.get("clientConfig") or {}).get("service") is not None:
                fill(hook["clientConfig"]["service"], port=443)
