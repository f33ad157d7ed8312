"""GatewayClass, Gateway and ListenerSet."""

from __future__ import annotations

from typing import Any

from slipway_sandbox.gatewayapi.schema import (
    GROUP,
    SUBDOMAIN,
    Schema,
    conditions,
    controller_name,
    fields,
    group,
    hostname,
    items,
    kind,
    label_selector,
    local_reference,
    mapping,
    name,
    namespace,
    namespaced_reference,
    number,
    options,
    port,
    rule,
    ruled,
    secret_reference,
    section_name,
    text,
    waiting,
    with_default,
)  # fmt: skip

_KEY = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$"  # noqa: E501
_HOST = r"^(\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"


def gateway_class() -> Schema:
    """The schema of GatewayClass."""
    fixed = [rule("self == oldSelf", "controllerName may not change")]
    spec = fields(
        ("controllerName",),
        controllerName=ruled(controller_name(), fixed),
        parametersRef=namespaced_reference(),
        description=text(0, 64),
    )
    features = items(fields(("name",), name={"type": "string"}), 64, keys=("name",))
    status = fields(conditions=conditions("Accepted"), supportedFeatures=features)
    return fields(("spec",), spec=spec, status=with_default(status, {"conditions": waiting("Accepted")}))


def _address(required: tuple[str, ...], value: Schema, host: Schema) -> Schema:
    """An address by type; one of type IPAddress has to be one."""
    either: list[dict[str, Any]] = [
        {"properties": {"type": {"enum": ["IPAddress"]}, "value": {"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}}},
        {"properties": {"type": {"not": {"enum": ["IPAddress"]}}}},
    ]
    types = rf"^Hostname|IPAddress|NamedAddress|{SUBDOMAIN}\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$"
    schema = fields(required, cel=[host], type=text(1, 253, types, default="IPAddress"), value=value)
    return {**schema, "oneOf": either}


def _unique_addresses() -> list[Schema]:
    return [
        rule(
            (
                f"self.all(a1, a1.type == '{type_}' && has(a1.value) ? self.exists_one(a2, a2.type == a1.type && "
                f"has(a2.value) && a2.value == a1.value) : true)"
            ),
            f"values of type {type_} may not repeat",
        )
        for type_ in ("IPAddress", "Hostname")
    ]


def _keys(what: str) -> list[Schema]:
    return [
        rule(f"self.all(key, key.matches('{_KEY}'))", f"no valid {what} key"),
        rule("self.all(key, key.split('/')[0].size() < 253)", f"the prefix of a {what} key is too long"),
    ]


def _namespaces(*choices: str, default: str) -> Schema:
    schema = fields(**{"from": text(one_of=list(choices), default=default)}, selector=label_selector())
    return with_default(schema, {"from": default})


def _route_kinds() -> Schema:
    return items(fields(("kind",), group=group(GROUP), kind=kind()), 8)


def _listener() -> Schema:
    needs = "self.mode == 'Terminate' ? size(self.certificateRefs) > 0 || size(self.options) > 0 : true"
    tls = fields(
        cel=[rule(needs, "mode Terminate needs certificateRefs or options")],
        mode=text(one_of=["Terminate", "Passthrough"], default="Terminate"),
        certificateRefs=items(secret_reference(), 64),
        options=options(),
    )
    allowed = fields(namespaces=_namespaces("All", "Selector", "Same", default="Same"), kinds=_route_kinds())
    protocol = rf"^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|{SUBDOMAIN}\/[A-Za-z0-9]+$"
    return fields(
        ("name", "port", "protocol"), name=section_name(), hostname=hostname(), port=port(), protocol=text(1, 255, protocol), tls=tls,  # noqa: E501
        allowedRoutes=with_default(allowed, {"namespaces": {"from": "Same"}}),
    )  # fmt: skip


def _listeners() -> Schema:
    same = "l1.port == l2.port && l1.protocol == l2.protocol"
    host = (
        "(has(l1.hostname) && has(l2.hostname) ? l1.hostname == l2.hostname : !has(l1.hostname) && !has(l2.hostname))"
    )
    rules = [
        rule(
            "self.all(l, l.protocol in ['HTTP', 'TCP', 'UDP'] ? !has(l.tls) : true)", "HTTP, TCP and UDP go without tls"
        ),
        rule(
            (
                "self.all(l, (l.protocol == 'HTTPS' && has(l.tls)) ? (l.tls.mode == '' "
                "|| l.tls.mode == 'Terminate') : true)"
            ),
            "HTTPS needs tls mode Terminate",
        ),
        rule(
            "self.all(l, l.protocol == 'TLS' ? has(l.tls) && has(l.tls.mode) && l.tls.mode != '' : true)",
            "TLS needs a tls mode",
        ),
        rule(
            "self.all(l, l.protocol in ['TCP', 'UDP'] ? (!has(l.hostname) || l.hostname == '') : true)",
            "TCP and UDP go without hostname",
        ),
        rule("self.all(l1, self.exists_one(l2, l1.name == l2.name))", "names of listeners may not repeat"),
        rule(
            f"self.all(l1, self.exists_one(l2, {same} && {host}))",
            "port, protocol and hostname together may not repeat",
        ),
    ]
    return items(_listener(), 64, low=1, keys=("name",), cel=rules)


def _listener_status() -> Schema:
    one = fields(
        ("attachedRoutes", "conditions", "name"),
        name=section_name(),
        supportedKinds=_route_kinds(),
        attachedRoutes=number(),
        conditions=conditions(),
    )
    return items(one, 64, keys=("name",))


def _gateway_tls() -> Schema:
    validation = fields(
        ("caCertificateRefs",), caCertificateRefs=items(namespaced_reference(), 16, low=1),
        mode=text(one_of=["AllowValidOnly", "AllowInsecureFallback"], default="AllowValidOnly"),
    )  # fmt: skip
    config = fields(validation=validation)
    unique = [rule("self.all(t1, self.exists_one(t2, t1.port == t2.port))", "ports may not repeat")]
    per_port = items(fields(("port", "tls"), port=port(), tls=config), 64, keys=("port",), cel=unique)
    frontend = fields(("default",), default=config, perPort=per_port)
    return fields(backend=fields(clientCertificateRef=secret_reference()), frontend=frontend)


def gateway() -> Schema:
    """The schema of Gateway."""
    label = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"
    infrastructure = fields(
        labels=mapping(text(0, 63, label), 8, _keys("label")), annotations=mapping(text(0, 4096), 16, _keys("annotation")),  # noqa: E501
        parametersRef=local_reference(),
    )  # fmt: skip
    wanted = rule(
        f"self.type == 'Hostname' ? (!has(self.value) || self.value.matches('{_HOST}')) : true", "no valid host name"
    )
    found = rule(f"self.type == 'Hostname' ? self.value.matches('{_HOST}') : true", "no valid host name")
    spec = fields(
        ("gatewayClassName", "listeners"),
        gatewayClassName=name(),
        listeners=_listeners(),
        addresses=items(_address((), text(0, 253), wanted), 16, cel=_unique_addresses()),
        infrastructure=infrastructure,
        allowedListeners=fields(namespaces=_namespaces("All", "Selector", "Same", "None", default="None")),
        tls=_gateway_tls(),
    )
    status = fields(
        addresses=items(_address(("value",), text(1, 253), found), 16),
        attachedListenerSets=number(),
        conditions=conditions("Accepted", "Programmed"),
        listeners=_listener_status(),
    )
    return fields(("spec",), spec=spec, status=with_default(status, {"conditions": waiting("Accepted", "Programmed")}))


def listener_set() -> Schema:
    """The schema of ListenerSet."""
    parent = fields(("name",), group=group(GROUP), kind=kind("Gateway"), name=name(), namespace=namespace())
    spec = fields(("listeners", "parentRef"), parentRef=parent, listeners=_listeners())
    status = fields(conditions=conditions("Accepted", "Programmed"), listeners=_listener_status())
    return fields(("spec",), spec=spec, status=with_default(status, {"conditions": waiting("Accepted", "Programmed")}))
