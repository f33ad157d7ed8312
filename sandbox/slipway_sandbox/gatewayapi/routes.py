"""The routes: HTTPRoute, GRPCRoute, TLSRoute, TCPRoute, UDPRoute."""

from __future__ import annotations

from slipway_sandbox.gatewayapi.schema import (
    Schema,
    backend_reference,
    fields,
    hostname,
    items,
    local_reference,
    number,
    parent_references,
    port,
    precise_hostname,
    route_status,
    rule,
    section_name,
    text,
    weight,
    with_default,
)  # fmt: skip

_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]
_HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$"
_DURATION = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"
_ORIGIN = r"(^\*$)|(^(http(s)?):\/\/(((\*\.)?([a-zA-Z0-9\-]+\.)*[a-zA-Z0-9-]+|\*)(:([0-9]{1,5}))?)$)"
_ROOT = {"type": "PathPrefix", "value": "/"}
_MATCH_KINDS = ["Exact", "RegularExpression"]
MAX_RULES = 16
MAX_MATCHES = 128


def _header_name() -> Schema:
    return text(1, 256, _HEADER_NAME)


def _total_matches(count_one: str) -> Schema:
    """No more than 128 matches in a route; `count_one` counts those of the rule `{}`."""
    total = " + ".join(
        f"(self.size() > {index} ? {count_one.format(f'self[{index}]')} : 0)" for index in range(MAX_RULES)
    )
    return rule(f"{total} <= {MAX_MATCHES}", f"a route may have {MAX_MATCHES} matches in all its rules together")


# -- filters


def _header_filter() -> Schema:
    header = fields(("name", "value"), name=_header_name(), value=text(1, 4096))
    return fields(
        add=items(header, 16, keys=("name",)),
        remove=items({"type": "string"}, 16, unique=True),
        set=items(header, 16, keys=("name",)),
    )


def _mirror_filter() -> Schema:
    fraction = fields(
        ("numerator",), cel=[rule("self.numerator <= self.denominator", "a fraction is at most the whole")],
        numerator=number(0), denominator=number(1, default=100),
    )  # fmt: skip
    return fields(
        ("backendRef",), cel=[rule("!(has(self.percent) && has(self.fraction))", "either percent or fraction")],
        backendRef=backend_reference(), percent=number(0, 100), fraction=fraction,
    )  # fmt: skip


def _path_modifier() -> Schema:
    rules = []
    for kind, field in (("ReplaceFullPath", "replaceFullPath"), ("ReplacePrefixMatch", "replacePrefixMatch")):
        rules.append(rule(f"self.type == '{kind}' ? has(self.{field}) : true", f"type {kind} needs {field}"))
        rules.append(rule(f"has(self.{field}) ? self.type == '{kind}' : true", f"{field} needs type {kind}"))
    return fields(
        ("type",), cel=rules, type=text(one_of=["ReplaceFullPath", "ReplacePrefixMatch"]),
        replaceFullPath=text(0, 1024), replacePrefixMatch=text(0, 1024),
    )  # fmt: skip


def _redirect_filter() -> Schema:
    status = {"type": "integer", "enum": [301, 302, 303, 307, 308], "default": 302}
    return fields(
        scheme=text(one_of=["http", "https"]),
        hostname=precise_hostname(),
        path=_path_modifier(),
        port=port(),
        statusCode=status,
    )


def _rewrite_filter() -> Schema:
    return fields(hostname=precise_hostname(), path=_path_modifier())


def _cors_filter() -> Schema:
    alone = [rule("!('*' in self && self.size() > 1)", "'*' stands alone")]
    return fields(
        allowOrigins=items(text(1, 253, _ORIGIN), 64, unique=True, cel=alone),
        allowCredentials={"type": "boolean"},
        allowMethods=items(text(one_of=[*_METHODS, "*"]), 9, unique=True, cel=alone),
        allowHeaders=items(_header_name(), 64, unique=True, cel=alone),
        exposeHeaders=items(_header_name(), 64, unique=True),
        maxAge=number(1, default=5),
    )


def _filters(kinds: dict[str, tuple[str, Schema]], single: list[str], rules: list[Schema]) -> Schema:
    """A list of filters; `kinds` maps a filter's type to its field and schema, `single` may not repeat."""
    members = []
    for kind, (field, _) in kinds.items():
        members.append(rule(f"!(has(self.{field}) && self.type != '{kind}')", f"{field} belongs to type {kind}"))
        members.append(rule(f"!(!has(self.{field}) && self.type == '{kind}')", f"type {kind} needs {field}"))
    one = fields(("type",), cel=members, type=text(one_of=list(kinds)), **dict(kinds.values()))
    repeats = [rule(f"self.filter(f, f.type == '{kind}').size() <= 1", f"{kind} may not repeat") for kind in single]
    return items(one, 16, cel=rules + repeats)


def _http_filters() -> Schema:
    kinds = {
        "RequestHeaderModifier": ("requestHeaderModifier", _header_filter()),
        "ResponseHeaderModifier": ("responseHeaderModifier", _header_filter()),
        "RequestMirror": ("requestMirror", _mirror_filter()),
        "RequestRedirect": ("requestRedirect", _redirect_filter()),
        "URLRewrite": ("urlRewrite", _rewrite_filter()),
        "ExtensionRef": ("extensionRef", local_reference()),
        "CORS": ("cors", _cors_filter()),
    }
    both = "self.exists(f, f.type == 'RequestRedirect') && self.exists(f, f.type == 'URLRewrite')"
    single = ["CORS", "RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite"]
    return _filters(kinds, single, [rule(f"!({both})", "either RequestRedirect or URLRewrite")])


def _grpc_filters() -> Schema:
    kinds = {
        "ResponseHeaderModifier": ("responseHeaderModifier", _header_filter()),
        "RequestHeaderModifier": ("requestHeaderModifier", _header_filter()),
        "RequestMirror": ("requestMirror", _mirror_filter()),
        "ExtensionRef": ("extensionRef", local_reference()),
    }
    return _filters(kinds, ["RequestHeaderModifier", "ResponseHeaderModifier"], [])


# -- HTTPRoute


def _path_match() -> Schema:
    plain = "(self.type in ['Exact','PathPrefix'])"
    rules = [rule(f"{plain} ? self.value.startsWith('/') : true", "a path begins with '/'")]
    rules += [
        rule(f"{plain} ? !self.value.contains('{part}') : true", f"a path may not contain '{part}'")
        for part in ("//", "/./", "/../", "%2f", "%2F", "#")
    ]
    rules += [
        rule(f"{plain} ? !self.value.endsWith('{part}') : true", f"a path may not end with '{part}'")
        for part in ("/..", "/.")
    ]
    rules.append(
        rule(
            "self.type in ['Exact', 'PathPrefix', 'RegularExpression']",
            "type is Exact, PathPrefix or RegularExpression",
        )
    )
    allowed = "^(?:[-A-Za-z0-9/._~!$&\\'()*+,;=:@]|[%][0-9a-fA-F]{2})+$"
    rules.append(
        rule(f"{plain} ? self.value.matches('{allowed}') : true", "a path has a character that it may not have")
    )
    schema = fields(
        cel=rules,
        type=text(one_of=["Exact", "PathPrefix", "RegularExpression"], default="PathPrefix"),
        value=text(0, 1024, default="/"),
    )
    return with_default(schema, _ROOT)


def _value_match(longest: int) -> Schema:
    """A match on a header or a query parameter."""
    one = fields(
        ("name", "value"), type=text(one_of=_MATCH_KINDS, default="Exact"), name=_header_name(), value=text(1, longest)
    )
    return items(one, 16, keys=("name",))


def _prefix_rules() -> list[Schema]:
    """Replacing a prefix needs exactly one match, by prefix."""
    not_one = "(size(self.matches) != 1 || !has(self.matches[0].path) || self.matches[0].path.type != 'PathPrefix')"
    rules = []
    for field in ("requestRedirect", "urlRewrite"):
        replaces = (
            f"f, has(f.{field}) && has(f.{field}.path) && f.{field}.path.type == "
            f"'ReplacePrefixMatch' && has(f.{field}.path.replacePrefixMatch)"
        )
        message = f"{field} with replacePrefixMatch needs exactly one PathPrefix match"
        direct = f"has(self.filters) && self.filters.exists_one({replaces})"
        backend = (
            f"has(self.backendRefs) && self.backendRefs.exists_one(b, has(b.filters) "
            f"&& b.filters.exists_one({replaces}))"
        )
        rules += [rule(f"({found}) ? !{not_one} : true", message) for found in (direct, backend)]
    return rules


def http_route() -> Schema:
    """The schema of HTTPRoute."""
    redirects = (
        "(has(self.backendRefs) && size(self.backendRefs) > 0) ? (!has(self.filters) || "
        "self.filters.all(f, !has(f.requestRedirect))) : true"
    )
    longer = "has(self.request) && has(self.backendRequest) && duration(self.request) != duration('0s')"
    in_time = f"!({longer} && duration(self.backendRequest) > duration(self.request))"
    timeouts = fields(
        cel=[rule(in_time, "backendRequest may not be longer than request")],
        request=text(pattern=_DURATION),
        backendRequest=text(pattern=_DURATION),
    )
    match = fields(
        path=_path_match(), headers=_value_match(4096), queryParams=_value_match(1024), method=text(one_of=_METHODS)
    )
    one = fields(
        cel=[rule(redirects, "RequestRedirect goes without backendRefs"), *_prefix_rules()],
        name=section_name(),
        matches=with_default(items(match, 64), [{"path": _ROOT}]),
        filters=_http_filters(),
        backendRefs=items(backend_reference(weight=weight(), filters=_http_filters()), 16),
        timeouts=timeouts,
    )
    rules = items(one, MAX_RULES, low=1, cel=[_total_matches("{}.matches.size()")])
    spec = fields(
        parentRefs=parent_references(),
        hostnames=items(hostname(), 16),
        rules=with_default(rules, [{"matches": [{"path": _ROOT}]}]),
    )
    return fields(("spec",), spec=spec, status=route_status())


# -- the others


def grpc_route() -> Schema:
    """The schema of GRPCRoute."""
    exact = "(!has(self.type) || self.type == 'Exact')"
    service, method = r"^(?i)\\.?[a-z_][a-z_0-9]*(\\.[a-z_][a-z_0-9]*)*$", "^[A-Za-z_][A-Za-z_0-9]*$"
    method_match = fields(
        cel=[
            rule("has(self.type) ? has(self.service) || has(self.method) : true", "service, method or both"),
            rule(f"{exact} && has(self.service) ? self.service.matches('{service}') : true", "no valid service name"),
            rule(f"{exact} && has(self.method) ? self.method.matches('{method}') : true", "no valid method name"),
        ],
        type=text(one_of=_MATCH_KINDS, default="Exact"),
        service=text(0, 1024),
        method=text(0, 1024),
    )
    one = fields(
        name=section_name(),
        matches=items(fields(method=method_match, headers=_value_match(4096)), 64),
        filters=_grpc_filters(),
        backendRefs=items(backend_reference(weight=weight(), filters=_grpc_filters()), 16),
    )
    rules = items(one, MAX_RULES, cel=[_total_matches("(has({0}.matches) ? {0}.matches.size() : 0)")])
    spec = fields(parentRefs=parent_references(), hostnames=items(hostname(), 16), rules=rules)
    return fields(("spec",), spec=spec, status=route_status())


def _stream_rules() -> Schema:
    one = fields(
        ("backendRefs",), name=section_name(), backendRefs=items(backend_reference(weight=weight()), 16, low=1)
    )
    return items(one, 1, low=1)


def tls_route() -> Schema:
    """The schema of TLSRoute."""
    host = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)$"
    rules = [
        rule("self.all(h, !isIP(h))", "a host name is no address"),
        rule(f"self.all(h, !h.contains('*') ? h.matches('{host}') : true)", "no valid host name"),
        rule(
            f"self.all(h, h.contains('*') ? (h.startsWith('*.') && h.substring(2).matches('{host}')) : true)",
            "a wildcard is the first label only",
        ),
    ]
    spec = fields(
        ("hostnames", "rules"),
        parentRefs=parent_references(),
        hostnames=items(hostname(), 1024, low=1, cel=rules),
        rules=_stream_rules(),
    )
    return fields(("spec",), spec=spec, status=route_status())


def stream_route() -> Schema:
    """The schema of TCPRoute and UDPRoute."""
    spec = fields(("rules",), parentRefs=parent_references(), rules=_stream_rules())
    return fields(("spec",), spec=spec, status=route_status())
