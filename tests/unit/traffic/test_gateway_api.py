"""The HTTPRoute: what is written, and when it is in force."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.traffic.builders import OWNER, UID, a_route, a_traffic, an_answer, as_served_route

from slipway.api import ANNOTATION_APPLIED, GatewayTraffic
from slipway.traffic import GATEWAY_API, WHOLE, Backend, RouteStatus, route_manifest, route_status


def read(live: dict[str, Any] | None, traffic: GatewayTraffic | None = None, uid: str = UID) -> RouteStatus:
    return route_status(live, owner_uid=uid, namespace="shop", traffic=traffic or a_traffic())


# --- what is written


def test_a_route_is_named_labelled_owned_and_stamped_like_every_child() -> None:
    metadata = a_route()["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("fraud", "shop")
    assert metadata["labels"]["slipway.dev/model-deployment"] == "fraud"
    assert metadata["ownerReferences"] == [OWNER]
    assert ANNOTATION_APPLIED in metadata["annotations"]


def test_shares_are_weights_out_of_ten_thousand() -> None:
    (rule,) = a_route(backends=[Backend("a", 9975), Backend("b", 25)])["spec"]["rules"]
    assert rule["name"] == "model"
    assert rule["backendRefs"] == [
        {"name": "a", "port": 80, "weight": 9975},
        {"name": "b", "port": 80, "weight": 25},
    ]


def test_a_backend_at_0_is_left_out() -> None:
    (rule,) = a_route(backends=[Backend("a", WHOLE), Backend("b", 0)])["spec"]["rules"]
    assert [backend["name"] for backend in rule["backendRefs"]] == ["a"]


@pytest.mark.parametrize("backends", [[], [Backend("a", 0)]])
def test_a_route_without_a_backend_keeps_its_rule(backends: list[Backend]) -> None:
    (rule,) = a_route(backends=backends)["spec"]["rules"]
    assert rule["backendRefs"] == []


def test_the_users_parents_hosts_and_path_are_written() -> None:
    traffic = a_traffic(
        {"name": "public", "namespace": "edge", "sectionName": "https"},
        {"name": "internal"},
        hostnames=["fraud.example"],
        path="/v2",
    )
    spec = a_route(traffic=traffic)["spec"]
    assert spec["parentRefs"] == [
        {"name": "public", "namespace": "edge", "sectionName": "https"},
        {"name": "internal"},
    ]
    assert spec["hostnames"] == ["fraud.example"]
    assert spec["rules"][0]["matches"] == [{"path": {"type": "PathPrefix", "value": "/v2"}}]


@pytest.mark.parametrize(
    ("backends", "said"),
    [
        ([Backend("a", 500)], "500 in total"),
        ([Backend("a", 9000), Backend("b", 2000)], "11000 in total"),
        ([Backend("a", 5000), Backend("a", 5000)], "named twice"),
    ],
)
def test_shares_that_a_gateway_would_read_otherwise_are_refused(backends: list[Backend], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        route_manifest(model_deployment="fraud", namespace="shop", traffic=a_traffic(), backends=backends, owner=OWNER)


@pytest.mark.parametrize("share", [-1, 10_001])
def test_a_share_outside_of_the_whole_is_refused(share: int) -> None:
    with pytest.raises(ValueError, match="0 to 10000"):
        Backend("a", share)


# --- what is read


def test_no_route_is_no_problem_yet() -> None:
    status = read(None)
    assert status == RouteStatus(exists=False, owned=False, written={}, accepted=False, problem=None)
    assert status.observed is None


def test_shares_are_observed_when_every_parent_has_taken_up_the_latest_generation() -> None:
    status = read(as_served_route(a_route(), an_answer()))
    assert status == RouteStatus(
        exists=True, owned=True, written={"fraud-old": 9000, "fraud-new": 1000}, accepted=True, problem=None
    )
    assert status.observed == {"fraud-old": 9000, "fraud-new": 1000}


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([], "no controller has answered for Gateway shop/public"),
        ([an_answer({"name": "other"})], "no controller has answered for Gateway shop/public"),
        ([an_answer({"namespace": "edge"})], "no controller has answered for Gateway shop/public"),
        ([an_answer({"sectionName": "http"})], "no controller has answered for Gateway shop/public"),
        ([an_answer({"kind": "Service", "group": ""})], "no controller has answered for Gateway shop/public"),
        ([an_answer(generation=2)], "Gateway shop/public has not taken up the latest version of the route yet"),
        ([an_answer(ResolvedRefs_generation=2)], "has not taken up the latest version"),
        ([an_answer(Accepted_generation=2)], "has not taken up the latest version"),
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
        ([an_answer(Accepted=("False", "Old"), generation=2)], "has not taken up the latest version"),
    ],
)
def test_shares_are_not_observed_before_that_and_the_reason_is_said(answers: list[Any], said: str) -> None:
    status = read(as_served_route(a_route(), *answers))
    assert not status.accepted
    assert status.observed is None
    assert status.written == {"fraud-old": 9000, "fraud-new": 1000}
    assert status.problem is not None
    assert said in status.problem


def test_each_listener_that_is_named_has_to_answer() -> None:
    traffic = a_traffic({"name": "public", "sectionName": "http"}, {"name": "public", "sectionName": "https"})
    http, https = ({"sectionName": name, "namespace": "shop"} for name in ("http", "https"))
    route = a_route(traffic=traffic)
    half = read(as_served_route(route, an_answer(http)), traffic)
    assert half.problem == "no controller has answered for Gateway shop/public, listener https"
    assert read(as_served_route(route, an_answer(http), an_answer(https)), traffic).accepted
    refused = read(as_served_route(route, an_answer(http), an_answer(https, Accepted="False")), traffic)
    assert refused.problem is not None
    assert "listener https: Accepted is False" in refused.problem


def test_a_newer_answer_counts_and_a_left_over_one_of_another_controller_does_not() -> None:
    leftover = an_answer(Accepted="False", generation=1, controller="example.com/before")
    assert read(as_served_route(a_route(), leftover, an_answer(generation=4))).accepted


def test_one_current_refusal_outweighs_an_acceptance() -> None:
    refusing = an_answer(ResolvedRefs="False", controller="example.com/other")
    assert not read(as_served_route(a_route(), an_answer(), refusing)).accepted


@pytest.mark.parametrize(
    "edit",
    [
        lambda metadata: metadata.pop("ownerReferences"),
        lambda metadata: metadata["ownerReferences"][0].update(uid="uid-of-the-fraud-before"),
    ],
)
def test_a_route_of_somebody_else_is_refused(edit: Any) -> None:
    live = as_served_route(a_route(), an_answer())
    edit(live["metadata"])
    status = read(live)
    assert (status.exists, status.owned, status.observed) == (True, False, None)
    assert status.problem is not None
    assert "HTTPRoute shop/fraud exists and does not belong to this ModelDeployment" in status.problem


@pytest.mark.parametrize(
    "edit",
    [
        lambda metadata: metadata.pop("labels"),
        lambda metadata: metadata["labels"].update({"slipway.dev/model-deployment": "other"}),
    ],
)
def test_a_route_whose_labels_were_changed_is_still_ours_to_repair(edit: Any) -> None:
    live = as_served_route(a_route(), an_answer())
    edit(live["metadata"])
    assert read(live).owned


def _written(backends: Any, **rule: Any) -> dict[str, int]:
    live = as_served_route(a_route(), an_answer())
    live["spec"]["rules"] = [{"name": "model", "backendRefs": backends, **rule}]
    return dict(read(live).written)


def test_foreign_weights_are_read_as_the_shares_that_they_are() -> None:
    assert _written([{"name": "a", "weight": 3}, {"name": "b"}]) == {"a": 7500, "b": 2500}
    assert _written([{"name": "a", "weight": 1}, {"name": "b", "weight": 1}, {"name": "c", "weight": 1}]) == {
        "a": 3334,
        "b": 3333,
        "c": 3333,
    }


def test_a_service_that_is_referred_to_without_a_share_is_known() -> None:
    mirror = [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "shadow", "port": 80}}}]
    assert _written([{"name": "a", "weight": 1}, {"name": "b", "weight": 0}], filters=mirror) == {
        "a": WHOLE,
        "b": 0,
        "shadow": 0,
    }


def test_rules_and_backends_of_others_have_no_share_of_ours() -> None:
    live = as_served_route(a_route(), an_answer())
    live["spec"]["rules"].append({"name": "extra", "backendRefs": [{"name": "fraud-gone", "port": 80}]})
    live["spec"]["rules"][0]["backendRefs"].append({"name": "fraud-old", "namespace": "other", "weight": 5000})
    live["spec"]["rules"][0]["backendRefs"].append({"name": "x", "kind": "ServiceImport", "weight": 5000})
    assert read(live).written == {"fraud-old": 9000, "fraud-new": 1000, "fraud-gone": 0}


def test_a_route_without_rules_has_nothing_written() -> None:
    live = as_served_route(a_route(), an_answer())
    del live["spec"]["rules"]
    assert read(live).written == {}


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 1_000_000), min_size=1))
def test_shares_are_ten_thousand_in_total_and_within_one_of_exact(weights: dict[str, int]) -> None:
    written = _written([{"name": name, "weight": weight} for name, weight in weights.items()])
    total = sum(weights.values())
    assert written.keys() == weights.keys()
    assert sum(written.values()) == (WHOLE if total else 0)
    for name, weight in weights.items():
        assert abs(written[name] * total - weight * WHOLE) <= total


@given(st.lists(st.integers(1, WHOLE), min_size=1, max_size=6))
def test_what_is_written_is_what_is_read(parts: list[int]) -> None:
    bounds = sorted({0, WHOLE, *(part - 1 for part in parts)})
    shares = {f"s{index}": high - low for index, (low, high) in enumerate(pairwise(bounds))}
    route = a_route(backends=[Backend(name, share) for name, share in shares.items()])
    assert read(as_served_route(route, an_answer())).observed == shares


def test_the_gateway_api_is_a_router() -> None:
    assert GATEWAY_API.CAPABILITIES.observable
    assert GATEWAY_API.CAPABILITIES.resolution == 1
    assert GATEWAY_API.route_status(None, owner_uid=UID, namespace="shop", traffic=a_traffic()) == read(None)
