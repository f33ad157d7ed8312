"""A world for the core to live in: pods, a gateway, counters and a clock, all of them pure and a little slow.

The world does what clusters do: pods become ready some time after they are asked for, the gateway takes a route some
time after it is written, writes fail on a version that is not the latest, and the operator may die between any two of
them. After every single write it checks what must always hold, and it checks every decision before it is carried out.

Time goes in ticks. A tick gives requests to what the gateway has accepted, then the operator looks until nothing is
left to be done at this moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from unit.rollout.builders import NOW, a_hash, accuracy, errors

from slipway.analysis import ArmCounts, RatioEvidence
from slipway.api import (
    AnalysisSpec,
    Counter,
    GoldenSetSource,
    MetricSpec,
    MetricStatus,
    ModelDeploymentStatus,
    ModelRevisionStatus,
    Phase,
    RollbackSpec,
)
from slipway.rollout import (
    FULL,
    TABLE,
    CounterWindow,
    Course,
    Decision,
    Evidence,
    Fleet,
    FleetTarget,
    GoldenBatch,
    Observation,
    Revision,
    Route,
    SourceFailure,
    Step,
    decide,
    plan,
    record_of,
    roles,
)
from slipway.rollout.capacity import needed

TICK = timedelta(seconds=5)
ITEMS = 200
REQUESTS = 400
"""Requests a tick."""

LEAVING = {Phase.ROLLING_BACK, Phase.ROLLED_BACK}
GOALS = {(transition.phase, transition.next) for transition in TABLE}
ANALYSIS = AnalysisSpec(metrics=[accuracy(), errors()])
ABSOLUTE = AnalysisSpec(metrics=[accuracy(threshold={"min": 0.8}, nonInferiority={"margin": 0.05}), errors()])
ROLLBACK = RollbackSpec(
    progress_deadline=timedelta(seconds=60), scale_down_delay=timedelta(seconds=15), revision_history_limit=3
)
LADDER = (Step(1_000, 2 * TICK), Step(5_000, 2 * TICK), Step(FULL, TICK))


class Stopped(Exception):
    """The operator stops in the middle of a decision: it was killed, or the API refused a write."""


@dataclass(frozen=True)
class Release:
    """What a release is like, which the operator has to find out."""

    version: str
    accurate: bool = True
    healthy: bool = True
    starts: bool = True

    @property
    def hash(self) -> str:
        return a_hash(self.version)

    @property
    def good(self) -> bool:
        return self.accurate and self.healthy and self.starts


@dataclass
class Pods:
    """The pods of one revision by the tick at which each becomes ready."""

    ready_at: list[int]
    version: int = 0


@dataclass(frozen=True)
class Look:
    """An observation, and the versions of all that it was made from."""

    seen: Observation
    versions: Mapping[str, int]


@dataclass
class Evidences:
    """Where the evidence of one metric of one attempt began, to know how much of it there can be."""

    base: float
    now: float


@dataclass
class World:
    """See the module's docstring. Tests change its fields; `tick` and `carry_out` keep them together."""

    releases: dict[str, Release] = field(default_factory=dict)
    desired: str = ""
    replicas: int = 4
    steps: tuple[Step, ...] = LADDER
    analysis: AnalysisSpec = ANALYSIS
    rollback: RollbackSpec = ROLLBACK
    generation: int = 0

    clock: int = 0
    skipped: timedelta = timedelta(0)
    start_lag: int = 2
    gateway_lag: int = 1

    records: dict[str, ModelRevisionStatus] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    fleets: dict[str, Pods] = field(default_factory=dict)
    status: ModelDeploymentStatus = field(default_factory=ModelDeploymentStatus)
    written: dict[str, int] | None = None
    accepted: dict[str, int] = field(default_factory=dict)
    accepted_at: int = 0
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)

    crashed: set[str] = field(default_factory=set)
    outages: set[str] = field(default_factory=set)
    gateway: bool = True

    compared_with_nothing: set[str] = field(default_factory=set)
    """Releases that were judged while requests went to a fleet without pods: any release is better than that."""
    ceilings: dict[str, int] = field(default_factory=dict)
    evidences: dict[tuple[str, str], Evidences] = field(default_factory=dict)
    transitions: set[tuple[Phase, Phase]] = field(default_factory=set)
    writes: int = 0
    kill_at: int | None = None
    history: list[Look] = field(default_factory=list)
    resting: bool = False
    """Whether the operator saw nothing to wait for when it looked last."""

    # --- what people and clusters do ------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        return NOW + self.clock * TICK + self.skipped

    def declare(self, release: Release) -> None:
        self.releases.setdefault(release.hash, release)
        self.desired = release.hash
        self.generation += 1

    def phase(self, release: Release) -> str | None:
        record = self.records.get(release.hash)
        return record.phase if record else None

    def story(self, release: Release) -> list[tuple[str, str]]:
        """The timeline of a release without its times and numbers."""
        return [(entry.phase, entry.reason) for entry in self.records[release.hash].timeline or ()]

    def ready(self, hash_: str) -> int:
        fleet = self.fleets.get(hash_)
        if fleet is None or hash_ in self.crashed or not self.releases[hash_].starts:
            return 0
        return sum(1 for moment in fleet.ready_at if moment <= self.clock)

    def pass_time(self) -> None:
        """One tick of the world, in which nobody looks."""
        self.clock += 1
        if self.gateway and self.written is not None and self.clock >= self.accepted_at:
            self.accepted = dict(self.written)
        for hash_, weight in self.accepted.items():
            bad, total = self.counts.get(hash_, (0, 0))
            requests = REQUESTS * weight // FULL
            if not self.ready(hash_):
                self.compared_with_nothing.add(self.desired)
            failed = requests if not self.ready(hash_) else 0 if self.releases[hash_].healthy else requests // 2
            self.counts[hash_] = (bad + failed, total + requests)

    def edit_route(self, weights: Mapping[str, int]) -> None:
        """Someone else writes the route, and the gateway takes it."""
        if self.written is not None:
            self.written = dict(weights)
            self._bump("route")
            self.accepted_at = self.clock + self.gateway_lag

    # --- the operator ---------------------------------------------------------------------------------------------

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.pass_time()
            self.settle()

    def until_rest(self, at_most: int) -> None:
        """Ticks until nothing is left to wait for."""
        for _ in range(at_most):
            self.tick()
            if self.resting and self.accepted == (self.written or {}):
                return

    def settle(self) -> None:
        """Look until nothing is left to be done at this moment: a decision on its own outcome changes nothing."""
        self.resting = False
        for _ in range(24):
            look = self.look()
            decision = self.judge(look)
            try:
                self.carry_out(decision, look)
            except Stopped:
                return
            if decision.create is None and not decision.records and decision.status is None:
                again = self.judge(self.look())
                if not again.records and again.status is None:
                    self.resting = decision.wake_after is None
                    return
        raise AssertionError(f"the operator does not come to rest: {decision}")

    def look(self) -> Look:
        seen = Observation(
            now=self.now,
            name="fraud",
            generation=self.generation,
            desired=self.desired,
            desired_name="fraud-" + self.releases[self.desired].version,
            desired_version=self.releases[self.desired].version,
            replicas=self.replicas,
            course=Course(steps=self.steps),
            gates=a_hash(repr((self.analysis, self.rollback))),
            analysis=self.analysis,
            rollback=self.rollback,
            revisions={hash_: self._revision(hash_) for hash_ in self.records},
            route=self._route(),
            gateway_problem=None if self.gateway else "Gateway shop/main does not exist",
            status=self.status,
        )
        self.history = [*self.history[-5:], Look(seen, dict(self.versions))]
        return Look(self._with_evidence(seen), dict(self.versions))

    def look_again(self, old: Look) -> Look:
        """What an operator sees whose caches stopped at an earlier look."""
        return Look(self._with_evidence(replace(old.seen, now=self.now)), old.versions)

    def judge(self, look: Look) -> Decision:
        """Decide, and check the decision before it is carried out."""
        decision = decide(look.seen)
        assert decide(look.seen) == decision, "the same observation gave two decisions"
        assert decision.wake_after is None or decision.wake_after >= timedelta(0)
        self._check_outage(look.seen, decision)
        return decision

    def carry_out(self, decision: Decision, look: Look, *, only: int | None = None) -> None:
        """Do the writes in the order of `Decision`, or ``only`` the first ones. Raises Stopped."""
        for number, (key, write) in enumerate(self._writes(decision, look)):
            if only is not None and number >= only:
                raise Stopped("killed")
            if self.kill_at is not None and self.writes >= self.kill_at:
                self.kill_at = None
                raise Stopped("killed")
            if self.versions.get(key, 0) != look.versions.get(key, 0):
                raise Stopped(f"conflict on {key}")
            write()
            self.writes += 1
            self._bump(key)
            self.check()

    # --- the parts of a look ----------------------------------------------------------------------------------------

    def _revision(self, hash_: str) -> Revision:
        fleet = self.fleets.get(hash_)
        version = self.releases[hash_].version
        if fleet is None:
            return Revision(hash_, f"fraud-{version}", version, self.records[hash_])
        size = len(fleet.ready_at)
        shown = Fleet(True, size, self.ready(hash_), True, "pods crash" if hash_ in self.crashed else None)
        return Revision(hash_, f"fraud-{version}", version, self.records[hash_], shown)

    def _route(self) -> Route:
        if self.written is None:
            return Route()
        known = self.gateway and self.accepted == self.written
        return Route(True, False, dict(self.written), dict(self.accepted) if known else None)

    def _with_evidence(self, seen: Observation) -> Observation:
        candidate = roles(seen).candidate
        asked = plan(seen, candidate)
        if candidate is None or candidate not in seen.revisions:
            return seen
        revision = seen.revisions[candidate]
        if asked.ask_model:
            answers = replace(revision, answers=self.ready(candidate) > 0)
            return replace(seen, revisions={**seen.revisions, candidate: answers})
        evidence: list[Evidence] = []
        for request in asked.golden:
            same = request.dataset in (None, "data")
            evidence.append(self._replay(request.metric, revision, request.start if same else 0, request.limit))
        evidence += [self._window(metric, revision) for metric in asked.counters]
        return replace(seen, evidence=tuple(evidence))

    def _replay(self, metric: str, revision: Revision, start: int, limit: int) -> Evidence:
        if "golden" in self.outages:
            return SourceFailure(metric, "ConfigMap golden does not exist")
        items = min(limit, ITEMS - start)
        batch = GoldenBatch(metric, "data", ITEMS, start)
        mine = self.ready(revision.hash) > 0
        base = revision.record.baseline
        if base is not None and not self.ready(base):
            self.compared_with_nothing.add(revision.hash)
            good = items if self.releases[revision.hash].accurate else items - items // 2
            return replace(batch, wins=good, ties_wrong=items - good) if mine else replace(batch, excluded=items)
        wrong = items if not mine else 0 if self.releases[revision.hash].accurate else items // 2
        if base is None:
            return replace(batch, ties_right=items - wrong, ties_wrong=wrong)
        return replace(batch, ties_right=items - wrong, losses=wrong)

    def _window(self, metric: MetricSpec, revision: Revision) -> Evidence:
        if "live" in self.outages:
            return SourceFailure(metric.name, "connection refused")
        arms = {"candidate": revision.hash, "stable": revision.record.baseline or ""}
        totals = {arm: self.counts.get(hash_, (0, 0)) for arm, hash_ in arms.items()}
        counters = tuple(Counter(source=arm, bad=bad, total=total) for arm, (bad, total) in totals.items())
        status = record_of(revision.record, metric.name)
        last = {counter.source: counter for counter in (status.counters if status else None) or ()}
        if not last or revision.record.gates != a_hash(repr((self.analysis, self.rollback))):
            return CounterWindow(metric.name, None, None, counters)
        grown = {
            arm: ArmCounts(int(bad - last[arm].bad), int(total - last[arm].total))
            for arm, (bad, total) in totals.items()
        }
        return CounterWindow(metric.name, grown["candidate"], grown["stable"], counters)

    # --- the writes -------------------------------------------------------------------------------------------------

    def _bump(self, key: str) -> None:
        self.versions[key] = self.versions.get(key, 0) + 1

    def _writes(self, decision: Decision, look: Look) -> Iterator[tuple[str, Callable[[], None]]]:
        if decision.create is not None:
            hash_ = decision.create
            if hash_ not in self.records:
                yield f"record {hash_}", lambda: self.records.setdefault(hash_, ModelRevisionStatus()) and None
            return
        for hash_, record in decision.records.items():
            yield f"record {hash_}", self._bind(self._write_record, look.seen, hash_, record)
        targets = [(target, self._size(target.hash)) for target in decision.fleets]
        for target, size in targets:
            if size is None or target.replicas > size:
                yield f"fleet {target.hash}", self._bind(self._write_fleet, target)
        weights = decision.weights
        if weights is not None and weights != self.written:
            yield "route", self._bind(self._write_route, look.seen, dict(weights))
        for target, size in targets:
            if size is not None and target.replicas < size:
                yield f"fleet {target.hash}", self._bind(self._write_fleet, target)
        for hash_ in decision.delete:
            yield f"record {hash_}", self._bind(self._delete, hash_)
        if decision.status is not None:
            yield "status", self._bind(self._write_status, decision.status)

    @staticmethod
    def _bind(write: Callable[..., None], *arguments: object) -> Callable[[], None]:
        return lambda: write(*arguments)

    def _size(self, hash_: str) -> int | None:
        return len(self.fleets[hash_].ready_at) if hash_ in self.fleets else None

    def _write_record(self, seen: Observation, hash_: str, record: ModelRevisionStatus) -> None:
        stored = ModelRevisionStatus.model_validate(record.model_dump(mode="json", by_alias=True, exclude_none=True))
        assert stored == record, "a record reads back as something else"
        before, after = self.records[hash_].phase, Phase(record.phase or "")
        if before != after and before is not None:
            self.transitions.add((Phase(before), after))
            assert (before, after) in GOALS, f"{before} → {after} is not in the table"
        if before is None:
            assert after == Phase.PENDING
        if before != after and after == Phase.STABLE:
            self._check_promotion(seen, hash_, record)
        if after not in LEAVING:
            self.ceilings.pop(hash_, None)
        for status in record.metrics or ():
            self._check_counted_once(hash_, record_of(self.records[hash_], status.name), status)
        self.records[hash_] = stored

    def _write_fleet(self, target: FleetTarget) -> None:
        fleet = self.fleets.setdefault(target.hash, Pods([]))
        before = len(fleet.ready_at)
        if target.replicas < before:
            carried = max(self.accepted.get(target.hash, 0), (self.written or {}).get(target.hash, 0))
            if carried:
                kept = needed(self.replicas, carried) if self.replicas else 0
                assert target.replicas >= min(before, kept), f"scaled to {target.replicas} while it takes {carried}"
            fleet.ready_at = sorted(fleet.ready_at)[: target.replicas]
        fleet.ready_at += [self.clock + self.start_lag] * (target.replicas - len(fleet.ready_at))

    def _write_route(self, seen: Observation, weights: dict[str, int]) -> None:
        assert all(weight > 0 for weight in weights.values()), "a backend at 0 is left out"
        before = self.written or {}
        stable = roles(replace(seen, revisions={hash_: self._revision(hash_) for hash_ in self.records})).stable
        for hash_, weight in weights.items():
            if weight <= before.get(hash_, 0):
                continue
            phase = self.records[hash_].phase
            assert phase not in LEAVING, f"{phase} and its weight rises to {weight}"
            if hash_ != stable:
                ready, want = seen.revisions[hash_].fleet.ready, needed(self.replicas, weight)
                assert ready >= want, f"{weight} with {ready} of {want} pods"
            elif seen.replicas and not seen.revisions[hash_].fleet.ready:
                for other, had in before.items():
                    revision = seen.revisions.get(other)
                    if revision is not None and revision.fleet.ready:
                        kept = min(had, round((revision.record.weight or 0) * 100))
                        assert weights.get(other, 0) >= kept, "traffic moves from ready pods to none"
        for hash_, record in self.records.items():
            if record.phase in LEAVING:
                self.ceilings[hash_] = min(self.ceilings.get(hash_, FULL), weights.get(hash_, 0))
        self.written = weights
        self.accepted_at = self.clock + self.gateway_lag

    def _delete(self, hash_: str) -> None:
        assert not self.accepted.get(hash_), "deleted while the gateway sends it requests"
        assert hash_ != self.desired
        assert self.records[hash_].phase not in {Phase.STABLE}
        assert not self.fleets.get(hash_, Pods([])).ready_at, "deleted with pods"
        del self.records[hash_]
        if self.fleets.pop(hash_, None) is not None:
            self._bump(f"fleet {hash_}")

    def _write_status(self, status: ModelDeploymentStatus) -> None:
        stored = ModelDeploymentStatus.model_validate(status.model_dump(mode="json", by_alias=True, exclude_none=True))
        assert stored == status, "a status reads back as something else"
        before = {condition.type: condition for condition in self.status.conditions or ()}
        held = {condition.type: condition for condition in status.conditions or ()}
        assert {"Ready", "Available"} <= held.keys()
        for kind, condition in held.items():
            last = before.get(kind)
            same = last is not None and last.status == condition.status
            assert not same or last.last_transition_time == condition.last_transition_time, f"{kind} did not flip"
            assert condition.status == "True" or kind in {"Ready", "Available"}, f"{kind} is present and not true"
        assert held["Ready"].status == "False" or not {"Stalled", "Reconciling"} & held.keys()
        self.status = stored

    # --- what always holds ------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Invariants of every moment, after each write."""
        for weights in (self.written, self.accepted):
            if weights:
                assert sum(weights.values()) == FULL, f"the weights sum to {sum(weights.values())}"
        stable = [hash_ for hash_, record in self.records.items() if record.phase == Phase.STABLE]
        assert len(stable) <= 2
        for hash_, ceiling in self.ceilings.items():
            weight = (self.written or {}).get(hash_, 0)
            assert weight <= ceiling, f"the weight rose to {weight} after it was hauled back to {ceiling}"

    def _check_promotion(self, seen: Observation, hash_: str, record: ModelRevisionStatus) -> None:
        assert record.gates == seen.gates, "promoted under other gates than those of now"
        assert (seen.route.observed or {}).get(hash_) == FULL, "promoted before all traffic was observed"
        release = self.releases[hash_]
        if record.fast:
            return  # it was proven before, or a person vouches for it
        for metric in self.analysis.metrics or ():
            status = record_of(record, metric.name)
            if metric.golden_set is not None and (record.baseline or metric.threshold):
                assert status is not None, f"promoted without {metric.name}"
                assert status.verdict == "Pass", f"promoted with {metric.name} {status.verdict}"
                assert release.accurate or hash_ in self.compared_with_nothing, "an inaccurate release was promoted"
            elif record.baseline and metric.golden_set is None:
                assert status is not None, f"promoted without {metric.name}"
                assert status.verdict in {"Pass", "Continue", "NoData", "Error"}
                samples = RatioEvidence.from_vectors({v.name: tuple(v.values) for v in status.state or ()}).candidate
                assert samples.total >= (metric.min_samples or 0), f"promoted on {samples.total} requests"
                assert release.healthy or hash_ in self.compared_with_nothing, (
                    "a release that fails requests was promoted"
                )

    def _check_counted_once(self, hash_: str, before: MetricStatus | None, after: MetricStatus) -> None:
        if not after.counters or not after.state:
            return
        seen_now = {counter.source: counter.total for counter in after.counters}["candidate"]
        if before is None or not before.counters:
            self.evidences[hash_, after.name] = Evidences(seen_now, seen_now)
        mark = self.evidences[hash_, after.name]
        counted = RatioEvidence.from_vectors({v.name: tuple(v.values) for v in after.state})
        if not counted.broken:
            happened = seen_now - mark.base
            assert counted.candidate.total == happened, f"{counted.candidate.total} counted, {happened} happened"

    def _check_outage(self, seen: Observation, decision: Decision) -> None:
        """A source that does not answer moves no weight: what is written stays, or what was asked is written again."""
        candidate = roles(seen).candidate
        acting = {metric.name for metric in seen.analysis.metrics or () if metric.action != "Observe"}
        silent = any(isinstance(item, SourceFailure) and item.metric in acting for item in seen.evidence)
        if not silent or candidate is None or decision.weights is None or decision.create:
            return
        before = seen.revisions[candidate].record
        after = decision.records.get(candidate, before)
        if after.phase != before.phase:
            voided = after.reason == "GatesChanged"
            assert voided or after.phase == Phase.ROLLING_BACK, f"an outage led to {after.phase}"
            assert after.reason != "MetricsUnavailable" or seen.analysis.on_metric_error == "Rollback"
            return
        asked = round((before.weight or 0) * 100)
        assert decision.weights.get(candidate, 0) <= max(asked, seen.route.written.get(candidate, 0))


def source_of(metric: MetricSpec) -> GoldenSetSource:
    """The golden set of a metric that has one."""
    assert metric.golden_set is not None
    return metric.golden_set
