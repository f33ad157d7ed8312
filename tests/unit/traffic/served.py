"""A router at work: its changes carried out on objects as an API server keeps them, and read back."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from slipway.api import Traffic
from slipway.traffic import Change, PlanError, Reference, RoutePlan, Router, RouteStatus, router_of

NAMESPACE = "shop"
NAME = "fraud"
UID = "uid-of-fraud"
OWNER = {
    "apiVersion": "slipway.dev/v1alpha1",
    "kind": "ModelDeployment",
    "name": NAME,
    "uid": UID,
    "controller": True,
    "blockOwnerDeletion": False,
}
START = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
LATER = START + timedelta(hours=1)

OLD, NEW, GONE = "fraud-0a0a0a0a", "fraud-1b1b1b1b", "fraud-2c2c2c2c"


def settings(router: str, **fields: Any) -> Traffic:
    """``spec.traffic`` with one router."""
    return Traffic.model_validate({router: fields})


@dataclass
class Served:
    """The objects of one ModelDeployment's router. What is written is taken up at once where somebody can say so."""

    traffic: Traffic
    model_deployment: str = NAME
    owner: Mapping[str, Any] = field(default_factory=lambda: OWNER)
    objects: dict[Reference, dict[str, Any]] = field(default_factory=dict)
    writes: list[Change] = field(default_factory=list)

    @property
    def router(self) -> Router[Any]:
        return router_of(self.traffic)[0]

    @property
    def _settings(self) -> Any:
        return router_of(self.traffic)[1]

    @property
    def references(self) -> tuple[Reference, ...]:
        return self.router.references(model_deployment=self.model_deployment, traffic=self._settings)

    @property
    def live(self) -> dict[Reference, dict[str, Any] | None]:
        return {reference: copy.deepcopy(self.objects.get(reference)) for reference in self.references}

    def of(self, kind: str, name: str | None = None) -> dict[str, Any]:
        """The object of a kind, to be looked at and tampered with."""
        named = self.model_deployment if name is None else name
        (found,) = [obj for ref, obj in self.objects.items() if (ref.kind, ref.name) == (kind, named)]
        return found

    def changes(self, plan: RoutePlan) -> list[Change]:
        return list(
            self.router.changes(
                model_deployment=self.model_deployment,
                namespace=NAMESPACE,
                traffic=self._settings,
                plan=plan,
                owner=self.owner,
                live=self.live,
            )
        )

    def lead(self, plan: RoutePlan, *, now: datetime = START) -> Served:
        """Carry a plan out."""
        return self.carry_out(self.changes(plan), now=now)

    def carry_out(self, changes: list[Change], *, now: datetime = START) -> Served:
        for change in changes:
            self.writes.append(change)
            if change.delete:
                self.objects.pop(change.reference, None)
                continue
            before = self.objects.get(change.reference)
            if change.patch:
                assert before is not None, "only what is there can be patched"
                after = _defaulted(_patched(before, change.body))
            else:
                after = _applied(before, change.body)
            if after != before:
                self.objects[change.reference] = _stored(after, now)
        return self

    def refusal(self, plan: RoutePlan) -> str:
        """What is said to a plan that cannot be carried out; empty when it can be."""
        try:
            self.changes(plan)
        except PlanError as error:
            return str(error)
        return ""

    def restore(self, uid: str = UID) -> Served:
        return self.carry_out(list(self.router.restored(traffic=self._settings, owner_uid=uid, live=self.live)))

    def status(
        self,
        *,
        now: datetime = LATER,
        ready: Mapping[str, int] | None = None,
        uid: str = UID,
        takes: float | None = None,
    ) -> RouteStatus:
        return self.router.status(
            model_deployment=self.model_deployment,
            namespace=NAMESPACE,
            traffic=self._settings,
            owner_uid=uid,
            live=self.live,
            ready=ready or {},
            now=now,
            takes=takes,
        )


def _applied(before: dict[str, Any] | None, manifest: dict[str, Any]) -> dict[str, Any]:
    """Server-side apply by the only manager of these objects: what is not said any more goes."""
    after = copy.deepcopy(manifest)
    if before is not None:
        kept = {key: before["metadata"][key] for key in _SERVER_SET if key in before["metadata"]}
        after["metadata"] = {**after["metadata"], **kept}
        if "status" in before:
            after["status"] = before["status"]
    return _defaulted(after)


_SERVER_SET = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")


def _patched(before: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    after = dict(before) if isinstance(before, dict) else {}
    for key, value in patch.items():
        if value is None:
            after.pop(key, None)
        else:
            after[key] = _patched(after.get(key), value)
    return after


def _stored(obj: dict[str, Any], now: datetime) -> dict[str, Any]:
    """What the server adds to a write, and what the parents of a route answer."""
    obj = _defaulted(json.loads(json.dumps(obj)))
    metadata = obj["metadata"]
    time = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata["generation"] = metadata.get("generation", 0) + 1
    metadata["resourceVersion"] = str(int(metadata.get("resourceVersion", 0)) + 1)
    metadata.setdefault("creationTimestamp", time)
    metadata["managedFields"] = [{"manager": "slipway", "operation": "Apply", "time": time}]
    if obj["kind"] == "HTTPRoute":
        obj["status"] = {"parents": [_answer(parent, metadata) for parent in obj["spec"].get("parentRefs", [])]}
    return obj


def _answer(parent: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
    conditions = [
        {"type": kind, "status": "True", "reason": kind, "observedGeneration": metadata["generation"]}
        for kind in ("Accepted", "ResolvedRefs")
    ]
    return {"parentRef": parent, "controllerName": "example.com/gateway", "conditions": conditions}


def _defaulted(obj: dict[str, Any]) -> dict[str, Any]:
    """What the schema of an HTTPRoute fills in."""
    if obj["kind"] != "HTTPRoute":
        return obj
    for parent in obj["spec"].get("parentRefs", []):
        parent |= {"group": "gateway.networking.k8s.io", "kind": "Gateway"}
    for rule in obj["spec"].get("rules", []):
        mirrors = [entry["requestMirror"] for entry in rule.get("filters", []) if "requestMirror" in entry]
        for backend in (*rule.get("backendRefs", []), *(mirror["backendRef"] for mirror in mirrors)):
            backend |= {"group": "", "kind": "Service"}
        for backend in rule.get("backendRefs", []):
            backend.setdefault("weight", 1)
        for match in rule.get("matches", []):
            for header in match.get("headers", []):
                header.setdefault("type", "Exact")
    return obj
