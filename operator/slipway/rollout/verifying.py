"""Phase Verifying: what the candidate is made of is known, and is what it has to be, before a pod of it exists.

Three things may come of it. The artifact holds: it is recorded once and for all, and pods are brought up. It does not:
the release is given up, and no pod was ever started. Or nobody knows, because a store does not answer: that says
nothing of the release, so it is waited for, as long as pods would be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from slipway.api import ModelRevisionStatus
from slipway.rollout import reasons
from slipway.rollout.moves import POLL, Move, ascend
from slipway.rollout.observation import Observation, Revision
from slipway.rollout.record import enter, hold
from slipway.rollout.table import Event


def unverified(seen: Observation, revision: Revision, record: ModelRevisionStatus) -> Move:
    """The first move of a candidate that has something to be verified."""
    message = f"the artifact of release {revision.version} is fetched and verified; no pod of it is started before"
    return ascend(seen, record, Event.UNVERIFIED, reason=reasons.VERIFYING, message=message)


def verifying(seen: Observation, revision: Revision, record: ModelRevisionStatus) -> Move:
    """What follows from what is known of the artifact."""
    found = seen.verification
    if found is not None and found.refused is not None:
        reason, message = found.refused
        refused = enter(record, Event.ARTIFACT_REFUSED, now=seen.now, reason=reason, message=message)
        return Move(refused, changed=True)
    if found is None or found.known or found.artifact is not None:
        artifact = found.artifact if found is not None else None
        if record.artifact is None and artifact is not None:
            record = record.model_copy(update={"artifact": artifact})
        message = f"{_said(record)}; release {revision.version} is being brought up, and nothing is routed to it"
        return ascend(seen, record, Event.VERIFIED, reason=reasons.STARTING, message=message)
    deadline = (record.phase_since or seen.now) + seen.rollback.progress_deadline
    if seen.now >= deadline:
        seconds = seen.rollback.progress_deadline.total_seconds()
        message = f"not verified within spec.rollback.progressDeadline of {seconds:g} s: {found.waits}"
        late = enter(
            record, Event.VERIFICATION_DEADLINE, now=seen.now, reason=reasons.VERIFICATION_DEADLINE, message=message
        )
        return Move(late, changed=True)
    return Move(hold(record, reasons.WAITING_FOR_ARTIFACT, found.waits), wake_at=min(deadline, seen.now + POLL))


def _said(record: ModelRevisionStatus) -> str:
    artifact = record.artifact
    if artifact is None:
        return "there is nothing to verify any more"
    held = f", and {' and '.join(artifact.verified)} hold" if artifact.verified else ""
    return f"its artifact is {artifact.digest} ({artifact.files} files, {artifact.bytes} bytes){held}"


def is_restarting(seen: Observation, serving: Sequence[str | None], records: Mapping[str, ModelRevisionStatus]) -> bool:
    """Whether pods of a release that serves are on their way up, and fetch its artifact again: what they find there is
    told by pods alone, which nobody watches."""
    for hash_ in serving:
        fleet = seen.revisions[hash_].fleet if hash_ is not None else None
        if fleet is None or hash_ is None or records[hash_].artifact is None:
            continue
        if fleet.other_bytes is None and fleet.ready < fleet.replicas:
            return True
    return False


def changed(found: str) -> str:
    """What is said of bytes that are not those that were verified."""
    return f"a pod that starts finds other bytes than those that were verified, and does not start: {found}"
