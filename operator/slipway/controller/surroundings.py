"""What the operator finds around it: its own resources, their age, and the APIs that some ModelDeployments need.

What is missing is told in the log and in the readiness, and waited for. It never ends the process: a restart would not
bring it about, and a process that keeps restarting is read as one that is broken.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from slipway.api.crd import definitions
from slipway.cluster import (
    MODEL_DEPLOYMENT,
    MODEL_REVISION,
    NAMESPACE,
    Cluster,
    ClusterError,
    Forbidden,
    Kind,
    NotServed,
)

_log = logging.getLogger(__name__)

WISHES: Final = {
    "gateway.networking.k8s.io/v1": "what a Gateway routes waits for the Gateway API to be installed",
    "metrics.k8s.io/v1beta1": "autoscalers on CPU or memory do nothing without a metrics server",
}
"""The APIs that only some ModelDeployments need, and what becomes of those without."""

NAMED: Final = 5
"""Fields that an older definition is said to lack, at most."""


class Surroundings:
    """The latest look around. Both sentences are for people; None when there is nothing to say."""

    def __init__(self, cluster: Cluster, namespaces: Sequence[str], selector: str | None = None) -> None:
        """`selector` is the label selector of the namespaces to work in, where there is one."""
        self._cluster = cluster
        self._namespace = namespaces[0] if namespaces else None
        # Without its namespaces, an operator of a part of the cluster would be ready and do nothing.
        self._needed = (MODEL_DEPLOYMENT, MODEL_REVISION, *([NAMESPACE] if selector is not None else []))
        self.missing: str | None = "nobody has looked yet"
        """What the operator cannot work without."""
        self.restricted: str | None = None
        """What some ModelDeployments will miss."""

    async def look(self) -> bool:
        """Look around, and log what has changed; whether the operator can work."""
        missing = await self._missing()
        restricted = await self._restricted() if missing is None else None
        if missing is not None and missing != self.missing:
            _log.error("waiting: %s", missing)
        if restricted is not None and restricted != self.restricted:
            _log.info("restricted: %s", restricted)
        self.missing, self.restricted = missing, restricted
        return missing is None

    async def _missing(self) -> str | None:
        for kind in self._needed:
            try:
                await self._cluster.list(kind, self._namespace, labels={"slipway.dev/none": "none"})
            except NotServed:
                return f"the cluster does not know {kind.kind}: install the CRDs first (kubectl apply -f crds/)"
            except Forbidden as error:
                name = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
                return f"{name} may not be listed: check the operator's role and scope: {error}"
            except ClusterError as error:
                return f"the API server gives no answer that helps: {error}"
        return None

    async def _restricted(self) -> str | None:
        told: list[str] = []
        try:
            served = await self._cluster.served()
            told += [f"no {api}: {consequence}" for api, consequence in WISHES.items() if api not in served]
            for kind in (MODEL_DEPLOYMENT, MODEL_REVISION):
                unknown = lacking(kind, await self._cluster.schema(kind) or {})
                if unknown:
                    told.append(_older(kind, unknown))
        except ClusterError as error:
            told.append(f"what the API server serves is not known: {error}")
        return "; ".join(told) or None


def lacking(kind: Kind, schema: Mapping[str, Any]) -> list[str]:
    """The fields of this version that a served schema does not have: an API server refuses a status that has them.

    None for a server that publishes no schema of the kind.
    """
    if not schema.get("properties"):
        return []
    ours = definitions()[f"{kind.plural}.{kind.group}"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return list(_unknown(ours, schema, ""))


def _unknown(ours: Mapping[str, Any], theirs: Mapping[str, Any], path: str) -> Iterator[str]:
    if theirs.get("x-kubernetes-preserve-unknown-fields"):
        return
    known = theirs.get("properties") or {}
    for name, schema in (ours.get("properties") or {}).items():
        if not path and name == "metadata":
            continue
        here = f"{path}.{name}" if path else name
        if name not in known:
            yield here
        else:
            yield from _unknown(schema, known[name], here)
    for inner, mark in (("items", "[]"), ("additionalProperties", "{}")):
        mine, yours = ours.get(inner), theirs.get(inner)
        if isinstance(mine, Mapping) and isinstance(yours, Mapping):
            yield from _unknown(mine, yours, path + mark)


def _older(kind: Kind, unknown: Sequence[str]) -> str:
    named = ", ".join(unknown[:NAMED]) + (f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else "")
    return f"the CRD of {kind.kind} is older than the operator, and lacks {named}: apply the CRDs of this version"
