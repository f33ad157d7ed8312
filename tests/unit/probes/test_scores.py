"""What single items score, in [0, 1] and 1 at best."""

from __future__ import annotations

import math
import random

import pytest

from slipway.analysis import ItemScores
from slipway.probes import (
    Asked,
    GoldenItem,
    Metric,
    Outcome,
    Prediction,
    Scalar,
    balanced,
    balanced_scores,
    loss_scores,
    score,
)

Values = tuple[Scalar, ...]


def asked(expected: Values, candidate: Values | None, stable: Values | None, outcome: Outcome = Outcome.LOSS) -> Asked:
    arms = [Prediction(values, "" if values else "timed out") for values in (candidate, stable)]
    return Asked(GoldenItem("g", [], expected), outcome, arms[0], arms[1])


@pytest.mark.parametrize(
    ("measure", "scale", "expected", "predicted", "scores"),
    [
        ("AbsoluteError", 10.0, (5.0,), (7.0,), 0.8),
        ("AbsoluteError", 10.0, (5.0,), (500.0,), 0.0),
        ("SquaredError", 10.0, (5.0,), (10.0,), 0.75),
        ("SquaredError", 10.0, (5.0, 5.0), (5.0, 10.0), 0.875),
        ("RelativeError", 0.5, (100.0,), (110.0,), 0.8),
        ("Brier", None, (1,), (0.8,), 0.96),
        ("Brier", None, (1,), (0.2, 0.8), 0.96),
        ("Brier", None, (0,), (0.0, 1.0), 0.0),
        ("LogLoss", 5.0, (1,), (0.5, 0.5), 1 - math.log(2) / 5),
        ("LogLoss", 5.0, (0,), (0.0, 1.0), 0.0),
        ("EmbeddingDistance", None, (1.0, 0.0), (0.0, 1.0), 0.5),
        ("EmbeddingDistance", None, (1.0, 0.0), (2.0, 0.0), 1.0),
    ],
)
def test_a_loss_is_a_score_in_shares_of_its_scale(
    measure: str, scale: float | None, expected: Values, predicted: Values, scores: float
) -> None:
    (found,) = loss_scores([asked(expected, predicted, predicted)], measure, scale)
    assert found is not None
    assert (found.candidate, found.stable) == pytest.approx((scores, scores))


def test_a_missing_prediction_scores_nothing_and_an_item_without_a_value_is_left_out() -> None:
    missing, other, both, nothing = loss_scores(
        [
            asked((5.0,), None, (5.0,)),
            asked((5.0,), (5.0,), None),
            asked((5.0,), None, None, Outcome.EXCLUDED),
            asked(("text",), (5.0,), (6.0,)),
        ],
        "AbsoluteError",
        10.0,
    )
    assert missing == ItemScores(0.0, 1.0)
    assert other == ItemScores(1.0, 0.0)
    assert both is None
    assert nothing is None


def test_weighted_scores_add_up_to_the_balanced_accuracy() -> None:
    rng = random.Random(3)
    pairs = [(label, rng.randrange(2)) for label in [0] * 90 + [1] * 10]
    replayed = [
        asked((label,), (answer,), (label,), Outcome.TIE_RIGHT if label == answer else Outcome.LOSS)
        for label, answer in pairs
    ]
    weights, scale = balanced([one.item for one in replayed])
    assert weights == {(0,): 1 / 9, (1,): 1.0}
    found = balanced_scores(replayed, weights)
    candidate = scale * sum(one.candidate for one in found if one is not None) / len(found)
    stable = scale * sum(one.stable for one in found if one is not None) / len(found)
    theirs = score(Metric.BALANCED_ACCURACY, [((label,), (answer,)) for label, answer in pairs])
    assert candidate == pytest.approx(theirs.value)
    assert stable == pytest.approx(1.0)
