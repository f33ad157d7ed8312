"""Addresses of objects."""

from __future__ import annotations

import pytest

from slipway.cluster import CONFIG_MAP, CRD, HTTP_ROUTE, MODEL_DEPLOYMENT, Kind, kind_of


@pytest.mark.parametrize(
    ("kind", "namespace", "name", "subresource", "path"),
    [
        (CONFIG_MAP, "shop", "golden", None, "/api/v1/namespaces/shop/configmaps/golden"),
        (CONFIG_MAP, "shop", None, None, "/api/v1/namespaces/shop/configmaps"),
        (CONFIG_MAP, None, None, None, "/api/v1/configmaps"),
        (CRD, None, "x.y", None, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/x.y"),
        (CRD, "ignored", "x.y", None, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/x.y"),
        (HTTP_ROUTE, "shop", "a", "status", "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/a/status"),
        (CONFIG_MAP, "a/b", "../x", None, "/api/v1/namespaces/a%2Fb/configmaps/..%2Fx"),
    ],
)
def test_an_address_is_made_of_kind_namespace_and_name(
    kind: Kind, namespace: str | None, name: str | None, subresource: str | None, path: str
) -> None:
    assert kind.path(namespace, name, subresource) == path


def test_a_name_needs_its_namespace() -> None:
    with pytest.raises(ValueError, match="ConfigMap golden is namespaced"):
        CONFIG_MAP.path(None, "golden")


@pytest.mark.parametrize("name", [".", ".."])
def test_no_name_climbs_to_another_address(name: str) -> None:
    with pytest.raises(ValueError, match="no object can have such a name"):
        CONFIG_MAP.path("shop", name)
    with pytest.raises(ValueError, match="no object can have such a name"):
        CONFIG_MAP.path(name, "golden")


def test_an_object_says_its_kind() -> None:
    assert kind_of({"apiVersion": "slipway.dev/v1alpha1", "kind": "ModelDeployment"}) is MODEL_DEPLOYMENT


def test_a_kind_of_the_same_name_in_another_group_is_not_ours() -> None:
    with pytest.raises(ValueError, match=r"ModelDeployment in other\.example/v1"):
        kind_of({"apiVersion": "other.example/v1", "kind": "ModelDeployment"})
