"""Presets: read from pages as the servers write them, through the source that uses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import httpx
import pytest
from unit.metrics.builders import a_service
from unit.probes.builders import a_client, an_endpoint

from slipway.api import SECONDS_IN, MetricSpec, PodsSource
from slipway.api.sources import Runtime
from slipway.metrics import PRESETS, PodCounters, PodHistograms, PodPage, explicit


@dataclass(frozen=True)
class Page:
    """A server's page: what it counts as bad and in all, and how many of its requests took more than 0.25 s."""

    text: str
    bad: int | None
    total: int
    slow: int | None


def buckets(name: str, labels: str, unit: float = 1.0) -> str:
    edges = [(f"{0.25 / unit:g}", 6), (f"{1 / unit:g}", 9), ("+Inf", 10)]
    return "".join(f'{name}_bucket{{{labels}le="{edge}"}} {count}\n' for edge, count in edges)


PAGES = {
    "MLServer": Page(
        'model_infer_request_success_total{model="iris",version="None"} 7\n'
        'model_infer_request_failure_total{model="iris",version="None"} 3\n'
        'model_infer_request_duration_count{model="iris",version="None"} 10\n'
        + buckets("rest_server_request_duration_seconds", 'method="POST",path="/v2/models/{model_name}/infer",')
        + buckets("rest_server_request_duration_seconds", 'method="GET",path="/v2/models/{model_name}/ready",'),
        bad=3, total=10, slow=4,
    ),
    "KServe": Page(
        'request_predict_seconds_count{model_name="iris"} 10\nrequest_preprocess_seconds_count{model_name="iris"} 10\n'
        + buckets("request_predict_seconds", 'model_name="iris",'),
        bad=None, total=10, slow=4,
    ),
    "Triton": Page(
        'nv_inference_request_success{model="iris",version="1"} 7\n'
        'nv_inference_request_failure{model="iris",reason="BACKEND",version="1"} 2\n'
        'nv_inference_request_failure{model="iris",reason="CANCELED",version="1"} 5\n'
        'nv_inference_request_failure{model="iris",reason="REJECTED",version="1"} 1\n'
        'nv_inference_request_duration_us{model="iris",version="1"} 12345\n',
        bad=3, total=10, slow=None,
    ),
    "TensorFlowServing": Page(
        ':tensorflow:serving:request_count{model_name="iris",status="OK"} 5\n'
        ':tensorflow:serving:request_count{model_name="iris",status="INVALID_ARGUMENT"} 2\n'
        ':tensorflow:serving:request_count{model_name="iris",status="INTERNAL"} 2\n'
        ':tensorflow:serving:request_count{model_name="iris",status="UNAVAILABLE"} 1\n'
        + buckets(":tensorflow:serving:request_latency", 'model_name="iris",API="predict",', 1e-6),
        bad=3, total=10, slow=4,
    ),
    "TorchServe": Page(
        'Requests2XX{Level="Host",Hostname="h"} 5.0\nRequests4XX{Level="Host",Hostname="h"} 2.0\n'
        'Requests5XX{Level="Host",Hostname="h"} 3.0\nts_inference_requests_total{model_name="iris"} 9.0\n',
        bad=3, total=10, slow=None,
    ),
    "vLLM": Page(
        'http_requests_total{handler="/v1/chat/completions",method="POST",status="2xx"} 5\n'
        'http_requests_total{handler="/v1/chat/completions",method="POST",status="5xx"} 3\n'
        'http_requests_total{handler="/v1/completions",method="POST",status="4xx"} 2\n'
        'http_requests_total{handler="/health",method="GET",status="2xx"} 900\n'
        'http_requests_total{handler="/metrics",method="GET",status="5xx"} 50\n'
        + buckets("vllm:e2e_request_latency_seconds", 'engine="0",model_name="m",'),
        bad=3, total=10, slow=4,
    ),
    "BentoML": Page(
        'bentoml_service_request_total{endpoint="/predict",http_response_code="200",service_version="v1"} 7\n'
        'bentoml_service_request_total{endpoint="/predict",http_response_code="503",service_version="v1"} 3\n'
        + buckets("bentoml_service_request_duration_seconds", 'endpoint="/predict",service_version="v1",'),
        bad=3, total=10, slow=4,
    ),
}  # fmt: skip


@pytest.mark.parametrize("runtime", PRESETS)
async def test_a_preset_reads_what_its_server_counts(runtime: str) -> None:
    preset, page = PRESETS[runtime], PAGES[runtime]
    services = {"stable": a_service("fraud-1a2b3c4d", an_endpoint(port=preset.port))}
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(200, text=page.text)

    async with a_client(answer) as client:
        if page.bad is None:
            assert not preset.bad
            assert preset.note
        source = PodsSource(path=preset.path, bad=list(preset.bad or preset.total), total=list(preset.total))
        (counted,) = (await PodCounters(client, source).read(services))["stable"]
        assert counted.total == page.total
        assert page.bad in (None, counted.bad)
        if preset.histogram is None:
            assert page.slow is None
            assert "latency" in preset.note
        else:
            where = PodPage(path=preset.path)
            (timed,) = (
                await PodHistograms(client, where, preset.histogram, unit=SECONDS_IN[preset.unit]).read(services)
            )["stable"]
            assert timed.slower_than(0.25).bad == page.slow
    assert {url.path for url in asked} == {preset.path}


def a_metric(**source: object) -> MetricSpec:
    return MetricSpec.model_validate({"name": "m", **source, "comparison": {"margin": 0.01}})


@pytest.mark.parametrize("runtime", PRESETS)
@pytest.mark.parametrize("source", ["pods", "prometheus"])
def test_a_preset_stands_for_what_the_server_calls_its_counters(runtime: str, source: str) -> None:
    preset, where = PRESETS[runtime], {"url": "http://prometheus"} if source == "prometheus" else {}
    named = getattr(explicit(a_metric(**{source: where | {"preset": runtime}})), source)
    assert (tuple(named.bad), tuple(named.total), named.histogram) == (preset.bad, preset.total, None)
    timed = getattr(explicit(a_metric(**{source: where | {"preset": runtime, "measure": "Latency"}})), source)
    assert (timed.bad, timed.total, timed.histogram, timed.unit) == (None, None, preset.histogram, preset.unit)


def test_the_path_is_the_presets_unless_one_is_named() -> None:
    shown = explicit(a_metric(pods={"preset": "TensorFlowServing"})).pods
    named = explicit(a_metric(pods={"preset": "TensorFlowServing", "path": "/metrics"})).pods
    assert shown is not None
    assert named is not None
    assert (shown.path, named.path) == ("/monitoring/prometheus/metrics", "/metrics")


def test_a_metric_without_a_preset_stays_as_it_is() -> None:
    metric = a_metric(pods={"bad": ["x"], "total": ["y"]})
    assert explicit(metric) is metric


def test_the_schema_refuses_what_a_preset_cannot_read() -> None:
    """The rules name runtimes; here is what they have to name."""
    assert {name for name, preset in PRESETS.items() if not preset.bad} == {"KServe"}
    assert {name for name, preset in PRESETS.items() if preset.histogram is None} == {"Triton", "TorchServe"}
    assert set(get_args(Runtime)) == set(PRESETS)
