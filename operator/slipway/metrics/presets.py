"""What common model servers call their counters, so that users need not look it up.

Errors are those of the server, not of the client, as far as the counters tell them apart. No server counts how right
its predictions are: that is what golden sets are for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from slipway.api import MetricSpec, PodsSource, PrometheusSource
from slipway.metrics.selector import SelectorError


@dataclass(frozen=True, slots=True)
class Preset:
    """Where a server shows its metrics and how to read them."""

    port: int
    """The container's port that serves the page by default."""
    path: str
    bad: tuple[str, ...]
    """Selectors of failed requests, added up; empty where the server counts none."""
    total: tuple[str, ...]
    """Selectors of all requests, added up."""
    histogram: str | None
    """The histogram of durations; None where the server has no buckets, only sums."""
    unit: Literal["Seconds", "Milliseconds", "Microseconds"] = "Seconds"
    """What the histogram's edges are in."""
    note: str = ""
    """What has to be switched on, or is not counted."""


_GENERATING: Final = 'handler=~"/v1/chat/completions|/v1/completions|/v1/embeddings|/v1/responses"'
"""Questions about health would thin out the errors."""

_CLIENTS_FAULT: Final = "|".join(
    (
        "CANCELLED",
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "UNAUTHENTICATED",
        "FAILED_PRECONDITION",
        "OUT_OF_RANGE",
    )
)

PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "MLServer": Preset(
            port=8082,
            path="/metrics",
            bad=("model_infer_request_failure_total",),
            total=("model_infer_request_success_total", "model_infer_request_failure_total"),
            histogram='rest_server_request_duration_seconds{path=~".*/infer"}',
            note="durations are those of REST alone: model_infer_request_duration is a summary without buckets",
        ),
        "KServe": Preset(
            port=8080,
            path="/metrics",
            bad=(),
            total=("request_predict_seconds_count",),
            histogram="request_predict_seconds",
            note="the server counts no errors: take them from the gateway",
        ),
        "Triton": Preset(
            port=8002,
            path="/metrics",
            bad=('nv_inference_request_failure{reason!="CANCELED"}',),
            total=("nv_inference_request_success", 'nv_inference_request_failure{reason!="CANCELED"}'),
            histogram=None,
            note="durations are sums of microseconds without buckets: take latency from the gateway",
        ),
        "TensorFlowServing": Preset(
            port=8501,
            path="/monitoring/prometheus/metrics",
            bad=(f':tensorflow:serving:request_count{{status!~"OK|{_CLIENTS_FAULT}"}}',),
            total=(":tensorflow:serving:request_count",),
            histogram=":tensorflow:serving:request_latency",
            unit="Microseconds",
            note="shown only when the server is started with --monitoring_config_file",
        ),
        "TorchServe": Preset(
            port=8082,
            path="/metrics",
            bad=("Requests5XX",),
            total=("Requests2XX", "Requests4XX", "Requests5XX"),
            histogram=None,
            note="shown only with metrics_mode=prometheus; durations have no buckets: take latency from the gateway",
        ),
        "vLLM": Preset(
            port=8000,
            path="/metrics",
            bad=(f'http_requests_total{{status=~"5..",{_GENERATING}}}',),
            total=(f"http_requests_total{{{_GENERATING}}}",),
            histogram="vllm:e2e_request_latency_seconds",
        ),
        "BentoML": Preset(
            port=3000,
            path="/metrics",
            bad=('bentoml_service_request_total{http_response_code=~"5.."}',),
            total=("bentoml_service_request_total",),
            histogram="bentoml_service_request_duration_seconds",
        ),
    }
)
"""Presets by the runtime's name."""


def explicit(metric: MetricSpec) -> MetricSpec:
    """The metric with the names that its preset stands for written out; itself without a preset."""
    if metric.pods is not None and metric.pods.preset is not None:
        named = _named(metric.pods)
        if "path" not in metric.pods.model_fields_set:
            named["path"] = PRESETS[metric.pods.preset].path
        return metric.model_copy(update={"pods": metric.pods.model_copy(update=named)})
    if metric.prometheus is not None and metric.prometheus.preset is not None:
        named = _named(metric.prometheus)
        return metric.model_copy(update={"prometheus": metric.prometheus.model_copy(update=named)})
    return metric


def completed(source: PodsSource, preset: str | None) -> PodsSource:
    """A source of pods that names nothing, with the names of the preset of the runtime that serves; else itself.

    Raises SelectorError where there is no such preset, or the server does not show what is asked for.
    """
    if not source.names_nothing:
        return source
    if preset is None:
        raise SelectorError(
            "pods",
            "it names nothing to read, and what serves the release names no preset (spec.metrics of its "
            "runtime): name preset, or bad and total",
        )
    outcome = source.model_copy(update={"preset": preset})
    names = _named(outcome)
    if not all(names.values()):
        raise SelectorError("pods", f"the runtime's preset {preset} does not have it: {PRESETS[preset].note}")
    path = {} if "path" in source.model_fields_set else {"path": PRESETS[preset].path}
    return outcome.model_copy(update=names | path)


def _named(source: PodsSource | PrometheusSource) -> dict[str, Any]:
    preset = PRESETS[source.preset or ""]
    if source.measure == "Latency":
        return {"histogram": preset.histogram, "unit": preset.unit}
    return {"bad": list(preset.bad), "total": list(preset.total)}
