"""Ingresses, their classes, and network policies."""

from __future__ import annotations

import ipaddress
from typing import Any

from slipway_sandbox.apiserver import names
from slipway_sandbox.apiserver.errors import FORBIDDEN, INVALID, NOT_SUPPORTED, REQUIRED, FieldError
from slipway_sandbox.apiserver.kinds.containers import port_name_problem
from slipway_sandbox.apiserver.kinds.hooks import Hooks
from slipway_sandbox.apiserver.kinds.podspec import fill
from slipway_sandbox.apiserver.kinds.templates import immutable, validate_label_selector

_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_NOT_IN_PATHS = ("//", "/./", "/../", "%2f", "%2F")
_PORT_RANGE = "must be between 1 and 65535, inclusive"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _listed(allowed: tuple[str, ...]) -> str:
    return "supported values: " + ", ".join(f'"{value}"' for value in allowed)


class Ingresses(Hooks):
    checks_metadata_again = True
    generation = True
    _CLASS = "kubernetes.io/ingress.class"

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        spec = obj["spec"]
        errors: list[FieldError] = []
        if not spec.get("rules") and spec.get("defaultBackend") is None:
            errors.append(FieldError(INVALID, "spec", "either `defaultBackend` or `rules` must be specified", spec))
        if spec.get("defaultBackend") is not None:
            errors += self._backend(spec["defaultBackend"], "spec.defaultBackend")
        for index, rule in enumerate(spec.get("rules") or ()):
            errors += self._rule(rule, f"spec.rules[{index}]")
        for index, tls in enumerate(spec.get("tls") or ()):
            here, secret = f"spec.tls[{index}]", tls.get("secretName")
            for position, host in enumerate(tls.get("hosts") or ()):
                errors += _host_errors(host, f"{here}.hosts[{position}]")
            if secret and names.subdomain_problem(secret):
                errors.append(FieldError(INVALID, f"{here}.secretName", names.subdomain_problem(secret), secret))
        chosen = spec.get("ingressClassName")
        if chosen is not None and names.subdomain_problem(chosen):
            errors.append(FieldError(INVALID, "spec.ingressClassName", names.subdomain_problem(chosen), chosen))
        return errors

    def validate_create(self, obj: dict[str, Any]) -> list[FieldError]:
        noted = (obj["metadata"].get("annotations") or {}).get(self._CLASS)
        chosen = obj["spec"].get("ingressClassName")
        if noted is None or chosen is None or noted == chosen:
            return []
        detail = "must match `ingressClassName` when both are specified"
        return [FieldError(INVALID, f"annotations.{self._CLASS}", detail, noted)]

    def warn(self, obj: dict[str, Any]) -> list[str]:
        if self._CLASS in (obj["metadata"].get("annotations") or {}) and obj["spec"].get("ingressClassName") is None:
            return [f"annotation \"{self._CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"]
        return []

    def warn_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[str]:  # noqa: ARG002
        return []

    def _rule(self, rule: dict[str, Any], where: str) -> list[FieldError]:
        errors: list[FieldError] = []
        if rule.get("host"):
            if _is_address(rule["host"]):
                detail = "must be a DNS name, not an IP address"
                errors.append(FieldError(INVALID, f"{where}.host", detail, rule["host"]))
            errors += _host_errors(rule["host"], f"{where}.host")
        http = rule.get("http")
        if http is None:
            return errors
        if not http.get("paths"):
            errors.append(FieldError(REQUIRED, f"{where}.http.paths", ""))
        for position, path in enumerate(http.get("paths") or ()):
            errors += self._path(path, f"{where}.http.paths[{position}]")
        return errors

    def _path(self, path: dict[str, Any], where: str) -> list[FieldError]:
        errors: list[FieldError] = []
        kind, text = path.get("pathType"), path.get("path", "")
        if kind is None:
            return [FieldError(REQUIRED, f"{where}.pathType", "pathType must be specified")]
        if kind not in _PATH_TYPES:
            errors.append(FieldError(NOT_SUPPORTED, f"{where}.pathType", _listed(_PATH_TYPES), kind))
        elif not text.startswith("/") and (text or kind != "ImplementationSpecific"):
            errors.append(FieldError(INVALID, f"{where}.path", "must be an absolute path", text))
        if kind in {"Exact", "Prefix"}:
            found = [f"must not contain '{part}'" for part in _NOT_IN_PATHS if part in text]
            found += [f"cannot end with '{part}'" for part in ("/..", "/.") if text.endswith(part)]
            errors += [FieldError(INVALID, f"{where}.path", detail, text) for detail in found]
        return errors + self._backend(path.get("backend") or {}, f"{where}.backend")

    def _backend(self, backend: dict[str, Any], where: str) -> list[FieldError]:
        service, resource = backend.get("service"), backend.get("resource")
        if service is not None and resource is not None:
            return [FieldError(INVALID, where, "cannot set both resource and service backends", "")]
        if resource is not None:
            return _reference_errors(resource, f"{where}.resource")
        if service is None:
            return [FieldError(INVALID, where, "resource or service backend is required", "")]
        errors = []
        name = service.get("name")
        if not name:
            errors.append(FieldError(REQUIRED, f"{where}.service.name", ""))
        elif names.dns_label_problem(name):
            errors.append(FieldError(INVALID, f"{where}.service.name", names.dns_label_problem(name), name))
        port = service.get("port") or {}
        called, number = port.get("name"), port.get("number")
        if called and number:
            errors.append(FieldError(INVALID, where, "cannot set both port name & port number", ""))
        elif called and port_name_problem(called):
            errors.append(FieldError(INVALID, f"{where}.service.port.name", port_name_problem(called), called))
        elif number and not 0 < number < 65536:
            errors.append(FieldError(INVALID, f"{where}.service.port.number", _PORT_RANGE, number))
        elif not called and not number:
            errors.append(FieldError(REQUIRED, where, "port name or number is required"))
        return errors


def _host_errors(host: str, path: str) -> list[FieldError]:
    name = host.removeprefix("*.")
    problem = names.subdomain_problem(name)
    if problem and host != name:
        problem = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain"
    return [FieldError(INVALID, path, problem, host)] if problem else []


def _reference_errors(reference: dict[str, Any], path: str) -> list[FieldError]:
    """A reference to an object of any kind: its kind and name are there, and may stand in a path."""
    errors = []
    group = reference.get("apiGroup")
    if group is not None and names.subdomain_problem(group):
        errors.append(FieldError(INVALID, f"{path}.apiGroup", names.subdomain_problem(group), group))
    for field in ("kind", "name"):
        value = reference.get(field)
        if not value:
            errors.append(FieldError(REQUIRED, f"{path}.{field}", ""))
        elif names.path_segment_problem(value):
            errors.append(FieldError(INVALID, f"{path}.{field}", names.path_segment_problem(value), value))
    return errors


class IngressClasses(Hooks):
    checks_metadata_again = True
    generation = True

    def default(self, obj: dict[str, Any]) -> None:
        parameters = obj["spec"].get("parameters")
        if parameters is not None:
            fill(parameters, scope="Cluster")

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        errors: list[FieldError] = []
        controller, parameters = obj["spec"].get("controller", ""), obj["spec"].get("parameters")
        domain, slash, path = controller.partition("/")
        if not controller:
            errors.append(FieldError(REQUIRED, "spec.controller", ""))
        elif not slash or not path or names.subdomain_problem(domain):
            detail = 'must be a domain-prefixed path (such as "acme.io/foo")'
            errors.append(FieldError(INVALID, "spec.controller", detail, controller))
        if parameters is None:
            return errors
        here = "spec.parameters"
        errors += _reference_errors(parameters, here)
        scope, namespace = parameters["scope"], parameters.get("namespace")
        if scope not in {"Cluster", "Namespace"}:
            errors.append(FieldError(NOT_SUPPORTED, f"{here}.scope", _listed(("Cluster", "Namespace")), scope))
        elif scope == "Namespace" and namespace is None:
            errors.append(FieldError(REQUIRED, f"{here}.namespace", "`parameters.scope` is set to 'Namespace'"))
        elif scope == "Cluster" and namespace is not None:
            errors.append(FieldError(FORBIDDEN, f"{here}.namespace", "`parameters.scope` is set to 'Cluster'"))
        return errors

    def validate_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        return immutable(new["spec"], old["spec"], "controller")


class NetworkPolicies(Hooks):
    generation = True

    def default(self, obj: dict[str, Any]) -> None:
        spec = obj["spec"]
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
        for rule in [*(spec.get("ingress") or ()), *(spec.get("egress") or ())]:
            for port in rule.get("ports") or ():
                fill(port, protocol="TCP")

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        spec = obj["spec"]
        errors = validate_label_selector(spec.get("podSelector") or {}, "spec.podSelector")
        for direction, side in (("ingress", "from"), ("egress", "to")):
            for index, rule in enumerate(spec.get(direction) or ()):
                here = f"spec.{direction}[{index}]"
                for position, port in enumerate(rule.get("ports") or ()):
                    errors += _policy_port_errors(port, f"{here}.ports[{position}]")
                for position, peer in enumerate(rule.get(side) or ()):
                    errors += _peer_errors(peer, f"{here}.{side}[{position}]")
        types = spec["policyTypes"]
        if len(types) > 2:
            detail = "may not specify more than two policyTypes"
            return [*errors, FieldError(INVALID, "spec.policyTypes", detail, types)]
        errors += [
            FieldError(NOT_SUPPORTED, f"spec.policyTypes[{index}]", _listed(("Egress", "Ingress")), kind)
            for index, kind in enumerate(types)
            if kind not in {"Ingress", "Egress"}
        ]
        return errors


def _policy_port_errors(port: dict[str, Any], path: str) -> list[FieldError]:
    errors = []
    protocol, number, end = port.get("protocol"), port.get("port"), port.get("endPort")
    if protocol not in {"TCP", "UDP", "SCTP"}:
        errors.append(FieldError(NOT_SUPPORTED, f"{path}.protocol", _listed(("SCTP", "TCP", "UDP")), protocol))
    if isinstance(number, str):
        if end is not None:
            detail = "may not be specified when `port` is non-numeric"
            errors.append(FieldError(INVALID, f"{path}.endPort", detail, end))
        if port_name_problem(number):
            errors.append(FieldError(INVALID, f"{path}.port", port_name_problem(number), number))
        return errors
    if number is None:
        if end is not None:
            detail = "may not be specified when `port` is not specified"
            errors.append(FieldError(INVALID, f"{path}.endPort", detail, end))
        return errors
    if not 0 < number < 65536:
        errors.append(FieldError(INVALID, f"{path}.port", _PORT_RANGE, number))
    if end is not None and end < number:
        errors.append(FieldError(INVALID, f"{path}.endPort", "must be greater than or equal to `port`", end))
    if end is not None and not 0 < end < 65536:
        errors.append(FieldError(INVALID, f"{path}.endPort", _PORT_RANGE, end))
    return errors


def _peer_errors(peer: dict[str, Any], path: str) -> list[FieldError]:
    errors = []
    selectors = [name for name in ("podSelector", "namespaceSelector") if peer.get(name) is not None]
    for name in selectors:
        errors += validate_label_selector(peer[name], f"{path}.{name}")
    block = peer.get("ipBlock")
    if block is not None:
        errors += _block_errors(block, f"{path}.ipBlock")
        if selectors:
            errors.append(FieldError(FORBIDDEN, path, "may not specify both ipBlock and another peer"))
    elif not selectors:
        errors.append(FieldError(REQUIRED, path, "must specify a peer"))
    return errors


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        return None


def _block_errors(block: dict[str, Any], path: str) -> list[FieldError]:
    errors = []
    text = block.get("cidr", "")
    if not text:
        return [FieldError(REQUIRED, f"{path}.cidr", "")]
    whole, valid = _network(text), "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
    if whole is None:
        return [FieldError(INVALID, f"{path}.cidr", valid, text)]
    for index, part in enumerate(block.get("except") or ()):
        found, here = _network(part), f"{path}.except[{index}]"
        if found is None:
            errors.append(FieldError(INVALID, here, valid, part))
        elif found.version != whole.version or found.network_address not in whole or found.prefixlen <= whole.prefixlen:
            errors.append(FieldError(INVALID, here, "must be a strict subset of `cidr`", part))
    return errors
