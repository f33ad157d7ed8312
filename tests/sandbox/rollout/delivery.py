"""How tools bring a ModelDeployment from git to the cluster, and how they tell whether the two differ."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from sandbox.clients.helmfetch import helm_binary
from sandbox.rollout.kit import NAME, Shop, merge

from demo.stage import DEPLOYMENTS, Manifest
from slipway_sandbox.client import JSON_PATCH

ARGO: Final = "argocd-controller"
FLUX: Final = "kustomize-controller"
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
TRACKING: Final = "argocd.argoproj.io/tracking-id"
APPLY: Final = "application/apply-patch+yaml"
SET_BY_THE_SERVER: Final = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid")

NOTHING: Final = object()

Tools = Mapping[str, Callable[[], Awaitable[None]]]


@dataclass
class Git:
    """What git declares of the ModelDeployment of a shop, and the tools of those who have it applied from there."""

    shop: Shop
    folder: Path
    declared: Manifest = field(default_factory=dict)

    @property
    def on_the_server(self) -> Tools:
        """The tools that apply on the server; they get along with each other on one object."""
        return {"Argo CD": self.argo_server_side, "Flux": self.flux, "Helm 4": self.helm_4}

    @property
    def in_the_client(self) -> Tools:
        """The tools that merge what was, what is and what shall be, and patch the difference."""
        return {"Helm 3": self.helm_3, "Argo CD": self.argo_client_side}

    def commit(self, manifest: Manifest) -> None:
        """Declare something else. Nobody has applied it yet."""
        gateway = {"parentRefs": [{"name": "sandbox", "namespace": "default"}], "hostnames": [self.shop.load.host]}
        there = {"metadata": {"namespace": self.shop.namespace}, "spec": {"traffic": {"gateway": gateway}}}
        self.declared = merge(manifest, there)

    async def live(self) -> Manifest:
        """The ModelDeployment as the API server has it now."""
        return await self.shop.stage.sandbox.client.get(DEPLOYMENTS, self.shop.namespace, NAME)

    # --- Argo CD

    @property
    def tracked(self) -> Manifest:
        """The manifest as Argo CD marks it for one of its Applications."""
        mark = f"models:slipway.dev/ModelDeployment:{self.shop.namespace}/{NAME}"
        return dict(merge(self.declared, {"metadata": {"annotations": {TRACKING: mark}}}))

    async def argo_server_side(self) -> None:
        """The sync option ServerSideApply=true."""
        await self._kubectl("--server-side", "--force-conflicts")

    async def argo_client_side(self) -> None:
        """What Argo CD does without options."""
        await self._kubectl()

    async def _kubectl(self, *options: str) -> None:
        self.folder.mkdir(exist_ok=True)
        path = self.folder / "tracked.yaml"
        path.write_text(yaml.safe_dump(self.tracked))
        await self.shop.kubectl("apply", f"--field-manager={ARGO}", *options, "-f", str(path))

    async def argo_diff(self) -> Manifest:
        """What Argo CD's comparison without options shows; empty means Synced."""
        live = visible(await self.live())
        annotations = live["metadata"].get("annotations") or {}
        applied = visible(json.loads(annotations[LAST_APPLIED])) if LAST_APPLIED in annotations else self.tracked
        return three_way(applied, visible(self.tracked), live)

    async def argo_server_side_diff(self) -> Manifest:
        """What Argo CD's comparison by a dry run on the server shows; empty means Synced."""
        live = visible(await self.live())
        predicted = visible(await self._apply(self.tracked, ARGO, dryRun="All"))
        return merge_patch(live, predicted)

    # --- Flux

    @property
    def inventoried(self) -> Manifest:
        """The manifest as Flux labels it for one of its Kustomizations."""
        labels = {f"kustomize.toolkit.fluxcd.io/{key}": value for key, value in (("name", "m"), ("namespace", "f"))}
        return dict(merge(self.declared, {"metadata": {"labels": labels}}))

    async def flux(self) -> None:
        """A look of Flux: it takes over what kubectl wrote, and applies only what its dry run found to differ."""
        cleaned = await self._take_over()
        if cleaned or await self.flux_diff():
            await self._apply(self.inventoried, FLUX)

    async def flux_diff(self) -> Manifest:
        """What the dry run of Flux shows; empty means that nothing is applied."""
        return merge_patch(visible(await self.live()), visible(await self._apply(self.inventoried, FLUX, dryRun="All")))

    async def _take_over(self) -> bool:
        live = await self.live()
        entries = taken_over(live["metadata"]["managedFields"])
        if entries == live["metadata"]["managedFields"]:
            return False
        path = DEPLOYMENTS.path(self.shop.namespace, NAME)
        change = [
            {"op": "replace", "path": "/metadata/managedFields", "value": entries},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
        ]
        client = self.shop.stage.sandbox.client
        await client.request("PATCH", path, body=change, content_type=JSON_PATCH, query={"fieldManager": FLUX})
        return True

    async def _apply(self, manifest: Manifest, manager: str, **query: str) -> Manifest:
        client = self.shop.stage.sandbox.client
        path = DEPLOYMENTS.path(self.shop.namespace, NAME)
        said = {"fieldManager": manager, "force": "true", **query}
        return await client.request("PATCH", path, body=manifest, content_type=APPLY, query=said)

    # --- Helm

    async def helm_3(self) -> None:
        """A client-side three-way merge of the manifest before, the new one and what is live."""
        await self._helm("helm3")

    async def helm_4(self) -> None:
        """An apply on the server."""
        await self._helm("helm4", "--server-side=true", "--force-conflicts")

    async def _helm(self, name: str, *options: str) -> None:
        chart = self.folder / "chart"
        (chart / "templates").mkdir(parents=True, exist_ok=True)
        (chart / "Chart.yaml").write_text("apiVersion: v2\nname: models\nversion: 1.0.0\n")
        (chart / "templates" / "model.yaml").write_text(yaml.safe_dump(self.declared))
        where = [f"--namespace={self.shop.namespace}", f"--kubeconfig={self.shop.stage.sandbox.kubeconfig_path}"]
        process = await asyncio.create_subprocess_exec(
            str(await asyncio.to_thread(helm_binary, name)),
            *("upgrade", "models", str(chart), "--install", "--take-ownership", *options, *where),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"HOME": str(self.folder), "PATH": "/usr/bin:/bin"},
        )
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, out.decode()


def visible(obj: Manifest) -> Manifest:
    """What tools compare: neither the status nor what the server keeps for itself."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in SET_BY_THE_SERVER}
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != LAST_APPLIED}
    metadata = {key: value for key, value in metadata.items() if key != "annotations"}
    if annotations:
        metadata["annotations"] = annotations
    return {key: value for key, value in obj.items() if key not in {"status", "metadata"}} | {"metadata": metadata}


def merge_patch(before: Any, after: Any) -> Any:
    """The JSON merge patch (RFC 7386) that turns one value into the other: lists as a whole, None for what goes."""
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return copy.deepcopy(after)
    out: Manifest = dict.fromkeys(before.keys() - after.keys())
    for key, value in after.items():
        if before.get(key, NOTHING) != value:
            out[key] = merge_patch(before.get(key), value)
    return out


def three_way(applied: Manifest, wanted: Manifest, live: Manifest) -> Manifest:
    """What an apply would patch: what is wanted and not live, and None for what was applied and is wanted no longer.

    The rule of apimachinery's `jsonmergepatch.CreateThreeWayJSONMergePatch`: fields of live alone do not count.
    """
    changed = only(merge_patch(live, wanted), nulls=False)
    gone = only(merge_patch(applied, wanted), nulls=True)
    return _both(changed, _still_there(gone, live))


def only(patch: Manifest, *, nulls: bool) -> Manifest:
    """The deletions of a merge patch, or everything else."""
    out: Manifest = {}
    for key, value in patch.items():
        if isinstance(value, Mapping):
            if inner := only(dict(value), nulls=nulls):
                out[key] = inner
        elif (value is None) is nulls:
            out[key] = value
    return out


def _still_there(gone: Manifest, live: Any) -> Manifest:
    """Of deletions those that would change something."""
    out: Manifest = {}
    for key, value in gone.items():
        if not isinstance(live, Mapping) or key not in live:
            continue
        if value is None:
            out[key] = None
        elif inner := _still_there(value, live[key]):
            out[key] = inner
    return out


def _both(one: Manifest, other: Manifest) -> Manifest:
    out = dict(one)
    for key, value in other.items():
        out[key] = _both(out[key], value) if isinstance(value, Mapping) and isinstance(out.get(key), Mapping) else value
    return out


def taken_over(entries: list[Manifest]) -> list[Manifest]:
    """managedFields after Flux made what kubectl wrote its own; entries of subresources stay with their owners."""
    mine = [entry for entry in entries if _is_taken(entry)]
    if not any(entry["operation"] == "Update" or entry["manager"] != FLUX for entry in mine):
        return entries
    fields: Manifest = {}
    for entry in mine:
        fields = _both(fields, entry["fieldsV1"])
    first = {**mine[0], "manager": FLUX, "operation": "Apply", "fieldsV1": fields}
    return [first, *(entry for entry in entries if not _is_taken(entry))]


def _is_taken(entry: Manifest) -> bool:
    if entry.get("subresource"):
        return False
    manager, operation = entry["manager"], entry["operation"]
    return (
        manager.startswith("kubectl") or manager == FLUX or (manager == "before-first-apply" and operation == "Update")
    )


__all__ = ["ARGO", "FLUX", "TRACKING", "Git", "Tools", "merge_patch", "taken_over", "three_way", "visible"]
