"""What the server serves: resources, their subresources, and the registry that finds them by group and version."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from slipway_sandbox.apiserver.nodes import Node, type_exists, type_node

if TYPE_CHECKING:
    from slipway_sandbox.apiserver.structural import CustomVersion

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
READ_WRITE = ("get", "patch", "update")

Converter = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Subresource:
    """A part of a resource with an address of its own. `group`, `version`, `kind` say what it exchanges."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""


@dataclass(eq=False)
class Resource:
    """One kind at one version. Versions of the same kind share a place in the store (`key`)."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: dict[str, Subresource] = field(default_factory=dict)
    type_name: str = ""
    list_kind: str = ""
    storage_group: str | None = None
    """Set where two groups show the same stored objects (events)."""
    to_storage: Converter | None = None
    from_storage: Converter | None = None
    custom: CustomVersion | None = None

    def __post_init__(self) -> None:
        if not self.list_kind:
            self.list_kind = f"{self.kind}List"

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def key(self) -> tuple[str, str]:
        """Where its objects are in the store."""
        return (self.group if self.storage_group is None else self.storage_group, self.plural)

    @cached_property
    def node(self) -> Node:
        """The shape of its objects."""
        if self.custom is not None:
            return self.custom.node
        return type_node(self.type_name)

    @property
    def stored(self) -> bool:
        """Whether it keeps objects at all; reviews only answer."""
        return "get" in self.verbs or "list" in self.verbs

    def has_status(self) -> bool:
        return "status" in self.subresources

    def storage_hash(self, storage_version: str) -> str:
        """The opaque token by which clients notice that the storage version changed."""
        digest = hashlib.sha256(f"{self.group}/{storage_version}/{self.kind}".encode()).digest()
        return base64.b64encode(digest[:8]).decode()


class Registry:
    """All served resources, by group, version and plural name."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._versions: dict[tuple[str, str], dict[str, Resource]] = {}
        self.generation = 0
        """Counts changes, so that what is derived from the registry can be cached."""
        for resource in resources:
            self.add(resource)

    def add(self, resource: Resource) -> None:
        self._versions.setdefault((resource.group, resource.version), {})[resource.plural] = resource
        self.generation += 1

    def remove_custom(self, group: str, plural: str) -> None:
        """Take a custom resource away at all of its versions."""
        for (found_group, version), served in list(self._versions.items()):
            resource = served.get(plural)
            if found_group == group and resource is not None and resource.custom is not None:
                del served[plural]
                if not served:
                    del self._versions[(found_group, version)]
        self.generation += 1

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._versions.get((group, version), {}).get(plural)

    def by_kind(self, group: str, version: str, kind: str) -> Resource | None:
        """The resource of a kind, as owner references and apply bodies name it."""
        for resource in self._versions.get((group, version), {}).values():
            if resource.kind == kind:
                return resource
        return None

    def has_group(self, group: str) -> bool:
        return any(found == group for found, _ in self._versions)

    def is_custom_group(self, group: str) -> bool:
        return all(r.custom is not None for r in self.all() if r.group == group)

    def versions(self, group: str) -> list[str]:
        """The served versions of a group, the preferred one first."""
        return sorted((version for found, version in self._versions if found == group), key=version_priority)

    def groups(self) -> list[str]:
        """The named groups in the order of their discovery: built-in ones first, custom ones by name."""
        seen = list(dict.fromkeys(group for group, _ in self._versions if group))
        built_in = [group for group in seen if not self.is_custom_group(group)]
        return built_in + sorted(group for group in seen if group not in built_in)

    def resources(self, group: str, version: str) -> list[Resource]:
        served = self._versions.get((group, version), {})
        return [served[name] for name in sorted(served)]

    def all(self) -> list[Resource]:
        return [resource for served in self._versions.values() for resource in served.values()]

    def stored(self) -> dict[tuple[str, str], Resource]:
        """One resource for each place in the store, at its preferred version."""
        found: dict[tuple[str, str], Resource] = {}
        for resource in sorted(self.all(), key=lambda r: version_priority(r.version)):
            if resource.stored:
                found.setdefault(resource.key, resource)
        return found


def version_priority(version: str) -> tuple[int, int, int, str]:
    """Sorts versions as Kubernetes does: v2 before v1 before v1beta2 before v1alpha1 before anything else."""
    import re

    match = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if match is None:
        return (1, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[match.group(2)]
    return (0, stage * 1_000_000 - int(match.group(1)), -int(match.group(3) or 0), version)


def node_of(type_name: str) -> Node | None:
    """The node of a built-in type if there is such a type."""
    return type_node(type_name) if type_exists(type_name) else None
