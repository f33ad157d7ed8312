"""From the records after a look to targets: what the route shall say, and how many pods each revision shall have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from slipway.api import ModelRevisionStatus, Phase
from slipway.rollout import history, retired
from slipway.rollout.capacity import carried, needed, replicas_within, share, shifted
from slipway.rollout.course import FULL
from slipway.rollout.decision import FleetTarget
from slipway.rollout.ladder import (
    NOTHING_BESIDE,
    full_size,
    has_capacity,
    in_the_way,
    pods_needed,
    staying,
    step_index,
    target_beside,
    target_weight,
)
from slipway.rollout.observation import Beside, Observation, Revision, Role
from slipway.rollout.record import asked_weight, percent, phase_of, with_fields
from slipway.rollout.table import GIVEN_UP, ON_TRIAL, WITHOUT_PODS

Records = Mapping[str, ModelRevisionStatus]


@dataclass(frozen=True, slots=True)
class Roles:
    """Which revision is what. The standby is the one that stable replaced, while it is kept warm."""

    stable: str | None
    candidate: str | None
    standby: str | None = None


def route_weights(seen: Observation, who: Roles, records: Records, *, frozen: bool) -> dict[str, int] | None:
    """What the route shall say; None where there shall be none yet."""
    if seen.route.foreign:
        return None
    on_trial = who.candidate is not None and phase_of(records[who.candidate]) in ON_TRIAL
    weights = share(
        stable=who.stable,
        stable_ready=who.stable is not None and seen.revisions[who.stable].fleet.ready > 0,
        candidate=who.candidate if on_trial else None,
        candidate_weight=(
            _candidate_weight(seen, who, who.candidate, records, frozen=frozen) if on_trial and who.candidate else 0
        ),
        held=_held(seen, who, records),
    )
    return weights if weights or seen.route.exists else None


def _candidate_weight(seen: Observation, who: Roles, candidate: str, records: Records, *, frozen: bool) -> int:
    """Capacity before weight: until the pods for the new weight are ready, the old one stays.

    Where capacity is shifted, the weight follows the pods that are ready. Where shares are made out of pods, no share
    begins while other releases have any, which would take a share too. While a gate holds the rollout the weight
    does not rise above what was last asked for, even though the step that it was on the way to had been earned before.
    """
    record, revision = records[candidate], seen.revisions[candidate]
    wanted = target_weight(seen, record)
    if frozen:
        wanted = min(wanted, asked_weight(revision.record))
    written = seen.route.written.get(candidate, 0)
    if written == 0 and in_the_way(seen, candidate, who.stable, wanted) is not None:
        return 0
    if wanted <= written or has_capacity(seen, revision, record):
        return wanted
    shifts = seen.course.shift is not None and not seen.course.by_replicas and who.stable is not None
    if shifts and revision.fleet.current:
        return max(written, min(wanted, _carried(seen, revision, record)))
    return written


def _carried(seen: Observation, revision: Revision, record: ModelRevisionStatus) -> int:
    """The weight that the candidate's ready pods carry, where capacity is shifted."""
    missing = seen.course.shift.unavailable if seen.course.shift is not None else 0
    return carried(staying(revision), full_size(seen, record), missing)


def _held(seen: Observation, who: Roles, records: Records) -> dict[str, int]:
    """What revisions with ready pods have of the traffic: what the route says, and no more than was asked for them."""
    held: dict[str, int] = {}
    for hash_, written in seen.route.written.items():
        revision = seen.revisions.get(hash_)
        if revision is None or revision.fleet.ready == 0:
            continue
        if who.stable is None and phase_of(records[hash_]) in GIVEN_UP:
            continue  # a first release that failed serves nobody, although nobody else does
        held[hash_] = min(written, asked_weight(revision.record))
    return held


def route_beside(seen: Observation, who: Roles, records: Records, *, frozen: bool) -> Beside:
    """What shall be led to the candidate beside its share: only while it is on trial, and has the pods for it."""
    if who.candidate is None or phase_of(records[who.candidate]) not in ON_TRIAL:
        return NOTHING_BESIDE
    record, revision = records[who.candidate], seen.revisions[who.candidate]
    wanted = target_beside(seen, who.candidate, record)
    before = seen.route.beside if seen.route.beside.names(who.candidate) else NOTHING_BESIDE
    if frozen and before == NOTHING_BESIDE:
        return NOTHING_BESIDE
    return wanted if wanted == NOTHING_BESIDE or has_capacity(seen, revision, record) else before


def with_weights(
    seen: Observation, who: Roles, records: Records, weights: Mapping[str, int] | None
) -> dict[str, ModelRevisionStatus]:
    """Write down what is asked of the gateway before it is asked: the intent survives a kill in between."""
    out: dict[str, ModelRevisionStatus] = {}
    for hash_, record in records.items():
        asked = (weights or {}).get(hash_, 0)
        had = record.weight is not None or asked > 0 or target_beside(seen, hash_, record) != NOTHING_BESIDE
        out[hash_] = with_fields(
            record,
            weight=percent(asked) if had else None,
            progress=_progress(seen, who, hash_, record, asked) if had else None,
            weights=history.weighed(record, percent(asked) if had else None, seen.now),
        )
    return out


def _progress(seen: Observation, who: Roles, hash_: str, record: ModelRevisionStatus, asked: int) -> str | None:
    phase, steps = phase_of(record), len(seen.steps)
    if hash_ != who.candidate or not record.baseline or phase not in (Phase.SHADOWING, Phase.STEPPING, Phase.PROMOTING):
        return f"{percent(asked):g}%"
    if phase == Phase.SHADOWING:
        return f"shadow {percent(target_beside(seen, hash_, record).mirrored):g}%"
    if not steps:
        return f"{percent(asked):g}%"
    step = step_index(seen, record) + 1 if phase == Phase.STEPPING else steps
    return f"{percent(asked):g}% ({step}/{steps})"


def fleet_targets(seen: Observation, who: Roles, records: Records) -> tuple[FleetTarget, ...]:
    """How many pods each revision shall have; none for one that needs no Deployment (yet)."""
    shift = _shifted(seen, who, records)
    targets = []
    for hash_, record in records.items():
        revision = seen.revisions[hash_]
        replicas = _replicas(seen, who, revision, record, shift)
        if replicas is None:
            continue
        role = Role.STABLE if hash_ == who.stable else Role.CANDIDATE if hash_ == who.candidate else Role.NONE
        targets.append(_bounded(seen, who, FleetTarget(hash_, replicas, role), revision, record))
    return tuple(targets)


def _shifted(seen: Observation, who: Roles, records: Records) -> tuple[int, int] | None:
    """Pods of stable and of the candidate while capacity is shifted between them; None when it is not."""
    shift, candidate = seen.course.shift, who.candidate
    if shift is None or who.stable is None or candidate is None:
        return None
    record = records[candidate]
    if phase_of(record) not in ON_TRIAL or phase_of(record) in WITHOUT_PODS:
        return None
    stable, fleet = seen.revisions[who.stable], seen.revisions[candidate].fleet
    size = full_size(seen, record)
    written = seen.route.written.get(who.stable, FULL if not seen.route.exists else 0)
    carries = max(written, asked_weight(records[who.stable]))  # and what this very decision gives it back
    others = sum(rev.fleet.replicas for hash_, rev in seen.revisions.items() if hash_ not in (who.stable, candidate))

    def pods(share: int) -> tuple[int, int]:
        return shifted(
            shift,
            replicas=size,
            wanted=pods_needed(seen, record),
            candidate=fleet.replicas,
            stable=stable.fleet.replicas,
            stable_share=share,
            others=others,
        )

    if seen.course.by_replicas:
        leads = seen.route.written.get(candidate, 0) and asked_weight(record)
        ready = staying(seen.revisions[candidate]) if leads else 0
        return pods(max(0, FULL - carried(ready, size)))
    if seen.route.observed is not None:
        return pods(max(carries, seen.route.observed.get(who.stable, 0)))
    # It may have all traffic as long as nobody knows. It keeps the pods for that, and gets none that it had not: of
    # pods that are to be given up again, each would take a machine beyond the surge.
    keeps, wanted = pods(FULL)
    return max(pods(carries)[0], min(keeps, stable.fleet.replicas)), wanted


def _replicas(
    seen: Observation, who: Roles, revision: Revision, record: ModelRevisionStatus, shift: tuple[int, int] | None
) -> int | None:
    """Pods that the revision shall have; None where it needs no Deployment (yet)."""
    if revision.hash == who.stable:
        return shift[0] if shift is not None else needed(_stable_size(seen, revision), FULL)
    if revision.hash == who.standby:
        return revision.fleet.replicas if seen.course.shift is not None else max(revision.fleet.replicas, seen.replicas)
    phase = phase_of(record)
    if revision.hash == who.candidate and phase in ON_TRIAL:
        if phase in WITHOUT_PODS:
            return None
        # Fewer pods are needed after an edit of the ladder, or when the release is declared again while the gateway
        # still sends it requests: what serves is not taken away.
        floor = _floor(seen, who, revision, record) if retired.referenced(seen, revision.hash, record) else 0
        return max(shift[1] if shift is not None else pods_needed(seen, record), floor)
    if not revision.fleet.exists:
        return None
    if retired.may_scale_down(seen, record):
        return 0
    waits = who.stable is not None and seen.revisions[who.stable].fleet.ready == 0
    return _floor(seen, who, revision, record) if waits else revision.fleet.replicas


def _floor(seen: Observation, who: Roles, revision: Revision, record: ModelRevisionStatus) -> int:
    """Pods that a revision keeps while requests may go to it, although it is to have fewer: all of them, unless
    capacity is shifted.

    Where it is, stable needs the machines for what it gets back: none where no replicas are asked for. If none of its
    pods is ready it may find no machine for the first one before as many of these are gone as may be missing.
    """
    have, shift, size = revision.fleet.replicas, seen.course.shift, full_size(seen, record)
    if shift is None or who.stable is None or size == 0:
        return have
    stable = seen.revisions[who.stable]
    if seen.course.by_replicas:  # shares are pods: it gives up what stable has ready
        return min(have, max(0, size - shift.unavailable - staying(stable)))
    observed = seen.route.observed
    share = max(seen.route.written.get(revision.hash, 0), FULL if observed is None else observed.get(revision.hash, 0))
    if share == 0:
        return have
    spare = shift.unavailable if stable.fleet.ready == 0 else 0
    return min(have, max(1 if size > 1 else 0, needed(size, share) - spare))


def _stable_size(seen: Observation, revision: Revision) -> int:
    """Where stable is autoscaled, what the autoscaler made of it."""
    if seen.autoscaled is None:
        return seen.replicas
    least, most = seen.autoscaled
    return replicas_within(revision.fleet.replicas, floor=least, ceiling=most)


def _bounded(
    seen: Observation, who: Roles, target: FleetTarget, revision: Revision, record: ModelRevisionStatus
) -> FleetTarget:
    """The target with the autoscaler's bounds. The candidate's least is what its weight needs, and stable's is what it
    has while a candidate is on trial: traffic may have to come back at any moment."""
    if seen.autoscaled is None or target.role is Role.NONE or target.replicas == 0:
        return target
    least, most = seen.autoscaled
    shifts = seen.course.shift is not None and who.candidate is not None and phase_of(record) != Phase.WATCHING
    if target.role is Role.CANDIDATE:
        floor = max(1, min(pods_needed(seen, record), target.replicas) if shifts else pods_needed(seen, record))
        wanted = replicas_within(revision.fleet.replicas, floor=floor, ceiling=most)
        return FleetTarget(target.hash, wanted, target.role, floor, most)
    floor = least
    if who.candidate is not None or who.standby is not None:
        floor = min(most, target.replicas if shifts else max(least, target.replicas))
    return FleetTarget(target.hash, target.replicas, target.role, floor, most)
