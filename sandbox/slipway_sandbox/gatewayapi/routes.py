"""The routes: HTTPRoute, GRPCRoute, TLSRoute, TCPRoute, UDPRoute."""

from __future__ import annotations

from slipway_sandbox.gatewayapi import parts
from slipway_sandbox.gatewayapi.filters import METHODS, grpc_filters, header_name, http_filters
from slipway_sandbox.gatewayapi.rules import given, matches, rule, total_matches
from slipway_sandbox.gatewayapi.schema import Rule, Schema, defaulted, fields, items, record, text

_MAX_RULES = 16
_MAX_MATCHES = 128
_DURATION = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"
_PATH = "^([A-Za-z0-9/._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+$"
_EVERY_PATH = {"type": "PathPrefix", "value": "/"}
_GRPC_SERVICE = r"(?i)^\.?[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*$"
_GRPC_METHOD = "^[A-Za-z_][A-Za-z0-9_]*$"


def _route(required: tuple[str, ...], **spec: Schema) -> Schema:
    """A kind of route; all of them name their parents, which answer in the status."""
    described = record({"parentRefs": parts.parent_references(), **spec}, required)
    return fields(("spec",), spec=described, status=parts.route_status())


def _backends(low: int = 0, **more: Schema) -> Schema:
    return items(parts.backend_reference(weight=parts.weight(), **more), 16, low=low)


def _value_matches(longest: int) -> Schema:
    """Matches on headers or query parameters, all of which have to hold."""
    one = fields(
        ("name", "value"),
        type=text(one_of=("Exact", "RegularExpression"), default="Exact"),
        name=header_name(),
        value=text(1, longest),
    )
    return items(one, 16, key="name")


# -- HTTPRoute


def http_route() -> Schema:
    """Which HTTP requests go where."""
    match = fields(
        path=_path_match(),
        headers=_value_matches(4096),
        queryParams=_value_matches(1024),
        method=text(one_of=METHODS),
    )
    redirects = f"{given('backendRefs')} && has(self.filters) && self.filters.exists(each, has(each.requestRedirect))"
    one = fields(
        cel=[rule(f"!({redirects})", "RequestRedirect goes without backendRefs"), *_prefix_rules()],
        name=parts.section_name(),
        matches=defaulted(items(match, 64), [{"path": _EVERY_PATH}]),
        filters=http_filters(),
        backendRefs=_backends(filters=http_filters()),
        timeouts=_timeouts(),
    )
    rules = items(one, _MAX_RULES, low=1, cel=[total_matches(_MAX_MATCHES)])
    return _route(
        (),
        hostnames=items(parts.hostname(), 16),
        rules=defaulted(rules, [{"matches": [{"path": _EVERY_PATH}]}]),
    )


def _path_match() -> Schema:
    """A path; all rules but the first are for paths that are no regular expression."""
    demands = [
        ("self.value.startsWith('/')", "begins with '/'"),
        *((f"!self.value.contains('{bad}')", f"may not contain '{bad}'") for bad in ("//", "/./", "/../", "#")),
        *((f"!self.value.contains('{bad}')", f"may not contain '{bad}'") for bad in ("%2f", "%2F")),
        *((f"!self.value.endsWith('{bad}')", f"may not end with '{bad}'") for bad in ("/.", "/..")),
        (matches("self.value", _PATH), "has letters, digits, /-._~!$&'()*+,;=:@ and %-escapes only"),
    ]
    types = ("Exact", "PathPrefix", "RegularExpression")
    known = rule(f"self.type in {list(types)}", f"type is one of {', '.join(types)}")
    plain = [rule(f"self.type == 'RegularExpression' || {holds}", f"a path {says}") for holds, says in demands]
    schema = fields(
        cel=[known, *plain],
        type=text(one_of=types, default="PathPrefix"),
        value=text(0, 1024, default="/"),
    )
    return defaulted(schema, _EVERY_PATH)


def _prefix_rules() -> list[Rule]:
    """To replace the prefix that was matched, there has to be exactly one.

    The standard looks at backends only where exactly one of them replaces; so does this.
    """
    first = "self.matches[0]"
    one_prefix = f"(size(self.matches) == 1 && has({first}.path) && {first}.path.type == 'PathPrefix')"
    found = []
    for field in ("requestRedirect", "urlRewrite"):
        replaces = (
            f"(has(each.{field}) && has(each.{field}.path) && has(each.{field}.path.replacePrefixMatch)"
            f" && each.{field}.path.type == 'ReplacePrefixMatch')"
        )
        in_rule = f"(has(self.filters) && self.filters.exists_one(each, {replaces}))"
        in_backend = f"(has(to.filters) && to.filters.exists_one(each, {replaces}))"
        in_backends = f"(has(self.backendRefs) && self.backendRefs.exists_one(to, {in_backend}))"
        found += [
            rule(f"{one_prefix} || !{in_rule}", f"{field} of a prefix needs exactly one match, of type PathPrefix"),
            rule(
                f"{one_prefix} || !{in_backends}",
                f"{field} of a prefix in backendRefs needs exactly one match, of type PathPrefix",
            ),
        ]
    return found


def _timeouts() -> Schema:
    """`request` spans all tries and `backendRequest` one; a request of 0s has no limit."""
    both = "!has(self.request) || !has(self.backendRequest)"
    fits = "duration(self.request) == duration('0s') || duration(self.backendRequest) <= duration(self.request)"
    return fields(
        cel=[rule(f"{both} || {fits}", "backendRequest may not be longer than request")],
        request=text(pattern=_DURATION),
        backendRequest=text(pattern=_DURATION),
    )


# -- the others


def grpc_route() -> Schema:
    """Which gRPC calls go where."""
    service, method = matches("self.service", _GRPC_SERVICE), matches("self.method", _GRPC_METHOD)
    call = fields(
        cel=[
            rule("has(self.service) || has(self.method)", "service, method or both are needed"),
            rule(f"self.type != 'Exact' || !has(self.service) || {service}", "no valid name of a service"),
            rule(f"self.type != 'Exact' || !has(self.method) || {method}", "no valid name of a method"),
        ],
        type=text(one_of=("Exact", "RegularExpression"), default="Exact"),
        service=text(0, 1024),
        method=text(0, 1024),
    )
    one = fields(
        name=parts.section_name(),
        matches=items(fields(method=call, headers=_value_matches(4096)), 64),
        filters=grpc_filters(),
        backendRefs=_backends(filters=grpc_filters()),
    )
    rules = items(one, _MAX_RULES, cel=[total_matches(_MAX_MATCHES)])
    return _route((), hostnames=items(parts.hostname(), 16), rules=rules)


def _one_rule() -> Schema:
    """What is not looked into has one rule: all of it goes to the backends."""
    one = fields(("backendRefs",), name=parts.section_name(), backendRefs=_backends(low=1))
    return items(one, 1, low=1)


def tls_route() -> Schema:
    """Which TLS connections go where, by the host that the client names."""
    plain, wildcard = matches("host", f"^{parts.SUBDOMAIN}$"), matches("host", rf"^\*\.{parts.SUBDOMAIN}$")
    rules = [
        rule("!self.exists(host, isIP(host))", "a host is a name, not an address"),
        rule(f"self.all(host, host.contains('*') || {plain})", "no valid host name"),
        rule(f"self.all(host, !host.contains('*') || {wildcard})", "'*' may only be the whole first label of a host"),
    ]
    hostnames = items(parts.hostname(), 1024, low=1, cel=rules)
    return _route(("hostnames", "rules"), hostnames=hostnames, rules=_one_rule())


def stream_route() -> Schema:
    """Where the TCP connections or UDP packets of a listener go."""
    return _route(("rules",), rules=_one_rule())
