"""HorizontalPodAutoscaler: keeps a target's replicas where its metrics want them."""

import time
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from slipway_sandbox.client import (
    HORIZONTAL_POD_AUTOSCALERS,
    PODS,
    ApiError,
    Client,
    InformerSet,
    Manifest,
    key_of,
    quantity,
)
from slipway_sandbox.controllers.autoscaling import History, Measurement, Outcome, proposal
from slipway_sandbox.controllers.base import Controller, timestamp
from slipway_sandbox.controllers.podmetrics import PodMetrics
from slipway_sandbox.controllers.selectors import condition_of, is_active, is_ready

SYNC_SECONDS: Final = 2.0
"""A cluster looks every 15 s; a rehearsal has less patience."""
SCRAPE_SECONDS: Final = 2.0
LIMITS: Final = {
    "": "the desired count is within the acceptable range",
    "TooManyReplicas": "the desired replica count is more than the maximum replica count",
    "TooFewReplicas": "the desired replica count is less than the minimum replica count",
    "ScaleUpLimit": "the desired replica count is increasing faster than the maximum scale rate",
    "ScaleDownLimit": "the desired replica count is decreasing faster than the maximum scale rate",
}


class MetricsError(Exception):
    """A metric cannot be had; `reason` is the condition's."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass
class _Report:
    """What goes into the status, as it comes to light."""

    conditions: list[tuple[str, str, str, str]] = field(default_factory=list)
    metrics: list[Manifest] = field(default_factory=list)
    current: int = 0
    desired: int = 0
    scaled: bool = False

    def say(self, kind: str, state: bool, reason: str, message: str) -> None:
        self.conditions.append((kind, str(state), reason, message))


class AutoscalerController(Controller):
    """Looks at every autoscaler again and again: metrics change without any event."""

    name = "horizontal-pod-autoscaler"

    def __init__(self, client: Client, informers: InformerSet) -> None:
        super().__init__(client, informers)
        self.autoscalers = informers.of(HORIZONTAL_POD_AUTOSCALERS)
        self.autoscalers.add_handler(self._changed)
        self._metrics = PodMetrics(client)
        self._histories: dict[str, History] = {}

    def _changed(self, kind: str, autoscaler: Manifest, before: Manifest | None) -> None:
        if kind == "DELETED":
            self._histories.pop(autoscaler["metadata"]["uid"], None)
        elif before is None or before["spec"] != autoscaler["spec"]:
            self.queue.add(key_of(autoscaler))

    async def reconcile(self, key: str) -> None:
        autoscaler = self.autoscalers.by_key(key)
        if autoscaler is None or autoscaler["metadata"].get("deletionTimestamp"):
            return
        report = _Report()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SCRAPE_SECONDS)) as session:
            await self._scale(session, autoscaler, report)
        await self._write(autoscaler, report)
        self.queue.add_after(key, SYNC_SECONDS)

    async def _scale(self, session: aiohttp.ClientSession, autoscaler: Manifest, report: _Report) -> None:
        spec, namespace = autoscaler["spec"], autoscaler["metadata"]["namespace"]
        target = spec["scaleTargetRef"]
        try:
            resource = await self.client.resource_for(target.get("apiVersion", "v1"), target["kind"])
            scale = await self.client.request("GET", resource.path(namespace, target["name"], "scale"))
        except ApiError as refusal:
            message = f"the HPA controller was unable to get the target's current scale: {refusal.message}"
            report.say("AbleToScale", False, "FailedGetScale", message)
            self.events.record("Warning", autoscaler, "FailedGetScale", refusal.message)
            return
        report.current = report.desired = current = int(scale["spec"].get("replicas", 0))
        report.say("AbleToScale", True, "SucceededGetScale", "the HPA controller was able to get the target's scale")
        if current == 0:
            message = "scaling is disabled since the replica count of the target is zero"
            report.say("ScalingActive", False, "ScalingDisabled", message)
            return
        pods, _ = await self.client.list_all(PODS, namespace, labelSelector=scale["status"].get("selector", ""))
        found = await self._recommend(session, autoscaler, [pod for pod in pods if is_active(pod)], report)
        if found is None:
            return
        wanted, why = found
        history = self._histories.setdefault(autoscaler["metadata"]["uid"], History())
        outcome = history.settle(spec, current, wanted, time.monotonic())
        report.desired = outcome.replicas
        self._explain(report, outcome)
        if outcome.replicas == current:
            return
        change = {"spec": {"replicas": outcome.replicas}}
        await self.client.patch(resource, namespace, target["name"], change, subresource="scale")
        history.changed(outcome.replicas - current, time.monotonic())
        report.scaled = True
        message = f"the HPA controller was able to update the target scale to {outcome.replicas}"
        report.conditions[0] = ("AbleToScale", "True", "SucceededRescale", message)
        reason = why if outcome.replicas > current else "All metrics below target"
        message = f"New size: {outcome.replicas}; reason: {reason}"
        self.events.record("Normal", autoscaler, "SuccessfulRescale", message)

    @staticmethod
    def _explain(report: _Report, outcome: Outcome) -> None:
        if outcome.stabilised:
            message = "recent recommendations were higher than current one, applying the highest recent recommendation"
            report.conditions[0] = ("AbleToScale", "True", "ScaleDownStabilized", message)
        else:
            message = "recommended size matches current size"
            report.conditions[0] = ("AbleToScale", "True", "ReadyForNewScale", message)
        reason = outcome.limited or "DesiredWithinRange"
        report.say("ScalingLimited", bool(outcome.limited), reason, LIMITS[outcome.limited])

    async def _recommend(
        self, session: aiohttp.ClientSession, autoscaler: Manifest, pods: list[Manifest], report: _Report
    ) -> tuple[int, str] | None:
        """The highest number that any metric asks for and which one it was; None when that is not known.

        A metric that cannot be had forbids fewer replicas and lets the others ask for more.
        """
        best: tuple[int, str] | None = None
        problem: MetricsError | None = None
        for metric in autoscaler["spec"].get("metrics") or ():
            try:
                wanted, title = await self._one(session, metric, pods, report)
            except MetricsError as failure:
                problem = problem or failure
                continue
            if best is None or wanted > best[0]:
                best = wanted, title
        if problem is not None and (best is None or best[0] < report.current):
            message = f"the HPA was unable to compute the replica count: {problem}"
            report.say("ScalingActive", False, problem.reason, message)
            self.events.record("Warning", autoscaler, problem.reason, str(problem))
            return None
        if best is not None:
            message = f"the HPA was able to successfully calculate a replica count from {best[1]}"
            report.say("ScalingActive", True, "ValidMetricFound", message)
            best = best[0], f"{best[1]} above target"
        return best

    async def _one(
        self, session: aiohttp.ClientSession, metric: Manifest, pods: list[Manifest], report: _Report
    ) -> tuple[int, str]:
        kind = metric["type"]
        if kind == "Pods":
            source = metric["pods"]
            title, failed = f"pods metric {source['metric']['name']}", "FailedGetPodsMetric"
            values = [await self._metrics.own(session, source["metric"], pod) for pod in pods]
        elif kind in {"Resource", "ContainerResource"}:
            source = metric["resource" if kind == "Resource" else "containerResource"]
            name, container = source["name"], source.get("container", "")
            title, failed = f"{name} resource", "FailedGetResourceMetric"
            values = [await self._metrics.resource(session, name, pod, container) for pod in pods]
        else:
            raise MetricsError(f"FailedGet{kind}Metric", f"the sandbox has no metrics of the type {kind}")
        share_of_request = source["target"]["type"] == "Utilization"
        target = float(quantity(source["target"].get("averageValue", 0)))
        shares = [1.0] * len(pods)
        if share_of_request:
            title += " utilization (percentage of request)"
            target = source["target"]["averageUtilization"] / 100
            shares = [_request(pod, source["name"], source.get("container", "")) for pod in pods]
        measured = [
            Measurement(value, share, is_ready(pod)) for value, share, pod in zip(values, shares, pods, strict=True)
        ]
        try:
            wanted = proposal(measured, target, report.current)
        except (ValueError, ZeroDivisionError) as unknown:
            raise MetricsError(failed, f"failed to get {title}: {unknown}") from unknown
        report.metrics.append(_shown(metric, measured, share_of_request=share_of_request))
        return wanted, title

    async def _write(self, autoscaler: Manifest, report: _Report) -> None:
        old = autoscaler.get("status", {})
        status: dict[str, Any] = {
            "observedGeneration": autoscaler["metadata"].get("generation", 1),
            "currentReplicas": report.current,
            "desiredReplicas": report.desired,
            "currentMetrics": report.metrics or None,
            "conditions": [_condition(autoscaler, *words) for words in report.conditions],
        }
        last = timestamp() if report.scaled else old.get("lastScaleTime")
        if last:
            status["lastScaleTime"] = last
        if any(old.get(name) != value for name, value in status.items()):
            written = {**autoscaler, "status": status}
            self.autoscalers.observe(await self.client.replace(HORIZONTAL_POD_AUTOSCALERS, written, "status"))


def _condition(autoscaler: Manifest, kind: str, state: str, reason: str, message: str) -> Manifest:
    known = condition_of(autoscaler, kind)
    since = known["lastTransitionTime"] if known and known["status"] == state else timestamp()
    return {"type": kind, "status": state, "lastTransitionTime": since, "reason": reason, "message": message}


def _request(pod: Manifest, name: str, container: str) -> float:
    total = 0.0
    for entry in pod["spec"]["containers"]:
        if container and entry["name"] != container:
            continue
        request = (entry.get("resources", {}).get("requests") or {}).get(name)
        if request is None:
            message = f"missing request for {name} in container {entry['name']} of Pod {pod['metadata']['name']}"
            raise MetricsError("FailedGetResourceMetric", f"failed to get {name} utilization: {message}")
        total += quantity(request)
    return total


def _shown(metric: Manifest, pods: list[Measurement], *, share_of_request: bool) -> Manifest:
    """The entry of `currentMetrics`."""
    known = [(pod.value, pod.share) for pod in pods if pod.value is not None and pod.ready]
    mean = sum(value for value, _ in known) / len(known)
    current: dict[str, Any] = {"averageValue": _amount(mean)}
    if share_of_request:
        current["averageUtilization"] = round(100 * sum(v for v, _ in known) / sum(share for _, share in known))
    field_name = metric["type"][0].lower() + metric["type"][1:]
    source = {key: value for key, value in metric[field_name].items() if key != "target"}
    return {"type": metric["type"], field_name: {**source, "current": current}}


def _amount(value: float) -> str:
    """As the server would write it, so that the same value is not written again and again."""
    thousandths = round(value * 1000)
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)
