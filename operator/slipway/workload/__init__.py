"""Manifests of what a ModelDeployment owns, and what the cluster says of it. Pure: dicts in, dicts out.

Raw dicts are the right currency here. A manifest is compared with what an API server returns, which knows more fields
than any model of ours, and is written by server-side apply, where a field that is not said is as much of a statement
as one that is.

`manifests` builds the children of a revision, `podspec` the pod inside, and both are the same for the same release for
ever; `forms` numbers the forms that pods have been given, so that an upgrade restarts nobody's. `autoscaler` builds
what scales a revision. `delivery` puts the model's files into a pod. `job` builds a Job that runs beside it, and says
how that ended. `drift` says whether the cluster still has them as applied. `fleet` reads Deployments and pods, and
`unscaled` autoscalers: counts for the machine, and one sentence, which names the field to fix, for the person.
`quantity` knows how an API server writes an amount.
"""

from slipway.workload.autoscaler import autoscaler_manifest
from slipway.workload.delivery import (
    CLAIM,
    FETCH_CONTAINER,
    FOLDER,
    PLACE,
    Fetch,
    claim_of,
    fetches_with,
    found_at,
    means_of,
    plain,
    refused_bytes,
)
from slipway.workload.drift import needs_apply
from slipway.workload.fleet import FleetStatus, fleet_status, pod_problem
from slipway.workload.forms import ANNOTATION_FORM, FORMS, PodForm
from slipway.workload.job import (
    RESULT_PATH,
    JobPod,
    JobState,
    JobVolume,
    Progress,
    job_manifest,
    job_name,
    job_state,
)
from slipway.workload.manifests import (
    Object,
    Owner,
    Role,
    deployment_manifest,
    disruption_budget_manifest,
    revision_manifest,
    service_manifest,
)
from slipway.workload.podspec import (
    CONTAINER_NAME,
    SLEEPS_SINCE,
    NamedPort,
    drains,
    model_ports,
    named_ports,
    placement_of,
)
from slipway.workload.quantity import canonical_quantity, quantity_value
from slipway.workload.reaction import reaction_job
from slipway.workload.unscaled import autoscaler_problem

__all__ = [
    "ANNOTATION_FORM",
    "CLAIM",
    "CONTAINER_NAME",
    "DEFAULT_PORT",
    "FETCH_CONTAINER",
    "FOLDER",
    "FORMS",
    "PLACE",
    "RESULT_PATH",
    "SLEEPS_SINCE",
    "Fetch",
    "FleetStatus",
    "JobPod",
    "JobState",
    "JobVolume",
    "NamedPort",
    "Object",
    "Owner",
    "PodForm",
    "Progress",
    "Role",
    "autoscaler_manifest",
    "autoscaler_problem",
    "canonical_quantity",
    "claim_of",
    "found_at",
    "deployment_manifest",
    "disruption_budget_manifest",
    "drains",
    "fetches_with",
    "fleet_status",
    "job_manifest",
    "job_name",
    "job_state",
    "means_of",
    "model_ports",
    "named_ports",
    "needs_apply",
    "placement_of",
    "plain",
    "pod_problem",
    "quantity_value",
    "reaction_job",
    "refused_bytes",
    "revision_manifest",
    "service_manifest",
]
