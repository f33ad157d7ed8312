"""Counters that a revision's pods expose themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import httpx

from slipway.api import PodsSource
from slipway.cluster.endpoints import Endpoint, UnknownPortError
from slipway.metrics.exposition import Page, scrape
from slipway.metrics.selector import Selector, parse_selector
from slipway.metrics.window import MAX_READINGS, Reading, SourceError

IN_FLIGHT: Final = 16
"""Scrapes at a time."""

MAX_POD_PAGE: Final = 4 * 1024 * 1024
"""Bytes of a pod's page."""


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
    bad = [parse_selector(text, f"pods.bad[{index}]") for index, text in enumerate(source.bad)]
    total = [parse_selector(text, f"pods.total[{index}]") for index, text in enumerate(source.total)]
    if len(endpoints) > MAX_READINGS:
        raise SourceError(arm, f"{len(endpoints)} pods are more than the {MAX_READINGS} that are scraped: use gateway")
    if not any(_serves(endpoint) for endpoint in endpoints):
        raise SourceError(arm, "no pod is ready to be scraped")
    wanted = {selector.metric for selector in (*bad, *total)}
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def read(endpoint: Endpoint) -> Reading | SourceError:
        name = f"{arm}/{endpoint.pod}"
        try:
            url = endpoint.url(source.port, source.path)
            async with slots:
                page = await scrape(client, url, name, wanted, limit=MAX_POD_PAGE)
        except UnknownPortError as error:
            return SourceError(name, f"{error}: correct pods.port")
        except SourceError as error:
            return error
        try:
            return Reading(name, _sum(page, bad), _sum(page, total))
        except ValueError as error:
            return SourceError(name, f"{error}: give the counter fewer or shorter labels")

    results = await asyncio.gather(*(read(endpoint) for endpoint in endpoints))
    readings = []
    for endpoint, result in zip(endpoints, results, strict=True):
        if isinstance(result, Reading):
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
