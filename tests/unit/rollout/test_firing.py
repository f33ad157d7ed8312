"""What follows from drift: once a decision, with pauses between attempts, and never again within the cooldown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from unit.rollout.builders import V1, V2, ARollout
from unit.rollout.test_stable_drift import AS_EVER, ELSEWHERE, HOUR, looked, record_of, with_reference

from slipway.api import DriftAction, DriftFiring, ModelRevisionStatus
from slipway.rollout import Reaction, ReactionOutcome, cloud_event
from slipway.rollout.firing import MOST_ATTEMPTS

HOOK: dict[str, Any] = {"onDrift": {"webhook": {"url": "https://hooks.example.com/drift"}}}
SECOND = timedelta(seconds=1)


def firing_of(rollout: ARollout) -> DriftFiring | None:
    drift = record_of(rollout).drift
    return drift.firing if drift is not None else None


def action_of(rollout: ARollout) -> DriftAction:
    firing = firing_of(rollout)
    assert firing is not None
    (action,) = firing.actions or ()
    return action


def due(rollout: ARollout) -> tuple[Reaction, ...]:
    return rollout.having_looked(None).decide().reactions


def hearing(rollout: ARollout, attempt: int, *, done: bool, message: str = "HTTP 500") -> ARollout:
    """What came of an attempt is heard."""
    firing = firing_of(rollout)
    assert firing is not None
    outcome = ReactionOutcome(firing.id, "Webhook", attempt, done, message)
    return rollout.having_looked(None)._set(reactions=(outcome,)).then()


def told(rollout: ARollout) -> list[str]:
    return [entry.reason for entry in record_of(rollout).timeline or ()]


def test_nothing_follows_where_nothing_is_asked_for() -> None:
    rollout = looked(with_reference(), ELSEWHERE)
    assert (firing_of(rollout), due(rollout)) == (None, ())


def test_drift_is_written_down_with_what_is_to_follow_and_then_done() -> None:
    rollout = looked(with_reference(**HOOK), ELSEWHERE)
    firing = firing_of(rollout)
    assert firing is not None
    assert [(finding.kind, finding.name) for finding in firing.findings or ()] == [("Feature", "amount")]
    assert action_of(rollout) == DriftAction(kind="Webhook", state="Pending")
    assert due(rollout) == (Reaction(V1, firing, "Webhook", 1),)
    rollout = hearing(rollout, 1, done=True, message="delivered")
    assert (action_of(rollout).state, due(rollout)) == ("Done", ())
    assert told(rollout) == ["DriftFound", "DriftReacted"]


def test_a_restart_before_the_outcome_is_written_tries_the_same_again_under_the_same_id() -> None:
    rollout = looked(with_reference(**HOOK), ELSEWHERE)
    again = ModelRevisionStatus.model_validate_json(record_of(rollout).model_dump_json(by_alias=True))
    restarted = rollout.after(SECOND).with_record(V1, drift=again.drift)
    assert due(restarted) == due(rollout)


def test_an_attempt_that_is_on_is_asked_about_every_second() -> None:
    assert looked(with_reference(**HOOK), ELSEWHERE).having_looked(None).decide().wake_after == SECOND


def test_a_failed_attempt_is_made_again_after_a_pause_that_grows() -> None:
    rollout = hearing(looked(with_reference(**HOOK), ELSEWHERE), 1, done=False)
    assert due(rollout) == ()
    assert rollout.decide().wake_after == 5 * SECOND
    rollout = rollout.after(5 * SECOND)
    assert [reaction.attempt for reaction in due(rollout)] == [2]
    rollout = hearing(rollout, 2, done=False)
    assert rollout.decide().wake_after == 10 * SECOND


def test_an_outcome_that_is_heard_twice_counts_once() -> None:
    rollout = hearing(looked(with_reference(**HOOK), ELSEWHERE), 1, done=False)
    assert action_of(hearing(rollout.after(SECOND), 1, done=False)) == action_of(rollout)


def test_it_is_given_up_after_a_while_and_that_is_told() -> None:
    rollout = looked(with_reference(**HOOK), ELSEWHERE)
    for attempt in range(1, MOST_ATTEMPTS + 1):
        rollout = hearing(rollout.after(HOUR), attempt, done=False)
    assert (action_of(rollout).state, action_of(rollout).message) == ("Failed", "HTTP 500")
    assert due(rollout) == ()
    assert told(rollout) == ["DriftFound", "DriftReactionFailed"]


def test_drift_that_lasts_fires_once_in_a_cooldown() -> None:
    rollout = looked(with_reference(cooldown="150m", **HOOK), ELSEWHERE)
    first = firing_of(rollout)
    for _ in range(2):
        rollout = looked(rollout, ELSEWHERE)
        assert firing_of(rollout) == first
    assert firing_of(looked(rollout, ELSEWHERE)) != first


def test_drift_that_comes_and_goes_fires_once_in_a_cooldown() -> None:
    rollout = looked(with_reference(**HOOK), ELSEWHERE)
    first = firing_of(rollout)
    assert firing_of(looked(looked(rollout, AS_EVER), ELSEWHERE)) == first


def test_another_limit_or_source_is_no_new_firing() -> None:
    rollout = looked(with_reference(**HOOK), ELSEWHERE)
    first = firing_of(rollout)
    spec = rollout.seen.drift
    assert spec is not None
    changed = rollout.at_rest(**spec.model_dump(by_alias=True, exclude_none=True) | {"maxIndex": 0.1})
    assert firing_of(looked(changed, ELSEWHERE)) == first


def test_what_is_asked_for_no_more_is_not_tried_again() -> None:
    rollout = looked(with_reference(**HOOK), ELSEWHERE)
    spec = rollout.seen.drift
    assert spec is not None
    without = {**spec.model_dump(by_alias=True, exclude_none=True), "onDrift": None}
    rollout = rollout.at_rest(**without)
    assert due(rollout) == ()
    assert action_of(rollout.then()).state == "Failed"


def test_a_rollout_that_begins_does_not_keep_the_receiver_waiting() -> None:
    rollout = looked(with_reference(**HOOK), ELSEWHERE).with_revision(V2).declaring(V2).pending()
    assert [reaction.kind for reaction in due(rollout)] == ["Webhook"]


def test_the_event_says_what_cloudevents_ask_for_under_the_id_of_the_firing() -> None:
    rollout = looked(with_reference(**HOOK), ELSEWHERE)
    firing = firing_of(rollout)
    assert firing is not None
    event = cloud_event(firing, namespace="shop", deployment="fraud", revision="fraud-1", version="1", release=V1)
    assert {name: value for name, value in event.items() if name not in {"data", "time", "id"}} == {
        "specversion": "1.0",
        "source": "/apis/slipway.dev/v1alpha1/namespaces/shop/modeldeployments/fraud",
        "type": "dev.slipway.drift.found.v1",
        "subject": "fraud-1",
        "datacontenttype": "application/json",
    }
    assert event["id"] == due(rollout)[0].firing.id
    assert event["data"]["findings"][0]["name"] == "amount"
