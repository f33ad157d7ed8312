"""`Sandbox`: what a test, a demo or a script holds."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import yaml

from slipway_sandbox.client import ApiError, Client, Manifest
from slipway_sandbox.images import ImageTable
from slipway_sandbox.sandbox.state import Endpoints, SandboxError, StateFolder

START_SECONDS: Final = 30.0
NEW_KIND_SECONDS: Final = 5.0
FIELD_MANAGER: Final = "sandbox-user"


class Sandbox:
    """A Kubernetes API with controllers, a node and a gateway, for as long as the block lasts.

        async with Sandbox() as sandbox:
            await sandbox.apply(Path("manifests.yaml"))

    It runs in a process of its own, which ends with the block, and also if this process dies inside it.
    Starting raises `SandboxError`, with the end of the log, when it is not ready in time.
    """

    def __init__(
        self,
        *,
        state_dir: str | Path | None = None,
        images: ImageTable | None = None,
        gateway: bool = True,
        api_port: int = 0,
        gateway_port: int = 0,
        backoff_seconds: float = 10.0,
        start_seconds: float = START_SECONDS,
    ) -> None:
        """`state_dir` defaults to a temporary folder that goes with the sandbox; ports default to free ones.

        `images` are added to the built-in ones. `backoff_seconds` is the first pause of crashing and unpullable
        containers, ten in a cluster; tests set it lower.
        """
        self._temporary = None if state_dir else tempfile.TemporaryDirectory(prefix="sandbox-")
        self._folder = StateFolder(Path(state_dir or self._temporary.name))  # type: ignore[union-attr]
        self._images = images
        self._options = [
            *(["--gateway"] if gateway else ["--no-gateway"]),
            f"--port={api_port}",
            f"--gateway-port={gateway_port}",
            f"--backoff={backoff_seconds}",
        ]
        self._start_seconds = start_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._endpoints: Endpoints | None = None
        self._client: Client | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    # --- where things are ----------------------------------------------------------------------------------------

    @property
    def api_url(self) -> str:
        """The API server, e.g. `http://127.0.0.1:40123`."""
        return self._running.api_url

    @property
    def kubeconfig_path(self) -> Path:
        """The kubeconfig of the administrator."""
        return Path(self._running.kubeconfig)

    @property
    def gateway_url(self) -> str:
        """Where the Gateway takes requests. Raises `SandboxError` in a sandbox without a gateway."""
        if self._running.gateway_url is None:
            raise SandboxError("this sandbox was started without a gateway")
        return self._running.gateway_url

    @property
    def gateway_metrics_url(self) -> str:
        """The gateway's own metrics, in the text format of Prometheus."""
        if self._running.gateway_metrics_url is None:
            raise SandboxError("this sandbox was started without a gateway")
        return self._running.gateway_metrics_url

    @property
    def state_dir(self) -> Path:
        """The folder with everything of this sandbox."""
        return self._folder.path

    @property
    def logs_dir(self) -> Path:
        """The logs: `sandbox.log`, `traefik.log`, and a folder `pods` with one folder a pod."""
        return self._folder.path / "logs"

    @property
    def pid(self) -> int:
        """The process that serves."""
        return self._running.pid

    @property
    def client(self) -> Client:
        """A client of the API with the administrator's rights; it is closed with the sandbox."""
        if self._client is None:
            self._client = Client(self.api_url)
        return self._client

    @property
    def _running(self) -> Endpoints:
        if self._endpoints is None:
            raise SandboxError("the sandbox is not running: use it inside `async with`")
        return self._endpoints

    # --- what can be done ----------------------------------------------------------------------------------------

    async def apply(self, manifests: str | Path | Manifest | Iterable[Manifest]) -> list[Manifest]:
        """Server-side apply of a YAML text, a file, a folder of files, or objects; what the server made of each.

        A kind whose definition has only just been applied is waited for. Raises `ApiError` for what is refused.
        """
        return [await self._apply_one(manifest) for manifest in _objects(manifests)]

    async def _apply_one(self, manifest: Manifest) -> Manifest:
        deadline = asyncio.get_running_loop().time() + NEW_KIND_SECONDS
        while True:
            try:
                return await self.client.apply(manifest, manager=FIELD_MANAGER)
            except ApiError as refusal:
                unknown_kind = refusal.absent and "serves no kind" in refusal.message
                if not unknown_kind or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(0.05)

    # --- start and stop ------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        self._folder.prepare()
        options = list(self._options)
        if self._images is not None:
            table = self._folder.path / "images-of-caller.json"
            self._images.save(table)
            options.append(f"--images={table}")
        command = [sys.executable, "-m", "slipway_sandbox", "serve", f"--state={self._folder.path}", *options]
        with self._folder.log_path.open("ab") as log:
            # Its own session: Ctrl-C reaches this process, whose block then ends the sandbox. If this process is
            # killed, the pipe closes and the sandbox ends itself.
            self._process = subprocess.Popen(  # noqa: ASYNC220 - a fork takes a millisecond
                [*command, "--until-stdin-closes"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = asyncio.get_running_loop().time() + self._start_seconds
        while True:
            endpoints = self._folder.endpoints()
            if endpoints is not None and endpoints.pid == self._process.pid:
                self._endpoints = endpoints
                return
            if self._process.poll() is not None:
                raise SandboxError(f"the sandbox ended while it started. Its log ends:\n{self._folder.log_tail()}")
            if asyncio.get_running_loop().time() > deadline:
                tail = self._folder.log_tail()
                raise SandboxError(f"the sandbox was not ready in {self._start_seconds:g} s. Its log ends:\n{tail}")
            await asyncio.sleep(0.02)

    async def _stop(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None
        process, self._process, self._endpoints = self._process, None, None
        if process is not None:
            await asyncio.to_thread(_end, process)
            await asyncio.to_thread(self._folder.clear_away)
        if self._temporary is not None:
            await asyncio.to_thread(self._temporary.cleanup)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _objects(manifests: str | Path | Manifest | Iterable[Manifest]) -> Iterable[Manifest]:
    if isinstance(manifests, Path):
        paths = sorted(manifests.glob("*.y*ml")) if manifests.is_dir() else [manifests]
        for path in paths:
            yield from _documents(path.read_text())
    elif isinstance(manifests, str):
        yield from _documents(manifests)
    elif isinstance(manifests, dict):
        yield from _expanded(manifests)
    else:
        for manifest in manifests:
            yield from _expanded(manifest)


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Where libyaml is there it takes an eighth of the time: CRDs are long, and a sandbox reads them at each start."""


def _documents(text: str) -> Iterable[Manifest]:
    for document in yaml.load_all(text, Loader=_LOADER):
        if document:
            yield from _expanded(document)


def _expanded(document: Any) -> Iterable[Manifest]:
    """A `List` is its items."""
    if document.get("kind", "").endswith("List") and "items" in document:
        yield from document["items"]
    else:
        yield document
