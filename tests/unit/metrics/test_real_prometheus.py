"""A real Prometheus, scraping real pods: late series, restarts, and windows that add up to what was served."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from unit.metrics.builders import ARMS, loopback
from unit.metrics.prometheus_binary import binary
from unit.probes.builders import a_server

from slipway.metrics import (
    Credentials,
    Prometheus,
    PrometheusCounters,
    PrometheusHistograms,
    PrometheusQuery,
    SourceError,
    delta,
    snapshot,
)

pytestmark = pytest.mark.e2e

SCRAPES = 0.25
"""Seconds between two scrapes."""

STABLE, CANDIDATE = "fraud-1a2b3c4d-5d8f9-abcde", "fraud-9e8f7a6b-7c6b5-fghij"


class Pod:
    """A pod that counts its requests: the failed ones have no series until the first of them."""

    def __init__(self) -> None:
        self.good = self.bad = self.slow = 0

    async def metrics(self, _: web.Request) -> web.StreamResponse:
        lines = [f'req_total{{code="200"}} {self.good}']
        if self.bad:
            lines.append(f'req_total{{code="500"}} {self.bad}')
        total = self.good + self.bad
        lines += [f't_seconds_bucket{{le="0.1"}} {total - self.slow}', f't_seconds_bucket{{le="+Inf"}} {total}']
        return web.Response(text="# TYPE req_total counter\n" + "\n".join(lines) + "\n")


LOGIN = "ann: $2b$04$aU14ZnEcsXg7jxRBN2tLIe7X9h.d8XZKggDdBhBXVpQg0VKZ2WIv."
"""The password is ``pw``."""


@asynccontextmanager
async def a_prometheus(folder: Path, *, login: str = "", **pods: int) -> AsyncIterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    targets = "".join(
        f"  - targets: ['127.0.0.1:{number}']\n    labels: {{namespace: ml, pod: {pod.replace('_', '-')}}}\n"
        for pod, number in pods.items()
    )
    config = folder / "prometheus.yml"
    config.write_text(
        f"global: {{scrape_interval: {int(SCRAPES * 1000)}ms, scrape_timeout: {int(SCRAPES * 1000)}ms}}\n"
        f"scrape_configs:\n- job_name: ml/fraud\n  static_configs:\n{targets}"
    )
    users = folder / "web.yml"
    users.write_text(f"basic_auth_users: {{{login}}}\n")
    process = await asyncio.create_subprocess_exec(
        binary("prometheus"), f"--config.file={config}", f"--web.config.file={users}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=error", f"--storage.tsdb.path={folder / 'data'}",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient() as client:
            async with asyncio.timeout(60):
                while True:
                    try:
                        if (await client.get(f"{url}/-/ready", auth=("ann", "pw"))).status_code == 200:
                            break
                    except httpx.TransportError:
                        assert process.returncode is None, "Prometheus ended"
                    await asyncio.sleep(0.05)
        yield url
    finally:
        process.kill()
        await process.wait()


async def test_windows_of_a_real_prometheus_add_up_to_what_was_served(tmp_path: Path) -> None:
    binary("prometheus")
    stable, candidate = Pod(), Pod()
    stable.good = 1000
    async with (
        a_server(stable.metrics) as one,
        a_server(candidate.metrics) as other,
        a_prometheus(tmp_path, **{STABLE.replace("-", "_"): one, CANDIDATE.replace("-", "_"): other}) as url,
    ):
        prometheus = Prometheus(loopback(), url, "ml", lag=0)
        counters = PrometheusCounters(prometheus, ['req_total{code=~"5.."}'], ["req_total"])
        async with asyncio.timeout(60):
            await _scraped(prometheus, STABLE, 1000)
            readings = await counters.read(ARMS)
            memory = snapshot((), [reading for found in readings.values() for reading in found])
            assert {arm: delta(memory, found) for arm, found in readings.items()} == {
                "stable": (0, 0),
                "candidate": (0, 0),
            }

            stable.good, candidate.good, candidate.bad = 1090, 6, 4
            await _scraped(prometheus, STABLE, 1090)
            await _scraped(prometheus, CANDIDATE, 10)
            readings = await counters.read(ARMS)
            assert {arm: delta(memory, found) for arm, found in readings.items()} == {
                "stable": (0, 90),
                "candidate": (4, 10),
            }
            memory = snapshot(memory, [reading for found in readings.values() for reading in found])

            stable.good = 7  # its process began anew
            await _scraped(prometheus, STABLE, 7)
            readings = await counters.read(ARMS)
            assert {arm: delta(memory, found) for arm, found in readings.items()} == {
                "stable": (0, 7),
                "candidate": (0, 0),
            }

            candidate.slow = 3
            histograms = PrometheusHistograms(prometheus, "t_seconds")
            await _slow(histograms, 3)
            query = PrometheusQuery(
                prometheus, 'sum(req_total{code="500",{{selector}}}) / sum(req_total{{{selector}}})', window=1
            )
            assert await query.read(ARMS) == {"stable": None, "candidate": 0.4}
            by_pod = PrometheusQuery(prometheus, "sum by (pod) (req_total{{{selector}}})", window=1)
            assert await by_pod.read(ARMS) == {"stable": {STABLE: 7}, "candidate": {CANDIDATE: 10}}
            grown = PrometheusQuery(prometheus, "max(max_over_time(req_total{{{selector}}}[{{window}}]))", window=60)
            assert await grown.read(ARMS) == {"stable": 1090, "candidate": 6}


async def test_a_real_prometheus_tells_what_it_cannot_answer(tmp_path: Path) -> None:
    binary("prometheus")
    async with a_prometheus(tmp_path) as url:
        prometheus = Prometheus(loopback(), url, "ml", lag=0)
        with pytest.raises(SourceError, match=r"\(HTTP 400, bad_data\): .*parse error"):
            await prometheus.query("sum(")
        with pytest.raises(SourceError, match="HTTP 422, execution"):
            await prometheus.query('vector(1) + on(x) (vector(1) or label_replace(vector(2), "a", "b", "", ""))')
        with pytest.raises(SourceError, match="gives a matrix"):
            await prometheus.query("up[1m]")
        with pytest.raises(SourceError, match="knows no series"):
            await PrometheusCounters(prometheus, ["nobody"], ["nobody"]).read(ARMS)
        (infinite,) = await prometheus.query("vector(1) / 0")
        assert infinite.value == float("inf")
        (one,) = await prometheus.query("1 + 1")
        assert one.value == 2


async def test_a_real_prometheus_behind_a_login_is_read_with_credentials_and_not_without(tmp_path: Path) -> None:
    binary("prometheus")
    async with a_prometheus(tmp_path, login=LOGIN) as url:
        for refused in (None, Credentials(user="ann", password="no"), Credentials(bearer="pw")):
            with pytest.raises(SourceError, match=r"refuses the credentials \(HTTP 401\): check the Secret"):
                await Prometheus(loopback(), url, "ml", credentials=refused, lag=0).query("1 + 1")
        (one,) = await Prometheus(
            loopback(), url, "ml", credentials=Credentials(user="ann", password="pw"), lag=0
        ).query("1 + 1")
        assert one.value == 2


async def _scraped(prometheus: Prometheus, pod: str, total: int) -> None:
    """Waits until Prometheus has seen a total of a pod."""
    while True:
        found = await prometheus.query(f'sum(req_total{{pod="{pod}"}})')
        if found and found[0].value == total:
            return
        await asyncio.sleep(SCRAPES / 2)


async def _slow(histograms: PrometheusHistograms, requests: int) -> None:
    """Waits until Prometheus has seen so many slow requests of the candidate."""
    while True:
        if (await histograms.read(ARMS))["candidate"][0].slower_than(0.1).bad == requests:
            return
        await asyncio.sleep(SCRAPES / 2)
