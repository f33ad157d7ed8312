"""Raw objects as an API server shows them, with good defaults, and a person at a command line.

`a_shop()` is fraud, whose release v1 is stable with 2 of 2 pods, and whose release v2 is at step 2 of 3 with 50 % of
the traffic. Every builder takes what a test wants otherwise.
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from slipway.api import API_VERSION, LABEL_MODEL_DEPLOYMENT, format_time
from slipway.cli.picture import Picture, picture
from slipway.release import release_hash, revision_name

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
UID = "00000000-0000-4000-8000-00000000f00d"
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)

Object = dict[str, Any]


def ago(span: timedelta) -> str:
    return format_time(NOW - span)


def merged(onto: Any, changes: Any) -> Any:
    """A merge patch; None takes a member away."""
    if not isinstance(changes, dict) or not isinstance(onto, dict):
        return copy.deepcopy(changes)
    out = {key: value for key, value in onto.items() if changes.get(key, value) is not None}
    return out | {key: merged(out.get(key, {}), value) for key, value in changes.items() if value is not None}


def a_release(version: str = "v2", **more: Any) -> Object:
    release = {"model": {"name": "fraud", "version": version}, "container": {"image": "registry.example/fraud:1"}}
    return merged(release, more)


def hash_of(version: str) -> str:
    return release_hash(a_release(version))


def name_of(version: str) -> str:
    return revision_name("fraud", hash_of(version))


def a_spec(version: str = "v2", **more: Any) -> Object:
    spec = {
        "replicas": 2,
        "release": a_release(version),
        "strategy": {
            "canary": {
                "steps": [
                    {"weight": 10, "minDuration": "1m"},
                    {"weight": 50, "minDuration": "2m"},
                    {"weight": 100, "minDuration": "5m"},
                ]
            }
        },
        "traffic": {"gateway": {"parentRefs": [{"name": "public"}], "hostnames": ["fraud.example"]}},
    }
    return merged(spec, more)


def a_role(version: str, weight: float, **more: Any) -> Object:
    role = {"revision": name_of(version), "hash": hash_of(version), "version": version, "weight": weight}
    return role | {"readyReplicas": 2} | more


def a_condition(kind: str, status: str, reason: str, message: str, generation: int = 2) -> Object:
    return {
        "type": kind,
        "status": status,
        "observedGeneration": generation,
        "lastTransitionTime": "2026-05-04T11:00:00Z",
        "reason": reason,
        "message": message,
    }


def a_status(**more: Any) -> Object:
    """In the middle of step 2."""
    status = {
        "observedGeneration": 2,
        "phase": "Stepping",
        "reason": "GatheringEvidence",
        "message": "release v2 takes 50% of the traffic and is judged on it",
        "progress": "50% (2/3)",
        "stable": a_role("v1", 50.0),
        "candidate": a_role("v2", 50.0, readyReplicas=1, step=2, steps=3),
        "conditions": [a_condition("Ready", "False", "GatheringEvidence", "release v2 takes 50% of the traffic")],
    }
    return merged(status, more)


def a_deployment(
    *, spec: Object | None = None, status: Object | None = None, generation: int = 2, **metadata: Any
) -> Object:
    return {
        "apiVersion": API_VERSION,
        "kind": "ModelDeployment",
        "metadata": {
            "name": "fraud",
            "namespace": "shop",
            "uid": UID,
            "generation": generation,
            "resourceVersion": "7",
            "creationTimestamp": "2026-05-03T12:00:00Z",
        }
        | metadata,
        "spec": a_spec() if spec is None else spec,
        "status": a_status() if status is None else status,
    }


def a_revision(version: str, phase: str, *, release: Object | None = None, uid: str = UID, **record: Any) -> Object:
    release = a_release(version) if release is None else release
    hash_ = release_hash(release)
    return {
        "apiVersion": API_VERSION,
        "kind": "ModelRevision",
        "metadata": {
            "name": revision_name("fraud", hash_),
            "namespace": "shop",
            "labels": {LABEL_MODEL_DEPLOYMENT: "fraud"},
            "creationTimestamp": "2026-05-04T11:00:00Z",
            "ownerReferences": [{"apiVersion": API_VERSION, "kind": "ModelDeployment", "name": "fraud", "uid": uid}],
        },
        "spec": {"modelDeployment": "fraud", "hash": hash_, "release": release},
        "status": {"phase": phase, "phaseSince": ago(10 * MINUTE), "attempt": 1} | record,
    }


def a_fleet(version: str, *, wanted: int = 2, ready: int = 2) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name_of(version), "namespace": "shop", "labels": {LABEL_MODEL_DEPLOYMENT: "fraud"}},
        "spec": {"replicas": wanted},
        "status": {"readyReplicas": ready},
    }


def stable_revision(version: str = "v1", **record: Any) -> Object:
    return a_revision(version, "Stable", weight=50.0, reason="CandidatePromoted", **record)


def stepping_revision(version: str = "v2", **more: Any) -> Object:
    record = {
        "phaseSince": ago(30 * SECOND),
        "weightObservedAt": ago(30 * SECOND),
        "step": 1,
        "weight": 50.0,
        "reason": "GatheringEvidence",
        "message": "neither harm nor safety is shown yet",
        "metrics": [
            {"name": "accuracy", "verdict": "Pass", "message": "accuracy 91.20% of 500 items, at least 85.00%"},
            {"name": "errors", "verdict": "Continue", "message": "+0.02pp, evidence of harm 1.1 of 100 needed"},
        ],
        "timeline": [
            {"time": ago(5 * MINUTE), "phase": "Pending", "reason": "RevisionCreated", "message": "it was declared"},
            {"time": ago(30 * SECOND), "phase": "Stepping", "reason": "StepStarted", "message": "step 2 of 3"},
        ],
    }
    return a_revision(version, "Stepping", **(record | more))


def rolled_back_revision(version: str = "v2") -> Object:
    return a_revision(
        version, "RolledBack", weight=0.0, reason="AnalysisFailed", message="errors: +30.00pp of 0.50pp allowed"
    )


ROLLED_BACK = a_status(
    phase="RolledBack",
    reason="RolledBack",
    message="errors: +30.00pp of 0.50pp allowed",
    progress=None,
    stable=a_role("v1", 100.0),
    candidate=a_role("v2", 0.0, readyReplicas=0, step=None, steps=None),
    conditions=[
        a_condition("Ready", "False", "RolledBack", "errors: +30.00pp of 0.50pp allowed"),
        a_condition("Stalled", "True", "RolledBack", "errors: +30.00pp of 0.50pp allowed"),
    ],
)

PROMOTED = a_status(
    phase="Stable",
    reason="ReleaseServing",
    message="release v2 serves all traffic, 2 of 2 pods ready",
    progress=None,
    stable=a_role("v2", 100.0),
    candidate=None,
    conditions=[a_condition("Ready", "True", "ReleaseServing", "release v2 serves all traffic, 2 of 2 pods ready")],
)


def a_shop(*revisions: Object, fleets: tuple[Object, ...] = (), **deployment: Any) -> Picture:
    """A picture; see the module."""
    found = revisions or (stable_revision(), stepping_revision())
    return picture(a_deployment(**deployment), found, fleets or (a_fleet("v1"), a_fleet("v2", wanted=1, ready=1)))


def drifted() -> Picture:
    """v2 was promoted, and what it is asked has changed since."""
    signals = [
        {"kind": "Feature", "name": "amount", "verdict": "Drifted", "message": "index=0.612", "settings": "0"},
        {"kind": "GoldenSet", "name": "golden-set", "verdict": "Steady", "message": "n=500", "settings": "0"},
    ]
    signals[0] |= {"decidedAt": ago(4 * MINUTE), "errorSince": ago(2 * MINUTE)}
    found = {"verdict": "Drifted", "reason": "DriftFound", "message": "feature amount: index=0.612"}
    conditions = [*PROMOTED["conditions"], a_condition("Drifted", "True", found["reason"], found["message"])]
    stable = a_revision("v2", "Stable", weight=100.0, drift={**found, "signals": signals})
    return a_shop(stable, status=a_status(**{**PROMOTED, "candidate": None, "conditions": conditions}))


def promoted(*revisions: Object) -> Picture:
    """v2 was promoted, and v1 is what it replaced."""
    found = revisions or (
        a_revision("v1", "Superseded", weight=0.0, stableUntil=ago(5 * MINUTE)),
        a_revision("v2", "Stable", weight=100.0),
    )
    return a_shop(*found, status=PROMOTED)
