"""A Service without a gateway: whom its selector names, and what the ready pods make of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.traffic.served import GONE, LATER, NEW, OLD, Served, settings

from slipway.traffic import WHOLE, Backend, RoutePlan, reachable
from slipway.workload import needs_apply

PLAN = RoutePlan([Backend(OLD, 7500), Backend(NEW, 2500)])


def a_service(plan: RoutePlan = PLAN) -> Served:
    return Served(settings("service")).lead(plan)


def selector(at: Served) -> dict[str, str]:
    found: dict[str, str] = at.of("Service")["spec"]["selector"]
    return found


def test_it_is_named_like_the_model_deployment_and_leads_port_80_to_the_named_port_of_the_pods() -> None:
    spec = a_service().of("Service", "fraud")["spec"]
    assert (spec["type"], spec["publishNotReadyAddresses"]) == ("ClusterIP", False)
    assert [(port["port"], port["targetPort"]) for port in spec["ports"]] == [(80, "http")]


def test_it_selects_the_one_revision_that_serves() -> None:
    at = a_service(RoutePlan([Backend(OLD, WHOLE), Backend(NEW, 0)]))
    assert selector(at) == {"slipway.dev/model-deployment": "fraud", "slipway.dev/revision": "0a0a0a0a"}
    assert at.status(ready={OLD: 3, NEW: 9}).observed == {OLD: WHOLE}


def test_while_two_serve_it_selects_all_pods_and_the_ready_ones_make_the_shares() -> None:
    at = a_service()
    assert selector(at) == {"slipway.dev/model-deployment": "fraud"}
    assert at.status(ready={OLD: 3, NEW: 1}).observed == {OLD: 7500, NEW: 2500}
    assert at.status(ready={OLD: 2, NEW: 1, GONE: 0}).observed == {OLD: 6667, NEW: 3333, GONE: 0}
    assert at.status(ready={OLD: 0, NEW: 0}).observed == {OLD: 0, NEW: 0}


def test_pods_of_a_third_revision_are_said_to_take_requests() -> None:
    status = a_service().status(ready={OLD: 2, NEW: 1, GONE: 1})
    assert status.observed == {OLD: 5000, NEW: 2500, GONE: 2500}
    assert "pods of 3 revisions are ready" in str(status.problem)
    one = a_service(RoutePlan([Backend(OLD, WHOLE)])).status(ready={OLD: 2, NEW: 1, GONE: 1})
    assert (one.observed, one.problem) == ({OLD: WHOLE}, None)


def test_it_leads_nowhere_when_nothing_may_serve() -> None:
    at = a_service(RoutePlan([]))
    assert selector(at)["slipway.dev/revision"] == "none"
    assert at.status(ready={OLD: 2}).observed == {}


def test_a_selector_that_somebody_narrowed_is_drift() -> None:
    at = a_service()
    selector(at)["slipway.dev/revision"] = "1b1b1b1b"
    assert at.status(ready={OLD: 3, NEW: 1}).written == {NEW: WHOLE}
    (change,) = at.changes(PLAN)
    assert needs_apply(at.of("Service"), change.body)


@pytest.mark.parametrize("somebodys", [{"app": "other"}, {"slipway.dev/model-deployment": "other"}, {}])
def test_a_selector_that_is_not_ours_leads_nobody_here(somebodys: dict[str, str]) -> None:
    at = a_service()
    at.of("Service")["spec"]["selector"] = somebodys
    status = at.status(ready={OLD: 3, NEW: 1})
    assert status.written == {}
    assert status.problem is not None
    assert needs_apply(at.of("Service"), at.changes(PLAN)[0].body)


def test_releases_that_name_their_port_differently_cannot_share_it() -> None:
    grpc = Backend(NEW, 2500, target_port="rest")
    assert "ports[0]) the same name in both" in a_service().refusal(replace(PLAN, backends=[Backend(OLD, 7500), grpc]))
    alone = a_service(RoutePlan([replace(grpc, basis_points=WHOLE)]))
    assert alone.of("Service")["spec"]["ports"][0]["targetPort"] == "rest"


def test_after_a_restart_the_time_that_endpoints_need_is_still_known() -> None:
    at = a_service()
    at.lead(RoutePlan([Backend(NEW, WHOLE)]), now=LATER)
    assert at.status(now=LATER, ready={NEW: 1}).observed is None
    again = Served(at.traffic, objects=at.objects)
    assert again.status(now=LATER, ready={NEW: 1}).settles_in is not None
    assert again.status(now=LATER.replace(minute=1), ready={NEW: 1}).observed == {NEW: WHOLE}


@pytest.mark.parametrize(
    ("replicas", "shares"),
    [
        (0, ()),
        (1, (0, WHOLE)),
        (3, (0, 3333, 6667, WHOLE)),
        (4, (0, 2500, 5000, 7500, WHOLE)),
    ],
)
def test_the_shares_that_pods_can_make_up_are_known(replicas: int, shares: tuple[int, ...]) -> None:
    assert reachable(replicas) == shares
