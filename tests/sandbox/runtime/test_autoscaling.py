"""HorizontalPodAutoscalers: the arithmetic by tables, and pods whose real use of the machine is followed.

| measured | wanted |
|---|---|
| within 10 % of the target | what there is |
| pods unknown or not ready | idle when scaling up, on target when scaling down |
| a recommendation falls | the highest one of the window |
| far above | no faster than the rates allow, within the range |
"""

import pytest
from sandbox.runtime.kit import Space, a_deployment, eventually

from slipway_sandbox.client import HORIZONTAL_POD_AUTOSCALERS, Manifest
from slipway_sandbox.controllers.autoscaling import History, Measurement, Outcome, proposal

KNOWN, IDLE, HOT = Measurement(0.5, 1.0), Measurement(0.0, 1.0), Measurement(2.0, 1.0)
UNKNOWN = Measurement(None, 1.0)
NOT_READY = Measurement(2.0, 1.0, ready=False)


@pytest.mark.parametrize(
    ("pods", "wanted"),
    [
        ([KNOWN], 1),
        ([Measurement(0.54, 1.0), KNOWN], 2),  # 4 % above: within the tolerance
        ([HOT], 4),
        ([HOT, HOT], 8),
        ([IDLE, KNOWN, KNOWN, IDLE], 2),
        ([HOT, UNKNOWN], 4),  # as if the unknown one were idle
        ([IDLE, UNKNOWN], 1),  # as if it were on target
        ([HOT, NOT_READY], 4),
        ([Measurement(1.0, 1.0), *[UNKNOWN] * 3], 4),  # would scale up, but not with three idle: stay
    ],
)
def test_the_target_is_met_by_the_mean(pods: list[Measurement], wanted: int) -> None:
    assert proposal(pods, 0.5, len(pods)) == wanted


def test_nothing_measured_is_no_recommendation() -> None:
    with pytest.raises(ValueError, match="did not receive metrics"):
        proposal([UNKNOWN, NOT_READY], 0.5, 2)


def settle(history: History, current: int, wanted: int, now: float, **spec: object) -> Outcome:
    return history.settle({"minReplicas": 1, "maxReplicas": 10, **spec}, current, wanted, now)


def test_fewer_replicas_wait_until_the_window_has_seen_nothing_higher() -> None:
    history = History()
    assert settle(history, 4, 1, 0.0) == Outcome(4, stabilised=True)
    assert settle(history, 4, 2, 250.0) == Outcome(4, stabilised=True)
    assert settle(history, 4, 1, 301.0) == Outcome(2, stabilised=True)
    assert settle(history, 2, 1, 551.0) == Outcome(1)


def test_more_replicas_come_at_once_but_no_faster_than_the_rates_allow() -> None:
    history = History()
    assert settle(history, 1, 10, 0.0) == Outcome(5, limited="ScaleUpLimit")
    history.changed(4, 0.0)
    assert settle(history, 5, 10, 2.0) == Outcome(5, limited="ScaleUpLimit")
    assert settle(history, 5, 12, 16.0) == Outcome(10, limited="TooManyReplicas")


def test_a_disabled_direction_is_not_taken() -> None:
    rules = {"scaleDown": {"stabilizationWindowSeconds": 0, "selectPolicy": "Disabled"}}
    assert settle(History(), 4, 1, 0.0, behavior=rules) == Outcome(4, limited="ScaleDownLimit")


# --- the running controller ------------------------------------------------------------------------------------------

BUSY = """
import http.server, os, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        load = os.environ["LOAD"]
        self.wfile.write(f'# TYPE load gauge\\nload{{kind="a"}} {load}\\nload{{kind="b"}} 1\\n'.encode())
    def log_message(self, *words): pass
def burn():
    while True:
        begun = time.process_time()
        while time.process_time() - begun < float(os.environ["BURN"]) / 10: pass
        time.sleep(max(0.0, 0.1 - float(os.environ["BURN"]) / 10))
threading.Thread(target=burn, daemon=True).start()
http.server.ThreadingHTTPServer((os.environ["POD_IP"], 8080), Handler).serve_forever()
"""


def a_busy_deployment(*, burn: float = 0.0, load: float = 0.0, requests: Manifest | None = None) -> Manifest:
    env = [
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "BURN", "value": str(burn)},
        {"name": "LOAD", "value": str(load)},
    ]
    resources = {"requests": requests} if requests else {}
    probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    return a_deployment(args=["-S", "-c", BUSY], env=env, resources=resources, readinessProbe=probe)


def an_autoscaler(metric: Manifest, **spec: object) -> Manifest:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 2, "metrics": [metric], **spec},
    }


def a_resource(name: str, **target: object) -> Manifest:
    return {"type": "Resource", "resource": {"name": name, "target": target}}


def a_pods_metric(average: str, **labels: str) -> Manifest:
    metric = {"name": "load", "selector": {"matchLabels": labels}} if labels else {"name": "load"}
    return {"type": "Pods", "pods": {"metric": metric, "target": {"type": "AverageValue", "averageValue": average}}}


async def when(space: Space, **wanted: str) -> Manifest:
    """The status when its conditions have these reasons."""

    async def so() -> Manifest | None:
        status = (await space.get(HORIZONTAL_POD_AUTOSCALERS, "web")).get("status", {})
        reasons = {entry["type"]: entry["reason"] for entry in status.get("conditions") or ()}
        return status if wanted.items() <= reasons.items() else None

    found: Manifest = await eventually(so, 20)
    return found


@pytest.mark.e2e
@pytest.mark.asyncio(loop_scope="session")
async def test_a_busy_deployment_grows_by_its_share_of_the_requested_cpu(space: Space) -> None:
    metric = a_resource("cpu", type="Utilization", averageUtilization=50)
    await space.apply(a_busy_deployment(burn=0.2, requests={"cpu": "100m"}), an_autoscaler(metric))
    status = await when(space, ScalingActive="ValidMetricFound", ScalingLimited="TooManyReplicas")
    assert status["currentMetrics"][0]["resource"]["current"]["averageUtilization"] > 60

    async def grown() -> bool:
        return (await space.deployment("web"))["spec"]["replicas"] == 2

    await eventually(grown)
    assert "lastScaleTime" in await when(space, AbleToScale="ReadyForNewScale")


@pytest.mark.e2e
@pytest.mark.asyncio(loop_scope="session")
async def test_a_metric_of_the_pods_scales_both_ways(space: Space) -> None:
    fast = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    await space.apply(a_busy_deployment(load=3), an_autoscaler(a_pods_metric("1500m", kind="a"), behavior=fast))

    async def has(replicas: int) -> bool:
        return (await space.deployment("web"))["spec"]["replicas"] == replicas

    await eventually(lambda: has(2), 20)
    quiet = a_busy_deployment(load=0.1)
    del quiet["spec"]["replicas"]  # the autoscaler's now
    await space.apply(quiet)
    await eventually(lambda: has(1), 20)


@pytest.mark.e2e
@pytest.mark.asyncio(loop_scope="session")
async def test_memory_is_measured_and_what_is_missing_is_named(space: Space) -> None:
    await space.apply(a_busy_deployment(), an_autoscaler(a_resource("memory", type="AverageValue", averageValue="1Gi")))
    status = await when(space, ScalingActive="ValidMetricFound")
    assert int(status["currentMetrics"][0]["resource"]["current"]["averageValue"]) > 1_000_000
    share = a_resource("memory", type="Utilization", averageUtilization=50)
    await space.apply(an_autoscaler(share))
    status = await when(space, ScalingActive="FailedGetResourceMetric")
    [told] = [entry["message"] for entry in status["conditions"] if entry["type"] == "ScalingActive"]
    assert "missing request for memory in container main" in told
