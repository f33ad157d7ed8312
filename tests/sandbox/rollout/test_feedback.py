"""Feedback, end to end: labels that arrive after the promotion haul the release back, and nobody starts cold.

Requests carry ids of their clients, the route writes into each answer which release gave it, and what was right is
reported with the command, to the operator's endpoint, with a service account's token.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from sandbox.rollout.kit import NAME, Open, Shop, a_release, accuracy, errors, processes_of

from demo.stage import Manifest, Stage, stage
from slipway.feedback.client import NotTakenError, send

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

RATE = 60.0
LABELS: Manifest = {"name": "labels", "feedback": {"maturity": "25s"}, "comparison": {"margin": 0.05}}
AUDIENCE = "feedback.slipway.dev"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The sandbox, and an operator that takes feedback."""
    state = tmp_path_factory.mktemp("platform")
    async with stage(state_dir=state, options=("--feedback=127.0.0.1:0",)) as running:
        yield running
    assert processes_of(state) == []


@dataclass
class Asked:
    """One request: its id, when it was made, and what came back."""

    request_id: str
    at: datetime
    status: int
    revision: str | None


@dataclass
class Clients:
    """Clients that know what they asked, and of whom."""

    shop: Shop
    asked: list[Asked] = field(default_factory=list)

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._ask())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _ask(self) -> None:
        load, pending = self.shop.load, set[asyncio.Task[None]]()
        async with aiohttp.ClientSession() as session:
            due = time.monotonic()
            try:
                for number, body in enumerate(itertools.cycle(load.bodies)):
                    task = asyncio.create_task(self._one(session, f"{self.shop.namespace}-{number}", body))
                    pending.add(task)
                    task.add_done_callback(pending.discard)
                    due += 1 / RATE
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
            finally:
                await asyncio.gather(*pending)

    async def _one(self, session: aiohttp.ClientSession, request_id: str, body: bytes) -> None:
        headers, at = {"host": self.shop.load.host, "x-request-id": request_id}, datetime.now(UTC)
        async with session.post(self.shop.load.url, data=body, headers=headers) as answer:
            await answer.read()
            self.asked.append(Asked(request_id, at, answer.status, answer.headers.get("x-slipway-revision")))


def endpoint(shop: Shop) -> str:
    """Where the operator takes feedback, as its log says."""
    found = re.search(r"feedback is taken at (\S+)", shop.stage.operator.log.read_text())
    assert found is not None
    return found[1]


async def report(shop: Shop, asked: list[Asked], *, wrong: str, token: str, folder: Path) -> tuple[int, str]:
    """`slipway feedback` of labels: the answers of one release were wrong, all others right."""
    lines = [
        json.dumps(
            {
                "requestId": one.request_id,
                "revision": one.revision,
                "outcome": "Wrong" if one.revision == wrong else "Right",
                "time": one.at.isoformat(),
            }
        )
        for one in asked
    ]
    path = folder / "labels.jsonl"
    path.write_text("\n".join(lines))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "slipway", "feedback", NAME, f"--file={path}", f"--url={endpoint(shop)}"),
        f"--namespace={shop.namespace}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "SLIPWAY_FEEDBACK_TOKEN": token},
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


@asynccontextmanager
async def labelling(
    shop: Shop, clients: Clients, *, since: int, wrong: str, token: str, folder: Path
) -> AsyncIterator[None]:
    """Go on to label what is asked, as whoever labels does: a window of which a part is labelled is no fair sample, and
    on a slow machine one goes on for long."""
    ended = asyncio.Event()

    async def label() -> None:
        labelled = since
        while not ended.is_set():
            fresh = clients.asked[labelled:]
            labelled += len(fresh)
            if known := [one for one in fresh if one.revision is not None]:
                await report(shop, known, wrong=wrong, token=token, folder=folder)
            await asyncio.sleep(0.5)

    task = asyncio.create_task(label())
    try:
        yield
    finally:
        ended.set()
        await task


async def a_token(shop: Shop, *, audience: str = AUDIENCE, namespace: str | None = None) -> str:
    """A token of the default service account."""
    where = f"--namespace={namespace or shop.namespace}"
    return (await shop.stage.kubectl(where, "create", "token", "default", f"--audience={audience}")).strip()


async def pods(shop: Shop, version: str) -> set[str]:
    """The pods of a release that run."""
    label = shop.service(version).rpartition("-")[2]
    found = await shop.kubectl("get", "pods", f"--selector=slipway.dev/revision={label}", "--output=name")
    return set(found.split())


async def test_labels_that_arrive_after_the_promotion_haul_the_release_back_to_the_warm_one(
    open_shops: Open, tmp_path: Path
) -> None:
    shop = await open_shops()
    await shop.apply(a_release("v1"))
    await shop.until_ready("v1")
    await shop.load.first_answer(seconds=60)
    warm, token, clients = await pods(shop, "v1"), await a_token(shop), Clients(shop)
    async with clients.asking():
        judged = {"analysis": {"interval": "250ms", "metrics": [accuracy(), errors(), LABELS]}}
        watched = {"rollback": {"progressDeadline": "5m", "watch": "5m"}}
        await shop.apply(a_release("v2", steps=((50, "3s"), (100, "0s")), **judged, **watched))
        await shop.until_phase("v2", "Watching", seconds=40)
        new = shop.service("v2")
        # The window in which it was promoted ends later; without the labels of its end it is no fair sample.
        before = len(clients.asked)
        await shop.until("answers after the promotion", lambda: len(clients.asked) > before + 3 * RATE)
        asked = len(clients.asked)
        known = [one for one in clients.asked if one.revision is not None]
        assert {one.revision for one in known} == {shop.service("v1"), new}
        code, said = await report(shop, known, wrong=new, token=token, folder=tmp_path)
        assert code == 0, said
        again = await report(shop, known[-20:], wrong=new, token=token, folder=tmp_path)
        assert again[1].startswith("accepted: 0, ")  # duplicates, or of no use any more
        async with labelling(shop, clients, since=asked, wrong=new, token=token, folder=tmp_path):
            await shop.until("v1 serving again", lambda: shop.weight("v1") == 10_000, seconds=60)
        await shop.until_phase("v2", "RollingBack", "RolledBack")
    assert shop.phase("v1") == "Stable"
    assert re.search(r"labels: Fail n=\d+/\d+, bad=[1-9]\d*/0; .*labels cover", shop.record("v2")["message"])
    assert await pods(shop, "v1") == warm
    assert [one for one in clients.asked if one.status != 200] == []


async def test_nobody_else_may_report(open_shops: Open) -> None:
    shop = await open_shops()
    await shop.apply(a_release("v1", analysis={"metrics": [LABELS]}, rollback={"watch": "1m"}))
    one = {"requestId": "r1", "revision": "fraud-0", "outcome": "Wrong"}
    tokens = {
        "may not create": await a_token(shop, namespace="default"),
        "does not take the token": await a_token(shop, audience="https://kubernetes.default.svc.cluster.local"),
        "the API server": "nonsense",
    }
    for words, token in tokens.items():
        with pytest.raises(NotTakenError, match=words):
            await send(endpoint(shop), token, shop.namespace, NAME, [one])
    receipt = await send(endpoint(shop), await a_token(shop), shop.namespace, NAME, [one])
    assert "no revision of this name" in receipt.problems[0]
