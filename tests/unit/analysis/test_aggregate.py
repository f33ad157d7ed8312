"""From verdicts to one move, in the order in which the questions are asked."""

from dataclasses import replace

import pytest

from slipway.analysis import Action, Judgement, MetricResult, Move, Outcome, Reason, Verdict, aggregate, error, no_data


def judged(verdict: Verdict, *, sufficient: bool = True) -> Judgement:
    return Judgement(verdict, f"n={120 if sufficient else 20}/900", 1.0, 100.0, 120, 900, 0.0, sufficient)


def metric(
    judgement: Judgement | Verdict,
    *,
    name: str = "errors",
    action: Action = Action.ROLLBACK,
    must_pass: bool = False,
    sufficient: bool = True,
    silent: float | None = None,
) -> MetricResult:
    if isinstance(judgement, Verdict):
        judgement = judged(judgement, sufficient=sufficient)
    return MetricResult(name, action, must_pass, judgement, silent)


def outcome(*results: MetricResult, **circumstances) -> Outcome:
    usual = {
        "minimum_time_over": True,
        "deadline_over": False,
        "on_inconclusive": "Hold",
        "on_metric_error": "Hold",
        "error_timeout_seconds": 300.0,
    }
    return aggregate(results, **{**usual, **circumstances})


FAIL = metric(Verdict.FAIL)
HOLDING_FAIL = metric(Verdict.FAIL, name="agreement", action=Action.HOLD)
WATCHED_FAIL = metric(Verdict.FAIL, name="watched", action=Action.OBSERVE)
PASS = metric(Verdict.PASS, name="accuracy", must_pass=True)
OPEN = metric(Verdict.CONTINUE, name="accuracy", must_pass=True)
GUARD = metric(Verdict.CONTINUE, name="latency")
THIN_GUARD = metric(Verdict.CONTINUE, name="latency", sufficient=False)
SILENT = metric(error("connection refused"), name="provider", silent=30)
LONG_SILENT = metric(error("connection refused"), name="provider", silent=300)
IDLE = metric(no_data("no requests"), name="idle")
WATCHED_SILENT = metric(error("gone"), name="watched", action=Action.OBSERVE, silent=9999)


@pytest.mark.parametrize(
    ("results", "circumstances", "move", "reason"),
    [
        pytest.param([FAIL, PASS], {}, Move.ROLLBACK, Reason.ANALYSIS_FAILED, id="a fail hauls back"),
        pytest.param(
            [FAIL, SILENT, IDLE, HOLDING_FAIL],
            {"minimum_time_over": False},
            Move.ROLLBACK,
            Reason.ANALYSIS_FAILED,
            id="a fail hauls back before its time, whatever else is wrong",
        ),
        pytest.param(
            [PASS, SILENT],
            {"routing": judged(Verdict.FAIL), "deadline_over": True, "on_inconclusive": "Promote"},
            Move.HOLD,
            Reason.ROUTING_MISMATCH,
            id="traffic that does not follow the weights holds",
        ),
        pytest.param(
            [FAIL],
            {"routing": judged(Verdict.FAIL)},
            Move.ROLLBACK,
            Reason.ANALYSIS_FAILED,
            id="a fail hauls back wherever traffic goes",
        ),
        pytest.param(
            [PASS],
            {"routing": judged(Verdict.CONTINUE)},
            Move.ADVANCE,
            Reason.GATES_PASSED,
            id="traffic that follows the weights changes nothing",
        ),
        pytest.param([HOLDING_FAIL, PASS], {}, Move.HOLD, Reason.ANALYSIS_FAILED, id="a fail holds where it should"),
        pytest.param(
            [HOLDING_FAIL],
            {"deadline_over": True, "on_inconclusive": "Promote"},
            Move.HOLD,
            Reason.ANALYSIS_FAILED,
            id="a holding fail is not promoted at the deadline",
        ),
        pytest.param([SILENT, PASS], {}, Move.HOLD, Reason.METRICS_UNAVAILABLE, id="an outage holds"),
        pytest.param(
            [SILENT, PASS],
            {"on_metric_error": "Rollback"},
            Move.HOLD,
            Reason.METRICS_UNAVAILABLE,
            id="a short outage holds even if a long one would haul back",
        ),
        pytest.param(
            [LONG_SILENT, PASS],
            {"on_metric_error": "Rollback"},
            Move.ROLLBACK,
            Reason.METRICS_UNAVAILABLE,
            id="a long outage hauls back where that was asked for",
        ),
        pytest.param(
            [LONG_SILENT, PASS], {}, Move.HOLD, Reason.METRICS_UNAVAILABLE, id="a long outage holds by default"
        ),
        pytest.param(
            [LONG_SILENT],
            {"deadline_over": True, "on_inconclusive": "Promote"},
            Move.HOLD,
            Reason.METRICS_UNAVAILABLE,
            id="an outage is never promoted",
        ),
        pytest.param(
            [LONG_SILENT],
            {"deadline_over": True, "on_inconclusive": "Rollback"},
            Move.HOLD,
            Reason.METRICS_UNAVAILABLE,
            id="an outage is never inconclusive evidence",
        ),
        pytest.param([IDLE, PASS], {}, Move.HOLD, Reason.NO_DATA, id="no data holds"),
        pytest.param([IDLE], {"deadline_over": True}, Move.HOLD, Reason.INCONCLUSIVE, id="no data is not a pass"),
        pytest.param(
            [IDLE],
            {"deadline_over": True, "on_inconclusive": "Promote"},
            Move.ADVANCE,
            Reason.INCONCLUSIVE,
            id="an idle service is promoted at the deadline only where that was asked for",
        ),
        pytest.param([PASS, GUARD], {}, Move.ADVANCE, Reason.GATES_PASSED, id="gates met"),
        pytest.param(
            [PASS, GUARD], {"minimum_time_over": False}, Move.CONTINUE, Reason.MINIMUM_DURATION, id="gates met too soon"
        ),
        pytest.param([OPEN, GUARD], {}, Move.CONTINUE, Reason.GATHERING_EVIDENCE, id="a required proof is missing"),
        pytest.param([PASS, THIN_GUARD], {}, Move.CONTINUE, Reason.GATHERING_EVIDENCE, id="a guardrail lacks samples"),
        pytest.param(
            [PASS, THIN_GUARD],
            {"deadline_over": True},
            Move.ADVANCE,
            Reason.GATES_PASSED,
            id="a guardrail alone does not block at the deadline",
        ),
        pytest.param(
            [OPEN], {"deadline_over": True}, Move.HOLD, Reason.INCONCLUSIVE, id="inconclusive holds by default"
        ),
        pytest.param(
            [OPEN],
            {"deadline_over": True, "on_inconclusive": "Promote"},
            Move.ADVANCE,
            Reason.INCONCLUSIVE,
            id="inconclusive promotes where asked",
        ),
        pytest.param(
            [OPEN],
            {"deadline_over": True, "on_inconclusive": "Rollback"},
            Move.ROLLBACK,
            Reason.INCONCLUSIVE,
            id="inconclusive hauls back where asked",
        ),
        pytest.param(
            [OPEN],
            {"deadline_over": True, "on_inconclusive": "Promote", "minimum_time_over": False},
            Move.CONTINUE,
            Reason.INCONCLUSIVE,
            id="nothing advances before its minimum time",
        ),
        pytest.param(
            [WATCHED_FAIL, WATCHED_SILENT, PASS],
            {},
            Move.ADVANCE,
            Reason.GATES_PASSED,
            id="observed metrics move nothing",
        ),
        pytest.param([], {}, Move.ADVANCE, Reason.GATES_PASSED, id="no metrics: time alone"),
        pytest.param(
            [], {"minimum_time_over": False}, Move.CONTINUE, Reason.MINIMUM_DURATION, id="no metrics: wait for the time"
        ),
        pytest.param([], {"deadline_over": True}, Move.ADVANCE, Reason.GATES_PASSED, id="no metrics at the deadline"),
    ],
)
def test_moves(results: list[MetricResult], circumstances: dict, move: Move, reason: Reason) -> None:
    decided = outcome(*results, **circumstances)
    assert (decided.move, decided.reason) == (move, reason)
    assert decided.message


def test_the_message_names_the_metrics_that_decided_and_no_others() -> None:
    assert outcome(FAIL, HOLDING_FAIL, PASS).message == "errors: Fail n=120/900"
    assert outcome(SILENT, PASS).message == "provider: Error connection refused"
    assert outcome(OPEN, THIN_GUARD, PASS).message == "accuracy: Continue n=120/900 | latency: Continue n=20/900"


def test_a_provider_that_just_stopped_answering_is_not_overdue() -> None:
    fresh = metric(error("timeout"), silent=None)
    assert outcome(fresh, on_metric_error="Rollback").move is Move.HOLD


def doubtful() -> MetricResult:
    return metric(replace(judged(Verdict.CONTINUE), doubtful=True), name="doubt")


def test_likely_harm_stops_the_way_up_and_hauls_nothing_back():
    found = outcome(doubtful(), PASS)
    assert (found.move, found.reason) == (Move.CONTINUE, Reason.GATHERING_EVIDENCE)
    assert "doubt" in found.message


@pytest.mark.parametrize(
    ("policy", "move"), [("Hold", Move.HOLD), ("Promote", Move.ADVANCE), ("Rollback", Move.ROLLBACK)]
)
def test_likely_harm_is_for_the_user_to_decide_at_the_deadline(policy, move):
    found = outcome(doubtful(), PASS, deadline_over=True, on_inconclusive=policy)
    assert (found.move, found.reason) == (move, Reason.INCONCLUSIVE)
