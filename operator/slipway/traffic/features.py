"""What an implementation of the Gateway API says of itself, in its GatewayClass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

MIRROR: Final = "HTTPRouteRequestMirror"
MIRROR_PERCENT: Final = "HTTPRouteRequestPercentageMirror"

HEADER_PATTERNS: Final = "slipway.dev/HTTPRouteHeaderPatternMatching"
"""Matching a header by a regular expression. The Gateway API leaves it to implementations, and has no name for it."""

_WITH_HEADER_PATTERNS: Final = frozenset(
    {
        "traefik.io/gateway-controller",
        "gateway.envoyproxy.io/gatewayclass-controller",
        "istio.io/gateway-controller",
    }
)
"""Controllers that do it, by their code. Of any other it is not known, so what needs it is refused: some take such a
match and let every request through."""


RESPONSE_HEADERS: Final = "slipway.dev/HTTPRouteBackendResponseHeaderModification"
"""Changing the headers of the answers of one backend among several. The Gateway API has a name for the headers of
requests, and tests that they are changed for the right backend; for answers it leaves it to implementations."""

_WITH_RESPONSE_HEADERS: Final = frozenset(
    {
        "traefik.io/gateway-controller",
        "gateway.envoyproxy.io/gatewayclass-controller",
        "istio.io/gateway-controller",
    }
)
"""Controllers that do it, by their code, where they list both of what it is made of. Others refuse the whole route."""

_MADE_OF: Final = frozenset({"HTTPRouteBackendRequestHeaderModification", "HTTPRouteResponseHeaderModification"})


def gateway_features(gateway_classes: Iterable[Mapping[str, Any] | None]) -> frozenset[str] | None:
    """What all of these GatewayClasses support, for `Router.capabilities`; None when there is none of them.

    A class that was never looked at by its controller lists no features, and nor does an older controller: both can do
    what every implementation has to.
    """
    known = [_features(found) for found in gateway_classes if found is not None]
    return frozenset.intersection(*known) if known else None


def _features(gateway_class: Mapping[str, Any]) -> frozenset[str]:
    listed = (gateway_class.get("status") or {}).get("supportedFeatures") or []
    # The first releases of the field listed plain names.
    names = {feature["name"] if isinstance(feature, Mapping) else str(feature) for feature in listed}
    if (gateway_class.get("spec") or {}).get("controllerName") in _WITH_HEADER_PATTERNS:
        names.add(HEADER_PATTERNS)
    if (gateway_class.get("spec") or {}).get("controllerName") in _WITH_RESPONSE_HEADERS and names >= _MADE_OF:
        names.add(RESPONSE_HEADERS)
    return frozenset(names)
