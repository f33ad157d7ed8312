"""Discovery: which groups, versions and resources there are, in the legacy and the aggregated form."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver.resources import Registry, Resource

AGGREGATED = ("apidiscovery.k8s.io", "v2", "APIGroupDiscoveryList")
_CUSTOM_VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
_LAST_VERBS = ["delete", "deletecollection", "get", "list", "watch"]
"""What is left to do with the objects of a definition that is being deleted."""


def api_versions(address: str) -> dict[str, Any]:
    """The answer of /api."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group(registry: Registry, name: str) -> dict[str, Any]:
    """One group as /apis lists it."""
    versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in registry.versions(name)]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def api_group(registry: Registry, name: str) -> dict[str, Any]:
    """The answer of /apis/GROUP."""
    return {"kind": "APIGroup", "apiVersion": "v1", **group(registry, name)}


def api_group_list(registry: Registry) -> dict[str, Any]:
    """The answer of /apis."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group(registry, name) for name in registry.groups()]}


def _storage_version(registry: Registry, resource: Resource) -> str:
    return resource.custom.storage_version if resource.custom else registry.versions(resource.group)[0]


def _verbs(resource: Resource) -> list[str]:
    if resource.custom is None:
        return list(resource.verbs)
    return _LAST_VERBS if resource.custom.terminating else _CUSTOM_VERBS


def _legacy(registry: Registry, resource: Resource) -> list[dict[str, Any]]:
    entry: dict[str, Any] = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": _verbs(resource),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.stored:
        entry["storageVersionHash"] = resource.storage_hash(_storage_version(registry, resource))
    entries = [entry]
    for sub in resource.subresources.values():
        part: dict[str, Any] = {
            "name": f"{resource.plural}/{sub.name}",
            "singularName": "",
            "namespaced": resource.namespaced,
        }
        if sub.version:
            part["group"], part["version"] = sub.group, sub.version
        entries.append({**part, "kind": sub.kind, "verbs": list(sub.verbs)})
    return entries


def resource_list(registry: Registry, group_name: str, version: str) -> dict[str, Any]:
    """The answer of /apis/GROUP/VERSION and of /api/v1."""
    found = [entry for resource in registry.resources(group_name, version) for entry in _legacy(registry, resource)]
    group_version = f"{group_name}/{version}" if group_name else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": found}


def _aggregated(resource: Resource) -> dict[str, Any]:
    inside = resource.custom is not None
    kind = {
        "group": resource.group if inside else "",
        "version": resource.version if inside else "",
        "kind": resource.kind,
    }
    entry: dict[str, Any] = {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": _verbs(resource),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": {
                    "group": sub.group or kind["group"],
                    "version": sub.version or kind["version"],
                    "kind": sub.kind,
                },
                "verbs": list(sub.verbs),
            }
            for sub in sorted(resource.subresources.values(), key=lambda part: part.name)
        ]
    return entry


def aggregated(registry: Registry, *, core: bool) -> dict[str, Any]:
    """The answer of /api or /apis to a client that reads aggregated discovery."""
    items = []
    for name in [""] if core else registry.groups():
        versions = [
            {
                "version": version,
                "resources": [_aggregated(resource) for resource in registry.resources(name, version)],
                "freshness": "Current",
            }
            for version in registry.versions(name)
        ]
        items.append({"metadata": {"name": name} if name else {}, "versions": versions})
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}
