"""Revisions with evidence as a rollout leaves it behind: folded and judged by the judge itself."""

from __future__ import annotations

import random
from datetime import timedelta
from functools import cache
from typing import Any

from unit.cli.builders import NOW, Object, a_release, a_revision, a_shop, a_spec, hash_of, stable_revision

from slipway.analysis import (
    ArmCounts,
    Gates,
    Histogram,
    Judgement,
    LatencyEvidence,
    PairedBatch,
    PairedEvidence,
    RatioEvidence,
    SingleEvidence,
)
from slipway.api import MetricStatus, format_time
from slipway.cli.picture import Picture, Tried
from slipway.release import gates_hash
from slipway.rollout.history import followed, silent

BEGUN = NOW - timedelta(minutes=30)
TEN = timedelta(seconds=10)

ANALYSIS = {
    "interval": "10s",
    "metrics": [{"name": "errors", "gateway": {}, "comparison": {"margin": 0.005}}],
}
LINEAGE = {
    "dataset": {"uri": "s3://data/fraud", "version": "2026-05", "digest": f"sha256:{'d' * 64}"},
    "code": {"repository": "git@git.example:ml/fraud.git", "commit": "3f786850e387550fdab836ed7e6dc881de23001b"},
    "trainingRun": {"id": "run-71"},
}
PIPELINE = {"name": "fraud-features", "version": "14", "digest": f"sha256:{'f' * 64}"}


def a_metric(name: str, *looks: Judgement | None, begin: Any = BEGUN, every: timedelta = TEN, **more: Any) -> Object:
    """A metric's status after these looks; None is a look at which the source did not answer."""
    status = MetricStatus(name=name, verdict="NoData", message="no evidence yet")
    for index, judgement in enumerate(looks):
        now = begin + index * every
        if judgement is None:
            said: dict[str, Any] = {"verdict": "Error", "message": "connection refused", **silent(status, now)}
        else:
            said = {"verdict": judgement.verdict, "message": judgement.message, **followed(status, judgement, now)}
        status = status.model_copy(update=said | {"looked_at": now})
    return status.model_dump(mode="json", by_alias=True, exclude_none=True) | more


COUNTRIES = [
    ("de", 412, 0.951, 0.944, "Pass"),
    ("fr", 340, 0.938, 0.935, "Continue"),
    ("pt", 210, 0.871, 0.924, "Continue"),
    ("lu", 12, 1.0, 1.0, "NoData"),
]


@cache
def errors(
    *, looks: int = 90, rate: float = 0.012, seed: int = 1, silent_at: int | None = None
) -> list[Judgement | None]:
    """Requests at 10 % of 20 a second, of which the candidate fails on so many."""
    drawn, out = random.Random(seed), []
    evidence = RatioEvidence.begin(Gates(comparison_margin=0.005, fail_alpha=1 / 300), steps=3)
    for index in range(looks):
        candidate = ArmCounts(sum(drawn.random() < rate for _ in range(20)), 20)
        stable = ArmCounts(sum(drawn.random() < 0.01 for _ in range(180)), 180)
        evidence = evidence.fold(candidate, stable, seconds=10)
        lost = silent_at is not None and silent_at <= index < silent_at + 6
        out.append(None if lost else evidence.judge())
    return out


@cache
def accuracy(*, batches: int = 8, lost: int = 1) -> list[Judgement]:
    """A golden set of 1024 items on both arms."""
    evidence, out = PairedEvidence.begin(Gates(non_inferiority_margin=0.02, min_samples=1), size=1024), []
    for _ in range(batches):
        evidence = evidence.fold(PairedBatch(lost, 1, 118, 128 - 119 - lost))
        out.append(evidence.judge())
    return out


@cache
def latency(*, looks: int = 60) -> list[Judgement]:
    """Requests that take as long as before."""
    bounds = (0.01, 0.05, 0.1, 0.5)
    past = Histogram(bounds, (600, 340, 50, 9, 1))
    evidence, out = LatencyEvidence.begin(Gates(comparison_margin=0.01), steps=3, past=past), []
    for _ in range(looks):
        evidence = evidence.fold(Histogram(evidence.edges, (12, 7, 1, 0)), Histogram(evidence.edges, (110, 60, 9, 1)))
        out.append(evidence.judge())
    return out


@cache
def alone(*, batches: int = 6) -> list[Judgement]:
    """A golden set of 600 items on a first release."""
    evidence, out = SingleEvidence.begin(Gates(threshold_min=0.85, min_samples=1), size=600), []
    for _ in range(batches):
        evidence = evidence.fold(93, 7, 0)
        out.append(evidence.judge())
    return out


def groups(*told: tuple[str, int, float | None, float | None, str]) -> list[Object]:
    """Groups of a golden set by country: size, accuracy of candidate and stable, and verdict."""
    return [
        {
            "slice": "country",
            "group": group,
            "size": size,
            "items": size,
            "verdict": verdict,
            "state": [],
            **({"candidate": candidate} if candidate is not None else {}),
            **({"stable": stable} if stable is not None else {}),
        }
        for group, size, candidate, stable, verdict in told
    ]


def entries(*told: tuple[float, str, str, str]) -> list[Object]:
    """A timeline: seconds after the beginning, phase, reason and message."""
    return [
        {"time": format_time(BEGUN + timedelta(seconds=after)), "phase": phase, "reason": reason, "message": message}
        for after, phase, reason, message in told
    ]


def weights(*asked: tuple[float, float]) -> list[Object]:
    """Weights that were asked for: seconds after the beginning, percent."""
    return [{"time": format_time(BEGUN + timedelta(seconds=after)), "weight": weight} for after, weight in asked]


PROMOTED = entries(
    (0, "Pending", "RevisionCreated", "release v2 was declared"),
    (1, "Starting", "CandidateStarting", "release v2 is being brought up; nothing is routed to it"),
    (40, "Evaluating", "CandidateEvaluating", "2 of 2 pods are ready and the model answers"),
    (70, "Stepping", "StepStarted", "accuracy: Pass; release v2 goes to 10%"),
    (400, "Stepping", "StepApproved", "a person approved what follows step 1 of release v2"),
    (410, "Stepping", "StepStarted", "errors: Pass; release v2 goes to 50%"),
    (900, "Promoting", "CandidatePromoting", "release v2 passed every gate"),
    (960, "Stable", "CandidatePromoted", "release v2 takes all traffic and is the stable release"),
)
HAULED_BACK = entries(
    (0, "Pending", "RevisionCreated", "release v2 was declared"),
    (1, "Starting", "CandidateStarting", "release v2 is being brought up; nothing is routed to it"),
    (40, "Evaluating", "CandidateEvaluating", "2 of 2 pods are ready and the model answers"),
    (70, "Stepping", "StepStarted", "accuracy: Pass; release v2 goes to 10%"),
    (420, "RollingBack", "AnalysisFailed", "errors: Fail n=700/6300, diff=+4.10pp (margin 0.50pp)"),
    (425, "RolledBack", "RolledBack", "the gateway routes nothing to release v2 any more"),
)


def a_tried(
    phase: str = "Stable", *, release: Object | None = None, spec: Object | None = None, **record: Any
) -> tuple[Picture, Tried]:
    """The picture and the revision of release v2, which was promoted unless a test says otherwise."""
    made = {"lineage": LINEAGE, "featurePipeline": PIPELINE} if release is None else release
    spec = a_spec("v2", analysis=ANALYSIS) if spec is None else spec
    told = {
        "timeline": PROMOTED,
        "weights": weights((70, 10), (410, 50), (900, 100)),
        "weight": 100.0,
        "gates": record["gates"] if "gates" in record else gates_hash(spec),
        "baseline": hash_of("v1"),
        "reason": "CandidatePromoted",
        "message": "release v2 takes all traffic and is the stable release",
        "metrics": [
            a_metric(
                "accuracy",
                *accuracy(),
                begin=BEGUN + timedelta(seconds=41),
                every=timedelta(seconds=3),
                dataset=f"sha256:{'e' * 64}",
                slices=groups(*COUNTRIES),
            ),
            a_metric("errors", *errors(), begin=BEGUN + timedelta(seconds=80)),
            a_metric("latency", *latency(), begin=BEGUN + timedelta(seconds=80)),
        ],
    }
    revision = a_revision("v2", phase, release=a_release("v2", **made), **(told | record))
    picture = a_shop(stable_revision(), revision, spec=spec)
    tried = next(found for found in picture.revisions.values() if found.version != "v1")
    return picture, tried
