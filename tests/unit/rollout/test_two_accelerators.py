"""Two pods on two accelerators, as for weights of tens of gigabytes: a rollout that has to do with what there is.

Pods are slow to start, and there are machines for no more than what the strategy allows: where more were asked for than
there are machines, they would wait, or a cluster that grows would buy them.
"""

from __future__ import annotations

import pytest
from unit.rollout.world import Release, World

from slipway.api import Strategy
from slipway.rollout import FULL, course_of

STEPS = {"steps": [{"weight": 50, "minDuration": "5s"}]}
SHIFT = {"maxSurge": 0, "maxUnavailable": 1}
V1, V2 = Release("1"), Release("2")


def a_world(strategy, *, scarce=True):
    """Release 1 serves with two pods."""
    course = course_of(Strategy.model_validate(strategy), replicas=2)
    world = World(replicas=2, course=course, scarce=scarce, start_lag=6)
    world.declare(V1)
    world.until_rest(60)
    return world


def rolled(world, release):
    """The pods that are asked for at each tick of a rollout, and whether it was on its way forward."""
    world.declare(release)
    seen = []
    for _ in range(60):
        world.tick()
        asked = sum(fleet.size for fleet in world.fleets.values())
        seen.append((asked, world.phase(release) not in ("RollingBack", "RolledBack")))
        served = world.served()
        assert sum(served.values()) == FULL
        assert all(world.ready(hash_) for hash_, share in served.items() if share), "somebody serves"
    return seen


@pytest.mark.parametrize(
    ("strategy", "most"),
    [
        ({"canary": {**STEPS, **SHIFT}}, 2),
        ({"rollingUpdate": SHIFT}, 2),
        ({"canary": {**STEPS, "maxSurge": 1}}, 3),
        ({"rollingUpdate": {"maxSurge": 1}}, 3),
    ],
)
def test_no_more_pods_are_asked_for_than_the_surge_allows(strategy, most):
    world = a_world(strategy)
    seen = rolled(world, V2)
    assert max(asked for asked, _ in seen) == most
    assert (world.phase(V2), seen[-1][0]) == ("Stable", 2)


def test_a_release_that_is_hauled_back_gives_its_place_to_the_pod_that_stable_gave_up():
    world = a_world({"canary": {**STEPS, **SHIFT}})
    seen = rolled(world, Release("2", healthy=False))
    assert max(asked for asked, forward in seen if forward) == 2
    # The pod that stable gets back waits for the machine of the one that failed.
    assert max(asked for asked, _ in seen) == 3
    assert (world.phase(V2), seen[-1][0], world.ready(V1.hash)) == ("RolledBack", 2, 2)


def test_without_a_limit_a_second_fleet_is_asked_for():
    assert max(asked for asked, _ in rolled(a_world({"canary": STEPS}), V2)) == 4
