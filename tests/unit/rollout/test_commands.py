"""What a person says: where each command is carried out, what becomes of every other, and that each is heard once."""

from __future__ import annotations

import pytest
from unit.rollout.builders import (
    MINUTE,
    SECOND,
    V1,
    V2,
    V3,
    ARollout,
    a_hash,
    a_rollout,
    a_window,
    accuracy,
    errors,
)

from slipway.api import Phase
from slipway.rollout import FULL, Shadow, Step

APPROVED_STEPS = (Step(1_000, MINUTE, approval=True), Step(FULL, MINUTE))
PHASES = {
    Phase.PENDING: lambda: a_rollout().pending().without_gateway(),
    Phase.STARTING: lambda: a_rollout().starting(),
    Phase.EVALUATING: lambda: a_rollout().with_metrics(accuracy()).evaluating(),
    Phase.SHADOWING: lambda: a_rollout().shadowing(),
    Phase.STEPPING: lambda: a_rollout().at_step(1),
    Phase.PROMOTING: lambda: a_rollout().promoting().not_observed(),
    Phase.WATCHING: lambda: a_rollout().watching(),
    Phase.STABLE: lambda: a_rollout().in_phase(Phase.STABLE, phase_since=None).declaring(V1),
    Phase.ROLLING_BACK: lambda: a_rollout().rolling_back(observed={V1: 9_000, V2: 1_000}),
    Phase.ROLLED_BACK: lambda: a_rollout().rolled_back(),
    Phase.SUPERSEDED: lambda: a_rollout().in_phase(Phase.SUPERSEDED, weight=0.0).declaring(V1),
}
ON_THE_WAY = {Phase.PENDING, Phase.STARTING, Phase.EVALUATING, Phase.SHADOWING, Phase.STEPPING, Phase.PROMOTING}
ACCEPTED = {
    "promote": {Phase.EVALUATING, Phase.SHADOWING, Phase.STEPPING},
    "promote-full": ON_THE_WAY - {Phase.PROMOTING},
    "approve": set(),
    "pause": ON_THE_WAY,
    "resume": set(),
    "abort": ON_THE_WAY | {Phase.WATCHING},
    "retry": {Phase.ROLLED_BACK},
}


def _answer(rollout: ARollout) -> tuple[str, str]:
    answer = rollout.status().last_command
    assert answer is not None
    assert answer.command == (rollout.seen.command or "")[:256]
    return answer.outcome, answer.message


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("verb", ACCEPTED)
def test_a_verb_is_carried_out_where_it_means_something_and_refused_elsewhere(verb, phase):
    rollout = PHASES[phase]().commanded(verb)
    outcome, message = _answer(rollout)
    accepted = phase in ACCEPTED[verb]
    assert outcome == ("Accepted" if accepted else "Refused"), message
    assert message
    event = [event for event in rollout.decide().announcements if event.reason.startswith("Command")]
    assert [e.reason for e in event] == ["CommandAccepted" if accepted else "CommandRefused"]
    assert [e.type for e in event] == ["Normal" if accepted else "Warning"]
    if not accepted:
        assert rollout.record() == rollout.annotated(None).record(), "a refused command changes nothing"


@pytest.mark.parametrize("phase", sorted(ACCEPTED["abort"]))
def test_an_abort_gives_the_traffic_back_at_once(phase):
    rollout = PHASES[phase]().commanded("abort")
    assert rollout.record().phase == Phase.ROLLING_BACK
    assert rollout.record().reason == "Aborted"
    assert rollout.decide().weights == {V1: FULL}


@pytest.mark.parametrize("phase", [Phase.EVALUATING, Phase.SHADOWING, Phase.STEPPING])
def test_promote_full_leaves_only_capacity_to_be_waited_for(phase):
    rollout = PHASES[phase]().with_metrics(accuracy(), errors()).commanded("promote-full").then()
    assert rollout.seen.revisions[V2].record.phase == Phase.PROMOTING
    assert rollout.replicas_of(V2) == 4
    before = dict(rollout.seen.route.written)
    assert rollout.with_candidate_pods(3, of=4).decide().weights == before
    assert rollout.with_candidate_pods(4).decide().weights == {V2: FULL}
    assert rollout.then().record().phase == Phase.STABLE


def test_promote_full_before_the_pods_are_up_skips_the_golden_set():
    rollout = a_rollout().with_metrics(accuracy()).starting().commanded("promote-full").then()
    assert rollout.replicas_of(V2) == 4
    assert rollout.with_candidate_pods(4).with_answers(True).record().phase == Phase.PROMOTING


def test_promote_ends_a_step_before_its_time_and_its_evidence():
    rollout = a_rollout().with_metrics(errors()).at_step(1).commanded("promote", step=1)
    assert rollout.record().step == 1
    assert rollout.record().phase == Phase.STEPPING


def test_promote_does_not_end_a_step_that_failed():
    rollout = a_rollout().with_metrics(errors()).at_step(1).with_evidence(a_window((40, 80), (0, 720)))
    assert rollout.commanded("promote").record().phase == Phase.ROLLING_BACK


def test_promote_ends_the_golden_set_and_the_shadow_stage():
    held = a_rollout().with_metrics(accuracy()).evaluating()
    assert held.record().phase == Phase.EVALUATING
    assert held.commanded("promote", step="golden").record().phase == Phase.STEPPING
    assert a_rollout().shadowing().commanded("promote", step="shadow").record().phase == Phase.STEPPING


def test_one_skipped_step_skips_no_other():
    rollout = a_rollout().at_step(1).commanded("promote").then().annotated(None).with_candidate_pods(2).then().then()
    assert (rollout.record().step, rollout.record().reason) == (1, "MinimumDuration")


def test_approve_lets_a_passed_step_be_left():
    rollout = a_rollout().on_course(steps=APPROVED_STEPS).at_step(1).after(MINUTE)
    assert rollout.record().reason == "AwaitingApproval"
    assert rollout.then().record().step == 0
    assert rollout.commanded("approve", step=1).record().step == 1
    assert _answer(rollout)[0] == "Accepted"


def test_approve_before_its_time_does_not_shorten_the_step():
    rollout = a_rollout().on_course(steps=APPROVED_STEPS).at_step(1).commanded("approve").then()
    assert rollout.record().step == 0
    assert rollout.annotated(None).after(MINUTE).record().step == 1


def test_approve_of_the_shadow_stage():
    stage = Shadow(min_duration=MINUTE, approval=True)
    rollout = a_rollout().on_course(shadow=stage).shadowing().after(MINUTE)
    assert rollout.record().reason == "AwaitingApproval"
    assert rollout.commanded("approve", step="shadow").record().phase == Phase.STEPPING


def test_an_approval_fits_the_ladder_as_it_is_now():
    rollout = a_rollout().at_step(2).on_course(steps=APPROVED_STEPS[:1]).routed({V1: 9_000, V2: 1_000})
    rollout.with_record(weight=10.0).after(MINUTE)
    assert rollout.record().reason == "AwaitingApproval"
    assert rollout.commanded("approve", step=1).record().phase == Phase.PROMOTING


def test_pause_and_resume():
    rollout = a_rollout().at_step(1).commanded("pause").then().annotated(None).after(MINUTE).then()
    assert (rollout.record().step, rollout.record().reason) == (0, "Paused")
    assert rollout.commanded("pause", nonce=2).status().last_command.message == "release 2 is paused already"
    rollout.commanded("resume", nonce=3)
    assert rollout.record().step == 1


def test_resume_does_not_lift_what_git_holds():
    rollout = a_rollout().at_step(1).paused().commanded("resume")
    assert _answer(rollout) == ("Refused", "release 2 was not paused by a command: spec.paused holds it")


@pytest.mark.parametrize("verb", ["promote", "promote-full"])
def test_no_command_promotes_past_what_git_holds(verb):
    rollout = a_rollout().at_step(1).paused().commanded(verb)
    assert _answer(rollout) == ("Refused", "spec.paused holds every rollout: set it to false first")


def test_retry_tries_a_release_again_that_was_hauled_back():
    rollout = a_rollout().rolled_back().commanded("retry")
    assert (rollout.record().phase, rollout.record().attempt) == (Phase.PENDING, 2)
    assert rollout.record().metrics is None


# --- what does not fit ------------------------------------------------------------------------------------------------


def test_a_late_click_cannot_pass_a_newer_model():
    rollout = a_rollout().at_step(1).with_revision(V3).declaring(V3).then().commanded("promote-full", of=V2)
    outcome, message = _answer(rollout)
    assert outcome == "Refused"
    assert "release 2 is not on trial" in message
    assert rollout.record(V3).fast is None


@pytest.mark.parametrize("verb", ["promote", "approve", "pause", "abort"])
def test_a_command_for_another_step_is_refused(verb):
    rollout = a_rollout().on_course(steps=APPROVED_STEPS).at_step(1).commanded(verb, step=2)
    assert _answer(rollout) == ("Refused", "release 2 is at step 1, not at step 2")
    assert rollout.record().phase == Phase.STEPPING


def test_a_hash_that_nobody_has_is_refused():
    rollout = a_rollout().at_step(1).commanded("abort", of=a_hash("gone"))
    assert _answer(rollout)[0] == "Refused"
    assert rollout.record().phase == Phase.STEPPING


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("destroy@12345678#1", "destroy is none of promote"),
        ("abort", "not of the form"),
        (f"abort@{V2[:8]}", "not of the form"),
        (f"abort@{V2[:8]}/0#1", "counted from 1"),
        (f"abort@{V2[:4]}#1", "not of the form"),
        (f"abort@{V2[:8]}#a b", "not of the form"),
        ("x" * 300, "not of the form"),
    ],
)
def test_what_cannot_be_read_is_answered_and_does_nothing(text, words):
    rollout = a_rollout().at_step(1).annotated(text)
    outcome, message = _answer(rollout)
    assert outcome == "Refused"
    assert words in message
    assert rollout.record() == rollout.annotated(None).record()


def test_a_step_that_asks_for_no_approval_says_so():
    outcome, message = _answer(a_rollout().at_step(1).commanded("approve"))
    assert (outcome, message) == ("Refused", "step 1 of release 2 asks for no approval")


# --- once -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["abort", "pause", "destroy"])
def test_a_command_is_answered_once(verb):
    rollout = a_rollout().at_step(1).commanded(verb).then()
    told = rollout.status().last_command
    rollout.after(SECOND)
    assert rollout.status().last_command == told
    assert not [event for event in rollout.decide().announcements if event.reason.startswith("Command")]


def test_the_same_verb_with_another_nonce_is_another_command():
    rollout = a_rollout().at_step(1).commanded("pause").then().commanded("resume", nonce=1).then()
    rollout.commanded("pause", nonce=2)
    assert rollout.record().paused
    assert _answer(rollout)[0] == "Accepted"


def test_a_kill_between_the_record_and_the_status_carries_nothing_out_twice():
    rollout = a_rollout().rolled_back().commanded("retry")
    record = rollout.record()
    rollout.with_record(**dict(record))  # written; the status was not
    assert rollout.record().attempt == 2
    assert _answer(rollout) == ("Accepted", "carried out")


def test_an_answer_stays_until_another_command_is_given():
    rollout = a_rollout().at_step(1).commanded("pause").then().annotated(None).after(MINUTE).then()
    assert rollout.status().last_command.outcome == "Accepted"


def test_what_is_carried_out_is_in_the_timeline():
    timeline = a_rollout().at_step(1).commanded("pause").record().timeline or []
    assert [(entry.reason, entry.message) for entry in timeline] == [("Paused", "a person paused release 2")]
