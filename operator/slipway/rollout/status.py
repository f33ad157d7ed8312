"""The ModelDeployment's status: conditions are the contract, phase and message are for people.

``Ready`` says that this generation is rolled out; ``Available`` that some release that is known to be good serves.
After a rollback the one is False and the other True, which every GitOps tool reads right. ``Reconciling``, ``Stalled``
and ``Paused`` are present only while they are true. ``Drifted`` is present where spec.drift asks for a watch over the
stable release, and Unknown while nobody knows. ``RuntimeChanged`` is present while the runtime of the declared release
is another one than the release was settled with, and ``ArtifactChanged`` while pods of a release that serves find other
bytes at its URI than those that were verified.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from slipway.analysis import Reason
from slipway.api import (
    LABEL_MODEL_DEPLOYMENT,
    LABEL_REVISION,
    CommandStatus,
    Condition,
    ModelDeploymentStatus,
    ModelRevisionStatus,
    Phase,
    RejectedRelease,
    RoleStatus,
)
from slipway.rollout import reasons, signals
from slipway.rollout.course import FULL
from slipway.rollout.moves import paused
from slipway.rollout.observation import Observation
from slipway.rollout.record import percent, phase_of, write_percent
from slipway.rollout.table import ON_TRIAL, OVER
from slipway.rollout.targets import Roles
from slipway.rollout.verifying import changed

READY = "Ready"
AVAILABLE = "Available"
RECONCILING = "Reconciling"
STALLED = "Stalled"
PAUSED = "Paused"
DRIFTED = "Drifted"
RUNTIME_CHANGED = "RuntimeChanged"
SUGGESTED = "Suggested"
REGISTRY_FAILING = "RegistryFailing"
ARTIFACT_CHANGED = "ArtifactChanged"

PHASE_INVALID_SPEC = "InvalidSpec"
"""Shown as the phase of a ModelDeployment that cannot be read; not a phase of any revision."""

HOLDING: Final = "Holding"
"""Shown where nothing goes on until somebody changes something."""

NOT_BEGUN: Final = (None, PHASE_INVALID_SPEC)
"""The phases of a status from before anything was decided on the specification as it is now."""

RESTING: Final = {
    reasons.PAUSED: "Paused",
    reasons.AWAITING_APPROVAL: "AwaitingApproval",
    str(Reason.ANALYSIS_FAILED): HOLDING,
    str(Reason.METRICS_UNAVAILABLE): HOLDING,
    str(Reason.INCONCLUSIVE): HOLDING,
    reasons.UNSUPPORTED: HOLDING,
}
"""Shown instead of the candidate's phase while it rests there, by the reason; not phases of any revision."""


_SHOWN: Final = {signals.DRIFTED: True, signals.STEADY: False}
"""Whether drift is there; of any other verdict nobody knows."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """What is said of one aspect as of now; claims of the abnormal kind are made only while they hold."""

    type: str
    holds: bool | None
    reason: str
    message: str


def refused(
    before: ModelDeploymentStatus,
    *,
    generation: int,
    now: datetime,
    reason: str,
    message: str,
    decided: ModelDeploymentStatus | None = None,
) -> ModelDeploymentStatus:
    """The status when nothing can be decided or done: what serves is left as it is, and the reason is said.

    A specification that cannot be read stalls until it is changed; what the cluster refused to write is tried again.
    ``decided`` is the status of what is on record all the same.
    """
    stalled = reason == reasons.INVALID_SPEC
    claims = [_Claim(READY, False, reason, message), _Claim(STALLED if stalled else RECONCILING, True, reason, message)]
    base = decided or before
    still = [
        _Claim(known.type, {"True": True, "False": False}.get(known.status), known.reason, known.message)
        for known in base.conditions or ()
        if known.type == AVAILABLE or (decided is not None and known.type not in {READY, STALLED, RECONCILING})
    ]
    if all(claim.type != AVAILABLE for claim in still):
        still.append(_Claim(AVAILABLE, False, reasons.NOTHING_SERVES, "no release has served yet"))
    return base.model_copy(
        update={
            "observed_generation": generation,
            "phase": PHASE_INVALID_SPEC if stalled else HOLDING if base.phase in NOT_BEGUN else base.phase,
            "reason": reason,
            "message": message,
            "conditions": _conditions(before, [*claims, *still], generation, now),
        }
    )


def summarise(
    seen: Observation,
    *,
    who: Roles,
    records: Mapping[str, ModelRevisionStatus],
    answer: CommandStatus | None = None,
    router: str | None = None,
    rejected: list[RejectedRelease] | None = None,
) -> ModelDeploymentStatus:
    """The whole status as of this look. ``answer`` is what became of the last command; ``rejected``
    is what is to be remembered of releases whose revisions are gone."""
    stable, candidate = who.stable, who.candidate
    record = records[candidate] if candidate else None
    ready = _ready(seen, stable, candidate, record, records)
    claims = [ready, _available(seen, stable, candidate)]
    if record is not None and phase_of(record) in OVER:
        claims.append(_Claim(STALLED, True, reasons.ROLLED_BACK, ready.message))
    elif not ready.holds:
        claims.append(_Claim(RECONCILING, True, ready.reason, ready.message))
    held = paused(seen, record) if record is not None and phase_of(record) in ON_TRIAL else None
    if held is not None or seen.paused:
        claims.append(_Claim(PAUSED, True, reasons.PAUSED, held or "spec.paused holds every rollout"))
    drift = records[stable].drift if stable is not None and seen.drift is not None else None
    if drift is not None:
        claims.append(_Claim(DRIFTED, _SHOWN.get(drift.verdict), drift.reason, drift.message))
    if seen.edited is not None:
        claims.append(_Claim(RUNTIME_CHANGED, True, reasons.RUNTIME_EDITED, seen.edited))
    claims += _of_registry(seen.status)
    other = _other_bytes(seen, who)
    if other is not None:
        claims.append(_Claim(ARTIFACT_CHANGED, True, reasons.ARTIFACT_CHANGED, other))
    return ModelDeploymentStatus(
        observed_generation=seen.generation,
        phase=_phase(who, record, records) if seen.unresolved is None else HOLDING,
        reason=ready.reason,
        message=ready.message,
        progress=record.progress if record else None,
        stable=_role(seen, stable, records, seen.status.stable),
        candidate=_role(seen, candidate, records, seen.status.candidate),
        standby=_role(seen, who.standby, records, seen.status.standby),
        replicas=seen.revisions[stable].fleet.replicas if stable else 0,
        selector=_selector(seen, stable) if stable else None,
        last_command=answer,
        router=router,
        rejected=rejected,
        suggestion=seen.status.suggestion,
        resolved=seen.status.resolved,
        registry=seen.status.registry,
        conditions=_conditions(seen.status, claims, seen.generation, seen.now),
    )


def _of_registry(known: ModelDeploymentStatus) -> list[_Claim]:
    """What the registry's last answer is shown as."""
    claims = []
    if known.suggestion is not None:
        claims.append(_Claim(SUGGESTED, True, reasons.RELEASE_SUGGESTED, known.suggestion.message))
    problem = known.registry.problem if known.registry is not None else None
    if problem is not None:
        claims.append(_Claim(REGISTRY_FAILING, True, problem.reason, problem.message))
    return claims


def _other_bytes(seen: Observation, who: Roles) -> str | None:
    """What pods of the releases that serve say of their artifact, and what can be done about it."""
    for hash_ in (who.stable, who.standby):
        revision = seen.revisions.get(hash_ or "")
        if revision is not None and revision.fleet.other_bytes is not None:
            return (
                f"{changed(revision.fleet.other_bytes)}; pods of release {revision.version} that run go on: bring the "
                "bytes back, or declare the digest that was found, beside that uri, to roll them out"
            )
    return None


def _phase(who: Roles, record: ModelRevisionStatus | None, records: Mapping[str, ModelRevisionStatus]) -> str:
    """The candidate's phase, or stable's when there is none; how it rests, where it rests on its way up."""
    if record is None:
        return str((phase_of(records[who.stable]) if who.stable else None) or Phase.PENDING)
    phase = phase_of(record) or Phase.PENDING
    if phase in ON_TRIAL and record.reason in RESTING:
        return RESTING[record.reason]
    return str(phase)


def _selector(seen: Observation, hash_: str) -> str:
    """What selects the pods of a revision: ``scale`` shows it, and autoscalers of others find pods by it."""
    return f"{LABEL_MODEL_DEPLOYMENT}={seen.name},{LABEL_REVISION}={hash_[:8]}"


def _ready(
    seen: Observation,
    stable: str | None,
    candidate: str | None,
    record: ModelRevisionStatus | None,
    records: Mapping[str, ModelRevisionStatus],
) -> _Claim:
    if record is not None and candidate is not None:
        phase = phase_of(record)
        if phase in OVER:
            return _Claim(READY, False, reasons.ROLLED_BACK, record.message or "the release was hauled back")
        return _Claim(READY, False, record.reason or reasons.CREATED, _progress_message(seen, candidate, record))
    if seen.unresolved is not None:
        return _Claim(READY, False, *seen.unresolved)
    if stable is None:
        return _Claim(READY, False, reasons.NOTHING_SERVES, "no release has served yet")
    if seen.gateway_problem is not None:
        return _Claim(READY, False, reasons.GATEWAY_NOT_READY, seen.gateway_problem)
    revision = seen.revisions[stable]
    observed = seen.route.observed
    if observed is None and _held_before(seen, READY):
        observed = seen.route.written  # the gateway is about to accept a change: no news is good news for a moment
    if observed is None or observed.get(stable, 0) != FULL:
        problem = seen.route.problem or "the gateway was not seen to send it all traffic yet"
        return _Claim(READY, False, reasons.WAITING_FOR_ROUTE, problem)
    if revision.fleet.ready < min(1, seen.replicas):
        problem = f": {revision.fleet.problem}" if revision.fleet.problem else ""
        message = f"none of the pods of release {revision.version} is ready{problem}"
        return _Claim(READY, False, reasons.NOTHING_SERVES, message)
    message = f"release {revision.version} serves all traffic, {revision.fleet.ready} of {seen.replicas} pods ready"
    if phase_of(records[stable]) == Phase.WATCHING:
        standby = seen.revisions.get(records[stable].baseline or "")
        warm = standby is not None and standby.fleet.ready > 0
        message += f"; the release that it replaced {'is kept warm' if warm else 'is kept, without pods'}"
    if revision.fleet.problem and revision.fleet.ready >= seen.replicas:
        message += f"; {revision.fleet.problem}"
    return _Claim(READY, True, reasons.SERVING, message)


def _progress_message(seen: Observation, candidate: str, record: ModelRevisionStatus) -> str:
    """What the rollout is at. Numbers that change at every look stay in the revision: they would wake every watcher."""
    if record.message and record.reason not in reasons.PASSING:
        return record.message
    version = seen.revisions[candidate].version
    if phase_of(record) == Phase.SHADOWING:
        return f"release {version} gets copies of live requests and is judged on them; users see the stable release"
    if phase_of(record) == Phase.EVALUATING:
        return f"release {version} is judged on its golden set; nothing is routed to it"
    if phase_of(record) == Phase.STEPPING and not record.weight:
        return f"release {version} is up and takes no traffic before the switch"
    return f"release {version} takes {record.weight or 0:g}% of the traffic and is judged on it"


def _available(seen: Observation, stable: str | None, candidate: str | None) -> _Claim:
    if stable is None:
        return _Claim(AVAILABLE, False, reasons.NOTHING_SERVES, "no release has served yet")
    revision = seen.revisions[stable]
    if seen.route.observed is None and seen.gateway_problem is not None:
        return _Claim(AVAILABLE, False, reasons.GATEWAY_NOT_READY, seen.gateway_problem)
    shares = seen.route.observed if seen.route.observed is not None else seen.route.written
    share = shares.get(stable, 0)
    on_trial = seen.revisions[candidate] if candidate and shares.get(candidate, 0) == FULL else None
    if on_trial is not None and on_trial.fleet.ready > 0:
        message = f"release {on_trial.version} is at its last step and serves all traffic"
        return _Claim(AVAILABLE, True, reasons.CANDIDATE_SERVING, message)
    if revision.fleet.ready == 0:
        problem = f": {revision.fleet.problem}" if revision.fleet.problem else ""
        message = f"none of the pods of release {revision.version} is ready{problem}"
        others = [other for other in seen.revisions.values() if shares.get(other.hash, 0) and other.fleet.ready]
        if not others:
            return _Claim(AVAILABLE, False, reasons.NOTHING_SERVES, message)
        kept = ", ".join(f"release {other.version} keeps {write_percent(shares[other.hash])}" for other in others)
        return _Claim(AVAILABLE, False, reasons.STABLE_UNAVAILABLE, f"{message}; {kept} of the traffic until one is")
    if share == 0:
        message = f"the gateway sends release {revision.version} nothing"
        return _Claim(AVAILABLE, False, reasons.WAITING_FOR_ROUTE, message)
    message = f"release {revision.version} serves {write_percent(share)} of the traffic"
    return _Claim(AVAILABLE, True, reasons.STABLE_SERVING, message)


def _held_before(seen: Observation, kind: str) -> bool:
    return any(
        known.type == kind and known.status == "True" and known.observed_generation == seen.generation
        for known in seen.status.conditions or ()
    )


def _role(
    seen: Observation,
    hash_: str | None,
    records: Mapping[str, ModelRevisionStatus],
    before: RoleStatus | None,
) -> RoleStatus | None:
    if hash_ is None:
        return None
    revision, record = seen.revisions[hash_], records[hash_]
    if seen.route.observed is not None:
        weight = percent(seen.route.observed.get(hash_, 0))
    else:
        weight = before.weight if before is not None and before.hash == hash_ else 0.0
    stepping = phase_of(record) == Phase.STEPPING
    return RoleStatus(
        revision=revision.name,
        hash=hash_,
        version=revision.version,
        weight=weight,
        ready_replicas=revision.fleet.ready,
        step=min((record.step or 0) + 1, len(seen.steps)) if stepping else None,
        steps=len(seen.steps) if stepping else None,
    )


def _conditions(before: ModelDeploymentStatus, claims: list[_Claim], generation: int, now: datetime) -> list[Condition]:
    known = {condition.type: condition for condition in before.conditions or ()}
    out = []
    for claim in sorted(claims, key=lambda claim: claim.type):
        status = "Unknown" if claim.holds is None else "True" if claim.holds else "False"
        last = known.get(claim.type)
        if last is not None and last.status != status:
            last = None
        if last is not None and (last.observed_generation, last.reason, last.message) == (
            generation,
            claim.reason,
            claim.message,
        ):
            out.append(last)  # as nearly all are at nearly every look
            continue
        since = last.last_transition_time if last is not None else now
        out.append(
            Condition(
                type=claim.type,
                status=status,
                observed_generation=generation,
                last_transition_time=since.replace(microsecond=0),
                reason=claim.reason,
                message=claim.message,
            )
        )
    return out
