"""What is there only once for all services of a cluster: addresses, and ports on nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from slipway_sandbox.apiserver.errors import INVALID, FieldError
from slipway_sandbox.apiserver.store import Store

SERVICES = ("", "services")


def taken(store: Store, obj: dict[str, Any]) -> list[FieldError]:
    """What a service asks for and another one has."""
    metadata = obj["metadata"]
    addresses: set[str] = set()
    ports: set[tuple[str, int]] = set()
    for record in store.collection(SERVICES).records.values():
        other = record.obj["metadata"]
        if (other.get("namespace"), other["name"], other["uid"]) != (
            metadata.get("namespace"), metadata.get("name"), metadata.get("uid"),
        ):  # fmt: skip
            addresses |= set(_addresses(record.obj["spec"]))
            ports |= {(protocol, port) for _, protocol, port in _node_ports(record.obj["spec"])}
    errors = []
    for address in _addresses(obj["spec"]):
        if address in addresses:
            detail = f"failed to allocate IP {address}: provided IP is already allocated"
            errors.append(FieldError(INVALID, "spec.clusterIPs", detail, [address]))
    for index, protocol, port in _node_ports(obj["spec"]):
        if (protocol, port) in ports:
            path = f"spec.ports[{index}].nodePort"
            errors.append(FieldError(INVALID, path, "provided port is already allocated", port))
    return errors


def _addresses(spec: dict[str, Any]) -> list[str]:
    return [address for address in spec.get("clusterIPs") or () if address not in {"", "None"}]


def _node_ports(spec: dict[str, Any]) -> Iterator[tuple[int, str, int]]:
    for index, port in enumerate(spec.get("ports") or ()):
        if port.get("nodePort"):
            yield index, port.get("protocol", "TCP"), port["nodePort"]
