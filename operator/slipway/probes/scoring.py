"""How good many predictions are together. Pure, standard library only.

No item is lost on the way: what was not answered, or was answered with something that the metric cannot take, gets the
worst value there is, and where there is no worst value, as for an absolute error, it is counted as `unscored`. A gate
that looks at the value alone would pass a model that only answers what it is sure of.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from slipway.probes.matching import Match, cosine_distance
from slipway.probes.protocol import Scalar

EPSILON: Final = 1e-15
"""Least probability that log loss reckons with: a class that was called impossible costs 34.5 and not infinity."""

SUM_TOLERANCE: Final = 1e-2
"""How far from 1 probabilities may add up, as servers round them; they are scaled to 1."""

Values = Sequence[Scalar]
Pair = tuple[Values, Values | None]
"""What was expected and what was predicted; None where nothing was."""


class Metric(StrEnum):
    """What is computed."""

    ACCURACY = "accuracy"
    BALANCED_ACCURACY = "balancedAccuracy"
    F1 = "f1"
    LOG_LOSS = "logLoss"
    BRIER = "brier"
    MAE = "mae"
    RMSE = "rmse"
    MAPE = "mape"
    EMBEDDING_DISTANCE = "embeddingDistance"


HIGHER_IS_BETTER: Final = frozenset({Metric.ACCURACY, Metric.BALANCED_ACCURACY, Metric.F1})
"""The metrics of which more is better; of the others less is."""


@dataclass(frozen=True, slots=True)
class Score:
    """A metric over a set of items."""

    value: float | None
    """None where no item could be scored."""
    n: int
    """Items that the value is about, those with the worst value included."""
    unanswered: int
    """Items without a prediction that can be used, whether they are in `n` or not."""
    unscored: int
    """Items that are not in `n`, as there is no value for them."""


def score(
    metric: Metric, pairs: Sequence[Pair], *, classes: Sequence[Scalar] | None = None, positive: Scalar | None = None
) -> Score:
    """A metric over pairs of expected and predicted values.

    `classes` are the labels that a vector of probabilities is about, in its order; without them labels are numbers
    from 0 on. With them, or without, a vector stands for its most likely class where labels are asked for. `positive`
    is the class of which F1 is reported; without it F1 is the mean over classes.
    """
    if metric in (Metric.ACCURACY, Metric.BALANCED_ACCURACY, Metric.F1):
        return _labels(metric, pairs, classes, positive)
    if metric in (Metric.LOG_LOSS, Metric.BRIER):
        return _probabilities(metric, pairs, classes)
    return _distances(metric, pairs)


def match_rate(pairs: Sequence[Pair], match: Match) -> Score:
    """The share of predictions that are right by a match: exact, within a tolerance, or any other."""
    right = sum(predicted is not None and match(expected, predicted) for expected, predicted in pairs)
    unanswered = sum(predicted is None for _, predicted in pairs)
    return Score(right / len(pairs) if pairs else None, len(pairs), unanswered, 0)


# --- labels ----------------------------------------------------------------------------------------------------------


def _labels(metric: Metric, pairs: Sequence[Pair], classes: Sequence[Scalar] | None, positive: Scalar | None) -> Score:
    """What was not answered is wrong: it is no class's prediction, and one of its own class that was missed."""
    if not pairs:
        return Score(None, 0, 0, 0)
    wanted = [tuple(expected) for expected, _ in pairs]
    given = [None if predicted is None else label_of(expected, predicted, classes) for expected, predicted in pairs]
    hits = Counter(one for one, other in zip(wanted, given, strict=True) if one == other)
    is_, said = Counter(wanted), Counter(one for one in given if one is not None)
    if metric is Metric.ACCURACY:
        value = sum(hits.values()) / len(pairs)
    elif metric is Metric.BALANCED_ACCURACY:
        value = math.fsum(hits[one] / count for one, count in is_.items()) / len(is_)
    else:
        known = {(positive,)} if positive is not None else is_.keys() | said.keys()
        value = math.fsum(2 * hits[one] / max(1, is_[one] + said[one]) for one in known) / len(known)
    return Score(value, len(pairs), sum(one is None for one in given), 0)


def label_of(expected: Values, values: Values, classes: Sequence[Scalar] | None = None) -> tuple[Scalar, ...] | None:
    """The label that values stand for: themselves, or the most likely class where one is asked for and a vector was
    given. None for a tie or a vector of anything but numbers."""
    if len(values) == 1 or len(expected) != 1:
        return tuple(values)
    numbers = _numbers(values)
    if numbers is None or numbers.count(max(numbers)) > 1:
        return None
    index = numbers.index(max(numbers))
    if classes is None:
        return (index,)
    return (classes[index],) if index < len(classes) else None


# --- probabilities ---------------------------------------------------------------------------------------------------


def _probabilities(metric: Metric, pairs: Sequence[Pair], classes: Sequence[Scalar] | None) -> Score:
    if not pairs:
        return Score(None, 0, 0, 0)
    one_value = all(predicted is None or len(predicted) == 1 for _, predicted in pairs)
    worst = -math.log(EPSILON) if metric is Metric.LOG_LOSS else 1.0 if one_value else 2.0
    values, unanswered = [], 0
    for expected, predicted in pairs:
        found = None if predicted is None else distribution(predicted)
        if found is None or len(expected) != 1:
            unanswered += found is None
            values.append(worst)
            continue
        index = _index(expected[0], classes, len(found))
        if metric is Metric.LOG_LOSS:
            values.append(-math.log(max(EPSILON, found[index] if index is not None else 0.0)))
        elif one_value:
            values.append((found[1] - (index == 1)) ** 2 if index is not None else worst)
        else:
            values.append(math.fsum((share - (at == index)) ** 2 for at, share in enumerate(found)) + (index is None))
    return Score(math.fsum(values) / len(values), len(values), unanswered, 0)


def distribution(values: Values) -> list[float] | None:
    """The probability of each class: of a vector itself, of a single number that of class 1. None for what is no
    distribution."""
    numbers = _numbers(values)
    if numbers is None or any(not -1e-6 <= one <= 1 + 1e-6 for one in numbers):
        return None
    shares = [min(1.0, max(0.0, one)) for one in numbers]
    if len(shares) == 1:
        return [1.0 - shares[0], shares[0]]
    total = math.fsum(shares)
    return [one / total for one in shares] if abs(total - 1.0) <= SUM_TOLERANCE else None


def _index(label: Scalar, classes: Sequence[Scalar] | None, size: int) -> int | None:
    """Where a vector has a label's probability; None for a class that the model does not know, whose probability it
    therefore has at 0."""
    if classes is not None:
        index = list(classes).index(label) if label in classes else size
    elif isinstance(label, str) or label != int(label):
        return None
    else:
        index = int(label)
    return index if 0 <= index < size else None


# --- numbers ---------------------------------------------------------------------------------------------------------


def _distances(metric: Metric, pairs: Sequence[Pair]) -> Score:
    """There is no worst distance, so what cannot be compared is counted beside the value."""
    single: Callable[[Values, Values], float | None] = {
        Metric.MAE: _absolute,
        Metric.RMSE: _squared,
        Metric.MAPE: _relative,
        Metric.EMBEDDING_DISTANCE: cosine_distance,
    }[metric]
    found = [None if predicted is None else single(expected, predicted) for expected, predicted in pairs]
    values = [one for one in found if one is not None and math.isfinite(one)]
    unanswered = sum(predicted is None for _, predicted in pairs)
    if not values:
        return Score(None, 0, unanswered, len(pairs))
    scale = max(values) or 1.0  # sums of large squares would overflow
    mean = scale * (math.fsum(one / scale for one in values) / len(values))
    return Score(math.sqrt(mean) if metric is Metric.RMSE else mean, len(values), unanswered, len(pairs) - len(values))


def _absolute(expected: Values, predicted: Values) -> float | None:
    return _mean(expected, predicted, lambda one, other: abs(one - other))


def _squared(expected: Values, predicted: Values) -> float | None:
    return _mean(expected, predicted, lambda one, other: (one - other) * (one - other))


def _relative(expected: Values, predicted: Values) -> float | None:
    """In shares of what was expected; nothing is a share of 0."""
    if any(one == 0 for one in expected):
        return None
    return _mean(expected, predicted, lambda one, other: abs((one - other) / one))


def _mean(expected: Values, predicted: Values, single: Callable[[float, float], float]) -> float | None:
    first, second = _numbers(expected), _numbers(predicted)
    if first is None or second is None or len(first) != len(second):
        return None
    values = [single(one, other) for one, other in zip(first, second, strict=True)]
    return math.fsum(values) / len(values) if all(map(math.isfinite, values)) else None


def _numbers(values: Values) -> list[float] | None:
    """Finite numbers; None where any value is something else, or there is none."""
    try:
        numbers = [float(value) for value in values if not isinstance(value, str)]
    except OverflowError:
        return None
    return numbers if len(numbers) == len(values) > 0 and all(map(math.isfinite, numbers)) else None
