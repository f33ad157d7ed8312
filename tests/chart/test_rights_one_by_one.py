"""The same in a cluster with pods: operators side by side, each in a namespace of its own and short of one right.

One process each, as its service account, through a release with an autoscaler, a change of the router, a rule of
somebody else's route and its end. What was seen is printed as a table.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from chart.account import Right
from chart.cluster import a_quick_release, all_images, golden_set
from chart.kit import Chart, Manifest, granted
from chart.test_install import NO_JOBS, OWN_ROUTE, SCALED, UNUSED, a_route
from sandbox.apiserver.conftest import Client
from sandbox.rollout.kit import NAME

from demo.stage import Operator
from slipway_sandbox import Sandbox

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not os.environ.get("SLIPWAY_NIGHTLY"), reason="an operator and its models for each right: SLIPWAY_NIGHTLY=1"
    ),
]

AT_ONCE = 4
SECONDS = 60.0
"""For each place of the scenario: with all rights none takes a tenth of it."""
GRACE = 8.0
"""The same, from when the operator has said what it lacks."""

Granted = tuple[str, str, str, str]
"""Where (the operator's namespaces, `default` with the Gateway, or `*`), API group, resource, verb."""

VALUES = {
    "scope": {"namespaces": ["team"]},
    "permissions": {"gatewayNamespaces": ["default"], "gatewayClasses": True, "aggregate": False},
}
ELSEWHERE = "team", "gateway.networking.k8s.io", "gateways", "get"
"""The Gateway of the scenario is in another namespace."""
LEAD = "ops", "coordination.k8s.io", "leases", "patch"
"""Who cannot renew a lease may not lead, and ends; the next process says so and waits."""
ROLES = "/apis/rbac.authorization.k8s.io/v1"
MODELS = "/apis/slipway.dev/v1alpha1/namespaces/{}/modeldeployments"


@dataclass
class Row:
    """What was seen of an operator that lacks a right."""

    right: Granted | None
    stopped_at: str | None
    told: list[str]
    alive: bool

    def __str__(self) -> str:
        name = f"{Right(*self.right[1:])} in {self.right[0]}" if self.right else "(all rights)"
        told = ", ".join(self.told) or "nowhere"
        return f"{name:62} stops at: {self.stopped_at or 'the end':24} told: {told:12} lives: {self.alive}"


@dataclass
class Place:
    """A namespace with an operator of its own."""

    admin: Client
    namespace: str
    operator: Operator
    missing: Granted | None

    async def apply(self, manifest: Manifest, path: str) -> None:
        metadata = manifest["metadata"] | {"namespace": self.namespace}
        url = f"{path.format(self.namespace)}/{metadata['name']}"
        done = await self.admin.apply(url, manifest | {"metadata": metadata}, "user", force="true")
        assert done.status in {200, 201}, done.body

    async def model(self) -> Manifest:
        found: Manifest = (await self.admin.get(f"{MODELS.format(self.namespace)}/{NAME}")).body
        return found

    async def until(self, so: Callable[[Manifest], bool]) -> bool:
        """Whether it became so in time."""
        end, heard = time.monotonic() + SECONDS, False
        while not so(await self.model()):
            if not heard and await self.told():
                heard, end = True, time.monotonic() + GRACE
            if time.monotonic() > end:
                return False
            await asyncio.sleep(0.3)
        return True

    async def told(self) -> list[str]:
        """Where the right is named that is missing."""
        if self.missing is None:
            return []
        _, group, resource, verb = self.missing
        words = f'cannot {verb} resource "{resource}" in API group "{group}"'
        log = self.operator.log.read_text().replace('\\"', '"')
        status = (await self.model()).get("status")
        texts = {"status": json.dumps(status).replace('\\"', '"'), "log": log}
        return [where for where, text in texts.items() if words in text]


def serves(version: str) -> Callable[[Manifest], bool]:
    def so(model: Manifest) -> bool:
        status = model.get("status") or {}
        ready = next((c for c in status.get("conditions", ()) if c["type"] == "Ready"), {})
        current = status.get("observedGeneration") == model["metadata"]["generation"]
        return bool(current and ready.get("status") == "True" and status["stable"]["version"] == version)

    return so


async def the_rollouts(place: Place) -> str | None:
    """The scenario of the installation; where it stops, None for the end."""
    await place.apply(golden_set(), "/api/v1/namespaces/{}/configmaps")
    await place.apply(a_route(), "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes")
    named = {"route": {"name": "public", "rule": "score"}, "parentRefs": None, "hostnames": None}
    releases: list[tuple[str, str, Manifest]] = [
        ("v1", "v1 serves", {"traffic": OWN_ROUTE, **SCALED}),
        ("v2", "v2 on a Service", {"traffic": {"service": {}, "gateway": None}}),
        ("v4", "v4 in a user's rule", {"traffic": {"gateway": named}}),
    ]
    for version, name, spec in releases:
        await place.apply(a_quick_release(version, **spec), MODELS)
        if not await place.until(serves(version)):
            return name
    await place.admin.delete(f"{MODELS.format(place.namespace)}/{NAME}")
    return None if await place.until(lambda model: model["kind"] == "Status") else "it is let go"


async def grant(admin: Client, namespace: str, rights: Sequence[Granted]) -> None:
    """Roles with these rights for the account `operator` of a namespace, each where it belongs."""
    subject = {"kind": "ServiceAccount", "name": "operator", "namespace": namespace}
    for where in {right[0] for right in rights}:
        rules = [{"apiGroups": [g], "resources": [r], "verbs": [v]} for at, g, r, v in rights if at == where]
        kind, folder = ("ClusterRole", ROLES) if where == "*" else ("Role", f"{ROLES}/namespaces/{where}")
        about: Manifest = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": f"of-{namespace}"}}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": f"of-{namespace}"}
        for name, obj in ((f"{kind}s", {"rules": rules}), (f"{kind}Bindings", {})):
            more: Manifest = {"kind": name.removesuffix("s"), **obj}
            if name.endswith("Bindings"):
                more |= {"roleRef": reference, "subjects": [subject]}
            made = await admin.post(f"{folder}/{name.lower()}", about | more)
            assert made.status == 201, made.body


async def opened(
    admin: Client, sandbox: Sandbox, namespace: str, rights: Sequence[Granted], *, missing: Granted | None, folder: Path
) -> Place:
    """A namespace, and an operator as its account."""
    await admin.post("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    await admin.post(accounts, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "operator"}})
    left = [right for right in rights if right != missing]
    await grant(admin, namespace, [(namespace if at in {"team", "ops"} else at, g, r, v) for at, g, r, v in left])
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = (await admin.post(f"{accounts}/operator/token", request)).body["status"]["token"]
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": sandbox.api_url}}],
        "users": [{"name": "x", "user": {"token": token}}],
    }
    path = folder / f"{namespace}.yaml"
    path.write_text(yaml.safe_dump(config))
    options = (f"--namespace={namespace}", "--leader-elect", f"--lease-namespace={namespace}")
    operator = Operator(path, sandbox.gateway_metrics_url, folder / f"{namespace}.log", options)
    await operator.start()
    return Place(admin, namespace, operator, missing)


async def test_rights_are_removed_one_by_one(chart: Chart, tmp_path: Path) -> None:
    rights = sorted(granted(chart.objects(VALUES), "rel-slipway"))
    turns = asyncio.Semaphore(AT_ONCE)
    state = tmp_path / "state"
    async with Sandbox(state_dir=state, images=all_images()) as sandbox, aiohttp.ClientSession() as session:
        admin = Client(sandbox.api_url, session)
        for crd in [obj for obj in chart.objects(VALUES) if obj["kind"] == "CustomResourceDefinition"]:
            await admin.define(crd)

        async def seen(number: int, missing: Granted | None) -> Row:
            async with turns:
                place = await opened(admin, sandbox, f"r{number}", rights, missing=missing, folder=tmp_path)
                try:
                    stopped_at = await the_rollouts(place)
                    process = place.operator.process
                    alive = process is not None and process.returncode is None
                    return Row(missing, stopped_at, await place.told(), alive)
                finally:
                    await place.operator.stop()
                    await admin.delete(f"/api/v1/namespaces/r{number}")

        whole = await seen(0, None)
        assert whole.stopped_at is None, (tmp_path / "r0.log").read_text()[-3000:]
        rows = await asyncio.gather(*(seen(number, right) for number, right in enumerate(rights, start=1)))
    print("\n".join(map(str, rows)))
    assert {row.right for row in rows if not row.alive} <= {LEAD}
    unseen = {row.right for row in rows if not row.told}
    assert unseen == {right for right in rights if right[1:] in {*UNUSED, *NO_JOBS} or right == ELSEWHERE}
