"""What is checked across kinds before an object is stored: its namespace has to be there and alive."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver import errors
from slipway_sandbox.apiserver.resources import Resource
from slipway_sandbox.apiserver.store import Store

NAMESPACES = ("", "namespaces")
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
