"""What is said of Gateways that cannot serve the route."""

from __future__ import annotations

from typing import Any

import pytest
from unit.traffic.builders import a_traffic

from slipway.traffic import gateway_problem


def a_listener(name: str = "http", protocol: str = "HTTP", **allowed: Any) -> dict[str, Any]:
    return {
        "name": name,
        "port": 80,
        "protocol": protocol,
        "allowedRoutes": {"namespaces": {"from": "Same"}} | allowed,
    }


def a_gateway(*listeners: dict[str, Any], conditions: Any = (), generation: int = 1) -> dict[str, Any]:
    return {
        "metadata": {"name": "public", "generation": generation},
        "spec": {"gatewayClassName": "traefik", "listeners": list(listeners) or [a_listener()]},
        "status": {"conditions": list(conditions)},
    }


def a_condition(kind: str, status: str, generation: int = 1) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": "Because", "message": "so", "observedGeneration": generation}


def problem_of(gateway: Any, parent: Any = None, classes: Any = None, labels: Any = None) -> str | None:
    parent = parent or {"name": "public"}
    return gateway_problem(
        {(parent.get("namespace", "shop"), "public"): gateway},
        classes,
        traffic=a_traffic(parent),
        namespace="shop",
        namespace_labels=labels,
    )


ELSEWHERE = {"name": "public", "namespace": "edge"}
FROM_ALL = {"namespaces": {"from": "All"}}
BY_LABEL = {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"ml": "yes"}}}}


def test_a_gateway_that_serves_is_no_problem() -> None:
    conditions = [a_condition("Accepted", "True"), a_condition("Programmed", "True")]
    assert problem_of(a_gateway(conditions=conditions)) is None


def test_a_gateway_that_was_not_looked_at_is_no_problem() -> None:
    assert gateway_problem({}, traffic=a_traffic(), namespace="shop") is None


def test_a_missing_gateway_is_named_with_the_field_that_names_it() -> None:
    said = gateway_problem(
        {("shop", "public"): a_gateway(), ("edge", "wrong"): None},
        traffic=a_traffic({"name": "public"}, {"name": "wrong", "namespace": "edge"}),
        namespace="shop",
    )
    assert (
        said == "spec.traffic.gateway.parentRefs[1]: Gateway edge/wrong does not exist: create it, or name another one"
    )


def test_a_missing_gateway_without_a_namespace_tells_where_it_was_looked_for() -> None:
    assert "does not exist in the ModelDeployment's namespace shop" in str(problem_of(None))


@pytest.mark.parametrize(
    ("gateway", "parent", "said"),
    [
        (
            a_gateway(a_listener("web"), a_listener("tls")),
            {"name": "public", "sectionName": "http"},
            "has no listener named http: sectionName is one of web, tls",
        ),
        (
            a_gateway(),
            ELSEWHERE,
            "does not allow routes from namespace shop: see allowedRoutes.namespaces of listener http",
        ),
        (a_gateway({"name": "bare", "protocol": "HTTP"}), ELSEWHERE, "of listener bare"),
        (
            a_gateway(a_listener("tcp", "TCP"), a_listener("tls", "TLS")),
            None,
            "has no listener that takes an HTTPRoute",
        ),
        (a_gateway(a_listener(kinds=[{"kind": "GRPCRoute"}])), None, "has no listener that takes an HTTPRoute"),
        (a_gateway(conditions=[a_condition("Programmed", "False")]), None, "is not programmed: Because: so"),
        (a_gateway(conditions=[a_condition("Accepted", "False")]), None, "is not accepted: Because: so"),
    ],
)
def test_a_gateway_that_cannot_serve_the_route_is_told_why(gateway: Any, parent: Any, said: str) -> None:
    problem = problem_of(gateway, parent)
    assert problem is not None
    assert problem.startswith("spec.traffic.gateway.parentRefs[0]: Gateway ")
    assert said in problem


@pytest.mark.parametrize(
    ("gateway", "parent"),
    [
        (a_gateway(a_listener(**FROM_ALL)), ELSEWHERE),
        (a_gateway(a_listener(), a_listener("open", **FROM_ALL)), ELSEWHERE),
        (a_gateway(a_listener(**BY_LABEL)), ELSEWHERE),  # the namespace's labels are not known
        (a_gateway(a_listener("own", "example.com/quic")), None),
        (a_gateway(a_listener(kinds=[{"kind": "HTTPRoute"}])), None),
        (a_gateway(conditions=[a_condition("Programmed", "Unknown")]), None),
        (a_gateway(conditions=[a_condition("Programmed", "False", generation=1)], generation=2), None),
        ({"spec": {}}, None),
    ],
)
def test_what_is_not_known_for_sure_is_no_problem(gateway: Any, parent: Any) -> None:
    assert problem_of(gateway, parent) is None


@pytest.mark.parametrize(
    ("expression", "labels", "let_in"),
    [
        ({"key": "ml", "operator": "In", "values": ["yes"]}, {"ml": "yes"}, True),
        ({"key": "ml", "operator": "In", "values": ["yes"]}, {}, False),
        ({"key": "ml", "operator": "NotIn", "values": ["no"]}, {}, True),
        ({"key": "ml", "operator": "NotIn", "values": ["no"]}, {"ml": "no"}, False),
        ({"key": "ml", "operator": "Exists"}, {"ml": "no"}, True),
        ({"key": "ml", "operator": "Exists"}, {}, False),
        ({"key": "ml", "operator": "DoesNotExist"}, {}, True),
        ({"key": "ml", "operator": "DoesNotExist"}, {"ml": ""}, False),
        ({"key": "ml", "operator": "Newer"}, {}, True),  # not known
    ],
)
def test_a_listener_that_selects_namespaces_is_read_with_the_namespaces_labels(
    expression: Any, labels: Any, let_in: bool
) -> None:
    selector = {"namespaces": {"from": "Selector", "selector": {"matchExpressions": [expression]}}}
    assert (problem_of(a_gateway(a_listener(**selector)), ELSEWHERE, labels=labels) is None) is let_in
    assert problem_of(a_gateway(a_listener(**BY_LABEL)), ELSEWHERE, labels={"ml": "yes"}) is None
    assert problem_of(a_gateway(a_listener(**BY_LABEL)), ELSEWHERE, labels={"ml": "no"}) is not None


def test_a_class_that_no_controller_serves_is_said() -> None:
    assert "GatewayClass traefik, which does not exist" in str(problem_of(a_gateway(), classes={"traefik": None}))
    refused = {"metadata": {"generation": 1}, "status": {"conditions": [a_condition("Accepted", "False")]}}
    assert "which is not accepted: Because" in str(problem_of(a_gateway(), classes={"traefik": refused}))
    assert problem_of(a_gateway(), classes={"other": None}) is None
