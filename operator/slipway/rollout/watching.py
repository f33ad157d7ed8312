"""After a promotion: the release that was replaced stays warm for a while, and late harm still hauls the new one back.

The pointer has moved: the new release is stable, and what it replaced is the standby. Evidence goes on against limits
and against what stable's rate was during the rollout. An outage of a source changes nothing here: the watch ends with
its time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from slipway.analysis import Move as Verdict
from slipway.api import ModelRevisionStatus, Phase
from slipway.rollout import evidence, reasons
from slipway.rollout.commands import Ruling
from slipway.rollout.moves import Move, aggregated, next_wake
from slipway.rollout.observation import Observation, Revision
from slipway.rollout.record import enter, hold, moment_after, note, phase_of
from slipway.rollout.routed import capacity_lost
from slipway.rollout.table import PROMOTED, Event

_BACK: Final = "hauled back after its promotion"


@dataclass(frozen=True, slots=True)
class Watch:
    """The stable release's move while it is watched, and the standby's record when it is stable again."""

    move: Move
    restored: ModelRevisionStatus | None = None


def standby_of(seen: Observation, stable: Revision | None) -> Revision | None:
    """The release that is kept warm: the one that the watched release replaced."""
    if stable is None or phase_of(stable.record) != Phase.WATCHING or stable.record.baseline is None:
        return None
    standby = seen.revisions.get(stable.record.baseline)
    # Where it is promoted still, the operator was killed between the two records of a promotion.
    return standby if standby is not None and phase_of(standby.record) in PROMOTED | {Phase.SUPERSEDED} else None


def watch(seen: Observation, stable: Revision, standby: Revision | None, ruling: Ruling | None) -> Watch:
    """The next move of a stable release in the phase Watching."""
    record = stable.record
    ends = (record.phase_since or seen.now) + seen.rollback.watch
    if standby is None:
        return Watch(_over(seen, stable, "no release is kept warm any more"))
    if ruling is not None and ruling.event is Event.ABORTED:
        commanded = record.model_copy(update={"command": ruling.text})
        return _haul_back(seen, stable, commanded, standby, Event.ABORTED, reason=ruling.reason, message=ruling.message)
    lost = capacity_lost(seen, stable, standby)
    if lost is not None:
        return _haul_back(
            seen, stable, record, standby, Event.CAPACITY_LOST, reason=reasons.CAPACITY_LOST, message=lost
        )
    metrics = evidence.fold(seen, record, entered_step=False)
    record = record.model_copy(update={"metrics": metrics or None})
    outcome = aggregated(seen, record, metrics, deadline_over=False, minimum_time_over=False)
    if outcome.move is Verdict.ROLLBACK and outcome.reason == "AnalysisFailed":
        return _haul_back(seen, stable, record, standby, Event.FAILED, reason=outcome.reason, message=outcome.message)
    if seen.desired != stable.hash and seen.unresolved is None:
        return Watch(_over(seen, stable, f"release {seen.desired_version} was declared"))
    if seen.now >= ends:
        return Watch(_over(seen, stable, "nothing spoke against it"))
    message = f"release {stable.version} is watched until {ends:%Y-%m-%d %H:%M:%S} UTC: {outcome.message}"
    wake = next_wake(seen, record, metrics, ends)
    return Watch(Move(hold(record, reasons.WATCHING, message), wake_at=wake))


def _over(seen: Observation, stable: Revision, why: str) -> Move:
    message = f"release {stable.version} is watched no more: {why}"
    over = enter(stable.record, Event.WATCH_OVER, now=seen.now, reason=reasons.WATCH_OVER, message=message)
    return Move(over, changed=True)


def _haul_back(
    seen: Observation,
    stable: Revision,
    record: ModelRevisionStatus,
    standby: Revision,
    event: Event,
    *,
    reason: str,
    message: str,
) -> Watch:
    why = f"release {stable.version} was {_BACK}: {message}"
    again: dict[str, Any] = {
        "stable_until": None,
        "idle_since": None,
        "phase_since": moment_after(seen.now, stable.record),
    }
    if phase_of(standby.record) == Phase.SUPERSEDED:
        restored = enter(standby.record, Event.RESTORED, now=seen.now, reason=reasons.RESTORED, message=why, **again)
    else:
        restored = note(standby.record, now=seen.now, reason=reasons.RESTORED, message=why, **again)
    return Watch(Move(enter(record, event, now=seen.now, reason=reason, message=message), changed=True), restored)
