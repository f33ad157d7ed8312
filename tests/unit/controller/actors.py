"""Who else writes to the cluster: the API server's defaults, the Deployment and EndpointSlice controllers, a gateway.

Each looks at what is there and writes what follows from it, through the twin, as somebody else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from unit.controller.builders import NAMESPACE
from unit.controller.outside import Outside
from unit.traffic.builders import an_answer, as_served_route
from unit.workload.builders import a_pod, as_served_deployment, as_served_service

from slipway.cluster import (
    DEPLOYMENT,
    ENDPOINT_SLICE,
    HTTP_ROUTE,
    POD,
    SERVICE,
    Kind,
    MemoryCluster,
    Object,
    kind_of,
)
from slipway.cluster.merging import stored_copy


def version_of(deployment: Object) -> str:
    container, *_ = deployment["spec"]["template"]["spec"]["containers"]
    return next(variable["value"] for variable in container["env"] if variable["name"] == "SLIPWAY_MODEL_VERSION")


@dataclass
class Gateway:
    """A gateway controller: takes routes up, sends requests by their weights, and counts what came of them."""

    outside: Outside
    requests_per_second: float = 50.0
    answers: bool = True
    """Whether it takes up what is written."""
    accepted: dict[str, dict[str, int]] = field(default_factory=dict)
    """By route, the weights of Services that are in force."""
    strays: dict[str, float] = field(default_factory=dict)
    """By Service, how many times its part of the requests it gets."""
    sent: dict[str, list[float]] = field(default_factory=dict)
    """Failed and all requests, by Service."""
    _at: float | None = None

    def take_up(self, route: Object) -> Object:
        """The route with this gateway's answer."""
        name, generation = route["metadata"]["name"], route["metadata"]["generation"]
        (rule,) = route["spec"]["rules"]
        self.accepted[name] = {ref["name"]: ref.get("weight", 1) for ref in rule.get("backendRefs", [])}
        answer = an_answer(generation=generation)
        return as_served_route(route, answer)

    def serve(self, now: float, versions: dict[str, str]) -> None:
        """Sends the requests of the time since the last call; `versions` are those of the Services."""
        seconds = now - self._at if self._at is not None else 0.0
        self._at = now
        for weights in self.accepted.values():
            for service, weight in weights.items():
                requests = self.requests_per_second * seconds * weight / 10_000 * self.strays.get(service, 1.0)
                counted = self.sent.setdefault(service, [0.0, 0.0])
                counted[0] += requests * self.outside.models[versions[service]].errors if service in versions else 0.0
                counted[1] += requests
        self.outside.page = "traefik_config_reloads_total 1\n" + "".join(
            _series(service, 500, int(bad)) + _series(service, 200, int(total) - int(bad))
            for service, (bad, total) in self.sent.items()
        )


def _series(service: str, code: int, value: int) -> str:
    name = f"{NAMESPACE}-{service}-http-80@kubernetesgateway"
    return f'traefik_service_requests_total{{code="{code}",method="POST",protocol="http",service="{name}"}} {value}\n'


class Mirror:
    """What is in the cluster, from its watch: a look at it is nobody's request."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self.changes = 0
        self._objects: dict[tuple[Kind, str | None, str], Object] = {}
        cluster.subscribe(self._note)

    def _note(self, change: str, obj: Object) -> None:
        self.changes += 1
        key = (kind_of(obj), obj["metadata"].get("namespace"), obj["metadata"]["name"])
        if change == "DELETED":
            self._objects.pop(key, None)
        else:
            self._objects[key] = obj

    def objects(self, kind: Kind) -> list[Object]:
        """In the order of their names."""
        return [obj for key, obj in sorted(self._objects.items(), key=lambda item: str(item[0][1:])) if key[0] == kind]

    def one(self, kind: Kind, name: str) -> Object:
        (found,) = [obj for obj in self.objects(kind) if obj["metadata"]["name"] == name]
        return found


def _content(obj: Any) -> Any:
    """An object without its metadata and without nulls, which the API drops."""
    if isinstance(obj, dict):
        return {name: _content(value) for name, value in obj.items() if value is not None and name != "metadata"}
    return [_content(value) for value in obj] if isinstance(obj, list) else obj


@dataclass
class Actors:
    """All of them together; `settle` lets them act until nobody has anything left to do."""

    cluster: MemoryCluster
    mirror: Mirror
    outside: Outside
    gateway: Gateway
    clock: Callable[[], float]
    _versions: dict[str, str] = field(default_factory=dict)
    _settled: object = None

    async def settle(self) -> None:
        for _ in range(10):
            self.gateway.serve(self.clock(), self._versions)
            if self._settled == self._state() or not await self._round():
                self._settled = self._state()
                return
        raise AssertionError("the cluster's controllers never come to rest")

    def _state(self) -> object:
        """What they act on: they have nothing to do until it changes."""
        starts = tuple(model.starts for model in self.outside.models.values())
        return self.mirror.changes, self.gateway.answers, starts

    async def _round(self) -> bool:
        changed = False
        versions = self._versions = {}
        for deployment in self._list(DEPLOYMENT):
            version = versions[deployment["metadata"]["name"]] = version_of(deployment)
            model = await self.outside.model(version)
            replicas = deployment["spec"]["replicas"]
            ready = replicas if model.starts else 0
            served = as_served_deployment(deployment)
            served["status"] = {
                "observedGeneration": deployment["metadata"]["generation"],
                "replicas": replicas,
                "updatedReplicas": replicas,
                "readyReplicas": ready,
                "availableReplicas": ready,
            }
            changed |= self._put(deployment, served)
            changed |= self._pods(deployment, [] if model.starts else range(replicas))
        for service in self._list(SERVICE):
            name = service["metadata"]["name"]
            said = service | {"spec": {"publishNotReadyAddresses": False} | service["spec"]}
            changed |= self._put(service, as_served_service(said))
            if name in versions:
                changed |= await self._slices(service, versions[name])
        if self.gateway.answers:
            for route in self._list(HTTP_ROUTE):
                if "slipway.dev/model-deployment" in (route["metadata"].get("labels") or {}):
                    changed |= self._put(route, self.gateway.take_up(route))
        return changed

    def _put(self, before: Object, after: Object) -> bool:
        if _content(after) == _content(before):
            return False
        self.cluster.put(after)
        return True

    def _pods(self, deployment: Object, numbers: Any) -> bool:
        """Pods are shown only where something is wrong with them: nobody reads the others."""
        known = {pod["metadata"]["name"] for pod in self._list(POD)}
        before = self.mirror.changes
        name, labels = deployment["metadata"]["name"], deployment["spec"]["template"]["metadata"]["labels"]
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": deployment["metadata"]["uid"]}
        for number in numbers:
            if f"{name}-{number}" in known:
                continue
            state = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
            pod = a_pod(f"{name}-{number}", state=state)
            pod["metadata"] |= {"labels": labels, "ownerReferences": [owner]}
            self.cluster.put({"apiVersion": POD.api_version, "kind": POD.kind, **pod})
        return self.mirror.changes != before

    async def _slices(self, service: Object, version: str) -> bool:
        name = service["metadata"]["name"]
        model = await self.outside.model(version)
        (deployment,) = [found for found in self._list(DEPLOYMENT) if found["metadata"]["name"] == name]
        owner = {"apiVersion": "v1", "kind": "Service", "name": name, "uid": service["metadata"]["uid"]}
        wanted = {
            "apiVersion": ENDPOINT_SLICE.api_version,
            "kind": ENDPOINT_SLICE.kind,
            "metadata": {
                "name": f"{name}-slice",
                "namespace": NAMESPACE,
                "labels": {**(service["metadata"].get("labels") or {}), "kubernetes.io/service-name": name},
                "ownerReferences": [owner],
            },
            "addressType": "IPv4",
            "ports": [
                {"name": port["name"], "port": model.port, "protocol": "TCP"} for port in service["spec"]["ports"]
            ],
            "endpoints": [
                {
                    "addresses": ["127.0.0.1"],
                    "conditions": {"ready": number < deployment["status"].get("readyReplicas", 0)},
                    "targetRef": {"kind": "Pod", "name": f"{name}-{number}"},
                }
                for number in range(deployment["spec"]["replicas"])
            ],
        }
        known = [found for found in self._list(ENDPOINT_SLICE) if found["metadata"]["name"] == f"{name}-slice"]
        return self._put(known[0] if known else {}, wanted)

    def _list(self, kind: Kind) -> list[Object]:
        return [stored_copy(obj) for obj in self.mirror.objects(kind)]
