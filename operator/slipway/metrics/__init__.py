"""Where live numbers come from: the gateway's counters, the pods' own, a Prometheus, or any endpoint that shows JSON.

Every source gives raw cumulative values, never rates. The difference of two readings counts each request once however
often one looks, and a look that was missed makes the next window longer and loses nothing. So a source that cannot be
read well is a `SourceError`, which is no evidence at all: nothing is guessed, nothing is half read, and the cursor
stays where it is. Durations are counters too: requests slower than an edge, of all.

Sources have one shape, `Source`: told the Services of the arms, they say what each arm has come to. `delta` turns two
readings into a window and `snapshot` says what to remember for the next one; both are pure.
"""

from slipway.metrics.classes import Distribution, read_pod_distributions, read_prometheus_distribution
from slipway.metrics.distribution import BinReading, bins_of, grown, remembered, tallied
from slipway.metrics.document import Credentials
from slipway.metrics.gateway import GatewayCounters, GatewayHistograms
from slipway.metrics.histogram import HistogramReading, at_edges, bucketed, total_of
from slipway.metrics.pods import PodCounters, PodGauges, PodHistograms, PodPage, read_pods
from slipway.metrics.presets import PRESETS, Preset, completed, explicit
from slipway.metrics.prometheus import Prometheus, PrometheusCounters, PrometheusHistograms, PrometheusQuery
from slipway.metrics.selector import SelectorError
from slipway.metrics.source import ServiceRef, Source
from slipway.metrics.web import WebCounters, WebPage, WebValue
from slipway.metrics.window import MAX_READINGS, Reading, SourceError, delta, snapshot

__all__ = [
    "MAX_READINGS",
    "PRESETS",
    "BinReading",
    "Credentials",
    "Distribution",
    "GatewayCounters",
    "GatewayHistograms",
    "HistogramReading",
    "PodCounters",
    "PodGauges",
    "PodHistograms",
    "PodPage",
    "Preset",
    "Prometheus",
    "PrometheusCounters",
    "PrometheusHistograms",
    "PrometheusQuery",
    "Reading",
    "SelectorError",
    "ServiceRef",
    "Source",
    "SourceError",
    "WebCounters",
    "WebPage",
    "WebValue",
    "at_edges",
    "bins_of",
    "bucketed",
    "delta",
    "completed",
    "explicit",
    "grown",
    "read_pod_distributions",
    "read_pods",
    "read_prometheus_distribution",
    "remembered",
    "snapshot",
    "tallied",
    "total_of",
]
