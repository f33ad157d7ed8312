"""The chart in a cluster that enforces its roles and rules.

One operator for the whole cluster, installed by Helm 3, one for a single namespace, by Helm 4; each runs in pods as its
service account, and takes a model through rollouts that need every right it has.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
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
from sandbox.rollout.kit import NAME

from slipway_sandbox import Sandbox

pytestmark = pytest.mark.e2e

UNUSED = {
    # Rights that no healthy hour shows, with what they are for.
    ("slipway.dev", "modelrevisions", "get"): "a revision whose name is taken already is looked at",
    ("apps", "deployments", "get"): "a Deployment that lost its label is found by its name",
    ("batch", "jobs", "get"): "evidence that a Job collects",
    ("batch", "jobs", "create"): "the same, and a reaction to drift",
    ("batch", "jobs", "delete"): "a Job whose release is off",
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
    found = Installed(chart, kubectl, f"{namespace}-slipway", home)
    # They are one for all releases, and stay when the one that brought them goes.
    known = "modeldeployments.slipway.dev" in kubectl("get", "customresourcedefinitions", "--output=name")
    wanted = at_home(sandbox.api_url, crds={"enabled": not known}, **values)
    found.install(wanted)
    try:
        assert found.drift(wanted) == ""
        yield found
    finally:
        found.helm("uninstall", found.release, "--wait", "--timeout=30s")


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


def the_rollouts(operator: Installed, namespace: str) -> None:
    """A model that changes its router twice and drops its autoscaler, until it is deleted."""
    kubectl = operator.within(namespace)

    def serves(version: str) -> bool:
        found = json.loads(kubectl("get", "modeldeployments.slipway.dev", NAME, "--output=json"))
        status = found.get("status", {})
        ready = next((c for c in status.get("conditions", ()) if c["type"] == "Ready"), {})
        observed = status.get("observedGeneration") == found["metadata"]["generation"]
        return bool(observed and ready.get("status") == "True" and status["stable"]["version"] == version)

    operator.apply(namespace, golden_set(), a_route())
    operator.apply(namespace, a_quick_release("v1", traffic=OWN_ROUTE, **SCALED))
    operator.until("v1 serves", lambda: serves("v1"))
    operator.apply(namespace, a_quick_release("v2", traffic={"service": {}, "gateway": None}))
    operator.until("v2 serves", lambda: serves("v2"))
    route = {"route": {"name": "public", "rule": "score"}, "parentRefs": None, "hostnames": None}
    operator.apply(namespace, a_quick_release("v4", traffic={"gateway": route}))
    operator.until("v4 serves", lambda: serves("v4"))
    kubectl("delete", "modeldeployments.slipway.dev", NAME, "--timeout=20s")


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


def test_an_operator_of_the_whole_cluster_uses_every_right_it_has_and_no_other(
    chart_of_helm_3: Chart, sandbox: Sandbox, home: Path
) -> None:
    with the_operator(chart_of_helm_3, sandbox, home, "wide", "shop") as operator:
        the_rollouts(operator, "shop")
        used, refused = asked(sandbox, operator.user)
    everywhere = {("wide" if where == "wide" else "*", *right) for where, *right in used}
    rights = {right for right in granted(chart_of_helm_3.objects(), "rel-slipway") if right[1:] not in UNUSED}
    assert everywhere == {("wide" if where == "ops" else where, *right) for where, *right in rights}
    assert {right[1] for right in refused} <= OFF


def test_an_operator_of_one_namespace_uses_every_right_it_has_and_no_other(
    chart: Chart, sandbox: Sandbox, home: Path
) -> None:
    values = {
        "scope": {"namespaces": ["team"]},
        "permissions": {"gatewayNamespaces": ["default"], "gatewayClasses": True, "aggregate": False},
    }
    with the_operator(chart, sandbox, home, "narrow", "team", **values) as operator:
        the_rollouts(operator, "team")
        used, refused = asked(sandbox, operator.user)
    rights = granted(chart.objects(values), "rel-slipway")
    needed = {right for right in rights if right[1:] not in UNUSED and right[:3] != OWN_GATEWAYS}
    assert used == {("narrow" if where == "ops" else where, *right) for where, *right in needed}
    assert {right[1] for right in refused} <= OFF
