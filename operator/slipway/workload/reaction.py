"""The Job that follows from drift, such as one that trains a model anew. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from slipway.api import DriftJob
from slipway.workload.job import JobPod, job_manifest
from slipway.workload.manifests import Object, Owner

KEPT: Final = timedelta(days=7)
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

    It is a component of its own: Jobs that measure a candidate are ended when nobody waits for them any more, and
    nobody ever waits for this one.
    """
    return job_manifest(
        name=f"{model_deployment[:_LONGEST_STEM].rstrip('-')}-drift-{firing[:8]}",
        model_deployment=model_deployment,
        namespace=namespace,
        full_hash=full_hash,
        owner=owner,
        pod=JobPod(
            image=job.image,
            command=job.command or (),
            args=job.args or (),
            facts=facts,
            env=job.env or (),
            resources=job.resources,
        ),
        timeout=job.timeout,
        component="reaction",
        kept=KEPT,
    )
