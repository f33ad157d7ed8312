"""Whether two arms answered alike."""

from __future__ import annotations

from slipway.probes import Asked, GoldenItem, Outcome, Prediction, Scalar, agreement, exact, within


def asked(name: str, stable: Scalar | None, candidate: Scalar | None) -> Asked:
    arms = [Prediction(None, "timed out") if one is None else Prediction((one,)) for one in (stable, candidate)]
    return Asked(GoldenItem(name, [], ()), Outcome.TIE_WRONG, arms[1], arms[0])


def test_answers_are_compared_with_each_other_and_not_with_a_label() -> None:
    found = agreement([asked("a", 1, 1), asked("b", 1, 0), asked("c", "x", "x")], exact)
    assert (found.alike, found.otherwise, found.excluded) == (2, 1, 0)
    assert found.examples == ("b: stable answered [1], candidate answered [0]",)


def test_an_answer_that_only_stable_gave_differs_and_one_that_it_did_not_give_says_nothing() -> None:
    found = agreement([asked("a", 1, None), asked("b", None, 1), asked("c", None, None)], exact)
    assert (found.alike, found.otherwise, found.excluded) == (0, 1, 2)
    assert found.examples == ("a: stable answered [1], candidate timed out",)


def test_what_is_the_same_is_for_the_match_to_say() -> None:
    pair = [asked("a", 100.0, 104.0)]
    assert agreement(pair, exact).otherwise == 1
    assert agreement(pair, within(relative=0.05)).alike == 1
