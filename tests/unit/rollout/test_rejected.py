"""What was hauled back once does not return by itself, however short the history is."""

from __future__ import annotations

from unit.rollout.test_story import BETTER, GOOD, UNHEALTHY, a_world_with
from unit.rollout.world import Release, World

from slipway.api import MAX_REJECTED, Phase, RollbackSpec
from slipway.rollout import FULL

FORGETFUL = RollbackSpec(revision_history_limit=0)


def a_world_that_forgot() -> World:
    """v4 was hauled back, another release was promoted, and the history has room for nothing."""
    world = a_world_with(GOOD, UNHEALTHY, BETTER, rollback=FORGETFUL)
    assert UNHEALTHY.hash not in world.records
    return world


def test_a_rejected_release_is_not_tried_again_when_it_is_declared_again() -> None:
    world = a_world_that_forgot()
    world.declare(UNHEALTHY)
    world.until_rest(60)
    assert world.phase(UNHEALTHY) == Phase.ROLLED_BACK
    assert world.story(UNHEALTHY) == [("Pending", "RevisionCreated"), ("RolledBack", "RejectedBefore")]
    assert world.fleets.get(UNHEALTHY.hash) is None or world.fleets[UNHEALTHY.hash].size == 0
    said = world.records[UNHEALTHY.hash].message or ""
    assert said.startswith("release 4 was hauled back at ")
    assert "Fail" in said, "it says what it was rejected for"
    assert world.accepted == {BETTER.hash: FULL}


def test_a_person_may_have_it_tried_again() -> None:
    world = a_world_that_forgot()
    world.declare(UNHEALTHY)
    world.until_rest(60)
    world.sick.clear()
    world.say(f"retry@{UNHEALTHY.hash}#1")
    world.tick(3)
    assert world.records[UNHEALTHY.hash].attempt == 2
    assert world.phase(UNHEALTHY) not in (Phase.ROLLED_BACK, None)


def test_other_gates_ask_another_question() -> None:
    world = a_world_that_forgot()
    world.rollback = FORGETFUL.model_copy(update={"progress_deadline": FORGETFUL.progress_deadline * 2})
    world.edited()
    world.declare(UNHEALTHY)
    world.until_rest(90)
    assert ("Pending", "RevisionCreated") in world.story(UNHEALTHY)
    assert ("RolledBack", "RejectedBefore") not in world.story(UNHEALTHY)


def test_an_operator_that_is_killed_at_any_write_forgets_no_rejection() -> None:
    for point in range(1, 40):
        world = a_world_with(GOOD, UNHEALTHY, rollback=FORGETFUL)
        world.kill_at = world.writes + point
        world.declare(BETTER)
        world.until_rest(90)
        world.declare(UNHEALTHY)
        world.until_rest(60)
        assert ("RolledBack", "RejectedBefore") in world.story(UNHEALTHY) or world.phase(UNHEALTHY) == Phase.ROLLED_BACK
        assert world.accepted == {BETTER.hash: FULL}, f"killed at write {point}"


def test_what_is_remembered_is_bounded() -> None:
    world = a_world_with(GOOD, rollback=FORGETFUL)
    for number in range(MAX_REJECTED + 3):
        world.declare(Release(f"{100 + number}", accurate=False))
        world.until_rest(60)
    assert len(world.status.rejected or ()) <= MAX_REJECTED


def test_a_history_that_is_cut_short_at_once_comes_to_rest() -> None:
    world = a_world_with(GOOD, rollback=RollbackSpec(revision_history_limit=100))
    for number in range(MAX_REJECTED + 3):
        world.declare(Release(f"{100 + number}", accurate=False))
        world.until_rest(60)
    world.rollback = FORGETFUL
    world.edited()
    world.until_rest(60)
    assert world.resting
    assert len(world.records) == 2, "stable, and the candidate that was rejected"
    assert len(world.status.rejected or ()) == MAX_REJECTED
