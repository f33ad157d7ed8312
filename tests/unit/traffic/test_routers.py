"""What holds for every router: a plan that is carried out is the plan that is read back, and what cannot be is said.

| | shares | part of the copies | matches | preview | sessions |
|---|---|---|---|---|---|
| gateway | 0.01 % | 0.01 % | header, cookie | host, header | no |
| gateway, a rule of the user's route | 0.01 % | 0.01 % | no | no | no |
| traefik | 0.01 % | 1 % | header, cookie | host, header | yes |
| ingressNginx | 0.01 % | no copies | one header | host, header | yes |
| istio | 0.01 % | 0.01 % | header, cookie | host, header | no |
| service | by pods | no copies | no | no | no |
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.traffic.served import GONE, LATER, NEW, OLD, START, Served, settings

from slipway.api import CookieMatch, HeaderMatch, Preview, RequestMatch, Sticky, Traffic
from slipway.traffic import WHOLE, Backend, Capabilities, RoutePlan, gateway_features, router_of
from slipway.workload import needs_apply

EVERYTHING = gateway_features(
    [
        {
            "spec": {"controllerName": "traefik.io/gateway-controller"},
            "status": {
                "supportedFeatures": [{"name": "HTTPRouteRequestMirror"}, {"name": "HTTPRouteRequestPercentageMirror"}]
            },
        }
    ]
)

USERS_ROUTE = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "HTTPRoute",
    "metadata": {"name": "site", "namespace": "shop", "creationTimestamp": "2026-01-01T00:00:00Z"},
    "spec": {
        "parentRefs": [{"name": "public"}],
        "rules": [{"name": "score", "backendRefs": [{"name": "legacy", "port": 80}]}],
    },
}

ROUTERS: dict[str, Traffic] = {
    "gateway": settings("gateway", parentRefs=[{"name": "public"}], hostnames=["fraud.example"], path="/v2"),
    "rule": settings("gateway", route={"name": "site", "rule": "score"}),
    "traefik": settings("traefik", hostnames=["fraud.example", "*.fraud.example"], path="/v2"),
    "ingressNginx": settings("ingressNginx", hostnames=["fraud.example", "*.fraud.example"], path="/v2"),
    "istio": settings("istio", hostnames=["fraud.example"], path="/v2", gateways=["edge/public"]),
    "service": settings("service"),
}


def served(name: str) -> Served:
    start = Served(ROUTERS[name])
    if name == "rule":
        (reference,) = start.references
        start.objects[reference] = copy.deepcopy(USERS_ROUTE)
    return start


def able(name: str) -> Capabilities:
    router, traffic = router_of(ROUTERS[name])
    return router.capabilities(traffic=traffic, features=EVERYTHING)


every_router = pytest.mark.parametrize("name", ROUTERS)

SERVICES = [OLD, NEW, GONE]
HEADERS = st.builds(
    HeaderMatch, name=st.sampled_from(["X-Group", "x-beta"]), value=st.sampled_from(["b", 'a "quoted" \\'])
)
COOKIES = st.builds(CookieMatch, name=st.just("group"), value=st.sampled_from(["b", "v1.2~x"]))
MATCHES = st.one_of(
    HEADERS.map(lambda header: RequestMatch(header=header)), COOKIES.map(lambda c: RequestMatch(cookie=c))
)
PREVIEWS = st.one_of(HEADERS.map(lambda header: Preview(header=header)), st.just(Preview(hostname="preview.example")))


PLAIN = st.builds(HeaderMatch, name=st.just("X-Group"), value=st.sampled_from(["b", "v1.2~x", "c:d/e"]))


@st.composite
def plans_of_nginx(draw: st.DrawFn) -> RoutePlan:
    """One main release and one other, which one header leads to; or a preview host for a release without a share."""
    main, other = draw(st.permutations([OLD, NEW]))
    share = draw(st.integers(0, WHOLE - 1))
    plan = RoutePlan([Backend(main, WHOLE - share), Backend(other, share)])
    if draw(st.booleans()):
        headers = draw(st.lists(PLAIN, min_size=1, max_size=3))
        plan = replace(plan, matches=[RequestMatch(header=header) for header in headers], matched=other)
    if draw(st.booleans()):
        plan = replace(plan, preview=Preview(header=draw(PLAIN)), previewed=other)
    elif draw(st.booleans()):
        plan = replace(plan, preview=Preview(hostname="preview.example"), previewed=GONE)
    return replace(plan, sticky=draw(st.sampled_from([None, Sticky(cookie="seat")])))


def plans(name: str) -> st.SearchStrategy[RoutePlan]:
    """Plans that a router can carry out."""
    return plans_of_nginx() if name == "ingressNginx" else plans_within(able(name))


@st.composite
def plans_within(draw: st.DrawFn, able: Capabilities) -> RoutePlan:
    """A plan of a router with these capabilities."""
    bound = draw(st.lists(st.integers(1, WHOLE // able.resolution - 1), max_size=1 if able.by_replicas else 2))
    cuts = sorted({0, WHOLE, *(cut * able.resolution for cut in bound)})
    shares = [high - low for low, high in pairwise(cuts)]
    named = draw(st.permutations(SERVICES))
    plan = RoutePlan([Backend(service, share) for service, share in zip(named, shares, strict=False)])
    service = st.sampled_from(SERVICES)
    if able.mirror and draw(st.booleans()):
        step = able.mirror_resolution if able.mirror_percent else WHOLE
        plan = replace(plan, mirror=Backend(draw(service), draw(st.integers(1, WHOLE // step)) * step))
    if able.match and draw(st.booleans()):
        kinds = MATCHES if able.cookies else HEADERS.map(lambda header: RequestMatch(header=header))
        plan = replace(plan, matches=draw(st.lists(kinds, min_size=1, max_size=8)), matched=draw(service))
    if able.preview and draw(st.booleans()):
        plan = replace(plan, preview=draw(PREVIEWS), previewed=draw(service))
    if able.sticky and draw(st.booleans()):
        plan = replace(plan, sticky=Sticky(cookie="seat"))
    return plan


def read_back(at: Served, name: str) -> dict[str, Any]:
    status = at.status(ready={OLD: 1, NEW: 1, GONE: 1})
    assert status.problem is None or name == "service", status.problem
    shares = {service: share for service, share in (status.observed or {}).items() if share}
    return {
        "shares": set(shares) if able(name).by_replicas else shares,
        "mirrored": status.mirrored,
        "matched": status.matched,
        "previewed": status.previewed,
    }


def expected(plan: RoutePlan, name: str) -> dict[str, Any]:
    shares = {backend.service: backend.basis_points for backend in plan.backends if backend.basis_points}
    whole = set(shares) if len(shares) < 2 else set(SERVICES)
    return {
        "shares": whole if able(name).by_replicas else shares,
        "mirrored": plan.mirror,
        "matched": plan.matched,
        "previewed": plan.previewed,
    }


@every_router
@given(data=st.data())
def test_what_is_read_is_what_was_planned_whatever_was_there_before(name: str, data: st.DataObject) -> None:
    at = served(name)
    for plan in data.draw(st.lists(plans(name), min_size=1, max_size=3)):
        at.lead(plan)
        assert read_back(at, name) == expected(plan, name)


@every_router
@given(data=st.data())
def test_carrying_a_plan_out_again_changes_nothing(name: str, data: st.DataObject) -> None:
    at, plan = served(name), data.draw(plans(name))
    at.lead(plan)
    before = copy.deepcopy(at.objects)
    again = at.changes(plan)
    assert not any(needs_apply(at.objects.get(change.reference), change.body) for change in again)
    assert not any(change.delete for change in again)
    at.carry_out(again)
    assert at.objects == before


@every_router
@given(data=st.data())
def test_a_router_writes_only_what_it_says_it_reads(name: str, data: st.DataObject) -> None:
    at = served(name)
    for plan in data.draw(st.lists(plans(name), min_size=1, max_size=2)):
        at.lead(plan)
    assert {change.reference for change in at.writes} <= set(at.references)


@every_router
def test_before_anything_was_written_nothing_is_observed(name: str) -> None:
    status = Served(ROUTERS[name]).status()
    assert (status.exists, status.owned, dict(status.written), status.observed) == (False, False, {}, None)


PLAN = RoutePlan([Backend(OLD, 9000), Backend(NEW, 1000)])


@every_router
@pytest.mark.parametrize(
    ("backends", "said"),
    [
        ([Backend(OLD, 500)], "500 in total"),
        ([Backend(OLD, 9000), Backend(NEW, 2000)], "11000 in total"),
        ([Backend(OLD, 5000), Backend(OLD, 5000)], "named twice"),
    ],
)
def test_shares_that_a_gateway_would_read_otherwise_are_refused(name: str, backends: list[Backend], said: str) -> None:
    assert said in served(name).refusal(RoutePlan(backends))


@pytest.mark.parametrize("share", [-1, 10_001])
def test_a_share_outside_of_the_whole_is_refused(share: int) -> None:
    with pytest.raises(ValueError, match="0 to 10000"):
        Backend("a", share)


@every_router
def test_what_a_router_cannot_do_is_refused_with_its_field_and_what_to_do(name: str) -> None:
    can, at = able(name), served(name)
    header = HeaderMatch(name="X-Group", value="b")
    asked = {
        "it cannot copy requests": (can.mirror, replace(PLAN, mirror=Backend(NEW, WHOLE))),
        "it cannot match headers": (can.match, replace(PLAN, matches=[RequestMatch(header=header)], matched=NEW)),
        "it has no preview address": (can.preview, replace(PLAN, preview=Preview(header=header), previewed=NEW)),
        "it keeps no client": (can.sticky, replace(PLAN, sticky=Sticky(cookie="seat"))),
    }
    for words, (possible, plan) in asked.items():
        said = at.refusal(plan)
        assert (words in said) is not possible
        assert possible is (said == "")
        assert possible or said.startswith("spec.traffic.")


@every_router
@pytest.mark.parametrize(
    "plan",
    [
        replace(PLAN, matched=NEW),
        replace(PLAN, matches=[RequestMatch(header=HeaderMatch(name="a", value="b"))]),
        replace(PLAN, previewed=NEW),
        replace(PLAN, preview=Preview(hostname="preview.example")),
    ],
)
def test_half_of_a_match_or_of_a_preview_is_refused(name: str, plan: RoutePlan) -> None:
    assert served(name).refusal(plan) != ""


HOSTED = [name for name in ROUTERS if able(name).preview]


@pytest.mark.parametrize("name", HOSTED)
def test_a_preview_host_that_users_come_by_is_refused(name: str) -> None:
    plan = replace(PLAN, backends=[Backend(OLD, WHOLE)], preview=Preview(hostname="fraud.example"), previewed=NEW)
    assert "fraud.example is one of spec.traffic." in served(name).refusal(plan)


@every_router
def test_a_backend_and_copies_at_0_are_left_out(name: str) -> None:
    at = served(name).lead(RoutePlan([Backend(OLD, WHOLE), Backend(NEW, 0)], mirror=Backend(NEW, 0)))
    assert NEW not in str(at.objects)
    assert at.status().written == {OLD: WHOLE}


OWNED = [name for name in ROUTERS if name != "rule"]


@pytest.mark.parametrize("name", OWNED)
def test_an_object_of_somebody_else_is_refused_and_never_taken_over(name: str) -> None:
    for reference in served(name).lead(PLAN).objects:
        at = served(name).lead(PLAN)
        at.objects[reference]["metadata"]["ownerReferences"] = []
        said = f"{reference.kind} shop/{reference.name} exists and does not belong to this ModelDeployment"
        assert said in at.refusal(PLAN)
        status = at.status()
        assert not (status.owned and reference == at.references[0])
        assert status.owned is (said not in str(status.problem))


@pytest.mark.parametrize("name", OWNED)
def test_objects_are_labelled_owned_and_stamped_like_every_child(name: str) -> None:
    for obj in served(name).lead(PLAN).objects.values():
        assert obj["metadata"]["labels"]["slipway.dev/model-deployment"] == "fraud"
        assert [owner["name"] for owner in obj["metadata"]["ownerReferences"]] == ["fraud"]
        assert "slipway.dev/applied" in obj["metadata"]["annotations"]


@pytest.mark.parametrize("name", OWNED)
def test_labels_that_somebody_changed_are_drift_and_not_another_owner(name: str) -> None:
    at = served(name).lead(PLAN)
    for obj in at.objects.values():
        obj["metadata"]["labels"] = {}
    assert at.status().owned
    assert any(needs_apply(at.objects.get(change.reference), change.body) for change in at.changes(PLAN))


def somebodys_additions(value: Any) -> Iterator[dict[str, Any]]:
    """Every map below, for somebody to add a field to."""
    if isinstance(value, dict):
        yield value
    for below in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from somebodys_additions(below)


@pytest.mark.parametrize("name", ["traefik", "ingressNginx", "istio"])
def test_whatever_somebody_adds_to_a_route_is_taken_away_again(name: str) -> None:
    plan = replace(PLAN, mirror=Backend(NEW, 5000)) if able(name).mirror else PLAN
    at = served(name).lead(plan)
    for reference, obj in at.objects.items():
        for part in somebodys_additions(obj["spec"]):
            part["added"] = "by somebody"
            (change,) = [change for change in at.changes(plan) if change.reference == reference]
            assert needs_apply(obj, change.body)
            del part["added"]
        assert not needs_apply(obj, change.body)


@pytest.mark.parametrize("name", [name for name in ROUTERS if not able(name).observable])
def test_where_nobody_answers_a_change_counts_as_taken_up_after_its_time(name: str) -> None:
    at = served(name).lead(PLAN, now=START)
    early = at.status(now=START + timedelta(milliseconds=500), ready={OLD: 9, NEW: 1})
    assert early.observed is None
    assert early.problem is not None
    assert early.settles_in is not None
    assert 0 < early.settles_in <= 7
    late = at.status(now=START + timedelta(milliseconds=501 + early.settles_in * 1000), ready={OLD: 9, NEW: 1})
    assert late.observed == {OLD: 9000, NEW: 1000}
    assert late.settles_in is None


@pytest.mark.parametrize("name", [name for name in ROUTERS if not able(name).observable])
def test_where_an_administrator_says_how_long_a_change_takes_that_is_waited_for_and_no_more(name: str) -> None:
    at = served(name).lead(PLAN, now=START)
    for takes in (0.5, 60):
        ready = {OLD: 9, NEW: 1}
        early = at.status(now=START + timedelta(seconds=takes), ready=ready, takes=takes)
        assert early.observed is None
        assert early.settles_in == pytest.approx(1), "the API server keeps whole seconds"
        assert at.status(now=START + timedelta(seconds=takes + 1), ready=ready, takes=takes).observed == early.written


@pytest.mark.parametrize("name", [name for name in ROUTERS if not able(name).observable])
def test_a_clock_that_went_back_makes_a_change_wait_no_longer_than_its_time(name: str) -> None:
    status = served(name).lead(PLAN, now=LATER).status(now=START)
    assert status.settles_in is not None
    assert status.settles_in <= 7


@pytest.mark.parametrize("name", [name for name in ROUTERS if not able(name).observable])
def test_a_status_that_somebody_writes_is_no_change(name: str) -> None:
    at = served(name).lead(PLAN, now=START)
    for obj in at.objects.values():
        entry = {"manager": "other", "operation": "Update", "subresource": "status", "time": "2026-03-01T11:00:00Z"}
        obj["metadata"]["managedFields"].append(entry)
    assert at.status(now=LATER).settles_in is None
