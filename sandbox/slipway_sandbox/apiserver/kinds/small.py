"""Kinds that differ from plain data in a few points only: leases, events, disruption budgets, storage, webhooks."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver import names
from slipway_sandbox.apiserver.errors import FORBIDDEN, INVALID, NOT_SUPPORTED, REQUIRED, FieldError
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
            elif isinstance(spec.get(name), str) and int(spec[name][:-1]) > 100:
                errors.append(FieldError(INVALID, f"spec.{name}", "must not be greater than 100%", spec[name]))
        policy = spec.get("unhealthyPodEvictionPolicy")
        if policy not in {None, "IfHealthyBudget", "AlwaysAllow"}:
            detail = 'supported values: "AlwaysAllow", "IfHealthyBudget"'
            errors.append(FieldError(NOT_SUPPORTED, "spec.unhealthyPodEvictionPolicy", detail, policy))
        if spec.get("selector") is not None:
            errors += validate_label_selector(spec["selector"], "spec.selector")
        return errors


class StorageClasses(Hooks):
    def default(self, obj: dict[str, Any]) -> None:
        fill(obj, reclaimPolicy="Delete", volumeBindingMode="Immediate")

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        errors = []
        provisioner = obj.get("provisioner", "")
        if not provisioner:
            errors.append(FieldError(REQUIRED, "provisioner", ""))
        elif names.label_key_problem(provisioner.lower()):
            errors.append(FieldError(INVALID, "provisioner", names.label_key_problem(provisioner.lower()), provisioner))
        for name, allowed in (
            ("reclaimPolicy", ("Delete", "Retain")),
            ("volumeBindingMode", ("Immediate", "WaitForFirstConsumer")),
        ):
            if obj[name] not in allowed:
                listed = ", ".join(f'"{value}"' for value in allowed)
                errors.append(FieldError(NOT_SUPPORTED, name, f"supported values: {listed}", obj[name]))
        return errors

    def validate_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        return [
            FieldError("FieldValueForbidden", name, "updates to this field are forbidden.")
            for name in ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode")
            if new.get(name) != old.get(name)
        ]


_HIGHEST = 1_000_000_000
_SYSTEM_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


class PriorityClasses(Hooks):
    generation = True

    def default(self, obj: dict[str, Any]) -> None:
        fill(obj, preemptionPolicy="PreemptLowerPriority")

    def spec_changed(self, new: dict[str, Any], old: dict[str, Any]) -> bool:
        _ = new, old
        return False

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        errors = []
        name, value, preemption = obj["metadata"].get("name", ""), obj.get("value", 0), obj["preemptionPolicy"]
        reserved = _SYSTEM_PRIORITIES.get(name) == value
        if name.startswith("system-") and not reserved:
            detail = "priority class names with 'system-' prefix are reserved for system use only"
            errors.append(FieldError(FORBIDDEN, "metadata.name", detail))
        if value > _HIGHEST and not reserved:
            detail = f"maximum allowed value of a user defined priority is {_HIGHEST}"
            errors.append(FieldError(FORBIDDEN, "value", detail))
        if preemption not in {"PreemptLowerPriority", "Never"}:
            detail = 'supported values: "Never", "PreemptLowerPriority"'
            errors.append(FieldError(NOT_SUPPORTED, "preemptionPolicy", detail, preemption))
        return errors

    def validate_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        errors = immutable(new, old, "preemptionPolicy", path="")
        if new.get("value", 0) != old.get("value", 0):
            errors.append(FieldError(FORBIDDEN, "value", "may not be changed in an update."))
        return errors


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
