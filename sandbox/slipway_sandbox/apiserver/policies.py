"""ValidatingAdmissionPolicies: rules in CEL that a cluster's owner sets over everybody's writes.

A policy says what has to hold, a binding where it holds and what follows if it does not: a refusal (Deny), a warning
to the client (Warn), or a line in the log (Audit). They are asked after the object was found valid in itself and
before it is stored, so they see it complete, with its defaults.

Variables are evaluated before the expressions that name them. One that fails is left out instead of failing the whole,
so that an expression which guards its use (`has(object.spec.x) && variables.x > 1`) works as it does in a cluster.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from slipway_sandbox.apiserver import cel, errors, scale
from slipway_sandbox.apiserver.admission import NAMESPACES
from slipway_sandbox.apiserver.cel import CelError
from slipway_sandbox.apiserver.cel_authorizer import NAME as AUTHORIZER
from slipway_sandbox.apiserver.cel_authorizer import asking, authorizer_of
from slipway_sandbox.apiserver.matching import Write, matches
from slipway_sandbox.apiserver.rbac import Authorizer, Request
from slipway_sandbox.apiserver.resources import Registry, Resource
from slipway_sandbox.apiserver.selectors import from_label_selector
from slipway_sandbox.apiserver.store import Store, object_key

log = logging.getLogger("slipway_sandbox.apiserver.audit")

GROUP = "admissionregistration.k8s.io"
POLICIES = (GROUP, "validatingadmissionpolicies")
BINDINGS = (GROUP, "validatingadmissionpolicybindings")
CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}
"""The reasons that a validation may give, and the HTTP codes that go with them."""

_VARIABLE = re.compile(r"\bvariables\s*\.\s*([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True)
class Requester:
    """Who writes."""

    name: str
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Violation:
    """What a policy holds against a write."""

    message: str
    reason: str = "Invalid"


@dataclass
class _Scope:
    """What expressions see, and why variables are missing from it."""

    data: dict[str, Any]
    broken: dict[str, str] = field(default_factory=dict)


class Policies:
    """The policies and bindings in a store, asked about every write."""

    def __init__(self, store: Store, registry: Registry, authorizer: Authorizer) -> None:
        self._store = store
        self._registry = registry
        self._authorizer = authorizer
        self.requester = Requester("", ())
        """Who makes the request that is being carried out; requests are carried out one at a time."""

    def review(self, write: Write) -> list[str]:
        """The warnings that a write earns.

        Raises:
            ApiError: a policy denies it, with the code that goes with the validation's reason.
        """
        bindings = self._store.collection(BINDINGS)
        if not bindings.records or write.resource.group == GROUP:  # else a bad policy could not be taken back
            return []
        warnings: list[str] = []
        denial: errors.ApiError | None = None
        for key in bindings.order:
            binding = bindings.records[key].obj
            actions = binding["spec"].get("validationActions") or ()
            policy = self._store.get(POLICIES, binding["spec"].get("policyName", ""))
            if policy is None:
                continue
            names = f"ValidatingAdmissionPolicy '{policy.obj['metadata']['name']}' with binding '{key}'"
            with asking(self._authorizer):
                violations = list(self._violations(policy.obj["spec"], binding["spec"], write))
            for found in violations:
                if "Warn" in actions:
                    warnings.append(f"Validation failed for {names}: {found.message}")
                if "Audit" in actions:
                    log.info("%s would deny: %s", names, found.message)
                if "Deny" in actions and denial is None:
                    denial = _denial(write, f"{names} denied request: {found.message}", found.reason)
        if denial is not None:
            denial.warnings = warnings
            raise denial
        return warnings

    def _violations(self, policy: dict[str, Any], binding: dict[str, Any], write: Write) -> Iterator[Violation]:
        namespace = self._namespace(write)
        versions = self._registry.versions(write.resource.group)
        served = [v for v in versions if self._registry.find(write.resource.group, v, write.resource.plural)]
        for where in (policy.get("matchConstraints"), binding.get("matchResources")):
            if where is not None and not matches(where, write, namespace, served):
                return
        strict = policy.get("failurePolicy") != "Ignore"
        try:
            params = list(self._params(policy, binding, write))
        except CelError as error:
            if strict:
                yield Violation(str(error))
            return
        for param in params:
            scope = _Scope(self._data(write, namespace, param))
            yield from _judge(policy, scope, strict)

    def _namespace(self, write: Write) -> dict[str, Any] | None:
        if not write.resource.namespaced:
            return None
        record = self._store.get(NAMESPACES, write.namespace)
        return record.obj if record is not None else None

    def _params(self, policy: dict[str, Any], binding: dict[str, Any], write: Write) -> Iterator[Any]:
        """The parameters to judge with, one after the other; None where the policy takes none.

        Raises:
            CelError: there have to be some, and there are none.
        """
        kind, wanted = policy.get("paramKind"), binding.get("paramRef")
        if kind is None:
            yield None
            return
        group, _, version = kind.get("apiVersion", "").rpartition("/")
        resource = self._registry.by_kind(group, version, kind.get("kind", ""))
        if resource is None:
            raise CelError(f"failed to configure binding: no kind {kind.get('kind')} in {kind.get('apiVersion')}")
        if wanted is None:
            yield None
            return
        found = list(self._chosen(resource, wanted, write))
        if not found and wanted.get("parameterNotFoundAction") != "Allow":
            raise CelError("failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction")  # fmt: skip  # noqa: E501
        yield from found

    def _chosen(self, resource: Resource, wanted: dict[str, Any], write: Write) -> Iterator[dict[str, Any]]:
        namespace = (wanted.get("namespace") or write.namespace) if resource.namespaced else ""
        if wanted.get("name"):
            record = self._store.get(resource.key, object_key(namespace, wanted["name"]))
            if record is not None:
                yield record.obj
            return
        requirements = from_label_selector(wanted.get("selector") or {})
        collection = self._store.collection(resource.key)
        for key in collection.keys(namespace):
            obj = collection.records[key].obj
            if all(requirement.matches(obj["metadata"].get("labels") or {}) for requirement in requirements):
                yield obj

    def _data(self, write: Write, namespace: dict[str, Any] | None, params: Any) -> dict[str, Any]:
        resource = write.resource
        kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        place = {"group": resource.group, "version": resource.version, "resource": resource.plural}
        if write.part == "scale":
            kind = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
        request = {
            "kind": kind, "requestKind": kind, "resource": place, "requestResource": place, "subResource": write.part,
            "requestSubResource": write.part, "name": write.name, "namespace": write.namespace,
            "operation": write.operation, "dryRun": write.dry_run,
            "userInfo": {"username": self.requester.name, "groups": list(self.requester.groups)},
        }  # fmt: skip
        return {
            "object": _as_sent(write, write.new), "oldObject": _as_sent(write, write.old), "request": request,
            "params": params, "namespaceObject": namespace, "variables": {},
            AUTHORIZER: authorizer_of(self.requester.name, self.requester.groups, _asked_for(write)),
        }  # fmt: skip


def _asked_for(write: Write) -> Request:
    resource = write.resource
    verb = write.operation.lower()
    return Request(verb, resource.group, resource.plural, write.part, write.namespace, write.name)


def _as_sent(write: Write, obj: dict[str, Any] | None) -> dict[str, Any] | None:
    return scale.to_scale(write.resource, obj) if obj is not None and write.part == "scale" else obj


def _judge(policy: dict[str, Any], scope: _Scope, strict: bool) -> Iterator[Violation]:
    variables = {entry["name"]: entry["expression"] for entry in policy.get("variables") or ()}
    problems = []
    for condition in policy.get("matchConditions") or ():
        try:
            if _value(condition["expression"], variables, scope) is not True:
                return
        except CelError as error:
            problems.append(f"expression '{condition['expression']}' resulted in error: {error}")
    if problems:
        if strict:
            yield Violation(problems[0])
        return
    for validation in policy.get("validations") or ():
        text = validation["expression"]
        try:
            if _value(text, variables, scope) is True:
                continue
            yield Violation(_message(validation, variables, scope), validation.get("reason") or "Invalid")
        except CelError as error:
            if strict:
                yield Violation(
                    f"expression '{text}' resulted in error: {error}", validation.get("reason") or "Invalid"
                )


def _value(text: str, variables: dict[str, str], scope: _Scope) -> Any:
    """The value of an expression, after that of the variables it names.

    Raises:
        CelError: it fails.
    """
    for name in dict.fromkeys(_VARIABLE.findall(text)):
        if name in scope.data["variables"] or name in scope.broken or name not in variables:
            continue
        try:
            earlier = {other: variables[other] for other in list(variables)[: list(variables).index(name)]}
            scope.data["variables"][name] = _value(variables[name], earlier, scope)
        except CelError as error:
            scope.broken[name] = str(error)
    try:
        return cel.evaluate(text, scope.data)
    except CelError as error:
        for name, why in scope.broken.items():
            if f'"{name}"' in str(error) or f": {name}" in str(error):
                raise CelError(f'composited variable "{name}" fails to evaluate: {why}') from error
        raise


def _message(validation: dict[str, Any], variables: dict[str, str], scope: _Scope) -> str:
    fallback = str(validation.get("message") or f"failed expression: {validation['expression'].strip()}")
    if not validation.get("messageExpression"):
        return fallback
    try:
        found = _value(validation["messageExpression"], variables, scope)
    except CelError:
        return fallback  # a message that cannot be made must not hide the violation
    return found if isinstance(found, str) and found.strip() and "\n" not in found else fallback


def _denial(write: Write, message: str, reason: str) -> errors.ApiError:
    resource = write.resource
    error = errors.forbidden(resource.group, resource.plural, write.name, message, [{"message": message}])
    error.reason, error.code = reason, CODES.get(reason, 422)
    return error
