"""Objects and CRDs of different versions, on the sandbox's API server: old objects under new CRDs, and back.

Statuses go by server-side apply, as the operator sends them: what a CRD does not declare is refused there, and not
dropped.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from sandbox.apiserver.conftest import Client, Reply
from upgrade.freeze import states
from upgrade.frozen import ROOT, VERSIONS, Frozen, Object

from slipway.api.crd import definitions
from slipway.cluster import MODEL_REVISION, Undeclared, connect, kind_of
from slipway.controller.statuses import declared
from slipway.controller.surroundings import Surroundings
from slipway_sandbox.apiserver import ApiServer

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

versions = pytest.mark.parametrize("frozen", VERSIONS, ids=lambda frozen: frozen.version)


def examples() -> list[Object]:
    """Every ModelDeployment of the examples, each under a name of its own."""
    files = sorted((ROOT / "examples").glob("*/*.yaml"))
    documents = [(path.stem, document) for path in files for document in yaml.safe_load_all(path.read_text())]
    return [
        {**document, "metadata": {"name": name, "namespace": "default"}}
        for name, document in documents
        if document and document.get("kind") == "ModelDeployment"
    ]


def address(obj: Object, name: str = "") -> str:
    return kind_of(obj).path("default", name or None)


def nameless(obj: Object, number: int) -> Object:
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": {"name": f"o-{number}"}}


async def stored(admin: Client, obj: Object, number: int) -> Object:
    """An object of a state as it is stored, with its status. Neither may be refused or lose a field."""
    made = await admin.post(address(obj), {**nameless(obj, number), "spec": obj["spec"]}, fieldValidation="Strict")
    assert made.status == 201, made.body
    answer = await tell(admin, obj, number, obj["status"])
    assert answer.status == 200, answer.body
    assert answer.body["status"] == {"observedGeneration": -1} | obj["status"]
    return dict(answer.body)


async def tell(admin: Client, obj: Object, number: int, status: Any) -> Reply:
    """Write a status as the operator does."""
    path = f"{address(obj, f'o-{number}')}/status"
    return await admin.apply(path, {**nameless(obj, number), "status": status}, "slipway", force="true")


async def define(admin: Client, crds: Sequence[Object]) -> None:
    for crd in crds:
        await admin.define(crd)


async def redefine(admin: Client, crds: Sequence[Object]) -> None:
    """Put other CRDs in place of those that are served."""
    for crd in crds:
        done = await admin.apply(f"{CRDS}/{crd['metadata']['name']}", crd, "helm", force="true")
        assert done.status in {200, 201}, done.body


@versions
async def test_what_a_former_version_stored_is_the_same_under_the_crds_of_today_and_can_be_written(
    frozen: Frozen, admin: Client
) -> None:
    await define(admin, list(frozen.crds.values()))
    before = [await stored(admin, obj, number) for number, obj in enumerate(frozen.states)]
    await redefine(admin, list(definitions().values()))
    for number, (obj, old) in enumerate(zip(frozen.states, before, strict=True)):
        new = (await admin.get(address(obj, f"o-{number}"))).body
        assert {part: new[part] for part in ("spec", "status")} == {part: old[part] for part in ("spec", "status")}
        assert (await tell(admin, obj, number, obj["status"])).status == 200
        again = await admin.apply(
            address(obj, f"o-{number}"), {**nameless(obj, number), "spec": obj["spec"]}, "git", force="true"
        )
        assert again.status == 200, again.body
        assert again.body["metadata"]["generation"] == old["metadata"]["generation"]


@versions
async def test_releases_of_a_former_version_are_taken_by_the_crds_of_today(frozen: Frozen, admin: Client) -> None:
    await define(admin, list(definitions().values()))
    for number, entry in enumerate(frozen.releases):
        obj = {"apiVersion": MODEL_REVISION.api_version, "kind": "ModelRevision", "metadata": {"name": f"o-{number}"}}
        spec = {"modelDeployment": "fraud", "hash": entry["hash"], "release": entry["release"]}
        made = await admin.post(address(obj), {**obj, "spec": spec}, fieldValidation="Strict")
        assert made.status == 201, made.body


@versions
async def test_what_todays_version_writes_fits_the_crds_of_a_former_one_or_is_refused_for_a_new_field(
    frozen: Frozen, admin: Client
) -> None:
    """Going back: without new fields nothing is refused, and with them nothing but those."""
    await define(admin, list(frozen.crds.values()))
    schemas = {
        crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for crd in frozen.crds.values()
    }
    for number, obj in enumerate([*await states(), *examples()]):
        known = declared(schemas[obj["kind"]], {part: obj[part] for part in ("spec", "status") if part in obj})
        body = {**nameless(obj, number), "spec": obj["spec"]}
        made = await admin.post(address(obj), body, fieldValidation="Strict")
        if known["spec"] != obj["spec"]:
            assert (made.status, "unknown field" in made.body["message"]) == (400, True), made.body
            made = await admin.post(address(obj), {**body, "spec": known["spec"]}, fieldValidation="Strict")
        if made.status == 422:
            # A runtime or a registry may say what a former version had to be told.
            left_out = re.findall(r"spec\.release\.(container|model\.version): Required value", made.body["message"])
            assert left_out, made.body
            continue
        assert made.status == 201, (obj["metadata"]["name"], made.body)
        if "status" not in obj:
            continue
        told = await tell(admin, obj, number, obj["status"])
        if known["status"] != obj["status"]:
            assert "field not declared in schema" in told.body["message"], told.body
            told = await tell(admin, obj, number, known["status"])
        assert told.status == 200, told.body


async def test_a_field_that_a_crd_lacks_is_refused_and_told_and_what_is_stored_stays(tmp_path: Path) -> None:
    """Told by the look around, which is what readiness shows, and by the refusal, which the status shows."""
    server = ApiServer()
    await server.start()
    path = tmp_path / "kubeconfig"
    path.write_text(_kubeconfig(server.url))
    cluster = await connect(kubeconfig=str(path))
    try:
        for crd in definitions().values():
            await cluster.apply(_without(crd, "timeline"))
        while not await Surroundings(cluster, ()).look():
            pass
        around = Surroundings(cluster, ())
        await around.look()
        assert around.restricted is not None
        assert "the CRD of ModelRevision is older than the operator, and lacks status.timeline" in around.restricted

        obj = next(obj for obj in VERSIONS[-1].states if obj["kind"] == "ModelRevision" and "metrics" in obj["status"])
        named = {"name": "fraud-1", "namespace": "default"}
        bare = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": named}
        await cluster.create({**bare, "spec": obj["spec"]})
        known = {name: value for name, value in obj["status"].items() if name != "timeline"}
        before = await cluster.apply_status({**bare, "status": known})
        with pytest.raises(Undeclared, match=r"\.status\.timeline: field not declared in schema.*CRD of ModelRevision"):
            await cluster.apply_status({**bare, "status": obj["status"]})
        assert await cluster.get(MODEL_REVISION, "default", "fraud-1") == before
    finally:
        await cluster.close()
        await server.stop()


def _without(crd: Object, field: str) -> Object:
    crd = copy.deepcopy(crd)
    parts = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    parts.get("status", {}).get("properties", {}).pop(field, None)
    return crd


def _kubeconfig(server: str) -> str:
    text: str = yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "clusters": [{"name": "here", "cluster": {"server": server}}],
            "users": [{"name": "me", "user": {"token": "t"}}],
        }
    )
    return text
