"""The Job that follows from drift, such as one that trains a model anew. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from slipway.api import LABEL_MODEL_DEPLOYMENT, LABEL_REVISION, DriftJob, child_labels
from slipway.release import short_hash
from slipway.workload.manifests import Object, Owner
from slipway.workload.quantity import canonical_quantity

CONTAINER: Final = "job"

TRIES: Final = 3
"""Pods that the Job may use up."""

KEPT_SECONDS: Final = 7 * 24 * 3600
"""How long a Job that has ended is there to be looked at."""

_LONGEST_STEM: Final = 48
"""Characters of the ModelDeployment's name in that of the Job, which becomes a label: 63 at most."""


def reaction_job(
    job: DriftJob,
    *,
    model_deployment: str,
    namespace: str,
    full_hash: str,
    owner: Owner,
    firing: str,
    facts: Mapping[str, str],
) -> Object:
    """The Job of a firing, under a name that is made of the firing's id. `facts` are variables of the operator, which
    the user's own may refer to and replace.

    Nothing of it can be used to become more than its author is: no token, no privilege, no root, no path of the node.
    Its pods do not carry the labels by which a revision's Service and Deployment find theirs.
    """
    labels = child_labels(model_deployment=model_deployment, component="reaction", revision=short_hash(full_hash))
    own = {key: value for key, value in labels.items() if key not in (LABEL_MODEL_DEPLOYMENT, LABEL_REVISION)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{model_deployment[:_LONGEST_STEM].rstrip('-')}-drift-{firing[:8]}",
            "namespace": namespace,
            "labels": labels,
            "ownerReferences": [owner.reference()],
        },
        "spec": {
            "backoffLimit": TRIES - 1,
            "activeDeadlineSeconds": max(1, math.ceil(job.timeout.total_seconds())),
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {
                "metadata": {"labels": own},
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [_container(job, facts)],
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                },
            },
        },
    }


def _container(job: DriftJob, facts: Mapping[str, str]) -> Object:
    declared = [variable.model_dump(mode="json", by_alias=True, exclude_none=True) for variable in job.env or ()]
    names = {variable["name"] for variable in declared}
    # the kubelet expands $(NAME) in values; a doubled dollar is a plain one
    ours = [{"name": name, "value": value.replace("$", "$$")} for name, value in facts.items() if name not in names]
    container: Object = {
        "name": CONTAINER,
        "image": job.image,
        "env": [*ours, *declared],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    for key, words in (("command", job.command), ("args", job.args)):
        if words:
            container[key] = list(words)
    if job.resources is not None:
        amounts = {"requests": job.resources.requests, "limits": job.resources.limits}
        container["resources"] = {
            kind: {name: canonical_quantity(amount) for name, amount in some.items()}
            for kind, some in amounts.items()
            if some
        }
    return container
