"""One pod from its binding to its end."""

import asyncio
import contextlib
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiohttp

from slipway_sandbox.client import PODS, ApiError, Manifest
from slipway_sandbox.node.addresses import AddressPool
from slipway_sandbox.node.container import Container
from slipway_sandbox.node.context import NodeContext
from slipway_sandbox.node.environment import ConfigError, PodFacts
from slipway_sandbox.node.resume import how_it_ended, ran_before, resume_all
from slipway_sandbox.node.status import ContainerState, PodView, now, pod_status
from slipway_sandbox.node.volumes import Volumes

MOUNT_RETRY_SECONDS: Final = 0.5
WRITE_RETRY_SECONDS: Final = 0.5
FORCED_GRACE_SECONDS: Final = 1.0


class PodWorker:
    """Runs one pod and keeps its status true."""

    def __init__(self, node: NodeContext, pod: Manifest, addresses: AddressPool) -> None:
        self.pod = pod
        self.uid: str = pod["metadata"]["uid"]
        self._node = node
        self._addresses = addresses
        self._address = addresses.take()
        self._facts = PodFacts(pod, self._address, node.host_address, node.name, node.capacity)
        self._folder = node.pods_folder / self.uid
        self._volumes = Volumes(node.client, self._folder / "volumes", node.state / "volumes", self._facts)
        self._mounted = False
        self._started_at = pod.get("status", {}).get("startTime") or now()
        self._dirty = asyncio.Event()
        self._stop_asked = asyncio.Event()
        self._grace: float | None = None
        self._ended_as: tuple[str, str, str] | None = how_it_ended(pod)
        self._written: Manifest | None = None
        self._vanished = False
        self._gone = False
        policy = pod["spec"].get("restartPolicy", "Always")
        init_policy = "Never" if policy == "Never" else "OnFailure"
        self._init = [
            self._container(spec, spec.get("restartPolicy") or init_policy, is_init=True)
            for spec in pod["spec"].get("initContainers") or ()
        ]
        self._main = [self._container(spec, policy) for spec in pod["spec"]["containers"]]
        if self._init:
            for container in [*self._init, *self._main]:
                container.state.waiting = "PodInitializing"
        self._resumed = ran_before(pod)
        if self._resumed:
            resume_all(pod, [entry.state for entry in self._init], [entry.state for entry in self._main])

    def _container(self, spec: Manifest, policy: str, *, is_init: bool = False) -> Container:
        return Container(self._node, self._facts, spec, self._volumes, self._dirty.set, policy=policy, is_init=is_init)

    @property
    def address(self) -> str:
        """The loopback address that is the pod's own."""
        return self._address

    @property
    def logs_folder(self) -> Path:
        """Where the logs of its containers are."""
        return self._node.pod_logs_folder(self.pod)

    # --- what others tell of the pod -----------------------------------------------------------------------------

    def update(self, pod: Manifest) -> None:
        """The pod as the API has it now; a deletion in it begins the end."""
        self.pod = pod
        metadata = pod["metadata"]
        if metadata.get("deletionTimestamp"):
            self._ask_to_stop(float(metadata.get("deletionGracePeriodSeconds") or 0))
        if pod.get("status", {}).get("conditions") != (self._written or {}).get("conditions"):
            self._dirty.set()

    def vanished(self) -> None:
        """The pod is gone from the API (a forced deletion): end its processes quickly and tell nobody."""
        self._vanished = True
        self._ask_to_stop(FORCED_GRACE_SECONDS)

    def container(self, name: str) -> Container | None:
        """A container by its name."""
        return next((entry for entry in [*self._init, *self._main] if entry.spec["name"] == name), None)

    def processes(self) -> dict[str, int]:
        """The main process of each container that runs now."""
        found = {entry.spec["name"]: entry.pid for entry in [*self._init, *self._main]}
        return {name: pid for name, pid in found.items() if pid is not None}

    def uses(self, kind: str, name: str) -> bool:
        """Whether a volume shows this ConfigMap or Secret."""
        return self._mounted and self._volumes.uses(kind, name)

    async def refresh_volumes(self) -> None:
        """Bring volumes up to date with their sources; a source that is gone leaves the last contents."""
        with contextlib.suppress(ConfigError, ApiError, aiohttp.ClientError):
            await self._volumes.prepare()

    def _ask_to_stop(self, grace: float) -> None:
        self._grace = grace if self._grace is None else min(self._grace, grace)
        self._stop_asked.set()

    # --- the life of a pod ---------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run the pod until it is deleted; nothing of it runs any more when this returns."""
        writer = asyncio.create_task(self._write_statuses())
        life = asyncio.create_task(self._live())
        stop = asyncio.create_task(self._stop_asked.wait())
        try:
            await asyncio.wait([life, stop], return_when=asyncio.FIRST_COMPLETED)
            if life.done():
                life.result()
            self._dirty.set()
            await self._stop_asked.wait()
            await self._end(life)
            await self._cancel(writer)
            if not self._vanished:
                await self._write_last_words()
            self._gone = True
        finally:
            for task in (life, stop, writer):
                await self._cancel(task)
            self._kill_all()
            if self._gone or not self._node.resumes:
                await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
            self._addresses.give_back(self._address)

    async def _live(self) -> None:
        deadline = self.pod["spec"].get("activeDeadlineSeconds")
        life = asyncio.create_task(self._live_unbounded())
        try:
            done, _ = await asyncio.wait([life], timeout=None if deadline is None else deadline - self._age())
            if not done:
                message = "Pod was active on the node longer than the specified deadline"
                self._ended_as = ("Failed", "DeadlineExceeded", message)
                self._node.events.record("Normal", self.pod, "DeadlineExceeded", message)
                self._dirty.set()
                await self._stop_containers([*self._main, *self._init], self._own_grace())
                return
            life.result()
        finally:
            await self._cancel(life)

    def _age(self) -> float:
        return (datetime.now(UTC) - datetime.fromisoformat(self._started_at)).total_seconds()

    async def _live_unbounded(self) -> None:
        if self._ended_as is not None:
            return  # it was over before the node came back; only its logs are still asked for
        if self._resumed:
            message = "Pod sandbox changed, it will be killed and re-created."
            self._node.events.record("Normal", self.pod, "SandboxChanged", message)
        await self._mount()
        sidecars: list[asyncio.Task[int]] = []
        try:
            for container in self._init:
                if container.policy == "Always":
                    sidecars.append(asyncio.create_task(container.run()))
                    await container.started()
                elif await container.run() != 0:
                    return  # restartPolicy Never: the pod has failed
            for container in self._main:
                if container.state.waiting == "PodInitializing":
                    container.state.waiting = "ContainerCreating"
            self._dirty.set()
            async with asyncio.TaskGroup() as group:
                for container in self._main:
                    group.create_task(container.run())
            await self._stop_containers([entry for entry in self._init if entry.policy == "Always"], self._own_grace())
        finally:
            for task in sidecars:
                task.cancel()

    async def _mount(self) -> None:
        while True:
            try:
                await self._volumes.prepare()
                break
            except (ConfigError, ApiError, OSError) as problem:
                self._node.events.record("Warning", self.pod, "FailedMount", f"MountVolume.SetUp failed: {problem}")
            await asyncio.sleep(MOUNT_RETRY_SECONDS)
        self._mounted = True
        self._dirty.set()

    # --- the end of a pod ----------------------------------------------------------------------------------------

    def _own_grace(self) -> float:
        return float(self.pod["spec"].get("terminationGracePeriodSeconds", 30))

    async def _end(self, life: "asyncio.Task[None]") -> None:
        """Stop the containers within the grace period; a later, shorter one (a forced deletion) overtakes it."""
        for container in [*self._init, *self._main]:
            if container.is_running:
                message = f"Stopping container {container.spec['name']}"
                self._node.events.record("Normal", self.pod, "Killing", message)
        grace = self._grace if self._grace is not None else self._own_grace()
        stopping = asyncio.create_task(self._stop_in_order(grace))
        while not stopping.done():
            self._stop_asked.clear()
            again = asyncio.create_task(self._stop_asked.wait())
            await asyncio.wait([stopping, again], return_when=asyncio.FIRST_COMPLETED)
            await self._cancel(again)
            if not stopping.done() and self._grace is not None and self._grace < grace:
                await self._cancel(stopping)
                grace = self._grace
                stopping = asyncio.create_task(self._stop_in_order(grace))
        stopping.result()
        await self._cancel(life)

    async def _stop_in_order(self, grace: float) -> None:
        began = asyncio.get_running_loop().time()
        await self._stop_containers(self._main, grace)
        left = max(0.0, grace - (asyncio.get_running_loop().time() - began))
        await self._stop_containers(self._init, left)

    async def _stop_containers(self, containers: list[Container], grace: float) -> None:
        await asyncio.gather(*(container.stop(grace) for container in containers))

    def _kill_all(self) -> None:
        for container in [*self._main, *self._init]:
            container.kill_now()

    @staticmethod
    async def _cancel(task: "asyncio.Task[object]") -> None:
        task.cancel()
        await asyncio.wait([task])

    # --- status --------------------------------------------------------------------------------------------------

    def _status(self) -> Manifest:
        known = dict(self.pod)
        # Our own last write counts before what the watch has brought so far: transition times must not jump.
        if self._written is not None:
            foreign = {entry["type"]: entry for entry in self.pod.get("status", {}).get("conditions") or ()}
            own = {entry["type"]: entry for entry in self._written["conditions"]}
            known["status"] = {**known.get("status", {}), "conditions": list((foreign | own).values())}
        states: list[ContainerState] = [container.state for container in self._main]
        view = PodView(
            pod=known,
            started_at=self._started_at,
            host_address=self._node.host_address,
            address=self._address if self._mounted else None,
            init=[container.state for container in self._init],
            main=states,
            ended_as=self._ended_as,
        )
        return pod_status(view)

    async def _write_statuses(self) -> None:
        self._dirty.set()
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            status = self._status()
            if status == self._written or self._vanished:
                continue
            try:
                await self._write(status)
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError):
                await asyncio.sleep(WRITE_RETRY_SECONDS)
                self._dirty.set()

    async def _write(self, status: Manifest) -> None:
        metadata = self.pod["metadata"]
        body = {"metadata": {"uid": self.uid}, "status": status}
        try:
            await self._node.client.patch(PODS, metadata["namespace"], metadata["name"], body, subresource="status")
        except ApiError as refusal:
            if refusal.absent or refusal.conflict:
                self.vanished()  # gone, or another pod by the same name
                return
            raise
        self._written = status

    async def _write_last_words(self) -> None:
        """The final status, then the deletion that the API has been waiting for."""
        metadata = self.pod["metadata"]
        codes = [(entry.state.ended or entry.state.last or {}).get("exitCode", 137) for entry in self._main]
        if self._ended_as is None:
            self._ended_as = ("Failed" if any(codes) else "Succeeded", "", "")
        give_up = datetime.now(UTC).timestamp() + 30
        while datetime.now(UTC).timestamp() < give_up:
            try:
                await self._write(self._status())
                if not self._vanished:
                    await self._node.client.delete(
                        PODS, metadata["namespace"], metadata["name"], uid=self.uid, grace_seconds=0
                    )
                return
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError):
                await asyncio.sleep(WRITE_RETRY_SECONDS)
