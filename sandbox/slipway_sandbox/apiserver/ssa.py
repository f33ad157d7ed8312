"""Server-side apply and the bookkeeping of `metadata.managedFields` for every other write.

Each manager owns a set of fields. An apply replaces the manager's set, gives up (removes) what the manager owned
before and nobody else owns, and conflicts when it changes a field of someone else. A plain write takes whatever it
changes from everybody.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from slipway_sandbox.apiserver import fieldsets, typed
from slipway_sandbox.apiserver.codec import canonicalise, now
from slipway_sandbox.apiserver.errors import ApiError
from slipway_sandbox.apiserver.fieldsets import FieldSet
from slipway_sandbox.apiserver.nodes import Node

APPLY = "Apply"
UPDATE = "Update"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

MAX_UPDATERS = 10
"""More managers that only update are folded into one called `ancient-changes`."""

_UNTRACKED: FieldSet = {
    "f:apiVersion": fieldsets.leaf(),
    "f:kind": fieldsets.leaf(),
    "f:metadata": {
        fieldsets.HERE: {},
    }
    | {
        "f:" + name: fieldsets.leaf()
        for name in (
            "clusterName", "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation",
            "managedFields", "name", "namespace", "resourceVersion", "selfLink", "uid",
        )
    },
}  # fmt: skip


@dataclass
class Manager:
    """One entry of managedFields."""

    name: str
    operation: str
    api_version: str
    subresource: str
    fields: FieldSet
    time: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        version = self.api_version if self.operation == UPDATE else ""
        return (self.name, self.operation, version, self.subresource)

    def entry(self) -> dict[str, Any]:
        found = {"manager": self.name, "operation": self.operation, "apiVersion": self.api_version, "time": self.time,
                 "fieldsType": "FieldsV1", "fieldsV1": fieldsets.to_fields_v1(self.fields)}  # fmt: skip
        if self.subresource:
            found["subresource"] = self.subresource
        return {name: value for name, value in found.items() if value != "" or name == "fieldsV1"}


Managers = dict[tuple[str, str, str, str], Manager]


def decode(entries: Any) -> Managers:
    """The managers in a `managedFields` list.

    Raises:
        ValueError: an entry is malformed.
    """
    found: Managers = {}
    for entry in entries or ():
        if entry.get("fieldsType", "FieldsV1") != "FieldsV1" or entry.get("operation") not in {APPLY, UPDATE}:
            raise ValueError("invalid managedFields entry")
        manager = Manager(
            entry.get("manager", ""), entry["operation"], entry.get("apiVersion", ""), entry.get("subresource", ""),
            fieldsets.from_fields_v1(entry.get("fieldsV1") or {}), entry.get("time", ""),
        )  # fmt: skip
        found[manager.key] = manager
    return found


def encode(managers: Managers) -> list[dict[str, Any]]:
    """The managers as a `managedFields` list, in the server's order."""
    shown = [manager for manager in managers.values() if manager.fields]
    shown.sort(key=lambda m: (m.operation, m.subresource, m.time, m.name, m.api_version))
    return [manager.entry() for manager in shown]


def is_reset(entries: Any) -> bool:
    """Whether a write asks to forget all ownership: an empty list, or one empty entry."""
    return isinstance(entries, list) and (not entries or entries == [{}])


def _tracked(fields: FieldSet, ignored: FieldSet) -> FieldSet:
    return fieldsets.subtract_trees(fieldsets.difference(fields, _UNTRACKED), ignored)


def _cap(managers: Managers) -> None:
    updaters = sorted((m for m in managers.values() if m.operation == UPDATE), key=lambda m: m.time)
    surplus = len(updaters) - MAX_UPDATERS
    if surplus <= 0:
        return
    by_version: dict[str, Manager] = {}
    for manager in updaters[: surplus + 1]:
        del managers[manager.key]
        bucket = by_version.get(manager.api_version)
        if bucket is None:
            by_version[manager.api_version] = Manager(
                "ancient-changes", UPDATE, manager.api_version, "", manager.fields, manager.time
            )
        else:
            bucket.fields = fieldsets.union(bucket.fields, manager.fields)
            bucket.time = max(bucket.time, manager.time)
    for bucket in by_version.values():
        managers[bucket.key] = bucket


def track_update(
    node: Node, old: dict[str, Any] | None, new: dict[str, Any], writer: Manager, ignored: FieldSet
) -> None:
    """Record in `new` who owns what after a plain write. `writer` carries the identity; its fields are ignored.

    `ignored` are fields that this endpoint does not write (the status on the main one).
    """
    wanted = new["metadata"].get("managedFields")
    if old is not None and is_reset(wanted):
        new["metadata"].pop("managedFields", None)
        return
    managers = _starting_point(old, wanted, writer.subresource)
    if old is not None and not managers:
        new["metadata"].pop("managedFields", None)
        return
    before = blank(node) if old is None else old
    try:
        difference = typed.compare(node, _without_managed(before), _without_managed(new))
    except typed.TypedError:
        return  # such an object is refused by validation; who owns what in it does not matter
    changed = fieldsets.union(difference.added, difference.modified)
    _take_from_others(managers, changed, difference.removed, writer.key)
    mine = managers.get(writer.key)
    owned = fieldsets.union(mine.fields if mine else {}, changed)
    owned = _tracked(fieldsets.difference(owned, difference.removed), ignored)
    if changed or owned != (mine.fields if mine else {}):
        managers[writer.key] = Manager(writer.name, UPDATE, writer.api_version, writer.subresource, owned, now())
    _cap(managers)
    _write(new, managers)


def blank(node: Node) -> dict[str, Any]:
    """What a create is compared with: the empty object of the kind."""
    if not node.type_name:
        return {"metadata": {}}
    return canonicalise(node, {})


def _starting_point(old: dict[str, Any] | None, wanted: Any, subresource: str) -> Managers:
    if wanted and not subresource and old is not None:
        try:
            return decode(wanted)
        except (ValueError, AttributeError, TypeError):
            pass  # a client that mangles the list does not change ownership
    return decode(old["metadata"].get("managedFields")) if old is not None else {}


def _take_from_others(managers: Managers, changed: FieldSet, removed: FieldSet, mine: tuple[str, ...]) -> None:
    for key, manager in list(managers.items()):
        if key == mine:
            continue
        rest = fieldsets.difference(fieldsets.difference(manager.fields, changed), removed)
        if not rest:
            del managers[key]
        elif rest is not manager.fields:
            managers[key] = Manager(
                manager.name, manager.operation, manager.api_version, manager.subresource, rest, manager.time
            )


def _without_managed(obj: dict[str, Any]) -> dict[str, Any]:
    metadata = obj.get("metadata")
    if not metadata or "managedFields" not in metadata:
        return obj
    return {**obj, "metadata": {name: value for name, value in metadata.items() if name != "managedFields"}}


def _write(obj: dict[str, Any], managers: Managers) -> None:
    entries = encode(managers)
    if entries:
        obj["metadata"]["managedFields"] = entries
    else:
        obj["metadata"].pop("managedFields", None)


@dataclass
class Applied:
    """The outcome of an apply: the merged object (not yet defaulted), and what is to be recorded with it."""

    obj: dict[str, Any]
    managers: Managers


def apply(  # noqa: PLR0917
    node: Node, live: dict[str, Any] | None, config: dict[str, Any], applier: Manager, ignored: FieldSet, force: bool,
    forgiven: FieldSet | None = None,
) -> Applied:  # fmt: skip
    """Merge an applied configuration into the live object. Fields that are `forgiven` are taken over without force.

    Raises:
        ApiError: 409 with one cause for each field that another manager owns.
        typed.TypedError: the configuration cannot be merged by its type.
    """
    base = _without_managed(live) if live is not None else {}
    managers = _managers_of(live, node)
    mine = managers.get(applier.key)
    merged = typed.merge(node, base, config)
    fields = _tracked(typed.field_set(node, config), ignored)
    last = mine.fields if mine else {}
    managers[applier.key] = Manager(applier.name, APPLY, applier.api_version, applier.subresource, fields, "")
    if last:
        merged = _prune(node, merged, last, managers)
    difference = typed.compare(node, base, merged)
    managers[applier.key].time = now() if difference.changed() or live is None else mine.time if mine else ""
    changed = fieldsets.subtract_trees(fieldsets.union(difference.added, difference.modified), ignored)
    disputed = fieldsets.difference(changed, forgiven) if forgiven else changed
    conflicts = _conflicts(managers, disputed, applier.key)
    if conflicts and not force:
        raise _conflict_error(conflicts)
    _take_from_others(managers, changed, difference.removed, applier.key)
    if not fields:
        managers.pop(applier.key, None)
    return Applied(merged, managers)


def unchanged_fields(node: Node, config: dict[str, Any], live: dict[str, Any]) -> FieldSet:
    """The fields of a configuration that the live object still has as they are there.

    Raises:
        typed.TypedError: one of the two cannot be read by its type.
    """
    typed.check(node, config)
    difference = typed.compare(node, config, live)
    fields = typed.field_set(node, config)
    for part in (difference.modified, difference.added, difference.removed):
        fields = fieldsets.difference(fields, part)
    return fields


def _managers_of(live: dict[str, Any] | None, node: Node) -> Managers:
    if live is None:
        return {}
    managers = decode(live["metadata"].get("managedFields"))
    if managers:
        return managers
    everything = _tracked(typed.compare(node, blank(node), _without_managed(live)).added, {})
    if not everything:
        return {}
    first = Manager("before-first-apply", UPDATE, live.get("apiVersion", ""), "", everything, now())
    return {first.key: first}


def _prune(node: Node, merged: dict[str, Any], last: FieldSet, managers: Managers) -> dict[str, Any]:
    """Remove what the manager owned before and nobody owns now."""
    owned: FieldSet = {}
    for manager in managers.values():
        owned = fieldsets.union(owned, manager.fields)
    if not fieldsets.difference(last, owned):
        return merged  # whoever applies the same fields again gives up nothing, and no parents of them either
    given_up = fieldsets.difference(fieldsets.with_named_parents(last, node), fieldsets.with_named_parents(owned, node))
    given_up.get("f:metadata", {}).pop(fieldsets.HERE, None)
    if not given_up:
        return merged
    pruned = typed.remove(node, merged, given_up)
    return pruned if isinstance(pruned, dict) else {}


def _conflicts(managers: Managers, changed: FieldSet, mine: tuple[str, ...]) -> list[tuple[Manager, FieldSet]]:
    found = []
    for key, manager in managers.items():
        if key != mine:
            shared = fieldsets.intersection(manager.fields, changed)
            if shared:
                found.append((manager, shared))
    return found


def _conflict_error(conflicts: list[tuple[Manager, FieldSet]]) -> ApiError:
    causes: list[dict[str, str]] = []
    for manager, fields in conflicts:
        who = json.dumps(manager.name)
        if manager.subresource:
            who += f" with subresource {json.dumps(manager.subresource)}"
        if manager.operation == UPDATE:
            who += f" using {manager.api_version}"
        causes.extend(
            {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": fieldsets.show(path)}
            for path in fieldsets.paths(fields)
        )
    count = len(causes)
    text = f"Apply failed with {count} conflict{'s' if count > 1 else ''}: " + "; ".join(
        f"{cause['message']}: {cause['field']}" for cause in causes
    )
    return ApiError(409, "Conflict", text, {"causes": causes})


def finish(obj: dict[str, Any], managers: Managers) -> None:
    """Write the managers of an apply into the object, after defaults and whatever else the server filled in."""
    _cap(managers)
    _write(obj, managers)
