"""Volumes: each is a folder of this machine, filled before the containers start and kept up to date afterwards."""

import asyncio
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from slipway_sandbox.client import PERSISTENT_VOLUME_CLAIMS, SERVICE_ACCOUNTS, ApiError, Client, Manifest
from slipway_sandbox.node.environment import ConfigError, PodFacts, read_data


class Volumes:
    """The volumes of one pod. Raises `ConfigError` from `prepare` for what cannot be mounted (yet)."""

    def __init__(self, client: Client, folder: Path, shared: Path, facts: PodFacts) -> None:
        self._client = client
        self._folder = folder
        self._shared = shared
        self._facts = facts
        self._specs: dict[str, Manifest] = {volume["name"]: volume for volume in facts.pod["spec"].get("volumes") or ()}
        self._paths: dict[str, Path] = {}

    def uses(self, kind: str, name: str) -> bool:
        """Whether a ConfigMap or Secret (`configmap`, `secret`) of this name is the source of a volume."""
        return any((kind, name) in _references(volume) for volume in self._specs.values())

    async def prepare(self) -> None:
        """Make or refresh every volume."""
        for name, volume in self._specs.items():
            self._paths[name] = await self._prepare(name, volume)

    def mounts(self, container: Manifest, variables: Mapping[str, str]) -> list[tuple[str, Path]]:
        """Where the container's mount paths lie on this machine."""
        found = []
        for mount in container.get("volumeMounts") or ():
            path = self._paths[mount["name"]]
            below = mount.get("subPath") or mount.get("subPathExpr") or ""
            for name, value in variables.items():
                below = below.replace(f"$({name})", value)
            if below:
                path /= below
                if not path.exists():
                    path.mkdir(parents=True)
            found.append((mount["mountPath"], path))
        return found

    async def _prepare(self, name: str, volume: Manifest) -> Path:
        path = self._folder / name
        if "hostPath" in volume:
            return self._host_path(volume)
        if "persistentVolumeClaim" in volume:
            path = await self._claimed(volume["persistentVolumeClaim"]["claimName"])
        files = await self._files(volume)
        # A sandbox may hold large ConfigMaps on slow disks, and the loop also answers the API's watches.
        await asyncio.to_thread(_materialise, path, files)
        return path

    async def _claimed(self, name: str) -> Path:
        claim = await self._client.find(PERSISTENT_VOLUME_CLAIMS, self._facts.pod["metadata"]["namespace"], name)
        if claim is None:
            raise ConfigError(f'persistentvolumeclaim "{name}" not found')
        if claim.get("status", {}).get("phase") != "Bound":
            raise ConfigError(f'persistentvolumeclaim "{name}" is not bound')
        return claim_folder(self._shared, claim)

    def _host_path(self, volume: Manifest) -> Path:
        path = Path(volume["hostPath"]["path"])
        kind = volume["hostPath"].get("type", "")
        if kind == "DirectoryOrCreate":
            path.mkdir(parents=True, exist_ok=True)
        elif kind == "FileOrCreate" and not path.exists():
            path.touch()
        checks = {"Directory": path.is_dir, "File": path.is_file, "Socket": path.is_socket}
        fits = checks.get(kind.removesuffix("OrCreate"), path.exists)
        if kind and not fits():
            raise ConfigError(f"hostPath type check failed: {path} is not a {kind.removesuffix('OrCreate').lower()}")
        return path

    async def _files(self, volume: Manifest) -> dict[str, tuple[bytes, int]] | None:
        """What the volume holds by relative path, with modes; None for a volume that the pod writes itself."""
        if "projected" in volume:
            mode = volume["projected"].get("defaultMode", 0o644)
            files: dict[str, tuple[bytes, int]] = {}
            for source in volume["projected"].get("sources") or ():
                for kind, spec in source.items():
                    files |= await self._source(kind, spec, mode)
            return files
        for kind in ("configMap", "secret", "downwardAPI"):
            if kind in volume:
                return await self._source(kind, volume[kind], volume[kind].get("defaultMode", 0o644))
        if not {"emptyDir", "persistentVolumeClaim", "ephemeral"} & volume.keys():
            kinds = ", ".join(sorted(volume.keys() - {"name"}))
            raise ConfigError(f'volume "{volume["name"]}": the sandbox has no volumes of the kind {kinds}')
        return None

    async def _source(self, kind: str, spec: Manifest, mode: int) -> dict[str, tuple[bytes, int]]:
        if kind == "downwardAPI":
            return {item["path"]: (self._downward(item).encode(), item.get("mode", mode)) for item in spec["items"]}
        if kind == "serviceAccountToken":
            return {spec["path"]: (await self._token(spec), mode)}
        if kind not in {"configMap", "secret"}:
            raise ConfigError(f"the sandbox projects no {kind}")
        name = str(spec.get("secretName") or spec.get("name"))
        namespace = self._facts.pod["metadata"]["namespace"]
        data = await read_data(self._client, kind.lower(), namespace, name)
        if data is None:
            if spec.get("optional"):
                return {}
            raise ConfigError(f'{kind.lower()} "{name}" not found')
        if not spec.get("items"):
            return {key: (value, mode) for key, value in data.items()}
        files = {}
        for item in spec["items"]:
            if item["key"] in data:
                files[item["path"]] = (data[item["key"]], item.get("mode", mode))
            elif not spec.get("optional"):
                raise ConfigError(f"references non-existent {kind.lower()} key: {item['key']}")
        return files

    def _downward(self, item: Manifest) -> str:
        if "fieldRef" in item:
            return self._facts.field(item["fieldRef"]["fieldPath"])
        return self._facts.resource(item["resourceFieldRef"], "")

    async def _token(self, spec: Manifest) -> bytes:
        pod = self._facts.pod
        account = pod["spec"].get("serviceAccountName", "default")
        audiences = {"audiences": [spec["audience"]]} if spec.get("audience") else {}
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {**audiences, "expirationSeconds": spec.get("expirationSeconds", 3600)},
        }
        path = SERVICE_ACCOUNTS.path(pod["metadata"]["namespace"], account, "token")
        try:
            answer = await self._client.request("POST", path, body=body)
        except ApiError as refusal:
            raise ConfigError(f"no token for service account {account}: {refusal.message}") from refusal
        return str(answer["status"]["token"]).encode()


def claim_folder(shared: Path, claim: Manifest) -> Path:
    """Where the files of a claim are; another claim of the same name begins with none."""
    metadata = claim["metadata"]
    return shared / f"{metadata['namespace']}_{metadata['name']}_{metadata['uid']}"


def _references(volume: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    sources = [volume, *(volume.get("projected", {}).get("sources") or ())]
    for source in sources:
        if "configMap" in source:
            yield "configmap", source["configMap"].get("name", "")
        if "secret" in source:
            yield "secret", source["secret"].get("secretName") or source["secret"].get("name", "")


def _materialise(path: Path, files: Mapping[str, tuple[bytes, int]] | None) -> None:
    """Make the folder hold exactly these files; each appears or changes at once, never half written."""
    path.mkdir(parents=True, exist_ok=True)
    if files is None:
        return
    for name, (content, mode) in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_file() and target.read_bytes() == content:
            continue
        fresh = target.with_name(f".{target.name}.new")
        fresh.write_bytes(content)
        fresh.chmod(mode)
        os.replace(fresh, target)  # noqa: PTH105 - one word for an atomic replacement
    for present in path.iterdir():
        if present.is_dir() and not any(name.startswith(present.name + "/") for name in files):
            shutil.rmtree(present)
        elif present.is_file() and present.name not in files:
            present.unlink()
