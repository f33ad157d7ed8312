"""The watch over the stable release between rollouts: what is due, and what it has come to. Pure.

It never moves traffic and never hauls back: the release passed its gates, and what has changed is the world. It looks
while no rollout is under way. During one the stable release sees a part of the requests, which a strategy may choose by
what is in them, and golden sets of the candidate are replayed on it: both would pass for drift. So counting begins anew
when the rollout is over; what was found before stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from slipway.api import DriftSignalStatus, DriftSpec, DriftStatus, ModelRevisionStatus, Phase
from slipway.rollout import reasons
from slipway.rollout.distributions import fold_distribution
from slipway.rollout.evidence import GoldenRequest
from slipway.rollout.firing import DONE, Reaction, advanced, firing_after
from slipway.rollout.observation import GoldenBatch, Observation
from slipway.rollout.record import phase_of, remark, shorten, with_fields
from slipway.rollout.rerun import continues, fold_rerun, golden_request
from slipway.rollout.signals import (
    COLLECTING,
    DRIFTED,
    ERROR,
    GOLDEN_ID,
    RECORDING,
    STEADY,
    DistributionRequest,
    DistributionWindow,
    SignalId,
    blank,
    distributions_of,
    id_of,
    settings_of,
)
from slipway.rollout.table import OVER
from slipway.rollout.targets import Roles

RETRY: Final = timedelta(minutes=1)
"""Time before a signal that could not be read is asked again, unless the interval is shorter."""

_REASONS: Final = {
    DRIFTED: reasons.DRIFT_FOUND,
    ERROR: reasons.DRIFT_UNREADABLE,
    COLLECTING: reasons.DRIFT_COLLECTING,
    STEADY: reasons.NO_DRIFT,
}


@dataclass(frozen=True, slots=True)
class DriftPlan:
    """What the shell has to ask of the stable release before the next decision."""

    revision: str
    distributions: tuple[DistributionRequest, ...] = ()
    golden: GoldenRequest | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """The stable release's record after this look, what is to be done about drift, and when to look again."""

    record: ModelRevisionStatus
    wake_at: datetime | None = None
    reactions: tuple[Reaction, ...] = ()


def drift_plan(seen: Observation, who: Roles) -> DriftPlan | None:
    """What is due; None where nothing is. While a golden set is replayed all distributions are read too, before it and
    after it, so that its items do not count as requests."""
    spec = seen.drift
    if spec is None or who.stable is None or not at_rest(seen, who):
        return None
    known = _known(seen.revisions[who.stable].record)
    golden: GoldenRequest | None = None
    if spec.golden_set is not None:
        status = _status(known, GOLDEN_ID, settings_of(spec.golden_set))
        golden = golden_request(spec.golden_set, status) if _due_at(spec, status, seen.now) <= seen.now else None
    requests = tuple(
        DistributionRequest(id_, signal, status)
        for id_, signal in distributions_of(spec)
        for status in (_status(known, id_, settings_of(signal, spec.reference)),)
        if golden is not None or _due_at(spec, status, seen.now) <= seen.now
    )
    return DriftPlan(who.stable, requests, golden) if requests or golden is not None else None


def at_rest(seen: Observation, who: Roles) -> bool:
    """Whether no rollout is under way: the stable release takes all requests, and nobody is on trial."""
    if who.stable is None or who.standby is not None or phase_of(seen.revisions[who.stable].record) != Phase.STABLE:
        return False
    if who.candidate is None:
        return True
    candidate = seen.revisions.get(who.candidate)  # None where it was declared a moment ago
    return candidate is not None and phase_of(candidate.record) in OVER


def watch_drift(seen: Observation, who: Roles, record: ModelRevisionStatus) -> Watched:
    """The stable release's record with what this look found of it."""
    spec = seen.drift
    if spec is None:
        return Watched(with_fields(record, drift=None))
    stable = who.stable or ""
    if not at_rest(seen, who):
        return _followed(seen, spec, stable, with_fields(record, drift=_paused(record.drift)))
    signals = list(_folded(seen, spec, stable, _known(record)))
    verdict, known = _verdict(signals), record.drift
    drift = DriftStatus(
        verdict=verdict,
        reason=_REASONS[verdict],
        message=shorten(_message(verdict, signals)),
        signals=signals,
        firing=firing_after(
            spec,
            known.firing if known is not None else None,
            deployment=seen.name,
            revision=stable,
            signals=signals,
            now=seen.now,
        ),
    )
    before, after = known.verdict if known is not None else None, with_fields(record, drift=drift)
    if verdict == DRIFTED != before:
        after = remark(after, now=seen.now, reason=reasons.DRIFT_FOUND, message=drift.message)
    elif before == DRIFTED and verdict == STEADY:
        after = remark(after, now=seen.now, reason=reasons.NO_DRIFT, message=drift.message)
    due = min(_due_at(spec, signal, seen.now) for signal in signals)
    return _followed(seen, spec, stable, after, due)


def _followed(
    seen: Observation, spec: DriftSpec, stable: str, record: ModelRevisionStatus, due: datetime | None = None
) -> Watched:
    """What follows from drift goes on whatever else does."""
    if record.drift is None:
        return Watched(record, due)
    fired = advanced(spec, stable, record.drift.firing, seen.reactions, seen.now)
    after = with_fields(record, drift=record.drift.model_copy(update={"firing": fired.firing}))
    for action in fired.ended:
        reason = reasons.DRIFT_REACTED if action.state == DONE else reasons.DRIFT_REACTION_FAILED
        after = remark(after, now=seen.now, reason=reason, message=f"{action.kind}: {action.message}")
    return Watched(after, min(filter(None, (due, fired.wake_at)), default=None), fired.reactions)


def _known(record: ModelRevisionStatus) -> Mapping[SignalId, DriftSignalStatus]:
    signals = record.drift.signals if record.drift is not None else None
    return {id_of(status): status for status in signals or ()}


def _status(known: Mapping[SignalId, DriftSignalStatus], id_: SignalId, settings: str) -> DriftSignalStatus:
    """What is known of a signal; nothing, where it is read from elsewhere than before."""
    status = known.get(id_)
    return status if status is not None and status.settings == settings else blank(id_, settings)


def _due_at(spec: DriftSpec, status: DriftSignalStatus, now: datetime) -> datetime:
    """When a signal is to be asked; now, where it never was, where counting begins anew after a rollout, and where a
    clock was set back since."""
    if status.looked_at is None or status.looked_at > now:
        return now
    if status.error_since is not None:
        return status.looked_at + min(spec.interval, RETRY)
    goes_on = continues(status) if status.kind == "GoldenSet" else status.counters is None
    return now if goes_on else status.looked_at + spec.interval


def _paused(drift: DriftStatus | None) -> DriftStatus | None:
    """Counting begins anew after the rollout."""
    if drift is None or all(signal.counters is None for signal in drift.signals or ()):
        return drift
    signals = [signal.model_copy(update={"counters": None}) for signal in drift.signals or ()]
    return drift.model_copy(update={"signals": signals})


def _folded(
    seen: Observation, spec: DriftSpec, stable: str, known: Mapping[SignalId, DriftSignalStatus]
) -> Iterator[DriftSignalStatus]:
    """Each declared signal with what this look found of it."""
    looked = seen.drift_look if seen.drift_look is not None and seen.drift_look.revision == stable else None
    found = {one.id: one for one in looked.distributions} if looked is not None else {}
    for id_, signal in distributions_of(spec):
        status, window = _status(known, id_, settings_of(signal, spec.reference)), found.get(id_)
        if isinstance(window, DistributionWindow):
            yield fold_distribution(spec, status, window, seen.now)
        else:
            yield _failed(status, window.message, seen.now) if window is not None else status
    if spec.golden_set is None:
        return
    status, answers = _status(known, GOLDEN_ID, settings_of(spec.golden_set)), looked.golden if looked else None
    if isinstance(answers, GoldenBatch):
        told = fold_rerun(spec, spec.golden_set, status, answers, seen.now)
        yield _failed(status, told, seen.now) if isinstance(told, str) else told
    else:
        yield _failed(status, answers.message, seen.now) if answers is not None else status


def _failed(status: DriftSignalStatus, message: str, now: datetime) -> DriftSignalStatus:
    """It could not be read: where counting goes on from stays, and so does a change that was found."""
    told = {} if status.verdict == DRIFTED else {"verdict": ERROR, "message": shorten(message)}
    return status.model_copy(update={"looked_at": now, "error_since": status.error_since or now, **told})


def _verdict(signals: Sequence[DriftSignalStatus]) -> str:
    """What all signals come to: a change that was found counts above all, and steady is what all of them are."""
    verdicts = {signal.verdict for signal in signals}
    for verdict in (DRIFTED, ERROR):
        if verdict in verdicts:
            return verdict
    return STEADY if verdicts == {STEADY} else COLLECTING


def _message(verdict: str, signals: Sequence[DriftSignalStatus]) -> str:
    if verdict == STEADY:
        return f"all of {len(signals)} signals are as they were" if len(signals) > 1 else "it is as it was"
    if verdict == COLLECTING:
        waiting = [str(id_of(signal)) for signal in signals if signal.verdict in (RECORDING, COLLECTING)]
        return f"not decided yet: {', '.join(waiting)}"
    return "; ".join(f"{id_of(signal)}: {signal.message}" for signal in signals if signal.verdict == verdict)
