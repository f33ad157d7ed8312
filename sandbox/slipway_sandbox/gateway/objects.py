"""The objects that make the running Traefik a usable Gateway."""

from typing import Final

from slipway_sandbox.client import Manifest

GATEWAY_CLASS: Final = "traefik"
GATEWAY_NAME: Final = "sandbox"
GATEWAY_NAMESPACE: Final = "default"
LISTENER: Final = "web"
API_VERSION: Final = "gateway.networking.k8s.io/v1"


def gateway_objects(port: int) -> list[Manifest]:
    """The GatewayClass and the IngressClass `traefik`, and the Gateway `default/sandbox` that takes all routes.

    The listener's port has to be the entry point's: Traefik serves no listener whose port it does not listen on.
    """
    return [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {
                "name": GATEWAY_CLASS,
                "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"},
            },
            "spec": {"controller": "traefik.io/ingress-controller"},
        },
        {
            "apiVersion": API_VERSION,
            "kind": "GatewayClass",
            "metadata": {"name": GATEWAY_CLASS},
            "spec": {"controllerName": "traefik.io/gateway-controller"},
        },
        {
            "apiVersion": API_VERSION,
            "kind": "Gateway",
            "metadata": {"name": GATEWAY_NAME, "namespace": GATEWAY_NAMESPACE},
            "spec": {
                "gatewayClassName": GATEWAY_CLASS,
                "listeners": [
                    {
                        "name": LISTENER,
                        "protocol": "HTTP",
                        "port": port,
                        "allowedRoutes": {"namespaces": {"from": "All"}},
                    }
                ],
            },
        },
    ]
