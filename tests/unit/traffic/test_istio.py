"""Istio's VirtualService, as its reference has it. There is no Istio in the sandbox to ask."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from unit.traffic.served import NEW, OLD, Served, settings

from slipway.api import CookieMatch, HeaderMatch, Preview, RequestMatch
from slipway.traffic import WHOLE, Backend, RoutePlan

PLAN = RoutePlan([Backend(OLD, 9975), Backend(NEW, 25)])


def a_service(plan: RoutePlan = PLAN, **fields: Any) -> Served:
    return Served(settings("istio", **{"hostnames": ["fraud.example"], **fields})).lead(plan)


def rules(at: Served) -> dict[str, dict[str, Any]]:
    return {rule["name"]: rule for rule in at.of("VirtualService")["spec"]["http"]}


def test_each_release_is_a_destination_with_its_weight() -> None:
    assert rules(a_service())["model"]["route"] == [
        {"destination": {"host": OLD, "port": {"number": 80}}, "weight": 9975},
        {"destination": {"host": NEW, "port": {"number": 80}}, "weight": 25},
    ]


def test_each_destination_names_itself_in_its_answers_where_that_is_asked_for() -> None:
    header = NEW, OLD
    plan = replace(PLAN, named=True, matches=[RequestMatch(header=HeaderMatch(name="X-Group", value="b"))], matched=NEW)
    found = rules(a_service(plan))
    said = {route["headers"]["response"]["set"]["x-slipway-revision"] for route in found["model"]["route"]}
    assert said == set(header)
    assert found["match"]["route"][0]["headers"]["response"]["set"] == {"x-slipway-revision": NEW}


def test_hosts_and_gateways_are_the_users_and_without_gateways_it_is_the_mesh() -> None:
    spec = a_service(gateways=["edge/public", "inner"]).of("VirtualService")["spec"]
    assert (spec["hosts"], spec["gateways"]) == (["fraud.example"], ["edge/public", "inner"])
    assert "gateways" not in a_service().of("VirtualService")["spec"]


@pytest.mark.parametrize(
    ("path", "uris"),
    [
        ("/", [{"prefix": "/"}]),
        ("/v2", [{"exact": "/v2"}, {"prefix": "/v2/"}]),
        ("/v2/", [{"exact": "/v2"}, {"prefix": "/v2/"}]),
    ],
)
def test_a_path_is_matched_by_whole_elements(path: str, uris: list[dict[str, str]]) -> None:
    assert [match["uri"] for match in rules(a_service(path=path))["model"]["match"]] == uris


def test_rules_are_tried_in_order_so_the_preview_stands_first_and_the_shares_last() -> None:
    header = HeaderMatch(name="X-Group", value="b")
    cookie = CookieMatch(name="group", value="b.1")
    plan = replace(
        PLAN,
        matches=[RequestMatch(header=header), RequestMatch(cookie=cookie)],
        matched=NEW,
        preview=Preview(header=header),
        previewed=NEW,
    )
    found = rules(a_service(plan))
    assert list(found) == ["preview", "match", "model"]
    exact, pattern = (match["headers"] for match in found["match"]["match"])
    assert exact == {"x-group": {"exact": "b"}}  # Istio matches names in lower case only
    assert re.fullmatch(pattern["cookie"]["regex"], "a=1; group=b.1; c=2")
    assert not re.fullmatch(pattern["cookie"]["regex"], "a=1; group=b01; c=2")


@pytest.mark.parametrize(
    ("hostname", "yes", "no"),
    [
        ("next.example", ["next.example", "next.example:8080"], ["nextxexample", "a.next.example", "next.example.org"]),
        ("*.next.example", ["a.next.example", "a.b.next.example:80"], ["next.example"]),
    ],
)
def test_a_preview_host_is_a_host_of_the_same_object(hostname: str, yes: list[str], no: list[str]) -> None:
    at = a_service(replace(PLAN, preview=Preview(hostname=hostname), previewed=NEW))
    assert at.of("VirtualService")["spec"]["hosts"] == ["fraud.example", hostname]
    (match,) = rules(at)["preview"]["match"]
    assert all(re.fullmatch(match["authority"]["regex"], host) for host in yes)
    assert not any(re.fullmatch(match["authority"]["regex"], host) for host in no)


def test_copies_are_a_part_of_the_requests_of_everybody() -> None:
    rule = rules(a_service(replace(PLAN, mirror=Backend(NEW, 1250))))["model"]
    assert rule["mirror"] == {"host": NEW, "port": {"number": 80}}
    assert rule["mirrorPercentage"] == {"value": 12.5}


def test_copies_without_a_part_are_copies_of_everything() -> None:
    at = a_service(replace(PLAN, mirror=Backend(NEW, 1250)))
    del rules(at)["model"]["mirrorPercentage"]
    assert at.status().mirrored == Backend(NEW, WHOLE)


def test_a_lone_destination_takes_everything_whatever_its_weight() -> None:
    at = a_service(RoutePlan([Backend(OLD, WHOLE)]))
    rules(at)["model"]["route"][0].pop("weight")
    assert at.status().written == {OLD: WHOLE}


def test_a_long_name_of_a_service_is_the_same_service() -> None:
    at = a_service()
    for route in rules(at)["model"]["route"]:
        route["destination"]["host"] += ".shop.svc.cluster.local"
    assert at.status().written == {OLD: 9975, NEW: 25}


def test_when_nothing_may_serve_there_is_no_virtual_service() -> None:
    assert a_service().lead(RoutePlan([])).objects == {}
    assert Served(settings("istio", hostnames=["fraud.example"])).changes(RoutePlan([])) == []
