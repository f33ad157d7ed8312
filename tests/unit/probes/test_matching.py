"""When a prediction is right."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.probes import Match, embedding_within, exact, most_likely, same_text, within
from slipway.probes.matching import cosine_distance

NEAR = within(absolute=0.1, relative=0.01)

CASES: list[tuple[Match, Any, Any, bool]] = [
    (exact, [1], (1.0,), True),
    (exact, ("a",), ["a"], True),
    (exact, (1,), ("1",), False),
    (exact, (1,), (1, 0), False),
    (exact, (1,), (), False),
    (same_text, ("New  York",), (" new york\n",), True),
    (same_text, ("Straße",), ("STRASSE",), True),
    (same_text, ("a b",), ("ab",), False),
    (same_text, (1,), ("1",), True),
    (NEAR, (1.0, 100), (1.1, 101), True),
    (NEAR, (1.0,), (1.11,), False),
    (NEAR, (100,), (101.2,), False),
    (NEAR, (1,), (1, 1), False),
    (NEAR, ("a",), ("a",), True),
    (NEAR, (1,), ("1",), False),
    (NEAR, (10**400,), (1.5,), False),
    (most_likely, (2,), (0.1, 0.2, 0.7), True),
    (most_likely, (1,), (0.1, 0.2, 0.7), False),
    (most_likely, (0,), (0.5, 0.5), False),
    (most_likely, (3,), (0.1, 0.2, 0.7), False),
    (most_likely, (-1,), (0.1, 0.2, 0.7), False),
    (most_likely, ("cat",), (0.1, 0.9), False),
    (most_likely, (0,), ("0.9", "0.1"), False),
    (most_likely, (0, 1), (0.9, 0.1), False),
    (most_likely, (0.5,), (0.9, 0.1), False),
    (most_likely, (0,), (), False),
    (embedding_within(0.01), (1, 0), (5.0, 0.1), True),
    (embedding_within(0.01), (1, 0), (1, 1), False),
    (embedding_within(2), (1, 0), (0, 0), False),
    (embedding_within(2), (1, 0), (1,), False),
    (embedding_within(2), (1, 0), ("a", "b"), False),
]


@pytest.mark.parametrize(("match", "expected", "predicted", "right"), CASES)
def test_a_prediction_is_right_or_wrong_and_never_an_error(
    match: Match, expected: Any, predicted: Any, right: bool
) -> None:
    assert match(expected, predicted) is right


@pytest.mark.parametrize(
    "limits", [{"absolute": -1}, {"relative": -0.1}, {"absolute": float("nan")}, {"relative": float("inf")}]
)
def test_a_tolerance_that_is_none_is_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="give numbers"):
        within(**limits)


@pytest.mark.parametrize("limit", [-0.1, 2.1, float("nan")])
def test_a_distance_that_is_none_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="give a number from 0 to 2"):
        embedding_within(limit)


VALUES = st.lists(st.integers() | st.floats(allow_nan=False) | st.text(max_size=3) | st.booleans(), max_size=4)


@given(st.sampled_from([exact, same_text, NEAR, most_likely, embedding_within(0.5)]), VALUES, VALUES)
def test_any_two_predictions_match_or_do_not(match: Match, one: list[Any], other: list[Any]) -> None:
    assert match(one, other) in (True, False)


@given(VALUES)
def test_no_distance_is_outside_of_its_range(values: list[Any]) -> None:
    found = cosine_distance(values, values)
    assert found is None or 0 <= found < 1e-9
