"""The kinds as clients meet them: discovery, versions, columns, the status that controllers write."""

from __future__ import annotations

import pytest
from sandbox.gatewayapi.kit import Api, a_gateway, a_route, an_object

from slipway_sandbox.gatewayapi import GROUP, crds

pytestmark = pytest.mark.asyncio(loop_scope="session")

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
SERVED = {
    "v1": {
        "backendtlspolicies", "gatewayclasses", "gateways", "grpcroutes", "httproutes", "listenersets",
        "referencegrants", "tcproutes", "tlsroutes", "udproutes",
    },
    "v1beta1": {"gatewayclasses", "gateways", "httproutes", "referencegrants"},
}  # fmt: skip
SHORT = {
    "gatewayclasses": ["gc"], "gateways": ["gtw"], "listenersets": ["lset"], "referencegrants": ["refgrant"],
    "backendtlspolicies": ["btlspolicy"],
}  # fmt: skip
WITHOUT_STATUS = {"referencegrants"}


@pytest.mark.parametrize("version", SERVED)
async def test_discovery_lists_the_kinds_of_a_version(api: Api, version: str) -> None:
    listed = (await api.call("GET", f"/apis/{GROUP}/{version}")).body["resources"]
    kinds = {each["name"]: each for each in listed if "/" not in each["name"]}
    assert set(kinds) == SERVED[version]
    assert {name for name, each in kinds.items() if not each["namespaced"]} == {"gatewayclasses"}
    assert all(each["categories"] == ["gateway-api"] for each in kinds.values())
    assert {name: each["shortNames"] for name, each in kinds.items() if "shortNames" in each} == {
        name: short for name, short in SHORT.items() if name in kinds
    }
    with_status = {each["name"].partition("/")[0] for each in listed if each["name"].endswith("/status")}
    assert with_status == SERVED[version] - WITHOUT_STATUS


async def test_an_old_client_reads_what_a_new_one_wrote(api: Api) -> None:
    route = a_route()
    route["metadata"]["name"] = "both"
    assert (await api.create(route)).accepted
    old = (await api.call("GET", f"{api.path('HTTPRoute', version='v1beta1')}/both")).body
    new = (await api.call("GET", f"{api.path('HTTPRoute')}/both")).body
    assert old["apiVersion"] == f"{GROUP}/v1beta1"
    assert old["spec"] == new["spec"]


COLUMNS = {
    "GatewayClass": ["Name", "Controller", "Accepted", "Age", "Description"],
    "Gateway": ["Name", "Class", "Address", "Programmed", "Age"],
    "ListenerSet": ["Name", "Accepted", "Programmed", "Age"],
    "HTTPRoute": ["Name", "Hostnames", "Age"],
    "GRPCRoute": ["Name", "Hostnames", "Age"],
    "TLSRoute": ["Name", "Age"],
    "ReferenceGrant": ["Name", "Age"],
}


@pytest.mark.parametrize("kind", COLUMNS)
async def test_a_kind_is_shown_in_its_columns(api: Api, kind: str) -> None:
    table = (await api.call("GET", api.path(kind), accept=TABLE)).body
    assert [column["name"] for column in table["columnDefinitions"]] == COLUMNS[kind]


async def test_a_cell_shows_where_a_gateway_stands(api: Api) -> None:
    gateway = a_gateway()
    gateway["metadata"]["name"] = "shown"
    assert (await api.create(gateway)).accepted
    path = f"{api.path('Gateway')}/shown"
    status = {"addresses": [{"value": "10.0.0.1"}], "conditions": [a_condition("Programmed", "True")]}
    assert (await api.call("PATCH", f"{path}/status", {"status": status})).accepted
    (row,) = (await api.call("GET", path, accept=TABLE)).body["rows"]
    assert row["cells"][:4] == ["shown", "c", "10.0.0.1", "True"]


def a_condition(kind: str, status: str, *, at: str = "2026-01-01T00:00:00Z") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": "Said", "message": "", "lastTransitionTime": at}


def a_parent(*conditions: dict[str, str]) -> dict[str, object]:
    return {"parentRef": {"name": "g"}, "controllerName": "example.com/gateway", "conditions": list(conditions)}


async def test_a_controller_answers_in_the_status_and_nowhere_else(api: Api) -> None:
    route = a_route()
    route["metadata"]["name"] = "answered"
    created = (await api.create({**route, "status": {"parents": [a_parent(a_condition("Accepted", "True"))]}})).body
    assert "status" not in created
    path = f"{api.path('HTTPRoute')}/answered/status"
    answer = {"status": {"parents": [a_parent(a_condition("Accepted", "True"))]}, "spec": {"hostnames": ["a.example"]}}
    found = (await api.call("PATCH", path, answer)).body
    assert found["status"]["parents"][0]["conditions"][0]["status"] == "True"
    assert "hostnames" not in found["spec"]
    assert found["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("parent", "over"),
    [
        (a_parent(), "status.parents[0].conditions"),
        (a_parent(a_condition("Accepted", "Maybe")), "status.parents[0].conditions[0].status"),
        (
            a_parent(a_condition("Accepted", "True"), a_condition("Accepted", "False")),
            "status.parents[0].conditions[1]",
        ),
        (a_parent(a_condition("Accepted", "True", at="now")), "status.parents[0].conditions[0].lastTransitionTime"),
        (a_parent(*(a_condition(f"C{i}", "True") for i in range(9))), "status.parents[0].conditions"),
    ],
    ids=["no condition", "neither true nor false", "said twice", "at no time", "nine conditions"],
)
async def test_a_controller_that_errs_is_told(api: Api, parent: dict[str, object], over: str) -> None:
    route = a_route()
    route["metadata"]["name"] = "erring"
    await api.create(route)  # by the first of these tests; none of them changes it
    path = f"{api.path('HTTPRoute')}/erring/status"
    verdict = await api.call("PATCH", path, {"status": {"parents": [parent]}})
    assert (verdict.status, verdict.complaints) == (422, [over]), verdict.messages


async def test_a_class_belongs_to_the_whole_cluster(api: Api) -> None:
    obj = an_object("GatewayClass", {"controllerName": "example.com/gateway"}, name="everywhere")
    assert "namespace" not in (await api.create(obj)).body["metadata"]


async def test_the_caller_may_change_what_it_gets() -> None:
    first = crds()
    first[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clear()
    assert crds()[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
