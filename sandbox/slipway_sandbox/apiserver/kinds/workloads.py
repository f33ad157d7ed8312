"""Deployments, ReplicaSets, StatefulSets, DaemonSets and what they keep."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver.errors import FORBIDDEN, INVALID, NOT_SUPPORTED, REQUIRED, FieldError
from slipway_sandbox.apiserver.kinds.hooks import Hooks
from slipway_sandbox.apiserver.kinds.pod_warnings import pod_warnings
from slipway_sandbox.apiserver.kinds.podspec import default_template, fill
from slipway_sandbox.apiserver.kinds.templates import (
    amount_problem,
    immutable,
    negative,
    validate_rolling_amount,
    validate_selector,
    validate_template,
)  # fmt: skip


class Workload(Hooks):
    """What has a selector and a pod template."""

    generation = True

    def default(self, obj: dict[str, Any]) -> None:
        spec = obj["spec"]
        default_template(spec["template"])
        self.default_spec(spec)

    def default_spec(self, spec: dict[str, Any]) -> None:
        """Defaults beside the template's."""

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        spec = obj["spec"]
        errors = negative(spec, "replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
        errors += validate_selector(spec.get("selector"), spec["template"], "spec")
        errors += validate_template(spec["template"], "spec.template", restart=("Always",))
        if spec["template"]["spec"].get("activeDeadlineSeconds") is not None:
            path, detail = "spec.template.spec.activeDeadlineSeconds", "activeDeadlineSeconds is not supported here"
            errors.append(FieldError(FORBIDDEN, path, detail))
        return errors + self.validate_spec(spec)

    def validate_spec(self, spec: dict[str, Any]) -> list[FieldError]:
        """What is wrong beside selector and template."""
        _ = spec
        return []

    def validate_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        return immutable(new["spec"], old["spec"], "selector")

    def warn(self, obj: dict[str, Any]) -> list[str]:
        return pod_warnings(obj["spec"]["template"]["spec"], "spec.template.spec")

    def warn_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[str]:
        return self.warn(new) if self.spec_changed(new, old) else []

    def validate_status(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:  # noqa: ARG002
        return [
            FieldError(INVALID, f"status.{name}", "must be greater than or equal to 0", value)
            for name, value in (new.get("status") or {}).items()
            if isinstance(value, int) and value < 0
        ]


class Deployments(Workload):
    def default_spec(self, spec: dict[str, Any]) -> None:
        fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
        strategy = spec["strategy"]
        fill(strategy, type="RollingUpdate")
        if strategy["type"] == "RollingUpdate":
            fill(strategy, rollingUpdate={})
            fill(strategy["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")

    def validate_spec(self, spec: dict[str, Any]) -> list[FieldError]:
        errors = []
        strategy = spec["strategy"]
        rolling = strategy.get("rollingUpdate")
        path = "spec.strategy"
        if strategy["type"] not in {"RollingUpdate", "Recreate"}:
            detail = 'supported values: "Recreate", "RollingUpdate"'
            errors.append(FieldError("FieldValueNotSupported", f"{path}.type", detail, strategy["type"]))
        elif strategy["type"] == "Recreate" and rolling is not None:
            detail = "may not be specified when strategy `type` is 'Recreate'"
            errors.append(FieldError(FORBIDDEN, f"{path}.rollingUpdate", detail))
        elif rolling is not None:
            errors += validate_rolling_amount(rolling, f"{path}.rollingUpdate")
        deadline, ready = spec.get("progressDeadlineSeconds"), spec.get("minReadySeconds", 0)
        if deadline is not None and deadline <= ready:
            detail = "must be greater than minReadySeconds"
            errors.append(FieldError(INVALID, "spec.progressDeadlineSeconds", detail, deadline))
        return errors


class ReplicaSets(Workload):
    def default_spec(self, spec: dict[str, Any]) -> None:
        fill(spec, replicas=1)

    def for_create(self, obj: dict[str, Any]) -> None:
        obj["status"] = {"replicas": 0}


class StatefulSets(Workload):
    checks_metadata_again = True
    _MUTABLE = ("replicas", "ordinals", "template", "updateStrategy", "persistentVolumeClaimRetentionPolicy",
                "minReadySeconds", "revisionHistoryLimit")  # fmt: skip

    def default_spec(self, spec: dict[str, Any]) -> None:
        fill(spec, replicas=1, revisionHistoryLimit=10)
        if not spec.get("podManagementPolicy"):
            spec["podManagementPolicy"] = "OrderedReady"
        strategy = spec["updateStrategy"]
        fill(strategy, type="RollingUpdate")
        if strategy["type"] == "RollingUpdate":
            fill(strategy, rollingUpdate={})
            fill(strategy["rollingUpdate"], partition=0)
        fill(spec, persistentVolumeClaimRetentionPolicy={})
        fill(spec["persistentVolumeClaimRetentionPolicy"], whenDeleted="Retain", whenScaled="Retain")
        for claim in spec.get("volumeClaimTemplates") or ():
            claim["kind"], claim["apiVersion"] = "PersistentVolumeClaim", "v1"
            fill(claim["spec"], volumeMode="Filesystem")
            claim["status"] = {"phase": "Pending"}

    def for_create(self, obj: dict[str, Any]) -> None:
        obj["status"] = {"replicas": 0, "availableReplicas": 0}

    def validate_spec(self, spec: dict[str, Any]) -> list[FieldError]:
        errors = []
        order, strategy = spec["podManagementPolicy"], spec["updateStrategy"]
        if order not in {"OrderedReady", "Parallel"}:
            detail = "must be 'OrderedReady' or 'Parallel'"
            errors.append(FieldError(INVALID, "spec.podManagementPolicy", detail, order))
        path, rolling = "spec.updateStrategy", strategy.get("rollingUpdate")
        if strategy["type"] not in {"RollingUpdate", "OnDelete"}:
            detail = "must be 'RollingUpdate' or 'OnDelete'"
            errors.append(FieldError(INVALID, path, detail, strategy))
        elif strategy["type"] == "OnDelete" and rolling is not None:
            detail = "only allowed for updateStrategy 'RollingUpdate'"
            errors.append(FieldError(INVALID, f"{path}.rollingUpdate", detail, rolling))
        elif rolling is not None and rolling.get("partition", 0) < 0:
            detail = "must be greater than or equal to 0"
            errors.append(FieldError(INVALID, f"{path}.rollingUpdate.partition", detail, rolling["partition"]))
        for name, value in spec["persistentVolumeClaimRetentionPolicy"].items():
            if value not in {"Retain", "Delete"}:
                here = f"spec.persistentVolumeClaimRetentionPolicy.{name}"
                errors.append(FieldError(NOT_SUPPORTED, here, 'supported values: "Delete", "Retain"', value))
        start = (spec.get("ordinals") or {}).get("start", 0)
        if start < 0:
            errors.append(FieldError(INVALID, "spec.ordinals.start", "must be greater than or equal to 0", start))
        return errors

    def validate_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        fixed_new = {name: value for name, value in new["spec"].items() if name not in self._MUTABLE}
        fixed_old = {name: value for name, value in old["spec"].items() if name not in self._MUTABLE}
        if fixed_new == fixed_old:
            return []
        allowed = (
            "'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
            "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds'"
        )
        return [
            FieldError(FORBIDDEN, "spec", f"updates to statefulset spec for fields other than {allowed} are forbidden")
        ]


class DaemonSets(Workload):
    def default_spec(self, spec: dict[str, Any]) -> None:
        fill(spec, revisionHistoryLimit=10)
        strategy = spec["updateStrategy"]
        fill(strategy, type="RollingUpdate")
        if strategy["type"] == "RollingUpdate":
            fill(strategy, rollingUpdate={})
            fill(strategy["rollingUpdate"], maxUnavailable=1, maxSurge=0)

    def validate_spec(self, spec: dict[str, Any]) -> list[FieldError]:
        strategy = spec["updateStrategy"]
        path, rolling = "spec.updateStrategy", strategy.get("rollingUpdate")
        if strategy["type"] not in {"RollingUpdate", "OnDelete"}:
            detail = 'supported values: "OnDelete", "RollingUpdate"'
            return [FieldError(NOT_SUPPORTED, f"{path}.type", detail, strategy["type"])]
        if strategy["type"] == "OnDelete" or rolling is None:
            return []
        errors = []
        for name in ("maxUnavailable", "maxSurge"):
            value = rolling.get(name)
            problem = amount_problem(value)
            if not problem and isinstance(value, str) and int(value[:-1]) > 100:
                problem = "must not be greater than 100%"
            if problem:
                errors.append(FieldError(INVALID, f"{path}.rollingUpdate.{name}", problem, value))
        down, up = (rolling.get(name) not in {0, "0%"} for name in ("maxUnavailable", "maxSurge"))
        here = f"{path}.rollingUpdate"
        if down and up:
            detail = "may not be set when maxUnavailable is non-zero"
            errors.append(FieldError(INVALID, f"{here}.maxSurge", detail, rolling.get("maxSurge")))
        elif not down and not up:
            errors.append(FieldError(REQUIRED, f"{here}.maxUnavailable", "cannot be 0 when maxSurge is 0"))
        return errors

    def default(self, obj: dict[str, Any]) -> None:
        super().default(obj)
        obj["metadata"].setdefault("annotations", {}).setdefault(_TEMPLATE_GENERATION, "1")

    def for_create(self, obj: dict[str, Any]) -> None:
        obj["metadata"].setdefault("annotations", {})[_TEMPLATE_GENERATION] = "1"

    def for_update(self, new: dict[str, Any], old: dict[str, Any]) -> None:
        count = old["metadata"].get("annotations", {}).get(_TEMPLATE_GENERATION, "1")
        if new["spec"]["template"] != old["spec"]["template"]:
            count = str(int(count) + 1)
        new["metadata"].setdefault("annotations", {})[_TEMPLATE_GENERATION] = count


_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


class ReplicationControllers(Hooks):
    generation = True

    def default(self, obj: dict[str, Any]) -> None:
        spec = obj["spec"]
        fill(spec, replicas=1)
        template = spec.get("template")
        if template is not None:
            default_template(template)
            labels = template["metadata"].get("labels")
            if labels:
                fill(spec, selector=dict(labels))
                if not obj["metadata"].get("labels"):
                    obj["metadata"]["labels"] = dict(labels)

    def for_create(self, obj: dict[str, Any]) -> None:
        obj["status"] = {"replicas": 0}


class ControllerRevisions(Hooks):
    def validate_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        if new.get("data") != old.get("data"):
            return [FieldError(INVALID, "data", "field is immutable", new.get("data"))]
        return []

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        if obj.get("revision", 0) < 0:
            return [FieldError(INVALID, "revision", "must be greater than or equal to 0", obj["revision"])]
        return []


class PodTemplates(Hooks):
    generation = True

    def default(self, obj: dict[str, Any]) -> None:
        default_template(obj.setdefault("template", {}))
