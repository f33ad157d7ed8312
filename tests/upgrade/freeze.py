"""Freezes this version as what later ones have to upgrade from: ``python tests/upgrade/freeze.py tests/upgrade``.

The operator itself is asked, in the world of its own tests. A folder that exists is never written again.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any, Final

import yaml
from chart.kit import CHART, Chart
from unit.controller.builders import a_gateway_class, a_release
from unit.controller.jobs import IMAGE, finish, jobs
from unit.controller.world import World, a_world

from slipway.api import ModelDeployment, ReleaseSpec
from slipway.cluster import DEPLOYMENT, HTTP_ROUTE, MODEL_DEPLOYMENT, MODEL_REVISION, SERVICE, Object, kind_of
from slipway.release import release_hash
from slipway.workload import Owner, deployment_manifest

ROOT: Final = Path(__file__).resolve().parents[2]
OWNER: Final = Owner("slipway.dev/v1alpha1", "ModelRevision", "model", "00000000-0000-4000-8000-000000000001")
SLOW: Final = {"canary": {"steps": [{"weight": 10, "minDuration": "1h"}, {"weight": 50}, {"weight": 100}]}}
SHADOW: Final = {
    "canary": {"shadow": {"percent": 100, "minDuration": "1m"}, "steps": [{"weight": 50}, {"weight": 100}]}
}
WATCH: Final = {"watch": "10m", "progressDeadline": "2m", "scaleDownDelay": "30s"}


class Album:
    """The last picture of every phase that an object of ours was in."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], Object] = {}

    def watch(self, world: World) -> None:
        """Take pictures of this world."""
        world.cluster.subscribe(self._take)

    def _take(self, change: str, obj: Object) -> None:
        phase = (obj.get("status") or {}).get("phase")
        if change != "DELETED" and kind_of(obj) in {MODEL_DEPLOYMENT, MODEL_REVISION} and phase:
            self._seen[obj["kind"], phase] = obj

    def pictures(self) -> list[Object]:
        """In the order of kinds and phases."""
        return [self._seen[key] for key in sorted(self._seen)]


async def a_good_release(world: World) -> None:
    """From a canary to the end of the watch; the release before it is put away."""
    await world.serving("v1")
    world.declare("v2", rollback=WATCH)
    await world.run()


async def copied_requests(world: World) -> None:
    """Requests are copied first, by a gateway that can."""
    features = [{"name": "HTTPRouteRequestMirror"}, {"name": "HTTPRouteRequestPercentageMirror"}]
    world.cluster.put(a_gateway_class() | {"status": {"supportedFeatures": features}})
    await world.serving("v1")
    world.declare("v2", strategy=SHADOW)
    await world.run()


async def a_delivered_release(world: World) -> None:
    """A Job says first what it is made of."""
    world.kill_operator()
    world.image = IMAGE
    world.start_operator()
    await world.serving("v1")
    release = a_release("v2")
    world.declare("v2", release=release | {"model": release["model"] | {"uri": "s3://models/v2"}, "delivery": {}})
    await world.run(lambda: bool(jobs(world)))
    finish(world, {"digest": f"sha256:{'ab' * 32}", "bytes": 7, "files": 2, "verified": []})
    await world.run()


async def a_bad_release(world: World) -> None:
    """Hauled back."""
    await world.serving("v1")
    await world.model("v4", errors=0.33)
    world.declare("v4")
    await world.run()


async def waiting_for_a_person(world: World) -> None:
    """A step that somebody has to let pass."""
    await world.serving("v1")
    world.declare("v2", strategy={"canary": {"steps": [{"weight": 10, "approval": "Required"}, {"weight": 100}]}})
    await world.run(lambda: world.status.get("phase") == "AwaitingApproval")


async def midway(world: World) -> Object:
    """In the middle of a step, with evidence from the gateway."""
    await world.serving("v1")
    world.declare("v2", strategy=SLOW)
    await world.run(lambda: bool(world.record("v2").get("weightObservedAt")) if world.phase("v2") else False)
    await world.pass_time(180)
    kinds = (MODEL_DEPLOYMENT, MODEL_REVISION, DEPLOYMENT, SERVICE, HTTP_ROUTE)
    objects = [obj for kind in kinds for obj in world.mirror.objects(kind)]
    return {"seconds": world.clock.time(), "objects": objects}


async def states() -> list[Object]:
    """What the operator leaves in each phase."""
    album = Album()
    for story in (a_delivered_release, copied_requests, a_bad_release, waiting_for_a_person, a_good_release):
        async with a_world() as world:
            album.watch(world)
            await story(world)
    return album.pictures()


async def in_the_middle() -> Object:
    """All objects in the middle of a canary."""
    async with a_world() as world:
        return await midway(world)


def releases() -> list[Object]:
    """Every release of the examples, as it is hashed and as its pods are rendered with and without a pause.

    What a runtime or a registry says beside it is no part of the hash, and is frozen in revisions, not here: such a
    release has no pods.
    """
    found = []
    for path in sorted((ROOT / "examples").glob("*/*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if not document or document.get("kind") != "ModelDeployment":
                continue
            ModelDeployment.model_validate({"spec": document["spec"]})
            raw = document["spec"]["release"]
            entry: Object = {"example": str(path.relative_to(ROOT)), "release": raw, "hash": release_hash(raw)}
            if "from" not in raw and "image" in (raw.get("container") or {}):
                entry |= _pods(document["metadata"]["name"], raw)
            if entry not in found:
                found.append(entry)
    return found


def _pods(name: str, raw: Object) -> Object:
    rendered = {}
    for key, drain in (("deployment", False), ("drained", True)):
        spec = deployment_manifest(
            model_deployment=name,
            namespace="models",
            release=ReleaseSpec.model_validate(raw),
            full_hash=release_hash(raw),
            replicas=1,
            role="stable",
            owner=OWNER,
            drain=drain,
        )["spec"]
        rendered[key] = {"selector": spec["selector"], "template": spec["template"]}
    return rendered


def chart() -> list[Object]:
    """The chart with its default values, without CRDs and without what another file holds already."""
    with tempfile.TemporaryDirectory() as home:
        objects = Chart("helm4", Path(home)).objects()
    return [obj for obj in objects if obj["kind"] not in {"CustomResourceDefinition", "ConfigMap"}]


def crds() -> list[Object]:
    """The definitions, without descriptions."""
    return [plain(yaml.safe_load(path.read_text())) for path in sorted((ROOT / "crds").glob("*.yaml"))]


def plain(schema: Any) -> Any:
    """A schema without its descriptions; a field of that name is a mapping, and stays."""
    if isinstance(schema, dict):
        kept = {key: value for key, value in schema.items() if not (key == "description" and isinstance(value, str))}
        return {key: plain(value) for key, value in kept.items()}
    return [plain(item) for item in schema] if isinstance(schema, list) else schema


def freeze(into: Path, commit: str) -> Path:
    """Write the folder of this version. Raises FileExistsError where it is there already."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["version"] == version
    folder = into / f"v{version}"
    files: dict[str, Any] = {
        "about": {"version": version, "commit": commit},
        "crds": crds(),
        "states": asyncio.run(states()),
        "midway": asyncio.run(in_the_middle()),
        "releases": releases(),
        "chart": chart(),
    }
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(_text(content))
    return folder


def _text(content: Any) -> str:
    """One line for each item, so that a difference can be read; the ports of a test's servers are where there is
    room."""
    lines = content if isinstance(content, list) else [content]
    said = ",\n".join(json.dumps(line, separators=(",", ":"), sort_keys=True) for line in lines)
    said = re.sub(r"127\.0\.0\.1:\d+", "gateway.example.com:9100", said)
    return f"[\n{said}\n]\n" if isinstance(content, list) else f"{said}\n"


def main(into: Path, *commit: str) -> None:
    """Freeze what is checked out; a copy without history is told which commit it is."""
    if not commit:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
        commit = (head.stdout.strip(),)
    print(freeze(into, *commit))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
