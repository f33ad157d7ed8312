"""What the operator finds around it: its own resources, their age, and the APIs that some ModelDeployments need.

What is missing is told in the log and in the readiness, and waited for. It never ends the process: a restart would not
bring it about, and a process that keeps restarting is read as one that is broken.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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


NOT_LOOKED: Final = "nobody has looked yet"

NOBODY: Final = "slipway-asks-whether-this-kind-is-served"
"""The name of an object that is asked for where only the answer matters: one object costs an API server nothing."""

LOOK_AROUND: Final = 5.0
"""Seconds between two looks while something is missing that the operator cannot work without."""

GLANCE: Final = 45.0
"""Seconds between two looks while nothing is."""

THOROUGH: Final = 600.0
"""Seconds between two looks that also list, and compare schemas, while nothing is missing."""


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What keeps the operator from working."""

    told: str
    certain: bool = False
    """Whether it is so; otherwise the next answer may be another one."""


class Surroundings:
    """The latest look around. Both sentences are for people; None when there is nothing to say."""

    def __init__(self, cluster: Cluster, namespaces: Sequence[str], selector: str | None = None) -> None:
        """`selector` is the label selector of the namespaces to work in, where there is one."""
        self._cluster = cluster
        self._namespaces = tuple(namespaces)
        # Without its namespaces, an operator of a part of the cluster would be ready and do nothing.
        self.needed = (MODEL_DEPLOYMENT, MODEL_REVISION, *([NAMESPACE] if selector is not None else []))
        """The kinds that the operator cannot work without."""
        self.missing: str | None = NOT_LOOKED
        """What the operator cannot work without."""
        self.restricted: str | None = None
        """What some ModelDeployments will miss."""
        self.version = (0, 0)
        """Major and minor version of the API server."""
        self.apis: frozenset[str] = frozenset()
        """The groups and versions that it serves beside the core."""
        self._doubtful = False

    async def look(self, *, thorough: bool = True) -> bool:
        """Look around, and log what has changed; whether the operator can work.

        Where all was well, an API server that fails once, or refuses once, changes nothing: it has to do so twice in a
        row. Without `thorough`, little is asked: whether the kinds are served, and which others are.
        """
        before = self.apis
        trouble = await self._trouble(thorough)
        if trouble is not None and not trouble.certain and self.missing is None and not self._doubtful:
            self._doubtful = True
            _log.info("looking again before that counts: %s", trouble.told)
            return True
        self._doubtful = False
        missing = trouble.told if trouble is not None else None
        if missing is None and (thorough or self.apis != before):
            restricted = await self._restricted()
            if restricted is not None and restricted != self.restricted:
                _log.info("restricted: %s", restricted)
            self.restricted = restricted
        if missing is not None and missing != self.missing:
            _log.error("waiting: %s", missing)
        elif missing is None and self.missing not in (None, NOT_LOOKED):
            _log.info("nothing is missing any more")
        self.missing = missing
        return missing is None

    async def keep_looking(self) -> None:
        """Look again and again: seldom while all is well, and soon while something is missing or in doubt."""
        thorough_at = time.monotonic() + THOROUGH
        while True:
            well = self.missing is None and not self._doubtful
            await asyncio.sleep((GLANCE if well else LOOK_AROUND) * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret
            # A doubt that a thorough look raised is not settled by a glance, which asks for less.
            thorough = not well or time.monotonic() >= thorough_at
            try:
                await self.look(thorough=thorough)
            except Exception:  # noqa: BLE001 - readiness that nobody looks after would be wrong for ever
                _log.exception("a defect of the operator: what is around it is looked for again")
            if thorough:
                thorough_at = time.monotonic() + THOROUGH

    async def _trouble(self, thorough: bool) -> _Trouble | None:
        try:
            if thorough:
                self.version = await self._cluster.version()
            for kind in self.needed:
                if thorough or kind is not NAMESPACE:  # which may be listed and not read
                    trouble = await self._closed(kind, thorough)
                    if trouble is not None:
                        return trouble
            self.apis = await self._cluster.served()
        except ClusterError as error:
            return _Trouble(f"the API server gives no answer that helps: {error}")
        return None

    async def _closed(self, kind: Kind, thorough: bool) -> _Trouble | None:
        """Why a kind cannot be read, and where."""
        refused: dict[str, Forbidden] = {}
        for namespace in (self._namespaces if kind.namespaced else ()) or (None,):
            try:
                if thorough:
                    await self._cluster.list(kind, namespace, labels={"slipway.dev/none": "none"})
                else:
                    await self._cluster.get(kind, namespace or "default", NOBODY)
            except NotServed:
                told = f"the cluster does not know {kind.kind}: install the CRDs first (kubectl apply -f crds/)"
                return _Trouble(told, certain=True)
            except Forbidden as error:
                refused[namespace or ""] = error
        if not refused:
            return None
        name = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
        where = f" in {', '.join(sorted(refused))}" if any(refused) else ""
        first = next(iter(refused.values()))
        return _Trouble(f"{name} may not be listed{where}: check the operator's role and scope: {first}")

    async def _restricted(self) -> str | None:
        told: list[str] = []
        try:
            told += [f"no {api}: {consequence}" for api, consequence in WISHES.items() if api not in self.apis]
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
