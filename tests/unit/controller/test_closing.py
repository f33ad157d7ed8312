"""An operator that ends breaks off what it does beside its looks, and waits for nothing that is over already."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from slipway.api import RegistrySpec, WrittenBack
from slipway.cluster import Kind, MemoryCluster, Object
from slipway.controller.notifying import Notifier
from slipway.controller.registries import Registries
from slipway.controller.writing_back import WritingBack
from slipway.outside import Egress, Outside

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECONDS = 30


class Asked(MemoryCluster):
    """Says when it was asked; whoever waits for that goes on in the turn in which the asker is done."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        self.asked.set()
        return None


@pytest.mark.timeout(3 * SECONDS)
async def test_messages_that_were_sent_just_now_are_not_waited_for_for_ever() -> None:
    """From Python 3.12 on, gather gives no turn to the loop when all that it gathers is done: it was asked for ever."""
    cluster = Asked()
    notifier = Notifier(cluster, Outside(Egress()))
    notifier.receivers("shop", None, NOW)
    await cluster.asked.wait()
    async with asyncio.timeout(SECONDS):
        await notifier.close()
    assert not notifier.busy


@pytest.mark.timeout(3 * SECONDS)
async def test_a_verdict_that_was_not_begun_to_be_written_is_broken_off() -> None:
    writing = WritingBack(Registries(MemoryCluster(), Outside(Egress())))
    spec = RegistrySpec.model_validate({"mlflow": {"model": "fraud", "alias": "candidate"}})
    verdict = WrittenBack(id="v2", what="Alias", version="2", value="champion", state="Writing", time=NOW)
    writing.start(("shop", "fraud"), spec, [verdict])
    async with asyncio.timeout(SECONDS):
        await writing.close()
