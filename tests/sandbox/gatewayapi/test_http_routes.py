"""Which HTTPRoutes are accepted, which are refused and over which fields, and what becomes of what was left out."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox.gatewayapi.kit import (
    Api,
    Object,
    a_backend,
    a_filter,
    a_route,
    an_object,
    filtered,
    on_path,
    replacing_prefix,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

RULE = "spec.rules[0]"
PATH = f"{RULE}.matches[0].path"
FILTER = f"{RULE}.filters[0]"

REDIRECT = a_filter("RequestRedirect", scheme="https")
REWRITE = a_filter("URLRewrite", hostname="a.example")
MIRROR = a_filter("RequestMirror", backendRef=a_backend())
PREFIX_REWRITE = a_filter("URLRewrite", path=replacing_prefix())
PREFIX_REDIRECT = a_filter("RequestRedirect", path=replacing_prefix())
FILTERS = {
    "RequestHeaderModifier": a_filter("RequestHeaderModifier", remove=["a"]),
    "ResponseHeaderModifier": a_filter("ResponseHeaderModifier", remove=["a"]),
    "RequestMirror": MIRROR,
    "RequestRedirect": REDIRECT,
    "URLRewrite": REWRITE,
    "ExtensionRef": a_filter("ExtensionRef", group="example.com", kind="Thing", name="t"),
    "CORS": a_filter("CORS", maxAge=9),
}
MAY_REPEAT = {"RequestMirror", "ExtensionRef"}
GRPC_FILTERS = [name for name in FILTERS if name not in {"RequestRedirect", "URLRewrite", "CORS"}]
BOTH = [("HTTPRoute", name) for name in FILTERS] + [("GRPCRoute", name) for name in GRPC_FILTERS]


def parents(*refs: Object) -> Object:
    return a_route(parentRefs=list(refs))


def weighted(*weights: int) -> Object:
    return a_route({"backendRefs": [a_backend(f"b{i}", weight=weight) for i, weight in enumerate(weights)]})


def origins(*allowed: str) -> Object:
    return a_route(filtered(a_filter("CORS", allowOrigins=list(allowed))))


def rules_with_matches(*counts: int) -> Object:
    return a_route(*({"matches": [{"method": "GET"}] * count} for count in counts))


def rewritten(**path: str) -> Object:
    return a_route({**on_path("/"), "filters": [a_filter("URLRewrite", path=path)]})


def timeouts(**values: str) -> Object:
    return a_route({"timeouts": values, "backendRefs": [a_backend()]})


def mirror(**settings: Any) -> Object:
    return a_route(filtered(a_filter("RequestMirror", backendRef=a_backend(), **settings)))


ACCEPTED = {
    "one backend": a_route(),
    "no rules at all": a_route(rules=[{}]),
    "weights from zero to a million": weighted(0, 9_900, 1_000_000),
    "hosts with and without a wildcard": a_route(hostnames=["a.example", "*.example"]),
    "two parents": parents({"name": "g"}, {"name": "h"}),
    "one parent in two namespaces": parents({"name": "g"}, {"name": "g", "namespace": "other"}),
    "two sections of one parent": parents({"name": "g", "sectionName": "a"}, {"name": "g", "sectionName": "b"}),
    "a backend without a port that is no Service": a_route({"backendRefs": [a_backend(port=None, kind="Y")]}),
    "an exact path with an escape": a_route(on_path("/a%20b", "Exact")),
    "anything as a regular expression": a_route(on_path("//a|.*#", "RegularExpression")),
    "a redirect": a_route(filtered(REDIRECT)),
    "a prefix rewritten under one prefix match": a_route({**on_path("/v1"), "filters": [PREFIX_REWRITE]}),
    "a prefix rewritten where the default matches": a_route({"filters": [PREFIX_REWRITE]}),
    "two mirrors": a_route(filtered(MIRROR, MIRROR)),
    "half of the requests mirrored": mirror(fraction={"numerator": 1, "denominator": 2}),
    "any origin": origins("*"),
    "origins by name": origins("https://*.example", "http://a.example:8080"),
    "timeouts that fit": timeouts(request="10s", backendRequest="2500ms"),
    "no limit to the request": timeouts(request="0s", backendRequest="1h"),
    "128 matches": rules_with_matches(64, 64),
}  # fmt: skip

REFUSED: dict[str, tuple[Object, list[str]]] = {
    "a Service without a port": (a_route({"backendRefs": [a_backend(port=None)]}), [f"{RULE}.backendRefs[0]"]),
    "a port out of range": (a_route({"backendRefs": [a_backend(port=65536)]}), [f"{RULE}.backendRefs[0].port"]),
    "a negative weight": (weighted(1, -1), [f"{RULE}.backendRefs[1].weight"]),
    "a weight over a million": (weighted(1_000_001), [f"{RULE}.backendRefs[0].weight"]),
    "a host with an underscore": (a_route(hostnames=["a_b.example"]), ["spec.hostnames[0]"]),
    "no rule": (a_route(rules=[]), ["spec.rules"]),
    "too many rules": (a_route(*[{}] * 17), ["spec.rules"]),
    "the same parent twice": (parents({"name": "g"}, {"name": "g"}), ["spec.parentRefs"]),
    "the same section twice": (
        parents({"name": "g", "sectionName": "a"}, {"name": "g", "sectionName": "a"}), ["spec.parentRefs"]),
    "a parent with and without a section": (
        parents({"name": "g"}, {"name": "g", "sectionName": "a"}), ["spec.parentRefs"]),
    "a path without a slash": (a_route(on_path("v1")), [PATH]),
    "a path with an empty part": (a_route(on_path("/a//b")), [PATH]),
    "a path that climbs": (a_route(on_path("/a/../b")), [PATH]),
    "a path that ends climbing": (a_route(on_path("/a/..", "Exact")), [PATH]),
    "a path that stays": (a_route(on_path("/a/./b")), [PATH]),
    "a path that ends staying": (a_route(on_path("/a/.", "Exact")), [PATH]),
    "a path with an escaped slash": (a_route(on_path("/a%2Fb")), [PATH]),
    "a path with an escaped slash, small": (a_route(on_path("/a%2fb")), [PATH]),
    "a path with a fragment": (a_route(on_path("/a#b")), [PATH, PATH]),
    "a path with a space": (a_route(on_path("/a b")), [PATH]),
    "an unknown type of path": (a_route(on_path("/", "Glob")), [f"{PATH}.type"]),
    "an unknown method": (a_route({"matches": [{"method": "FETCH"}]}), [f"{RULE}.matches[0].method"]),
    "a redirect beside a rewrite": (a_route(filtered(REDIRECT, REWRITE)), [f"{RULE}.filters"]),
    "a redirect to somewhere and a backend": (a_route(filtered(REDIRECT, backendRefs=[a_backend()])), [RULE]),
    "a prefix rewritten under two matches": (
        a_route({"matches": [{"path": {"value": "/a"}}, {"method": "GET"}], "filters": [PREFIX_REWRITE]}), [RULE]),
    "a prefix rewritten under an exact match": (
        a_route({**on_path("/a", "Exact"), "filters": [PREFIX_REWRITE]}), [RULE]),
    "a backend's prefix rewritten under an exact match": (
        a_route({**on_path("/a", "Exact"), "backendRefs": [a_backend(filters=[PREFIX_REWRITE])]}), [RULE]),
    "a prefix redirected under an exact match": (
        a_route({**on_path("/a", "Exact"), "backendRefs": [], "filters": [PREFIX_REDIRECT]}), [RULE]),
    "a backend's prefix redirected under an exact match": (
        a_route({**on_path("/a", "Exact"), "backendRefs": [a_backend(filters=[PREFIX_REDIRECT])]}), [RULE]),
    "a prefix replaced by nothing said": (rewritten(type="ReplacePrefixMatch"), [f"{FILTER}.urlRewrite.path"]),
    "a prefix replaced beside the path": (
        rewritten(type="ReplaceFullPath", replaceFullPath="/", replacePrefixMatch="/"), [f"{FILTER}.urlRewrite.path"]),
    "a path replaced by nothing said": (rewritten(type="ReplaceFullPath"), [f"{FILTER}.urlRewrite.path"]),
    "a path replaced beside its prefix": (
        rewritten(type="ReplacePrefixMatch", replaceFullPath="/", replacePrefixMatch="/"),
        [f"{FILTER}.urlRewrite.path"]),
    "a redirect with an odd status": (
        a_route(filtered(a_filter("RequestRedirect", statusCode=304))), [f"{FILTER}.requestRedirect.statusCode"]),
    "more mirrored than there is": (
        mirror(fraction={"numerator": 3, "denominator": 2}), [f"{FILTER}.requestMirror.fraction"]),
    "mirrored by percent and fraction": (mirror(percent=1, fraction={"numerator": 1}), [f"{FILTER}.requestMirror"]),
    "any origin and another": (origins("*", "http://a.example"), [f"{FILTER}.cors.allowOrigins"]),
    "a header set twice": (
        a_route(filtered(a_filter("RequestHeaderModifier", set=[{"name": "a", "value": value} for value in "12"]))),
        [f"{FILTER}.requestHeaderModifier.set[1]"]),
    "a try that outlasts the request": (timeouts(request="1s", backendRequest="1100ms"), [f"{RULE}.timeouts"]),
    "a duration in days": (timeouts(request="1d"), [f"{RULE}.timeouts.request"]),
    "129 matches": (rules_with_matches(64, 64, 1), ["spec.rules"]),
}  # fmt: skip


@pytest.mark.parametrize("route", ACCEPTED.values(), ids=ACCEPTED)
async def test_a_route_is_accepted(api: Api, route: Object) -> None:
    verdict = await api.judge(route)
    assert verdict.accepted, verdict.messages


@pytest.mark.parametrize(("route", "over"), REFUSED.values(), ids=REFUSED)
async def test_a_route_is_refused_over_a_field(api: Api, route: Object, over: list[str]) -> None:
    verdict = await api.judge(route)
    assert (verdict.status, verdict.complaints) == (422, over), verdict.messages


def with_filters(kind: str, *filters: Object) -> Object:
    return an_object(kind, {"rules": [filtered(*filters)]})


@pytest.mark.parametrize(("kind", "name"), BOTH)
async def test_a_filter_needs_its_own_settings_and_takes_no_others(api: Api, kind: str, name: str) -> None:
    whole = FILTERS[name]
    other = FILTERS["RequestMirror" if name == "ExtensionRef" else "ExtensionRef"]
    assert (await api.judge(with_filters(kind, whole))).accepted
    assert (await api.judge(with_filters(kind, {"type": name}))).complaints == [FILTER]
    assert (await api.judge(with_filters(kind, {**whole, **other, "type": name}))).complaints == [FILTER]
    assert (await api.judge(with_filters(kind, {**whole, **other, "type": other["type"]}))).complaints == [FILTER]


@pytest.mark.parametrize(("kind", "name"), BOTH)
async def test_most_filters_stand_once(api: Api, kind: str, name: str) -> None:
    verdict = await api.judge(with_filters(kind, FILTERS[name], FILTERS[name]))
    assert verdict.complaints == ([] if name in MAY_REPEAT else [f"{RULE}.filters"]), verdict.messages
    assert verdict.accepted == (name in MAY_REPEAT)


async def test_a_route_that_says_little_goes_everywhere_with_equal_weights(api: Api) -> None:
    spec = (await api.judge(a_route({"backendRefs": [a_backend(), a_backend("other")]}))).body["spec"]
    assert spec["parentRefs"] == [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"}]
    assert spec["rules"] == [
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
            "backendRefs": [
                {"group": "", "kind": "Service", "name": name, "port": 80, "weight": 1} for name in ("shop", "other")
            ],
        }
    ]


async def test_a_route_without_rules_has_one_that_matches_everything(api: Api) -> None:
    route = a_route()
    del route["spec"]["rules"]
    verdict = await api.judge(route)
    assert verdict.body["spec"]["rules"] == [{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}]}]


async def test_settings_of_filters_and_matches_have_defaults(api: Api) -> None:
    route = a_route(
        filtered(REDIRECT, a_filter("CORS"), matches=[{"headers": [{"name": "a", "value": "1"}]}]),
        filtered(a_filter("RequestMirror", backendRef=a_backend(), fraction={"numerator": 5})),
    )
    first, second = (await api.judge(route)).body["spec"]["rules"]
    assert first["filters"][0]["requestRedirect"] == {"scheme": "https", "statusCode": 302}
    assert first["filters"][1]["cors"] == {"maxAge": 5}
    assert first["matches"][0]["headers"][0]["type"] == "Exact"
    assert second["filters"][0]["requestMirror"]["fraction"] == {"numerator": 5, "denominator": 100}


async def test_an_unknown_field_is_named(api: Api) -> None:
    verdict = await api.judge(a_route({"backendRefs": [a_backend(wieght=5)]}))
    assert verdict.status == 400
    assert "spec.rules[0].backendRefs[0].wieght" in verdict.messages


async def test_a_rule_explains_itself(api: Api) -> None:
    assert "a Service needs a port" in (await api.judge(a_route({"backendRefs": [a_backend(port=None)]}))).messages
