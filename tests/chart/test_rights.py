"""Each right of the chart's roles is needed: without it a scene stops at a named place, or the operator says what it
lacks, or both.

The operator is the real one; its cluster is in memory and refuses what the role does not allow, in an API server's
words. Watches are none of that cluster's: for them an operator runs against an API server that enforces roles.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from chart.account import Right, played
from chart.kit import PROFILES, Chart, Manifest, granted, of_kind
from chart.scenes import SCENES
from sandbox.apiserver.conftest import Client
from unit.controller.server import Server, until

from slipway.cluster import INGRESS, Kind
from slipway.controller import Settings, run
from slipway.controller.handlers import ROUTES

THE_END: Final = None
"""The scene goes on without the right, which is told."""

MISSING: Final[dict[str, dict[Right, tuple[str | None, str]]]] = {
    "the start": {
        Right("", "namespaces", "list"): ("it is ready", "readiness"),
        Right("slipway.dev", "modeldeployments", "list"): ("it is ready", "readiness"),
        Right("slipway.dev", "modelrevisions", "list"): ("it is ready", "readiness"),
    },
    "the lead": {
        Right("coordination.k8s.io", "leases", "create"): ("it leads", "readiness"),
        Right("coordination.k8s.io", "leases", "get"): ("it leads", "readiness"),
        Right("coordination.k8s.io", "leases", "patch"): ("it goes on leading", "readiness"),
    },
    "a gateway": {
        Right("", "services", "delete"): ("the Service is gone", "status"),
        Right("gateway.networking.k8s.io", "gatewayclasses", "get"): (THE_END, "log"),
        Right("gateway.networking.k8s.io", "gateways", "get"): (THE_END, "log"),
        Right("gateway.networking.k8s.io", "httproutes", "create"): ("v1 serves", "status"),
        Right("gateway.networking.k8s.io", "httproutes", "delete"): ("the route is gone", "status"),
        Right("gateway.networking.k8s.io", "httproutes", "get"): ("v1 serves", "status"),
        Right("gateway.networking.k8s.io", "httproutes", "patch"): ("v1 serves", "status"),
        Right("slipway.dev", "modeldeployments", "patch"): ("the user's rule leads to it", "status"),
        Right("slipway.dev", "modelrevisions", "delete"): ("v2 serves, and v1 is gone", "status"),
    },
    "an autoscaler": {
        Right("", "configmaps", "get"): ("v1 serves", "status"),
        Right("", "events", "create"): (THE_END, "log"),
        Right("", "events", "get"): (THE_END, "log"),
        Right("", "events", "patch"): (THE_END, "log"),
        Right("", "services", "create"): ("v1 serves", "status"),
        Right("", "services", "get"): ("v1 serves", "status"),
        Right("", "services", "list"): ("v1 serves", "status"),
        Right("", "services", "patch"): ("v1 serves", "status"),
        Right("apps", "deployments", "create"): ("v1 serves", "status"),
        Right("apps", "deployments", "list"): ("v1 serves", "status"),
        Right("apps", "deployments", "patch"): ("v1 serves", "status"),
        Right("autoscaling", "horizontalpodautoscalers", "create"): ("v1 serves", "status"),
        Right("autoscaling", "horizontalpodautoscalers", "delete"): ("the autoscaler is gone", "status"),
        Right("autoscaling", "horizontalpodautoscalers", "list"): ("the autoscaler is gone", "log"),
        Right("autoscaling", "horizontalpodautoscalers", "patch"): ("v1 serves", "status"),
        Right("discovery.k8s.io", "endpointslices", "list"): ("v1 serves", "status"),
        Right("policy", "poddisruptionbudgets", "create"): ("v1 serves", "status"),
        Right("policy", "poddisruptionbudgets", "delete"): ("the budget is gone", "status"),
        Right("policy", "poddisruptionbudgets", "list"): ("the budget is gone", "log"),
        Right("policy", "poddisruptionbudgets", "patch"): ("v1 serves", "status"),
        Right("slipway.dev", "modeldeployments", "get"): ("v1 serves", "log"),
        Right("slipway.dev", "modeldeployments/status", "patch"): ("v1 serves", "log"),
        Right("slipway.dev", "modelrevisions", "create"): ("v1 serves", "status"),
        Right("slipway.dev", "modelrevisions/status", "patch"): ("v1 serves", "status"),
    },
    "a runtime": {
        Right("slipway.dev", "modelruntimes", "list"): ("v1 serves by its format", "status"),
        Right("slipway.dev", "clustermodelruntimes", "list"): ("v2 serves by its format", "status"),
        Right("slipway.dev", "modelruntimes", "get"): ("v3 serves by the name", "status"),
        Right("slipway.dev", "clustermodelruntimes", "get"): ("v4 serves by the name", "status"),
    },
    "KEDA": {
        Right("keda.sh", "scaledobjects", "create"): ("v1 serves", "status"),
        Right("keda.sh", "scaledobjects", "delete"): ("the autoscaler is gone", "status"),
        Right("keda.sh", "scaledobjects", "list"): ("the autoscaler is gone", "log"),
        Right("keda.sh", "scaledobjects", "patch"): ("v1 serves", "status"),
    },
    "pods that do not start": {
        Right("", "pods", "list"): ("the reason is told", "log"),
    },
    "what is not where it was": {
        Right("apps", "deployments", "get"): ("the label is back", "status"),
        Right("slipway.dev", "modelrevisions", "get"): ("the name is told", "status"),
    },
    "Traefik": {
        Right("traefik.io", "ingressroutes", "create"): ("v1 serves", "status"),
        Right("traefik.io", "ingressroutes", "delete"): ("the route is gone", "status"),
        Right("traefik.io", "ingressroutes", "get"): ("v1 serves", "status"),
        Right("traefik.io", "ingressroutes", "patch"): ("v1 serves", "status"),
        Right("traefik.io", "traefikservices", "create"): ("v1 serves", "status"),
        Right("traefik.io", "traefikservices", "delete"): ("the route is gone", "status"),
        Right("traefik.io", "traefikservices", "get"): ("v1 serves", "status"),
        Right("traefik.io", "traefikservices", "patch"): ("v1 serves", "status"),
    },
    "Istio": {
        Right("networking.istio.io", "virtualservices", "create"): ("v1 serves", "status"),
        Right("networking.istio.io", "virtualservices", "delete"): ("the route is gone", "status"),
        Right("networking.istio.io", "virtualservices", "get"): ("v1 serves", "status"),
        Right("networking.istio.io", "virtualservices", "patch"): ("v1 serves", "status"),
    },
    "ingress-nginx": {
        Right("networking.k8s.io", "ingresses", "create"): ("v1 serves", "status"),
        Right("networking.k8s.io", "ingresses", "delete"): ("the route is gone", "status"),
        Right("networking.k8s.io", "ingresses", "get"): ("v1 serves", "status"),
        Right("networking.k8s.io", "ingresses", "patch"): ("v1 serves", "status"),
    },
    "a Job": {
        Right("batch", "jobs", "create"): ("a Job runs", "status"),
        Right("batch", "jobs", "delete"): ("the first one is gone", "log"),
        Right("batch", "jobs", "get"): ("a Job runs", "status"),
        Right("batch", "jobs", "list"): ("the first one is gone", "log"),
    },
    "a source with a password": {
        Right("", "secrets", "get"): ("v2 serves, and v1 is gone", "status"),
    },
    "feedback": {
        Right("", "configmaps", "create"): ("the first reports are kept", "answer"),
        Right("", "configmaps", "delete"): ("old reports are deleted", "answer"),
        Right("", "configmaps", "list"): ("the first reports are kept", "answer"),
        Right("", "configmaps", "patch"): ("more are kept beside them", "answer"),
        Right("authentication.k8s.io", "tokenreviews", "create"): ("a token is recognised", "answer"),
        Right("authorization.k8s.io", "subjectaccessreviews", "create"): ("a token is recognised", "answer"),
    },
}
"""What is seen without a right, by the scene that shows it: where it stops, and where one reads which right is missing.
`answer` is what a reporter's request ends with, and the operator's log."""

WATCHED: Final = {
    Right(group, resource, verb)
    for group, resource, verbs in (
        ("slipway.dev", "modeldeployments", ["watch"]),
        ("slipway.dev", "modelrevisions", ["watch"]),
        ("slipway.dev", "modelruntimes", ["watch"]),
        ("slipway.dev", "clustermodelruntimes", ["watch"]),
        ("apps", "deployments", ["watch"]),
        ("", "services", ["watch"]),
        ("", "namespaces", ["watch"]),
        ("batch", "jobs", ["watch"]),
        ("gateway.networking.k8s.io", "httproutes", ["list", "watch"]),
        ("networking.k8s.io", "ingresses", ["list", "watch"]),
        ("traefik.io", "ingressroutes", ["list", "watch"]),
        ("traefik.io", "traefikservices", ["list", "watch"]),
        ("networking.istio.io", "virtualservices", ["list", "watch"]),
    )
    for verb in verbs
}
"""What only a watch needs. A kind that may not be listed is not watched either."""

EVERYTHING: Final = next(path for path in PROFILES if path.stem == "everything-values")


def all_rights(chart: Chart) -> set[Right]:
    """What the chart's roles grant with everything switched on."""
    return {Right(*right[1:]) for right in granted(chart.objects(EVERYTHING), "rel-models")}


def test_every_right_is_taken_away_by_some_test(chart: Chart) -> None:
    shown = [right for scene in MISSING.values() for right in scene]
    assert len(shown) == len(set(shown))
    assert {*shown} | WATCHED == all_rights(chart)
    assert not {*shown} & WATCHED


@pytest.mark.parametrize("scene", SCENES)
async def test_with_all_rights_a_scene_goes_on_to_its_end_and_asks_for_no_other(chart: Chart, scene: str) -> None:
    rights = all_rights(chart)
    account, seen = await played(SCENES[scene], rights)
    assert seen.stopped_at is None, seen
    assert account.used <= rights
    assert MISSING[scene].keys() <= account.used


@pytest.mark.parametrize(
    ("scene", "right"),
    [(scene, right) for scene, rights in MISSING.items() for right in rights],
    ids=str,
)
async def test_without_a_right_a_scene_stops_or_goes_on_and_the_operator_says_what_it_lacks(
    chart: Chart, scene: str, right: Right
) -> None:
    _, seen = await played(SCENES[scene], all_rights(chart) - {right})
    assert (seen.stopped_at, seen.says(right)) == MISSING[scene][right]


# --- watches, at an API server that enforces roles


@dataclass
class Stage:
    """An API server, in the hands of its administrator, and a kubeconfig of the operator's account."""

    admin: Client
    kubeconfig: Path

    async def allowed(self) -> dict[Right, bool]:
        """What the operator has asked for, and whether it was allowed."""
        rows = (await self.admin.get("/debug/requests")).body["requests"]
        mine = [row for row in rows if row["user"].startswith("system:serviceaccount:")]
        return {Right(row["group"], row["resource"], row["verb"]): row["allowed"] for row in mine}


@asynccontextmanager
async def a_stage(chart: Chart, folder: Path, rights: set[Right]) -> AsyncIterator[Stage]:
    """A cluster with every kind of route, in which the operator's account has these rights."""
    with Server() as server:
        url = server.kubeconfig["clusters"][0]["cluster"]["server"]
        async with aiohttp.ClientSession() as session:
            admin = Client(url, session)
            for crd in of_kind(chart.objects({}), "CustomResourceDefinition"):
                await admin.define(crd)
            for kind in ROUTES:
                if kind is not INGRESS:
                    await admin.define(a_definition(kind))
            await bind(admin, rights)
            user = {"name": server.kubeconfig["users"][0]["name"], "user": {"token": await a_token(admin)}}
            path = folder / "kubeconfig"
            path.write_text(json.dumps({**server.kubeconfig, "users": [user]}))
            yield Stage(admin, path)


async def a_token(admin: Client) -> str:
    """With which the operator's account comes."""
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    about = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "operator"}}
    assert (await admin.post(accounts, about)).status == 201
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    issued = await admin.post(f"{accounts}/operator/token", request)
    return str(issued.body["status"]["token"])


async def bind(admin: Client, rights: set[Right]) -> None:
    """A role of its own with these rights for the account of the operator."""
    folder = "/apis/rbac.authorization.k8s.io/v1"
    rules = [{"apiGroups": [right.group], "resources": [right.resource], "verbs": [right.verb]} for right in rights]
    about: Manifest = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "operator"}}
    role = about | {"kind": "ClusterRole", "rules": rules}
    account = {"kind": "ServiceAccount", "name": "operator", "namespace": "default"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "operator"}
    binding = about | {"kind": "ClusterRoleBinding", "roleRef": reference, "subjects": [account]}
    for resource, obj in (("clusterroles", role), ("clusterrolebindings", binding)):
        made = await admin.post(f"{folder}/{resource}", obj)
        assert made.status == 201, made.body


def a_definition(kind: Kind) -> Manifest:
    """A CRD that takes anything."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": kind.version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": kind.plural, "singular": kind.kind.lower(), "kind": kind.kind, "listKind": f"{kind.kind}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.plural}.{kind.group}",
            "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api"},
        },
        "spec": {"group": kind.group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


@asynccontextmanager
async def an_operator(stage: Stage) -> AsyncIterator[asyncio.Task[None]]:
    """An operator of a part of the cluster, in this process, until the block ends: it has not ended before."""
    operator = asyncio.create_task(run(Settings(kubeconfig=str(stage.kubeconfig), namespace_selector="shard=a")))
    try:
        yield operator
        assert not operator.done(), operator
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(operator, 60)


async def test_every_right_to_watch_is_used(chart: Chart, tmp_path: Path) -> None:
    async with a_stage(chart, tmp_path, all_rights(chart)) as stage, an_operator(stage):

        async def used() -> bool:
            return {right for right, allowed in (await stage.allowed()).items() if allowed} >= WATCHED

        await until(used)
        assert all((await stage.allowed()).values())


@pytest.mark.parametrize("verb", ["list", "watch"])
async def test_an_operator_that_may_not_watch_says_what_and_goes_on(
    chart: Chart, tmp_path: Path, caplog: pytest.LogCaptureFixture, verb: str
) -> None:
    missing = {right for right in WATCHED if right.verb == verb}
    caplog.set_level(logging.INFO, "slipway")
    async with a_stage(chart, tmp_path, all_rights(chart) - missing) as stage, an_operator(stage):

        async def told() -> bool:
            return all(refusal(right) in caplog.text for right in missing)

        await until(told)


def refusal(right: Right) -> str:
    return f'cannot {right.verb} resource "{right.resource}" in API group "{right.group}"'
