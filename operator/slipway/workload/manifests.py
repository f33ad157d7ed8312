"""What a ModelDeployment owns for one release: its record, its pods and its address inside the cluster.

Each builder is total: every field that the operator owns is in every manifest, so that server-side apply repairs
whatever somebody changed and removes whatever the operator no longer says.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from slipway.api import (
    API_VERSION,
    LABEL_MODEL_DEPLOYMENT,
    LABEL_REVISION,
    MODEL_REVISION_KIND,
    SERVICE_PORT,
    Component,
    DisruptionBudget,
    FrozenRuntime,
    ReleaseSpec,
    child_labels,
    stamped,
)
from slipway.release import revision_name, short_hash
from slipway.workload.adapters import with_adapters
from slipway.workload.delivery import Fetch, delivered
from slipway.workload.forms import ANNOTATION_FORM, FORMS, form_of, newest_form
from slipway.workload.podspec import as_written, drains, free_name, named_ports

Object = dict[str, Any]
"""A raw API object, exactly as its JSON."""

Role = Literal["stable", "candidate", "none"]
"""What a revision is to its ModelDeployment; one that only waits to be scaled down has no role, and no role label."""

SERVICE_PORT_NAME: Final = "http"


@dataclass(frozen=True, slots=True)
class Owner:
    """The object that a child is deleted with."""

    api_version: str
    kind: str
    name: str
    uid: str

    def reference(self) -> dict[str, Any]:
        """The owner reference that a child carries.

        `controller` is true: one owner decides, and other controllers leave the child alone. `blockOwnerDeletion` is
        false. Setting it true needs the right to update the owner's ``finalizers`` wherever the admission plugin
        OwnerReferencesPermissionEnforcement is on, as it is in OpenShift, and would buy nothing: the garbage
        collector removes the children either way, and nothing waits for them to be gone before the ModelDeployment
        is.
        """
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }


def child_metadata(
    *, model_deployment: str, namespace: str, full_hash: str, owner: Owner, component: Component, role: Role = "none"
) -> Object:
    """Name, labels and owner of a child of a revision: the same for every kind of child."""
    return {
        "name": revision_name(model_deployment, full_hash),
        "namespace": namespace,
        "labels": child_labels(
            model_deployment=model_deployment,
            component=component,
            revision=short_hash(full_hash),
            role=None if role == "none" else role,
        ),
        "ownerReferences": [owner.reference()],
    }


def pod_selector(model_deployment: str, full_hash: str) -> dict[str, str]:
    """What finds a revision's pods. Immutable in a Deployment, so it holds nothing that can ever change."""
    return {LABEL_MODEL_DEPLOYMENT: model_deployment, LABEL_REVISION: short_hash(full_hash)}


def revision_manifest(
    *,
    model_deployment: str,
    namespace: str,
    release: Mapping[str, Any],
    full_hash: str,
    owner: Owner,
    runtime: FrozenRuntime | None = None,
    mlflow: str | None = None,
) -> Object:
    """The ModelRevision of a release. `release` is ``spec.release`` as the API server stores it, word for word.

    It is recorded raw, not as our models read it: what was hashed is what an auditor can hash again. Beside it stand
    the runtime that it was settled with, and the MLflow server of its addresses.
    """
    settled: Object = {} if runtime is None else {"runtime": as_written(runtime)}
    if mlflow is not None:
        settled["mlflowTrackingUri"] = mlflow
    return stamped(
        {
            "apiVersion": API_VERSION,
            "kind": MODEL_REVISION_KIND,
            "metadata": child_metadata(
                model_deployment=model_deployment,
                namespace=namespace,
                full_hash=full_hash,
                owner=owner,
                component="revision",
            ),
            "spec": {
                "modelDeployment": model_deployment,
                "hash": full_hash,
                "release": copy.deepcopy(dict(release)),
                **settled,
            },
        }
    )


def deployment_manifest(
    *,
    model_deployment: str,
    namespace: str,
    release: ReleaseSpec,
    full_hash: str,
    replicas: int,
    role: Role,
    owner: Owner,
    drain: bool = False,
    fetch: Fetch | None = None,
    live: Mapping[str, Any] | None = None,
) -> Object:
    """The Deployment that runs a revision's pods. With `drain` they pause before they end, with `fetch` the model's
    files are in them before they serve.

    `live` is the Deployment where there is one already. Its pods stay what they were born as, whatever `drain` says and
    whatever newer versions of the operator give to new pods: anything else would restart the fleet on an upgrade.

    The role is a label of the Deployment alone: in the pod template it would restart the fleet at promotion. No old
    ReplicaSet is kept, because a revision never changes: going back is another revision's Deployment. The number of
    pods is no part of the stamp: it is always said, and an autoscaler that changed it has not made another manifest.
    """
    form = newest_form() if live is None else form_of(live)
    if live is not None and form > newest_form():  # a newer version of the operator made it: nobody here knows how
        template = copy.deepcopy(live["spec"]["template"])
    else:
        pods = FORMS[form - 1](release, drain=drain if live is None else drains(live))
        if fetch is not None:
            pods = with_adapters(delivered(pods, release, fetch), release, fetch)
        template = _template(model_deployment, full_hash, pods)
    metadata = child_metadata(
        model_deployment=model_deployment,
        namespace=namespace,
        full_hash=full_hash,
        owner=owner,
        component="model",
        role=role,
    )
    manifest = stamped(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata if form == 1 else metadata | {"annotations": {ANNOTATION_FORM: str(form)}},
            "spec": {
                "revisionHistoryLimit": 0,
                "selector": {"matchLabels": pod_selector(model_deployment, full_hash)},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
                "template": template,
            },
        }
    )
    return {**manifest, "spec": {"replicas": replicas, **manifest["spec"]}}


def _template(model_deployment: str, full_hash: str, pods: Object) -> Object:
    labels = child_labels(model_deployment=model_deployment, component="model", revision=short_hash(full_hash))
    return {"metadata": {"labels": labels}, "spec": pods}


def _service_ports(release: ReleaseSpec) -> list[Object]:
    first, *others = named_ports(release)
    ports = [{"name": SERVICE_PORT_NAME, "port": SERVICE_PORT, "targetPort": first.name, "protocol": "TCP"}]
    taken = {port.name for port in (first, *others)}
    for port in others:
        if port.number != SERVICE_PORT:
            name = free_name(port.number, taken) if port.name == SERVICE_PORT_NAME else port.name
            ports.append({"name": name, "port": port.number, "targetPort": port.name, "protocol": "TCP"})
    return ports


def service_manifest(
    *, model_deployment: str, namespace: str, release: ReleaseSpec, full_hash: str, role: Role, owner: Owner
) -> Object:
    """The Service of a revision: port 80 leads to the first container port, the others keep their numbers.

    A further container port that is itself 80 is not repeated here, because the Service's 80 is taken; the pods are
    reached at it all the same.
    """
    return stamped(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": child_metadata(
                model_deployment=model_deployment,
                namespace=namespace,
                full_hash=full_hash,
                owner=owner,
                component="model",
                role=role,
            ),
            "spec": {
                "type": "ClusterIP",
                "selector": pod_selector(model_deployment, full_hash),
                "publishNotReadyAddresses": False,
                "ports": _service_ports(release),
            },
        }
    )


def disruption_budget_manifest(
    *, model_deployment: str, namespace: str, budget: DisruptionBudget, full_hash: str, role: Role, owner: Owner
) -> Object:
    """The PodDisruptionBudget of a revision: what is declared holds for the pods of each revision by itself.

    Pods that are not ready may always be evicted. By default they may not while fewer are ready than the budget asks
    for, and a candidate that does not come up would keep nodes from being drained.
    """
    declared = {"minAvailable": budget.min_available, "maxUnavailable": budget.max_unavailable}
    return stamped(
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": child_metadata(
                model_deployment=model_deployment,
                namespace=namespace,
                full_hash=full_hash,
                owner=owner,
                component="model",
                role=role,
            ),
            "spec": {
                **{name: amount for name, amount in declared.items() if amount is not None},
                "selector": {"matchLabels": pod_selector(model_deployment, full_hash)},
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
            },
        }
    )
