"""The little that the operator asks of a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from slipway.cluster.kinds import Kind, Object, Objects

FIELD_MANAGER = "slipway"
"""Who owns the fields that the operator sets. Changing it would orphan every field that was ever applied."""

Propagation = Literal["Background", "Foreground", "Orphan"]
"""What becomes of the objects that a deleted object owns."""


class Cluster(Protocol):
    """Reads and writes of raw objects. When the cluster is at fault, every method raises a `ClusterError`.

    Objects that come in are not changed; objects that go out belong to the caller. A cancelled call may have happened.
    """

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        """The object as it is now, or None when there is none. NotServed when the API has no such resource."""

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: Mapping[str, str] | str | None = None
    ) -> Objects:
        """All objects of a kind that carry these labels, in one namespace or in all; each with its apiVersion and kind.
        A text is a label selector, as the API server reads it.

        Read in pages that belong to one version of the cluster; starts over, a bounded number of times, when that
        version expires.
        """

    async def create(self, obj: Object) -> Object:
        """Creates the object. AlreadyExists when the name is taken: for what must happen once, as taking a lease.

        Invalid when the server knows not all of its fields: it is created whole or not at all.
        """

    async def apply(self, obj: Object) -> Object:
        """Server-side apply: the fields given are set and owned, the fields owned before and not given now are removed.

        Takes fields over from other managers, and creates what is missing. The status is not touched.
        `metadata.resourceVersion`, when given, is a precondition: Conflict when the object is another version.
        Undeclared when the server knows not all of its fields; so also with `apply_status`.
        """

    async def apply_status(self, obj: Object) -> Object:
        """Server-side apply of `status` alone. Conflict when the object is gone, or `metadata.resourceVersion` or
        `metadata.uid` are given and are not those of the live object.
        """

    async def delete(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: Propagation = "Background",
    ) -> None:
        """Deletes the object. What is missing already is fine; Conflict when it is another object or version than
        expected.
        """

    async def merge_patch(self, kind: Kind, namespace: str | None, name: str, patch: Object) -> Object:
        """JSON merge patch (RFC 7386), for a field that must be removed exactly or belongs to another manager.

        `patch` may carry `metadata.resourceVersion` as precondition. Conflict when the object is gone.
        """

    async def version(self) -> tuple[int, int]:
        """Major and minor version of the API server."""

    async def served(self) -> frozenset[str]:
        """The groups and versions that the API knows beside the core, such as apps/v1."""

    async def schema(self, kind: Kind) -> Object | None:
        """The OpenAPI schema by which the server stores a kind; None when it publishes none."""

    async def close(self) -> None:
        """Lets go of connections. Calls after this are undefined."""
