"""From the verdicts on all metrics to one move of the rollout.

The order of the questions is the policy: harm first, then what cannot be seen, then what is proven, then the clock. No
data and no answer are never a reason to promote or to haul back by themselves; they hold the weight where it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from slipway.analysis.verdict import Action, Judgement, Verdict


@dataclass(frozen=True, slots=True)
class MetricResult:
    """One metric's judgement and what it may set off.

    `must_pass` says that the rollout may not go on without its Pass; any other metric is a guardrail, which blocks by a
    Fail or for want of samples. `error_since_seconds` is how long its source has not answered, None when it does.
    """

    name: str
    action: Action
    must_pass: bool
    judgement: Judgement
    error_since_seconds: float | None = None


class Move(StrEnum):
    """What the analysis asks of the rollout."""

    ROLLBACK = "Rollback"
    HOLD = "Hold"
    ADVANCE = "Advance"
    CONTINUE = "Continue"


class Reason(StrEnum):
    """Why, as a constant that users can search for."""

    ANALYSIS_FAILED = "AnalysisFailed"
    """A metric failed."""
    ROUTING_MISMATCH = "RoutingMismatch"
    """The candidate's share of the requests is not its weight, so that the arms cannot be compared."""
    METRICS_UNAVAILABLE = "MetricsUnavailable"
    """A source of numbers does not answer."""
    NO_DATA = "NoData"
    """A source answers, and nothing has been counted."""
    GATES_PASSED = "GatesPassed"
    """All that had to be shown is shown."""
    MINIMUM_DURATION = "MinimumDuration"
    """The same, but the step's minimum time is not over."""
    GATHERING_EVIDENCE = "GatheringEvidence"
    """Neither harm nor safety is shown yet."""
    INCONCLUSIVE = "Inconclusive"
    """Neither was shown before the deadline."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The move, and why: a `Reason` and a sentence that names metrics and numbers."""

    move: Move
    reason: str
    message: str


def aggregate(
    results: Sequence[MetricResult],
    *,
    minimum_time_over: bool,
    deadline_over: bool,
    on_inconclusive: Literal["Hold", "Promote", "Rollback"],
    on_metric_error: Literal["Hold", "Rollback"],
    error_timeout_seconds: float,
    routing: Judgement | None = None,
) -> Outcome:
    """Decide on the judgements of one look.

    In this order: a Fail hauls back or holds, by the metric's action; traffic that does not follow the weights (a Fail
    of `routing`, the judgement of `ShareEvidence` where requests are counted at the gateway) holds; a source that does
    not answer holds, and after `error_timeout_seconds` does what `on_metric_error` says; a metric without data holds
    until the deadline; when every gate is met the rollout advances, unless the minimum time is not over; else it
    continues until the deadline, at which `on_inconclusive` decides. Guardrails that lack samples do not stand in the
    way at the deadline; a metric without any data does, and so does one on which harm looks likely. Without metrics
    only the minimum time counts.
    """
    acting = [result for result in results if result.action is not Action.OBSERVE]
    trouble = _harm(acting) or _mismatch(routing) or _outage(acting, on_metric_error, error_timeout_seconds)
    if trouble:
        return trouble
    idle = _with(acting, lambda result: result.judgement.verdict is Verdict.NO_DATA)
    if idle and not deadline_over:
        return Outcome(Move.HOLD, Reason.NO_DATA, _sentence(idle))
    unproven = _with(acting, lambda result: result.must_pass and result.judgement.verdict is not Verdict.PASS)
    unguarded = _with(acting, lambda result: not result.must_pass and not result.judgement.samples_sufficient)
    doubtful = _with(acting, lambda result: result.judgement.doubtful)
    blocking = list(dict.fromkeys([*idle, *unproven, *doubtful]))
    if not blocking and (deadline_over or not unguarded):
        if minimum_time_over:
            return Outcome(Move.ADVANCE, Reason.GATES_PASSED, _sentence(acting) or "no metric is asked for")
        return Outcome(Move.CONTINUE, Reason.MINIMUM_DURATION, _sentence(acting) or "no metric is asked for")
    if not deadline_over:
        return Outcome(Move.CONTINUE, Reason.GATHERING_EVIDENCE, _sentence(blocking + unguarded))
    move = {"Hold": Move.HOLD, "Promote": Move.ADVANCE, "Rollback": Move.ROLLBACK}[on_inconclusive]
    if move is Move.ADVANCE and not minimum_time_over:
        move = Move.CONTINUE
    return Outcome(move, Reason.INCONCLUSIVE, _sentence(blocking))


def _harm(acting: Sequence[MetricResult]) -> Outcome | None:
    failed = _with(acting, lambda result: result.judgement.verdict is Verdict.FAIL)
    if not failed:
        return None
    fatal = _with(failed, lambda result: result.action is Action.ROLLBACK)
    move = Move.ROLLBACK if fatal else Move.HOLD
    return Outcome(move, Reason.ANALYSIS_FAILED, _sentence(fatal or failed))


def _mismatch(routing: Judgement | None) -> Outcome | None:
    if routing is None or routing.verdict is not Verdict.FAIL:
        return None
    return Outcome(Move.HOLD, Reason.ROUTING_MISMATCH, routing.message)


def _outage(acting: Sequence[MetricResult], on_metric_error: str, timeout_seconds: float) -> Outcome | None:
    silent = _with(acting, lambda result: result.judgement.verdict is Verdict.ERROR)
    if not silent:
        return None
    overdue = _with(silent, lambda result: (result.error_since_seconds or 0.0) >= timeout_seconds)
    if overdue and on_metric_error == "Rollback":
        return Outcome(Move.ROLLBACK, Reason.METRICS_UNAVAILABLE, _sentence(overdue))
    return Outcome(Move.HOLD, Reason.METRICS_UNAVAILABLE, _sentence(silent))


def _with(results: Sequence[MetricResult], condition: Callable[[MetricResult], bool]) -> list[MetricResult]:
    return [result for result in results if condition(result)]


def _sentence(results: Sequence[MetricResult]) -> str:
    return " | ".join(f"{result.name}: {result.judgement.verdict} {result.judgement.message}" for result in results)
