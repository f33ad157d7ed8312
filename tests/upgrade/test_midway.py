"""An operator of today takes over what a former one left in the middle of a canary, in the world of the unit tests."""

from __future__ import annotations

import json

import pytest
from unit.controller.world import World, a_world
from upgrade.frozen import VERSIONS, Frozen, Object

from slipway.cluster import DEPLOYMENT


def bring_back(world: World, frozen: Frozen) -> None:
    """The objects as they were, at the time at which they were so. Uids are the cluster's to give."""
    world.clock.advance(frozen.midway["seconds"])
    uids: dict[str, str] = {}
    for old in frozen.midway["objects"]:
        text = json.dumps(old)
        for before, after in uids.items():
            text = text.replace(before, after)
        obj: Object = json.loads(text)
        for edit in range(1, obj["metadata"].get("generation", 1)):  # as often as it was edited until then
            world.cluster.put(obj | {"spec": obj["spec"] | {"replicas": 10 + edit}})
        uids[old["metadata"]["uid"]] = world.cluster.put(obj)["metadata"]["uid"]


@pytest.mark.parametrize("frozen", VERSIONS, ids=lambda frozen: frozen.version)
async def test_a_canary_of_a_former_version_goes_on_where_it_stood(frozen: Frozen) -> None:
    async with a_world() as world:  # which fails as soon as pods are restarted
        bring_back(world, frozen)
        before, weights, pods = world.record("v2"), world.weights, world.mirror.objects(DEPLOYMENT)
        errors = world.metric("v2", "errors")
        assert weights == {"v1": 9000, "v2": 1000}

        await world.pass_time(120)
        after = world.record("v2")
        for kept in ("phase", "phaseSince", "attempt", "step", "weight", "weights", "weightObservedAt", "baseline"):
            assert after[kept] == before[kept], kept
        assert after["timeline"] == before["timeline"]
        assert world.weights == weights
        assert [obj["spec"] for obj in world.mirror.objects(DEPLOYMENT)] == [obj["spec"] for obj in pods]
        grown = world.metric("v2", "errors")
        assert grown["cursor"] > errors["cursor"]
        assert samples(grown) > samples(errors)

        await world.run(lambda: world.stable == "v2", limit=1200)
        assert world.record("v2")["attempt"] == 1
        assert world.timeline("v2")[: len(before["timeline"])] == [
            (entry["phase"], entry["reason"]) for entry in before["timeline"]
        ]


def samples(metric: Object) -> int:
    """Of the candidate's, as the message tells."""
    return int(metric["message"].partition("n=")[2].partition("/")[0])
