"""ModelDeployments as the operator leaves them, one for each way in which a rollout can stand.

`python tests/unit/gitops/record.py` writes those that Argo CD's tests read; the core itself is asked, so they cannot
say what no operator would.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, Final

from unit.controller.world import World, a_world

from slipway.cluster import Object

Story = Callable[[World], Awaitable[None]]

APPROVED: Final = {"canary": {"steps": [{"weight": 10, "approval": "Required"}, {"weight": 100}]}}
SLOW: Final = {"canary": {"steps": [{"weight": 10, "minDuration": "1h"}, {"weight": 100}]}}


async def unobserved(world: World) -> None:
    """Declared, and nobody has looked."""
    world.declare("v1")


async def starting(world: World) -> None:
    """Pods of the first release come up."""
    world.declare("v1")
    await world.run(lambda: world.phase("v1") == "Starting")


async def stable(world: World) -> None:
    """Rolled out."""
    await world.serving("v1")


async def stepping(world: World) -> None:
    """In the middle of a canary."""
    await world.serving("v1", strategy=SLOW)
    world.declare("v2")
    await world.run(lambda: bool(world.record("v2").get("weightObservedAt")) if world.phase("v2") else False)


async def awaiting_approval(world: World) -> None:
    """A step that a person has to let pass."""
    await world.serving("v1", strategy=APPROVED)
    world.declare("v2")
    await world.run(lambda: world.status.get("phase") == "AwaitingApproval")


async def paused(world: World) -> None:
    """Held by a person."""
    await stepping(world)
    hash_ = world.status["candidate"]["hash"]
    metadata = dict(world.deployment["metadata"])
    metadata["annotations"] = {**metadata["annotations"], "slipway.dev/command": f"pause@{hash_}#1"}
    world.edit(world.deployment, metadata=metadata)
    await world.run(lambda: world.status.get("phase") == "Paused")


async def holding(world: World) -> None:
    """A source of evidence gives no answer."""
    await stepping(world)
    world.outside.page_status = 500
    await world.pass_time(60)


async def rolled_back(world: World) -> None:
    """Hauled back."""
    await world.serving("v1")
    await world.model("v4", errors=0.33)
    world.declare("v4")
    await world.run()


async def returned(world: World) -> None:
    """Reverted in git after it was hauled back."""
    await rolled_back(world)
    world.declare("v1")
    await world.run()


async def watching(world: World) -> None:
    """Promoted, with the old release kept warm."""
    await world.serving("v1", rollback={"watch": "1h", "progressDeadline": "2m", "scaleDownDelay": "30s"})
    world.declare("v2")
    await world.run(lambda: world.phase("v2") == "Watching" and world.condition("Ready").get("status") == "True")


async def invalid(world: World) -> None:
    """A specification that no CRD would let in, and that an older one did."""
    await world.serving("v1")
    world.edit(world.deployment, spec=world.deployment["spec"] | {"strategy": {"unheardOf": {}}})
    await world.run(lambda: world.status.get("phase") == "InvalidSpec")


STORIES: Final[dict[str, Story]] = {
    story.__name__.replace("_", "-"): story
    for story in (
        unobserved,
        starting,
        stable,
        stepping,
        awaiting_approval,
        paused,
        holding,
        rolled_back,
        returned,
        watching,
        invalid,
    )
}


async def _recorded(name: str) -> Object:
    async with a_world() as world:
        await STORIES[name](world)
        obj = world.deployment
    metadata = obj["metadata"]
    keep = ("name", "namespace", "generation", "resourceVersion", "annotations", "labels")
    return {**obj, "metadata": {key: metadata[key] for key in keep}}


@lru_cache
def _text(name: str) -> str:
    """The gateway of a test listens where there is room; what is recorded names one address."""
    return re.sub(r"127\.0\.0\.1:\d+", "gateway.example.com:9100", json.dumps(asyncio.run(_recorded(name))))


def record(name: str) -> Any:
    """The ModelDeployment at the end of a story."""
    return json.loads(_text(name))


__all__ = ["STORIES", "record"]
