"""ValidatingAdmissionPolicies and their bindings: expressions have to compile before anybody relies on them."""

from __future__ import annotations

import re
from typing import Any

from slipway_sandbox.apiserver.cel import CelError
from slipway_sandbox.apiserver.cel_policies import PolicyChecker
from slipway_sandbox.apiserver.errors import DUPLICATE, INVALID, NOT_SUPPORTED, REQUIRED, FieldError
from slipway_sandbox.apiserver.kinds.hooks import Hooks
from slipway_sandbox.apiserver.kinds.podspec import fill
from slipway_sandbox.apiserver.kinds.templates import validate_label_selector

REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized")
OPERATIONS = ("*", "CREATE", "UPDATE", "DELETE", "CONNECT")
ACTIONS = ("Audit", "Deny", "Warn")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _default_matching(where: dict[str, Any] | None) -> None:
    if where is None:
        return
    fill(where, matchPolicy="Equivalent", namespaceSelector={}, objectSelector={})
    for rule in [*(where.get("resourceRules") or ()), *(where.get("excludeResourceRules") or ())]:
        fill(rule, scope="*")


class AdmissionPolicies(Hooks):
    generation = True

    def default(self, obj: dict[str, Any]) -> None:
        fill(obj["spec"], failurePolicy="Fail")
        _default_matching(obj["spec"].get("matchConstraints"))

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        spec = obj["spec"]
        found = _one_of(spec.get("failurePolicy", "Fail"), ("Fail", "Ignore"), "spec.failurePolicy")
        where = spec.get("matchConstraints")
        if where is None:
            found.append(FieldError(REQUIRED, "spec.matchConstraints", ""))
        else:
            if not where.get("resourceRules"):
                found.append(FieldError(REQUIRED, "spec.matchConstraints.resourceRules", ""))
            found += _validate_matching(where, "spec.matchConstraints")
        if not spec.get("validations") and not spec.get("auditAnnotations"):
            detail = "validations or auditAnnotations must be non-empty"
            found.append(FieldError(REQUIRED, "spec.validations", detail))
        return found + _validate_expressions(spec)


def _validate_expressions(spec: dict[str, Any]) -> list[FieldError]:
    found = []
    checker = PolicyChecker()
    for part, needs_identifier in (("variables", True), ("matchConditions", False)):
        seen: set[str] = set()
        for index, entry in enumerate(spec.get(part) or ()):
            path, name = f"spec.{part}[{index}]", entry.get("name") or ""
            if not name:
                found.append(FieldError(REQUIRED, f"{path}.name", ""))
            elif needs_identifier and not _IDENTIFIER.fullmatch(name):
                found.append(FieldError(INVALID, f"{path}.name", "name is not a valid CEL identifier", name))
            elif name in seen:
                found.append(FieldError(DUPLICATE, f"{path}.name", "", name))
            seen.add(name)
            found += _compiles(checker, entry.get("expression"), f"{path}.expression", name if needs_identifier else "")
    for index, validation in enumerate(spec.get("validations") or ()):
        path = f"spec.validations[{index}]"
        found += _compiles(checker, validation.get("expression"), f"{path}.expression")
        if validation.get("messageExpression"):
            found += _compiles(checker, validation["messageExpression"], f"{path}.messageExpression")
        if validation.get("reason") is not None:
            found += _one_of(validation["reason"], REASONS, f"{path}.reason")
    for index, annotation in enumerate(spec.get("auditAnnotations") or ()):
        found += _compiles(
            checker, annotation.get("valueExpression"), f"spec.auditAnnotations[{index}].valueExpression"
        )
    return found


def _compiles(checker: PolicyChecker, text: str | None, path: str, variable: str = "") -> list[FieldError]:
    if not (text or "").strip():
        return [FieldError(REQUIRED, path, "expression is not specified")]
    try:
        compiled = checker.check(str(text))
    except CelError as error:
        return [FieldError(INVALID, path, f"compilation failed: {error}", text)]
    if variable:
        checker.declare(variable, compiled)
    return []


def _one_of(value: Any, allowed: tuple[str, ...], path: str) -> list[FieldError]:
    if value in allowed:
        return []
    shown = ", ".join(f'"{entry}"' for entry in sorted(allowed))
    return [FieldError(NOT_SUPPORTED, path, f"supported values: {shown}", value)]


def _validate_matching(where: dict[str, Any], path: str) -> list[FieldError]:
    found = _one_of(where.get("matchPolicy", "Equivalent"), ("Equivalent", "Exact"), f"{path}.matchPolicy")
    for part in ("namespaceSelector", "objectSelector"):
        if where.get(part):
            found += validate_label_selector(where[part], f"{path}.{part}")
    for part in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(where.get(part) or ()):
            here = f"{path}.{part}[{index}]"
            needed = ("operations", "apiGroups", "apiVersions", "resources")
            found += [FieldError(REQUIRED, f"{here}.{name}", "") for name in needed if not rule.get(name)]
            for position, operation in enumerate(rule.get("operations") or ()):
                found += _one_of(operation, OPERATIONS, f"{here}.operations[{position}]")
            found += _one_of(rule.get("scope", "*"), ("*", "Cluster", "Namespaced"), f"{here}.scope")
    return found


class AdmissionPolicyBindings(Hooks):
    generation = True

    def default(self, obj: dict[str, Any]) -> None:
        _default_matching(obj["spec"].get("matchResources"))

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        spec = obj["spec"]
        found = []
        if not spec.get("policyName"):
            found.append(FieldError(REQUIRED, "spec.policyName", ""))
        actions = spec.get("validationActions") or ()
        if not actions:
            found.append(FieldError(REQUIRED, "spec.validationActions", "at least one validation action is required"))
        for index, action in enumerate(actions):
            found += _one_of(action, ACTIONS, f"spec.validationActions[{index}]")
            if action in actions[:index]:
                found.append(FieldError(DUPLICATE, f"spec.validationActions[{index}]", "", action))
        if {"Deny", "Warn"} <= set(actions):
            detail = (
                "must not contain both Deny and Warn (repeating the same validation failure information in the API "
                "response and headers serves no purpose)"
            )
            found.append(FieldError(INVALID, "spec.validationActions", detail, list(actions)))
        if spec.get("matchResources") is not None:
            found += _validate_matching(spec["matchResources"], "spec.matchResources")
        return found + _validate_param_ref(spec.get("paramRef"))


def _validate_param_ref(wanted: dict[str, Any] | None) -> list[FieldError]:
    if wanted is None:
        return []
    found = []
    if bool(wanted.get("name")) == (wanted.get("selector") is not None):
        found.append(FieldError(REQUIRED, "spec.paramRef.name", "one of name or selector must be specified"))
    if wanted.get("selector"):
        found += validate_label_selector(wanted["selector"], "spec.paramRef.selector")
    path = "spec.paramRef.parameterNotFoundAction"
    if not wanted.get("parameterNotFoundAction"):
        return [*found, FieldError(REQUIRED, path, "")]
    return found + _one_of(wanted["parameterNotFoundAction"], ("Allow", "Deny"), path)
