"""What each item of a replay scores by a measure, in [0, 1] and 1 at best: what can be bet on. Pure.

A missing prediction scores 0, as one that could not be worse. An item for which there is no value at all, such as a
relative error of something that is 0, is left out and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from slipway.analysis import F1Cell, ItemScores
from slipway.probes.protocol import GoldenItem, Scalar
from slipway.probes.replay import Asked, Outcome
from slipway.probes.scoring import Metric, Values, label_of, score

_LOSSES: Final[Mapping[str, Metric]] = {
    "Brier": Metric.BRIER,
    "LogLoss": Metric.LOG_LOSS,
    "AbsoluteError": Metric.MAE,
    "SquaredError": Metric.RMSE,
    "RelativeError": Metric.MAPE,
    "EmbeddingDistance": Metric.EMBEDDING_DISTANCE,
}
_RIGHT: Final = {
    Outcome.LOSS: (0.0, 1.0),
    Outcome.WIN: (1.0, 0.0),
    Outcome.TIE_RIGHT: (1.0, 1.0),
    Outcome.TIE_WRONG: (0.0, 0.0),
}


def balanced(items: Iterable[GoldenItem]) -> tuple[Mapping[tuple[Scalar, ...], float], float]:
    """The weight of each label, of which the largest is 1, and what the mean of weighted scores is to be multiplied by
    to be the mean of the labels' shares of right answers.

    With n items, n_y of them labelled y and k labels, the balanced accuracy is the mean over items of n / (k n_y) for
    what is right.
    """
    counts = Counter(item.expected for item in items)
    rarest = min(counts.values())
    scale = counts.total() / (len(counts) * rarest)
    return {label: rarest / count for label, count in counts.items()}, scale


def balanced_scores(
    asked: Iterable[Asked], weights: Mapping[tuple[Scalar, ...], float]
) -> tuple[ItemScores | None, ...]:
    """The weighted scores of right and wrong answers; None for what neither arm answered."""
    found: list[ItemScores | None] = []
    for one in asked:
        right, weight = _RIGHT.get(one.outcome), weights[one.item.expected]
        found.append(ItemScores(weight * right[0], weight * right[1]) if right is not None else None)
    return tuple(found)


def loss_scores(asked: Iterable[Asked], measure: str, scale: float | None) -> tuple[ItemScores | None, ...]:
    """One minus each item's loss in shares of `scale`, at which it is cut off; None for what has none on either arm."""
    single = _single(_LOSSES[measure], scale)
    return tuple(_both(one, single) for one in asked)


def f1_cells(asked: Iterable[Asked], positive: Scalar) -> tuple[F1Cell | None, ...]:
    """What each item is to F1 of a label; None for what neither arm answered. One missing answer is a wrong one."""
    return tuple(_cell(one, positive) for one in asked)


def _cell(one: Asked, positive: Scalar) -> F1Cell | None:
    if one.outcome is Outcome.EXCLUDED:
        return None
    labelled = one.item.expected == (positive,)

    def called(values: Values | None) -> bool:
        if values is None:
            return not labelled
        return label_of(one.item.expected, values) == (positive,)

    return F1Cell(labelled, called(one.candidate.values), called(one.stable.values if one.stable is not None else None))


def _both(one: Asked, single: Callable[[Values, Values], float | None]) -> ItemScores | None:
    arms: Sequence[Values | None] = [one.candidate.values, one.stable.values if one.stable is not None else None]
    found = [single(one.item.expected, values) if values is not None else None for values in arms]
    if found[0] is None and found[1] is None:
        return None
    return ItemScores(*(1.0 - loss if loss is not None else 0.0 for loss in found))


def _single(metric: Metric, scale: float | None) -> Callable[[Values, Values], float | None]:
    def loss(expected: Values, predicted: Values) -> float | None:
        value = score(metric, [(expected, predicted)]).value
        if value is None:
            return None
        if metric is Metric.BRIER:
            return min(1.0, value if len(predicted) == 1 else value / 2)
        share = min(1.0, value / (2.0 if metric is Metric.EMBEDDING_DISTANCE else scale or 1.0))
        return share * share if metric is Metric.RMSE else share

    return loss
