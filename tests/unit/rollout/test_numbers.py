"""Numbers that are read and not counted: for how long they are looked at, and what begins the time anew."""

from __future__ import annotations

from typing import Any

import pytest
from unit.rollout.builders import MINUTE, SECOND, V2, a_rollout, an_outage

from slipway.api import MetricSpec, Phase
from slipway.rollout import FULL, NumberReading, Step, plan, record_of


def queue(**fields: Any) -> MetricSpec:
    gate = {"threshold": {"max": 50, "for": "1m"}} if not fields.keys() & {"comparison", "nonInferiority"} else {}
    return MetricSpec.model_validate({"name": "errors", "pods": {"gauge": "queue"}} | gate | fields)


def ranked() -> MetricSpec:
    return queue(comparison={"relative": 0.2})


def reading(candidate: tuple[float, ...], stable: tuple[float, ...] = ()) -> NumberReading:
    return NumberReading("errors", candidate, stable, "" if candidate else "no number of candidate yet")


def at_step(metric: MetricSpec) -> Any:
    rollout = a_rollout().with_metrics(metric)
    return rollout.on_course(steps=(Step(1_000, MINUTE), Step(5_000, MINUTE), Step(FULL, MINUTE))).at_step(1)


def looks(rollout: Any, *readings: NumberReading, every: int = 10) -> Any:
    for one in readings:
        rollout.after(every * SECOND).with_evidence(one).then()
    return rollout


def status(rollout: Any) -> Any:
    return record_of(rollout.seen.revisions[V2].record, "errors")


HIGH, LOW = reading((70,)), reading((7,))


def test_the_worst_pod_speaks_for_the_release() -> None:
    assert "value=70 (max 50)" in status(looks(at_step(queue()), reading((3, 70, 5)))).message
    least = queue(threshold={"min": 5, "for": "1m"})
    assert "value=3 (min 5)" in status(looks(at_step(least), reading((3, 70, 5)))).message


def test_a_number_that_stays_beyond_its_limit_hauls_back_and_one_that_comes_and_goes_does_not() -> None:
    assert looks(at_step(queue()), *[HIGH] * 7).seen.revisions[V2].record.phase != Phase.STEPPING
    going = looks(at_step(queue()), *[HIGH, HIGH, HIGH, HIGH, LOW] * 4)
    assert going.seen.revisions[V2].record.phase == Phase.STEPPING


def test_the_time_of_an_outage_counts_for_neither_side() -> None:
    rollout = looks(at_step(queue()), HIGH)
    rollout.after(10 * SECOND).with_evidence(an_outage()).then()
    looks(rollout, HIGH, every=600)
    assert "beyond for 0 of 60 s" in status(rollout).message
    assert rollout.seen.revisions[V2].record.phase == Phase.STEPPING


def test_a_look_without_a_number_begins_the_time_anew_and_holds() -> None:
    rollout = looks(at_step(queue()), *[LOW] * 4, reading(()))
    assert (status(rollout).verdict, status(rollout).message) == ("NoData", "no number of candidate yet")
    assert rollout.seen.revisions[V2].record.reason == "NoData"
    assert "within for 0 of 60 s" in status(looks(rollout, LOW)).message


def test_a_new_weight_begins_the_time_anew() -> None:
    rollout = looks(at_step(queue()), *[LOW] * 7)
    assert rollout.seen.revisions[V2].record.step == 1
    rollout.at_step(2).with_record(V2, weight_observed_at=None)
    assert "within for 0 of 60 s" in status(looks(rollout, LOW)).message


def test_a_new_weight_begins_it_anew_too_where_nothing_was_read_at_that_look() -> None:
    rollout = looks(at_step(queue()), *[LOW] * 4)
    rollout.with_record(V2, weight_observed_at=None).after(SECOND).then()
    assert status(rollout).state is None


def test_pods_are_ranked_once_a_minute_and_a_worse_release_is_hauled_back() -> None:
    rollout = at_step(ranked())
    worse = reading((80, 90), (40, 41, 42))
    looks(rollout, *[worse] * 7)
    assert status(rollout).message.startswith("n=2 ")
    for _ in range(60):
        looks(rollout, worse)
    assert rollout.seen.revisions[V2].record.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK)
    assert "errors: Fail" in (rollout.seen.revisions[V2].record.message or "")


def test_pods_are_ranked_on_where_the_clock_was_set_back_meanwhile() -> None:
    worse = reading((80, 90), (40, 41, 42))
    rollout = looks(at_step(ranked()), worse).after(-60 * MINUTE)
    looks(rollout, *[worse] * 14)
    assert status(rollout).message.startswith("n=4 ")


def test_pods_that_are_worse_within_the_margin_are_shown_to_be_within_it() -> None:
    rollout = looks(at_step(ranked()), *[reading((46, 47), (40, 41, 42))] * 12, every=60)
    assert status(rollout).verdict == "Pass"


@pytest.mark.parametrize("found", [reading((1,)), reading((), (1,))])
def test_an_arm_without_a_number_compares_nothing(found: NumberReading) -> None:
    rollout = looks(at_step(ranked()), reading((1, 2), (1, 2)), found)
    assert status(rollout).verdict == "NoData"
    assert status(looks(rollout, reading((1, 2), (1, 2)), every=60)).message.startswith("n=2 ")


@pytest.mark.parametrize("number", [1, 3])
def test_pods_that_idle_are_not_compared_with_pods_that_serve(number: int) -> None:
    """At the preview of a blue-green and at the last step one release has no requests."""
    rollout = a_rollout().with_metrics(ranked())
    rollout.on_course(steps=(Step(0, MINUTE), Step(5_000, MINUTE), Step(FULL, 90 * MINUTE))).at_step(number)
    looks(rollout, *[reading((80, 90), (0, 0, 0))] * 80, every=60)
    assert status(rollout).verdict == "NoData"
    assert rollout.seen.revisions[V2].record.phase in (Phase.STEPPING, Phase.PROMOTING)


def test_what_was_shown_beside_stable_stays_shown_at_all_traffic() -> None:
    rollout = a_rollout().with_metrics(queue(nonInferiority={"relative": 0.5}))
    rollout.on_course(steps=(Step(1_000, 60 * MINUTE), Step(FULL, MINUTE))).at_step(1)
    looks(rollout, *[reading((40, 41), (40, 41, 42))] * 20, every=60)
    assert (status(rollout).verdict, rollout.seen.revisions[V2].record.phase) == ("Pass", Phase.STEPPING)
    rollout.at_step(2)
    looks(rollout, *[reading((90, 91), (0, 0, 0))] * 3, every=60)
    assert rollout.seen.revisions[V2].record.phase != Phase.STEPPING
    assert status(rollout).verdict == "Pass"


def test_a_state_that_another_version_wrote_begins_anew() -> None:
    for metric, one in ((queue(), LOW), (ranked(), reading((1, 2), (1, 2)))):
        rollout = looks(at_step(metric), *[one] * 3, every=60)
        known = status(rollout)
        rollout.with_record(V2, metrics=[known.model_copy(update={"state": known.state[1:]})])
        looks(rollout, one, every=60)
        assert status(rollout).message.startswith(("n=1 ", "value=7 (max 50), within for 0 "))


def test_a_watched_release_is_held_against_limits_and_ranked_against_nothing() -> None:
    assert plan(a_rollout().with_metrics(queue()).watching().after(MINUTE).seen, V2).counters == (queue(),)
    assert plan(a_rollout().with_metrics(ranked()).watching().after(MINUTE).seen, V2).counters == ()
