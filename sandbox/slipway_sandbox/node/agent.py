"""The agent: watches pods, binds them to the node, and runs a worker for each."""

import asyncio
import logging
import os
import platform
import shutil
import socket
from collections import deque
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp

from slipway_sandbox.client import (
    CONFIG_MAPS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SECRETS,
    ApiError,
    Client,
    EventRecorder,
    InformerSet,
    Manifest,
)
from slipway_sandbox.images import EnvironmentStore, ImageError, ImageTable
from slipway_sandbox.node.addresses import KUBELET_PORT, AddressesExhaustedError, AddressPool, claim_network
from slipway_sandbox.node.container import Container
from slipway_sandbox.node.context import NodeContext
from slipway_sandbox.node.kubelet import KubeletServer
from slipway_sandbox.node.podworker import PodWorker
from slipway_sandbox.node.resume import forget_all_but, is_over
from slipway_sandbox.node.status import now
from slipway_sandbox.node.volumes import claim_folder
from slipway_sandbox.processes import MARKER

log = logging.getLogger(__name__)

NODE_NAME: Final = "sandbox"
SCHEDULER_NAME: Final = "default-scheduler"
HEARTBEAT_SECONDS: Final = 300.0
KEPT_POD_LOGS: Final = 500
"""Pods whose logs stay readable on disk after they are gone."""


class NodeAgent:
    """The only node of a sandbox, and the scheduler that puts every pod on it.

    `images` are the entries that are always there; the file `images.yaml` in the state folder is read again whenever
    it changes and comes before them. With `resumes` it goes on with the pods of an earlier run, and leaves the files of
    its own to the next one.
    """

    def __init__(
        self,
        client: Client,
        informers: InformerSet,
        *,
        state: Path,
        images: ImageTable,
        backoff_seconds: float = 10.0,
        resumes: bool = False,
    ) -> None:
        self._client = client
        self._images = images
        self._table = images
        self._table_file = state / "images.yaml"
        self._table_stamp = -1.0
        self._state = state
        self._backoff_seconds = backoff_seconds
        self._resumes = resumes
        self._workers: dict[str, PodWorker] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._old_logs: deque[Path] = deque()
        self._scheduler_events = EventRecorder(client, SCHEDULER_NAME)
        self._events = EventRecorder(client, "kubelet", host=NODE_NAME)
        self._pods = informers.of(PODS)
        self._informers = informers
        informers.of(CONFIG_MAPS)
        informers.of(SECRETS)
        self._claims = informers.of(PERSISTENT_VOLUME_CLAIMS)
        self._claims.add_handler(self._claim_changed)
        self._since = now()
        self._to_bind: asyncio.Queue[Manifest] = asyncio.Queue()
        self._ready: asyncio.Event = asyncio.Event()

    async def ready(self) -> None:
        """Wait until the Node object says that it is ready and pods are taken on."""
        await self._ready.wait()

    async def run(self) -> None:
        """Be a node until cancelled; then every process of every pod is ended."""
        network, claim = claim_network()
        kubelet = KubeletServer(self._find, self._address_of, self._running)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True), cookie_jar=aiohttp.DummyCookieJar()
        )
        environments = EnvironmentStore(variables={MARKER: str(self._state)})
        address, capacity = f"127.{network}.0.1", _capacity()
        context = NodeContext(
            client=self._client,
            events=self._events,
            session=session,
            images=self._image_table,
            environments=environments,
            state=self._state,
            name=NODE_NAME,
            host_address=address,
            capacity=capacity,
            backoff_seconds=self._backoff_seconds,
            resumes=self._resumes,
        )
        addresses = AddressPool(network)
        try:
            await kubelet.start(claim)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._events.run())
                group.create_task(self._scheduler_events.run())
                await self._register(address)
                await self._informers.synced()
                if self._resumes:
                    await asyncio.to_thread(forget_all_but, self._state, [*self._pods.all()], [*self._claims.all()])
                self._pods.add_handler(lambda kind, pod, _before: self._pod_changed(context, addresses, kind, pod))
                for resource, kind in ((CONFIG_MAPS, "configmap"), (SECRETS, "secret")):
                    self._informers.of(resource).add_handler(partial(self._source_changed, kind))
                self._ready.set()
                group.create_task(self._heartbeat(address))
                for _ in range(4):
                    group.create_task(self._bind_pods())
        finally:
            await self._end_all()
            await environments.close()
            await kubelet.stop()
            await session.close()

    # --- pods ----------------------------------------------------------------------------------------------------

    def _pod_changed(self, context: NodeContext, addresses: AddressPool, kind: str, pod: Manifest) -> None:
        uid = pod["metadata"]["uid"]
        worker = self._workers.get(uid)
        if kind == "DELETED":
            if worker is not None:
                worker.vanished()
            return
        if worker is not None:
            worker.update(pod)
            return
        node = pod["spec"].get("nodeName")
        if not node:
            if self._is_ours_to_bind(pod):
                self._to_bind.put_nowait(pod)
            return
        if node != NODE_NAME:
            return
        if is_over(pod) and pod["metadata"].get("deletionTimestamp"):
            self._spawn(self._confirm_deletion(pod))
            return
        try:
            worker = PodWorker(context, pod, addresses)
        except AddressesExhaustedError as problem:
            self._events.record("Warning", pod, "FailedCreatePodSandBox", str(problem))
            return
        self._workers[uid] = worker
        worker.update(pod)
        self._spawn(self._work(worker))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, worker: PodWorker) -> None:
        try:
            await worker.run()
        except Exception:
            # One pod that cannot be run must not take the node with it.
            log.exception("pod %s", worker.pod["metadata"]["name"])
        finally:
            self._workers.pop(worker.uid, None)
            self._old_logs.append(worker.logs_folder)
            if len(self._old_logs) > KEPT_POD_LOGS:
                await asyncio.to_thread(shutil.rmtree, self._old_logs.popleft(), ignore_errors=True)

    async def _confirm_deletion(self, pod: Manifest) -> None:
        metadata = pod["metadata"]
        await self._client.delete(PODS, metadata["namespace"], metadata["name"], uid=metadata["uid"], grace_seconds=0)

    def _is_ours_to_bind(self, pod: Manifest) -> bool:
        spec, metadata = pod["spec"], pod["metadata"]
        ours = spec.get("schedulerName", SCHEDULER_NAME) == SCHEDULER_NAME
        return ours and not spec.get("schedulingGates") and not metadata.get("deletionTimestamp")

    async def _bind_pods(self) -> None:
        while True:
            pod = await self._to_bind.get()
            metadata = pod["metadata"]
            binding = {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]},
                "target": {"apiVersion": "v1", "kind": "Node", "name": NODE_NAME},
            }
            path = PODS.path(metadata["namespace"], metadata["name"], "binding")
            try:
                await self._client.request("POST", path, body=binding)
            except ApiError as refusal:
                if not (refusal.absent or refusal.conflict):
                    log.warning("binding of %s: %s", metadata["name"], refusal)
                continue
            except (aiohttp.ClientError, TimeoutError, OSError) as failure:
                log.warning("binding of %s: %r", metadata["name"], failure)
                await asyncio.sleep(0.5)
                self._to_bind.put_nowait(pod)
                continue
            message = f"Successfully assigned {metadata['namespace']}/{metadata['name']} to {NODE_NAME}"
            self._scheduler_events.record("Normal", pod, "Scheduled", message)

    async def _end_all(self) -> None:
        """Kill at once: the sandbox is going, and a grace period would be spent on nobody."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=5)

    def _source_changed(self, kind: str, event: str, obj: Manifest, before: Manifest | None) -> None:
        if event != "MODIFIED" or before is None:
            return
        metadata = obj["metadata"]
        for worker in self._workers.values():
            if worker.pod["metadata"]["namespace"] == metadata["namespace"] and worker.uses(kind, metadata["name"]):
                self._spawn(worker.refresh_volumes())

    def _claim_changed(self, event: str, claim: Manifest, _before: Manifest | None) -> None:
        if event == "DELETED":
            folder = claim_folder(self._state / "volumes", claim)
            self._spawn(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))

    def _find(self, namespace: str, pod: str, container: str) -> Container | None:
        known = self._pods.get(namespace, pod)
        worker = self._workers.get(known["metadata"]["uid"]) if known else None
        return worker.container(container) if worker else None

    def _address_of(self, namespace: str, pod: str) -> str | None:
        known = self._pods.get(namespace, pod)
        worker = self._workers.get(known["metadata"]["uid"]) if known else None
        return worker.address if worker else None

    def _running(self) -> list[tuple[Manifest, dict[str, int]]]:
        return [(worker.pod, worker.processes()) for worker in self._workers.values()]

    # --- images --------------------------------------------------------------------------------------------------

    def _image_table(self) -> ImageTable:
        try:
            stamp = self._table_file.stat().st_mtime
        except OSError:
            stamp = 0.0
        if stamp != self._table_stamp:
            table = ImageTable()
            table.update(self._images)
            if stamp:
                try:
                    table.update(ImageTable.load(self._table_file))
                except ImageError as problem:
                    log.warning("%s; the entries that were there before stay", problem)
                    return self._table
            self._table, self._table_stamp = table, stamp
        return self._table

    # --- the Node object -----------------------------------------------------------------------------------------

    async def _register(self, address: str) -> None:
        labels = {
            "kubernetes.io/hostname": NODE_NAME,
            "kubernetes.io/os": platform.system().lower(),
            "kubernetes.io/arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        }
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE_NAME, "labels": labels}}
        try:
            await self._client.create(NODES, node)
        except ApiError as refusal:
            if not refusal.conflict:
                raise
        await self._client.patch(NODES, None, NODE_NAME, {"status": self._node_status(address)}, subresource="status")

    async def _heartbeat(self, address: str) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            try:
                conditions = {"conditions": self._node_status(address)["conditions"]}
                await self._client.patch(NODES, None, NODE_NAME, {"status": conditions}, subresource="status")
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as failure:
                log.warning("node status: %r", failure)

    def _node_status(self, address: str) -> Manifest:
        since = self._since
        resources = {**_capacity(), "pods": "1000"}
        calm = {
            "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        }
        conditions = [_condition(kind, "False", *words, since) for kind, words in calm.items()]
        conditions.append(_condition("Ready", "True", "KubeletReady", "kubelet is posting ready status", since))
        return {
            "capacity": resources,
            "allocatable": resources,
            "conditions": conditions,
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "Hostname", "address": NODE_NAME},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
            "nodeInfo": {
                "machineID": "",
                "systemUUID": "",
                "bootID": "",
                "kernelVersion": platform.release(),
                "osImage": f"Sandbox on {socket.gethostname()}",
                "containerRuntimeVersion": "process://1",
                "kubeletVersion": "v1.36.2",
                "kubeProxyVersion": "",
                "operatingSystem": platform.system().lower(),
                "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
            },
        }


def _capacity() -> dict[str, str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    return {"cpu": str(os.cpu_count() or 1), "memory": f"{memory}Ki"}


def _condition(kind: str, state: str, reason: str, message: str, since: str) -> Manifest:
    return {
        "type": kind,
        "status": state,
        "lastHeartbeatTime": now(),
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }
