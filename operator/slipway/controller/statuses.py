"""Writing statuses, also where the CRDs are older than the operator.

An API server refuses a status with a field that its CRD does not declare, whole. Nothing is lost by that: what is
stored stays as it is, the rollout waits where it stands, and what serves goes on serving. To leave the field out
instead would store half of the evidence as if it were all of it.

One thing cannot wait: a candidate that is hauled back is on its way out of the traffic, and the record of that is
written without what the server does not know.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from slipway.api import (
    API_VERSION,
    MODEL_DEPLOYMENT_KIND,
    MODEL_REVISION_KIND,
    ModelDeploymentStatus,
    ModelRevisionStatus,
    Phase,
)
from slipway.cluster import MODEL_REVISION, Cluster, Object, Undeclared

HAULED_BACK: Final = frozenset({Phase.ROLLING_BACK, Phase.ROLLED_BACK})

_log = logging.getLogger(__name__)


class StatusWriter:
    """Writes whole statuses, on the version that was read."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def deployment(self, deployment: Object, status: ModelDeploymentStatus) -> None:
        """Write the status of a ModelDeployment. Raises Conflict when it has changed since it was read, and Undeclared
        when its CRD lacks a field."""
        said = status.model_dump(by_alias=True, exclude_none=True)
        await self._cluster.apply_status(_status_object(MODEL_DEPLOYMENT_KIND, deployment, said))

    async def revision(self, revision: Object, record: ModelRevisionStatus) -> None:
        """Write the record of a revision. Raises as `deployment` does, but not for a revision that is hauled back."""
        said = record.model_dump(by_alias=True, exclude_none=True)
        try:
            await self._cluster.apply_status(_status_object(MODEL_REVISION_KIND, revision, said))
        except Undeclared as error:
            schema = await self._cluster.schema(MODEL_REVISION)
            if record.phase not in HAULED_BACK or schema is None:
                raise
            _log.warning("%s is hauled back all the same: %s", revision["metadata"]["name"], error)
            known = declared(schema, {"status": said})["status"]
            await self._cluster.apply_status(_status_object(MODEL_REVISION_KIND, revision, known))


def declared(schema: Mapping[str, Any], value: Any) -> Any:
    """The part of a value that a structural schema declares."""
    if isinstance(value, list):
        return [declared(schema.get("items") or {}, item) for item in value]
    if not isinstance(value, dict) or schema.get("x-kubernetes-preserve-unknown-fields"):
        return value
    fields, others = schema.get("properties") or {}, schema.get("additionalProperties")
    if isinstance(others, Mapping):
        return {name: declared(others, inner) for name, inner in value.items()}
    return {name: declared(fields[name], inner) for name, inner in value.items() if name in fields}


def _status_object(kind: str, live: Object, status: Object) -> Object:
    metadata = live["metadata"]
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "status": status,
    }
