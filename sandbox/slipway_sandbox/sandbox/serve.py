"""The serving process: API server, controllers, node agent and gateway under one roof."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slipway_sandbox.apiserver import ApiServer, StateFileError
from slipway_sandbox.client import ApiError, Client, InformerSet, Manifest
from slipway_sandbox.gateway import GatewayError, Traefik, gateway_objects
from slipway_sandbox.images import ImageError, ImageTable
from slipway_sandbox.processes import start_guard
from slipway_sandbox.sandbox.ports import HOST, PortUse, held
from slipway_sandbox.sandbox.state import Endpoints, SandboxError, StateFolder

log = logging.getLogger(__name__)

FIELD_MANAGER = "sandbox"
NEW_KIND_SECONDS = 10.0

EXPECTED = (SandboxError, GatewayError, ImageError, StateFileError, OSError)
"""What users can put right: a port in use, a missing binary, an unreadable table. They are told in one line."""

API_PORT = PortUse("the API server's", "--port (api_port in Python)")
GATEWAY_PORT = PortUse("the gateway's", "--gateway-port (gateway_port in Python)")
METRICS_PORT = PortUse("the gateway's for metrics", "--no-gateway")


@dataclass(frozen=True)
class ServeOptions:
    """How to run a sandbox."""

    state: Path
    port: int = 0
    gateway: bool = True
    gateway_port: int = 0
    images: Path | None = None
    backoff_seconds: float = 10.0
    persist: bool = False
    until_stdin_closes: bool = False


def serve(options: ServeOptions) -> None:
    """Run a sandbox until SIGTERM, SIGINT, SIGHUP, or the end of standard input where that was asked for.

    Raises `SandboxError` when the folder is in use or something does not start; nothing is left running then.
    """
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    folder = StateFolder(options.state)
    killed = folder.acquire()
    if killed:
        log.info("killed %d processes that an earlier run left in %s", killed, folder.path)
    if sys.version_info < (3, 12) and hasattr(os, "pidfd_open"):
        asyncio.set_child_watcher(asyncio.PidfdChildWatcher())  # the default needs a thread for every process
    guard = start_guard(folder.path)
    try:
        asyncio.run(_serve(options, folder))
    except BaseExceptionGroup as group:
        cause = _only_cause(group)
        if isinstance(cause, EXPECTED):
            raise SandboxError(str(cause)) from cause
        raise
    except EXPECTED as cause:
        raise SandboxError(str(cause)) from cause
    finally:
        folder.withdraw()
        if guard.stdin is not None:
            guard.stdin.close()
        guard.wait()
        folder.release()


def _only_cause(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """What went wrong, where one thing did: task groups wrap it once for every level."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        if len(error.exceptions) != 1:
            return None
        error = error.exceptions[0]
    return error


async def _serve(options: ServeOptions, folder: StateFolder) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stopping.set)
    if options.until_stdin_closes:
        _watch_stdin(loop, stopping)
    running = asyncio.create_task(_run(options, folder))
    asked = asyncio.create_task(stopping.wait())
    await asyncio.wait([running, asked], return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if running.done():
        running.result()
    log.info("stopping")
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def _watch_stdin(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    def readable() -> None:
        if not os.read(0, 1024):
            loop.remove_reader(0)
            stopping.set()

    loop.add_reader(0, readable)


async def _run(options: ServeOptions, folder: StateFolder) -> None:
    images = ImageTable.builtin()
    if options.images is not None:
        images.update(ImageTable.load(options.images))
    with held(options.port, API_PORT) as port:
        server = ApiServer(host=HOST, port=port, state_file=folder.objects_path if options.persist else None)
        await server.start()
    try:
        _write_kubeconfig(folder.kubeconfig_path, server.kubeconfig())
        with _gateway_ports(options) as gateway_ports:
            await _run_all(options, folder, server, images, gateway_ports)
    finally:
        folder.withdraw()
        await server.stop()


async def _run_all(
    options: ServeOptions, folder: StateFolder, server: ApiServer, images: ImageTable, ports: tuple[int, int] | None
) -> None:
    """Everything that is a client of the API server, until cancelled."""
    from slipway_sandbox.controllers import run_controllers
    from slipway_sandbox.node import NodeAgent

    async with Client(server.url) as client, asyncio.TaskGroup() as group:
        informers = InformerSet(client)
        agent = NodeAgent(
            client,
            informers,
            state=folder.path,
            images=images,
            backoff_seconds=options.backoff_seconds,
            resumes=options.persist,
        )
        agent_task = group.create_task(agent.run())
        group.create_task(run_controllers(client, informers))
        endpoints = Endpoints(os.getpid(), server.url, str(folder.kubeconfig_path))
        if ports is not None:
            endpoints = await _start_gateway(ports, folder, client, group, endpoints)
        await _either(agent.ready(), agent_task)
        folder.publish(endpoints)
        log.info("ready: API %s, gateway %s", server.url, endpoints.gateway_url)
        await asyncio.get_running_loop().create_future()


@contextlib.contextmanager
def _gateway_ports(options: ServeOptions) -> Iterator[tuple[int, int] | None]:
    """The gateway's port and that of its metrics, as long as it may start and start again; None without a gateway."""
    if not options.gateway:
        yield None
        return
    with held(options.gateway_port, GATEWAY_PORT) as port, held(0, METRICS_PORT) as metrics_port:
        yield port, metrics_port


async def _start_gateway(
    ports: tuple[int, int], folder: StateFolder, client: Client, group: asyncio.TaskGroup, endpoints: Endpoints
) -> Endpoints:
    from slipway_sandbox import gatewayapi, traefikapi

    port, metrics_port = ports
    traefik = Traefik(api_url=endpoints.api_url, state=folder.path, port=port, metrics_port=metrics_port)
    await asyncio.gather(*(_apply(client, definition) for definition in (*gatewayapi.crds(), *traefikapi.crds())))
    running = group.create_task(traefik.run())
    for obj in gateway_objects(port):
        await _apply(client, obj)
    await _either(traefik.ready(), running)
    return replace(endpoints, gateway_url=traefik.url, gateway_metrics_url=traefik.metrics_url)


async def _apply(client: Client, obj: Manifest) -> None:
    """Apply, waiting for a kind whose definition is not served yet."""
    deadline = time.monotonic() + NEW_KIND_SECONDS
    while True:
        try:
            await client.apply(obj, manager=FIELD_MANAGER)
            return
        except ApiError as refusal:
            if not refusal.absent or time.monotonic() > deadline:
                raise SandboxError(f"{obj['kind']} {obj['metadata']['name']}: {refusal}") from refusal
        await asyncio.sleep(0.02)


async def _either(waiting: Coroutine[Any, Any, None], task: "asyncio.Task[None]") -> None:
    """Wait for something that a running task brings about, or for that task's failure."""
    waiter = asyncio.create_task(waiting)
    await asyncio.wait([waiter, task], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        waiter.cancel()
        task.result()
    await waiter


def _write_kubeconfig(path: Path, config: Manifest) -> None:
    """JSON is YAML, and every client of a kubeconfig reads it. Readable for its owner alone."""
    fresh = path.with_name("kubeconfig.new")
    fresh.touch(mode=0o600)
    fresh.chmod(0o600)
    fresh.write_text(json.dumps(config, indent=2) + "\n")
    fresh.replace(path)
