"""Roles and their bindings."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver import names
from slipway_sandbox.apiserver.errors import INVALID, NOT_SUPPORTED, REQUIRED, FieldError
from slipway_sandbox.apiserver.kinds.hooks import Hooks

GROUP = "rbac.authorization.k8s.io"


class Roles(Hooks):
    checks_metadata_again = True

    def name_rule(self, name: str) -> str:
        return names.path_segment_problem(name)

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        errors: list[FieldError] = []
        for index, rule in enumerate(obj.get("rules") or ()):
            errors += self._rule(rule, f"rules[{index}]", namespaced=obj["kind"] == "Role")
        return errors

    def _rule(self, rule: dict[str, Any], path: str, *, namespaced: bool) -> list[FieldError]:
        errors = []
        if not rule.get("verbs"):
            errors.append(FieldError(REQUIRED, f"{path}.verbs", "verbs must contain at least one value"))
        urls = rule.get("nonResourceURLs")
        if urls:
            details = ["namespaced rules cannot apply to non-resource URLs"] if namespaced else []
            if any(rule.get(name) for name in ("apiGroups", "resources", "resourceNames")):
                details.append("rules cannot apply to both regular resources and non-resource URLs")
            return [*errors, *(FieldError(INVALID, f"{path}.nonResourceURLs", detail, urls) for detail in details)]
        if not rule.get("apiGroups"):
            errors.append(
                FieldError(REQUIRED, f"{path}.apiGroups", "resource rules must supply at least one api group")
            )
        if not rule.get("resources"):
            errors.append(FieldError(REQUIRED, f"{path}.resources", "resource rules must supply at least one resource"))
        if rule.get("resourceNames") and len(rule.get("resources") or ()) > 1:
            detail = "resource names cannot apply to multiple resources"
            errors.append(FieldError(REQUIRED, f"{path}.resourceNames", detail))
        return errors


class ClusterRoles(Roles):
    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        errors = super().validate(obj)
        aggregation = obj.get("aggregationRule")
        if aggregation is not None and not aggregation.get("clusterRoleSelectors"):
            detail = "at least one clusterRoleSelector required if aggregationRule is non-nil"
            errors.append(FieldError(REQUIRED, "aggregationRule.clusterRoleSelectors", detail))
        return errors


class RoleBindings(Hooks):
    checks_metadata_again = True

    def name_rule(self, name: str) -> str:
        return names.path_segment_problem(name)

    def default(self, obj: dict[str, Any]) -> None:
        if not obj["roleRef"].get("apiGroup"):
            obj["roleRef"]["apiGroup"] = GROUP
        for subject in obj.get("subjects") or ():
            if not subject.get("apiGroup") and subject.get("kind") in {"User", "Group"}:
                subject["apiGroup"] = GROUP

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        errors = []
        role, namespaced = obj["roleRef"], obj["kind"] == "RoleBinding"
        allowed = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)
        if role["apiGroup"] != GROUP:
            errors.append(
                FieldError(NOT_SUPPORTED, "roleRef.apiGroup", f'supported values: "{GROUP}"', role["apiGroup"])
            )
        if role.get("kind") not in allowed:
            listed = ", ".join(f'"{name}"' for name in allowed)
            errors.append(FieldError(NOT_SUPPORTED, "roleRef.kind", f"supported values: {listed}", role.get("kind")))
        name = role.get("name")
        if not name:
            errors.append(FieldError(REQUIRED, "roleRef.name", ""))
        elif names.path_segment_problem(name):
            errors.append(FieldError(INVALID, "roleRef.name", names.path_segment_problem(name), name))
        for index, subject in enumerate(obj.get("subjects") or ()):
            errors += self._subject(subject, f"subjects[{index}]", namespaced=namespaced)
        return errors

    def _subject(self, subject: dict[str, Any], path: str, *, namespaced: bool) -> list[FieldError]:
        errors = []
        kind, name, group = subject.get("kind"), subject.get("name"), subject.get("apiGroup", "")
        if not name:
            errors.append(FieldError(REQUIRED, f"{path}.name", ""))
        if kind == "ServiceAccount":
            if name and names.subdomain_problem(name):
                errors.append(FieldError(INVALID, f"{path}.name", names.subdomain_problem(name), name))
            if group:
                errors.append(FieldError(NOT_SUPPORTED, f"{path}.apiGroup", 'supported values: ""', group))
            if not namespaced and not subject.get("namespace"):
                errors.append(FieldError(REQUIRED, f"{path}.namespace", ""))
        elif kind in {"User", "Group"}:
            if not name:
                errors.append(FieldError(INVALID, f"{path}.name", f"{kind.lower()} name cannot be empty", ""))
            if group != GROUP:
                errors.append(FieldError(NOT_SUPPORTED, f"{path}.apiGroup", f'supported values: "{GROUP}"', group))
        else:
            detail = 'supported values: "Group", "ServiceAccount", "User"'
            errors.append(FieldError(NOT_SUPPORTED, f"{path}.kind", detail, kind))
        return errors

    def validate_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        if new["roleRef"] == old["roleRef"]:
            return []
        return [FieldError(INVALID, "roleRef", "cannot change roleRef", new["roleRef"])]
