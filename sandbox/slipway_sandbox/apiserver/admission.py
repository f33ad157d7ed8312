"""What is checked across kinds before storing: the namespace has to be there and alive, the priority known."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver import errors
from slipway_sandbox.apiserver.resources import Resource
from slipway_sandbox.apiserver.store import Store

NAMESPACES = ("", "namespaces")
PODS = ("", "pods")
PRIORITIES = ("scheduling.k8s.io", "priorityclasses")
IMMORTAL = ("default", "kube-system", "kube-public")


def refuse_deletion(resource: Resource, name: str) -> None:
    """Some namespaces have to stay.

    Raises:
        ApiError: 403 for one of them.
    """
    if resource.key == NAMESPACES and name in IMMORTAL:
        raise errors.forbidden("", "namespaces", name, "this namespace may not be deleted")


class Admission:
    """The admission checks of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def admit(self, resource: Resource, new: dict[str, Any], old: dict[str, Any] | None, part: str) -> None:
        """Refuse what may not be stored.

        Raises:
            ApiError: 404 without the namespace, 403 while it is being deleted.
        """
        if old is not None or not resource.namespaced or part:
            return
        namespace = new["metadata"].get("namespace", "")
        record = self._store.get(NAMESPACES, namespace)
        if record is None:
            raise errors.not_found("", "namespaces", namespace)
        if record.obj["metadata"].get("deletionTimestamp"):
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {namespace} is being terminated",
                "field": "metadata.namespace",
            }
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise errors.forbidden(resource.group, resource.plural, new["metadata"].get("name", ""), why, [cause])
        if resource.key == PODS:
            self._prioritise(new)

    def _prioritise(self, pod: dict[str, Any]) -> None:
        """Give a pod the priority of its class, or of the one that is for all pods without any."""
        spec, name = pod["spec"], pod["metadata"].get("name", "")
        wanted = spec.get("priorityClassName")
        if wanted:
            record = self._store.get(PRIORITIES, wanted)
            if record is None:
                raise errors.forbidden("", "pods", name, f"no PriorityClass with name {wanted} was found")
            found = record.obj
        else:
            records = self._store.collection(PRIORITIES).records.values()
            found = next((record.obj for record in records if record.obj.get("globalDefault")), {})
            if found:
                spec["priorityClassName"] = found["metadata"]["name"]
        if spec.get("priority", 0) not in {0, found.get("value", 0)}:
            why = (
                f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; priority "
                f"admission controller computed {found.get('value', 0)} from the given PriorityClass name"
            )
            raise errors.forbidden("", "pods", name, why)
        spec["priority"] = found.get("value", 0)
        if found.get("preemptionPolicy"):
            spec["preemptionPolicy"] = found["preemptionPolicy"]
