"""People in a cluster with the chart's CRDs, roles and rules: an API server that enforces them, and no operator."""

from __future__ import annotations

from typing import Any, Final

from chart.kit import Chart, of_kind
from sandbox.apiserver.conftest import Client

SHOP: Final = "/apis/slipway.dev/v1alpha1/namespaces/default/modeldeployments"
FOLDERS: Final = {
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ValidatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
}


async def with_rules(admin: Client, chart: Chart, **values: Any) -> None:
    """The chart's CRDs, roles and rules, as a cluster has them after its installation."""
    for obj in of_kind(chart.objects(values), *FOLDERS):
        if obj["kind"] == "CustomResourceDefinition":
            await admin.define(obj)
        else:
            made = await admin.post(FOLDERS[obj["kind"]], obj)
            assert made.status == 201, made.body


async def somebody(admin: Client, name: str, *roles: str) -> Client:
    """A service account to which roles of the chart are bound in the default namespace."""
    for role in roles:
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": f"{name}-{role}"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": f"ops-rel-slipway-{role}",
            },
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "default"}],
        }
        bound = await admin.post("/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", binding)
        assert bound.status == 201, bound.body
    return await admin.as_account(name)
