"""The golden set that the stable release answers again and again. Pure.

The model is the same, so its answers to the same items are too, unless what it stands on has changed: features that
are looked up, a store, a library. And the set itself may be replaced by one with newer labels under the same name,
which is what it is for: the accuracy of today, held against a limit or against that of the promotion.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from slipway.analysis import EvidenceError, Gates, SingleEvidence, Verdict
from slipway.api import DriftGoldenSet, DriftSignalStatus, DriftSpec
from slipway.rollout.evidence import GOLDEN_BATCH, GoldenRequest
from slipway.rollout.golden import OUTAGE_ITEMS
from slipway.rollout.measured import state_of
from slipway.rollout.observation import GoldenBatch
from slipway.rollout.record import shorten
from slipway.rollout.signals import COLLECTING, DRIFTED, FALSE_ALARM, GOLDEN_SET, RECORDING, STEADY
from slipway.rollout.signals import number_of as signals_in

LEAST: Final = 0.001
"""The least accuracy that can be asked for, where a loss of more than there is would be allowed."""


def running(status: DriftSignalStatus) -> SingleEvidence | None:
    """A replay that was begun and is not over."""
    if not status.state:
        return None
    try:
        found = SingleEvidence.from_vectors({vector.name: tuple(vector.values) for vector in status.state})
    except EvidenceError:
        return None
    return None if found.exhausted else found


def golden_request(golden: DriftGoldenSet, status: DriftSignalStatus) -> GoldenRequest:
    """The next items, of the replay that is on or of a new one."""
    on = running(status)
    return GoldenRequest(
        GOLDEN_SET,
        golden.source,
        on.counts.used if on is not None else 0,
        GOLDEN_BATCH,
        status.dataset if on is not None else None,
        "spec.drift.goldenSet.source",
    )


def fold_rerun(
    spec: DriftSpec, golden: DriftGoldenSet, status: DriftSignalStatus, batch: GoldenBatch, now: datetime
) -> DriftSignalStatus | str:
    """The status with the answers to some more items; a sentence where they say nothing."""
    on = running(status) if status.dataset == batch.dataset else None
    if batch.start != (on.counts.used if on is not None else 0):
        return status.model_copy(update={"looked_at": now})  # answers to other items than the next ones
    judged_before = on is not None and on.counts.used > on.counts.excluded
    if batch.items == batch.excluded and (batch.items >= OUTAGE_ITEMS or not judged_before):
        return f"the release gave no usable answer to any of {batch.items} items of the golden set"
    evidence = on or SingleEvidence.begin(_gates(spec, golden, status), batch.size)
    evidence = evidence.fold(batch.wins + batch.ties_right, batch.losses + batch.ties_wrong, batch.excluded)
    looked: dict[str, Any] = {
        "looked_at": now,
        "error_since": None,
        "since": status.since or now,
        "dataset": batch.dataset,
        "state": state_of(evidence.to_vectors()),
    }
    if golden.max_drop is not None and status.recorded is None:
        return status.model_copy(update=looked | _recorded(evidence, now))
    judgement = evidence.judge()
    failed = judgement.verdict == Verdict.FAIL
    if failed or evidence.exhausted:
        message = judgement.message
        if failed and batch.examples:
            message += f" (such as {'; '.join(batch.examples[:3])})"
        if batch.left_out:
            message += f"; {batch.left_out}"
        looked |= {
            "verdict": DRIFTED if failed else STEADY,
            "message": shorten(message),
            "decided_at": now,
            "state": None,
        }
    elif status.verdict not in (STEADY, DRIFTED):
        looked |= {"verdict": COLLECTING, "message": shorten(judgement.message)}
    return status.model_copy(update=looked)


def _recorded(evidence: SingleEvidence, now: datetime) -> dict[str, Any]:
    """The first replay, which later ones are held against."""
    counts = evidence.counts
    if not evidence.exhausted:
        return {"verdict": RECORDING, "message": f"the first replay is on: {counts.used} of {evidence.size} items"}
    accuracy = counts.right / max(1, counts.answers.total)
    return {
        "verdict": COLLECTING,
        "message": f"the reference is complete: {accuracy:.2%} of {counts.answers.total} items are right",
        "recorded": now,
        "bins": ["right", "wrong"],
        "reference": [float(counts.right), float(counts.wrong)],
        "state": None,
    }


def _gates(spec: DriftSpec, golden: DriftGoldenSet, status: DriftSignalStatus) -> Gates:
    minimum = golden.min
    if minimum is None:
        right, wrong = status.reference or (0.0, 1.0)
        minimum = max(LEAST, right / (right + wrong) - (golden.max_drop or 0.0))
    return Gates(threshold_min=minimum, min_samples=1, fail_alpha=FALSE_ALARM / max(1, signals_in(spec)))


def continues(status: DriftSignalStatus) -> bool:
    """Whether a replay is on, whose next part is due."""
    return running(status) is not None
