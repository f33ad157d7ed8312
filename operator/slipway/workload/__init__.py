"""Manifests of what a ModelDeployment owns, and what the cluster says of it. Pure: dicts in, dicts out.

Raw dicts are the right currency here. A manifest is compared with what an API server returns, which knows more fields
than any model of ours, and is written by server-side apply, where a field that is not said is as much of a statement
as one that is.

`manifests` builds the children of a revision, `podspec` the pod inside, and both are the same for the same release
for ever. `autoscaler` builds what scales a revision. `drift` says whether
the cluster still has them as applied. `fleet` reads Deployments and pods, and `unscaled` autoscalers: counts for the
machine, and one sentence, which names the field to fix, for the person. `quantity` knows how an API server writes an
amount.
"""

from slipway.workload.autoscaler import autoscaler_manifest
from slipway.workload.drift import needs_apply
from slipway.workload.fleet import FleetStatus, fleet_status, pod_problem
from slipway.workload.manifests import (
    Object,
    Owner,
    Role,
    deployment_manifest,
    disruption_budget_manifest,
    revision_manifest,
    service_manifest,
)
from slipway.workload.podspec import CONTAINER_NAME, DEFAULT_PORT, SLEEPS_SINCE, NamedPort, drains, named_ports
from slipway.workload.quantity import canonical_quantity, quantity_value
from slipway.workload.reaction import reaction_job
from slipway.workload.unscaled import autoscaler_problem

__all__ = [
    "CONTAINER_NAME",
    "DEFAULT_PORT",
    "SLEEPS_SINCE",
    "FleetStatus",
    "NamedPort",
    "Object",
    "Owner",
    "Role",
    "autoscaler_manifest",
    "autoscaler_problem",
    "canonical_quantity",
    "deployment_manifest",
    "disruption_budget_manifest",
    "drains",
    "fleet_status",
    "named_ports",
    "needs_apply",
    "pod_problem",
    "quantity_value",
    "reaction_job",
    "revision_manifest",
    "service_manifest",
]
