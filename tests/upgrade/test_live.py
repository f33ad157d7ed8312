"""The chart of a former version, upgraded and taken back by Helm in the middle of a step, under real requests.

Chart and operator of that version come out of the history of this repository, at the commit that its frozen folder
names. Both operators run in pods, as the chart's service account with the chart's rights.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from chart.cluster import KUBECTL, Installed, all_images, at_home
from chart.kit import CHART, Chart
from sandbox.clients.kit import Tool
from sandbox.rollout.kit import Shop, a_release, open_shop, processes_of
from sandbox.rollout.strategies import tell
from upgrade.frozen import FORMER, ROOT, Object

from demo.stage import SETTLE_SECONDS, Stage, stage
from slipway_sandbox import ImageEntry
from slipway_sandbox.client import DEPLOYMENTS, PODS

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

LADDER = ((25, "10m"), (50, "10m"))
"""Steps that last until they are told to end."""
COMPLAINT = r'"level": "(warning|error|critical)"|Traceback'


@dataclass
class Platform:
    """A sandbox in which Helm installs the operator."""

    stage: Stage
    helm: Installed
    former: Path
    installed: int = 0
    """How often an operator was installed, each as one pod."""

    async def install(self, *, former: bool) -> None:
        """Bring the operator of one of the two versions, and wait until it is ready and the other one is gone."""
        values = at_home(
            self.stage.sandbox.api_url,
            crds={"enabled": False},
            image={"tag": "former" if former else "today"},
            replicas=1,
            operator={"gatewayMetrics": [self.stage.sandbox.gateway_metrics_url]},
            extraArgs=["--health-address=0.0.0.0:8081", f"--settle-seconds={SETTLE_SECONDS}"],
        )
        chart = self.former / "charts" / "slipway" if former else CHART
        words = ("upgrade", "--install", self.helm.release, str(chart), "--wait", "--timeout=60s")
        await asyncio.to_thread(self.helm.helm, *words, values=values)
        self.installed += 1

    def complaints(self) -> list[str]:
        """Of every operator that there was."""
        logs = list((self.stage.sandbox.logs_dir / "pods").glob("ops_*/*/*.log"))
        assert len(logs) == self.installed
        return [line for path in logs for line in path.read_text().splitlines() if re.search(COMPLAINT, line)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(former: Path, chart: Chart, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Platform]:
    """A sandbox with the CRDs and the chart of that version."""
    state = tmp_path_factory.mktemp("platform")
    code = f"import sys; sys.path.insert(0, {str(former / 'operator')!r}); from slipway.cli import main; main()"
    table = all_images()
    table.add("ghcr.io/slipway-dev/slipway:former", ImageEntry(command=(sys.executable, "-c", code)))
    async with stage(state_dir=state, crds=list(FORMER.crds.values()), table=table, operated=False) as running:
        home = tmp_path_factory.mktemp("home")
        kubectl = Tool(KUBECTL, running.sandbox.kubeconfig_path, home, "ops")
        await running.kubectl("create", "namespace", "ops")
        found = Platform(running, Installed(chart, kubectl, "ops-slipway", home), former)
        await found.install(former=True)
        yield found
    assert processes_of(state) == []


class Look:
    """What no change of the operator may move, and what has to grow."""

    def __init__(self, shop: Shop, pods: dict[str, str], generations: dict[str, int]) -> None:
        record = shop.record("v2")
        self.pods = pods
        self.generations = generations
        self.fixed = {name: record[name] for name in ("attempt", "step", "weight", "weightObservedAt", "phaseSince")}
        self.timeline = record["timeline"]
        self.weights = list(shop.routed)
        self.revision = shop.service("v2")
        self.samples = samples(shop)


async def look(shop: Shop) -> Look:
    client = shop.stage.sandbox.client
    pods, _ = await client.list_all(PODS, shop.namespace)
    fleets, _ = await client.list_all(DEPLOYMENTS, shop.namespace)
    return Look(
        shop,
        {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods},
        {fleet["metadata"]["name"]: fleet["metadata"]["generation"] for fleet in fleets},
    )


def metric(shop: Shop) -> Object:
    """The record of what the gateway counts."""
    found: dict[str, Any] = {metric["name"]: metric for metric in shop.record("v2").get("metrics") or []}
    return dict(found.get("errors", {}))


def samples(shop: Shop) -> int:
    message = metric(shop).get("message", "")
    return int(message.partition("n=")[2].partition("/")[0] or 0)


async def change_over(platform: Platform, shop: Shop, *, former: bool) -> None:
    """Another operator takes over, and nothing shows of it but that evidence goes on growing."""
    before = await look(shop)
    await platform.install(former=former)
    known = samples(shop)
    await shop.until("more evidence", lambda: samples(shop) > known)
    after = await look(shop)
    for name in ("pods", "generations", "fixed", "timeline", "weights", "revision"):
        assert getattr(after, name) == getattr(before, name), name
    assert after.samples > known >= before.samples
    assert after.samples <= shop.answered_by("v2"), "evidence was counted twice"


async def test_an_upgrade_and_the_way_back_in_mid_canary_restart_nothing_and_keep_the_evidence(
    platform: Platform, tmp_path: Path
) -> None:
    shop = await open_shop(platform.stage, "upgraded", tmp_path)
    try:
        await shop.serve_first_release()
        await shop.apply(a_release("v2", steps=LADDER))
        await shop.until("live evidence", lambda: samples(shop) >= 5)

        await platform.stage.sandbox.apply(ROOT / "crds")
        await change_over(platform, shop, former=False)
        await tell(shop, "promote", "v2", "1")
        await shop.until(
            "the second step", lambda: shop.weight("v2") == 5000 and "weightObservedAt" in shop.record("v2")
        )
        await change_over(platform, shop, former=True)  # under the newer CRDs: those stay
        await tell(shop, "promote", "v2", "2")
        await shop.until_ready("v2")
        assert shop.record("v2")["attempt"] == 1
        assert shop.steps_told("v2") == ["step 1 of 2", "step 2 of 2"]
        assert shop.weights("v2") == [0, 2500, 5000, 10_000]
        assert shop.failed == []
    finally:
        await shop.close()
    assert platform.complaints() == []
