"""A world for the core to live in: pods, a router, counters and a clock, all of them pure and a little slow.

The world does what clusters do: pods become ready some time after they are asked for, and where machines are scarce
only so many of them; the router takes a route some time after it is written; an autoscaler changes its mind; writes
fail on a version that is not the latest, and the operator may die between any two of them. `invariants` checks what
must always hold after every single write, and every decision before it is carried out.

Time goes in ticks. A tick gives requests to what the router has accepted, then the operator looks until nothing is
left to be done at this moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache

from unit.rollout.builders import NOW, a_hash, accuracy, an_artifact, errors
from unit.rollout.invariants import Invariants
from unit.rollout.strategies import STRATEGIES

from slipway.analysis import ArmCounts
from slipway.api import (
    AnalysisSpec,
    Counter,
    MetricSpec,
    ModelDeploymentStatus,
    ModelRevisionStatus,
    Phase,
    RollbackSpec,
)
from slipway.rollout import (
    FULL,
    WITHOUT_PODS,
    Beside,
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
    Verification,
    course_of,
    decide,
    plan,
    record_of,
    trial,
)

TICK = timedelta(seconds=5)
NO_RUNTIME = ("RuntimeNotFound", "spec.release.model.format: no runtime serves it")
ITEMS = 200
REQUESTS = 400
"""Requests a tick."""
MATCHED = 40
"""Of these, requests that a match picks."""
NEVER = 1 << 30
"""The tick at which a pod becomes ready that no machine has room for."""

ANALYSIS = AnalysisSpec(metrics=[accuracy(), errors()])
ABSOLUTE = AnalysisSpec(metrics=[accuracy(threshold={"min": 0.8}, nonInferiority={"margin": 0.05}), errors()])
ROLLBACK = RollbackSpec(
    progress_deadline=timedelta(seconds=60), scale_down_delay=timedelta(seconds=15), revision_history_limit=3
)


@cache
def _course(strategy: str, replicas: int, by_replicas: bool) -> Course:
    return course_of(STRATEGIES[strategy], replicas=replicas, by_replicas=by_replicas)


_SETTINGS: dict[int, tuple[AnalysisSpec, str]] = {}
"""What settings read like, by their identity: they are long, and do not change."""


def _judged_under(analysis: AnalysisSpec, deadline: timedelta) -> str:
    known = _SETTINGS.get(id(analysis))
    if known is None or known[0] is not analysis:
        known = _SETTINGS[id(analysis)] = (analysis, repr(analysis))
    return a_hash(f"{known[1]} {deadline}")


class Stopped(Exception):
    """The operator stops in the middle of a decision: it was killed, or the API refused a write."""


@dataclass(frozen=True)
class Release:
    """What a release is like, which the operator has to find out."""

    version: str
    accurate: bool = True
    healthy: bool = True
    starts: bool = True
    sound: bool = True
    """Whether what is at its URI is what it has to be."""

    @property
    def hash(self) -> str:
        return a_hash(self.version)


@dataclass(frozen=True)
class Pods:
    """The pods of one revision by the tick at which each becomes ready."""

    ready_at: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        return len(self.ready_at)


@dataclass(frozen=True)
class Look:
    """An observation, and the versions of all that it was made from."""

    seen: Observation
    versions: Mapping[str, int]


@dataclass
class World:
    """See the module's docstring. Tests change its fields; `tick` and `carry_out` keep them together."""

    releases: dict[str, Release] = field(default_factory=dict)
    desired: str = ""
    without_runtime: bool = False
    """Whether a release that has no revision yet comes to nothing that could serve."""
    replicas: int = 4
    strategy: str = "canary"
    by_replicas: bool = False
    """The router service: shares are made out of pods."""
    course: Course | None = None
    """Another course than the strategy's."""
    autoscaled: tuple[int, int] | None = None
    scarce: bool = False
    """There are machines for the full size and the surge of the strategy, and for no pod more."""
    analysis: AnalysisSpec = ANALYSIS
    rollback: RollbackSpec = ROLLBACK
    generation: int = 0
    paused: bool = False
    command: str | None = None
    queued: str | None = None
    delivers: bool = False
    """Releases have an artifact, which is verified before their pods start."""

    clock: int = 0
    skipped: timedelta = timedelta(0)
    start_lag: int = 2
    gateway_lag: int = 1

    records: dict[str, ModelRevisionStatus] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    fleets: dict[str, Pods] = field(default_factory=dict)
    bounds: dict[str, tuple[int, int]] = field(default_factory=dict)
    status: ModelDeploymentStatus = field(default_factory=ModelDeploymentStatus)
    written: dict[str, int] | None = None
    beside: Beside = field(default_factory=Beside)
    accepted: dict[str, int] = field(default_factory=dict)
    accepted_beside: Beside = field(default_factory=Beside)
    accepted_at: int = 0
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Bad requests and all requests that users sent."""
    copies: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The same of requests that were copied: the pods count them, and no gateway does."""

    crashed: set[str] = field(default_factory=set)
    sick: set[str] = field(default_factory=set)
    """Releases that fail requests for now."""
    outages: set[str] = field(default_factory=set)
    gateway: bool = True

    checks: Invariants = field(default_factory=Invariants)
    writes: int = 0
    looks: int = 0
    kill_at: int | None = None
    history: list[Look] = field(default_factory=list)
    resting: bool = False
    """Whether the operator saw nothing to wait for when it looked last."""
    due: timedelta | None = None
    """When it wants to look again."""

    def fork(self) -> World:
        """Another world that is so far the same."""
        twin = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict | set | list):
                setattr(twin, name, value.copy())
        twin.checks = self.checks.fork()
        return twin

    # --- what people and clusters do ------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        return NOW + self.clock * TICK + self.skipped

    @property
    def gates(self) -> str:
        return _judged_under(self.analysis, self.rollback.progress_deadline)

    @property
    def size(self) -> int:
        """Pods that carry all traffic."""
        if self.autoscaled is None:
            return self.replicas
        least, most = self.autoscaled
        serving = [fleet.size for hash_, fleet in self.fleets.items() if self._serves(hash_)]
        return min(most, max([least, *serving]))

    def _serves(self, hash_: str) -> bool:
        return hash_ in self.records and self.records[hash_].phase in {"Stable", "Watching"}

    def declare(self, release: Release) -> None:
        self.releases.setdefault(release.hash, release)
        self.desired = release.hash
        self.edited()

    def edited(self) -> None:
        """The specification is another one."""
        self.generation += 1
        self._bump("status")

    def say(self, command: str | None) -> None:
        """The annotation with a person's command."""
        self.command = command
        self._bump("status")

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

    def healthy(self, hash_: str) -> bool:
        return self.releases[hash_].healthy and hash_ not in self.sick

    def pass_time(self, ticks: int = 1) -> None:
        """Ticks of the world in which nobody looks."""
        self.clock += ticks
        self._schedule()
        if self.gateway and self.written is not None and self.clock >= self.accepted_at:
            self.accepted, self.accepted_beside = dict(self.written), self.beside
        matched = self.accepted_beside.matched
        for hash_, weight in self.served().items():
            self._count(self.counts, hash_, ticks * (REQUESTS - MATCHED * bool(matched)) * weight // FULL)
        if matched is not None:
            self._count(self.counts, matched, ticks * MATCHED)
        mirror = self.accepted_beside.mirror
        if mirror is not None:
            self._count(self.copies, mirror, ticks * REQUESTS * self.accepted_beside.mirrored // FULL)

    def _count(self, counts: dict[str, tuple[int, int]], hash_: str, requests: int) -> None:
        if hash_ not in self.releases:
            return
        ready = self.ready(hash_) > 0
        if not ready:
            self.checks.excuse(self.desired)
        bad, total = counts.get(hash_, (0, 0))
        failed = requests if not ready else 0 if self.healthy(hash_) else requests // 2
        counts[hash_] = (bad + failed, total + requests)

    def _schedule(self) -> None:
        """Pods that no machine had room for begin to start where others ended."""
        if not self.scarce:
            return
        room = self.room()
        for hash_, fleet in sorted(self.fleets.items()):
            waiting = sum(1 for moment in fleet.ready_at if moment == NEVER)
            begun = min(waiting, max(0, room))
            if begun:
                moments = [moment for moment in fleet.ready_at if moment != NEVER] + [
                    self.clock + self.start_lag
                ] * begun
                self.fleets[hash_] = Pods(tuple(moments + [NEVER] * (waiting - begun)))
                room -= begun

    def room(self) -> int:
        """Pods that there are machines for beside those that have one."""
        if not self.scarce:
            return NEVER
        shift = self.on_course.shift
        total = self.size + (shift.surge if shift is not None else self.size)
        return total - sum(1 for fleet in self.fleets.values() for moment in fleet.ready_at if moment != NEVER)

    def served(self) -> dict[str, int]:
        """What the data plane sends to whom, in basis points."""
        return self._made_of_pods(self.accepted)

    def _made_of_pods(self, shares: Mapping[str, int]) -> dict[str, int]:
        """The router service leads to one release, or to all pods that are ready."""
        if not self.by_replicas or len(shares) < 2:
            return dict(shares)
        ready = {hash_: self.ready(hash_) for hash_ in self.fleets}
        total = sum(ready.values())
        if not total:
            return dict.fromkeys(ready, 0)
        made = {hash_: pods * FULL // total for hash_, pods in ready.items()}
        for hash_ in sorted(ready, key=lambda hash_: (-(ready[hash_] * FULL % total), hash_))[
            : FULL - sum(made.values())
        ]:
            made[hash_] += 1
        return made

    def edit_route(self, weights: Mapping[str, int], beside: Beside | None = None) -> None:
        """Someone else writes the route, and the gateway takes it."""
        if self.written is not None:
            self.written = dict(weights)
            self.beside = beside if beside is not None else self.beside
            self._bump("route")
            self.accepted_at = self.clock + self.gateway_lag

    def scale(self, hash_: str, pods: int) -> None:
        """The autoscaler of a revision wants so many pods."""
        if hash_ in self.bounds and hash_ in self.fleets:
            least, most = self.bounds[hash_]
            self.fleets[hash_] = self._resized(self.fleets[hash_], max(least, min(pods, most)))
            self._bump(f"fleet {hash_}")

    def _resized(self, fleet: Pods, pods: int) -> Pods:
        moments = sorted(fleet.ready_at)[:pods]
        missing = pods - len(moments)
        fits = max(0, min(missing, self.room()))
        return Pods((*moments, *[self.clock + self.start_lag] * fits, *[NEVER] * (missing - fits)))

    # --- the operator ---------------------------------------------------------------------------------------------

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.pass_time()
            self.settle()

    def until_rest(self, at_most: int) -> None:
        """Ticks until nothing is left to wait for."""
        for _ in range(at_most):
            self.tick()
            if self.resting and self.at_rest:
                return

    @property
    def at_rest(self) -> bool:
        """Whether nothing in the cluster is on its way."""
        accepted = self.accepted == (self.written or {}) and self.accepted_beside == self.beside
        moments = [moment for fleet in self.fleets.values() for moment in fleet.ready_at if moment > self.clock]
        return accepted and (not moments or (set(moments) == {NEVER} and self.room() <= 0))

    def settle(self) -> None:
        """Look until nothing is left to be done at this moment: a decision on its own outcome changes nothing."""
        self.resting = False
        for _ in range(24):
            look = self.look()
            decision = self.judge(look)
            try:
                done = self.carry_out(decision, look)
            except Stopped:
                return
            if not done:
                self.resting, self.due = decision.wake_after is None, decision.wake_after
                return
        raise AssertionError(f"the operator does not come to rest: {decision}")

    @property
    def on_course(self) -> Course:
        return self.course or _course(self.strategy, self.size, self.by_replicas)

    def look(self) -> Look:
        self.looks += 1
        seen = Observation(
            now=self.now,
            name="fraud",
            generation=self.generation,
            desired=self.desired,
            unresolved=NO_RUNTIME if self.without_runtime and self.desired not in self.records else None,
            desired_name="fraud-" + self.releases[self.desired].version,
            desired_version=self.releases[self.desired].version,
            replicas=self.size,
            course=self.on_course,
            gates=self.gates,
            analysis=self.analysis,
            rollback=self.rollback,
            revisions={hash_: self.revision(hash_) for hash_ in self.records},
            route=self._route(),
            gateway_problem=None if self.gateway else "Gateway shop/main does not exist",
            status=self.status,
            paused=self.paused,
            command=self.command,
            queued=self.queued,
            autoscaled=self.autoscaled,
            verification=self._verification(),
        )
        versions = dict(self.versions)
        self.history = [*self.history[-4:], Look(seen, versions)]
        return Look(self._with_evidence(seen), versions)

    def look_again(self, old: Look) -> Look:
        """What an operator sees that was held up after an earlier look."""
        return Look(self._with_evidence(replace(old.seen, now=self.now)), old.versions)

    def judge(self, look: Look) -> Decision:
        """Decide, and check the decision before it is carried out."""
        decision = decide(look.seen)
        if self.looks % 32 == 0:
            assert decide(look.seen) == decision, "the same observation gave two decisions"
        self.checks.of_decision(self, look.seen, decision)
        return decision

    def carry_out(self, decision: Decision, look: Look, *, only: int | None = None) -> int:
        """Do the writes in the order of `Decision`, or ``only`` the first ones. Says how many. Raises Stopped."""
        done = 0
        for number, (key, write) in enumerate(self._writes(decision, look)):
            if only is not None and number >= only:
                raise Stopped("killed")
            if self.kill_at is not None and self.writes >= self.kill_at:
                self.kill_at = None
                raise Stopped("killed")
            if self.versions.get(key, 0) != look.versions.get(key, 0):
                raise Stopped(f"conflict on {key}")
            write()
            done += 1
            self.writes += 1
            self._bump(key)
            self.checks.of_moment(self)
        return done

    # --- the parts of a look ----------------------------------------------------------------------------------------

    def revision(self, hash_: str) -> Revision:
        fleet = self.fleets.get(hash_)
        version = self.releases[hash_].version
        if fleet is None:
            return Revision(hash_, f"fraud-{version}", version, self.records[hash_])
        problem = "pods crash" if hash_ in self.crashed else None
        shown = Fleet(True, fleet.size, self.ready(hash_), True, problem)
        return Revision(hash_, f"fraud-{version}", version, self.records[hash_], shown)

    def _verification(self) -> Verification | None:
        record = self.records.get(self.desired)
        if not self.delivers or record is None or record.phase not in WITHOUT_PODS:
            return None
        if record.artifact is not None:
            return Verification(known=True)
        if record.phase == Phase.PENDING:
            return Verification()
        if "store" in self.outages:
            return Verification(waits="the store does not answer")
        if record.phase_since is not None and self.now < record.phase_since + self.start_lag * TICK:
            return Verification(waits="the Job runs")
        if not self.releases[self.desired].sound:
            return Verification(refused=("VerificationFailed", "spec.release.model.digest: it is another"))
        return Verification(artifact=an_artifact(self.desired))

    def _route(self) -> Route:
        if self.written is None:
            return Route()
        written = self._made_of_pods(self.written)
        settled = self.gateway and (self.accepted, self.accepted_beside) == (self.written, self.beside)
        settles_in = TICK if self.by_replicas and not settled else None
        return Route(True, False, written, written if settled else None, beside=self.beside, settles_in=settles_in)

    def _with_evidence(self, seen: Observation) -> Observation:
        judged, compared = trial(seen)
        asked = plan(seen, judged)
        if judged is None or judged not in seen.revisions:
            return seen
        revision = seen.revisions[judged]
        if asked.ask_model:
            answers = replace(revision, answers=self.ready(judged) > 0)
            return replace(seen, revisions={**seen.revisions, judged: answers})
        evidence: list[Evidence] = []
        for request in asked.golden:
            same = request.dataset in (None, "data")
            evidence.append(self._replay(request.metric, revision, request.start if same else 0, request.limit))
        evidence += [self._window(metric, revision, compared) for metric in asked.counters]
        return replace(seen, evidence=tuple(evidence)) if evidence else seen

    def _replay(self, metric: str, revision: Revision, start: int, limit: int) -> Evidence:
        if "golden" in self.outages:
            return SourceFailure(metric, "ConfigMap golden does not exist")
        items = min(limit, ITEMS - start)
        batch = GoldenBatch(metric, "data", ITEMS, start)
        mine = self.ready(revision.hash) > 0
        base = revision.record.baseline
        if base is not None and not self.ready(base):
            self.checks.excuse(revision.hash)
            good = items if self.releases[revision.hash].accurate else items - items // 2
            return replace(batch, wins=good, ties_wrong=items - good) if mine else replace(batch, excluded=items)
        wrong = items if not mine else 0 if self.releases[revision.hash].accurate else items // 2
        if base is None:
            return replace(batch, ties_right=items - wrong, ties_wrong=wrong)
        return replace(batch, ties_right=items - wrong, losses=wrong)

    def _window(self, metric: MetricSpec, revision: Revision, compared: str | None) -> Evidence:
        if "live" in self.outages:
            return SourceFailure(metric.name, "connection refused")
        if compared is not None and not self.healthy(compared):
            self.checks.excuse(revision.hash)  # it is no worse than what it is compared with
        arms = {"candidate": revision.hash, "stable": compared or ""}
        totals = {arm: self.counted(metric, hash_) for arm, hash_ in arms.items()}
        counters = tuple(Counter(source=arm, bad=bad, total=total) for arm, (bad, total) in totals.items())
        status = record_of(revision.record, metric.name)
        last = {counter.source: counter for counter in (status.counters if status else None) or ()}
        if not last:
            return CounterWindow(metric.name, None, None, counters)
        grown = {
            arm: ArmCounts(max(0, int(bad - last[arm].bad)), max(0, int(total - last[arm].total)))
            for arm, (bad, total) in totals.items()
        }
        return CounterWindow(metric.name, grown["candidate"], grown["stable"], counters)

    def counted(self, metric: MetricSpec, hash_: str) -> tuple[int, int]:
        """Bad requests and all requests of a revision, as the metric's source counts them."""
        bad, total = self.counts.get(hash_, (0, 0))
        if metric.pods is None:
            return bad, total
        more = self.copies.get(hash_, (0, 0))
        return bad + more[0], total + more[1]

    # --- the writes -------------------------------------------------------------------------------------------------

    def _bump(self, key: str) -> None:
        self.versions[key] = self.versions.get(key, 0) + 1

    def _writes(self, decision: Decision, look: Look) -> Iterator[tuple[str, Callable[[], None]]]:
        seen = look.seen
        if decision.create is not None:
            hash_ = decision.create
            if hash_ not in self.records:
                yield f"record {hash_}", lambda: self.records.setdefault(hash_, ModelRevisionStatus()) and None
            return
        for hash_, record in decision.records.items():
            yield f"record {hash_}", self._bind(self._write_record, seen, hash_, record)
        targets = [(target, self.fleets.get(target.hash)) for target in decision.fleets]
        for target, fleet in targets:
            if fleet is None or (target.replicas >= fleet.size and self._differs(target, fleet)):
                yield f"fleet {target.hash}", self._bind(self._write_fleet, seen, target)
        weights = decision.weights
        if weights is not None and self._says_more(weights, decision.beside):
            yield "route", self._bind(self._write_route, seen, dict(weights), decision.beside)
        for target, fleet in targets:
            if fleet is not None and target.replicas < fleet.size:
                yield f"fleet {target.hash}", self._bind(self._write_fleet, seen, target)
        for hash_ in decision.delete:
            yield f"record {hash_}", self._bind(self._delete, seen, hash_)
        if decision.status is not None:
            yield "status", self._bind(self._write_status, decision.status)

    def _says_more(self, weights: Mapping[str, int], beside: Beside) -> bool:
        if self.by_replicas and self.written is not None:
            return sorted(weights) != sorted(self.written)
        return weights != self.written or beside != self.beside

    @staticmethod
    def _bind(write: Callable[..., None], *arguments: object) -> Callable[[], None]:
        return lambda: write(*arguments)

    def _differs(self, target: FleetTarget, fleet: Pods) -> bool:
        return target.replicas != fleet.size or _bounds(target) != self.bounds.get(target.hash)

    def _write_record(self, seen: Observation, hash_: str, record: ModelRevisionStatus) -> None:
        self.checks.of_record(self, seen, hash_, record)
        self.records[hash_] = record

    def _write_fleet(self, seen: Observation, target: FleetTarget) -> None:
        self.checks.of_fleet(self, seen, target)
        fleet = self.fleets.get(target.hash, Pods())
        self.fleets[target.hash] = self._resized(fleet, target.replicas)
        self.bounds.pop(target.hash, None)
        bounds = _bounds(target)
        if bounds is not None:
            self.bounds[target.hash] = bounds

    def _write_route(self, seen: Observation, weights: dict[str, int], beside: Beside) -> None:
        self.checks.of_route(self, seen, weights, beside)
        self.written, self.beside = weights, beside
        self.accepted_at = self.clock + self.gateway_lag

    def _delete(self, seen: Observation, hash_: str) -> None:
        self.checks.of_deletion(self, seen, hash_)
        del self.records[hash_]
        if self.fleets.pop(hash_, None) is not None:
            self.bounds.pop(hash_, None)
            self._bump(f"fleet {hash_}")

    def _write_status(self, status: ModelDeploymentStatus) -> None:
        self.checks.of_status(self, status)
        self.status = status


def _bounds(target: FleetTarget) -> tuple[int, int] | None:
    return (target.floor, target.ceiling) if target.floor is not None and target.ceiling is not None else None
