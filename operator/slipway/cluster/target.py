"""What a request is about: the words for messages, the address for the request. The same for every cluster."""

from __future__ import annotations

from dataclasses import dataclass

from slipway.cluster.errors import Invalid
from slipway.cluster.kinds import Kind, Object, kind_of


@dataclass(frozen=True, slots=True)
class Target:
    """A verb of `Cluster` and the object, or the collection, that it is used on."""

    verb: str
    kind: Kind
    namespace: str | None = None
    name: str | None = None

    def __str__(self) -> str:
        where = "/".join(part for part in (self.namespace, self.name) if part is not None)
        return " ".join(part for part in (self.verb, self.kind.kind, where) if part)


def target_of(verb: str, obj: Object) -> Target:
    """The target of a write, from what the object says of itself. Raises Invalid when it does not say enough."""
    kind = kind_of(obj)
    metadata = obj.get("metadata") or {}
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if not name and kind.stored:
        raise Invalid(f"{verb} {kind.kind}: metadata.name is missing")
    if kind.namespaced and not namespace:
        raise Invalid(f"{verb} {kind.kind} {name}: metadata.namespace is missing")
    return Target(verb, kind, namespace if kind.namespaced else None, name)


def status_alone(obj: Object) -> Object:
    """What of an object goes into a write of its status: who it is, what was read, and the status."""
    metadata = obj.get("metadata") or {}
    kept = {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion") if key in metadata}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": kept, "status": obj.get("status") or {}}
