"""CustomResourceDefinitions at work: what the registry serves follows from those in the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slipway_sandbox.apiserver.codec import now
from slipway_sandbox.apiserver.resources import READ_WRITE, Registry, Resource, Subresource, version_priority
from slipway_sandbox.apiserver.store import Record, Store
from slipway_sandbox.apiserver.structural import CustomVersion

KEY = ("apiextensions.k8s.io", "customresourcedefinitions")
FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
APPROVAL = "api-approved.kubernetes.io"

Delete = Callable[[Resource, Record], None]


class Definitions:
    """Keeps registry and status in step with the stored definitions.

    `reconcile` is called after every write of one, out of the request that wrote it: like in a real cluster the answer
    to a create does not yet show the condition Established.
    """

    def __init__(self, store: Store, registry: Registry, delete: Delete) -> None:
        self._store = store
        self._registry = registry
        self._delete = delete
        self._served: dict[str, Any] = {}

    def reconcile(self, name: str) -> None:
        """Make the world agree with one definition."""
        record = self._store.get(KEY, name)
        if record is None:
            self._withdraw(name)
            self._reconsider(name)
            return
        if record.obj["metadata"].get("deletionTimestamp"):
            self._serve(name, record.obj)
            self._finish_deletion(name, record)
            return
        obj = self._with_status(record.obj)
        if obj != record.obj:
            record = self._store.write(KEY, name, obj)
        self._serve(name, record.obj)

    def _with_status(self, obj: dict[str, Any]) -> dict[str, Any]:
        spec, names = obj["spec"], obj["spec"]["names"]
        status = dict(obj.get("status") or {})
        conditions = {condition["type"]: condition for condition in status.get("conditions") or ()}
        accepted = dict(status.get("acceptedNames") or {"plural": "", "kind": ""})
        clash = self._clash(obj, accepted)
        if clash is None:
            _set(conditions, "NamesAccepted", "True", "NoConflicts", "no conflicts found")
            if conditions.get("Established", {}).get("status") != "True":
                _set(conditions, "Established", "True", "InitialNamesAccepted", "the initial names have been accepted")
        else:
            _set(conditions, "NamesAccepted", "False", clash[0], clash[1])
            if conditions.get("Established", {}).get("status") != "True":
                _set(conditions, "Established", "False", "NotAccepted", "not all names are accepted")
        _approve(obj, conditions)
        order = {"NamesAccepted": 0, "Established": 1}
        status["conditions"] = sorted(conditions.values(), key=lambda c: order.get(c["type"], 2))
        status["acceptedNames"] = accepted
        storage = next((version["name"] for version in spec["versions"] if version.get("storage")), None)
        stored = list(status.get("storedVersions") or [])
        if storage is not None and storage not in stored:
            stored.append(storage)
        status["storedVersions"] = stored
        _ = names
        return {**obj, "status": status}

    def _clash(self, obj: dict[str, Any], accepted: dict[str, Any]) -> tuple[str, str] | None:
        """Take the wanted names that are free; the last one that is not is reported."""
        names = obj["spec"]["names"]
        taken: set[str] = set()
        kinds: set[str] = set()
        for other in self._store.collection(KEY).records.values():
            if (
                other.obj["metadata"]["name"] == obj["metadata"]["name"]
                or other.obj["spec"]["group"] != obj["spec"]["group"]
            ):
                continue
            theirs = (other.obj.get("status") or {}).get("acceptedNames") or {}
            taken |= {theirs.get("plural", ""), theirs.get("singular", ""), *(theirs.get("shortNames") or ())}
            kinds |= {theirs.get("kind", ""), theirs.get("listKind", "")}
        found = None
        checks = (("plural", "PluralConflict", taken), ("singular", "SingularConflict", taken), ("kind", "KindConflict", kinds), ("listKind", "ListKindConflict", kinds))  # fmt: skip  # noqa: E501
        for field, reason, used in checks:
            wanted = names.get(field)
            if wanted and wanted in used:
                found = (reason, f'"{wanted}" is already in use')
            elif wanted:
                accepted[field] = wanted
        clashing = [short for short in names.get("shortNames") or () if short in taken]
        if clashing:
            found = ("ShortNamesConflict", f'"{clashing[0]}" is already in use')
        else:
            _copy(accepted, names, "shortNames")
        _copy(accepted, names, "categories")
        return found

    def _serve(self, name: str, obj: dict[str, Any]) -> None:
        status = obj["status"]
        established = any(c["type"] == "Established" and c["status"] == "True" for c in status["conditions"])
        ending = bool(obj["metadata"].get("deletionTimestamp"))
        state = (obj["spec"], status["acceptedNames"], established, ending)
        if self._served.get(name) == state:
            return
        self._registry.remove_custom(obj["spec"]["group"], obj["spec"]["names"]["plural"])
        self._served[name] = state
        if established:
            for resource in resources_of(obj):
                self._registry.add(resource)

    def _reconsider(self, gone: str) -> None:
        """A definition that is gone has freed its names: others of its group may have been waiting for them."""
        group = gone.partition(".")[2]
        for name, record in list(self._store.collection(KEY).records.items()):
            if record.obj["spec"]["group"] == group and not record.obj["metadata"].get("deletionTimestamp"):
                self.reconcile(name)

    def _withdraw(self, name: str) -> None:
        state = self._served.pop(name, None)
        if state is not None:
            self._registry.remove_custom(state[0]["group"], state[0]["names"]["plural"])

    def _finish_deletion(self, name: str, record: Record) -> None:
        """Delete the instances; when none is left, take the finalizer off, which removes the definition."""
        if FINALIZER not in (record.obj["metadata"].get("finalizers") or ()):
            return
        spec = record.obj["spec"]
        served = list(resources_of(record.obj, unserved=True))
        instances = self._store.collection((spec["group"], spec["names"]["plural"]))
        for instance in list(instances.records.values()):
            if served and not instance.obj["metadata"].get("deletionTimestamp"):
                self._delete(served[0], instance)
        if instances.records:
            self._tell(name, record, "InstanceDeletionInProgress", "CustomResource deletion is in progress")
            return
        finalizers = [item for item in record.obj["metadata"]["finalizers"] if item != FINALIZER]
        metadata = {key: value for key, value in record.obj["metadata"].items() if key != "finalizers"}
        if finalizers:
            metadata["finalizers"] = finalizers
            self._store.write(KEY, name, {**record.obj, "metadata": metadata})
            return
        self._store.delete(KEY, name)
        self._withdraw(name)

    def _tell(self, name: str, record: Record, reason: str, message: str) -> None:
        obj = terminating(record.obj, reason, message)
        if obj != record.obj:
            self._serve(name, self._store.write(KEY, name, obj).obj)

    def instance_gone(self, resource: Resource) -> None:
        """An instance was removed; a definition may have been waiting for that."""
        name = f"{resource.plural}.{resource.group}"
        record = self._store.get(KEY, name)
        if record is not None and record.obj["metadata"].get("deletionTimestamp"):
            self._finish_deletion(name, record)


def terminating(obj: dict[str, Any], reason: str, message: str) -> dict[str, Any]:
    """A definition that is being deleted, with the condition that says how far that is."""
    status = dict(obj.get("status") or {})
    conditions = {condition["type"]: condition for condition in status.get("conditions") or ()}
    _set(conditions, "Terminating", "True", reason, message)
    return {**obj, "status": {**status, "conditions": list(conditions.values())}}


def _copy(to: dict[str, Any], source: dict[str, Any], name: str) -> None:
    if source.get(name):
        to[name] = source[name]
    else:
        to.pop(name, None)


def _set(conditions: dict[str, Any], kind: str, status: str, reason: str, message: str) -> None:
    old = conditions.get(kind)
    if old and (old["status"], old.get("reason")) == (status, reason):
        return
    stamp = old["lastTransitionTime"] if old and old["status"] == status else now()
    conditions[kind] = {
        "type": kind,
        "status": status,
        "lastTransitionTime": stamp,
        "reason": reason,
        "message": message,
    }


def is_protected(group: str) -> bool:
    """Groups of the Kubernetes project: definitions in them carry an approval."""
    return group in {"k8s.io", "kubernetes.io"} or group.endswith((".k8s.io", ".kubernetes.io"))


def _approve(obj: dict[str, Any], conditions: dict[str, Any]) -> None:
    if not is_protected(obj["spec"]["group"]):
        return
    value = (obj["metadata"].get("annotations") or {}).get(APPROVAL, "")
    kind = "KubernetesAPIApprovalPolicyConformant"
    if value.startswith("unapproved"):
        _set(conditions, kind, "False", "UnapprovedAnnotation", f"not approved: {APPROVAL}={value}")
    elif value.startswith("https://"):
        _set(conditions, kind, "True", "ApprovedAnnotation", f"approved in {value}")
    else:
        _set(conditions, kind, "False", "InvalidAnnotation", f"{APPROVAL} is neither a URL nor says unapproved")


def resources_of(definition: dict[str, Any], *, unserved: bool = False) -> list[Resource]:
    """The resources that a definition calls for, one a served version."""
    spec = definition["spec"]
    names = (definition.get("status") or {}).get("acceptedNames") or {}
    if not names.get("kind"):
        names = spec["names"]
    storage = next((version["name"] for version in spec["versions"] if version.get("storage")), "")
    return [
        _resource(definition, names, version, storage)
        for version in spec["versions"]
        if version.get("served") or (unserved and version["name"] == storage)
    ]


def _resource(definition: dict[str, Any], names: dict[str, Any], version: dict[str, Any], storage: str) -> Resource:
    spec = definition["spec"]
    subresources = version.get("subresources") or {}
    parts = {}
    if "status" in subresources:
        parts["status"] = Subresource("status", names["kind"], READ_WRITE)
    if subresources.get("scale") is not None:
        parts["scale"] = Subresource("scale", "Scale", READ_WRITE, "autoscaling", "v1")
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {"type": "object"}
    custom = CustomVersion(
        schema=schema,
        preserve_unknown=bool(spec.get("preserveUnknownFields")),
        storage_version=storage,
        status_enabled="status" in subresources,
        scale=subresources.get("scale"),
        columns=version.get("additionalPrinterColumns") or [],
        selectable=[entry["jsonPath"] for entry in version.get("selectableFields") or ()],
        warning=_deprecation(spec, names, version),
        terminating=bool(definition["metadata"].get("deletionTimestamp")),
    )
    return Resource(
        group=spec["group"], version=version["name"], plural=names["plural"], singular=names.get("singular") or names["kind"].lower(),  # noqa: E501
        kind=names["kind"], namespaced=spec["scope"] == "Namespaced", short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()), subresources=parts, list_kind=names.get("listKind", ""), custom=custom,  # noqa: E501
    )  # fmt: skip


def _deprecation(spec: dict[str, Any], names: dict[str, Any], version: dict[str, Any]) -> str | None:
    if not version.get("deprecated"):
        return None
    text = f"{spec['group']}/{version['name']} {names['kind']} is deprecated"
    better = [other["name"] for other in spec["versions"] if other.get("served") and not other.get("deprecated")]
    if better:
        text += f"; use {spec['group']}/{min(better, key=version_priority)} {names['kind']}"
    return version.get("deprecationWarning") or text
