"""Requests and 5xx answers as the gateway counts them: what clients saw, whatever the model says of itself.

Traefik counts for each of its own services, and names these after the backend of the route. Until 3.7.5 that is
``<namespace>-<service>-http-<port>``, for a Service one series. From 3.7.6 on it is
``httproute-<namespace>-<route>-gw-<namespace>-<gateway>-ep-<entry point>-<rule>-<hash of the
match>-svc-<namespace>-<service>-<index>``: a series for each match and entry point, and a new one whenever the
backend's place in the list changes, the old one being dropped after one more scrape. Every series is therefore a
reading of its own; a sum would fall each time one is dropped, and look like a reset.

A Service without a ready endpoint is answered for with 503 before it is counted, so that shows in no reading.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import httpx

from slipway.metrics.exposition import Page, Sample, scrape
from slipway.metrics.window import MAX_READINGS, Reading, SourceError

REQUESTS: Final = "traefik_service_requests_total"
RELOADS: Final = "traefik_config_reloads_total"
"""Shown by every Traefik from its start, also before any request: tells a gateway without traffic from a wrong
address."""

MAX_GATEWAY_PAGE: Final = 32 * 1024 * 1024
"""Bytes of a gateway's page: one with some thousand services stays below."""

SETTING: Final = "--gateway-metrics"


@dataclass(frozen=True, slots=True)
class ServiceRef:
    """A backend of an HTTPRoute in the same namespace."""

    namespace: str
    name: str
    port: int
    """The Service's port that the route names."""
    route: str
    """Name of the HTTPRoute."""

    def pattern(self) -> re.Pattern[str]:
        """What Traefik's name of this backend matches as a whole, in either form."""
        older = _normal(f"{self.namespace}-{self.name}-http-{self.port}")
        route = _normal(f"httproute-{self.namespace}-{self.route}-gw")
        backend = f"{self.namespace}-{self.name}"
        return re.compile(
            rf"(?:{re.escape(older)}|{re.escape(route)}-.+-\d+-[0-9a-f]{{20}}-svc-{re.escape(backend)}-\d+)@kubernetesgateway"
        )


class GatewayCounters:
    """Reads the metrics pages of the gateway's replicas, each by its own address: a balanced one would mix their
    counters."""

    def __init__(self, client: httpx.AsyncClient, urls: Sequence[str]) -> None:
        self._client = client
        self._urls = tuple(urls)

    async def read(self, services: Mapping[str, ServiceRef]) -> Mapping[str, tuple[Reading, ...]]:
        """The readings of every arm, in one scrape of each replica.

        An arm without a series on a good page has the reading 0. Raises SourceError when any replica cannot be read:
        what it counts would be missing on one look and come in a lump on the next.
        """
        if not self._urls:
            raise SourceError(
                SETTING,
                "the operator was not told where the gateway shows its metrics: start it with "
                f"{SETTING} http://HOST:PORT/metrics or set SLIPWAY_GATEWAY_METRICS",
            )
        pages = await asyncio.gather(
            *(self._page(index, services.values()) for index in range(len(self._urls))), return_exceptions=True
        )
        for page in pages:
            if isinstance(page, BaseException):
                raise page
        good = [page for page in pages if isinstance(page, Page)]
        return {arm: tuple(_readings(arm, service, good)) for arm, service in services.items()}

    async def _page(self, index: int, services: Collection[ServiceRef]) -> Page:
        source, url = f"gateway-{index}", self._urls[index]
        page = await scrape(
            self._client,
            url,
            source,
            (REQUESTS,),
            limit=MAX_GATEWAY_PAGE,
            # of thousands of series a few are ours, and only these are worth parsing
            mentioning={name for service in services for name in (service.name, _normal(service.name))},
        )
        if RELOADS not in page.metrics and REQUESTS not in page.metrics:
            raise SourceError(source, f"{url} shows no metrics of Traefik: correct the operator's {SETTING}")
        return page


def _readings(arm: str, service: ServiceRef, pages: Sequence[Page]) -> Iterable[Reading]:
    pattern = service.pattern()
    count = 0
    for index, page in enumerate(pages):
        source = f"{arm}/gateway-{index}"
        series: dict[str, list[Sample]] = {}
        for sample in page.samples:
            name = sample.labels.get("service", "")
            if pattern.fullmatch(name):
                series.setdefault(name, []).append(sample)
        count += len(series)
        if count > MAX_READINGS:
            raise SourceError(source, f"{service.name} has more than {MAX_READINGS} series: use fewer listeners")
        if not series:
            yield Reading(source, 0.0, 0.0)
        for name, samples in sorted(series.items()):
            yield Reading(
                source=f"{source}/{sha256(name.encode()).hexdigest()[:12]}",
                bad=sum(sample.value for sample in samples if re.fullmatch("5..", sample.labels.get("code", ""))),
                total=sum(sample.value for sample in samples),
            )


def _normal(name: str) -> str:
    """What Traefik makes of a name: letters and digits, with one hyphen for whatever else is between them."""
    return "-".join(re.findall(r"[^\W_]+", name))
