"""What a Job left as its result: only whole and sensible counts are taken, and all else is told."""

from __future__ import annotations

import pytest

from slipway.controller.evaluation import MAX_BYTES, GoldenResult, ResultError, read_result


def read(text: str) -> GoldenResult:
    return read_result(text, GoldenResult)


PAIRS = '"losses": 1, "wins": 2, "tiesRight": 3, "tiesWrong": 4'


def test_counts_in_pairs_and_of_one_arm_are_read() -> None:
    found = read(f'{{"dataset": "sha256:1", {PAIRS}, "excluded": 5}}')
    assert (found.paired, found.items) == (True, 15)
    alone = read('{"dataset": "sha256:1", "right": 7, "wrong": 1}')
    assert (alone.paired, alone.items) == (False, 8)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "left no result"),
        ("done!", "no JSON"),
        ("<html>", "no JSON"),
        ('{"dataset": "d", "right": NaN, "wrong": 1}', "NaN is no number"),
        ('{"dataset": "d", "right": Infinity, "wrong": 1}', "Infinity is no number"),
        ('{"dataset": "d", "right": 1e400, "wrong": 1}', "right"),
        ('{"dataset": "d", "right": -1, "wrong": 1}', "right: Input should be greater than or equal to 0"),
        ('{"dataset": "d", "right": 1.5, "wrong": 1}', "right: Input should be a valid integer"),
        ('{"dataset": "d", "right": true, "wrong": 1}', "right: Input should be a valid integer"),
        ('{"dataset": "d", "right": "1", "wrong": 1}', "right: Input should be a valid integer"),
        ('{"dataset": "d", "right": 1}', "right and wrong"),
        (f'{{"dataset": "d", "right": 1, "wrong": 1, {PAIRS}}}', "right and wrong"),
        ('{"dataset": "d", "losses": 1, "wins": 2}', "losses, wins, tiesRight and tiesWrong"),
        ('{"dataset": "d", "right": 1, "wrong": 1, "bda": 2}', "bda: Extra inputs"),
        ('{"right": 1, "wrong": 1}', "dataset: Field required"),
        ("[1, 2]", "valid dictionary"),
        ("[" * 3000, "no JSON"),
        ("x" * MAX_BYTES, "was cut off"),
    ],
)
def test_what_is_no_result_is_refused_with_the_reason(text: str, problem: str) -> None:
    with pytest.raises(ResultError, match=problem):
        read(text)


def test_a_result_fits_a_termination_message_with_as_many_examples_as_there_is_room_for() -> None:
    long = GoldenResult(dataset="d", right=1, wrong=4, examples=["é" * 500] * 5, left_out="x" * 500)
    text = long.text()
    assert len(text.encode()) < MAX_BYTES
    again = read(text)
    assert (again.wrong, len(again.examples)) == (4, 3)


def test_groups_that_leave_no_room_are_told_of_rather_than_cut_off() -> None:
    groups = {"city": {f"{number:064}": [1, 0, 0, 0, 0] for number in range(64)}}
    with pytest.raises(ResultError, match="name fewer slices"):
        GoldenResult(dataset="d", losses=64, wins=0, ties_right=0, ties_wrong=0, groups=groups).text()
