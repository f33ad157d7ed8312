"""Who may do what: roles and bindings, evaluated from the store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from slipway_sandbox.apiserver.store import Store

GROUP = "rbac.authorization.k8s.io"
MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
SERVICE_ACCOUNTS = "system:serviceaccounts"
_OPEN_PATHS = ("/healthz", "/livez", "/readyz", "/version", "/api", "/apis", "/openapi")


@dataclass(frozen=True)
class Request:
    """One thing somebody wants to do: to a resource, or to a `path` that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


class Authorizer:
    """Decides by the roles and bindings in a store. Members of `system:masters` may do everything."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def allows(self, user: str, groups: tuple[str, ...], request: Request) -> bool:
        """Whether a user may do something."""
        if MASTERS in groups:
            return True
        if request.path and any(request.path == path or request.path.startswith(path + "/") for path in _OPEN_PATHS):
            return request.verb in {"get", "head"} and AUTHENTICATED in groups
        if _is_self_review(request):
            return AUTHENTICATED in groups
        return any(_covers(rule, request) for rule in self._rules(user, groups, request.namespace))

    def rules(self, user: str, groups: tuple[str, ...], namespace: str) -> dict[str, Any]:
        """The status of a SelfSubjectRulesReview."""
        if MASTERS in groups:
            found: list[dict[str, Any]] = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
            paths = [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
        else:
            found = [
                {
                    "verbs": ["create"],
                    "apiGroups": ["authorization.k8s.io"],
                    "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
                }
            ]
            paths = [{"verbs": ["get"], "nonResourceURLs": list(_OPEN_PATHS)}]
            for rule in self._rules(user, groups, namespace):
                if rule.get("nonResourceURLs"):
                    paths.append({"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]})
                else:
                    found.append(
                        {
                            name: rule[name]
                            for name in ("verbs", "apiGroups", "resources", "resourceNames")
                            if name in rule
                        }
                    )
        return {"resourceRules": found, "nonResourceRules": paths, "incomplete": False}

    def _rules(self, user: str, groups: tuple[str, ...], namespace: str) -> Iterator[dict[str, Any]]:
        for binding in self._objects("clusterrolebindings", ""):
            if _binds(binding, user, groups):
                yield from self._role_rules(binding["roleRef"], "")
        if namespace:
            for binding in self._objects("rolebindings", namespace):
                if _binds(binding, user, groups):
                    yield from self._role_rules(binding["roleRef"], namespace)

    def _objects(self, plural: str, namespace: str) -> Iterator[dict[str, Any]]:
        collection = self._store.collection((GROUP, plural))
        for key in collection.keys(namespace):
            yield collection.records[key].obj

    def _role_rules(self, role: dict[str, Any], namespace: str) -> list[dict[str, Any]]:
        if role.get("kind") == "ClusterRole":
            record = self._store.get((GROUP, "clusterroles"), role.get("name", ""))
        else:
            record = self._store.get((GROUP, "roles"), f"{namespace}/{role.get('name', '')}")
        if record is None:
            return []
        rules: list[dict[str, Any]] = list(record.obj.get("rules") or ())
        return rules


def _is_self_review(request: Request) -> bool:
    return request.verb == "create" and (request.group, request.resource) in {
        ("authorization.k8s.io", "selfsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectrulesreviews"),
        ("authentication.k8s.io", "selfsubjectreviews"),
    }


def _binds(binding: dict[str, Any], user: str, groups: tuple[str, ...]) -> bool:
    for subject in binding.get("subjects") or ():
        kind, name = subject.get("kind"), subject.get("name", "")
        if kind == "ServiceAccount":
            namespace = subject.get("namespace") or binding["metadata"].get("namespace", "")
            if user == f"system:serviceaccount:{namespace}:{name}":
                return True
        elif (kind == "User" and name == user) or (kind == "Group" and name in groups):
            return True
    return False


def _covers(rule: dict[str, Any], request: Request) -> bool:
    if not {"*", request.verb} & set(rule.get("verbs") or ()):
        return False
    if request.path:
        return any(url in ("*", request.path) or (url.endswith("*") and request.path.startswith(url[:-1]))
                   for url in rule.get("nonResourceURLs") or ())  # fmt: skip
    wanted = f"{request.resource}/{request.subresource}" if request.subresource else request.resource
    matching = {"*", wanted} | ({f"*/{request.subresource}"} if request.subresource else set())
    if not {"*", request.group} & set(rule.get("apiGroups") or ()) or not matching & set(rule.get("resources") or ()):
        return False
    names = rule.get("resourceNames") or ()
    return not names or request.name in names
