"""Observations with good defaults, so that a test names only what matters to it.

`a_rollout()` is release 2 on its way up beside release 1, which is stable with four of four pods ready. The ladder is
10, 50 and 100 percent with a minute each, and no metric is asked for. Every method returns the builder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from slipway.analysis import ArmCounts
from slipway.api import (
    AnalysisSpec,
    ArtifactStatus,
    Condition,
    Counter,
    DriftSpec,
    MetricSpec,
    ModelDeploymentStatus,
    ModelRevisionStatus,
    Phase,
    RollbackSpec,
    Strategy,
)
from slipway.rollout import (
    FULL,
    Beside,
    CounterWindow,
    Course,
    Decision,
    DriftLook,
    Evidence,
    Fleet,
    FleetTarget,
    GoldenBatch,
    Observation,
    Revision,
    Route,
    Shadow,
    SourceFailure,
    Step,
    Verification,
    course_of,
    decide,
)
from slipway.rollout.capacity import needed

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def a_hash(text: str) -> str:
    """What stands for the hash of a release, or of settings."""
    return hashlib.sha256(text.encode()).hexdigest()


V1, V2, V3 = a_hash("1"), a_hash("2"), a_hash("3")
GATES = a_hash("gates")
VERSIONS = {V1: "1", V2: "2", V3: "3"}

ACCURACY = {"name": "accuracy", "goldenSet": {"configMap": {"name": "golden", "key": "items"}}}
ERRORS = {"name": "errors", "gateway": {}}


def accuracy(**gates: Any) -> MetricSpec:
    """A metric on a golden set; without gates the candidate has to be no more than 5 points worse than stable."""
    return MetricSpec.model_validate(ACCURACY | (gates or {"nonInferiority": {"margin": 0.05}}))


def errors(**gates: Any) -> MetricSpec:
    """A metric on live traffic; without gates the candidate may not fail 2 points more often than stable."""
    return MetricSpec.model_validate(ERRORS | (gates or {"comparison": {"margin": 0.02}, "minSamples": 50}))


def an_artifact(text: str = "weights") -> ArtifactStatus:
    return ArtifactStatus(uri="s3://models/fraud", digest=f"sha256:{a_hash(text)}", bytes=7, files=1, time=NOW)


def errors_in_pods() -> MetricSpec:
    """The same as the pods count it, which copies of requests are in."""
    spec = {"name": "errors", "pods": {"bad": ["failed_total"], "total": ["requests_total"]}}
    return MetricSpec.model_validate(spec | {"comparison": {"margin": 0.02}, "minSamples": 50})


def a_batch(*, right: int = 0, lost: int = 0, start: int = 0, size: int = 200, **counts: int) -> GoldenBatch:
    """Answers to a golden set of 200 items: ``right`` on both releases, ``lost`` on stable alone."""
    return GoldenBatch("accuracy", "data", size, start, losses=lost, ties_right=right, **counts)


def a_window(candidate: tuple[int, int] | None, stable: tuple[int, int] | None) -> CounterWindow:
    """Pairs of bad requests and all requests; None for a first look."""
    return CounterWindow(
        "errors",
        ArmCounts(*candidate) if candidate else None,
        ArmCounts(*stable) if stable else None,
        (Counter(source="candidate", bad=0, total=0), Counter(source="stable", bad=0, total=0)),
    )


def an_outage(metric: str = "errors") -> SourceFailure:
    """A source that did not answer."""
    return SourceFailure(metric, "connection refused: is the provider running?")


class ARollout:
    """See the module's docstring."""

    def __init__(self) -> None:
        stable = ModelRevisionStatus(
            phase=Phase.STABLE, phase_since=NOW - 60 * MINUTE, weight=100.0, attempt=1, gates=GATES, progress="100%"
        )
        self.seen = Observation(
            now=NOW,
            name="fraud",
            generation=2,
            desired=V2,
            desired_name="fraud-2",
            desired_version="2",
            replicas=4,
            course=Course(steps=(Step(1_000, MINUTE), Step(5_000, MINUTE), Step(FULL, MINUTE))),
            gates=GATES,
            analysis=AnalysisSpec(),
            rollback=RollbackSpec(),
            revisions={
                V1: Revision(V1, "fraud-1", "1", stable, Fleet(True, 4, 4)),
                V2: Revision(V2, "fraud-2", "2"),
            },
            route=Route(exists=True, written={V1: FULL}, observed={V1: FULL}),
        )

    def _set(self, **changes: Any) -> Self:
        self.seen = replace(self.seen, **changes)
        return self

    def _revision(self, hash_: str, **changes: Any) -> Self:
        before = self.seen.revisions.get(hash_) or Revision(hash_, f"fraud-{VERSIONS[hash_]}", VERSIONS[hash_])
        return self._set(revisions={**self.seen.revisions, hash_: replace(before, **changes)})

    def _record(self, hash_: str, **fields: Any) -> Self:
        self._revision(hash_)
        record = self.seen.revisions[hash_].record.model_copy(update=fields)
        return self._revision(hash_, record=record)

    # --- where the rollout is ---------------------------------------------------------------------------------------

    def in_phase(self, phase: Phase, *, of: str = V2, **fields: Any) -> Self:
        """A record in this phase, entered now, with what every attempt carries."""
        carried: dict[str, Any] = {"attempt": 1, "gates": GATES, "baseline": V1 if V1 in self.seen.revisions else None}
        return self._record(of, **carried | {"phase": phase, "phase_since": NOW} | fields)

    def pending(self) -> Self:
        return self.in_phase(Phase.PENDING)

    def verifying(self, found: Verification | None = None) -> Self:
        """Its artifact is being verified, or this came of it."""
        return self.in_phase(Phase.VERIFYING).with_verification(found or Verification(waits="the Job runs"))

    def with_verification(self, found: Verification | None) -> Self:
        return self._set(verification=found)

    def with_other_bytes(
        self, hash_: str = V2, found: str = "spec.release.model.uri: the URI holds another digest"
    ) -> Self:
        """A pod of it found other bytes than those that were verified."""
        return self._revision(hash_, fleet=replace(self.seen.revisions[hash_].fleet, other_bytes=found))

    def starting(self) -> Self:
        return self.in_phase(Phase.STARTING).with_candidate_pods(0, of=1)

    def evaluating(self) -> Self:
        return self.in_phase(Phase.EVALUATING).with_candidate_pods(self._first_pods())

    def _first_pods(self) -> int:
        course, alone = self.seen.course, V1 not in self.seen.revisions
        if alone or not course.steps or (course.full_size and course.shadow is None):
            return self.seen.replicas
        return needed(self.seen.replicas, course.shadow.share if course.shadow else course.steps[0].weight)

    def shadowing(self) -> Self:
        """Copies of the requests go to it since now, its pods are ready; the stage lasts a minute."""
        stage = self.seen.course.shadow or Shadow(min_duration=MINUTE)
        self.on_course(shadow=stage).in_phase(Phase.SHADOWING, weight=0.0, weight_observed_at=NOW)
        self.with_candidate_pods(needed(self.seen.replicas, stage.share))
        return self.routed({V1: FULL}, beside=Beside(mirror=V2, mirrored=stage.share))

    def at_step(self, number: int) -> Self:
        """At the step counted from 1, since now, with its pods ready and its weight observed."""
        course, step = self.seen.course, self.seen.steps[number - 1]
        weight = step.weight
        self.in_phase(Phase.STEPPING, step=number - 1, weight=weight / 100, weight_observed_at=NOW)
        pods = self.seen.replicas if course.full_size else max(needed(self.seen.replicas, weight), step.replicas or 0)
        self.with_candidate_pods(pods)
        beside = Beside(matched=V2 if step.matched else None, previewed=V2 if step.preview else None)
        return self.routed({V1: FULL - weight, V2: weight}, beside=beside)

    def promoting(self) -> Self:
        """Past the last step, with all pods ready and all traffic observed."""
        self.in_phase(Phase.PROMOTING, step=2, weight=100.0).with_candidate_pods(self.seen.replicas)
        return self.routed({V2: FULL})

    def watching(self, *, baseline: str = V1) -> Self:
        """Promoted now and watched for ten minutes, beside the release that it replaced, which is kept warm."""
        self.in_phase(Phase.WATCHING, weight=100.0, baseline=baseline).with_candidate_pods(self.seen.replicas)
        self.in_phase(Phase.SUPERSEDED, of=baseline, weight=0.0, stable_until=NOW, baseline=None)
        return self.with_rollback(watch=10 * MINUTE).routed({V2: FULL})

    def rolling_back(self, *, observed: Mapping[str, int] | None = None) -> Self:
        reason, message = "AnalysisFailed", "errors: Fail n=40/400"
        fields = {"reason": reason, "message": message, "weight": 0.0, "step": 0}
        return self.in_phase(Phase.ROLLING_BACK, **fields).with_candidate_pods(1).routed({V1: FULL}, observed=observed)

    def rolled_back(self) -> Self:
        self.in_phase(Phase.ROLLED_BACK, reason="AnalysisFailed", message="release 2 was hauled back", weight=0.0)
        return self._record(V2, idle_since=NOW).with_candidate_pods(1)

    def first_release(self) -> Self:
        """No release has served: release 2 is the first one. Call it before a phase is chosen."""
        revisions = {hash_: revision for hash_, revision in self.seen.revisions.items() if hash_ != V1}
        return self._set(revisions=revisions, route=Route())

    # --- what there is ----------------------------------------------------------------------------------------------

    def with_candidate_pods(self, ready: int, *, of: int | None = None, problem: str | None = None) -> Self:
        return self._revision(V2, fleet=Fleet(True, of if of is not None else ready, ready, True, problem))

    def with_stable_pods(self, ready: int, *, of: int = 4) -> Self:
        return self._revision(V1, fleet=Fleet(True, of, ready))

    def with_pods(self, hash_: str, ready: int, *, of: int | None = None, current: bool = True) -> Self:
        return self._revision(hash_, fleet=Fleet(True, of if of is not None else ready, ready, current))

    def with_answers(self, answers: bool | None, answer: str = "") -> Self:
        return self._revision(V2, answers=answers, answer=answer)

    def with_record(self, hash_: str = V2, **fields: Any) -> Self:
        return self._record(hash_, **fields)

    def with_revision(self, hash_: str) -> Self:
        """A revision object without a record: just created."""
        return self._revision(hash_)

    def routed(
        self, written: Mapping[str, int], *, observed: Mapping[str, int] | None = None, beside: Beside | None = None
    ) -> Self:
        """The route says this, and the gateway has accepted it, or what is given as observed."""
        written = {hash_: weight for hash_, weight in written.items() if weight}
        seen = written if observed is None else observed
        return self._set(route=Route(True, False, written, seen, beside=beside or Beside()))

    def not_observed(self, problem: str | None = None) -> Self:
        """The gateway has not said what it accepted."""
        return self._set(route=replace(self.seen.route, observed=None, problem=problem))

    def with_route(self, route: Route) -> Self:
        return self._set(route=route)

    def without_gateway(self, problem: str = "Gateway shop/main does not exist") -> Self:
        return self.not_observed()._set(gateway_problem=problem)

    # --- what is asked for ------------------------------------------------------------------------------------------

    def declaring(self, hash_: str) -> Self:
        return self._set(desired=hash_, desired_name=f"fraud-{VERSIONS[hash_]}", desired_version=VERSIONS[hash_])

    def with_metrics(self, *metrics: MetricSpec, **analysis: Any) -> Self:
        return self._set(analysis=AnalysisSpec(metrics=list(metrics), **analysis))

    def with_rollback(self, **settings: Any) -> Self:
        return self._set(rollback=RollbackSpec(**settings))

    def with_steps(self, *percents: float) -> Self:
        return self.on_course(steps=tuple(Step(round(percent * 100), MINUTE) for percent in percents))

    def on_course(self, **changes: Any) -> Self:
        """Another course than the ladder."""
        return self._set(course=replace(self.seen.course, **changes))

    def with_strategy(self, *, by_replicas: bool = False, **strategy: Any) -> Self:
        """The course that a strategy sets, as the specification declares it."""
        declared = Strategy.model_validate(strategy)
        return self._set(course=course_of(declared, replicas=self.seen.replicas, by_replicas=by_replicas))

    def with_replicas(self, replicas: int) -> Self:
        return self._set(replicas=replicas)

    def with_autoscaler(self, least: int, most: int) -> Self:
        return self._set(autoscaled=(least, most))

    def paused(self, value: bool = True) -> Self:
        """spec.paused."""
        return self._set(paused=value)

    def paused_by_a_person(self) -> Self:
        return self._record(V2, paused=True)

    def commanded(self, verb: str, *, of: str = V2, step: int | str | None = None, nonce: int = 1) -> Self:
        """The annotation with a person's command about a revision, and perhaps about a step, counted from 1."""
        place = f"/{step}" if step is not None else ""
        return self.annotated(f"{verb}@{of[:8]}{place}#{nonce}")

    def annotated(self, command: str | None) -> Self:
        return self._set(command=command)

    def unsupported(self, why: str | None) -> Self:
        return self._set(unsupported=why)

    def queued(self, behind: str | None) -> Self:
        return self._set(queued=behind)

    def with_gates(self, gates: str) -> Self:
        return self._set(gates=gates)

    def with_evidence(self, *evidence: Evidence) -> Self:
        return self._set(evidence=evidence)

    def at_rest(self, **drift: Any) -> Self:
        """Release 1 is declared and serves alone, and this is watched of it."""
        revisions = {V1: self.seen.revisions[V1]}
        spec = DriftSpec.model_validate(drift) if drift else None
        return self._set(revisions=revisions, drift=spec).declaring(V1)

    def having_looked(self, look: DriftLook | None) -> Self:
        """What was read for the watch over the stable release."""
        return self._set(drift_look=look)

    def with_status(self, status: ModelDeploymentStatus) -> Self:
        return self._set(status=status)

    def after(self, passed: timedelta) -> Self:
        """This much later than everything that was said so far."""
        return self._set(now=self.seen.now + passed, evidence=(), drift_look=None)

    # --- what follows -----------------------------------------------------------------------------------------------

    def decide(self) -> Decision:
        return decide(self.seen)

    def record(self, hash_: str = V2) -> ModelRevisionStatus:
        """The record as the decision leaves it."""
        return self.decide().records.get(hash_, self.seen.revisions[hash_].record)

    def status(self) -> ModelDeploymentStatus:
        """The ModelDeployment's status as the decision leaves it."""
        return self.decide().status or self.seen.status

    def conditions(self) -> dict[str, Condition]:
        return {condition.type: condition for condition in self.status().conditions or ()}

    def replicas_of(self, hash_: str) -> int | None:
        """Pods that the decision asks for; None when it asks for no Deployment."""
        target = self.target_of(hash_)
        return target.replicas if target is not None else None

    def target_of(self, hash_: str) -> FleetTarget | None:
        return next((target for target in self.decide().fleets if target.hash == hash_), None)

    def then(self, *, accepted: bool = True) -> Self:
        """The world after the decision was carried out: pods are as they were, the gateway took the route."""
        decision = self.decide()
        for hash_, record in decision.records.items():
            self._revision(hash_, record=record)
        for target in decision.fleets:
            fleet = self.seen.revisions[target.hash].fleet
            self._revision(target.hash, fleet=replace(fleet, exists=True, replicas=target.replicas))
        route = self.seen.route
        if decision.weights is not None and (decision.weights, decision.beside) != (route.written, route.beside):
            weights = dict(decision.weights)
            self._set(route=Route(True, False, weights, weights if accepted else None, beside=decision.beside))
        if decision.status is not None:
            self._set(status=decision.status)
        return self._set(evidence=())


def a_rollout() -> ARollout:
    """Release 2 was declared beside release 1, which is stable."""
    return ARollout()
