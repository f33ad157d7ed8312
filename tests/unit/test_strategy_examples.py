"""The manifests in `examples/strategies` are right, say when to choose them, and leave no strategy and no router out.

Right is what `lint` finds nothing in, and what an API server takes with the CRD and its CEL rules: the sandbox's, which
is held against a genuine one by its own tests. And the table of `docs/strategies.md` is what the code says: which
strategy needs what, and which router can do it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import yaml

from slipway.api import ModelDeployment, ModelDeploymentSpec, Strategy, Traffic
from slipway.api.crd import definitions
from slipway.cli.lint import concerns, problems
from slipway.cli.manifests import Manifest, read
from slipway.rollout import course_of, needs
from slipway.traffic import gateway_features, router_of
from slipway_sandbox.apiserver import ApiServer

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "examples" / "strategies"
FILES: Final = sorted(FOLDER.glob("*.yaml"))
PAGE: Final = ROOT / "docs" / "strategies.md"

Object = dict[str, Any]


def objects(path: Path) -> list[Manifest]:
    return [manifest for manifest in read(str(path)) if concerns(manifest.document)]


def spec_of(path: Path) -> ModelDeploymentSpec:
    (manifest,) = objects(path)
    return ModelDeployment.model_validate({"spec": manifest.document["spec"]}).spec


def declared(block: Strategy | Traffic) -> str:
    """The one part that is declared, by the name that a manifest has for it."""
    return next(info.alias or name for name, info in type(block).model_fields.items() if getattr(block, name))


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Where a server with the CRDs takes ModelDeployments."""
    server = ApiServer(host="127.0.0.1", port=0)
    await server.start()
    try:
        async with aiohttp.ClientSession(server.url) as session:
            for crd in definitions().values():
                async with session.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", json=crd) as answer:
                    assert answer.status == 201, await answer.text()
            path = "/apis/slipway.dev/v1alpha1/namespaces/default/modeldeployments"
            await _served(session, path)
        yield f"{server.url}{path}"
    finally:
        await server.stop()


async def _served(session: aiohttp.ClientSession, path: str) -> None:
    """A definition is served a moment after it was written."""
    async with asyncio.timeout(30):
        while True:
            async with session.get(path) as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.01)


async def refusal(session: aiohttp.ClientSession, url: str, document: Mapping[str, Any]) -> str | None:
    """A server's words; None when it takes the object. Nothing is stored."""
    asked = {"dryRun": "All", "fieldValidation": "Strict"}
    async with session.post(url, params=asked, json=document) as answer:
        return None if answer.status == 201 else str((await answer.json())["message"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_lint_finds_nothing_in_an_example(path: Path) -> None:
    assert [problem for manifest in objects(path) for problem in problems(manifest)] == []


async def test_a_server_takes_every_example(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        said = {path.stem: await refusal(session, url, objects(path)[0].document) for path in FILES}
        assert said == dict.fromkeys(said)
        spoilt = {**objects(FILES[0])[0].document, "spec": {"paused": "no"}}
        assert await refusal(session, url, spoilt) is not None


def test_there_is_an_example_of_every_strategy_and_of_every_router() -> None:
    specs = [spec_of(path) for path in FILES]
    assert {declared(spec.strategy) for spec in specs} == {
        info.alias or name for name, info in Strategy.model_fields.items()
    }
    assert {declared(spec.traffic) for spec in specs} == {
        info.alias or name for name, info in Traffic.model_fields.items()
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_says_when_to_choose_it_before_it_begins(path: Path) -> None:
    lines = path.read_text().splitlines()
    header = [line for line in lines[: lines.index("spec:")] if line.startswith("# ")]
    assert lines[0].startswith("# ")
    assert len(" ".join(header).split()) > 20


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_declares_a_release_whose_model_is_there(path: Path) -> None:
    known = yaml.safe_load((ROOT / "examples" / "fraud" / "v2.yaml").read_text())["spec"]["release"]
    release = objects(path)[0].document["spec"]["release"]
    assert {key: release[key] for key in ("model", "featurePipeline")} == {
        key: known[key] for key in ("model", "featurePipeline")
    }
    assert release["container"]["image"] == known["container"]["image"]


def test_the_rule_that_an_example_uses_is_in_the_route_beside_it() -> None:
    route, deployment = (manifest.document for manifest in read(str(FOLDER / "canary-own-route.yaml")))
    used = deployment["spec"]["traffic"]["gateway"]["route"]
    assert used["name"] == route["metadata"]["name"]
    assert used["rule"] in [rule["name"] for rule in route["spec"]["rules"]]


def test_the_readme_names_every_example_with_its_strategy_and_router() -> None:
    rows = re.findall(r"^\| \[`(\S+)`\]\((\S+)\) \| (\w+) \| `(\w+)`", (FOLDER / "README.md").read_text(), re.MULTILINE)
    told = {file: (link, strategy, router) for file, link, strategy, router in rows}
    specs = {path.name: spec_of(path) for path in FILES}
    assert told == {name: (name, declared(spec.strategy), declared(spec.traffic)) for name, spec in specs.items()}


# --- the table of docs/strategies.md ---------------------------------------------------------------------------------

HOSTS: Final = {"hostnames": ["fraud.example"]}
ROUTERS: Final[Mapping[str, Object]] = {
    "gateway": {"gateway": {"parentRefs": [{"name": "public"}]}},
    "gateway.route": {"gateway": {"route": {"name": "site", "rule": "score"}}},
    "traefik": {"traefik": {}},
    "ingressNginx": {"ingressNginx": HOSTS},
    "istio": {"istio": HOSTS},
    "service": {"service": {}},
}
HEADER: Final = {"header": {"name": "x-group", "value": "beta"}}
WAYS: Final[Mapping[str, Object]] = {
    "`canary`": {"canary": {"steps": [{"weight": 50}]}},
    "`canary.shadow`, `blueGreen.shadow`, `shadow`": {"shadow": {}},
    "the same with `percent`": {"shadow": {"percent": 10}},
    "`blueGreen`": {"blueGreen": {}},
    "`blueGreen.preview`": {"blueGreen": {"preview": HEADER}},
    "`abTest.weight`": {"abTest": {"weight": 50}},
    "`abTest.matches` by header": {"abTest": {"matches": [HEADER]}},
    "`abTest.matches` by cookie": {"abTest": {"matches": [{"cookie": {"name": "group", "value": "beta"}}]}},
    "`abTest.sticky`": {"abTest": {"weight": 50, "sticky": {"cookie": "release"}}},
    "`rollingUpdate`": {"rollingUpdate": {}},
}
SILENT: Final = gateway_features([{}])
ABLE: Final = gateway_features(
    [
        {
            "spec": {"controllerName": "traefik.io/gateway-controller"},
            "status": {"supportedFeatures": ["HTTPRouteRequestMirror", "HTTPRouteRequestPercentageMirror"]},
        }
    ]
)


def can(way: Object, traffic: Object) -> str:
    """Whether a router can carry a strategy: as such, if its implementation can, or not."""
    changed = {
        "release": objects(FILES[0])[0].document["spec"]["release"],
        "strategy": way,
        "traffic": traffic,
    }
    spec = ModelDeployment.model_validate({"spec": changed}).spec
    router, settings = router_of(spec.traffic)
    wanted = needs(spec, course_of(spec.strategy, replicas=2, by_replicas=spec.traffic.service is not None))

    def does(features: frozenset[str] | None) -> bool:
        able = router.capabilities(traffic=settings, features=features)
        return all(getattr(able, need.capability) for need in wanted)

    return "yes" if does(SILENT) else "if it can" if does(ABLE) else "no"


def test_the_table_says_which_router_can_carry_which_strategy() -> None:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line[1:].rstrip("|").split("|")] for line in lines]
    (heading,) = [row for row in cells if row[1:] == [f"`{name}`" for name in ROUTERS]]
    told = {row[0]: row[1:] for row in cells[cells.index(heading) + 1 :] if row[0] in WAYS}
    assert told == {name: [can(way, traffic) for traffic in ROUTERS.values()] for name, way in WAYS.items()}
