"""Which writes a policy is about: its resource rules and selectors against a write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slipway_sandbox.apiserver.resources import Resource
from slipway_sandbox.apiserver.selectors import from_label_selector


@dataclass(frozen=True)
class Write:
    """What is about to happen. `operation` is CREATE, UPDATE or DELETE; `new` is None for the last, `old` for the first."""  # noqa: E501

    operation: str
    resource: Resource
    new: dict[str, Any] | None
    old: dict[str, Any] | None
    part: str = ""
    dry_run: bool = False

    @property
    def metadata(self) -> dict[str, Any]:
        obj = self.new if self.new is not None else self.old or {}
        found: dict[str, Any] = obj.get("metadata") or {}
        return found

    @property
    def name(self) -> str:
        return str(self.metadata.get("name", ""))

    @property
    def namespace(self) -> str:
        """Its namespace; a Namespace counts as being in itself."""
        if (self.resource.group, self.resource.plural) == ("", "namespaces"):
            return self.name
        return str(self.metadata.get("namespace", ""))


def matches(where: dict[str, Any], write: Write, namespace: dict[str, Any] | None, versions: list[str]) -> bool:
    """Whether `matchConstraints` or `matchResources` cover a write. `versions` are those its resource is served at."""
    known = [write.resource.version] if where.get("matchPolicy") == "Exact" else versions
    rules, excluded = where.get("resourceRules") or (), where.get("excludeResourceRules") or ()
    if rules and not any(_covers(rule, write, known) for rule in rules):
        return False
    if any(_covers(rule, write, known) for rule in excluded):
        return False
    return _selects_namespace(where, write, namespace) and _selects_object(where, write)


def _covers(rule: dict[str, Any], write: Write, versions: list[str]) -> bool:
    resource = write.resource
    names = rule.get("resourceNames") or ()
    scope = rule.get("scope") or "*"
    return (
        _has(rule, "operations", write.operation)
        and _has(rule, "apiGroups", resource.group)
        and any(_has(rule, "apiVersions", version) for version in versions)
        and any(_names(entry, resource.plural, write.part) for entry in rule.get("resources") or ())
        and scope in {"*", "Namespaced" if resource.namespaced else "Cluster"}
        and (not names or write.name in names)
    )


def _has(rule: dict[str, Any], part: str, value: str) -> bool:
    values = rule.get(part) or ()
    return "*" in values or value in values


def _names(entry: str, plural: str, part: str) -> bool:
    wanted, slash, below = entry.partition("/")
    if not slash:
        return not part and wanted in {"*", plural}
    return wanted in {"*", plural} and below in ("*", part)


def _selects_namespace(where: dict[str, Any], write: Write, namespace: dict[str, Any] | None) -> bool:
    selector = where.get("namespaceSelector")
    if not selector:
        return True
    if (write.resource.group, write.resource.plural) == ("", "namespaces"):
        labels = write.metadata.get("labels") or {}
    elif not write.resource.namespaced:
        return True
    else:
        labels = ((namespace or {}).get("metadata") or {}).get("labels") or {}
    return all(requirement.matches(labels) for requirement in from_label_selector(selector))


def _selects_object(where: dict[str, Any], write: Write) -> bool:
    selector = where.get("objectSelector")
    if not selector:
        return True
    requirements = from_label_selector(selector)
    for obj in (write.new, write.old):
        labels = ((obj or {}).get("metadata") or {}).get("labels") or {}
        if obj is not None and all(requirement.matches(labels) for requirement in requirements):
            return True
    return False
