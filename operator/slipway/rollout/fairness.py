"""Fairness of a golden set's predictions, beside its accuracy: counts of groups, folded and judged. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from slipway.analysis import (
    FairnessMeasure,
    GapJudgement,
    Gates,
    GroupOutcomes,
    Judgement,
    Verdict,
    judge_gap,
)
from slipway.api import FairnessSpec, FairnessStatus, GapStatus, GroupStatus

LARGEST_ALPHA: Final = 0.49
"""At one half, an interval has no width."""


def gap_tests(spec: FairnessSpec | None) -> int:
    """How many gaps are judged, each of which can fail the metric."""
    return len(_limits(spec)) if spec is not None else 0


def fold_outcomes(
    spec: FairnessSpec, before: FairnessStatus | None, outcomes: Sequence[GroupOutcomes]
) -> FairnessStatus:
    """The counts with those of one more batch; gaps are judged by `with_gaps`."""
    known = {one.group: _outcomes(one) for one in before.groups} if before is not None else {}
    whole = [known[one.group].plus(one) if one.group in known else one for one in outcomes]
    return FairnessStatus(
        slice=spec.slice,
        groups=[
            GroupStatus(group=one.group, items=one.items, predicted=one.predicted, labelled=one.labelled, hits=one.hits)
            for one in whole
        ],
        gaps=[
            GapStatus(measure=measure, max=limit, verdict=Verdict.NO_DATA) for measure, limit in _limits(spec).items()
        ],
    )


def judge_gaps(status: FairnessStatus, gates: Gates, *, exhausted: bool) -> tuple[GapJudgement, ...]:
    """How each gap stands, by the alphas of these gates."""
    outcomes = [_outcomes(one) for one in status.groups]
    return tuple(
        judge_gap(
            FairnessMeasure(one.measure),
            one.max,
            outcomes,
            exhausted=exhausted,
            fail_alpha=gates.fail_alpha,
            pass_alpha=min(gates.pass_alpha, LARGEST_ALPHA),
        )
        for one in status.gaps
    )


def with_gaps(status: FairnessStatus, gaps: Sequence[GapJudgement]) -> FairnessStatus:
    """The status with how the gaps stand."""
    return status.model_copy(update={"gaps": [_told(one) for one in gaps]})


def both(accuracy: Judgement, gaps: Sequence[GapJudgement]) -> Judgement:
    """One verdict of accuracy and gaps: each of them can fail, and all have to pass."""
    failed = [one for one in gaps if one.verdict is Verdict.FAIL]
    verdict = accuracy.verdict
    if failed:
        verdict = Verdict.FAIL
    elif verdict is Verdict.PASS and any(one.verdict is not Verdict.PASS for one in gaps):
        verdict = Verdict.CONTINUE
    sentences = [one.sentence for one in (*failed, *(one for one in gaps if one not in failed))]
    if failed and accuracy.verdict is not Verdict.FAIL:
        return replace(accuracy, verdict=verdict, message="; ".join([*sentences, accuracy.message]))
    return replace(accuracy, verdict=verdict, message="; ".join([accuracy.message, *sentences]))


def _limits(spec: FairnessSpec) -> dict[FairnessMeasure, float]:
    limits = {
        FairnessMeasure.DEMOGRAPHIC_PARITY: spec.demographic_parity,
        FairnessMeasure.EQUAL_OPPORTUNITY: spec.equal_opportunity,
    }
    return {measure: limit.max for measure, limit in limits.items() if limit is not None}


def _outcomes(one: GroupStatus) -> GroupOutcomes:
    return GroupOutcomes(one.group, one.items, one.predicted, one.labelled, one.hits)


def _told(one: GapJudgement) -> GapStatus:
    gap = one.gap
    return GapStatus(
        measure=one.measure,
        max=one.limit,
        verdict=one.verdict,
        gap=gap.difference.value if gap is not None else None,
        low=gap.difference.low if gap is not None else None,
        high=gap.difference.high if gap is not None else None,
        more=gap.more if gap is not None else None,
        less=gap.less if gap is not None else None,
    )
