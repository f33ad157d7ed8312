"""Counters, histograms and gauges that a revision's pods expose themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import httpx

from slipway.api import PodsSource
from slipway.cluster.endpoints import Endpoint, UnknownPortError
from slipway.metrics.exposition import Page, scrape
from slipway.metrics.histogram import HistogramReading, read_buckets
from slipway.metrics.selector import Selector, parse_selector
from slipway.metrics.source import ServiceRef
from slipway.metrics.window import MAX_READINGS, Reading, SourceError

IN_FLIGHT: Final = 16
"""Scrapes at a time."""

ARM_SECONDS: Final = 10.0
"""Longest that all pods of an arm together may take: many slow ones would keep a look from ending."""

MAX_POD_PAGE: Final = 4 * 1024 * 1024
"""Bytes of a pod's page."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PodPage:
    """Where every pod shows its metrics."""

    port: str | None = None
    """Name of the Service's port; None is the first one."""
    path: str = "/metrics"


async def read_pods(
    client: httpx.AsyncClient, arm: str, endpoints: Sequence[Endpoint], source: PodsSource
) -> tuple[Reading, ...]:
    """One reading for each pod of an arm, named ``<arm>/<pod>``, in the order of `endpoints`.

    A pod that is ready has to be readable, or all is put off with SourceError: the pod that is too sick to be scraped
    is the one whose failures matter, and leaving it out would speak for the release. Nothing is lost by waiting, as
    counters are cumulative and a broken pod soon leaves the ready ones. Pods that are starting or stopping are read
    where they answer, for what they served; `snapshot` keeps the place of those that do not.

    Raises SelectorError, before anything is read, for a selector that is not one.
    """
    bad = [parse_selector(text, f"pods.bad[{index}]") for index, text in enumerate(source.bad or ())]
    total = [parse_selector(text, f"pods.total[{index}]") for index, text in enumerate(source.total or ())]
    wanted = {selector.metric for selector in (*bad, *total)}
    return await each_pod(
        client,
        arm,
        endpoints,
        where=PodPage(source.port, source.path),
        wanted=wanted,
        made=lambda name, page: Reading(name, _sum(page, bad), _sum(page, total)),
    )


class PodCounters:
    """Requests and bad ones as the pods of each arm count them."""

    def __init__(self, client: httpx.AsyncClient, source: PodsSource) -> None:
        self._client = client
        self._source = source

    async def read(self, services: Mapping[str, ServiceRef]) -> Mapping[str, tuple[Reading, ...]]:
        """As `read_pods`, for every arm."""
        return {arm: await read_pods(self._client, arm, one.endpoints, self._source) for arm, one in services.items()}


class PodHistograms:
    """Durations as the pods of each arm count them."""

    def __init__(self, client: httpx.AsyncClient, page: PodPage, histogram: str, *, unit: float = 1.0) -> None:
        """`histogram` is a selector of the histogram, without ``_bucket``; `unit` is what one of its units is in
        seconds. Raises SelectorError."""
        selector = parse_selector(histogram, "pods.histogram")
        self._client = client
        self._page = page
        self._selector = replace(selector, metric=f"{selector.metric.removesuffix('_bucket')}_bucket")
        self._unit = unit

    async def read(self, services: Mapping[str, ServiceRef]) -> Mapping[str, tuple[HistogramReading, ...]]:
        """One reading for each pod, under the rules of `read_pods`."""

        def whole(name: str, page: Page) -> HistogramReading:
            mine = (one for one in page.samples if self._selector.matches(one.metric, one.labels))
            return read_buckets(name, ((one.labels.get("le", ""), one.value) for one in mine), unit=self._unit)

        wanted = {self._selector.metric}
        return {
            arm: await each_pod(self._client, arm, one.endpoints, where=self._page, wanted=wanted, made=whole)
            for arm, one in services.items()
        }


class PodGauges:
    """One number a pod, such as the length of its queue."""

    def __init__(self, client: httpx.AsyncClient, page: PodPage, gauge: str) -> None:
        """`gauge` is a selector; series of one pod are added up. Raises SelectorError."""
        self._client = client
        self._page = page
        self._selector = parse_selector(gauge, "pods.gauge")

    async def read(self, services: Mapping[str, ServiceRef]) -> Mapping[str, Mapping[str, float]]:
        """The number of each pod that shows one, under the rules of `read_pods`."""

        def shown(name: str, page: Page) -> tuple[str, float | None]:
            mine = [one.value for one in page.samples if self._selector.matches(one.metric, one.labels)]
            return name, sum(mine) if mine else None

        wanted = {self._selector.metric}
        found = {
            arm: await each_pod(
                self._client, arm, one.endpoints, where=self._page, wanted=wanted, made=shown, counts=False
            )
            for arm, one in services.items()
        }
        return {arm: {pod: value for pod, value in pods if value is not None} for arm, pods in found.items()}


async def each_pod(
    client: httpx.AsyncClient,
    arm: str,
    endpoints: Sequence[Endpoint],
    *,
    where: PodPage,
    wanted: Collection[str],
    made: Callable[[str, Page], T],
    counts: bool = True,
) -> tuple[T, ...]:
    """What `made` makes of the page of each pod, under the rules of `read_pods`. Raises SourceError."""
    if len(endpoints) > MAX_READINGS:
        raise SourceError(arm, f"{len(endpoints)} pods are more than the {MAX_READINGS} that are scraped: use gateway")
    if not any(_serves(endpoint) for endpoint in endpoints):
        raise SourceError(arm, "no pod is ready to be scraped")
    slots, ends = asyncio.Semaphore(IN_FLIGHT), asyncio.get_running_loop().time() + ARM_SECONDS

    async def read(endpoint: Endpoint) -> T | SourceError:
        name = f"{arm}/{endpoint.pod}"
        try:
            url = endpoint.url(where.port, where.path)
            async with asyncio.timeout_at(ends), slots:
                page = await scrape(client, url, name, wanted, limit=MAX_POD_PAGE, counts=counts)
            return made(name, page)
        except TimeoutError:
            told = f"was not read within {ARM_SECONDS:g}s, as all {len(endpoints)} pods have to be"
            return SourceError(name, f"{told}: use gateway, or have pods that show their metrics faster")
        except UnknownPortError as error:
            return SourceError(name, f"{error}: correct pods.port")
        except SourceError as error:
            return error
        except ValueError as error:
            return SourceError(name, f"{error}: give the counter fewer or shorter labels")

    results = await asyncio.gather(*(read(endpoint) for endpoint in endpoints))
    readings: list[T] = []
    for endpoint, result in zip(endpoints, results, strict=True):
        if not isinstance(result, SourceError):
            readings.append(result)
        elif _serves(endpoint):
            raise result
    return tuple(readings)


def _serves(endpoint: Endpoint) -> bool:
    return endpoint.ready and not endpoint.terminating


def _sum(page: Page, selectors: Sequence[Selector]) -> float:
    """The selected series added up, each once, also where two selectors match it. None is 0: many clients show no
    series until something has happened."""
    return sum(
        sample.value
        for sample in page.samples
        if any(selector.matches(sample.metric, sample.labels) for selector in selectors)
    )
