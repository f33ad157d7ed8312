"""GatewayClass, Gateway and ListenerSet."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.gatewayapi import parts
from slipway_sandbox.gatewayapi.rules import distinct, given, matches, rule
from slipway_sandbox.gatewayapi.schema import (
    Rule,
    Schema,
    defaulted,
    fields,
    items,
    mapping,
    number,
    record,
    ruled,
    text,
)

_KEY = f"^({parts.SUBDOMAIN}/)?{parts.QUALIFIED}$"
_ADDRESS_TYPE = rf"^Hostname|IPAddress|NamedAddress|{parts.SUBDOMAIN}\/{parts.PATH_CHARACTERS}$"
_PROTOCOL = rf"^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|{parts.SUBDOMAIN}\/[A-Za-z0-9]+$"
_LABEL_VALUE = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"


def gateway_class() -> Schema:
    """Which controller runs the Gateways of a class."""
    fixed = rule("self == oldSelf", "controllerName may not change")
    spec = fields(
        ("controllerName",),
        controllerName=ruled(parts.controller_name(), [fixed]),
        parametersRef=parts.reference(),
        description=text(0, 64),
    )
    features = items(fields(("name",), name=text()), 64, key="name")
    return _object(spec, ("Accepted",), supportedFeatures=features)


def _object(spec: Schema, pending: tuple[str, ...], **status: Schema) -> Schema:
    """A kind whose status waits for a controller from the start."""
    known = record({"conditions": parts.conditions(*pending), **status})
    return fields(("spec",), spec=spec, status=defaulted(known, {"conditions": parts.waiting(*pending)}))


# -- Gateway


def gateway() -> Schema:
    """Where traffic comes in: listeners, and who may attach to them."""
    infrastructure = fields(
        labels=mapping(text(0, 63, _LABEL_VALUE), 8, cel=_key_rules()),
        annotations=mapping(text(0, 4096), 16, cel=_key_rules()),
        parametersRef=parts.local_reference(),
    )
    allowed = fields(namespaces=_namespaces("All", "Selector", "Same", "None", usual="None"))
    spec = fields(
        ("gatewayClassName", "listeners"),
        gatewayClassName=parts.name(),
        listeners=_listeners(),
        addresses=items(_address(text(0, 253)), 16, cel=_distinct_addresses()),
        infrastructure=infrastructure,
        allowedListeners=allowed,
        tls=_tls(),
    )
    found = items(_address(text(1, 253), "value"), 16)
    return _object(
        spec,
        ("Accepted", "Programmed"),
        addresses=found,
        attachedListenerSets=number(),
        listeners=_listener_status(),
    )


def _address(value: Schema, *required: str) -> Schema:
    """An address by type; one of type IPAddress has to be one."""
    either: list[dict[str, Any]] = [
        {"properties": {"type": {"enum": ["IPAddress"]}, "value": {"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}}},
        {"properties": {"type": {"not": {"enum": ["IPAddress"]}}}},
    ]
    absent = "" if required else "!has(self.value) || "
    named = rule(f"self.type != 'Hostname' || {absent}{matches('self.value', parts.HOST)}", "no valid host name")
    kind = text(1, 253, _ADDRESS_TYPE, default="IPAddress")
    return {**fields(required, cel=[named], type=kind, value=value), "oneOf": either}


def _distinct_addresses() -> list[Rule]:
    return [
        distinct(
            "other.value == one.value",
            f"an address of type {kind} may not repeat",
            among=f"{{0}}.type == '{kind}' && has({{0}}.value)",
        )
        for kind in ("IPAddress", "Hostname")
    ]


def _key_rules() -> list[Rule]:
    return [
        rule(f"self.all(key, {matches('key', _KEY)})", "a key is a name, behind a domain and '/' where it has one"),
        rule("self.all(key, size(key.split('/')[0]) < 253)", "the domain before a key's '/' is too long"),
    ]


def _namespaces(*choices: str, usual: str) -> Schema:
    """From which namespaces something may attach."""
    chosen = text(one_of=choices, default=usual)
    return defaulted(record({"from": chosen, "selector": parts.label_selector()}), {"from": usual})


def _tls() -> Schema:
    """How the Gateway shows itself to backends, and what it asks of clients."""
    validation = fields(
        ("caCertificateRefs",),
        caCertificateRefs=items(parts.reference(), 16, low=1),
        mode=text(one_of=("AllowValidOnly", "AllowInsecureFallback"), default="AllowValidOnly"),
    )
    config = fields(validation=validation)
    per_port = items(
        fields(("port", "tls"), port=parts.port(), tls=config),
        64,
        key="port",
        cel=[distinct("one.port == other.port", "a port may not repeat")],
    )
    return fields(
        backend=fields(clientCertificateRef=parts.secret_reference()),
        frontend=fields(("default",), default=config, perPort=per_port),
    )


# -- listeners


def _listeners() -> Schema:
    """At least one listener, each with a name and a port, protocol and host of its own."""
    same_host = "has(one.hostname) == has(other.hostname) && (!has(one.hostname) || one.hostname == other.hostname)"
    no_tls = "!self.exists(each, has(each.tls) && each.protocol in ['HTTP', 'TCP', 'UDP'])"
    https = "!self.exists(each, each.protocol == 'HTTPS' && has(each.tls) && each.tls.mode == 'Passthrough')"
    needs_mode = "!self.exists(each, each.protocol == 'TLS' && !(has(each.tls) && has(each.tls.mode)))"
    no_host = f"!self.exists(each, each.protocol in ['TCP', 'UDP'] && {given('hostname', of='each')})"
    rules = [
        rule(no_tls, "a listener for HTTP, TCP or UDP goes without tls"),
        rule(https, "a listener for HTTPS has tls mode Terminate"),
        rule(needs_mode, "a listener for TLS needs a tls mode"),
        rule(no_host, "a listener for TCP or UDP goes without a hostname"),
        distinct("one.name == other.name", "a listener's name may not repeat"),
        distinct(
            f"one.port == other.port && one.protocol == other.protocol && {same_host}",
            "no two listeners may have the same port, protocol and hostname",
        ),
    ]
    return items(_listener(), 64, low=1, key="name", cel=rules)


def _listener() -> Schema:
    certified = f"self.mode != 'Terminate' || {given('certificateRefs')} || {given('options')}"
    tls = fields(
        cel=[rule(certified, "tls mode Terminate needs certificateRefs or options")],
        mode=text(one_of=("Terminate", "Passthrough"), default="Terminate"),
        certificateRefs=items(parts.secret_reference(), 64),
        options=parts.options(),
    )
    allowed = fields(namespaces=_namespaces("All", "Selector", "Same", usual="Same"), kinds=_route_kinds())
    return fields(
        ("name", "port", "protocol"),
        name=parts.section_name(),
        hostname=parts.hostname(),
        port=parts.port(),
        protocol=text(1, 255, _PROTOCOL),
        tls=tls,
        allowedRoutes=defaulted(allowed, {"namespaces": {"from": "Same"}}),
    )


def _route_kinds() -> Schema:
    return items(fields(("kind",), group=parts.group(parts.GROUP), kind=parts.kind()), 8)


def _listener_status() -> Schema:
    one = fields(
        ("attachedRoutes", "conditions", "name"),
        name=parts.section_name(),
        supportedKinds=_route_kinds(),
        attachedRoutes=number(),
        conditions=parts.conditions(),
    )
    return items(one, 64, key="name")


def listener_set() -> Schema:
    """Listeners that another team adds to a Gateway."""
    parent = fields(
        ("name",),
        group=parts.group(parts.GROUP),
        kind=parts.kind("Gateway"),
        name=parts.name(),
        namespace=parts.namespace(),
    )
    spec = fields(("listeners", "parentRef"), parentRef=parent, listeners=_listeners())
    return _object(spec, ("Accepted", "Programmed"), listeners=_listener_status())
