"""What users write: ModelDeployments, golden sets and Gateways that are fine unless a test says otherwise."""

from __future__ import annotations

import json
from typing import Any

from slipway.cluster import CONFIG_MAP, GATEWAY, GATEWAY_CLASS, HTTP_ROUTE, MODEL_DEPLOYMENT, Object

NAMESPACE = "shop"
GOLDEN = "fraud-golden-set"
KEY = "golden.jsonl"

ACCURACY: dict[str, Any] = {
    "name": "accuracy",
    "goldenSet": {"configMap": {"name": GOLDEN, "key": KEY}, "timeout": "10s", "maxRequestsPerSecond": 10_000},
    "threshold": {"min": 0.6},
    "comparison": {"margin": 0.02},
}
ERRORS: dict[str, Any] = {"name": "errors", "gateway": {}, "comparison": {"margin": 0.005}, "minSamples": 20}


def a_release(version: str, **container: Any) -> Object:
    return {
        "model": {"name": "fraud", "version": version},
        "container": {"image": "models.example/fraud:1", **container},
    }


def a_model_deployment(version: str = "v1", *, name: str = "fraud", **spec: Any) -> Object:
    """Keywords are fields of the spec; `release` replaces the one of `version`."""
    return {
        "apiVersion": MODEL_DEPLOYMENT.api_version,
        "kind": MODEL_DEPLOYMENT.kind,
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"app.kubernetes.io/instance": "shop-apps"},
            "annotations": {"argocd.argoproj.io/tracking-id": "shop-apps:slipway.dev/ModelDeployment:shop/fraud"},
        },
        "spec": {
            "replicas": 2,
            "release": a_release(version),
            "strategy": {"canary": {"steps": [{"weight": 10, "minDuration": "5s"}, {"weight": 50}, {"weight": 100}]}},
            "traffic": {"gateway": {"parentRefs": [{"name": "public"}]}},
            "analysis": {"interval": "10s", "maxDuration": "10m", "metrics": [ACCURACY, ERRORS]},
            "rollback": {"progressDeadline": "2m", "scaleDownDelay": "30s"},
            **spec,
        },
        "status": {"observedGeneration": -1},  # the CRD's default
    }


def golden_text(items: int = 8) -> str:
    """Item n expects n modulo 2; a model finds n in its input."""
    tensor = {"name": "x", "shape": [1], "datatype": "INT64"}
    return "\n".join(
        json.dumps({"id": f"g{n:04}", "inputs": [tensor | {"data": [n]}], "expected": [n % 2]}) for n in range(items)
    )


def a_golden_set(text: str | None = None, *, key: str = KEY, **data: str) -> Object:
    return {
        "apiVersion": CONFIG_MAP.api_version,
        "kind": CONFIG_MAP.kind,
        "metadata": {"name": GOLDEN, "namespace": NAMESPACE},
        "data": {key: golden_text() if text is None else text} | data,
    }


def a_gateway() -> Object:
    return {
        "apiVersion": GATEWAY.api_version,
        "kind": GATEWAY.kind,
        "metadata": {"name": "public", "namespace": NAMESPACE},
        "spec": {
            "gatewayClassName": "test",
            "listeners": [{"name": "web", "port": 8000, "protocol": "HTTP"}],
        },
    }


def a_gateway_class() -> Object:
    return {
        "apiVersion": GATEWAY_CLASS.api_version,
        "kind": GATEWAY_CLASS.kind,
        "metadata": {"name": "test"},
        "spec": {"controllerName": "example.com/gw"},
    }


def a_foreign_route(name: str = "fraud") -> Object:
    return {
        "apiVersion": HTTP_ROUTE.api_version,
        "kind": HTTP_ROUTE.kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"parentRefs": [{"name": "public"}], "rules": [{"backendRefs": [{"name": "old-shop", "port": 80}]}]},
    }
