"""Requests, 5xx answers and durations as the gateway counts them: what clients saw, whatever the model says of itself.

Which gateway it is shows in the page, so there is nothing to configure.

Traefik counts for each of its own services, and names these after the backend of the route. Until 3.7.5 that is
``<namespace>-<service>-http-<port>``, for a Service one series. From 3.7.6 on it is
``httproute-<namespace>-<route>-gw-<namespace>-<gateway>-ep-<entry point>-<rule>-<hash of the
match>-svc-<namespace>-<service>-<index>``: a series for each match and entry point, and a new one whenever the
backend's place in the list changes, the old one being dropped after one more scrape. Every series is therefore a
reading of its own; a sum would fall each time one is dropped, and look like a reset. A backend of Traefik's own kinds
is ``<namespace>-<service>-<port>``, and copies of requests are counted like requests. A Service without a ready
endpoint is answered for with 503 before it is counted, so that shows in no reading.

Envoy counts for each of its clusters, which control planes name in their own ways: Istio
``outbound|<port>||<service>.<namespace>.svc.<domain>``, Contour ``<namespace>_<service>_<port>``, kgateway
``kube_<namespace>_<service>_<port>``. Answers by code are what is counted, because ``upstream_rq_total`` leaves out the
503 that Envoy itself gives where no endpoint is left. Istio has labels without ``envoy_`` in front, shows answers by
class under the same name, and shows clusters only where a proxyStatsMatcher includes ``cluster.outbound``. A gateway
that puts all backends of a rule into one cluster, as Envoy Gateway does, cannot tell them apart and shows none of these
names. Envoy adds durations up every few seconds, so they lag behind the counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import httpx

from slipway.metrics.document import together
from slipway.metrics.exposition import Page, Sample, scrape
from slipway.metrics.histogram import HistogramReading, read_buckets
from slipway.metrics.source import ServiceRef
from slipway.metrics.window import MAX_READINGS, Reading, SourceError

MAX_GATEWAY_PAGE: Final = 32 * 1024 * 1024
"""Bytes of a gateway's page: one with some thousand services stays below."""

SETTING: Final = "--gateway-metrics"


@dataclass(frozen=True, slots=True)
class _Format:
    """How one gateway writes its page."""

    requests: str
    durations: str
    """The histogram's series of buckets."""
    shown_always: str
    """A metric that the gateway shows from its start, also before any request: tells one without traffic from a wrong
    address."""
    labels: tuple[str, ...]
    """Labels that may hold the name of the backend; the first that is there does."""
    statuses: tuple[str, ...]
    """Labels that may hold the status. A series of requests without one adds up others, and does not count."""
    unit: float
    """What one unit of the durations is in seconds."""
    pattern: Callable[[ServiceRef], re.Pattern[str]]
    """What the gateway's name of a backend matches as a whole."""

    def backend(self, sample: Sample) -> str:
        return _first(sample, self.labels)

    def counts(self, samples: Sequence[Sample]) -> tuple[float, float]:
        """5xx answers, and all."""
        known = [(sample.value, status) for sample in samples if (status := _first(sample, self.statuses))]
        bad = sum(value for value, status in known if re.fullmatch("5..", status))
        return bad, sum(value for value, _ in known)


def _first(sample: Sample, labels: Sequence[str]) -> str:
    return next((sample.labels[label] for label in labels if label in sample.labels), "")


def _traefik(service: ServiceRef) -> re.Pattern[str]:
    older = _normal(f"{service.namespace}-{service.name}-http-{service.port}")
    route = _normal(f"httproute-{service.namespace}-{service.route}-gw")
    backend = f"{service.namespace}-{service.name}"
    newer = rf"{re.escape(route)}-.+-\d+-[0-9a-f]{{20}}-svc-{re.escape(backend)}-\d+"
    own = re.escape(_normal(f"{backend}-{service.port}"))
    return re.compile(rf"(?:{re.escape(older)}|{newer})@kubernetesgateway|{own}@kubernetescrd")


def _envoy(service: ServiceRef) -> re.Pattern[str]:
    namespace, name, port = re.escape(service.namespace), re.escape(service.name), service.port
    istio = rf"outbound\|{port}\|[^|]*\|{name}\.{namespace}\.svc\.[a-z0-9.-]+;?"
    contour = rf"{namespace}_{name}_{port}|{namespace}/{name}/{port}(?:/[0-9a-f]+)?"
    return re.compile(rf"{istio}|{contour}|kube_{namespace}_{name}_{port}")


TRAEFIK: Final = _Format(
    requests="traefik_service_requests_total",
    durations="traefik_service_request_duration_seconds_bucket",
    shown_always="traefik_config_reloads_total",
    labels=("service",),
    statuses=("code",),
    unit=1.0,
    pattern=_traefik,
)
ENVOY: Final = _Format(
    requests="envoy_cluster_upstream_rq",
    durations="envoy_cluster_upstream_rq_time_bucket",
    shown_always="envoy_server_live",
    labels=("envoy_cluster_name", "cluster_name"),
    statuses=("envoy_response_code", "response_code"),
    unit=0.001,
    pattern=_envoy,
)
FORMATS: Final = (TRAEFIK, ENVOY)


class _Gateway:
    """Reads the metrics pages of the gateway's replicas, each by its own address: a balanced one would mix their
    counters."""

    def __init__(self, client: httpx.AsyncClient, urls: Sequence[str]) -> None:
        self._client = client
        self._urls = tuple(urls)

    async def _pages(self, wanted: Collection[str], services: Collection[ServiceRef]) -> Sequence[tuple[_Format, Page]]:
        if not self._urls:
            raise SourceError(
                SETTING,
                "the operator was not told where the gateway shows its metrics: start it with "
                f"{SETTING} http://HOST:PORT/metrics or set SLIPWAY_GATEWAY_METRICS",
            )
        # of thousands of series a few are ours, and only these are worth parsing
        ours = {name for service in services for name in (service.name, _normal(service.name))}
        return await together(self._page(index, wanted, ours) for index in range(len(self._urls)))

    async def _page(self, index: int, wanted: Collection[str], ours: Collection[str]) -> tuple[_Format, Page]:
        source, url = f"gateway-{index}", self._urls[index]
        page = await scrape(self._client, url, source, wanted, limit=MAX_GATEWAY_PAGE, mentioning=ours)
        for format_ in FORMATS:
            if page.metrics & {format_.shown_always, format_.requests}:
                return format_, page
        raise SourceError(source, f"{url} shows no metrics of Traefik or Envoy: correct the operator's {SETTING}")


class GatewayCounters(_Gateway):
    """Requests and 5xx answers of each arm."""

    async def read(self, services: Mapping[str, ServiceRef]) -> Mapping[str, tuple[Reading, ...]]:
        """The readings of every arm, in one scrape of each replica.

        An arm without a series on a good page has the reading 0. Raises SourceError when any replica cannot be read:
        what it counts would be missing on one look and come in a lump on the next.
        """
        pages = await self._pages([format_.requests for format_ in FORMATS], services.values())
        return {
            arm: tuple(
                Reading(source, *format_.counts(samples)) for source, format_, samples in _series(arm, service, pages)
            )
            for arm, service in services.items()
        }


class GatewayHistograms(_Gateway):
    """Durations of each arm's requests."""

    async def read(self, services: Mapping[str, ServiceRef]) -> Mapping[str, tuple[HistogramReading, ...]]:
        """As `GatewayCounters.read`; an arm without a series has a reading without requests."""
        pages = await self._pages([format_.durations for format_ in FORMATS], services.values())
        return {
            arm: tuple(
                read_buckets(
                    source,
                    ((sample.labels.get("le", ""), sample.value) for sample in samples),
                    unit=format_.unit,
                )
                for source, format_, samples in _series(arm, service, pages)
            )
            for arm, service in services.items()
        }


def _series(
    arm: str, service: ServiceRef, pages: Sequence[tuple[_Format, Page]]
) -> Iterable[tuple[str, _Format, Sequence[Sample]]]:
    """What is read as one, with its name: the samples of each of the gateway's names for the arm's backend, on each
    page; none where a page has no such name."""
    count = 0
    for index, (format_, page) in enumerate(pages):
        source = f"{arm}/gateway-{index}"
        pattern = format_.pattern(service)
        series: dict[str, list[Sample]] = {}
        for sample in page.samples:
            name = format_.backend(sample)
            if pattern.fullmatch(name):
                series.setdefault(name, []).append(sample)
        count += len(series)
        if count > MAX_READINGS:
            raise SourceError(source, f"{service.name} has more than {MAX_READINGS} series: use fewer listeners")
        if not series:
            yield source, format_, ()
        for name, samples in sorted(series.items()):
            yield f"{source}/{sha256(name.encode()).hexdigest()[:12]}", format_, samples


def _normal(name: str) -> str:
    """What Traefik makes of a name: letters and digits, with one hyphen for whatever else is between them."""
    return "-".join(re.findall(r"[^\W_]+", name))
