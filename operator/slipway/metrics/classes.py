"""Readers of distributions: from the pages of pods, each read once for all signals, and from a Prometheus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from slipway.cluster.endpoints import Endpoint
from slipway.metrics.distribution import BinReading, of_histogram
from slipway.metrics.exposition import Page
from slipway.metrics.histogram import read_buckets
from slipway.metrics.pods import PodPage, each_pod
from slipway.metrics.prometheus import Prometheus
from slipway.metrics.selector import parse_selector, split_selector
from slipway.metrics.source import ServiceRef

EMPTY: Final = "(empty)"
"""The class of series whose label is empty or missing."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """What is counted: a histogram, or a counter by one of its labels."""

    selector: str
    label: str | None
    """None for a histogram."""
    field: str
    """The field that names it, for messages."""

    @property
    def selected(self) -> str:
        """The selector of its series: of the buckets, where it is a histogram, which users name without suffix."""
        name, brace, rest = self.selector.partition("{")
        bare = name.strip()
        return f"{bare.removesuffix('_bucket')}_bucket{brace}{rest}" if self.label is None else self.selector


async def read_pod_distributions(
    client: httpx.AsyncClient,
    arm: str,
    endpoints: Sequence[Endpoint],
    where: PodPage,
    wanted: Mapping[str, Distribution],
) -> Mapping[str, tuple[BinReading, ...]]:
    """One reading a pod for each of the distributions, all of one scrape, under the rules of `read_pods`.

    Raises SourceError, and SelectorError before anything is read.
    """
    selectors = {name: parse_selector(one.selected, one.field) for name, one in wanted.items()}

    def made(source: str, page: Page) -> Mapping[str, BinReading]:
        found = {}
        for name, selector in selectors.items():
            series = [(one.labels, one.value) for one in page.samples if selector.matches(one.metric, one.labels)]
            found[name] = _reading(source, series, wanted[name].label)
        return found

    metrics = {selector.metric for selector in selectors.values()}
    pods = await each_pod(client, arm, endpoints, where=where, wanted=metrics, made=made)
    return {name: tuple(pod[name] for pod in pods) for name in wanted}


async def read_prometheus_distribution(
    prometheus: Prometheus, arm: str, service: ServiceRef, wanted: Distribution
) -> tuple[BinReading, ...]:
    """One reading for each pod that has been scraped. Raises SourceError and SelectorError."""
    name, matchers = split_selector(wanted.selected, wanted.field)
    pods = prometheus.by_pod(await prometheus.select(name, matchers, service))
    return tuple(
        _reading(f"{arm}/{pod}", [(one.labels, one.value) for one in found], wanted.label)
        for pod, found in sorted(pods.items())
    )


def _reading(source: str, series: Sequence[tuple[Mapping[str, str], float]], label: str | None) -> BinReading:
    if label is None:
        return of_histogram(read_buckets(source, ((labels.get("le", ""), value) for labels, value in series)))
    counts: dict[str, float] = {}
    for labels, value in series:
        name = labels.get(label) or EMPTY
        counts[name] = counts.get(name, 0.0) + value
    return BinReading(source, counts, edges=False)
