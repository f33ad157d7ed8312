"""What built-in kinds refuse, as the documentation of their fields says."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox.apiserver.conftest import Client

NETWORKING = "/apis/networking.k8s.io/v1/namespaces/default"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


async def refused(client: Client, path: str, kind: str, **content: Any) -> list[str]:
    """The fields that a create is refused for."""
    group = path.removeprefix("/apis/").removeprefix("/api/").split("/namespaces")[0]
    version = "/".join(group.split("/")[:2]) if path.startswith("/apis") else "v1"
    body = {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, **content}
    answer = await client.post(path, body, dryRun="All")
    assert answer.status in {201, 422}, answer.body
    return answer.causes if answer.status == 422 else []


def a_template(**container: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "c", "image": "i", **container}]}
    return {"metadata": {"labels": {"a": "b"}}, "spec": spec}


def an_ingress_path(**path: Any) -> dict[str, Any]:
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    return {"rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend, **path}]}}]}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (an_ingress_path(path="/a/../b"), "spec.rules[0].http.paths[0].path"),
        (an_ingress_path(path="a"), "spec.rules[0].http.paths[0].path"),
        (an_ingress_path(backend={}), "spec.rules[0].http.paths[0].backend"),
        (an_ingress_path(backend={"service": {"name": "s"}}), "spec.rules[0].http.paths[0].backend"),
        ({"rules": [{"host": "10.0.0.1"}]}, "spec.rules[0].host"),
        ({**an_ingress_path(), "tls": [{"hosts": ["*.*.x"]}]}, "spec.tls[0].hosts[0]"),
        ({}, "spec"),
    ],
)
async def test_an_ingress_leads_clean_paths_of_named_hosts_somewhere(
    client: Client, spec: dict[str, Any], field: str
) -> None:
    assert await refused(client, f"{NETWORKING}/ingresses", "Ingress", spec=spec) == [field]


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"ports": [{"port": 80, "endPort": 70}]}, "ports[0].endPort"),
        ({"ports": [{"endPort": 70}]}, "ports[0].endPort"),
        ({"from": [{}]}, "from[0]"),
        ({"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}, "from[0]"),
        ({"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/9"]}}]}, "from[0].ipBlock.except[0]"),
    ],
)
async def test_a_network_policy_names_ports_and_peers_that_can_be(
    client: Client, rule: dict[str, Any], field: str
) -> None:
    found = await refused(
        client, f"{NETWORKING}/networkpolicies", "NetworkPolicy", spec={"podSelector": {}, "ingress": [rule]}
    )
    assert found == [f"spec.ingress[0].{field}"]


async def test_a_role_cannot_speak_of_paths_and_a_cluster_role_not_of_both(client: Client) -> None:
    rule = {"verbs": ["get"], "nonResourceURLs": ["/x"]}
    roles = f"{RBAC}/namespaces/default/roles"
    assert await refused(client, roles, "Role", rules=[rule]) == ["rules[0].nonResourceURLs"]
    both = {**rule, "apiGroups": [""], "resources": ["pods"]}
    assert await refused(client, f"{RBAC}/clusterroles", "ClusterRole", rules=[rule]) == []
    assert await refused(client, f"{RBAC}/clusterroles", "ClusterRole", rules=[both]) == ["rules[0].nonResourceURLs"]


async def test_only_a_cluster_wide_binding_needs_the_namespace_of_an_account(client: Client) -> None:
    content = {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": "s"}],
    }
    assert await refused(client, f"{RBAC}/namespaces/default/rolebindings", "RoleBinding", **content) == []
    found = await refused(client, f"{RBAC}/clusterrolebindings", "ClusterRoleBinding", **content)
    assert found == ["subjects[0].namespace"]


@pytest.mark.parametrize(
    ("metric", "fields"),
    [
        ({"type": "Pods"}, ["pods"]),
        ({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}},
         ["resource.target.averageUtilization"]),
        ({"type": "External", "external": {"metric": {"name": "m"}, "target": {"type": "Value", "value": "-1"}}},
         ["external.target.value"]),
        ({"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "1"}},
          "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 5}}}, ["resource"]),
    ],
)  # fmt: skip
async def test_an_autoscaler_names_one_source_and_one_positive_target(
    client: Client, metric: dict[str, Any], fields: list[str]
) -> None:
    spec = {
        "maxReplicas": 3,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
        "metrics": [metric],
    }
    path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
    found = await refused(client, path, "HorizontalPodAutoscaler", spec=spec)
    assert found == [f"spec.metrics[0].{field}" for field in fields]


@pytest.mark.parametrize(
    ("container", "fields"),
    [
        ({"readinessProbe": {"httpGet": {"port": 0}}}, ["readinessProbe.httpGet.port"]),
        ({"livenessProbe": {"exec": {}}}, ["livenessProbe.exec.command"]),
        ({"lifecycle": {"preStop": {}}}, ["lifecycle.preStop"]),
        ({"env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "s"}}}]}, ["env[0].valueFrom.secretKeyRef.key"]),
        ({"env": [{"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}]},
         ["env[0].valueFrom.fieldRef.fieldPath"]),
        ({"envFrom": [{"configMapRef": {}}]}, ["envFrom[0].configMapRef.name"]),
    ],
)  # fmt: skip
async def test_a_container_says_how_it_is_probed_and_what_it_is_told(
    client: Client, container: dict[str, Any], fields: list[str]
) -> None:
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": a_template(**container)}
    found = await refused(client, "/apis/apps/v1/namespaces/default/deployments", "Deployment", spec=spec)
    assert found == [f"spec.template.spec.containers[0].{field}" for field in fields]


@pytest.mark.parametrize(
    ("toleration", "field"),
    [
        ({"operator": "Exists", "value": "v", "key": "k"}, "operator"),
        ({"value": "v"}, "operator"),
        ({"key": "k", "operator": "Exists", "tolerationSeconds": 3}, "effect"),
    ],
)
async def test_a_toleration_says_what_it_tolerates(client: Client, toleration: dict[str, Any], field: str) -> None:
    spec = {"containers": [{"name": "c", "image": "i"}], "tolerations": [toleration]}
    assert await refused(client, "/api/v1/namespaces/default/pods", "Pod", spec=spec) == [
        f"spec.tolerations[0].{field}"
    ]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"completionMode": "Indexed"}, "spec.completions"),
        ({"backoffLimitPerIndex": 1}, "spec.backoffLimitPerIndex"),
    ],
)
async def test_a_job_with_numbered_pods_says_how_many(client: Client, spec: dict[str, Any], field: str) -> None:
    template = a_template()
    template["spec"]["restartPolicy"] = "Never"
    whole = {"template": template, "parallelism": 1, **spec}
    assert await refused(client, "/apis/batch/v1/namespaces/default/jobs", "Job", spec=whole) == [field]


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ({"schedule": "0 25 * * *"}, ["spec.schedule"]),
        ({"schedule": "0 0 * * mon-fri"}, []),
        ({"timeZone": "Mars/Base"}, ["spec.timeZone"]),
        ({"timeZone": "Local"}, ["spec.timeZone"]),
    ],
)
async def test_a_cron_job_has_a_time_that_comes(client: Client, spec: dict[str, Any], fields: list[str]) -> None:
    template = a_template()
    template["spec"]["restartPolicy"] = "Never"
    whole = {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}, **spec}
    assert await refused(client, "/apis/batch/v1/namespaces/default/cronjobs", "CronJob", spec=whole) == fields


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"type": "ClusterIP", "loadBalancerClass": "c"}, "spec.loadBalancerClass"),
        ({"type": "ClusterIP", "externalTrafficPolicy": "Local"}, "spec.externalTrafficPolicy"),
        ({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]}, "spec.ports[0].nodePort"),
    ],
)
async def test_a_service_has_only_what_its_type_has(client: Client, spec: dict[str, Any], field: str) -> None:
    whole = {"ports": [{"port": 80}], **spec}
    assert await refused(client, "/api/v1/namespaces/default/services", "Service", spec=whole) == [field]


async def test_a_load_balancer_becomes_a_plain_service(client: Client) -> None:
    services = "/api/v1/namespaces/default/services"
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
    await client.post(services, {**body, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}})
    answer = await client.merge(f"{services}/s", {"spec": {"type": "ClusterIP"}})
    assert answer.status == 200
    assert "allocateLoadBalancerNodePorts" not in answer.body["spec"]


async def test_the_value_of_a_priority_class_stays(client: Client) -> None:
    classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
    assert await refused(client, classes, "PriorityClass", value=2_000_000_000) == ["value"]
    body = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "p"}, "value": 5}
    await client.post(classes, body)
    assert (await client.merge(f"{classes}/p", {"value": 6})).causes == ["value"]


async def test_a_claim_that_is_not_bound_stays_as_it_is(client: Client) -> None:
    claims = "/api/v1/namespaces/default/persistentvolumeclaims"
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await client.post(
        claims, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "p"}, "spec": spec}
    )
    answer = await client.merge(f"{claims}/p", {"spec": {"resources": {"requests": {"storage": "2Gi"}}}})
    assert answer.causes == ["spec"]


async def test_a_limit_range_is_in_order(client: Client) -> None:
    spec = {"limits": [{"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}, "default": {"cpu": "1"}}]}
    found = await refused(client, "/api/v1/namespaces/default/limitranges", "LimitRange", spec=spec)
    assert "spec.limits[0].min[cpu]" in found


async def test_the_controller_of_an_ingress_class_stays(client: Client) -> None:
    classes = "/apis/networking.k8s.io/v1/ingressclasses"
    assert await refused(client, classes, "IngressClass", spec={"controller": "plain"}) == ["spec.controller"]
    body = {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "c"}}
    await client.post(classes, {**body, "spec": {"controller": "a.example/b"}})
    answer = await client.merge(f"{classes}/c", {"spec": {"controller": "a.example/c"}})
    assert answer.causes == ["spec.controller"]


def a_service(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"ports": [{"port": 80}], **spec},
    }


async def test_two_services_share_neither_an_address_nor_a_port_of_nodes(client: Client) -> None:
    services = "/api/v1/namespaces/default/services"
    ports = [{"port": 80, "nodePort": 30080}]
    first = await client.post(services, a_service("a", type="NodePort", ports=ports))
    second = await client.post(services, a_service("b", type="NodePort", ports=ports))
    assert (second.status, second.causes) == (422, ["spec.ports[0].nodePort"])
    third = await client.post(services, a_service("c", clusterIP=first.body["spec"]["clusterIP"]))
    assert (third.status, third.causes) == (422, ["spec.clusterIPs"])


async def test_a_pod_has_the_priority_of_its_class(client: Client) -> None:
    pods = "/api/v1/namespaces/default/pods"
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    spec = {"containers": [{"name": "c", "image": "i"}]}
    unknown = await client.post(pods, {**body, "spec": {**spec, "priorityClassName": "nope"}})
    assert (unknown.status, unknown.body["reason"]) == (403, "Forbidden")
    found = await client.post(pods, {**body, "spec": {**spec, "priorityClassName": "system-node-critical"}})
    assert found.body["spec"]["priority"] == 2_000_001_000


async def test_a_question_about_access_names_somebody_and_one_thing(client: Client) -> None:
    reviews = "/apis/authorization.k8s.io/v1"
    asked = {"resourceAttributes": {"verb": "get", "resource": "pods"}}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": asked}
    assert (await client.post(f"{reviews}/subjectaccessreviews", body)).causes == ["spec.user"]
    body["spec"] = {**asked, "user": "x", "nonResourceAttributes": {"verb": "get", "path": "/"}}
    assert (await client.post(f"{reviews}/subjectaccessreviews", body)).causes == ["spec.nonResourceAttributes"]
    body = {**body, "kind": "LocalSubjectAccessReview", "spec": {**asked, "user": "x"}}
    answer = await client.post(f"{reviews}/namespaces/default/localsubjectaccessreviews", body)
    assert answer.causes == ["spec.resourceAttributes.namespace"]


async def test_a_single_check_of_the_servers_health_can_be_asked_for(client: Client) -> None:
    assert (await client.get("/readyz/etcd")).status == 200
    assert (await client.get("/readyz/nope")).status == 404


async def test_a_status_counts_nothing_below_zero(client: Client) -> None:
    deployments = "/apis/apps/v1/namespaces/default/deployments"
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": a_template()}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}
    await client.post(deployments, body)
    answer = await client.merge(f"{deployments}/d/status", {"status": {"replicas": -1}})
    assert answer.causes == ["status.replicas"]


async def test_a_selector_of_a_job_is_a_selector(client: Client) -> None:
    template = a_template()
    template["spec"]["restartPolicy"] = "Never"
    odd = {"matchExpressions": [{"key": "a", "operator": "Likes"}]}
    spec = {"template": template, "manualSelector": True, "selector": odd}
    found = await refused(client, "/apis/batch/v1/namespaces/default/jobs", "Job", spec=spec)
    assert found == ["spec.selector.matchExpressions[0].operator"]


async def test_a_variable_that_hides_another_is_warned_of(client: Client) -> None:
    template = a_template(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}])
    template["spec"]["nodeSelector"] = {"beta.kubernetes.io/os": "linux"}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    answer = await client.post("/apis/apps/v1/namespaces/default/deployments", {**body, "spec": spec})
    first, second = answer.headers.getall("Warning")
    assert "spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14" in first
    assert "spec.template.spec.containers[0].env[1]: hides previous definition of" in second
