"""Services and their addresses, Endpoints and EndpointSlices."""

from __future__ import annotations

import ipaddress
import random
from typing import Any

from slipway_sandbox.apiserver import names
from slipway_sandbox.apiserver.errors import DUPLICATE, FORBIDDEN, INVALID, NOT_SUPPORTED, REQUIRED, FieldError
from slipway_sandbox.apiserver.kinds.hooks import Hooks
from slipway_sandbox.apiserver.kinds.podspec import fill
from slipway_sandbox.apiserver.metadata import validate_labels

SERVICE_RANGE = ipaddress.ip_network("10.96.0.0/12")
NODE_PORTS = (30000, 32767)
_TYPES = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")
_PROTOCOLS = ("TCP", "UDP", "SCTP")


class Services(Hooks):
    """Addresses and node ports are drawn at random; the ranges are large and a sandbox holds few services."""

    checks_metadata_again = True

    def name_rule(self, name: str) -> str:
        return names.dns_label_problem(name)

    def default(self, obj: dict[str, Any]) -> None:
        spec = obj["spec"]
        if not spec.get("type"):
            spec["type"] = "ClusterIP"
        if not spec.get("sessionAffinity"):
            spec["sessionAffinity"] = "None"
        if spec["sessionAffinity"] == "ClientIP":
            fill(spec, sessionAffinityConfig={})
            fill(spec["sessionAffinityConfig"], clientIP={})
            fill(spec["sessionAffinityConfig"]["clientIP"], timeoutSeconds=10800)
        elif spec["sessionAffinity"] == "None":
            spec.pop("sessionAffinityConfig", None)
        for port in spec.get("ports") or ():
            fill(port, protocol="TCP")
            if port.get("targetPort") in {None, 0, ""}:
                port["targetPort"] = port.get("port", 0)
        if spec["type"] in {"NodePort", "LoadBalancer"}:
            fill(spec, externalTrafficPolicy="Cluster")
        if spec["type"] in {"ClusterIP", "NodePort", "LoadBalancer"}:
            fill(spec, internalTrafficPolicy="Cluster")
        if spec["type"] == "LoadBalancer":
            fill(spec, allocateLoadBalancerNodePorts=True)

    def for_create(self, obj: dict[str, Any]) -> None:
        obj["status"] = {"loadBalancer": {}}
        self._allocate(obj["spec"])

    def for_update(self, new: dict[str, Any], old: dict[str, Any]) -> None:  # noqa: PLR0912
        fresh, before = new["spec"], old["spec"]
        if fresh["type"] != "ExternalName" and before["type"] != "ExternalName":
            for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                if not fresh.get(name) and name in before:
                    fresh[name] = before[name]
            if (
                fresh.get("clusterIP")
                and fresh["clusterIP"] != before.get("clusterIP")
                and fresh.get("clusterIPs") == before.get("clusterIPs")
            ):
                fresh["clusterIPs"] = [fresh["clusterIP"]]
        elif before["type"] != "ExternalName":
            for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
                if fresh.get(name) == before.get(name):
                    fresh.pop(name, None)
        if _takes_node_ports(fresh):
            known = {
                (port.get("port"), port.get("protocol")): port.get("nodePort") for port in before.get("ports") or ()
            }
            for port in fresh.get("ports") or ():
                found = known.get((port.get("port"), port.get("protocol")))
                if not port.get("nodePort") and found:
                    port["nodePort"] = found
        elif _takes_node_ports(before):
            had = {port.get("nodePort") for port in before.get("ports") or ()}
            for port in fresh.get("ports") or ():
                if port.get("nodePort") in had:
                    port.pop("nodePort", None)
            if fresh.get("externalTrafficPolicy") == before.get("externalTrafficPolicy"):
                fresh.pop("externalTrafficPolicy", None)
        if before["type"] == "LoadBalancer" != fresh["type"]:
            for name in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
                if fresh.get(name) == before.get(name):
                    fresh.pop(name, None)
        self._allocate(fresh)

    def _allocate(self, spec: dict[str, Any]) -> None:
        if spec["type"] == "ExternalName":
            return
        address = spec.get("clusterIP") or (spec.get("clusterIPs") or [""])[0]
        if not address:
            address = str(SERVICE_RANGE[random.randrange(256, SERVICE_RANGE.num_addresses - 1)])
        spec["clusterIP"] = address
        fill(spec, clusterIPs=[address])
        selectorless_headless = address == "None" and not spec.get("selector")
        fill(spec, ipFamilies=["IPv4", "IPv6"] if selectorless_headless else ["IPv4"])
        fill(spec, ipFamilyPolicy="RequireDualStack" if selectorless_headless else "SingleStack")
        if _takes_node_ports(spec):
            for port in spec.get("ports") or ():
                if not port.get("nodePort"):
                    port["nodePort"] = random.randint(*NODE_PORTS)

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        spec = obj["spec"]
        errors: list[FieldError] = []
        kind = spec["type"]
        if kind not in _TYPES:
            listed = ", ".join(f'"{name}"' for name in sorted(_TYPES))
            errors.append(FieldError(NOT_SUPPORTED, "spec.type", f"supported values: {listed}", kind))
        ports = spec.get("ports") or []
        if not ports and spec.get("clusterIP") != "None" and kind != "ExternalName":
            errors.append(FieldError(REQUIRED, "spec.ports", ""))
        if kind == "ExternalName":
            external = spec.get("externalName", "").rstrip(".")
            if not external:
                errors.append(FieldError(REQUIRED, "spec.externalName", "must not be empty"))
            elif names.subdomain_problem(external):
                errors.append(FieldError(INVALID, "spec.externalName", names.subdomain_problem(external), external))
        errors += _type_errors(spec, kind)
        errors += self._validate_ports(ports, kind)
        errors += validate_labels(spec.get("selector"), "spec.selector")
        if spec["sessionAffinity"] not in {"None", "ClientIP"}:
            errors.append(
                FieldError(
                    NOT_SUPPORTED,
                    "spec.sessionAffinity",
                    'supported values: "ClientIP", "None"',
                    spec["sessionAffinity"],
                )
            )
        return errors + self._validate_addresses(spec, kind)

    def _validate_addresses(self, spec: dict[str, Any], kind: str) -> list[FieldError]:
        errors: list[FieldError] = []
        address = spec.get("clusterIP", "")
        if kind in {"NodePort", "LoadBalancer"} and address == "None":
            errors.append(
                FieldError(INVALID, "spec.clusterIPs[0]", f"may not be set to 'None' for {kind} services", address)
            )
        if address and address != "None":
            try:
                inside = ipaddress.ip_address(address) in SERVICE_RANGE
            except ValueError:
                errors.append(FieldError(INVALID, "spec.clusterIPs[0]", "must be a valid IP address", address))
            else:
                if not inside:
                    detail = f"failed to allocate IP {address}: the provided network does not match the current range"
                    errors.append(FieldError(INVALID, "spec.clusterIPs", detail, [address]))
        policy = spec.get("internalTrafficPolicy")
        if policy is not None and policy not in {"Cluster", "Local"}:
            errors.append(
                FieldError(NOT_SUPPORTED, "spec.internalTrafficPolicy", 'supported values: "Cluster", "Local"', policy)
            )
        return errors

    def _validate_ports(self, ports: list[dict[str, Any]], kind: str) -> list[FieldError]:
        errors: list[FieldError] = []
        seen_names: set[str] = set()
        seen: set[tuple[Any, Any]] = set()
        for index, port in enumerate(ports):
            here = f"spec.ports[{index}]"
            name = port.get("name", "")
            if not name and len(ports) > 1:
                errors.append(FieldError(REQUIRED, f"{here}.name", ""))
            elif name and names.dns_label_problem(name):
                errors.append(FieldError(INVALID, f"{here}.name", names.dns_label_problem(name), name))
            elif name and name in seen_names:
                errors.append(FieldError(DUPLICATE, f"{here}.name", "", name))
            seen_names.add(name)
            if not 0 < port.get("port", 0) < 65536:
                errors.append(
                    FieldError(INVALID, f"{here}.port", "must be between 1 and 65535, inclusive", port.get("port", 0))
                )
            if port.get("protocol") not in _PROTOCOLS:
                errors.append(
                    FieldError(
                        NOT_SUPPORTED,
                        f"{here}.protocol",
                        'supported values: "SCTP", "TCP", "UDP"',
                        port.get("protocol"),
                    )
                )
            target = port.get("targetPort")
            if isinstance(target, int) and not 0 < target < 65536:
                errors.append(
                    FieldError(INVALID, f"{here}.targetPort", "must be between 1 and 65535, inclusive", target)
                )
            if isinstance(target, str) and (len(target) > 15 or names.dns_label_problem(target)):
                errors.append(FieldError(INVALID, f"{here}.targetPort", "must be a valid port name", target))
            if port.get("nodePort"):
                errors += self._validate_node_port(port["nodePort"], kind, here)
            identity = (port.get("port"), port.get("protocol"))
            if identity in seen:
                errors.append(
                    FieldError(DUPLICATE, here, "", {"protocol": port.get("protocol"), "port": port.get("port")})
                )
            seen.add(identity)
        return errors

    def _validate_node_port(self, value: int, kind: str, path: str) -> list[FieldError]:
        if kind == "ClusterIP":
            return [FieldError(FORBIDDEN, f"{path}.nodePort", "may not be used when `type` is 'ClusterIP'")]
        if not NODE_PORTS[0] <= value <= NODE_PORTS[1]:
            detail = (
                f"provided port is not in the valid range. The range of valid ports is {NODE_PORTS[0]}-{NODE_PORTS[1]}"
            )
            return [FieldError(INVALID, f"{path}.nodePort", detail, value)]
        return []

    def validate_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        before, after = old["spec"], new["spec"]
        if "ExternalName" in {before["type"], after["type"]} or not before.get("clusterIP"):
            return []
        if after.get("clusterIPs") != before.get("clusterIPs") or after.get("clusterIP") != before.get("clusterIP"):
            return [FieldError(INVALID, "spec.clusterIPs[0]", "may not change once set", after.get("clusterIPs"))]
        return []


def _type_errors(spec: dict[str, Any], kind: str) -> list[FieldError]:
    """What only services of some types can have."""
    errors = []
    if kind == "ExternalName":
        errors += [
            FieldError(FORBIDDEN, f"spec.{name}", "may not be set for ExternalName services")
            for name in ("clusterIPs", "ipFamilies", "ipFamilyPolicy")
            if spec.get(name)
        ]
    if kind != "LoadBalancer":
        errors += [
            FieldError(FORBIDDEN, f"spec.{name}", "may only be used when `type` is 'LoadBalancer'")
            for name in ("allocateLoadBalancerNodePorts", "loadBalancerClass")
            if spec.get(name) is not None
        ]
    policy = spec.get("externalTrafficPolicy")
    if policy and kind == "ClusterIP" and not spec.get("externalIPs"):
        detail = "may only be set for externally-accessible services"
        errors.append(FieldError(INVALID, "spec.externalTrafficPolicy", detail, policy))
    elif policy and policy not in {"Cluster", "Local"}:
        detail = 'supported values: "Cluster", "Local"'
        errors.append(FieldError(NOT_SUPPORTED, "spec.externalTrafficPolicy", detail, policy))
    client = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    timeout = client.get("timeoutSeconds")
    if timeout is not None and not 0 < timeout <= _LONGEST_AFFINITY:
        path, detail = "spec.sessionAffinityConfig.clientIP.timeoutSeconds", f"must be > 0 and <= {_LONGEST_AFFINITY}"
        errors.append(FieldError(INVALID, path, detail, timeout))
    for index, address in enumerate(spec.get("externalIPs") or ()):
        try:
            ipaddress.ip_address(address)
        except ValueError:
            errors.append(FieldError(INVALID, f"spec.externalIPs[{index}]", "must be a valid IP address", address))
    return errors


_LONGEST_AFFINITY = 86400


def _takes_node_ports(spec: dict[str, Any]) -> bool:
    return spec["type"] == "NodePort" or (
        spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is not False
    )


class Endpoints(Hooks):
    create_on_update = True

    def default(self, obj: dict[str, Any]) -> None:
        for subset in obj.get("subsets") or ():
            for port in subset.get("ports") or ():
                fill(port, protocol="TCP")

    def warn(self, obj: dict[str, Any]) -> list[str]:
        _ = obj
        return ["v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"]


class EndpointSlices(Hooks):
    """Unlike a real server this one takes loopback addresses: that is where the sandbox's pods live."""

    generation = True

    def default(self, obj: dict[str, Any]) -> None:
        for port in obj.get("ports") or ():
            fill(port, name="", protocol="TCP")

    def spec_changed(self, new: dict[str, Any], old: dict[str, Any]) -> bool:
        same = all(new.get(name) == old.get(name) for name in ("endpoints", "ports", "addressType"))
        return not same or new["metadata"].get("labels") != old["metadata"].get("labels")

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        errors: list[FieldError] = []
        kind = obj.get("addressType", "")
        if not kind:
            errors.append(FieldError(REQUIRED, "addressType", ""))
        elif kind not in {"IPv4", "IPv6", "FQDN"}:
            errors.append(FieldError(NOT_SUPPORTED, "addressType", 'supported values: "FQDN", "IPv4", "IPv6"', kind))
        return errors + self._validate_ports(obj.get("ports") or [])

    def validate_create(self, obj: dict[str, Any]) -> list[FieldError]:
        return self._validate_endpoints(obj, obj.get("addressType", ""))

    def _validate_endpoints(self, obj: dict[str, Any], kind: str) -> list[FieldError]:
        errors: list[FieldError] = []
        for index, endpoint in enumerate(obj.get("endpoints") or ()):
            here = f"endpoints[{index}]"
            addresses = endpoint.get("addresses") or []
            if not addresses:
                errors.append(FieldError(REQUIRED, f"{here}.addresses", "must contain at least 1 address"))
            if len(addresses) > 100:
                errors.append(FieldError("FieldValueTooMany", f"{here}.addresses", "must have at most 100 items"))
            for position, address in enumerate(addresses):
                problem = _address_problem(kind, address)
                if problem:
                    errors.append(FieldError(INVALID, f"{here}.addresses[{position}]", problem, address))
        return errors

    def _validate_ports(self, ports: list[dict[str, Any]]) -> list[FieldError]:
        errors: list[FieldError] = []
        seen: set[str] = set()
        for index, port in enumerate(ports):
            name = port.get("name") or ""
            if name in seen:
                errors.append(FieldError(DUPLICATE, f"ports[{index}].name", "", name))
            elif name and names.dns_label_problem(name):
                errors.append(FieldError(INVALID, f"ports[{index}].name", names.dns_label_problem(name), name))
            seen.add(name)
            if port.get("protocol") not in _PROTOCOLS:
                errors.append(
                    FieldError(
                        NOT_SUPPORTED,
                        f"ports[{index}].protocol",
                        'supported values: "SCTP", "TCP", "UDP"',
                        port.get("protocol"),
                    )
                )
        return errors

    def validate_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        if new.get("addressType") != old.get("addressType"):
            return [FieldError(INVALID, "addressType", "field is immutable", new.get("addressType"))]
        return self._validate_endpoints(new, new.get("addressType", ""))


def _address_problem(kind: str, address: str) -> str:
    if kind == "FQDN":
        return names.subdomain_problem(address.rstrip("."))
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "must be a valid IP address"
    wanted = {"IPv4": 4, "IPv6": 6}.get(kind)
    return "" if wanted is None or found.version == wanted else f"must be an {kind} address"
