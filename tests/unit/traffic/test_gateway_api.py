"""The owned HTTPRoute: what is written, and when it is in force."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.traffic.builders import an_answer as an_answer_about
from unit.traffic.served import NEW, OLD, Served, settings

from slipway.api import CookieMatch, HeaderMatch, Preview, RequestMatch
from slipway.traffic import WHOLE, Backend, RoutePlan, RouteStatus, gateway_features, router_of
from slipway.traffic.gateway_api import route_traffic
from slipway.workload import needs_apply

PLAN = RoutePlan([Backend(OLD, 9000), Backend(NEW, 1000)])
PUBLIC = {"name": "public"}
HEADER = HeaderMatch(name="X-Group", value="b")


def a_route(plan: RoutePlan = PLAN, *parents: dict[str, str], **fields: Any) -> Served:
    return Served(settings("gateway", parentRefs=list(parents) or [PUBLIC], **fields)).lead(plan)


def rules(at: Served, name: str | None = None) -> dict[str, dict[str, Any]]:
    return {rule["name"]: rule for rule in at.of("HTTPRoute", name)["spec"]["rules"]}


def an_answer(parent: dict[str, Any] | None = None, *, generation: int = 1, **statuses: Any) -> dict[str, Any]:
    """About the first version of the route unless it says otherwise."""
    return an_answer_about(parent, generation=generation, **statuses)


def answered(at: Served, *answers: dict[str, Any]) -> RouteStatus:
    """The status after the controllers wrote this."""
    at.of("HTTPRoute")["status"] = {"parents": list(answers)}
    return at.status()


# --- what is written


def test_shares_are_weights_out_of_ten_thousand() -> None:
    rule = rules(a_route(RoutePlan([Backend(OLD, 9975), Backend(NEW, 25)])))["model"]
    assert [(backend["name"], backend["port"], backend["weight"]) for backend in rule["backendRefs"]] == [
        (OLD, 80, 9975),
        (NEW, 80, 25),
    ]


@pytest.mark.parametrize("backends", [[], [Backend(OLD, 0)]])
def test_a_route_without_a_backend_keeps_its_rule(backends: list[Backend]) -> None:
    assert rules(a_route(RoutePlan(backends)))["model"]["backendRefs"] == []


def test_each_backend_names_itself_in_its_answers_where_that_is_asked_for() -> None:
    named = rules(a_route(replace(PLAN, named=True)))["model"]["backendRefs"]
    for backend in named:
        header = {"name": "x-slipway-revision", "value": backend["name"]}
        assert backend["filters"] == [
            {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [header]}},
        ]
    assert all("filters" not in backend for backend in rules(a_route())["model"]["backendRefs"])
    assert a_route(replace(PLAN, named=True)).status().written == a_route().status().written


FILTERS = ("HTTPRouteBackendRequestHeaderModification", "HTTPRouteResponseHeaderModification")


@pytest.mark.parametrize(
    ("controller", "listed", "able"),
    [
        ("traefik.io/gateway-controller", FILTERS, True),
        ("traefik.io/gateway-controller", ("HTTPRouteResponseHeaderModification",), False),
        ("example.com/gw", FILTERS, False),
        ("istio.io/gateway-controller", (), False),
    ],
)  # fmt: skip
def test_only_a_gateway_that_is_known_to_do_it_names_releases(
    controller: str, listed: tuple[str, ...], able: bool
) -> None:
    at = a_route()
    found = at.router.capabilities(traffic=at.traffic.gateway, features=features(*listed, controller=controller))
    assert found.named is able


def test_the_users_parents_hosts_and_path_are_written() -> None:
    parents = [{"name": "public", "namespace": "edge", "sectionName": "https"}, {"name": "internal"}]
    at = a_route(PLAN, *parents, hostnames=["fraud.example"], path="/v2")
    (change,) = at.changes(PLAN)
    spec = change.body["spec"]
    assert spec["parentRefs"] == parents
    assert spec["hostnames"] == ["fraud.example"]
    assert spec["rules"][0]["matches"] == [{"path": {"type": "PathPrefix", "value": "/v2"}}]


def test_hosts_are_said_even_when_there_are_none_so_that_a_foreign_one_is_removed() -> None:
    (change,) = a_route().changes(PLAN)
    assert change.body["spec"]["hostnames"] == []


def test_matches_come_before_the_shares_and_the_preview_before_both() -> None:
    matches = [RequestMatch(header=HEADER), RequestMatch(cookie=CookieMatch(name="group", value="b"))]
    plan = replace(PLAN, matches=matches, matched=NEW, preview=Preview(header=HEADER), previewed=NEW)
    written = rules(a_route(plan, path="/v2"))
    assert list(written) == ["preview", "match", "model"]
    assert [backend["name"] for backend in written["match"]["backendRefs"]] == [NEW]
    for match in (*written["match"]["matches"], *written["preview"]["matches"]):
        assert match["path"] == {"type": "PathPrefix", "value": "/v2"}
        assert len(match["headers"]) == 1  # one more than the rule with the shares, so it wins wherever it stands
    types = [match["headers"][0]["type"] for match in written["match"]["matches"]]
    assert types == ["Exact", "RegularExpression"]


def test_a_preview_host_has_a_route_of_its_own_that_goes_when_it_is_not_needed() -> None:
    plan = replace(PLAN, preview=Preview(hostname="next.example"), previewed=NEW)
    at = a_route(plan, PUBLIC, hostnames=["fraud.example"])
    preview = at.of("HTTPRoute", "fraud-preview")["spec"]
    assert preview["hostnames"] == ["next.example"]
    assert at.of("HTTPRoute")["spec"]["hostnames"] == ["fraud.example"]
    assert preview["parentRefs"] == at.of("HTTPRoute")["spec"]["parentRefs"]
    assert at.status().previewed == NEW
    assert at.status().written == {OLD: 9000, NEW: 1000}
    at.lead(PLAN)
    assert [reference.name for reference in at.objects] == ["fraud"]
    assert at.status().previewed is None


def test_a_service_of_the_preview_alone_is_known_to_be_reached() -> None:
    at = a_route(RoutePlan([Backend(OLD, WHOLE)], preview=Preview(hostname="next.example"), previewed=NEW))
    assert at.status().written == {OLD: WHOLE, NEW: 0}


def test_a_preview_that_no_listener_takes_is_not_in_force() -> None:
    at = a_route(replace(PLAN, preview=Preview(hostname="next.example"), previewed=NEW))
    refused = an_answer(Accepted=("False", "NoMatchingListenerHostname"))
    at.of("HTTPRoute", "fraud-preview")["status"] = {"parents": [refused]}
    assert "NoMatchingListenerHostname" in str(at.status().problem)
    assert at.status().observed is None


def test_a_preview_host_that_users_have_too_is_refused() -> None:
    plan = replace(PLAN, preview=Preview(hostname="fraud.example"), previewed=NEW)
    said = a_route(PLAN, PUBLIC, hostnames=["fraud.example"]).refusal(plan)
    assert said.startswith("spec.strategy.blueGreen.preview.hostname: fraud.example is one of")


def test_somebodys_route_with_the_name_of_our_preview_is_in_nobodys_way_until_there_is_one() -> None:
    at = a_route()
    theirs = copy.deepcopy(at.of("HTTPRoute"))
    theirs["metadata"] |= {"name": "fraud-preview", "ownerReferences": []}
    at.objects[at.references[1]] = theirs
    assert at.status().observed == {OLD: 9000, NEW: 1000}
    assert at.lead(PLAN).objects[at.references[1]] == theirs
    plan = replace(PLAN, preview=Preview(hostname="next.example"), previewed=NEW)
    assert "HTTPRoute shop/fraud-preview exists and does not belong" in at.refusal(plan)


@pytest.mark.parametrize(
    ("share", "part"), [(WHOLE, {}), (500, {"percent": 5}), (25, {"fraction": {"numerator": 25, "denominator": 10000}})]
)
def test_copies_say_their_part_as_plainly_as_it_can_be_said(share: int, part: dict[str, Any]) -> None:
    at = a_route(replace(PLAN, mirror=Backend(NEW, share)))
    (entry,) = rules(at)["model"]["filters"]
    assert {key: value for key, value in entry["requestMirror"].items() if key != "backendRef"} == part
    assert at.status().mirrored == Backend(NEW, share)


@pytest.mark.parametrize(
    ("part", "share"),
    [({"fraction": {"numerator": 1, "denominator": 3}}, 3333), ({"fraction": {"numerator": 7}}, 700), ({}, WHOLE)],
)
def test_the_part_of_the_copies_is_read_in_every_form(part: dict[str, Any], share: int) -> None:
    at = a_route(replace(PLAN, mirror=Backend(NEW, 500)))
    (entry,) = rules(at)["model"]["filters"]
    entry["requestMirror"] = {"backendRef": entry["requestMirror"]["backendRef"], **part}
    assert at.status().mirrored == Backend(NEW, share)


# --- what it can do


def features(*names: Any, controller: str = "example.com/gw") -> frozenset[str] | None:
    return gateway_features([{"spec": {"controllerName": controller}, "status": {"supportedFeatures": list(names)}}])


MIRROR, PERCENT = {"name": "HTTPRouteRequestMirror"}, {"name": "HTTPRouteRequestPercentageMirror"}


@pytest.mark.parametrize(
    ("known", "mirror", "percent", "cookies"),
    [
        (None, False, False, False),
        (features(), False, False, False),
        (features(MIRROR), True, False, False),
        (features("HTTPRouteRequestMirror"), True, False, False),
        (features(MIRROR, PERCENT), True, True, False),
        (features(controller="traefik.io/gateway-controller"), False, False, True),
    ],
)
def test_what_an_implementation_may_leave_out_is_there_when_it_says_so(
    known: frozenset[str] | None, mirror: bool, percent: bool, cookies: bool
) -> None:
    router, traffic = router_of(settings("gateway", parentRefs=[PUBLIC]))
    able = router.capabilities(traffic=traffic, features=known)
    assert (able.mirror, able.mirror_percent, able.cookies) == (mirror, percent, cookies)
    assert (able.match, able.preview, able.observable, able.resolution, able.sticky) == (True, True, True, 1, False)


def test_several_gateways_can_do_what_each_of_them_can() -> None:
    one = {"status": {"supportedFeatures": [MIRROR, PERCENT]}}
    other = {"status": {"supportedFeatures": [MIRROR]}}
    assert gateway_features([one, other]) == {"HTTPRouteRequestMirror"}
    assert gateway_features([None]) is None


# --- what is read


def test_no_route_is_no_problem_yet() -> None:
    status = Served(settings("gateway", parentRefs=[PUBLIC])).status()
    assert status == RouteStatus(exists=False, owned=False, written={}, accepted=False, problem=None)


def test_shares_are_observed_when_every_parent_has_taken_up_the_latest_generation() -> None:
    status = answered(a_route(), an_answer())
    written = {OLD: 9000, NEW: 1000}
    assert status == RouteStatus(exists=True, owned=True, written=written, accepted=True, problem=None)
    assert status.observed == written


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([], "no controller has answered for Gateway shop/public"),
        ([an_answer({"name": "other"})], "no controller has answered for Gateway shop/public"),
        ([an_answer({"namespace": "edge"})], "no controller has answered for Gateway shop/public"),
        ([an_answer({"sectionName": "http"})], "no controller has answered for Gateway shop/public"),
        ([an_answer({"port": 8080})], "no controller has answered for Gateway shop/public"),
        ([an_answer({"kind": "Service", "group": ""})], "no controller has answered for Gateway shop/public"),
        ([an_answer(generation=0)], "Gateway shop/public has not taken up the latest version of the route yet"),
        ([an_answer(ResolvedRefs_generation=0)], "has not taken up the latest version"),
        ([an_answer(Accepted_generation=0)], "has not taken up the latest version"),
        ([an_answer(ResolvedRefs=None)], "has not taken up the latest version"),
        (
            [an_answer(Accepted=("False", "NotAllowedByListeners"))],
            "Gateway shop/public: Accepted is False (NotAllowedByListeners): about Accepted",
        ),
        (
            [an_answer(ResolvedRefs=("False", "BackendNotFound"))],
            "Gateway shop/public: ResolvedRefs is False (BackendNotFound): about ResolvedRefs",
        ),
        ([an_answer(Accepted=("Unknown", "Pending"))], "Gateway shop/public: Accepted is Unknown (Pending)"),
        ([an_answer(Accepted=("False", "Old"), generation=0)], "has not taken up the latest version"),
    ],
)
def test_shares_are_not_observed_before_that_and_the_reason_is_said(answers: list[Any], said: str) -> None:
    status = answered(a_route(), *answers)
    assert not status.accepted
    assert status.observed is None
    assert status.written == {OLD: 9000, NEW: 1000}
    assert status.problem is not None
    assert said in status.problem


def test_each_listener_that_is_named_has_to_answer() -> None:
    http, https = ({"name": "public", "sectionName": name} for name in ("http", "https"))
    half = answered(a_route(PLAN, http, https), an_answer(http))
    assert half.problem == "no controller has answered for Gateway shop/public, listener https"
    assert answered(a_route(PLAN, http, https), an_answer(http), an_answer({**https, "namespace": "shop"})).accepted
    refused = answered(a_route(PLAN, http, https), an_answer(http), an_answer(https, Accepted="False"))
    assert "listener https: Accepted is False" in str(refused.problem)


def test_a_newer_answer_counts_and_a_left_over_one_of_another_controller_does_not() -> None:
    leftover = an_answer(Accepted="False", generation=0, controller="example.com/before")
    assert answered(a_route(), leftover, an_answer(generation=4)).accepted


def test_one_current_refusal_outweighs_an_acceptance() -> None:
    refusing = an_answer(ResolvedRefs="False", controller="example.com/other")
    assert not answered(a_route(), an_answer(), refusing).accepted


def test_a_route_of_a_model_deployment_that_had_this_name_before_is_not_ours() -> None:
    assert not a_route().status(uid="uid-of-the-fraud-before").owned


# --- what others do to it


def _written(backends: Any, **rule: Any) -> dict[str, int]:
    at = a_route()
    at.of("HTTPRoute")["spec"]["rules"] = [{"name": "model", "backendRefs": backends, **rule}]
    return dict(at.status().written)


def test_foreign_weights_are_read_as_the_shares_that_they_are() -> None:
    assert _written([{"name": "a", "weight": 3}, {"name": "b"}]) == {"a": 7500, "b": 2500}
    assert _written([{"name": name, "weight": 1} for name in "abc"]) == {"a": 3334, "b": 3333, "c": 3333}


def test_a_service_that_is_referred_to_without_a_share_is_known() -> None:
    mirror = [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "shadow", "port": 80}}}]
    assert _written([{"name": "a", "weight": 1}, {"name": "b", "weight": 0}], filters=mirror) == {
        "a": WHOLE,
        "b": 0,
        "shadow": 0,
    }


def test_rules_and_backends_of_others_have_no_share_of_ours() -> None:
    at = a_route()
    spec = at.of("HTTPRoute")["spec"]
    spec["rules"].append({"name": "extra", "backendRefs": [{"name": "fraud-gone", "port": 80}]})
    spec["rules"][0]["backendRefs"].append({"name": OLD, "namespace": "other", "weight": 5000})
    spec["rules"][0]["backendRefs"].append({"name": "x", "kind": "ServiceImport", "weight": 5000})
    assert at.status().written == {OLD: 9000, NEW: 1000, "fraud-gone": 0}


def test_a_route_without_rules_has_nothing_written() -> None:
    at = a_route()
    del at.of("HTTPRoute")["spec"]["rules"]
    assert at.status().written == {}


@pytest.mark.parametrize(
    "edit",
    [
        lambda spec: spec["rules"][0]["backendRefs"][0].update(weight=5000),
        lambda spec: spec["rules"][0].update(timeouts={"request": "1s"}),
        lambda spec: spec["rules"][0]["filters"].pop(),
        lambda spec: spec["rules"].append({"name": "extra"}),
        lambda spec: spec["hostnames"].append("other.example"),
        lambda spec: spec["parentRefs"].pop(),
    ],
)
def test_what_somebody_changed_is_written_again(edit: Callable[[dict[str, Any]], Any]) -> None:
    plan = replace(PLAN, mirror=Backend(NEW, 500))
    at = a_route(plan)
    edit(at.of("HTTPRoute")["spec"])
    (change,) = at.changes(plan)
    assert needs_apply(at.of("HTTPRoute"), change.body)


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 1_000_000), min_size=1))
def test_shares_are_ten_thousand_in_total_and_within_one_of_exact(weights: dict[str, int]) -> None:
    written = _written([{"name": name, "weight": weight} for name, weight in weights.items()])
    total = sum(weights.values())
    assert written.keys() == weights.keys()
    assert sum(written.values()) == (WHOLE if total else 0)
    for name, weight in weights.items():
        assert abs(written[name] * total - weight * WHOLE) <= total


# --- a route that has to stay where it is


def test_where_a_route_attaches_and_what_it_matches_can_be_read_from_it() -> None:
    parents = [{"name": "public", "namespace": "edge", "sectionName": "https"}, {"name": "internal"}]
    at = a_route(replace(PLAN, matches=[RequestMatch(header=HEADER)], matched=NEW), *parents, path="/v2")
    assert route_traffic(at.of("HTTPRoute")) == at.traffic.gateway.model_copy(update={"hostnames": []})  # type: ignore[union-attr]


def test_a_route_that_somebody_made_say_what_we_never_do_says_nothing() -> None:
    at = a_route()
    at.of("HTTPRoute")["spec"]["rules"][0]["matches"][0]["path"]["value"] = "no path"
    assert route_traffic(at.of("HTTPRoute")) is None
