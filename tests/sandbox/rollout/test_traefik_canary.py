"""A canary behind Traefik's own resources, with copies of requests before the first step."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox.rollout.strategies import Strategy, StrategyStory, pod_errors

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


def block(hold: str) -> dict[str, Any]:
    """Copies, half of the requests, all of them."""
    steps = [{"weight": 50, "minDuration": hold}, {"weight": 100, "minDuration": hold}]
    return {"canary": {"shadow": {"minDuration": hold}, "steps": steps}}


class TestTraefikCanary(StrategyStory):
    """What holds for every strategy."""

    strategy = Strategy(
        block,
        stages=("shadow", "1", "2"),
        phases=("Starting", "Evaluating", "Shadowing", "Stepping", "Promoting"),
        traffic={"traefik": {}},
        metrics=(pod_errors(),),
        aborted=("1",),
    )
