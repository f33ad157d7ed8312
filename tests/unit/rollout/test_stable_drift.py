"""The watch over the stable release between rollouts: what it records, what it decides, and what it never does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.rollout.builders import MINUTE, NOW, V1, V2, ARollout, a_rollout

from slipway.api import BinCounts, DriftSignalStatus, ModelRevisionStatus, Phase
from slipway.rollout import (
    GOLDEN_ID,
    DistributionWindow,
    DriftLook,
    GoldenBatch,
    SignalFailure,
    SignalId,
    decide,
    drift_plan,
    roles,
)

HOUR = timedelta(hours=1)
AMOUNT = SignalId("Feature", "amount")
LABEL = SignalId("Prediction", "label")
BINS = ("10", "20", "30", "+Inf")
AS_EVER = (250, 250, 250, 250)
ELSEWHERE = (50, 100, 250, 600)


def watched(**drift: Any) -> ARollout:
    """A feature with a reference of 1000 requests, decided on 500, looked at every hour."""
    amount = {"name": "amount", "pods": {"histogram": "feature_amount"}}
    spec = {"features": [amount], "reference": {"minSamples": 1000, "minDuration": "0s"}}
    return a_rollout().at_rest(**spec | drift)


def looked(
    rollout: ARollout, counts: Sequence[int] | None, *, id_: SignalId = AMOUNT, bins: Sequence[str] = BINS
) -> ARollout:
    """An hour later, with a window; None begins to count."""
    known = status_of(rollout, id_)
    bins = tuple(known.bins) if known is not None and known.recorded is not None and known.bins else tuple(bins)
    window = DistributionWindow(
        id_,
        bins,
        tuple(counts) if counts is not None else None,
        (BinCounts(source="stable/a", values=[0] * len(bins)),),
    )
    return rollout.after(HOUR).having_looked(DriftLook(V1, (window,))).then()


def answered(rollout: ARollout, golden: GoldenBatch | SignalFailure) -> ARollout:
    """An hour later, with answers to a golden set."""
    return rollout.after(HOUR).having_looked(DriftLook(V1, (), golden)).then()


def a_replay(right: int, wrong: int, *, dataset: str = "data", start: int = 0, size: int | None = None) -> GoldenBatch:
    return GoldenBatch("golden-set", dataset, size or right + wrong, start, losses=wrong, wins=right)


def record_of(rollout: ARollout) -> ModelRevisionStatus:
    return rollout.seen.revisions[V1].record


def status_of(rollout: ARollout, id_: SignalId = AMOUNT) -> DriftSignalStatus | None:
    drift = record_of(rollout).drift
    return next(
        (one for one in (drift.signals if drift else None) or () if (one.kind, one.name) == (id_.kind, id_.name)), None
    )


def verdict_of(rollout: ARollout, id_: SignalId = AMOUNT) -> str:
    status = status_of(rollout, id_)
    assert status is not None
    return status.verdict


def condition(rollout: ARollout) -> tuple[str, str]:
    found = rollout.conditions()["Drifted"]
    return found.status, found.reason


def with_reference(**drift: Any) -> ARollout:
    return looked(looked(watched(**drift), None), AS_EVER)


# --- the reference ---------------------------------------------------------------------------------------------------


def test_nothing_is_watched_unless_it_is_asked_for() -> None:
    rollout = a_rollout().at_rest().then()
    assert record_of(rollout).drift is None
    assert "Drifted" not in rollout.conditions()
    assert drift_plan(rollout.seen, roles(rollout.seen)) is None


def test_the_first_requests_of_the_stable_release_are_the_reference() -> None:
    rollout = looked(watched(), None)
    assert (verdict_of(rollout), condition(rollout)) == ("Recording", ("Unknown", "DriftCollecting"))
    rollout = looked(rollout, (100, 100, 100, 100))
    status = status_of(rollout)
    assert status is not None
    assert status.message == "the reference is being recorded: 400 of 1000 requests"
    rollout = looked(rollout, (150, 150, 150, 150))
    status = status_of(rollout)
    assert status is not None
    assert status.reference == [250, 250, 250, 250]
    assert (status.verdict, status.recorded) == ("Collecting", rollout.seen.now)


def test_a_series_that_nobody_shows_is_told() -> None:
    status = status_of(looked(looked(watched(), None, bins=()), (), bins=()))
    assert status is not None
    assert status.verdict == "Recording"
    assert "no pod shows a series of it yet" in status.message


def test_a_reference_lasts_for_its_least_duration_too() -> None:
    rollout = watched(reference={"minSamples": 100, "minDuration": "150m"})
    rollout = looked(looked(rollout, None), (50, 50, 50, 50))
    assert verdict_of(rollout) == "Recording"
    status = status_of(rollout)
    assert status is not None
    assert "not before" in status.message
    assert verdict_of(looked(looked(rollout, AS_EVER), AS_EVER)) == "Collecting"


def test_neighbouring_buckets_are_put_together_until_each_has_its_share() -> None:
    edges = (*(str(edge) for edge in range(20, 50)), "+Inf")
    shares = [0] * 5 + [1, 2, 3] + [200] * 5 + [1] * 5 + [0] * 13
    rollout = looked(looked(watched(), None, bins=edges), shares, bins=edges)
    status = status_of(rollout)
    assert status is not None
    assert status.bins == ["24", "27", "28", "29", "30", "31", "32", "37", "+Inf"]
    assert status.reference == [0, 6, 200, 200, 200, 200, 200, 5, 0]
    assert [len(one.values) for one in status.counters or ()] == [9]


def test_a_signal_that_is_read_from_elsewhere_begins_anew() -> None:
    rollout = with_reference()
    other = {"name": "amount", "pods": {"histogram": "feature_amount_v2"}}
    spec = rollout.seen.drift.model_dump(by_alias=True, exclude_none=True) if rollout.seen.drift else {}
    rollout = rollout.at_rest(**spec | {"features": [other]})
    assert verdict_of(looked(rollout, None)) == "Recording"


def test_limits_that_change_keep_the_reference() -> None:
    rollout = with_reference()
    spec = rollout.seen.drift.model_dump(by_alias=True, exclude_none=True) if rollout.seen.drift else {}
    rollout = rollout.at_rest(**spec | {"maxIndex": 0.01, "minSamples": 50, "interval": "2h"})
    assert verdict_of(looked(looked(rollout, AS_EVER), (60, 60, 60, 90))) == "Steady"


# --- deciding --------------------------------------------------------------------------------------------------------


def test_requests_as_ever_are_steady() -> None:
    rollout = looked(with_reference(), AS_EVER)
    assert (verdict_of(rollout), condition(rollout)) == ("Steady", ("False", "NoDrift"))


def test_requests_that_went_elsewhere_are_drift_and_the_sentence_names_the_bins() -> None:
    rollout = looked(with_reference(), ELSEWHERE)
    assert condition(rollout) == ("True", "DriftFound")
    status = status_of(rollout)
    assert status is not None
    assert "(max 0.25)" in status.message
    assert "over 30 from 25.0% to 60.0%" in status.message
    assert "up to 10 from 25.0% to 5.0%" in status.message


def test_few_requests_decide_nothing_however_strange() -> None:
    rollout = looked(with_reference(), (0, 0, 0, 400))
    assert verdict_of(rollout) == "Collecting"
    assert verdict_of(looked(rollout, (0, 0, 0, 200))) == "Drifted"


def test_a_large_sample_of_a_small_change_is_steady() -> None:
    assert verdict_of(looked(with_reference(), (26_000, 25_000, 25_000, 24_000))) == "Steady"


def test_what_was_steady_for_a_year_drifts_as_soon_as_on_the_first_day() -> None:
    rollout = with_reference()
    for _ in range(20):
        rollout = looked(rollout, (25_000,) * 4)
        assert verdict_of(rollout) == "Steady"
    assert verdict_of(looked(rollout, ELSEWHERE)) == "Drifted"


def test_drift_that_ends_is_told_once_and_so_is_its_end() -> None:
    rollout = looked(looked(with_reference(), ELSEWHERE), ELSEWHERE)
    assert [entry.reason for entry in record_of(rollout).timeline or ()] == ["DriftFound"]
    rollout = looked(looked(rollout, AS_EVER), AS_EVER)
    assert [entry.reason for entry in record_of(rollout).timeline or ()] == ["DriftFound", "NoDrift"]
    assert condition(rollout) == ("False", "NoDrift")
    assert record_of(rollout).phase == Phase.STABLE


def test_drift_is_announced_as_a_warning_beside_the_condition() -> None:
    rollout = with_reference().after(HOUR)
    window = DistributionWindow(AMOUNT, BINS, ELSEWHERE, (BinCounts(source="stable/a", values=[0] * 4),))
    decision = rollout.having_looked(DriftLook(V1, (window,))).decide()
    assert [(told.type, told.reason) for told in decision.announcements] == [("Warning", "DriftFound")]
    assert decision.weights == {V1: 10_000}
    assert {target.hash: target.replicas for target in decision.fleets} == {V1: 4}


def test_a_class_that_nobody_knew_is_drift() -> None:
    spec = {"features": None, "predictions": [{"name": "label", "pods": {"counter": "predictions", "label": "class"}}]}
    classes = ("(other)", "ham", "spam")
    rollout = looked(looked(watched(**spec), None, id_=LABEL, bins=classes), (0, 700, 300), id_=LABEL, bins=classes)
    rollout = looked(rollout, (600, 280, 120), id_=LABEL)
    assert verdict_of(rollout, LABEL) == "Drifted"
    status = status_of(rollout, LABEL)
    assert status is not None
    assert "class (other) from 0.0% to 60.0%" in status.message


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(st.tuples(*[st.integers(0, 60)] * 4), min_size=1, max_size=8).filter(
        lambda parts: sum(map(sum, parts)) < 500
    ),
    final=st.sampled_from([AS_EVER, ELSEWHERE]),
    order=st.randoms(use_true_random=False),
)
def test_the_order_of_windows_and_restarts_between_them_change_no_verdict(
    parts: list[tuple[int, ...]], final: tuple[int, ...], order: Any
) -> None:
    """As long as nothing is decided; the record goes through its JSON between any two looks, as after a restart."""

    def through(windows: list[tuple[int, ...]]) -> tuple[str, str]:
        rollout = with_reference()
        for window in windows:
            rollout = looked(rollout, window)
            again = ModelRevisionStatus.model_validate_json(record_of(rollout).model_dump_json(by_alias=True))
            assert again.drift == record_of(rollout).drift
            rollout = rollout.with_record(V1, drift=again.drift)
        status = status_of(rollout)
        assert status is not None
        return status.verdict, status.message

    shuffled = list(parts)
    order.shuffle(shuffled)
    first, second = through([*parts, final]), through([*shuffled, final])
    assert first[0] == second[0]


# --- the golden set --------------------------------------------------------------------------------------------------


def with_golden(**limit: float) -> ARollout:
    golden = {"source": {"configMap": {"name": "golden", "key": "items"}}, **limit}
    return watched(features=None, goldenSet=golden)


def test_a_golden_set_is_held_against_its_least_accuracy_at_every_interval() -> None:
    rollout = answered(with_golden(min=0.85), a_replay(480, 20))
    assert (verdict_of(rollout, GOLDEN_ID), condition(rollout)) == ("Steady", ("False", "NoDrift"))
    rollout = answered(rollout, a_replay(300, 200, dataset="newer"))
    assert condition(rollout) == ("True", "DriftFound")
    assert condition(answered(rollout, a_replay(490, 10))) == ("False", "NoDrift")


def test_a_loss_is_held_against_the_first_replay_after_the_promotion() -> None:
    rollout = answered(with_golden(maxDrop=0.05), a_replay(450, 50))
    status = status_of(rollout, GOLDEN_ID)
    assert status is not None
    assert status.message == "the reference is complete: 90.00% of 500 items are right"
    assert verdict_of(answered(rollout, a_replay(448, 52)), GOLDEN_ID) == "Steady"
    assert verdict_of(answered(rollout, a_replay(350, 150, dataset="newer")), GOLDEN_ID) == "Drifted"


def test_a_replay_goes_on_where_the_last_look_ended_and_each_part_counts_once() -> None:
    part = a_replay(96, 4, size=200)
    rollout = answered(with_golden(min=0.5), part)
    plan = drift_plan(rollout.seen, roles(rollout.seen))
    assert plan is not None
    assert plan.golden is not None
    assert plan.golden.start == 100
    again = answered(rollout, part)
    assert (status_of(again, GOLDEN_ID) or part).state == (status_of(rollout, GOLDEN_ID) or part).state  # type: ignore[union-attr]
    assert verdict_of(answered(again, a_replay(96, 4, start=100, size=200)), GOLDEN_ID) == "Steady"


def test_a_set_without_a_usable_answer_is_no_evidence() -> None:
    batch = GoldenBatch("golden-set", "data", 20, 0, excluded=20)
    rollout = answered(with_golden(min=0.85), batch)
    assert condition(rollout) == ("Unknown", "DriftUnreadable")


# --- when it looks ---------------------------------------------------------------------------------------------------


def test_it_looks_at_its_interval_and_asks_to_be_woken_for_it() -> None:
    rollout = looked(watched(interval="2h"), None)
    assert drift_plan(rollout.seen, roles(rollout.seen)) is None
    assert rollout.decide().wake_after == 2 * HOUR
    later = rollout.after(2 * HOUR)
    plan = drift_plan(later.seen, roles(later.seen))
    assert plan is not None
    assert [str(one.id) for one in plan.distributions] == ["feature amount"]


def test_a_clock_that_was_set_back_does_not_put_the_next_look_off() -> None:
    rollout = looked(watched(), None).after(-30 * 24 * HOUR)
    assert drift_plan(rollout.seen, roles(rollout.seen)) is not None


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.EVALUATING, Phase.STEPPING, Phase.ROLLING_BACK])
def test_it_rests_while_a_rollout_is_under_way_and_counts_anew_after_it(phase: Phase) -> None:
    rollout = with_reference()
    trial = rollout.with_revision(V2).declaring(V2).in_phase(phase).after(HOUR)
    assert drift_plan(trial.seen, roles(trial.seen)) is None
    status = decide(trial.seen).records[V1].drift
    assert status is not None
    assert [one.counters for one in status.signals or ()] == [None]
    assert [one.reference for one in status.signals or ()] == [[250, 250, 250, 250]]


def test_it_goes_on_beside_a_release_that_was_rolled_back() -> None:
    rollout = with_reference().with_revision(V2).declaring(V2).rolled_back().after(HOUR)
    assert drift_plan(rollout.seen, roles(rollout.seen)) is not None


def test_the_next_stable_release_has_a_reference_of_its_own() -> None:
    rollout = with_reference().with_revision(V2).declaring(V2).in_phase(Phase.STABLE, phase_since=NOW + 9 * HOUR)
    plan = drift_plan(rollout.seen, roles(rollout.seen))
    assert plan is not None
    assert (plan.revision, plan.distributions[0].status.verdict) == (V2, "Recording")


# --- what cannot be read ---------------------------------------------------------------------------------------------


def test_a_source_that_fails_is_unknown_and_asked_again_soon() -> None:
    rollout = looked(with_reference(), AS_EVER).after(HOUR)
    rollout = rollout.having_looked(DriftLook(V1, (SignalFailure(AMOUNT, "no pod is ready"),))).then()
    assert condition(rollout) == ("Unknown", "DriftUnreadable")
    assert rollout.having_looked(None).decide().wake_after == MINUTE
    assert verdict_of(looked(rollout, (1, 1, 1, 1))) == "Collecting"
    assert verdict_of(looked(rollout, AS_EVER)) == "Steady"


def test_drift_that_was_found_outlasts_an_outage() -> None:
    rollout = looked(with_reference(), ELSEWHERE).after(HOUR)
    rollout = rollout.having_looked(DriftLook(V1, (SignalFailure(AMOUNT, "no pod is ready"),))).then()
    assert condition(rollout) == ("True", "DriftFound")


def test_a_reference_in_a_single_bin_is_an_error_that_says_what_to_do() -> None:
    bins = ("(other)",)
    rollout = looked(looked(looked(watched(), None, bins=bins), (1000,), bins=bins), (1000,))
    status = status_of(rollout)
    assert status is not None
    assert status.verdict == "Error"
    assert "have no distribution" in status.message


def test_a_look_at_another_release_counts_for_nothing() -> None:
    rollout = with_reference()
    window = DistributionWindow(AMOUNT, BINS, ELSEWHERE, ())
    after = rollout.after(HOUR).having_looked(DriftLook(V2, (window,))).then()
    assert status_of(after) == status_of(rollout)
