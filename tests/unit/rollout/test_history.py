"""What a record keeps of how it went: bounded, thinned with age, and the same however often a moment is looked at."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from unit.rollout.builders import (
    MINUTE,
    NOW,
    SECOND,
    V2,
    a_batch,
    a_rollout,
    a_window,
    accuracy,
    an_outage,
    errors,
)

from slipway.analysis import (
    ArmCounts,
    Gates,
    GaugeEvidence,
    PairedBatch,
    PairedEvidence,
    RatioEvidence,
    ScoreEvidence,
    ShareEvidence,
    SingleEvidence,
    SteadyEvidence,
)
from slipway.api import MAX_HISTORY, MetricPoint, MetricStatus, ModelRevisionStatus, WeightPoint
from slipway.rollout import record_of
from slipway.rollout.history import extended, followed

DAY = timedelta(days=1)


def points(count, *, every=10 * SECOND, verdict="Continue"):
    """The history after so many looks."""
    kept = []
    for index in range(count):
        kept = extended(kept, MetricPoint(time=NOW + index * every, verdict=verdict, samples=index))
    return kept


def history(rollout, name="errors"):
    status = record_of(rollout.record(), name)
    assert status is not None
    return status.history or []


def looked_at(rollout, *windows):
    for window in windows:
        rollout.after(10 * SECOND).with_evidence(window).then()
    return rollout


# --- thinning ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("looks", [1, MAX_HISTORY, MAX_HISTORY + 1, 10_000])
def test_the_first_and_the_last_look_are_kept_and_no_more_than_the_limit(looks):
    kept = points(looks)
    assert len(kept) == min(looks, MAX_HISTORY)
    assert (kept[0].samples, kept[-1].samples) == (0, looks - 1)
    assert kept == sorted(kept, key=lambda point: point.time)


def test_what_is_older_is_sparser_and_no_part_is_forgotten():
    kept = [point.samples for point in points(5_000)]
    older, newer = [s for s in kept if s < 2_500], [s for s in kept if s >= 2_500]
    assert 8 <= len(older) < len(newer)
    assert kept[-1] - kept[-2] < 30
    assert max(b - a for a, b in pairwise(kept)) < 1_000


@pytest.mark.parametrize("looks", [90, 97, 101, 108])
def test_a_change_of_the_verdict_outlasts_what_is_around_it(looks):
    kept = points(looks)
    changed = kept[-1].time + SECOND
    kept = extended(kept, MetricPoint(time=changed, verdict="Pass"))
    for index in range(3_000):
        kept = extended(kept, MetricPoint(time=changed + (index + 1) * 10 * SECOND, verdict="Pass"))
    assert next(point.time for point in kept if point.verdict == "Pass") == changed


def test_a_moment_that_is_looked_at_twice_has_one_point():
    once = points(3)
    assert extended(once, once[-1]) == once


def test_a_clock_that_was_set_back_loses_nothing():
    before = points(3)
    after = extended(before, MetricPoint(time=NOW - MINUTE, verdict="Fail"))
    assert [point.time for point in after] == [point.time for point in before]
    assert after[-1].verdict == "Fail"


# --- what a look leaves -----------------------------------------------------------------------------------------------


def test_each_window_leaves_how_the_evidence_the_estimate_and_its_bounds_stood():
    rollout = a_rollout().with_metrics(errors()).at_step(1)
    looked_at(rollout, a_window((2, 100), (3, 900)), a_window((2, 100), (5, 900)))
    first, second = history(rollout)
    assert (first.samples, second.samples) == (100, 200)
    assert second.difference == pytest.approx(4 / 200 - 8 / 1800, abs=1e-6)
    assert second.low is not None
    assert second.low < second.difference
    assert (second.harm, second.safety) != (None, None)
    assert second.allowed == errors().comparison.margin
    status = record_of(rollout.record(), "errors")
    assert status.needed.harm == pytest.approx(100)
    assert status.needed.safety == pytest.approx(20)


def test_a_golden_set_leaves_the_bounds_of_what_was_lost():
    rollout = a_rollout().with_metrics(accuracy()).evaluating()
    rollout.with_evidence(a_batch(right=60, lost=3, size=500)).then()
    (point,) = history(rollout, "accuracy")
    assert point.difference == pytest.approx(3 / 63, abs=1e-6)
    assert point.low < point.difference < point.high
    assert point.allowed == 0.05


def test_a_source_that_is_silent_breaks_the_line_once():
    rollout = a_rollout().with_metrics(errors()).at_step(1)
    looked_at(rollout, a_window((0, 100), (3, 900)), an_outage(), an_outage(), an_outage())
    assert [point.verdict for point in history(rollout)] == ["Continue", "Error"]


def test_the_weights_that_were_asked_for_are_kept_with_their_times():
    rollout = a_rollout().at_step(1)
    weights = rollout.then().record().weights
    assert weights is not None
    assert weights[-1].weight == rollout.record().weight


def test_a_weight_that_stays_is_written_once():
    rollout = a_rollout().with_metrics(errors()).at_step(1)
    looked_at(rollout, a_window((0, 100), (3, 900)), a_window((0, 100), (3, 900)), a_window((0, 100), (3, 900)))
    weights = rollout.record().weights
    assert weights is not None
    assert len({point.weight for point in weights}) == len(weights)


def test_other_evidence_begins_another_history():
    rollout = a_rollout().with_metrics(accuracy()).evaluating()
    rollout.with_evidence(a_batch(right=60, size=500)).then()
    rollout.after(SECOND).with_evidence(replace(a_batch(right=10, size=500), dataset="other")).then()
    assert [point.samples for point in history(rollout, "accuracy")] == [10]


# --- every kind of evidence has numbers to show -----------------------------------------------------------------------

COMPARED = Gates(comparison_margin=0.01)
KINDS = {
    "ratio": RatioEvidence.begin(COMPARED, steps=3).fold(ArmCounts(1, 100), ArmCounts(2, 900), seconds=10),
    "limit": RatioEvidence.begin(Gates(threshold_max=0.05), steps=3).fold(ArmCounts(1, 100), ArmCounts(0, 0)),
    "paired": PairedEvidence.begin(COMPARED, size=100).fold(PairedBatch(1, 0, 20, 3)),
    "accuracy beside stable": PairedEvidence.begin(Gates(threshold_min=0.8), size=100).fold(PairedBatch(1, 0, 20, 3)),
    "single": SingleEvidence.begin(Gates(threshold_min=0.8), size=100).fold(20, 3, 0),
    "scores": ScoreEvidence.begin(COMPARED).fold([0.1, -0.2, 0.0]),
    "gauge": GaugeEvidence.begin(Gates(comparison_relative=0.2), steps=3).fold([1.1, 1.2], [1.0, 1.05]),
    "share": ShareEvidence.begin().fold(11, 89, weight=0.1),
    "steady": SteadyEvidence.begin(maximum=10.0, duration=60.0).fold(8.0, seconds=10.0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_evidence_leaves_a_point_with_its_estimate(kind):
    judgement = KINDS[kind].judge()
    fields = followed(MetricStatus(name="m", verdict="NoData", message=""), judgement, NOW)
    (point,) = fields["history"]
    shown = [point.difference, point.rate, point.accuracy, point.relative, point.value]
    assert len([value for value in shown if value is not None]) == 1
    assert point.allowed is not None
    assert (point.harm is None) == (kind == "steady")


@pytest.mark.parametrize("kind", KINDS)
def test_an_estimate_lies_within_its_bounds(kind):
    estimate = KINDS[kind].judge().estimate
    assert estimate.low is None or estimate.low <= estimate.value
    assert estimate.high is None or estimate.value <= estimate.high


# --- size -------------------------------------------------------------------------------------------------------------


def test_sixteen_metrics_and_all_their_histories_stay_far_below_what_an_object_may_weigh():
    long = MetricPoint(
        time=NOW + timedelta(microseconds=123456),
        verdict="Continue",
        samples=10**9,
        harm=-12.34,
        safety=-12.34,
        difference=-0.123456,
        low=-0.123456,
        high=-0.123456,
        allowed=0.123456,
    )
    full = [long.model_copy(update={"time": NOW + index * SECOND}) for index in range(MAX_HISTORY)]
    record = ModelRevisionStatus(
        metrics=[MetricStatus(name=f"m{n}", verdict="Continue", message="", history=full) for n in range(16)],
        weights=[WeightPoint(time=NOW + index * SECOND, weight=12.34) for index in range(MAX_HISTORY)],
    )
    size = len(json.dumps(record.model_dump(mode="json", by_alias=True, exclude_none=True), separators=(",", ":")))
    assert size < 160_000
    one = len(full) * len(json.dumps(full[0].model_dump(mode="json", by_alias=True, exclude_none=True)))
    assert one < 12_000


def test_what_is_kept_follows_from_what_is_seen_alone():
    def run():
        rollout = a_rollout().with_metrics(errors()).at_step(1)
        looked_at(rollout, *[a_window((0, 10), (1, 90))] * 60)
        return rollout.seen.revisions[V2].record

    assert run() == run()
