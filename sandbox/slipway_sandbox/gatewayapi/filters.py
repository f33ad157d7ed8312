"""What a route does to requests on their way: the filters of HTTPRoute and GRPCRoute."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from slipway_sandbox.gatewayapi import parts
from slipway_sandbox.gatewayapi.rules import STAR_ALONE, at_most_once, coupled, rule
from slipway_sandbox.gatewayapi.schema import Rule, Schema, fields, items, number, record, text

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
_HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$"
_ORIGIN = r"(^\*$)|(^(http(s)?):\/\/(((\*\.)?([a-zA-Z0-9\-]+\.)*[a-zA-Z0-9-]+|\*)(:([0-9]{1,5}))?)$)"


def header_name() -> Schema:
    """A header's name, or a query parameter's."""
    return text(1, 256, _HEADER_NAME)


def _headers() -> Schema:
    def written() -> Schema:
        return items(fields(("name", "value"), name=header_name(), value=text(1, 4096)), 16, key="name")

    return fields(set=written(), add=written(), remove=items(text(), 16, unique=True))


def _mirror() -> Schema:
    part = fields(
        ("numerator",),
        cel=[rule("self.denominator >= self.numerator", "a fraction is at most the whole")],
        numerator=number(0),
        denominator=number(1, default=100),
    )
    return fields(
        ("backendRef",),
        cel=[rule("!has(self.percent) || !has(self.fraction)", "percent and fraction exclude each other")],
        backendRef=parts.backend_reference(),
        percent=number(0, 100),
        fraction=part,
    )


def _redirect() -> Schema:
    return fields(
        scheme=text(one_of=("http", "https")),
        hostname=parts.precise_hostname(),
        path=_path_modifier(),
        port=parts.port(),
        statusCode={"type": "integer", "enum": [301, 302, 303, 307, 308], "default": 302},
    )


def _rewrite() -> Schema:
    return fields(hostname=parts.precise_hostname(), path=_path_modifier())


def _path_modifier() -> Schema:
    return fields(
        ("type",),
        cel=[
            *coupled("ReplaceFullPath", "replaceFullPath"),
            *coupled("ReplacePrefixMatch", "replacePrefixMatch"),
        ],
        type=text(one_of=("ReplaceFullPath", "ReplacePrefixMatch")),
        replaceFullPath=text(0, 1024),
        replacePrefixMatch=text(0, 1024),
    )


def _cors() -> Schema:
    return fields(
        allowOrigins=items(text(1, 253, _ORIGIN), 64, unique=True, cel=[STAR_ALONE]),
        allowCredentials={"type": "boolean"},
        allowMethods=items(text(one_of=(*METHODS, "*")), 9, unique=True, cel=[STAR_ALONE]),
        allowHeaders=items(header_name(), 64, unique=True, cel=[STAR_ALONE]),
        exposeHeaders=items(header_name(), 64, unique=True),
        maxAge=number(1, default=5),
    )


# -- lists of them


@dataclass(frozen=True)
class _Filter:
    """A filter's type, the field with its settings, and whether a list may have more than one of it."""

    type: str
    field: str
    schema: Callable[[], Schema]
    repeats: bool = False


_REQUEST_HEADERS = _Filter("RequestHeaderModifier", "requestHeaderModifier", _headers)
_RESPONSE_HEADERS = _Filter("ResponseHeaderModifier", "responseHeaderModifier", _headers)
_MIRROR = _Filter("RequestMirror", "requestMirror", _mirror, repeats=True)
_EXTENSION = _Filter("ExtensionRef", "extensionRef", parts.local_reference, repeats=True)
_REDIRECT = _Filter("RequestRedirect", "requestRedirect", _redirect)
_REWRITE = _Filter("URLRewrite", "urlRewrite", _rewrite)
_CORS = _Filter("CORS", "cors", _cors)


def http_filters() -> Schema:
    """The filters of HTTPRoute."""
    together = "['RequestRedirect', 'URLRewrite'].all(type, self.exists(each, each.type == type))"
    return _filters(
        (_REQUEST_HEADERS, _RESPONSE_HEADERS, _MIRROR, _REDIRECT, _REWRITE, _EXTENSION, _CORS),
        [rule(f"!{together}", "RequestRedirect and URLRewrite exclude each other")],
    )


def grpc_filters() -> Schema:
    """The filters of GRPCRoute."""
    return _filters((_RESPONSE_HEADERS, _REQUEST_HEADERS, _MIRROR, _EXTENSION))


def _filters(known: tuple[_Filter, ...], more: Iterable[Rule] = ()) -> Schema:
    settings = {each.field: each.schema() for each in known}
    types = text(one_of=[each.type for each in known])
    members = [member for each in known for member in coupled(each.type, each.field)]
    one = record({"type": types, **settings}, ("type",), members)
    return items(one, 16, cel=[*more, *at_most_once(each.type for each in known if not each.repeats)])
