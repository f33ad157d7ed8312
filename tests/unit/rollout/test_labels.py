"""Labels that come late: windows of requests wait for them, before and after the promotion."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from unit.rollout.builders import MINUTE, NOW, V1, V2, ARollout, a_rollout

from slipway.analysis import Verdict
from slipway.api import MetricSpec, MetricStatus, ModelRevisionStatus, Phase
from slipway.rollout import FULL, LabelWindow, Matured, Reported, Step, plan, windows_due
from slipway.rollout.labels import feedback_evidence, window_length

MATURITY = timedelta(hours=1)


def labels(**gates: Any) -> MetricSpec:
    """Labels within an hour; the candidate may not be wrong 2 points more often than stable."""
    spec = {"name": "labels", "feedback": {"maturity": "1h"}}
    return MetricSpec.model_validate(spec | (gates or {"comparison": {"margin": 0.02}}))


def status_of(rollout: ARollout, hash_: str = V2) -> MetricStatus:
    found = rollout.seen.revisions[hash_].record.metrics
    assert found
    return found[0]


def look(
    rollout: ARollout,
    requests: tuple[int, int] | None,
    *,
    candidate: tuple[int, int] = (0, 0),
    stable: tuple[int, int] = (0, 0),
) -> ARollout:
    """One look: requests since the last one, and what has been reported on each window that is mature by now."""
    known = rollout.seen.revisions[V2].record.metrics
    due = windows_due(known[0] if known else None, rollout.seen.now)
    matured = tuple(Matured(start, end, Reported(*candidate), Reported(*stable)) for start, end in due)
    ours, theirs = requests if requests is not None else (None, None)
    return rollout.with_evidence(LabelWindow("labels", ours, theirs, (), matured)).then()


def half_way(*, step: timedelta = 10 * MATURITY, **gates: Any) -> ARollout:
    """At half of the traffic for so long, seen to be in force, and looked at once."""
    steps = (Step(FULL // 2, step), Step(FULL))
    return look(a_rollout().with_metrics(labels(**gates)).on_course(steps=steps).at_step(1), None)


def test_windows_are_short_against_the_time_that_labels_take() -> None:
    for hours in (0.0003, 0.01, 0.3, 1, 24, 720):
        maturity = timedelta(hours=hours)
        length = window_length(maturity)
        assert length == 1 or 64 <= maturity.total_seconds() / length < 128


def test_no_label_counts_before_its_window_is_mature() -> None:
    rollout = half_way()
    for _ in range(59):
        rollout = look(rollout.after(MINUTE), (200, 200), candidate=(1, 1), stable=(1, 0))
        assert status_of(rollout).verdict == Verdict.NO_DATA
    assert "awaited" in status_of(rollout).message
    assert len(feedback_evidence(status_of(rollout)).windows) == 60


def test_each_window_is_counted_once_when_its_time_has_come() -> None:
    rollout = half_way()
    for _ in range(60):
        rollout = look(rollout.after(MINUTE), (200, 200))
    for count in range(1, 4):
        rollout = look(rollout.after(MINUTE), (200, 200), candidate=(190, 5), stable=(190, 5))
        outcomes = feedback_evidence(status_of(rollout)).labels.outcomes
        assert (outcomes.candidate.total, outcomes.candidate.bad) == (190 * count, 5 * count)
        assert len(feedback_evidence(status_of(rollout)).windows) == 61


def test_after_an_outage_every_window_that_became_mature_meanwhile_is_counted() -> None:
    rollout = half_way()
    for _ in range(10):
        rollout = look(rollout.after(MINUTE), (200, 200))
    rollout = look(rollout.after(3 * MATURITY), (9000, 9000), candidate=(100, 1), stable=(100, 1))
    outcomes = feedback_evidence(status_of(rollout)).labels.outcomes
    assert outcomes.candidate.total == 100 * 10  # the long one ends now, and has to wait


def test_a_guard_on_labels_keeps_no_step_waiting() -> None:
    rollout = half_way(step=MINUTE).after(2 * MINUTE)
    assert look(rollout, (200, 200)).seen.revisions[V2].record.step == 1


def test_a_proof_on_labels_is_waited_for() -> None:
    rollout = half_way(step=MINUTE, nonInferiority={"margin": 0.02})
    for _ in range(50):
        rollout = look(rollout.after(MINUTE), (200, 200))
        assert rollout.seen.revisions[V2].record.step == 0


def watched(*, minutes: int = 30) -> ARollout:
    """Promoted a moment ago; before that both releases took requests for so many minutes."""
    rollout = half_way()
    for _ in range(minutes):
        rollout = look(rollout.after(MINUTE), (200, 200))
    metrics = rollout.seen.revisions[V2].record.metrics
    now = rollout.seen.now
    rollout = a_rollout().with_metrics(labels()).watching().after(now - NOW).with_rollback(watch=3 * MATURITY)
    return rollout.with_record(metrics=metrics, phase_since=now, gates=rollout.seen.gates)


def go_on(rollout: ARollout, minutes: int, **reported: tuple[int, int]) -> ARollout:
    for _ in range(minutes):
        if rollout.seen.revisions[V2].record.phase != Phase.WATCHING:
            break
        rollout = look(rollout.after(MINUTE), (400, 0), **reported)
    return rollout


def test_labels_of_before_the_promotion_haul_back_after_it() -> None:
    rollout = go_on(watched(), 29, candidate=(180, 90), stable=(180, 9))
    assert rollout.seen.revisions[V2].record.phase == Phase.WATCHING  # no window is an hour old
    rollout = go_on(rollout, 30, candidate=(180, 90), stable=(180, 9))
    assert rollout.seen.revisions[V2].record.phase == Phase.ROLLING_BACK
    assert rollout.seen.revisions[V1].record.phase == Phase.STABLE
    assert "labels cover 90.00%/90.00%" in rollout.seen.revisions[V2].record.message
    assert rollout.seen.route.written == {V1: FULL}


def test_labels_of_a_good_release_haul_nothing_back() -> None:
    rollout = go_on(watched(), 170, candidate=(180, 9), stable=(180, 9))
    assert rollout.seen.revisions[V2].record.phase == Phase.WATCHING
    assert status_of(rollout).verdict != Verdict.FAIL


def test_windows_of_before_the_promotion_are_compared_and_those_of_after_are_held_against_the_ceiling() -> None:
    rollout = go_on(watched(), 60, candidate=(180, 9), stable=(180, 9))
    evidence = feedback_evidence(status_of(rollout)).labels.outcomes
    assert evidence.watched is None
    assert evidence.compared == (180 * 30, 180 * 30)
    rollout = go_on(rollout, 30, candidate=(360, 18))
    evidence = feedback_evidence(status_of(rollout)).labels.outcomes
    assert evidence.watched is not None
    assert evidence.compared == (180 * 30, 180 * 30)
    rollout = go_on(rollout, 60, candidate=(360, 180))
    assert rollout.seen.revisions[V2].record.phase == Phase.ROLLING_BACK


def test_labels_that_cover_the_arms_differently_haul_nothing_back() -> None:
    rollout = go_on(watched(), 60, candidate=(60, 60), stable=(180, 9))
    assert status_of(rollout).verdict == Verdict.NO_DATA
    assert "not to be compared" in status_of(rollout).message


def test_the_evidence_survives_a_restart() -> None:
    evidence = feedback_evidence(status_of(go_on(watched(), 62, candidate=(180, 9), stable=(180, 9))))
    assert type(evidence).from_vectors(evidence.to_vectors()) == evidence


@pytest.mark.parametrize(
    "vectors",
    [
        {"windows.start": (1.0, 2.0)},
        {"windows.start": (2.0, 1.0), "windows.candidate": (0.0, 0.0), "windows.stable": (0.0, 0.0)},
        {"windows.start": (1.5,), "windows.candidate": (0.0,), "windows.stable": (0.0,)},
        {"windows.start": (1.0,), "windows.candidate": (-1.0,), "windows.stable": (0.0,)},
    ],
)
def test_evidence_that_was_tampered_with_begins_anew(vectors: dict[str, tuple[float, ...]]) -> None:
    good = status_of(half_way())
    known = {vector.name: vector for vector in good.state or ()}
    changed = [
        vector.model_copy(update={"values": list(vectors.get(name, vector.values))}) for name, vector in known.items()
    ]
    assert feedback_evidence(good) is not None
    assert feedback_evidence(good.model_copy(update={"state": changed})) is None


def test_the_record_never_has_more_windows_than_it_has_room_for() -> None:
    rollout = half_way()
    for _ in range(400):
        status = status_of(rollout)
        rollout = rollout.after(timedelta(seconds=33))
        rollout = rollout.with_evidence(LabelWindow("labels", 1, 1, (), ())).then()  # reports are never read
    assert len(feedback_evidence(status_of(rollout)).windows) <= 250
    assert ModelRevisionStatus.model_validate(rollout.seen.revisions[V2].record.model_dump(by_alias=True))
    assert status.name == "labels"


def test_copied_requests_have_no_labels() -> None:
    rollout = half_way()
    record = replace(
        rollout.seen.revisions[V2],
        record=rollout.seen.revisions[V2].record.model_copy(update={"phase": Phase.SHADOWING}),
    )
    seen = replace(rollout.seen, revisions={**rollout.seen.revisions, V2: record}, now=rollout.seen.now + MINUTE)
    assert plan(seen, V2).counters == ()
