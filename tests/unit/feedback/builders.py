"""A ModelDeployment that is on trial, as a cluster holds it, and reports on its answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from slipway.api import LABEL_MODEL_DEPLOYMENT
from slipway.cluster import MemoryCluster, Object
from slipway.feedback import Report, Terms

NAMESPACE, NAME = "shop", "fraud"
KEY = (NAMESPACE, NAME)
V1, V2 = "fraud-11111111", "fraud-22222222"
NOW = datetime(2026, 5, 4, 12, 0, 30, 250_000, tzinfo=UTC)
BEGAN = NOW - timedelta(minutes=20)
"""When the first window of the trial began."""
DAY = timedelta(hours=24)

LABELS: dict[str, Any] = {"name": "labels", "feedback": {"maturity": "24h"}, "comparison": {"margin": 0.02}}


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **time: float) -> None:
        self.now += timedelta(**time)


def a_report(request: str = "r1", revision: str = V2, *, wrong: bool = False, made: datetime | None = NOW) -> Report:
    """A label of an answer that was given now."""
    return Report(request, revision, "Label", wrong, made)


def the_terms(cluster: MemoryCluster, **changes: Any) -> Terms:
    """Both revisions are on trial since `BEGAN`."""
    standing = {
        "uid": "uid-of-fraud",
        "maturities": {"Label": DAY, "Reward": DAY},
        "revisions": {name: a_revision(name) for name in (V1, V2)},
        "judged_since": BEGAN,
        "needed_since": BEGAN - timedelta(minutes=10),
        "on_trial": True,
    }
    return Terms(**(standing | changes))


def a_model_deployment(*metrics: Object) -> Object:
    """Only what feedback looks at."""
    return {
        "apiVersion": "slipway.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {"analysis": {"metrics": list(metrics or (LABELS,))}},
    }


def a_revision(
    name: str, *, owner: str = "uid-of-fraud", phase: str = "Stable", since: datetime | None = None
) -> Object:
    """A ModelRevision; `since` is the first second of its oldest window."""
    state = [{"name": "windows.start", "values": [float(int(since.timestamp()) * 1000)]}] if since is not None else []
    metric = {"name": "labels", "verdict": "NoData", "message": "none yet", "state": state}
    return {
        "apiVersion": "slipway.dev/v1alpha1",
        "kind": "ModelRevision",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"uid-of-{name}",
            "labels": {LABEL_MODEL_DEPLOYMENT: NAME},
            "ownerReferences": [
                {"apiVersion": "slipway.dev/v1alpha1", "kind": "ModelDeployment", "name": NAME, "uid": owner}
            ],
        },
        "status": {"phase": phase, "metrics": [metric]},
    }


def on_trial(*, since: datetime | None = BEGAN, metrics: tuple[Object, ...] = (LABELS,)) -> MemoryCluster:
    """A cluster in which v2 is a candidate beside v1; `since` is None before its first window."""
    cluster = MemoryCluster()
    uid = cluster.put(a_model_deployment(*metrics))["metadata"]["uid"]
    cluster.put(a_revision(V1, owner=uid))
    cluster.put(a_revision(V2, owner=uid, phase="Stepping", since=since))
    return cluster
