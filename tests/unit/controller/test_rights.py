"""What is said of a right that the operator's role lacks."""

from __future__ import annotations

import pytest

from slipway.cluster import Forbidden, Invalid
from slipway.controller.rights import with_remedy


def lacking(resource: str, group: str) -> Forbidden:
    user = 'User "system:serviceaccount:slipway-system:slipway"'
    scope = f'cannot get resource "{resource}" in API group "{group}" in the namespace "shop"'
    return Forbidden(f'get X shop/fraud: 403 Forbidden: {resource}.{group} "fraud" is forbidden: {user} {scope}')


@pytest.mark.parametrize(
    ("resource", "group", "value"),
    [
        ("ingressroutes", "traefik.io", "permissions.traefik"),
        ("virtualservices", "networking.istio.io", "permissions.istio"),
        ("ingresses", "networking.k8s.io", "permissions.ingressNginx"),
        ("jobs", "batch", "permissions.jobs"),
        ("secrets", "", "permissions.secrets"),
    ],
)
def test_a_right_that_is_lacking_is_told_with_the_value_that_grants_it(resource: str, group: str, value: str) -> None:
    said = with_remedy(lacking(resource, group))
    assert said.endswith(f"; the operator's role lacks this right: set {value} in the chart's values")


def test_a_right_that_no_value_takes_away_comes_with_the_roles() -> None:
    assert with_remedy(lacking("services", "")).endswith("install the roles of the chart's present version")


@pytest.mark.parametrize(
    "error",
    [
        Forbidden(
            "apply Deployment shop/fraud: 403 Forbidden: exceeded quota: pods, requested: 1, used: 2, limited: 2"
        ),
        Invalid("apply HTTPRoute shop/fraud: 422 Invalid: spec.hostnames: too many"),
    ],
)
def test_what_is_no_question_of_rights_is_told_as_it_is(error: Exception) -> None:
    assert with_remedy(error) == str(error)
