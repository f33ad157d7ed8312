"""Which reports count: what the ModelDeployment asks for, and what is being judged at this moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from slipway.api import LABEL_MODEL_DEPLOYMENT, AnalysisSpec, ModelRevisionStatus, Phase
from slipway.cluster import MODEL_DEPLOYMENT, MODEL_REVISION, Cluster, Object
from slipway.feedback.report import Kind

Key = tuple[str, str]
"""Namespace and name of a ModelDeployment."""

JUDGED: Final = frozenset({Phase.STEPPING, Phase.PROMOTING, Phase.WATCHING})
"""Phases of a revision in which windows of its requests wait for reports."""

SPARE: Final = timedelta(minutes=10)
"""How much longer than needed reports are kept: clocks differ, and a look may be on its way."""


MOMENT: Final = timedelta(microseconds=1)


class NothingAskedError(Exception):
    """No report can count here, whatever it says: there is no such ModelDeployment, or it asks for none."""

    def __init__(self, message: str, *, exists: bool) -> None:
        super().__init__(message)
        self.exists = exists
        """Whether there is a ModelDeployment of this name."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What was asked for at one moment.

    Requests that were made at `judged_since` or before count for nothing: no window of theirs waits, and none will.
    Reports on requests before `needed_since` need not be kept. `revisions` are ModelRevisions by name.
    """

    uid: str
    """The ModelDeployment's."""
    maturities: Mapping[Kind, timedelta]
    revisions: Mapping[str, Object]
    judged_since: datetime
    needed_since: datetime
    on_trial: bool
    """Whether windows of some revision wait for reports."""


async def read_terms(cluster: Cluster, key: Key, clock: Callable[[], datetime]) -> Terms:
    """The terms of this moment. Raises NothingAskedError, and ClusterError."""
    namespace, name = key
    before = clock()
    deployment = await cluster.get(MODEL_DEPLOYMENT, namespace, name)
    if deployment is None:
        raise NothingAskedError(f"there is no ModelDeployment {namespace}/{name}", exists=False)
    maturities = _maturities(deployment)
    if not maturities:
        raise NothingAskedError(
            f"ModelDeployment {namespace}/{name} has no metric with feedback in spec.analysis.metrics", exists=True
        )
    revisions = {
        str(found["metadata"]["name"]): found
        for found in await cluster.list(MODEL_REVISION, namespace, labels={LABEL_MODEL_DEPLOYMENT: name})
        if any(owner.get("uid") == deployment["metadata"]["uid"] for owner in _owners(found))
    }
    # A trial that has no window yet opens its first one later than it was looked for here.
    waiting = [since for found in revisions.values() for since in _waiting_since(found)]
    judged_since = min(waiting) - MOMENT if waiting else before
    needed_since = min(judged_since, before - max(maturities.values())) - SPARE
    return Terms(
        str(deployment["metadata"]["uid"]), maturities, revisions, judged_since, needed_since, on_trial=bool(waiting)
    )


def _owners(found: Object) -> list[dict[str, Any]]:
    return list(found["metadata"].get("ownerReferences") or [])


def _maturities(deployment: Object) -> dict[Kind, timedelta]:
    """The longest maturity of each kind of report that a metric counts."""
    try:
        analysis = AnalysisSpec.model_validate((deployment.get("spec") or {}).get("analysis") or {})
    except ValidationError:
        return {}
    out: dict[Kind, timedelta] = {}
    for metric in analysis.metrics or ():
        if metric.feedback is not None:
            kind = metric.feedback.kind
            out[kind] = max(out.get(kind, timedelta(0)), metric.feedback.maturity)
    return out


def _waiting_since(revision: Object) -> list[datetime]:
    """The oldest window of each metric of a revision that is on trial."""
    try:
        record = ModelRevisionStatus.model_validate(revision.get("status") or {})
    except ValidationError:
        return []
    if record.phase not in JUDGED:
        return []
    vectors = [vector for metric in record.metrics or () for vector in metric.state or ()]
    starts = [vector.values[0] for vector in vectors if vector.name == "windows.start" and vector.values]
    return [datetime.fromtimestamp(start / 1000, UTC) for start in starts]
