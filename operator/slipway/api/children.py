"""What every object that Slipway creates carries: a fixed set of labels, and a stamp of the manifest it was applied
from.

The labels are the same for every user. The ModelDeployment's own labels and annotations are never copied: tools that
find their objects by such a label, Argo CD with ``app.kubernetes.io/instance`` first of all, would take the children
for objects that are not in git, and prune them for ever.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from slipway.api.common import GROUP, LABEL_MODEL_DEPLOYMENT, LABEL_REVISION, LABEL_ROLE

ANNOTATION_APPLIED: Final = f"{GROUP}/applied"
"""On every child: a short hash of the manifest that it was applied from. It moves when a field is dropped from the
manifest, which no comparison of the manifest with the live object can see."""

Component = Literal["model", "revision", "route", "feedback", "reaction", "job", "verification"]
"""What a child is for: it serves the model, records a release, leads traffic to it, holds reports, is what follows
from drift, measures something, or verifies what a release is made of."""

SERVICE_PORT: Final = 80
"""The port of a revision's Service that takes inference requests, whatever the container listens on: routes point at it."""

_STAMP_LENGTH: Final = 16


def child_labels(
    *, model_deployment: str, component: Component, revision: str | None = None, role: str | None = None
) -> dict[str, str]:
    """The labels of a child. `revision` is the short hash of the release; `role` is stable or candidate."""
    labels = {
        "app.kubernetes.io/name": model_deployment,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "slipway",
        "app.kubernetes.io/managed-by": "slipway",
        LABEL_MODEL_DEPLOYMENT: model_deployment,
    }
    if revision is not None:
        labels[LABEL_REVISION] = revision
    if role is not None:
        labels[LABEL_ROLE] = role
    return labels


def stamped(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest with `ANNOTATION_APPLIED` over all of the rest of it. The same manifest gives the same stamp for
    ever."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    stamp = hashlib.sha256(text.encode()).hexdigest()[:_STAMP_LENGTH]
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), ANNOTATION_APPLIED: stamp}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}
