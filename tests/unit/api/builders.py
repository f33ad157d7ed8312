"""A ModelDeployment as a user writes it, and small changes of it."""

from __future__ import annotations

import copy
from typing import Any

_MANIFEST: dict[str, Any] = {
    "spec": {
        "replicas": 2,
        "release": {
            "model": {"name": "fraud", "version": "1.4.0", "uri": "s3://models/fraud"},
            "container": {"image": "registry.example/fraud:1.4.0", "ports": [{"containerPort": 8080}]},
        },
        "strategy": {"canary": {"steps": [{"weight": 10, "minDuration": "30s"}, {"weight": 50}]}},
        "traffic": {"gateway": {"parentRefs": [{"name": "public"}], "hostnames": ["fraud.example"]}},
        "analysis": {
            "interval": "1s",
            "metrics": [
                {"name": "errors", "gateway": {}, "comparison": {"margin": 0.01}, "threshold": {"max": 0.05}},
                {
                    "name": "accuracy",
                    "goldenSet": {"configMap": {"name": "golden", "key": "items.jsonl"}},
                    "nonInferiority": {"margin": 0.02},
                    "threshold": {"min": 0.85},
                },
            ],
        },
    }
}

REMOVED = object()
"""As a value: take the member out."""


def a_manifest(path: str = "", value: Any = REMOVED) -> dict[str, Any]:
    """A good manifest, with one value changed at a path such as `spec.strategy.canary.steps.0.weight`."""
    manifest = copy.deepcopy(_MANIFEST)
    if path:
        parent: Any = manifest
        *way, last = (int(part) if part.isdigit() else part for part in path.split("."))
        for part in way:
            parent = parent[part] if isinstance(part, int) else parent.setdefault(part, {})
        if value is REMOVED:
            del parent[last]
        else:
            parent[last] = value
    return manifest
