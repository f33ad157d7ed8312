"""What `lint` passes, an API server takes: manifests of every strategy and router, with one field changed at a time.

The server is the sandbox's, which is held against a genuine one by its own tests. Nothing is stored: each manifest is
created as a dry run, with unknown fields refused, as `kubectl apply` asks for.
"""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import aiohttp
import pytest
from pydantic import ValidationError
from unit.cli.builders import Object, a_spec

from slipway.api import ModelDeployment
from slipway.api.crd import definitions
from slipway.cli.lint import problems
from slipway.cli.manifests import FieldPath, Manifest
from slipway_sandbox.apiserver import ApiServer

GONE: Final = object()
VALUES: Final = (
    *(GONE, None, True, 0, -1, 1, 1.5, 33.333, 1e9, "", "a", "A b", "5m", "10%", "x" * 300),
    *([], ["a"], [{}], {}, {"a": 1}, {"a": "b"}),
)
MODEL_DEPLOYMENTS: Final = "/apis/slipway.dev/v1alpha1/namespaces/default/modeldeployments"
SAMPLE: Final = 700
"""Of some thousand changed manifests: the same ones at every run."""

ERRORS = {"name": "errors", "gateway": {}, "comparison": {"margin": 0.01}, "confidence": 0.9, "minSamples": 5}
GOLDEN = {
    "name": "accuracy",
    "goldenSet": {"configMap": {"name": "golden", "key": "items", "schemaKey": "schema"}, "timeout": "5s"},
    "threshold": {"min": 0.9},
    "nonInferiority": {"margin": 0.02},
    "action": "Hold",
}
CONTAINER = {
    "env": [{"name": "A", "value": "x"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
    "ports": [{"name": "http", "containerPort": 8080}],
    "resources": {"limits": {"cpu": 1, "memory": "1Gi"}},
    "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 2},
    "livenessProbe": {"tcpSocket": {"port": 8080}, "successThreshold": 1},
}
BASES: Final = (
    a_spec(release={"container": CONTAINER}, analysis={"interval": "5s", "metrics": [ERRORS, GOLDEN]}),
    a_spec(
        release={"pod": {"nodeSelector": {"gpu": "yes"}, "tolerations": [{"key": "gpu", "operator": "Exists"}]}},
        strategy={"canary": {"steps": None, "linear": {"from": 10, "to": 50, "by": 10, "every": "1m"}, "maxSurge": 1}},
        rollback={"watch": "1h", "revisionHistoryLimit": 3},
    ),
    a_spec(
        strategy={"canary": None, "blueGreen": {"preview": {"hostname": "next.example"}, "bakeTime": "5m"}},
        podDisruptionBudget={"minAvailable": "50%"},
        traffic={"gateway": {"path": "/v1"}},
    ),
    a_spec(
        replicas=None,
        autoscaling={"minReplicas": 1, "maxReplicas": 3, "metrics": [{"resource": "cpu", "averageUtilization": 60}]},
        strategy={"canary": None, "shadow": {"percent": 10, "approval": "Required"}},
    ),
    a_spec(
        strategy={
            "canary": None,
            "abTest": {
                "matches": [{"header": {"name": "x-group", "value": "b"}}],
                "weight": 5,
                "sticky": {"cookie": "c"},
            },
        },
        traffic={"gateway": None, "traefik": {"entryPoints": ["web"], "hostnames": ["fraud.example"]}},
    ),
    a_spec(
        strategy={"canary": None, "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
        traffic={"gateway": None, "service": {}},
    ),
)


def a_manifest(spec: Object) -> Object:
    metadata = {"name": "fraud", "namespace": "default"}
    return {"apiVersion": "slipway.dev/v1alpha1", "kind": "ModelDeployment", "metadata": metadata, "spec": spec}


def paths(value: Any, path: FieldPath = ()) -> Iterator[FieldPath]:
    """The way to every part of a value."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in parts:
        yield (*path, step)
        yield from paths(inner, (*path, step))


def changed(base: Object, path: FieldPath, value: Any) -> Object:
    """A copy with another value at a path, or without what is there."""
    copied = copy.deepcopy(base)
    around: Any = copied
    for step in path[:-1]:
        around = around[step]
    if value is GONE:
        del around[path[-1]]
    else:
        around[path[-1]] = copy.deepcopy(value)
    return copied


def changes() -> list[Object]:
    every = [(base, path, value) for base in BASES for path in paths(base) for value in VALUES]
    unknown = [
        (base, (*path, "xyzzy"), 1) for base in BASES for path in paths(base) if isinstance(_at(base, path), dict)
    ]
    chosen = random.Random(0).sample(every, SAMPLE)
    return [changed(base, path, value) for base, path, value in chosen + unknown]


def _at(value: Any, path: FieldPath) -> Any:
    for step in path:
        value = value[step]
    return value


class Server:
    """Asks a server whether it would take an object."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url, self._session = url, session

    async def define(self) -> None:
        for crd in definitions().values():
            url = f"{self._url}/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
            async with self._session.post(url, json=crd) as answer:
                assert answer.status == 201, await answer.text()
        async with asyncio.timeout(30):  # a definition is served a moment after it was written
            while True:
                async with self._session.get(f"{self._url}{MODEL_DEPLOYMENTS}") as answer:
                    if answer.status == 200:
                        return
                await asyncio.sleep(0.01)

    async def refusal(self, document: Object) -> str | None:
        """The server's words; None when it takes the object."""
        url = f"{self._url}{MODEL_DEPLOYMENTS}"
        asked = {"dryRun": "All", "fieldValidation": "Strict"}
        async with self._session.post(url, params=asked, json=document) as answer:
            return None if answer.status == 201 else str((await answer.json())["message"])


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    running = ApiServer(host="127.0.0.1", port=0)
    await running.start()
    try:
        async with aiohttp.ClientSession() as session:
            asking = Server(running.url, session)
            await asking.define()
            yield asking
    finally:
        await running.stop()


async def test_a_server_takes_the_manifests_as_they_are(server: Server) -> None:
    assert [await server.refusal(a_manifest(base)) for base in BASES] == [None] * len(BASES)


async def test_what_a_server_refuses_is_found_beforehand_and_nothing_else_but_what_the_operator_refuses(
    server: Server,
) -> None:
    missed, alarms, refused = [], [], 0
    for spec in changes():
        told, found = await server.refusal(a_manifest(spec)), problems(Manifest("-", a_manifest(spec), 1))
        refused += told is not None
        if told is not None and not found:
            missed.append(told)
        if told is None and found and readable(spec):
            alarms.append(found)
    assert (missed, alarms) == ([], [])
    assert SAMPLE / 2 < refused < len(changes())


def readable(spec: Object) -> bool:
    """Whether the operator can read a specification."""
    try:
        ModelDeployment.model_validate({"spec": spec})
    except ValidationError:
        return False
    return True
