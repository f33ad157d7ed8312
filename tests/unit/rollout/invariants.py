"""What holds at every point of every sequence, whatever happened before: checked at each decision and each write."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from slipway.api import MetricStatus, ModelDeploymentStatus, ModelRevisionStatus, Phase
from slipway.release import broken, links
from slipway.rollout import (
    FULL,
    TABLE,
    Beside,
    Decision,
    FleetTarget,
    Judging,
    Observation,
    SourceFailure,
    record_of,
    roles,
)
from slipway.rollout.capacity import needed

if TYPE_CHECKING:
    from unit.rollout.world import World

LEAVING: Final = {Phase.ROLLING_BACK, Phase.ROLLED_BACK}
PROMOTED: Final = {Phase.STABLE, Phase.WATCHING}
UP: Final = [
    Phase.PENDING,
    Phase.VERIFYING,
    Phase.STARTING,
    Phase.EVALUATING,
    Phase.SHADOWING,
    Phase.STEPPING,
    Phase.PROMOTING,
]
GOALS: Final = {(transition.phase, transition.next) for transition in TABLE}


@dataclass
class Invariants:
    """The checks, and what they have to remember of the past."""

    thorough: bool = True
    """Whether what is written is read back as well, which costs more than everything else."""
    excused: set[str] = field(default_factory=set)
    """Releases that were judged in unfair times: while requests went to nobody, or while their health changed."""
    ceilings: dict[str, int] = field(default_factory=dict)
    bases: dict[tuple[str, str], float] = field(default_factory=dict)
    """What the candidate's counter said where the evidence of a metric of an attempt began."""
    transitions: set[tuple[Phase, Phase]] = field(default_factory=set)
    executed: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    vouched: set[str] = field(default_factory=set)
    """Releases that a person promoted past something."""
    served: bool = False
    """Whether a release was ever stable: from then on there is one at any time."""
    redirected: bool = False
    """The strategy was edited: what a release went through is not what the strategy says now."""

    def fork(self) -> Invariants:
        twin = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict | set):
                setattr(twin, name, value.copy())
        return twin

    def excuse(self, hash_: str) -> None:
        self.excused.add(hash_)

    # --- every moment -----------------------------------------------------------------------------------------------

    def of_moment(self, world: World) -> None:
        for weights in (world.written, world.accepted):
            if weights:
                assert sum(weights.values()) == FULL, f"the weights sum to {sum(weights.values())}"
        promoted = sum(record.phase in PROMOTED for record in world.records.values())
        self.served = self.served or promoted > 0
        assert self.served <= promoted <= 2, f"{promoted} stable releases at a time"
        for hash_, ceiling in self.ceilings.items():
            weight = (world.written or {}).get(hash_, 0)
            assert weight <= ceiling, f"the weight rose to {weight} after it was hauled back to {ceiling}"
            assert not world.beside.names(hash_), "requests are led to what was hauled back"

    # --- decisions --------------------------------------------------------------------------------------------------

    def of_decision(self, world: World, seen: Observation, decision: Decision) -> None:
        assert decision.wake_after is None or decision.wake_after >= timedelta(0)
        if decision.create:
            return
        who = roles(seen)
        candidate = who.candidate
        if candidate is None:
            return
        before = seen.revisions[candidate].record
        after = decision.records.get(candidate, before)
        asked = max(round((before.weight or 0) * 100), seen.route.written.get(candidate, 0))
        weight = (decision.weights or {}).get(candidate, 0)
        alone = who.stable is None or not seen.revisions[who.stable].fleet.ready
        if before.phase == Phase.SUPERSEDED and after.phase in PROMOTED:
            alone = True  # what had replaced it is hauled back, and that waits for no pause
        if seen.paused or (before.paused and after.paused):
            risen = UP.index(Phase(after.phase)) - UP.index(Phase(before.phase)) if _climbs(before, after) else 0
            commanded = after.command != before.command
            assert risen <= 0 or commanded, f"{before.phase} → {after.phase} while it is paused"
            kept = before.phase in (*PROMOTED, Phase.SUPERSEDED)  # one that is brought back is not promoted
            assert after.phase not in PROMOTED or kept, "promoted while it is paused"
            assert alone or weight <= asked, f"the weight rises from {asked} to {weight} while it is paused"
        self._of_outage(seen, before, after, weight if not alone else 0, asked)
        self._of_verification(seen, before, after)

    def _of_verification(self, seen: Observation, before: ModelRevisionStatus, after: ModelRevisionStatus) -> None:
        """A store that does not answer speaks against nobody: it is waited for as long as pods would be."""
        if before.phase != Phase.VERIFYING or after.phase != Phase.ROLLING_BACK or after.command != before.command:
            return
        found, since = seen.verification, before.phase_since or seen.now
        refused = found is not None and found.refused is not None
        assert refused or seen.now >= since + seen.rollback.progress_deadline, "an outage of the store hauled back"

    def _of_outage(
        self, seen: Observation, before: ModelRevisionStatus, after: ModelRevisionStatus, weight: int, asked: int
    ) -> None:
        """A source that does not answer moves no weight: what is written stays, or what was asked is written again."""
        acting = {metric.name for metric in seen.analysis.metrics or () if metric.action != "Observe"}
        silent = any(isinstance(item, SourceFailure) and item.metric in acting for item in seen.evidence)
        if not silent or after.command != before.command:
            return
        if (after.phase, after.step) != (before.phase, before.step):
            gone = before.phase == Phase.SHADOWING and seen.course.shadow is None  # the stage was edited away
            fine = (
                gone
                or after.reason == "GatesChanged"
                or after.phase == Phase.ROLLING_BACK
                or self._needs_none(before, seen)
            )
            assert fine, f"an outage led from {before.phase} to {after.phase}: {after.reason}"
            assert after.reason != "MetricsUnavailable", "an outage hauled back"
        elif not self._needs_none(before, seen):
            assert weight <= asked, f"the weight rises from {asked} to {weight} in an outage"

    def _needs_none(self, record: ModelRevisionStatus, seen: Observation) -> bool:
        """Whether what the record waits for is no evidence: a person vouches for it, or it is only observed."""
        step = seen.steps[min(record.step or 0, len(seen.steps) - 1)] if seen.steps else None
        observed = step is not None and step.judging is Judging.OBSERVE and record.phase == Phase.STEPPING
        return bool(record.fast) or record.skipped is not None or observed

    # --- records ----------------------------------------------------------------------------------------------------

    def of_record(self, world: World, seen: Observation, hash_: str, record: ModelRevisionStatus) -> None:
        if self.thorough:
            written = record.model_dump(mode="json", by_alias=True, exclude_none=True)
            chain = list(links({"spec": {"hash": hash_}, "status": written}))
            assert not list(broken(chain)), "the chain of decisions is broken"
            assert ModelRevisionStatus.model_validate(written) == record, "a record reads back as something else"
        before, after = world.records[hash_], Phase(record.phase or "")
        assert before.artifact in (None, record.artifact), "what a release serves changed"
        if before.phase is None:
            assert after == Phase.PENDING
        elif before.phase != after:
            self.transitions.add((Phase(before.phase), after))
            assert (before.phase, after) in GOALS, f"{before.phase} → {after} is not in the table"
        if before.phase == Phase.PROMOTING and after in PROMOTED:
            self._of_promotion(world, seen, hash_, record)
        if (before.phase, before.step) != (after, record.step) or before.phase is None:
            self._of_approval(seen, before, record)
        if record.attempt != before.attempt or record.reason == "GatesChanged":
            self.vouched.discard(hash_)
            self.excused.discard(hash_)
        if after not in LEAVING:
            self.ceilings.pop(hash_, None)
        if record.command is not None and record.command != before.command:
            assert record.command not in self.executed, f"{record.command} is carried out twice"
            self.executed.add(record.command)
        if record.fast or record.skipped is not None:
            self.vouched.add(hash_)
        for status in record.metrics or ():
            self._of_evidence(world, hash_, record_of(before, status.name), status)

    def _of_approval(self, seen: Observation, before: ModelRevisionStatus, after: ModelRevisionStatus) -> None:
        """What asks for an approval is not left upwards without one."""
        if after.fast or not _climbs(before, after):
            return
        if before.phase == Phase.SHADOWING and seen.course.shadow is not None and seen.course.shadow.approval:
            assert -1 in (after.approved, after.skipped), "the shadow stage was left without its approval"
        if before.phase == Phase.STEPPING and seen.steps:
            index = min(before.step or 0, len(seen.steps) - 1)
            if seen.steps[index].approval and (after.phase == Phase.PROMOTING or (after.step or 0) > index):
                assert index in (after.approved, after.skipped), f"step {index + 1} was left without its approval"

    def _of_promotion(self, world: World, seen: Observation, hash_: str, record: ModelRevisionStatus) -> None:
        assert record.gates == seen.gates, "promoted under other gates than those of now"
        assert (seen.route.observed or {}).get(hash_) == FULL, "promoted before all traffic was observed"
        assert not record.paused, "promoted while a person paused it"
        release = world.releases[hash_]
        if record.fast or hash_ in self.vouched:
            return  # it was proven before, or a person vouches for it
        demanding = seen.course.compares and all(step.judging is Judging.REQUIRED for step in seen.steps)
        for metric in seen.analysis.metrics or ():
            status = record_of(record, metric.name)
            if metric.golden_set is not None and (record.baseline or metric.threshold):
                assert status is not None, f"promoted without {metric.name}"
                assert status.verdict == "Pass", f"promoted with {metric.name} {status.verdict}"
                assert release.accurate or hash_ in self.excused, "an inaccurate release was promoted"
            elif record.baseline and metric.golden_set is None and demanding and not self.redirected:
                assert status is not None, f"promoted without {metric.name}"
                assert status.verdict in {"Pass", "Continue", "NoData", "Error"}
                samples = _counted(status)
                assert samples >= (metric.min_samples or 0), f"promoted on {samples:g} requests"
                assert world.healthy(hash_) or hash_ in self.excused, "a release that fails requests was promoted"

    def _of_evidence(self, world: World, hash_: str, before: MetricStatus | None, after: MetricStatus) -> None:
        if not after.counters or not after.state or after.verdict == "Fail":
            return
        seen_now = {counter.source: counter.total for counter in after.counters}["candidate"]
        if before is None or not before.counters:
            self.bases[hash_, after.name] = seen_now
        happened = seen_now - self.bases[hash_, after.name]
        assert _counted(after) == happened, f"{_counted(after)} counted, {happened} happened"

    # --- fleets and the route -----------------------------------------------------------------------------------------

    def of_fleet(self, world: World, seen: Observation, target: FleetTarget) -> None:
        if world.delivers and target.replicas:
            assert world.records[target.hash].artifact is not None, "pods of an artifact that nobody knows"
            assert world.releases[target.hash].sound, "pods of an artifact that was refused"
        fleet = world.fleets.get(target.hash)
        if fleet is None or target.replicas >= fleet.size:
            return
        shift = seen.course.shift
        spare = shift.unavailable if shift is not None else 0
        lost = f"{target.hash[:4]} scaled from {fleet.size} to {target.replicas}"
        shares = [world.accepted.get(target.hash, 0), (world.written or {}).get(target.hash, 0)]
        if world.by_replicas and len({**(world.written or {}), **world.accepted}) > 1:
            others = sum(world.ready(hash_) for hash_ in world.fleets if hash_ != target.hash)
            kept = seen.replicas - others - spare
            shown = seen.route.written.get(target.hash) or (seen.route.observed or {}).get(target.hash)
            assert target.replicas >= min(fleet.size, kept) or not shown, f"{lost} beside {others} ready pods"
        elif max(shares) and seen.replicas:
            full = seen.replicas if seen.autoscaled is None else min(seen.replicas, fleet.size)
            kept = -(-max(0, full * max(shares) - full + 1) // FULL) - spare  # of 3 pods, 66.67 % are carried by 2
            assert target.replicas >= min(fleet.size, kept), f"{lost} while it takes {shares}"
        if max(shares) and seen.replicas > 1 and not world.by_replicas:
            assert target.replicas > 0, f"{lost} while it takes {shares}"
        if world.beside.names(target.hash) or world.accepted_beside.names(target.hash):
            assert target.replicas > 0, f"{lost} while requests are led to it"
        who = roles(seen)
        if target.hash == who.standby and world.records.get(who.stable or "", _NOTHING).phase == Phase.WATCHING:
            raise AssertionError(f"the standby is {lost}")

    def of_route(self, world: World, seen: Observation, weights: Mapping[str, int], beside: Beside) -> None:
        assert all(weight > 0 for weight in weights.values()), "a backend at 0 is left out"
        before = seen.route.written if world.by_replicas else world.written or {}
        stable = self._stable_now(world)
        for hash_, weight in weights.items():
            if weight <= before.get(hash_, 0):
                continue
            phase = world.records[hash_].phase
            assert phase not in LEAVING, f"{phase} and its weight rises to {weight}"
            if hash_ != stable:
                self._of_rise(world, seen, hash_, weight)
            elif seen.replicas and not seen.revisions[hash_].fleet.ready:
                self._of_nobody(seen, weights, before)
        for hash_ in {beside.mirror, beside.matched, beside.previewed} - {None}:
            assert world.records[hash_ or ""].phase in (Phase.SHADOWING, Phase.STEPPING)
            if not world.beside.names(hash_ or ""):
                assert seen.revisions[hash_ or ""].fleet.ready, "requests are led to pods that are not there"
        if world.by_replicas and len(weights) > 1:
            third = [hash_ for hash_, fleet in world.fleets.items() if fleet.size and hash_ not in weights]
            assert not third, "the Service leads to pods of a third release"
        for hash_, record in world.records.items():
            if record.phase in LEAVING:
                self.ceilings[hash_] = min(self.ceilings.get(hash_, FULL), weights.get(hash_, 0))

    def _stable_now(self, world: World) -> str | None:
        """The stable release as the records say at this very moment, in the middle of the writes."""
        promoted = [hash_ for hash_, record in world.records.items() if record.phase in PROMOTED]
        return max(promoted, key=lambda hash_: world.records[hash_].phase_since or world.now, default=None)

    def _of_rise(self, world: World, seen: Observation, hash_: str, weight: int) -> None:
        fleet, shift = seen.revisions[hash_].fleet, seen.course.shift
        if weight <= round((seen.revisions[hash_].record.weight or 0) * 100):
            return  # what had been asked before is only written again
        ready = min(fleet.ready, fleet.replicas)
        if shift is not None and not world.by_replicas:
            enough = -(-max(0, seen.replicas * weight - seen.replicas + 1) // FULL) - shift.unavailable
            assert ready >= max(1, enough), f"{weight} with {ready} pods"
            return
        assert ready >= needed(seen.replicas, weight), f"{weight} with {ready} pods"

    def _of_nobody(self, seen: Observation, weights: Mapping[str, int], before: Mapping[str, int]) -> None:
        for other, had in before.items():
            revision = seen.revisions.get(other)
            if revision is not None and revision.fleet.ready:
                kept = min(had, round((revision.record.weight or 0) * 100))
                assert weights.get(other, 0) >= kept, "traffic moves from ready pods to none"

    def of_deletion(self, world: World, seen: Observation, hash_: str) -> None:
        assert not world.accepted.get(hash_), "deleted while the gateway sends it requests"
        assert hash_ != seen.desired
        assert world.records[hash_].phase not in PROMOTED
        assert hash_ not in world.fleets or not world.fleets[hash_].size, "deleted with pods"

    # --- status -------------------------------------------------------------------------------------------------------

    def of_status(self, world: World, status: ModelDeploymentStatus) -> None:
        if self.thorough:
            written = status.model_dump(mode="json", by_alias=True, exclude_none=True)
            assert ModelDeploymentStatus.model_validate(written) == status, "a status reads back as something else"
        before = {condition.type: condition for condition in world.status.conditions or ()}
        held = {condition.type: condition for condition in status.conditions or ()}
        assert {"Ready", "Available"} <= held.keys()
        for kind, condition in held.items():
            last = before.get(kind)
            same = last is not None and last.status == condition.status
            assert not same or last.last_transition_time == condition.last_transition_time, f"{kind} did not flip"
            assert condition.status == "True" or kind in {"Ready", "Available"}, f"{kind} is present and not true"
        assert held["Ready"].status == "False" or not {"Stalled", "Reconciling"} & held.keys()
        answer, last_answer = status.last_command, world.status.last_command
        if answer is not None and answer != last_answer:
            assert answer.command not in self.answered, f"{answer.command} is answered twice"
            self.answered.add(answer.command)


def _climbs(before: ModelRevisionStatus, after: ModelRevisionStatus) -> bool:
    return before.phase in UP and after.phase in UP and after.reason not in ("GatesChanged",)


def _counted(status: MetricStatus) -> float:
    """Requests of the candidate that the evidence holds."""
    return next(vector.values[1] for vector in status.state or () if vector.name == "candidate")


_NOTHING: Final = ModelRevisionStatus()
