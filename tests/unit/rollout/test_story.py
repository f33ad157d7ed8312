"""Whole rollouts in a small world, and the same ones with the operator killed between any two of their writes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from unit.rollout.builders import errors
from unit.rollout.world import ABSOLUTE, ITEMS, Release, World

from slipway.analysis import PairedEvidence, RatioEvidence
from slipway.api import AnalysisSpec, Phase
from slipway.rollout import FULL, Course, Step, record_of

GOOD, BETTER = Release("1"), Release("2")
INACCURATE, UNHEALTHY = Release("3", accurate=False), Release("4", healthy=False)
DEAD = Release("5", starts=False)


def a_world_with(*releases: Release, **settings: object) -> World:
    """A world in which these releases were declared one after the other, each left in peace until its end."""
    world = World(analysis=ABSOLUTE, **settings)
    for release in releases:
        world.declare(release)
        world.until_rest(60)
    return world


def _weights(world: World) -> dict[str, int]:
    return {world.releases[hash_].version: weight for hash_, weight in world.accepted.items()}


# --- the story --------------------------------------------------------------------------------------------------------


def test_good_releases_are_promoted_and_bad_ones_are_hauled_back():
    world = a_world_with(GOOD, BETTER, INACCURATE, UNHEALTHY)
    assert [world.phase(release) for release in (GOOD, BETTER, INACCURATE, UNHEALTHY)] == [
        Phase.SUPERSEDED,
        Phase.STABLE,
        Phase.ROLLED_BACK,
        Phase.ROLLED_BACK,
    ]
    assert _weights(world) == {"2": FULL}
    assert {hash_ for hash_, fleet in world.fleets.items() if fleet.size} == {BETTER.hash}


def test_what_the_golden_set_finds_never_serves_a_request():
    world = a_world_with(GOOD, INACCURATE)
    assert INACCURATE.hash not in world.counts


def test_what_only_live_traffic_shows_is_hauled_back_at_the_first_step():
    world = a_world_with(GOOD, UNHEALTHY)
    assert ("Stepping", "StepStarted") in world.story(UNHEALTHY)
    assert [entry.weight for entry in world.records[UNHEALTHY.hash].timeline or ()][-1] == 0
    assert max(entry.weight or 0 for entry in world.records[UNHEALTHY.hash].timeline or ()) == 10


def test_a_release_that_does_not_start_leaves_the_other_serving():
    world = a_world_with(GOOD, DEAD)
    assert world.phase(DEAD) == Phase.ROLLED_BACK
    assert world.records[DEAD.hash].reason == "StartDeadlineExceeded"
    assert _weights(world) == {"1": FULL}


def test_no_request_of_a_healthy_release_fails_because_of_a_rollout():
    world = a_world_with(GOOD, BETTER, Release("6"), GOOD)
    assert all(bad == 0 for bad, _ in world.counts.values())
    assert world.phase(GOOD) == Phase.STABLE


def test_a_better_release_replaces_a_sick_one():
    world = a_world_with(GOOD)
    world.crashed.add(GOOD.hash)
    world.declare(BETTER)
    world.tick(60)
    assert world.phase(BETTER) == Phase.STABLE
    assert _weights(world) == {"2": FULL}


def test_a_release_declared_at_half_way_is_verified_itself():
    world = a_world_with(GOOD)
    world.declare(BETTER)
    _until(world, lambda: world.accepted.get(BETTER.hash) == 5_000)
    world.declare(UNHEALTHY)
    world.tick(2)
    assert _weights(world) == {"1": FULL}
    assert world.phase(BETTER) == Phase.SUPERSEDED
    world.tick(40)
    assert world.phase(UNHEALTHY) == Phase.ROLLED_BACK
    assert _weights(world) == {"1": FULL}


def test_a_revert_at_half_way_needs_no_cold_start():
    world = a_world_with(GOOD)
    world.declare(BETTER)
    _until(world, lambda: world.accepted.get(BETTER.hash) == 5_000)
    world.declare(GOOD)
    world.tick(2)
    assert _weights(world) == {"1": FULL}
    assert world.phase(GOOD) == Phase.STABLE
    world.tick(10)
    assert not world.fleets[BETTER.hash].size


def test_both_fleets_dying_at_once_end_with_the_old_release():
    world = a_world_with(GOOD)
    world.declare(BETTER)
    _until(world, lambda: world.accepted.get(BETTER.hash) == 5_000)
    world.crashed |= {GOOD.hash, BETTER.hash}
    world.tick(40)
    world.crashed.clear()
    world.tick(20)
    assert world.phase(GOOD) == Phase.STABLE
    assert _weights(world) == {"1": FULL}


def test_replicas_edited_in_mid_rollout_are_followed_by_both_fleets():
    world = a_world_with(GOOD)
    world.declare(BETTER)
    _until(world, lambda: world.accepted.get(BETTER.hash) == 5_000)
    world.replicas = 8
    world.tick(40)
    assert world.phase(BETTER) == Phase.STABLE
    assert world.fleets[BETTER.hash].size == 8


@pytest.mark.parametrize(
    "ladder",
    [(Step(2_000),), (Step(FULL),), (Step(1_000), Step(4_000)), (Step(5_000), Step(FULL))],
    ids=lambda ladder: "-".join(str(step.weight // 100) for step in ladder),
)
def test_every_ladder_has_an_end(ladder):
    minimum = errors(threshold={"max": 0.05}, minSamples=50)
    world = World(analysis=AnalysisSpec(metrics=[minimum]), course=Course(steps=ladder))
    for release in (GOOD, BETTER, UNHEALTHY):
        world.declare(release)
        world.tick(40)
    assert (world.phase(BETTER), world.phase(UNHEALTHY)) == (Phase.STABLE, Phase.ROLLED_BACK)


def test_without_analysis_only_health_and_time_count():
    world = a_world_with(GOOD, BETTER)
    world.analysis = AnalysisSpec()
    world.declare(UNHEALTHY)
    world.tick(40)
    assert world.phase(UNHEALTHY) == Phase.STABLE


def test_an_outage_in_mid_rollout_costs_time_and_nothing_else():
    world = a_world_with(GOOD)
    world.declare(BETTER)
    _until(world, lambda: world.accepted.get(BETTER.hash) == 5_000)
    world.outages.add("live")
    world.tick(100)
    assert _weights(world) == {"1": 5_000, "2": 5_000}
    world.outages.clear()
    world.tick(40)
    assert world.phase(BETTER) == Phase.STABLE


def test_a_gateway_that_is_away_for_an_hour_costs_time_and_nothing_else():
    world = a_world_with(GOOD)
    world.declare(BETTER)
    _until(world, lambda: world.accepted.get(BETTER.hash) == 1_000)
    world.gateway = False
    world.skipped += timedelta(hours=1)
    world.tick(5)
    world.gateway = True
    world.tick(60)
    assert world.phase(BETTER) == Phase.STABLE


def test_a_year_of_releases_leaves_a_short_history():
    world = World(analysis=ABSOLUTE)
    for number in range(1, 16):
        world.declare(Release(str(number), accurate=number % 4 != 0))
        world.until_rest(60)
        world.skipped += timedelta(days=12)
    assert len(world.records) <= world.rollback.revision_history_limit + 2


# --- killed between two writes ----------------------------------------------------------------------------------------


def _until(world: World, condition: Callable[[], bool]) -> None:
    for _ in range(60):
        if condition():
            return
        world.tick()
    raise AssertionError("it never came to that")


def _then(world: World, release: Release) -> World:
    world.declare(release)
    world.until_rest(60)
    return world


def _half_way(world: World) -> World:
    world.declare(BETTER)
    for _ in range(60):
        if world.accepted.get(BETTER.hash) == 5_000:
            break
        world.tick()
    return _then(world, UNHEALTHY)


STORIES = {
    "a first release": (None, lambda world: _then(world, GOOD)),
    "a good one": (GOOD, lambda world: _then(world, BETTER)),
    "an inaccurate one": (GOOD, lambda world: _then(world, INACCURATE)),
    "an unhealthy one": (GOOD, lambda world: _then(world, UNHEALTHY)),
    "one that does not start": (GOOD, lambda world: _then(world, DEAD)),
    "another one at half way": (GOOD, _half_way),
}


def _outcome(world: World) -> object:
    """All that a kill may not change: roles, weights, pods, decisions and the amount of evidence."""
    records = {world.releases[hash_].version: record for hash_, record in world.records.items()}
    return {
        "phases": {version: record.phase for version, record in records.items()},
        "attempts": {version: record.attempt for version, record in records.items()},
        "stories": {release.version: world.story(release) for release in world.releases.values()},
        "weights": world.accepted,
        "pods": {hash_: fleet.size for hash_, fleet in world.fleets.items()},
        "conditions": {c.type: (c.status, c.reason) for c in world.status.conditions or ()},
        "golden": {version: _items(record) for version, record in records.items()},
    }


def _items(record) -> int | None:
    status = record_of(record, "accuracy")
    if status is None or not status.state or record.baseline is None:
        return None
    return PairedEvidence.from_vectors({vector.name: tuple(vector.values) for vector in status.state}).counts.used


@pytest.mark.parametrize(("before", "story"), STORIES.values(), ids=STORIES)
def test_a_kill_between_any_two_writes_changes_nothing_but_time(before, story):
    begin = a_world_with(before) if before else World(analysis=ABSOLUTE)
    calm = story(begin.fork())
    for kill in range(begin.writes, calm.writes):
        killed = begin.fork()
        killed.kill_at = kill
        story(killed)
        assert killed.kill_at is None, "it was not killed"
        assert _outcome(killed) == _outcome(calm), f"killed before write {kill}"


def test_evidence_is_counted_once_over_a_whole_rollout():
    world = a_world_with(GOOD, BETTER)
    status = record_of(world.records[BETTER.hash], "errors")
    assert status is not None
    counted = RatioEvidence.from_vectors({vector.name: tuple(vector.values) for vector in status.state or ()})
    assert 0 < counted.candidate.total < world.counts[BETTER.hash][1]
    assert _items(world.records[BETTER.hash]) == ITEMS


def test_a_slow_cluster_comes_to_the_same_end():
    quick, slow = a_world_with(GOOD), a_world_with(GOOD)
    slow.start_lag, slow.gateway_lag = 9, 5
    for world in (quick, slow):
        world.declare(BETTER)
        world.until_rest(120)
    assert quick.story(BETTER) == slow.story(BETTER)
    assert slow.phase(BETTER) == Phase.STABLE
