"""The kinds that the operator touches, and where the API serves each.

A table instead of discovery: the operator knows what it was written for, discovery costs requests at every start, and a
kind that is not in the table is a programming error that should be loud.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

Object = dict[str, Any]
"""A raw API object, exactly as its JSON."""

Objects = list[Object]
"""What a list returns; a name of its own, because `list` is a verb of `Cluster`."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of API object: what identifies it in a manifest, and what its address is made of."""

    group: str
    """The API group; empty for the core group."""
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    stored: bool = True
    """False for a question that is answered and not kept: it has no name."""

    @property
    def api_version(self) -> str:
        """What a manifest says under `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """The address of one object, or of the collection when there is no name.

        A namespaced kind without a namespace is the collection of all namespaces. Names are quoted, so that no name
        that came from a manifest can reach another address. Raises ValueError for a name without the namespace that it
        needs, and for `.` and `..`, which no object can be called and no quoting protects.
        """
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", namespace]
        elif self.namespaced and name is not None:
            raise ValueError(f"{self.kind} {name} is namespaced: say in which namespace")
        parts += [part for part in (self.plural, name, subresource) if part is not None]
        if "." in parts or ".." in parts:
            raise ValueError(f"{self.kind} {namespace}/{name}: no object can have such a name")
        return "/" + "/".join(quote(part, safe="") for part in parts)


MODEL_DEPLOYMENT = Kind("slipway.dev", "v1alpha1", "ModelDeployment", "modeldeployments")
"""What users write."""
MODEL_REVISION = Kind("slipway.dev", "v1alpha1", "ModelRevision", "modelrevisions")
"""One release, resolved and immutable, with its history."""
MODEL_RUNTIME = Kind("slipway.dev", "v1alpha1", "ModelRuntime", "modelruntimes")
"""How models of a format are served in a namespace."""
CLUSTER_MODEL_RUNTIME = Kind("slipway.dev", "v1alpha1", "ClusterModelRuntime", "clustermodelruntimes", namespaced=False)
"""The same for every namespace."""
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")
"""Runs the pods of a revision."""
JOB = Kind("batch", "v1", "Job", "jobs")
"""Does one thing beside the operator, and ends."""
SERVICE = Kind("", "v1", "Service", "services")
"""The public name of a ModelDeployment, and one for each revision."""
POD = Kind("", "v1", "Pod", "pods")
"""Read for the reasons of a failure; never watched."""
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
"""Holds golden sets."""
SECRET = Kind("", "v1", "Secret", "secrets")
"""Read by the name that a user gives, at each look; never listed, watched or kept."""
EVENT = Kind("", "v1", "Event", "events")
"""What `kubectl describe` tells of a decision."""
ENDPOINT_SLICE = Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
"""The addresses of a revision's pods."""
HORIZONTAL_POD_AUTOSCALER = Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
"""Keeps a revision's pods at what the load needs."""
SCALED_OBJECT = Kind("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects")
"""The same, from the triggers of KEDA."""
POD_DISRUPTION_BUDGET = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
"""Says how many of a revision's pods may be evicted at a time."""
HTTP_ROUTE = Kind("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")
"""Carries the weights."""
INGRESS = Kind("networking.k8s.io", "v1", "Ingress", "ingresses")
"""Carries the weights for ingress-nginx, in annotations."""
INGRESS_ROUTE = Kind("traefik.io", "v1alpha1", "IngressRoute", "ingressroutes")
"""Says what Traefik matches."""
TRAEFIK_SERVICE = Kind("traefik.io", "v1alpha1", "TraefikService", "traefikservices")
"""Carries the weights and the copies for Traefik."""
VIRTUAL_SERVICE = Kind("networking.istio.io", "v1", "VirtualService", "virtualservices")
"""Carries the weights and the copies for Istio."""
GATEWAY = Kind("gateway.networking.k8s.io", "v1", "Gateway", "gateways")
"""What a route attaches to."""
GATEWAY_CLASS = Kind("gateway.networking.k8s.io", "v1", "GatewayClass", "gatewayclasses", namespaced=False)
"""Says which implementation serves a Gateway."""
CRD = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
"""Looked up at the start, so that a missing one is said instead of waited for."""
NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
"""Where everything of one ModelDeployment lives."""
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")
"""Held by the replica that leads."""
TOKEN_REVIEW = Kind("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", namespaced=False, stored=False)
"""Asks whose token it is that came with a report."""
SELF_REVIEW = Kind(
    "authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", namespaced=False, stored=False
)
"""Asks who one is."""
ACCESS_REVIEW = Kind(
    "authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False, stored=False
)
"""Asks whether somebody of another namespace may report."""

KINDS = (
    MODEL_DEPLOYMENT,
    MODEL_REVISION,
    MODEL_RUNTIME,
    CLUSTER_MODEL_RUNTIME,
    DEPLOYMENT,
    JOB,
    SERVICE,
    POD,
    CONFIG_MAP,
    SECRET,
    EVENT,
    ENDPOINT_SLICE,
    HORIZONTAL_POD_AUTOSCALER,
    SCALED_OBJECT,
    POD_DISRUPTION_BUDGET,
    HTTP_ROUTE,
    INGRESS,
    INGRESS_ROUTE,
    TRAEFIK_SERVICE,
    VIRTUAL_SERVICE,
    GATEWAY,
    GATEWAY_CLASS,
    CRD,
    NAMESPACE,
    LEASE,
    TOKEN_REVIEW,
    SELF_REVIEW,
    ACCESS_REVIEW,
)
"""All of them."""

_BY_NAME = {(kind.api_version, kind.kind): kind for kind in KINDS}


def kind_of(obj: Mapping[str, Any]) -> Kind:
    """The kind that an object says it is. Raises ValueError for one that is not in the table above."""
    named = (str(obj.get("apiVersion")), str(obj.get("kind")))
    try:
        return _BY_NAME[named]
    except KeyError:
        raise ValueError(f"{named[1]} in {named[0]} is not a kind that the operator handles") from None
