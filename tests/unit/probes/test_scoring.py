"""Scores against formulas written out and against scipy, and what becomes of answers that cannot be scored."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st

from slipway.probes import HIGHER_IS_BETTER, Metric, Score, exact, match_rate, score, within
from slipway.probes.scoring import EPSILON, Pair, distribution


def labels(*pairs: tuple[Any, Any]) -> list[Pair]:
    return [((one,), None if other is None else (other,)) for one, other in pairs]


TABLE = labels((1, 1), (1, 1), (1, 0), (0, 0), (0, 1), (0, 0), (0, 0), (0, None))


def test_accuracy_counts_what_is_missing_as_wrong() -> None:
    assert score(Metric.ACCURACY, TABLE) == Score(5 / 8, 8, 1, 0)


def test_balanced_accuracy_is_the_mean_of_the_classes_recalls() -> None:
    assert score(Metric.BALANCED_ACCURACY, TABLE).value == pytest.approx((2 / 3 + 3 / 5) / 2)


def test_f1_of_a_class_and_over_classes() -> None:
    assert score(Metric.F1, TABLE, positive=1).value == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    zero = 2 * 3 / (2 * 3 + 1 + 2)
    assert score(Metric.F1, TABLE).value == pytest.approx((2 / 3 + zero) / 2)
    assert score(Metric.F1, labels((0, 0)), positive=1).value == 0, "a class that is neither there nor predicted"


def test_a_vector_of_probabilities_stands_for_its_most_likely_class() -> None:
    pairs: list[Pair] = [((2,), (0.1, 0.2, 0.7)), ((0,), (0.1, 0.2, 0.7)), ((1,), (0.4, 0.4, 0.2))]
    assert score(Metric.ACCURACY, pairs) == Score(1 / 3, 3, 1, 0), "a tie is no prediction"
    named: list[Pair] = [(("cat",), (0.9, 0.1)), (("dog",), (0.9, 0.1))]
    assert score(Metric.ACCURACY, named, classes=["cat", "dog"]).value == 0.5


def brute_confusion(pairs: list[tuple[int, int | None]]) -> np.ndarray[Any, Any]:
    table = np.zeros((4, 5))
    for wanted, given_ in pairs:
        table[wanted, 4 if given_ is None else given_] += 1
    return table


@given(st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(0, 3)), min_size=1, max_size=60))
def test_label_metrics_agree_with_the_confusion_matrix(pairs: list[tuple[int, int | None]]) -> None:
    table = brute_confusion(pairs)
    hits, is_, said = np.diag(table), table.sum(axis=1), table[:, :4].sum(axis=0)
    known, there = (is_ + said) > 0, is_ > 0
    assert score(Metric.ACCURACY, labels(*pairs)).value == pytest.approx(hits.sum() / table.sum())
    balanced = score(Metric.BALANCED_ACCURACY, labels(*pairs)).value
    assert balanced == pytest.approx((hits[there] / is_[there]).mean())
    f1 = 2 * hits[known] / (is_ + said)[known]
    assert score(Metric.F1, labels(*pairs)).value == pytest.approx(f1.mean())


def shares(size: int) -> st.SearchStrategy[tuple[float, ...]]:
    weights = st.lists(st.floats(0.001, 1), min_size=size, max_size=size)
    return weights.map(lambda found: tuple(one / math.fsum(found) for one in found))


@given(st.lists(st.tuples(st.integers(0, 2), shares(3)), min_size=1, max_size=30))
def test_log_loss_and_brier_agree_with_numpy_and_scipy(rows: list[tuple[int, tuple[float, ...]]]) -> None:
    pairs: list[Pair] = [((label,), found) for label, found in rows]
    truth = np.eye(3)[[label for label, _ in rows]]
    given_ = np.array([found for _, found in rows])
    # the relative entropy of a sure truth and a prediction is its log loss
    assert score(Metric.LOG_LOSS, pairs).value == pytest.approx(
        scipy.special.rel_entr(truth, given_).sum(axis=1).mean()
    )
    assert score(Metric.BRIER, pairs).value == pytest.approx(((given_ - truth) ** 2).sum(axis=1).mean())


def test_a_single_probability_is_that_of_class_one() -> None:
    pairs: list[Pair] = [((1,), (0.75,)), ((0,), (0.5,)), ((1,), None)]
    assert score(Metric.BRIER, pairs) == Score((0.25**2 + 0.5**2 + 1) / 3, 3, 1, 0)
    found = score(Metric.LOG_LOSS, pairs[:2]).value
    assert found == pytest.approx(-(math.log(0.75) + math.log(0.5)) / 2)


@pytest.mark.parametrize("label", [3, -1, 7, 0.5, "cat"])
def test_a_class_that_the_model_does_not_know_costs_the_most(label: Any) -> None:
    pairs: list[Pair] = [((label,), (0.2, 0.3, 0.5))]
    assert score(Metric.LOG_LOSS, pairs) == Score(-math.log(EPSILON), 1, 0, 0)
    known = score(Metric.BRIER, [((0,), (0.2, 0.3, 0.5))]).value
    unknown = score(Metric.BRIER, pairs).value
    assert unknown is not None
    assert known is not None
    assert known < 1 < unknown <= 2


@pytest.mark.parametrize("values", [(0.5, 0.2), (1.5, -0.5), ("a", "b"), (float("nan"), 1.0), (), (2.0,), (10**400, 0)])
def test_what_is_no_distribution_is_no_prediction_and_costs_the_most(values: Any) -> None:
    assert distribution(values) is None
    pairs: list[Pair] = [((0,), values), ((0,), (1.0, 0.0))]
    assert score(Metric.LOG_LOSS, pairs) == Score(-math.log(EPSILON) / 2, 2, 1, 0)
    assert score(Metric.BRIER, pairs) == Score(1.0, 2, 1, 0)


def test_probabilities_are_scaled_as_servers_round_them() -> None:
    assert distribution((0.333, 0.333, 0.333)) == pytest.approx([1 / 3] * 3)


NUMBERS = st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=30)


@given(NUMBERS)
def test_errors_agree_with_numpy(rows: list[tuple[float, float]]) -> None:
    pairs: list[Pair] = [((one,), (other,)) for one, other in rows]
    wanted, given_ = np.array(rows).T
    assert score(Metric.MAE, pairs).value == pytest.approx(np.abs(wanted - given_).mean())
    assert score(Metric.RMSE, pairs).value == pytest.approx(
        np.sqrt(((wanted - given_) ** 2).mean()), rel=1e-9, abs=1e-100
    )
    some = wanted != 0
    with np.errstate(over="ignore", divide="ignore"):
        shares_ = np.abs((wanted[some] - given_[some]) / wanted[some])
    found = score(Metric.MAPE, pairs)
    finite = shares_[np.isfinite(shares_)]
    assert (found.n, found.unscored) == (len(finite), len(rows) - len(finite))
    assert found.value is None if not len(finite) else found.value == pytest.approx(finite.mean())


@pytest.mark.parametrize("metric", [Metric.MAE, Metric.RMSE, Metric.MAPE, Metric.EMBEDDING_DISTANCE])
@pytest.mark.parametrize("given_", [None, ("1", "2"), (1.0,), (float("nan"), 1.0), (float("inf"), 1.0), (10**400, 1)])
def test_what_has_no_distance_is_counted_and_never_dropped_in_silence(metric: Metric, given_: Any) -> None:
    pairs: list[Pair] = [((1.0, 2.0), given_), ((1.0, 2.0), (1.0, 2.0))]
    found = score(metric, pairs)
    assert (found.n, found.unscored) == (1, 1)
    assert found.value == pytest.approx(0, abs=1e-12)
    assert found.unanswered == (given_ is None)


VECTOR = st.lists(st.floats(-100, 100), min_size=3, max_size=3).filter(lambda found: max(map(abs, found)) > 1e-3)


@given(VECTOR, VECTOR)
def test_cosine_distance_agrees_with_scipy(one: list[float], other: list[float]) -> None:
    found = score(Metric.EMBEDDING_DISTANCE, [(one, other)]).value
    assert found == pytest.approx(scipy.spatial.distance.cosine(one, other), abs=1e-9)


@pytest.mark.parametrize("metric", Metric)
def test_nothing_has_no_score(metric: Metric) -> None:
    assert score(metric, []) == Score(None, 0, 0, 0)
    assert match_rate([], exact) == Score(None, 0, 0, 0)


def test_a_match_rate_is_the_share_of_right_predictions() -> None:
    pairs: list[Pair] = [((1.0,), (1.05,)), ((1.0,), (1.2,)), ((1.0,), None), (("a",), ("a",))]
    assert match_rate(pairs, within(absolute=0.1)) == Score(0.5, 4, 1, 0)


ANYTHING = st.lists(st.integers() | st.floats() | st.text(max_size=3) | st.booleans(), max_size=4).map(tuple)
LABEL = st.lists(
    st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3), min_size=1, max_size=3
)


@given(st.sampled_from(Metric), st.lists(st.tuples(LABEL.map(tuple), st.none() | ANYTHING), max_size=8))
def test_any_predictions_have_a_finite_score_or_none(metric: Metric, pairs: list[Pair]) -> None:
    found = score(metric, pairs)
    assert found.n + found.unscored == len(pairs)
    assert found.value is None or math.isfinite(found.value)
    assert (found.value is None) == (found.n == 0)
    if metric in HIGHER_IS_BETTER and found.value is not None:
        assert 0 <= found.value <= 1
