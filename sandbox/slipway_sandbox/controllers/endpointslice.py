"""EndpointSlice: which addresses stand behind a Service, and in what state each of them is."""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any, Final

from slipway_sandbox.client import ENDPOINT_SLICES, PODS, SERVICES, Client, InformerSet, Manifest, key_of
from slipway_sandbox.controllers.base import Controller, owner_reference, timestamp
from slipway_sandbox.controllers.replicaset import NAME_ALPHABET
from slipway_sandbox.controllers.selectors import is_finished, is_ready

SERVICE_LABEL: Final = "kubernetes.io/service-name"
MANAGED_BY_LABEL: Final = "endpointslice.kubernetes.io/managed-by"
MANAGER: Final = "endpointslice-controller.k8s.io"
TRIGGER_ANNOTATION: Final = "endpoints.kubernetes.io/last-change-trigger-time"
LARGEST_SLICE: Final = 100

Ports = tuple[tuple[tuple[str, Any], ...], ...]
"""The ports of a slice in a form that can be compared and used as a key."""


class EndpointSliceController(Controller):
    """Writes the slices of every Service that has a selector."""

    name = "endpoint-slice-controller"

    def __init__(self, client: Client, informers: InformerSet) -> None:
        super().__init__(client, informers)
        self.services = informers.of(SERVICES)
        self.pods = informers.of(PODS)
        self.slices = informers.of(ENDPOINT_SLICES)
        self.services.add_handler(lambda _kind, obj, _before: self.queue.add(key_of(obj)))
        self.pods.add_handler(self._pod_changed)
        self.slices.add_handler(self._slice_changed)

    def _pod_changed(self, kind: str, pod: Manifest, before: Manifest | None) -> None:
        if kind == "MODIFIED" and before is not None and _facts(pod) == _facts(before):
            return
        for service in self.services.in_namespace(pod["metadata"]["namespace"]):
            if _selects(service, pod) or (before is not None and _selects(service, before)):
                self.queue.add(key_of(service))

    def _slice_changed(self, _kind: str, obj: Manifest, _before: Manifest | None) -> None:
        labels = obj["metadata"].get("labels") or {}
        if labels.get(MANAGED_BY_LABEL) == MANAGER and labels.get(SERVICE_LABEL):
            self.queue.add(f"{obj['metadata']['namespace']}/{labels[SERVICE_LABEL]}")

    async def reconcile(self, key: str) -> None:
        service = self.services.by_key(key)
        if service is None or service["metadata"].get("deletionTimestamp"):
            return  # garbage collection takes the slices with it
        if not service["spec"].get("selector") or service["spec"].get("type") == "ExternalName":
            return
        wanted = self._wanted(service)
        existing = [
            obj
            for obj in self.slices.in_namespace(service["metadata"]["namespace"])
            if _belongs(obj, service) and not obj["metadata"].get("deletionTimestamp")
        ]
        existing.sort(key=lambda obj: (obj["metadata"].get("creationTimestamp", ""), obj["metadata"]["name"]))
        writes = []
        for ports, endpoints in wanted:
            body = {"ports": [dict(port) for port in ports], "endpoints": endpoints}
            reused = next((obj for obj in existing if _ports_of(obj) == ports), existing[0] if existing else None)
            if reused is None:
                writes.append(self._create(service, body))
                continue
            existing.remove(reused)
            if (reused.get("endpoints") or []) != endpoints or _ports_of(reused) != ports:
                writes.append(self._update(reused, body))
        writes += [self._delete(obj) for obj in existing]
        await asyncio.gather(*writes)

    def _wanted(self, service: Manifest) -> list[tuple[Ports, list[Manifest]]]:
        groups: dict[Ports, list[Manifest]] = {}
        for pod in self.pods.in_namespace(service["metadata"]["namespace"]):
            if _selects(service, pod) and pod.get("status", {}).get("podIP") and not is_finished(pod):
                groups.setdefault(_resolved_ports(service, pod), []).append(_endpoint(service, pod))
        slices = []
        for ports in sorted(groups, key=repr):
            endpoints = sorted(groups[ports], key=lambda endpoint: endpoint["targetRef"]["name"])
            parts = range(0, len(endpoints), LARGEST_SLICE)
            slices += [(ports, endpoints[start : start + LARGEST_SLICE]) for start in parts]
        return slices or [((), [])]  # an empty slice says that the Service is known and has nothing behind it

    async def _create(self, service: Manifest, body: Manifest) -> None:
        metadata = service["metadata"]
        labels = {**(metadata.get("labels") or {}), SERVICE_LABEL: metadata["name"], MANAGED_BY_LABEL: MANAGER}
        if service["spec"].get("clusterIP") == "None":
            labels["service.kubernetes.io/headless"] = ""
        suffix = "".join(secrets.choice(NAME_ALPHABET) for _ in range(5))
        created = await self.client.create(
            ENDPOINT_SLICES,
            {
                "apiVersion": ENDPOINT_SLICES.api_version,
                "kind": ENDPOINT_SLICES.kind,
                "metadata": {
                    "name": f"{metadata['name'][:57]}-{suffix}",
                    "generateName": f"{metadata['name']}-",
                    "namespace": metadata["namespace"],
                    "labels": labels,
                    "annotations": {TRIGGER_ANNOTATION: timestamp()},
                    "ownerReferences": [owner_reference(service)],
                },
                "addressType": "IPv4",
                **body,
            },
        )
        self.slices.observe(created)

    async def _update(self, known: Manifest, body: Manifest) -> None:
        metadata = {**known["metadata"]}
        metadata["annotations"] = {**(metadata.get("annotations") or {}), TRIGGER_ANNOTATION: timestamp()}
        self.slices.observe(await self.client.replace(ENDPOINT_SLICES, {**known, "metadata": metadata, **body}))

    async def _delete(self, known: Manifest) -> None:
        metadata = known["metadata"]
        await self.client.delete(ENDPOINT_SLICES, metadata["namespace"], metadata["name"], uid=metadata["uid"])


def _selects(service: Manifest, pod: Manifest) -> bool:
    selector = service["spec"].get("selector")
    return bool(selector) and selector.items() <= (pod["metadata"].get("labels") or {}).items()


def _belongs(obj: Manifest, service: Manifest) -> bool:
    labels = obj["metadata"].get("labels") or {}
    return labels.get(SERVICE_LABEL) == service["metadata"]["name"] and labels.get(MANAGED_BY_LABEL) == MANAGER


def _facts(pod: Manifest) -> tuple[Any, ...]:
    """What of a pod an endpoint shows."""
    metadata = pod["metadata"]
    return (
        metadata.get("labels"),
        metadata.get("deletionTimestamp") is not None,
        pod.get("status", {}).get("podIP"),
        is_finished(pod),
        is_ready(pod),
        metadata["uid"],
    )


def _endpoint(service: Manifest, pod: Manifest) -> Manifest:
    metadata, serving = pod["metadata"], is_ready(pod)
    terminating = metadata.get("deletionTimestamp") is not None
    published = bool(service["spec"].get("publishNotReadyAddresses"))
    endpoint = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": published or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "nodeName": pod["spec"].get("nodeName"),
        "targetRef": {
            "kind": "Pod",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        },
    }
    if pod["spec"].get("hostname") and pod["spec"].get("subdomain") == service["metadata"]["name"]:
        endpoint["hostname"] = pod["spec"]["hostname"]
    return endpoint


def _resolved_ports(service: Manifest, pod: Manifest) -> Ports:
    """The Service's ports as numbers on this pod; a named target port that the pod does not have is left out."""
    resolved = []
    for port in service["spec"].get("ports") or ():
        protocol = port.get("protocol", "TCP")
        target = port.get("targetPort", port["port"])
        number = target if isinstance(target, int) else _named_port(pod, target, protocol)
        if number is None:
            continue
        entry: dict[str, Any] = {"name": port.get("name", ""), "protocol": protocol, "port": number}
        if port.get("appProtocol"):
            entry["appProtocol"] = port["appProtocol"]
        resolved.append(_frozen(entry))
    return tuple(resolved)


def _named_port(pod: Manifest, name: str, protocol: str) -> int | None:
    if name.isdigit():
        return int(name)
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("name") == name and port.get("protocol", "TCP") == protocol:
                return int(port["containerPort"])
    return None


def _ports_of(obj: Manifest) -> Ports:
    return tuple(_frozen({"name": "", **port}) for port in obj.get("ports") or ())


def _frozen(port: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(port.items()))
