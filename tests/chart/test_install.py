"""The chart in a cluster that enforces its roles and rules.

One operator for a part of the whole cluster with everything switched on, installed by Helm 3, and one for a single
namespace with what is on by value, by Helm 4; each runs in pods as its service account, and takes a model through
rollouts that need every right it has.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import httpx
import pytest
import yaml
from chart.cluster import (
    KUBECTL,
    Installed,
    Right,
    a_quick_release,
    all_images,
    at_home,
    golden_set,
    requests_of,
)
from chart.kit import Chart, Manifest, granted
from sandbox.clients.kit import Tool
from sandbox.rollout.kit import NAME, accuracy

from slipway_sandbox import Sandbox

pytestmark = pytest.mark.e2e

UNUSED = {
    # Rights that no healthy hour shows, with what they are for.
    ("slipway.dev", "modelrevisions", "get"): "a revision whose name is taken already is looked at",
    ("slipway.dev", "modelruntimes", "get"): "a release that names its runtime",
    ("slipway.dev", "clustermodelruntimes", "get"): "the same",
    ("apps", "deployments", "get"): "a Deployment that lost its label is found by its name",
    ("batch", "jobs", "delete"): "a Job whose release is off",
}

NO_JOBS = {
    ("batch", "jobs", "get"): "evidence that a Job collects",
    ("batch", "jobs", "create"): "the same, and a reaction to drift",
}
"""What the scenario leaves out where routers and Jobs are not part of it."""

NO_REPORTS = {("", "configmaps", verb) for verb in ("list", "create", "patch", "delete")}
"""Reports are kept while a release is on trial: tests/sandbox/rollout/test_feedback.py."""

EVERYTHING: Manifest = {
    "scope": {"namespaceSelector": "shard=a"},
    "permissions": {
        "traefik": True,
        "istio": True,
        "ingressNginx": True,
        "keda": True,
        "secrets": [{"namespace": "shop", "names": ["hook"]}],
    },
    "feedback": {"enabled": True},
    "replicas": 1,
    # In the sandbox nobody tells how far a router is that does not report back, and a pod listens on its own address.
    "extraArgs": ["--health-address=0.0.0.0:8081", "--feedback=0.0.0.0:8089", "--settle-seconds=0.2"],
}

OWN_GATEWAYS = ("team", "gateway.networking.k8s.io", "gateways")
"""The route of the scenario is attached to a Gateway in another namespace."""

OFF = {"traefik.io", "networking.istio.io", "networking.k8s.io", "keda.sh"}
"""API groups whose rights are off by value: whether they are there is asked once, and a refusal is an answer."""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    running = Sandbox(state_dir=tmp_path_factory.mktemp("chart"), images=all_images())
    with asyncio.Runner() as runner:
        runner.run(running.__aenter__())
        try:
            yield running
        finally:
            runner.run(running.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@contextmanager
def the_operator(
    chart: Chart, sandbox: Sandbox, home: Path, namespace: str, users: str, **values: object
) -> Iterator[Installed]:
    """Helm's release in a namespace of its own, beside that of its users, until the block ends."""
    kubectl = Tool(KUBECTL, sandbox.kubeconfig_path, home, namespace)
    for name in (namespace, users):
        kubectl("create", "namespace", name)
    kubectl("label", "namespace", users, "shard=a")
    found = Installed(chart, kubectl, f"{namespace}-slipway", home)
    # They are one for all releases, and stay when the one that brought them goes.
    known = "modeldeployments.slipway.dev" in kubectl("get", "customresourcedefinitions", "--output=name")
    wanted = at_home(sandbox.api_url, crds={"enabled": not known}, **values)
    found.install(wanted)
    try:
        assert found.drift(wanted) == ""
        yield found
    finally:
        found.helm("uninstall", found.release, "--wait", "--timeout=120s")


OWN_ROUTE: Manifest = {"gateway": {"parentRefs": [{"name": "sandbox", "namespace": "default"}]}, "service": None}
SCALED: Manifest = {
    "replicas": None,
    "autoscaling": {
        "minReplicas": 1,
        "maxReplicas": 2,
        "metrics": [{"resource": "cpu", "averageValue": "4"}],
    },
    "podDisruptionBudget": {"maxUnavailable": 1},
}


def serves(operator: Installed, namespace: str, version: str) -> bool:
    """Whether what was declared last is so, and this version is stable."""
    kubectl = operator.within(namespace)
    found = json.loads(kubectl("get", "modeldeployments.slipway.dev", NAME, "--output=json"))
    status = found.get("status", {})
    ready = next((c for c in status.get("conditions", ()) if c["type"] == "Ready"), {})
    observed = status.get("observedGeneration") == found["metadata"]["generation"]
    return bool(observed and ready.get("status") == "True" and status["stable"]["version"] == version)


def the_rollouts(operator: Installed, namespace: str, *, more: Callable[[], None] = lambda: None) -> None:
    """A model that changes its router twice and drops its autoscaler, until it is deleted; `more` comes before."""
    operator.apply(namespace, golden_set(), a_route())
    operator.apply(namespace, a_quick_release("v1", traffic=OWN_ROUTE, **SCALED))
    operator.until("v1 serves", lambda: serves(operator, namespace, "v1"))
    operator.apply(namespace, a_quick_release("v2", traffic={"service": {}, "gateway": None}))
    operator.until("v2 serves", lambda: serves(operator, namespace, "v2"))
    route = {"route": {"name": "public", "rule": "score"}, "parentRefs": None, "hostnames": None}
    operator.apply(namespace, a_quick_release("v4", traffic={"gateway": route}))
    operator.until("v4 serves", lambda: serves(operator, namespace, "v4"))
    more()
    operator.within(namespace)("delete", "modeldeployments.slipway.dev", NAME, "--timeout=120s")


KEDA: Manifest = {
    "replicas": None,
    "autoscaling": {
        "minReplicas": 1,
        "maxReplicas": 1,
        "keda": {"triggers": [{"type": "cron", "metadata": {"desiredReplicas": "1"}}]},
    },
}
MEASURED = """
import json, os
with open(os.environ["SLIPWAY_RESULT"], "w") as file:
    json.dump({"candidate": {"bad": 0, "total": 1000}, "stable": {"bad": 0, "total": 1000}}, file)
"""


def what_is_off_by_value(operator: Installed, namespace: str) -> None:
    """The same release on the other routers, once scaled by KEDA; then one that a Job measures, and that is told of."""
    routers: list[tuple[str, Manifest]] = [("traefik", {}), ("istio", KEDA), ("ingressNginx", {})]
    for router, scaled in routers:
        traffic = {"gateway": None, router: {"hostnames": ["fraud.example"]}}
        operator.apply(namespace, a_quick_release("v4", traffic=traffic, **scaled))
        operator.until(f"{router} leads to it", lambda: serves(operator, namespace, "v4"))
    hook = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "hook"},
        "stringData": {"url": "http://[fe80::1]/"},
    }
    job = {"image": "localhost/python:3", "command": ["python3", "-c", MEASURED], "timeout": "1m"}
    measured = {"name": "checks", "job": job, "threshold": {"max": 0.5}}
    told = {"name": "team", "webhook": {"urlFrom": {"name": "hook", "key": "url"}}}
    traffic = {"gateway": None, "service": {}}
    operator.apply(namespace, hook)
    analysis = {"metrics": [accuracy(), measured]}
    operator.apply(namespace, a_quick_release("v1", traffic=traffic, analysis=analysis, notifications=[told]))
    operator.until("v1 was measured by a Job, and serves", lambda: serves(operator, namespace, "v1"), seconds=30)


def reported(operator: Installed, namespace: str, whose: str) -> int:
    """The status that a report gets which comes with the token of a namespace's account."""
    kubectl = operator.kubectl
    token = operator.within(whose)("create", "token", "default", "--audience=feedback.slipway.dev").strip()
    pods = f"--selector=app.kubernetes.io/instance={operator.release}"
    address = kubectl("get", "pods", pods, "--output=jsonpath={.items[0].status.podIP}")
    url = f"http://{address}:8089/v1/namespaces/{namespace}/modeldeployments/{NAME}/feedback"
    report = [{"requestId": "r1", "revision": "fraud-00000000", "outcome": "Right"}]
    return httpx.post(url, json=report, headers={"Authorization": f"Bearer {token}"}, trust_env=False).status_code


def anything(group: str, kind: str) -> Manifest:
    """The definition of a kind that the sandbox does not know."""
    plural, schema = f"{kind.lower()}s", {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = "v1" if group == "networking.istio.io" else "v1alpha1"
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [served],
        },
    }


def a_route() -> Manifest:
    """A route of somebody else, in which one rule is for the model."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "public"},
        "spec": {
            "parentRefs": [{"name": "sandbox", "namespace": "default"}],
            "hostnames": ["public.example"],
            "rules": [{"name": "score", "backendRefs": [{"name": "nobody", "port": 80}]}],
        },
    }


def asked(sandbox: Sandbox, user: str) -> tuple[set[Right], set[Right]]:
    with urlopen(f"{sandbox.api_url}/debug/requests") as answer:
        return requests_of(user, json.load(answer)["requests"])


def test_an_operator_with_everything_on_uses_every_right_it_has_and_no_other(
    chart_of_helm_3: Chart, sandbox: Sandbox, home: Path
) -> None:
    admin = Tool(KUBECTL, sandbox.kubeconfig_path, home, "default")
    kinds = [anything("networking.istio.io", "VirtualService"), anything("keda.sh", "ScaledObject")]
    admin("apply", "-f", "-", stdin=yaml.safe_dump_all(kinds))
    with the_operator(chart_of_helm_3, sandbox, home, "wide", "shop", **EVERYTHING) as operator:

        def more() -> None:
            what_is_off_by_value(operator, "shop")
            assert reported(operator, "shop", "shop") == 422  # nothing is asked for
            assert reported(operator, "shop", "default") == 403

        the_rollouts(operator, "shop", more=more)
        used, refused = asked(sandbox, operator.user)
    rights = granted(chart_of_helm_3.objects(EVERYTHING), "rel-slipway")
    needed = {right for right in rights if right[1:] not in {*UNUSED} | NO_REPORTS}
    assert {(where == "wide", *right) for where, *right in used} == {
        (where == "ops", *right) for where, *right in needed
    }
    assert refused == set()


def test_an_operator_of_one_namespace_uses_every_right_it_has_and_no_other(
    chart: Chart, sandbox: Sandbox, home: Path
) -> None:
    values = {
        "scope": {"namespaces": ["team"]},
        "permissions": {
            "gatewayNamespaces": ["default"],
            "gatewayClasses": True,
            "clusterRuntimes": True,
            "aggregate": False,
        },
    }
    with the_operator(chart, sandbox, home, "narrow", "team", **values) as operator:
        the_rollouts(operator, "team")
        used, refused = asked(sandbox, operator.user)
    rights = granted(chart.objects(values), "rel-slipway")
    needed = {right for right in rights if right[1:] not in {*UNUSED, *NO_JOBS} and right[:3] != OWN_GATEWAYS}
    assert used == {("narrow" if where == "ops" else where, *right) for where, *right in needed}
    assert {right[1] for right in refused} <= OFF
