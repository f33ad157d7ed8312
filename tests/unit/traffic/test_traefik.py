"""Traefik's own resources: what leads where, in which order it is written, and what somebody else made of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from unit.traffic.served import NEW, OLD, Served, settings

from slipway.api import HeaderMatch, Preview, RequestMatch, Sticky
from slipway.traffic import WHOLE, Backend, RoutePlan

PLAN = RoutePlan([Backend(OLD, 9000), Backend(NEW, 1000)])
COPYING = RoutePlan([Backend(OLD, WHOLE)], mirror=Backend(NEW, 5000))
HEADER = HeaderMatch(name="X-Group", value='b "\\`')


def a_route(plan: RoutePlan = PLAN, **fields: Any) -> Served:
    return Served(settings("traefik", **fields)).lead(plan)


def routes(at: Served) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = at.of("IngressRoute")["spec"]["routes"]
    return found


def written(at: Served, plan: RoutePlan) -> list[tuple[str, str, bool]]:
    return [(change.reference.kind, change.reference.name, change.delete) for change in at.changes(plan)]


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({}, 'PathPrefix("/")'),
        ({"path": "/v2"}, '(Path("/v2") || PathPrefix("/v2/"))'),
        ({"hostnames": ["a.example", "b.example"]}, '(Host("a.example") || Host("b.example")) && PathPrefix("/")'),
        ({"hostnames": ["*.a.example"]}, '(HostRegexp("^([a-z0-9-]+[.])+a[.]example$")) && PathPrefix("/")'),
    ],
)
def test_hosts_and_whole_elements_of_the_path_are_matched(fields: dict[str, Any], rule: str) -> None:
    (route,) = routes(a_route(**fields))
    assert (route["match"], route["priority"]) == (rule, len(rule))


def test_entry_points_are_traefiks_own_unless_the_user_names_some() -> None:
    assert "entryPoints" not in a_route().of("IngressRoute")["spec"]
    assert a_route(entryPoints=["web"]).of("IngressRoute")["spec"]["entryPoints"] == ["web"]


def test_a_more_particular_route_has_a_higher_priority_and_its_text_cannot_break_out_of_the_rule() -> None:
    matches = [RequestMatch(header=HEADER)]
    plan = replace(PLAN, matches=matches, matched=NEW, preview=Preview(header=HEADER), previewed=NEW)
    preview, match, everybody = routes(a_route(plan))
    assert preview["priority"] > match["priority"] > everybody["priority"]
    assert match["match"].endswith('&& (Header("X-Group", "b \\"\\\\`"))')


def test_what_is_led_to_is_written_before_what_leads_there() -> None:
    at = Served(settings("traefik"))
    assert written(at, PLAN) == [
        ("TraefikService", "fraud", False),
        ("TraefikService", "fraud-mirror", False),
        ("IngressRoute", "fraud", False),
    ]


def test_the_route_of_users_leads_to_the_same_object_whatever_the_plan_is() -> None:
    at = a_route()
    before = routes(at)
    copies = at.of("TraefikService", "fraud-mirror")["spec"]["mirroring"]
    assert (copies["kind"], copies["name"], copies["mirrors"]) == ("TraefikService", "fraud", [])
    assert routes(at.lead(COPYING)) == before
    copies = at.of("TraefikService", "fraud-mirror")["spec"]["mirroring"]
    assert [(copy["name"], copy["percent"]) for copy in copies["mirrors"]] == [(NEW, 50)]
    assert routes(at.lead(PLAN)) == before


def test_a_part_of_a_percent_cannot_be_copied() -> None:
    said = a_route().refusal(replace(PLAN, mirror=Backend(NEW, 1250)))
    assert "it copies requests in steps of 1 percent" in said


def test_a_session_is_a_cookie_of_the_split() -> None:
    weighted = a_route(replace(PLAN, sticky=Sticky(cookie="seat"))).of("TraefikService")["spec"]["weighted"]
    assert weighted["sticky"]["cookie"]["name"] == "seat"


def test_a_mirror_that_nothing_leads_to_copies_nothing() -> None:
    at = a_route(COPYING)
    routes(at)[-1]["services"] = [{"kind": "TraefikService", "name": "fraud"}]
    assert at.status().mirrored is None
    assert at.status().observed is None


@pytest.mark.parametrize(
    "services", [[], [{"name": "other", "port": 80}], [{"kind": "TraefikService", "name": "other"}]]
)
def test_a_route_that_somebody_led_elsewhere_has_none_of_the_shares(services: list[dict[str, Any]]) -> None:
    at = a_route()
    routes(at)[-1]["services"] = services
    status = at.status()
    assert (status.written, status.observed) == ({}, None)
    assert "IngressRoute shop/fraud does not lead to the shares" in str(status.problem)


def test_shares_that_are_gone_are_missed() -> None:
    at = a_route()
    del at.objects[at.references[1]]
    assert at.status().observed is None
    assert at.status().problem is not None


def test_shares_that_lead_nowhere_yet_are_no_route() -> None:
    at = a_route()
    del at.objects[at.references[0]]
    assert not at.status().exists
