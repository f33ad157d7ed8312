"""Ingress beside the Gateway: the same Traefik, through real HTTP, and what both say of where they are."""

import pytest
from sandbox.runtime.kit import Space, a_deployment, a_service, eventually, get

from slipway_sandbox.client import Manifest, Resource

INGRESSES = Resource("networking.k8s.io", "v1", "ingresses", "Ingress")
GATEWAYS = Resource("gateway.networking.k8s.io", "v1", "gateways", "Gateway")

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


def an_ingress(host: str, service: str = "web", path: str = "/", **spec: str) -> Manifest:
    backend = {"service": {"name": service, "port": {"name": "http"}}}
    rule = {"host": host, "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "ingress"},
        "spec": {**spec, "rules": [rule]},
    }


@pytest.mark.parametrize("spec", [{"ingressClassName": "traefik"}, {}], ids=["class", "default class"])
async def test_an_ingress_leads_to_the_pods_of_its_service_and_says_where_it_is(
    space: Space, spec: dict[str, str]
) -> None:
    host = f"{space.name}.example"
    await space.apply(a_deployment(), a_service(), an_ingress(host, path="/api", **spec))
    await space.rolled_out("web")

    async def answered() -> bool:
        return (await get(f"{space.sandbox.gateway_url}/api/x", Host=host))[0] == 200

    await eventually(answered)
    assert (await get(f"{space.sandbox.gateway_url}/other", Host=host))[0] == 404

    async def addressed() -> bool:
        status = (await space.get(INGRESSES, "ingress")).get("status", {})
        return [entry.get("ip") for entry in status.get("loadBalancer", {}).get("ingress") or ()] == ["127.0.0.1"]

    await eventually(addressed)


async def test_the_gateway_says_its_address_and_that_it_is_programmed(space: Space) -> None:
    async def told() -> bool:
        status = (await space.client.get(GATEWAYS, "default", "sandbox")).get("status", {})
        conditions = {entry["type"]: entry["status"] for entry in status.get("conditions") or ()}
        addressed = status.get("addresses") == [{"type": "IPAddress", "value": "127.0.0.1"}]
        return addressed and conditions.get("Accepted") == conditions.get("Programmed") == "True"

    await eventually(told)
