"""Objects with what every object needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from slipway.cluster import CRD, MODEL_DEPLOYMENT, NAMESPACE, Kind, Object


def an_object(kind: Kind, name: str = "fraud", **parts: Any) -> Object:
    metadata: Object = {"name": name} | ({"namespace": "shop"} if kind.namespaced else {})
    metadata |= parts.pop("metadata", {})
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata} | parts


def a_namespace(name: str) -> Object:
    return an_object(NAMESPACE, name)


def a_crd() -> Object:
    """The smallest CRD that serves ModelDeployments, so that the contract does not depend on their schema."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    conditions = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {"type": "object", "required": ["type"], "properties": {"type": {"type": "string"}}} | anything,
    }
    status = anything | {"properties": {"conditions": conditions}}
    version = {
        "name": MODEL_DEPLOYMENT.version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": status}}},
    }
    names = {
        "kind": "ModelDeployment",
        "listKind": "ModelDeploymentList",
        "plural": "modeldeployments",
        "singular": "modeldeployment",
    }
    spec = {"group": MODEL_DEPLOYMENT.group, "scope": "Namespaced", "names": names, "versions": [version]}
    return an_object(CRD, "modeldeployments.slipway.dev", spec=spec)


def a_kubeconfig(path: Path, server: str, user: Object, **cluster: Any) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
        "clusters": [{"name": "c", "cluster": {"server": server} | cluster}],
        "users": [{"name": "u", "user": user}],
    }
    file = path / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    return str(file)
