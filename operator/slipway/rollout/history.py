"""What a record keeps of how it went: a few points a metric, and the weights that were asked for. Pure.

A rollout may look ten thousand times. What is kept is bounded: when there is one point too many, one goes whose
neighbours are close together for how long ago they were. So the last minutes stay as dense as they were looked at, what
is older becomes sparser, and the first point and every change of the verdict outlast the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeVar

from slipway.analysis import Judgement, Verdict
from slipway.api import (
    MAX_HISTORY,
    EvidenceNeeded,
    MetricPoint,
    MetricStatus,
    ModelRevisionStatus,
    WeightPoint,
)

Point = TypeVar("Point", MetricPoint, WeightPoint)

FRACTION_DIGITS: Final = 6
"""Of a rate or a difference: a ten-thousandth of a percentage point."""

EVIDENCE_DIGITS: Final = 2
"""Of a power of ten."""

LARGEST_POWER: Final = 99.0
"""Evidence beyond it is beyond doubt, and its size says nothing."""


def followed(status: MetricStatus, judgement: Judgement, now: datetime) -> dict[str, object]:
    """The fields of a metric's status that keep how it stood at this look; none where nothing was counted yet."""
    capital = judgement.capital
    if capital is None and judgement.estimate is None:
        return {}
    point = _point(judgement, now)
    fields: dict[str, object] = {"history": extended(status.history or (), point)}
    if capital is not None:
        safety = _odds(capital.to_pass) if capital.to_pass is not None else None
        fields["needed"] = EvidenceNeeded(harm=_odds(capital.to_fail), safety=safety)
    return fields


def silent(status: MetricStatus, now: datetime) -> dict[str, object]:
    """The same where the source did not answer: the line breaks there, once, however long it is silent."""
    last = status.history[-1] if status.history else None
    if last is None or last.verdict == Verdict.ERROR:
        return {}
    point = MetricPoint(time=now, verdict=Verdict.ERROR, samples=last.samples)
    return {"history": extended(status.history or (), point)}


def weighed(record: ModelRevisionStatus, weight: float | None, now: datetime) -> list[WeightPoint] | None:
    """The weights that were asked for, with the present one where it is new."""
    known = record.weights
    if weight is None or (known and known[-1].weight == weight):
        return known
    return extended(known or (), WeightPoint(time=now, weight=weight))


def extended(points: Sequence[Point], point: Point) -> list[Point]:
    """The points with one more, `MAX_HISTORY` at the most. A change of the verdict goes last.

    A moment has one point: what is looked at twice is known once, and a clock that was set back loses nothing.
    """
    kept = list(points)
    if kept and point.time <= kept[-1].time:
        point = point.model_copy(update={"time": kept.pop().time})
    kept.append(point)
    while len(kept) > MAX_HISTORY:
        kept.pop(min(range(1, len(kept) - 1), key=lambda index: _worth(kept, index)))
    return kept


def _worth(points: Sequence[MetricPoint] | Sequence[WeightPoint], index: int) -> tuple[bool, float]:
    """What is lost with a point: the gap that it leaves, in terms of the root of its age."""
    before, point, after = points[index - 1], points[index], points[index + 1]
    gap = (after.time - before.time).total_seconds()
    age = (points[-1].time - point.time).total_seconds()
    verdicts = {known.verdict for known in (before, point) if isinstance(known, MetricPoint)}
    return len(verdicts) > 1, gap / math.sqrt(age) if age > 0 else math.inf


def _point(judgement: Judgement, now: datetime) -> MetricPoint:
    capital, estimate = judgement.capital, judgement.estimate
    point = MetricPoint(
        time=now,
        verdict=judgement.verdict,
        samples=judgement.candidate_samples,
        harm=_power(capital.harm) if capital is not None else None,
        safety=_power(capital.safety) if capital is not None and capital.safety is not None else None,
    )
    if estimate is None:
        return point
    return point.model_copy(
        update={
            str(estimate.measure): _rounded(estimate.value),
            "low": _rounded(estimate.low),
            "high": _rounded(estimate.high),
            "allowed": _rounded(estimate.allowed),
        }
    )


def _power(log_evidence: float) -> float:
    """A natural logarithm as a power of ten that JSON can hold: the capital of a lost bet is nothing."""
    power = log_evidence / math.log(10)
    return round(min(max(power, -LARGEST_POWER), LARGEST_POWER), EVIDENCE_DIGITS)


def _odds(log_evidence: float) -> float:
    return round(math.exp(log_evidence), EVIDENCE_DIGITS)


def _rounded(fraction: float | None) -> float | None:
    return round(fraction, FRACTION_DIGITS) if fraction is not None else None
