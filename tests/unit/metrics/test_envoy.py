"""Envoy's counters of clusters, as Envoy 1.40 writes them under the names that control planes give."""

from __future__ import annotations

import httpx
import pytest
from unit.metrics.builders import ARMS, CANDIDATE, STABLE
from unit.probes.builders import a_client

from slipway.metrics import GatewayCounters, GatewayHistograms, HistogramReading, Reading, ServiceRef, SourceError

EMPTY = "# TYPE envoy_server_live gauge\nenvoy_server_live{} 1\n"
NAMES = {
    "Istio": ("cluster_name", "outbound|80||{name}.ml.svc.cluster.local"),
    "Istio's delimiter": ("cluster_name", "outbound|80||{name}.ml.svc.cluster.local;"),
    "Contour": ("envoy_cluster_name", "ml_{name}_80"),
    "Contour's cluster": ("envoy_cluster_name", "ml/{name}/80/da39a3ee5e"),
    "kgateway": ("envoy_cluster_name", "kube_ml_{name}_80"),
}


def a_series(service: ServiceRef, value: int, code: int = 200, *, control_plane: str = "Contour") -> str:
    label, name = NAMES[control_plane]
    cluster = f'{label}="{name.format(name=service.name)}"'
    if label == "cluster_name":
        return (
            f'envoy_cluster_upstream_rq{{response_code="{code}",{cluster}}} {value}\n'
            f'envoy_cluster_upstream_rq{{response_code_class="{code // 100}xx",{cluster}}} {value}\n'
        )
    return (
        f'envoy_cluster_upstream_rq{{envoy_response_code="{code}",{cluster}}} {value}\n'
        f'envoy_cluster_upstream_rq_xx{{envoy_response_code_class="{code // 100}",{cluster}}} {value}\n'
        f"envoy_cluster_upstream_rq_total{{{cluster}}} {value}\n"
    )


def durations(service: ServiceRef, **counts: int) -> str:
    return "".join(
        f'envoy_cluster_upstream_rq_time_bucket{{envoy_cluster_name="ml_{service.name}_80",'
        f'le="{"+Inf" if edge == "inf" else edge[1:].replace("_", ".")}"}} {count}\n'
        for edge, count in counts.items()
    )


def client(page: str) -> httpx.AsyncClient:
    return a_client(lambda _: httpx.Response(200, text=page))


async def counted(page: str) -> dict[str, tuple[float, float]]:
    async with client(page) as used:
        readings = await GatewayCounters(used, ["http://10.0.0.1:19000/stats/prometheus"]).read(ARMS)
    return {arm: (sum(one.bad for one in found), sum(one.total for one in found)) for arm, found in readings.items()}


@pytest.mark.parametrize("control_plane", NAMES)
async def test_a_cluster_is_found_by_the_name_of_every_control_plane(control_plane: str) -> None:
    page = EMPTY + "".join(
        [
            a_series(STABLE, 90, control_plane=control_plane),
            a_series(CANDIDATE, 6, control_plane=control_plane),
            a_series(CANDIDATE, 1, 404, control_plane=control_plane),
            a_series(CANDIDATE, 3, 503, control_plane=control_plane),
        ]
    )
    assert await counted(page) == {"stable": (0, 90), "candidate": (3, 10)}


@pytest.mark.parametrize(
    "cluster",
    ["outbound|8080||fraud-1a2b3c4d.ml.svc.cluster.local", "outbound|80||fraud-1a2b3c4d.other.svc.cluster.local",
     "outbound|80||x-fraud-1a2b3c4d.ml.svc.cluster.local", "ml_fraud-1a2b3c4d_8080", "other_ml_fraud-1a2b3c4d_80",
     "httproute/ml/fraud/rule/0", "fraud-1a2b3c4d", "inbound|80||fraud-1a2b3c4d.ml.svc.cluster.local"],
)  # fmt: skip
async def test_no_other_cluster_is_taken_for_this_one(cluster: str) -> None:
    series = f'envoy_cluster_upstream_rq{{envoy_response_code="500",envoy_cluster_name="{cluster}"}} 7\n'
    assert (await counted(EMPTY + series))["stable"] == (0, 0)


async def test_an_envoy_without_requests_is_zero_and_a_page_of_neither_gateway_is_no_evidence() -> None:
    assert await counted(EMPTY) == {"stable": (0, 0), "candidate": (0, 0)}
    with pytest.raises(SourceError, match="no metrics of Traefik or Envoy"):
        await counted("go_goroutines 7\n")


async def test_durations_are_read_in_seconds() -> None:
    page = EMPTY + durations(STABLE, e0_5=1, e25=8, inf=10) + durations(CANDIDATE, e0_5=0, e25=1, inf=4)
    async with client(page) as used:
        readings = await GatewayHistograms(used, ["http://10.0.0.1:19000/stats/prometheus"]).read(ARMS)
    (stable,), (candidate,) = readings["stable"], readings["candidate"]
    assert (stable.edges, stable.at_most, stable.total) == ((0.0005, 0.025), (1, 8), 10)
    assert (candidate.slower_than(0.025).bad, candidate.total) == (3, 4)


async def test_durations_of_traefik_are_added_up_over_codes_and_methods() -> None:
    series = "".join(
        f'traefik_service_request_duration_seconds_bucket{{code="{code}",method="GET",protocol="http",'
        f'service="ml-fraud-1a2b3c4d-http-80@kubernetesgateway",le="{edge}"}} {count}\n'
        for code in (200, 500)
        for edge, count in (("0.1", 3), ("+Inf", 5))
    )
    async with client("traefik_config_reloads_total 1\n" + series) as used:
        readings = await GatewayHistograms(used, ["http://10.0.0.1:8080/metrics"]).read(ARMS)
    (stable,) = readings["stable"]
    assert stable.slower_than(0.1) == Reading(f"{stable.source}@0.1", 4, 10)
    assert readings["candidate"] == (HistogramReading("candidate/gateway-0", (), (), 0),)
