"""The table of routers in the documentation is what the routers say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.traffic.served import settings

from slipway.api import Traffic
from slipway.traffic import WHOLE, Capabilities, gateway_features, router_of

PAGE = Path(__file__).parents[3] / "docs" / "routers.md"

HOSTS = {"hostnames": ["fraud.example"]}
ROUTERS: dict[str, Traffic] = {
    "gateway": settings("gateway", parentRefs=[{"name": "public"}]),
    "gateway.route": settings("gateway", route={"name": "site", "rule": "score"}),
    "traefik": settings("traefik"),
    "ingressNginx": settings("ingressNginx", **HOSTS),
    "istio": settings("istio", **HOSTS),
    "service": settings("service"),
}

LISTED = gateway_features(
    [{"status": {"supportedFeatures": ["HTTPRouteRequestMirror", "HTTPRouteRequestPercentageMirror"]}}]
)
FILTERS = ["HTTPRouteBackendRequestHeaderModification", "HTTPRouteResponseHeaderModification"]
KNOWN = gateway_features(
    [{"spec": {"controllerName": "traefik.io/gateway-controller"}, "status": {"supportedFeatures": FILTERS}}]
)


def row(name: str) -> list[str]:
    """What the router says of itself without any features, with those that are listed, and with what is known."""
    router, traffic = router_of(ROUTERS[name])
    bare, listed, known = (router.capabilities(traffic=traffic, features=each) for each in (None, LISTED, KNOWN))

    def may(field: str, with_features: Capabilities, word: str) -> str:
        return "yes" if getattr(bare, field) else word if getattr(with_features, field) else "no"

    part = may("mirror_percent", listed, "if listed")
    return [
        f"`{name}`",
        "by pods" if bare.by_replicas else f"{bare.resolution / 100:g} %",
        may("mirror", listed, "if listed"),
        f"{bare.mirror_resolution / 100:g} %" if part == "yes" else part,
        may("match", known, "if known"),
        may("cookies", known, "if known"),
        may("preview", known, "if known"),
        may("sticky", known, "if known"),
        may("counters", known, "if known"),
        may("named", known, "if known"),
        may("observable", known, "if known"),
    ]


@pytest.mark.parametrize("name", ROUTERS)
def test_the_page_says_what_the_router_can_do(name: str) -> None:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{name}` |")]
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines] == [row(name)]
    assert row(name)[1] in {"by pods", f"{1 / (WHOLE / 100):g} %"}
