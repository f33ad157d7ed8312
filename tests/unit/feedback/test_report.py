"""Reports as they come in: what is understood, and what is said of the rest."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.feedback import Report, UnreadableError, parse


def body(*items: Any) -> bytes:
    return json.dumps(list(items)).encode()


def the_report(**fields: Any) -> Report:
    reports, problems = parse(body({"requestId": "r1", "revision": "fraud-1"} | fields), lines=False)
    assert problems == []
    return reports[0][1]


def the_problem(**fields: Any) -> str:
    reports, problems = parse(body({"requestId": "r1", "revision": "fraud-1"} | fields), lines=False)
    assert reports == []
    return problems[0].message


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"outcome": "Right"}, False),
        ({"outcome": "Wrong"}, True),
        ({"prediction": "cat", "label": "cat"}, False),
        ({"prediction": 1, "label": 1.0}, False),
        ({"prediction": "cat", "label": "dog"}, True),
        ({"prediction": True, "label": False}, True),
    ],
)
def test_a_label_is_right_or_wrong(said: dict[str, Any], wrong: bool) -> None:
    assert the_report(**said) == Report("r1", "fraud-1", "Label", wrong)


def test_a_report_may_say_when_the_request_was_made() -> None:
    made = the_report(outcome="Right", time="2026-05-04T14:00:00+02:00").made
    assert made == datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "exactly one of outcome"),
        ({"outcome": "Right", "reward": 0.5}, "exactly one of outcome"),
        ({"outcome": "right"}, "outcome"),
        ({"reward": 1.5}, "reward"),
        ({"reward": "0.5"}, "reward"),
        ({"prediction": "cat"}, "prediction and label go together"),
        ({"prediction": "1", "label": 1}, "one type"),
        ({"prediction": True, "label": 1}, "one type"),
        ({"outcome": "Right", "time": "2026-05-04T14:00:00"}, "time"),
        ({"outcome": "Right", "time": "0001-01-01T00:00:00+14:00"}, "time"),
        ({"outcome": "Right", "requestId": ""}, "requestId"),
        ({"outcome": "Right", "requestId": "r" * 257}, "requestId"),
        ({"outcome": "Right", "requestId": 17}, "requestId"),
        ({"outcome": "Right", "revisions": "x"}, "revisions"),
    ],
)
def test_what_is_wrong_with_a_report_is_said_with_its_field(said: dict[str, Any], words: str) -> None:
    assert words in the_problem(**said)


def test_one_bad_line_costs_no_other() -> None:
    good = json.dumps({"requestId": "r1", "revision": "fraud-1", "outcome": "Right"})
    text = f'{good}\nnot json\n\n[1]\n{"[" * 100_000}\n{good.replace("r1", "r2")}\n{good[:-1]}, "reward": NaN}}'
    reports, problems = parse(text.encode(), lines=True)
    assert [place for place, _ in reports] == [0, 4]
    assert [problem.item for problem in problems] == [1, 2, 3, 5]


@pytest.mark.parametrize("text", [b"", b"\xff", b"{", b"[]", b"[" * 100_000, body(*[{}] * 2001)], ids=range(6))
def test_a_body_without_reports_is_refused(text: bytes) -> None:
    with pytest.raises(UnreadableError):
        parse(text, lines=False)


@given(st.binary(max_size=200), st.booleans())
def test_no_body_makes_it_stumble(text: bytes, lines: bool) -> None:
    with contextlib.suppress(UnreadableError):
        parse(text, lines=lines)


@given(st.text(min_size=1, max_size=20, alphabet=st.characters()))
def test_any_text_can_be_a_request_id(text: str) -> None:
    reports, problems = parse(body({"requestId": text, "revision": "x", "outcome": "Wrong"}), lines=False)
    assert len(reports) + len(problems) == 1
    assert all(len(report.digest()) == 8 for _, report in reports)


def test_rewards_are_counted_as_labels_with_the_same_mean() -> None:
    reports, _ = parse(body(*[_rewarded(n, 0.7) for n in range(2000)]), lines=False)
    assert {report.kind for _, report in reports} == {"Reward"}
    assert sum(report.wrong for _, report in reports) == pytest.approx(600, abs=80)


def test_a_reward_draws_the_same_again_and_the_ends_are_certain() -> None:
    def drawn(reward: float) -> list[bool]:
        return [r.wrong for _, r in parse(body(*[_rewarded(n, reward) for n in range(200)]), lines=False)[0]]

    assert drawn(0.4) == drawn(0.4)
    assert not any(drawn(1))
    assert all(drawn(0))


def _rewarded(number: int, reward: float) -> dict[str, Any]:
    return {"requestId": f"r{number}", "revision": "fraud-1", "reward": reward}


def test_a_label_and_a_reward_of_one_request_are_two_things() -> None:
    assert the_report(outcome="Right").digest() != the_report(reward=1.0).digest()
