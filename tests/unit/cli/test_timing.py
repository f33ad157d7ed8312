"""What a clock can tell: ages, the end of a step, of all steps, of a deadline."""

from datetime import timedelta
from typing import Any

import pytest
from unit.cli.builders import MINUTE, NOW, SECOND, a_revision, a_shop, a_spec, ago, hash_of, stepping_revision

from slipway.cli.timing import age, expected, rounded


def sentences(revision: dict, spec: dict | None = None) -> list[str]:
    picture = a_shop(revision, spec=spec)
    record = picture.revisions[hash_of("v2")].record
    return [coming.sentence(NOW) for coming in expected(picture.spec, record, NOW)]


def test_a_step_ends_after_its_time_and_promotion_follows_those_that_are_left() -> None:
    assert sentences(stepping_revision()) == [
        "in 1m30s at the earliest: the step is over",
        "in 6m30s at the earliest: it is promoted",
        "in 29m30s: no more time for a verdict, and analysis.onInconclusive follows",
    ]


def test_steps_written_in_short_count_too() -> None:
    linear = {"from": 10, "to": 50, "by": 20, "every": "1m"}
    spec = a_spec(strategy={"canary": {"steps": None, "linear": linear}})
    assert "in 1m30s at the earliest: it is promoted" in sentences(stepping_revision(), spec)


def test_nothing_is_promised_before_the_gateway_has_taken_the_weight() -> None:
    assert sentences(stepping_revision(weightObservedAt=None)) == []


def test_what_is_over_is_not_told() -> None:
    late = ago(3 * MINUTE)
    assert sentences(stepping_revision(phaseSince=late, weightObservedAt=late)) == [
        "in 4m at the earliest: it is promoted",
        "in 27m: no more time for a verdict, and analysis.onInconclusive follows",
    ]


@pytest.mark.parametrize(
    ("phase", "spec", "told"),
    [
        ("Starting", {}, "in 9m: it is hauled back unless it is up"),
        (
            "Evaluating",
            {"analysis": {"maxDuration": "5m"}},
            "in 4m: no more time for a verdict, and analysis.onInconclusive follows",
        ),
        ("Watching", {"rollback": {"watch": "1h"}}, "in 59m: the watch is over, and the old release may go"),
    ],
)
def test_other_phases_have_their_own_clock(phase: str, spec: dict[str, Any], told: str) -> None:
    assert sentences(a_revision("v2", phase, phaseSince=ago(MINUTE)), a_spec(**spec)) == [told]


def test_phases_that_no_clock_ends_promise_nothing() -> None:
    assert sentences(a_revision("v2", "Promoting")) == []


def test_a_specification_that_cannot_be_read_promises_nothing() -> None:
    assert sentences(stepping_revision(), a_spec(strategy={"canary": None})) == []


def test_a_shadow_stage_counts_its_own_time_and_all_steps() -> None:
    spec = a_spec(strategy={"canary": {"shadow": {"minDuration": "2m"}}})
    revision = a_revision("v2", "Shadowing", weightObservedAt=ago(MINUTE))
    assert sentences(revision, spec)[:2] == [
        "in 1m at the earliest: the shadow stage is over",
        "in 9m at the earliest: it is promoted",
    ]


@pytest.mark.parametrize(("held", "paused"), [({"paused": True}, None), ({}, True)])
def test_while_a_person_holds_it_no_end_is_promised_and_the_time_for_a_verdict_runs(
    held: dict[str, bool], paused: bool | None
) -> None:
    assert sentences(stepping_revision(paused=paused), a_spec(**held)) == [
        "in 29m30s: no more time for a verdict, and analysis.onInconclusive follows"
    ]


def test_a_course_that_was_changed_to_one_without_steps_promises_no_step() -> None:
    spec = a_spec(strategy={"canary": None, "shadow": {}})
    assert [told for told in sentences(stepping_revision(), spec) if "step" in told] == []


@pytest.mark.parametrize(
    ("span", "text"),
    [(SECOND, "1s"), (119 * SECOND, "119s"), (2 * MINUTE, "2m"), (180 * MINUTE, "3h"), (timedelta(days=3), "3d")],
)
def test_an_age_has_one_unit(span: timedelta, text: str) -> None:
    assert age(NOW - span, NOW) == text


def test_an_age_that_is_not_known_or_to_come_is_told_as_such() -> None:
    assert age(None, NOW) == "-"
    assert age(NOW + MINUTE, NOW) == "0s"


def test_hours_are_told_without_seconds() -> None:
    assert rounded(timedelta(hours=2, seconds=61)) == "2h1m"
    assert rounded(-MINUTE) == "0s"
