"""What a person with the chart's role `edit` may try, on an API server that enforces the chart's roles and rules.

Each attack is one that the threat model (docs/security.md) names and that no other test tries: fields that become more
than their author is, references into other namespaces, and the record that only the operator writes. The last test is
about the operator itself: what whoever took it over could become.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chart.kit import PROFILES, Chart, Manifest, granted, of_kind
from chart.people import SHOP, somebody, with_rules
from sandbox.apiserver.conftest import Client
from sandbox.rollout.kit import NAME, a_release, merge

REVISIONS = SHOP.replace("modeldeployments", "modelrevisions")

SECRET = {"name": "token", "key": "token"}
HONEST: Manifest = {
    "release": {"container": {"env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": SECRET}}]}},
    "analysis": {
        "metrics": [
            {
                "name": "errors",
                "prometheus": {
                    "url": "https://prometheus.example",
                    "auth": {"bearer": SECRET},
                    "bad": ["failed_total"],
                    "total": ["requests_total"],
                },
                "comparison": {"margin": 0.01},
            },
            {"name": "safety", "job": {"image": "jobs.example/check:1"}, "threshold": {"max": 0.05}},
        ]
    },
}
"""Something beside which fields can be smuggled in: a container, a Secret, a Job."""

PRIVILEGE: Manifest = {
    "hostNetwork": True,
    "hostPID": True,
    "hostIPC": True,
    "hostUsers": True,
    "automountServiceAccountToken": True,
    "securityContext": {
        "privileged": True,
        "procMount": "Unmasked",
        "seccompProfile": {"type": "Unconfined"},
        "seLinuxOptions": {"type": "spc_t"},
        "supplementalGroups": [0],
        "sysctls": [{"name": "kernel.msgmax", "value": "1"}],
        "capabilities": {"add": ["SYS_ADMIN"]},
    },
    "volumes": [{"name": "node", "hostPath": {"path": "/"}}],
    "volumeMounts": [{"name": "node", "mountPath": "/node"}],
    "initContainers": [{"name": "evil", "image": "evil"}],
    "containers": [{"name": "evil", "image": "evil"}],
    "ephemeralContainers": [{"name": "evil", "image": "evil"}],
    "nodeName": "control-plane",
    "schedulerName": "evil",
    "shareProcessNamespace": True,
    "hostAliases": [{"ip": "127.0.0.1", "hostnames": ["evil"]}],
    "envFrom": [{"secretRef": {"name": "evil"}}],
    "lifecycle": {"postStart": {"exec": {"command": ["evil"]}}},
    "resourceClaims": [{"name": "evil"}],
}
"""Fields of pods and containers by which one becomes more than one is. None of them is the API's."""


def everywhere(fields: Manifest) -> Manifest:
    """The honest release with fields at each place where a pod or a container is described."""
    manifest = a_release("v1", **HONEST)
    spec = manifest["spec"]
    for place in (spec["release"]["pod"], spec["release"]["container"], spec["analysis"]["metrics"][1]["job"]):
        place.update(fields)
    return manifest


def elsewhere(manifest: Manifest) -> Manifest:
    """The manifest with a namespace beside each name of a Secret."""
    spec = manifest["spec"]
    for place in (
        spec["release"]["container"]["env"][0]["valueFrom"]["secretKeyRef"],
        spec["analysis"]["metrics"][0]["prometheus"]["auth"]["bearer"],
    ):
        place["namespace"] = "vault"
    return manifest


def with_variable(source: Manifest) -> Manifest:
    """What makes a variable of the container come from somewhere."""
    return {"release": {"container": {"env": [{"name": "A", "valueFrom": source}]}}}


@pytest.mark.parametrize(
    "smuggling",
    [everywhere(PRIVILEGE), elsewhere(a_release("v1", **HONEST))],
    ids=["privilege", "Secrets of another namespace"],
)
async def test_fields_that_are_not_the_apis_are_refused_or_dropped(
    admin: Client, chart: Chart, smuggling: Manifest
) -> None:
    await with_rules(admin, chart)
    editor = await somebody(admin, "editor", "view", "edit")
    strict = await editor.post(SHOP, smuggling, fieldValidation="Strict")
    assert strict.status == 400
    assert "unknown field" in strict.body["message"]
    careless = await editor.post(SHOP, smuggling, fieldValidation="Ignore")
    assert careless.status == 201, careless.body
    found = careless.body["spec"]
    if smuggling["spec"]["release"]["pod"].keys() & PRIVILEGE.keys():
        assert found["release"]["pod"].pop("securityContext") == {}  # it has fields of its own, and none of these
    assert found == a_release("v1", **HONEST)["spec"]


@pytest.mark.parametrize(
    ("attack", "field"),
    [
        ({"release": {"pod": {"serviceAccountName": "kube-system/admin"}}}, "spec.release.pod.serviceAccountName"),
        ({"release": {"pod": {"imagePullSecrets": [{"name": "vault/token"}]}}}, "imagePullSecrets[0].name"),
        (with_variable({"secretKeyRef": {**SECRET, "name": "vault/token"}}), "secretKeyRef.name"),
        (with_variable({"fieldRef": {"fieldPath": "spec.containers"}}), "fieldRef.fieldPath"),
        ({"traffic": {"gateway": {"route": {"name": "other/public", "rule": "r"}, "parentRefs": None}}}, "route.name"),
        ({"traffic": {"gateway": {"hostnames": ["a.example`) || Host(`b.example"]}}}, "hostnames[0]"),
        ({"traffic": {"gateway": {"path": "/a`) || PathPrefix(`/"}}}, "gateway.path"),
        ({"release": {"pod": {"securityContext": {"runAsUser": 0}}}}, "pod.securityContext.runAsUser"),
        ({"release": {"container": {"image": "a.example/x:1 --privileged"}}}, "container.image"),
    ],
    ids=["account", "pull secret", "secret", "field", "route", "hostname", "path", "root", "image"],
)  # fmt: skip
async def test_names_lead_to_nothing_but_objects_of_the_own_namespace(
    admin: Client, chart: Chart, attack: Manifest, field: str
) -> None:
    await with_rules(admin, chart)
    refused = await admin.post(SHOP, merge(a_release("v1"), {"spec": attack}))
    assert refused.status == 422, refused.body
    assert any(cause.endswith(field) for cause in refused.causes), refused.causes


async def test_nobody_but_the_operator_writes_what_a_rollout_has_come_to(admin: Client, chart: Chart) -> None:
    await with_rules(admin, chart)
    editor = await somebody(admin, "editor", "view", "edit", "command")
    forged: dict[str, Any] = {"status": {"phase": "Ready", "stable": {"version": "evil"}}}
    created = await editor.post(SHOP, {**a_release("v1"), **forged})
    assert created.status == 201
    assert "stable" not in created.body.get("status", {})
    assert (await editor.merge(f"{SHOP}/{NAME}/status", forged)).status == 403
    assert (await editor.call("PUT", f"{SHOP}/{NAME}/status", {**created.body, **forged})).status == 403
    assert (await editor.apply(f"{SHOP}/{NAME}/status", {**a_release("v1"), **forged}, "f", force="true")).status == 403
    past = await editor.merge(f"{SHOP}/{NAME}", forged)
    assert "stable" not in past.body.get("status", {})
    name = f"{NAME}-00000000"
    revision = {"apiVersion": "slipway.dev/v1alpha1", "kind": "ModelRevision", "metadata": {"name": name}}
    assert (await editor.post(REVISIONS, revision)).status == 403
    assert (await editor.merge(f"{REVISIONS}/{name}", {"spec": {}})).status == 403
    assert (await editor.merge(f"{REVISIONS}/{name}/status", forged)).status == 403
    assert (await editor.delete(f"{REVISIONS}/{name}")).status == 403


async def test_the_verb_for_commands_ends_with_its_namespace(admin: Client, chart: Chart) -> None:
    await with_rules(admin, chart)
    owner = await somebody(admin, "owner", "view", "edit", "command")
    shop = SHOP.replace("/default/", "/other/")
    await admin.post("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}})
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "owner"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "ops-rel-slipway-edit",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "owner", "namespace": "default"}],
    }
    assert (await admin.post("/apis/rbac.authorization.k8s.io/v1/namespaces/other/rolebindings", binding)).status == 201
    command = {"metadata": {"annotations": {"slipway.dev/command": "abort@75619859#a1"}}}
    assert (await owner.post(shop, a_release("v1"))).status == 201
    assert (await owner.merge(f"{shop}/{NAME}", command)).status == 403
    assert (await owner.post(SHOP, merge(a_release("v1"), command))).status == 201


POWERFUL = {
    "pods", "pods/exec", "pods/attach", "pods/portforward", "pods/ephemeralcontainers", "replicasets", "daemonsets",
    "statefulsets", "cronjobs", "nodes", "nodes/proxy", "serviceaccounts", "serviceaccounts/token", "roles",
    "rolebindings", "clusterroles", "clusterrolebindings", "customresourcedefinitions", "secrets",
    "mutatingwebhookconfigurations", "validatingwebhookconfigurations", "validatingadmissionpolicies",
    "certificatesigningrequests", "persistentvolumes", "namespaces", "endpoints", "endpointslices",
}  # fmt: skip
"""Resources of which a write gives its author more than it has. Deployments and Jobs are such ones too, and the
operator has to create them: that is why its scope can be narrowed."""


@pytest.mark.parametrize("profile", [None, *PROFILES], ids=lambda path: path.stem if path else "defaults")
def test_the_operator_can_neither_give_rights_nor_go_through_secrets(chart: Chart, profile: Path | None) -> None:
    objects = chart.objects(profile)
    accounts = {obj["metadata"]["name"] for obj in of_kind(objects, "ServiceAccount")} or {"rel-slipway"}
    rights = {right for account in accounts for right in granted(objects, account)}
    assert not [right for right in rights if right[3] in {"impersonate", "escalate", "bind", "approve", "sign"}]
    assert not [right for right in rights if right[2] in POWERFUL and right[3] not in {"get", "list", "watch"}]
    assert not [right for right in rights if right[2] == "secrets" and (right[3] != "get" or right[0] == "*")]
    assert not [right for right in rights if right[2] in {"nodes/proxy", "serviceaccounts/token"}]
