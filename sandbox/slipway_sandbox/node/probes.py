"""Startup, readiness and liveness probes, with a kubelet's timings and thresholds."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import aiohttp

from slipway_sandbox.client import Manifest
from slipway_sandbox.node.environment import ConfigError
from slipway_sandbox.node.grpchealth import GrpcHealthError, ServingStatus, check

USER_AGENT: Final = "kube-probe/1.36"
LONGEST_MESSAGE: Final = 10 * 1024

Exec = Callable[[list[str], float], Awaitable[tuple[int, str]]]
"""Runs a command inside the container: `(command, timeout seconds)` to `(exit code, output)`."""


@dataclass(frozen=True)
class ProbeResult:
    """What one probe found."""

    passed: bool
    message: str = ""


@dataclass(frozen=True)
class Timing:
    """A probe's timing, in seconds, and its thresholds."""

    initial_delay: float
    period: float
    timeout: float
    success_threshold: int
    failure_threshold: int

    @classmethod
    def of(cls, probe: Manifest) -> "Timing":
        """From a manifest, with the API's defaults for what it does not say."""
        return cls(
            initial_delay=float(probe.get("initialDelaySeconds", 0)),
            period=float(probe.get("periodSeconds", 10)),
            timeout=float(probe.get("timeoutSeconds", 1)),
            success_threshold=int(probe.get("successThreshold", 1)),
            failure_threshold=int(probe.get("failureThreshold", 3)),
        )


class Prober:
    """Probes one container on its pod's address."""

    def __init__(self, session: aiohttp.ClientSession, address: str, container: Manifest, execute: Exec) -> None:
        self._session = session
        self._address = address
        self._container = container
        self._execute = execute

    async def check(self, handler: Manifest, timeout: float) -> ProbeResult:
        """Carry out one probe (or hook) of the kind httpGet, tcpSocket, grpc or exec."""
        try:
            if "httpGet" in handler:
                return await self._http(handler["httpGet"], timeout)
            if "tcpSocket" in handler:
                return await self._tcp(handler["tcpSocket"], timeout)
            if "exec" in handler:
                code, output = await self._execute(list(handler["exec"].get("command") or ()), timeout)
                return ProbeResult(code == 0, output[:LONGEST_MESSAGE] or f"command exited with {code}")
            if "grpc" in handler:
                return await self._grpc(handler["grpc"], timeout)
        except ConfigError as problem:
            return ProbeResult(passed=False, message=str(problem))
        kinds = "httpGet, tcpSocket, grpc or exec"
        return ProbeResult(passed=False, message=f"the sandbox has no probes of this kind: use {kinds}")

    async def watch(
        self,
        probe: Manifest,
        *,
        initially: bool | None,
        changed: Callable[[bool], None],
        failed: Callable[[str], None],
    ) -> None:
        """Probe until cancelled; `changed` hears of each new verdict, `failed` of each single failure.

        A verdict changes after as many results in a row as its threshold asks for. `initially` is the verdict to begin
        with; None makes the first one count as a change whatever it is.
        """
        timing = Timing.of(probe)
        verdict, passes, failures = initially, 0, 0
        await asyncio.sleep(timing.initial_delay)
        while True:
            began = asyncio.get_running_loop().time()
            result = await self.check(probe, timing.timeout)
            if result.passed:
                passes, failures = passes + 1, 0
            else:
                passes, failures = 0, failures + 1
                failed(result.message)
            if passes >= timing.success_threshold and verdict is not True:
                verdict = True
                changed(verdict)
            elif failures >= timing.failure_threshold and verdict is not False:
                verdict = False
                changed(verdict)
            spent = asyncio.get_running_loop().time() - began
            await asyncio.sleep(max(timing.period - spent, 0.05))

    async def _http(self, action: Manifest, timeout: float) -> ProbeResult:
        scheme = action.get("scheme", "HTTP").lower()
        path = action.get("path") or "/"
        url = f"{scheme}://{action.get('host') or self._address}:{self._port(action['port'])}{path}"
        headers = {"User-Agent": USER_AGENT, "Accept": "*/*"}
        headers |= {header["name"]: header["value"] for header in action.get("httpHeaders") or ()}
        limit = aiohttp.ClientTimeout(total=timeout)
        try:
            async with self._session.get(url, headers=headers, timeout=limit, ssl=False) as response:
                body = (await response.content.read(LONGEST_MESSAGE)).decode(errors="replace")
        except TimeoutError:
            message = f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
            return ProbeResult(passed=False, message=message)
        except aiohttp.ClientConnectorError:
            message = f'Get "{url}": dial tcp {self._address}: connect: connection refused'
            return ProbeResult(passed=False, message=message)
        except aiohttp.ClientError as problem:
            return ProbeResult(passed=False, message=f'Get "{url}": {problem}')
        if 200 <= response.status < 400:
            return ProbeResult(passed=True, message=body)
        return ProbeResult(passed=False, message=f"HTTP probe failed with statuscode: {response.status}")

    async def _tcp(self, action: Manifest, timeout: float) -> ProbeResult:
        port = self._port(action["port"])
        try:
            async with asyncio.timeout(timeout):
                _, writer = await asyncio.open_connection(action.get("host") or self._address, port)
        except (OSError, TimeoutError):
            message = f"dial tcp {self._address}:{port}: connect: connection refused"
            return ProbeResult(passed=False, message=message)
        writer.close()
        return ProbeResult(passed=True)

    async def _grpc(self, action: Manifest, timeout: float) -> ProbeResult:
        port = self._port(action["port"])
        try:
            async with asyncio.timeout(timeout):
                found = await check(self._address, port, action.get("service") or "", user_agent=USER_AGENT)
        except TimeoutError:
            message = f'timeout: failed to connect service "{self._address}:{port}" within {timeout:g}s'
            return ProbeResult(passed=False, message=message)
        except OSError:
            message = f"dial tcp {self._address}:{port}: connect: connection refused"
            return ProbeResult(passed=False, message=message)
        except GrpcHealthError as problem:
            return ProbeResult(passed=False, message=f"error: {problem}")
        if found is ServingStatus.SERVING:
            return ProbeResult(passed=True)
        return ProbeResult(passed=False, message=f'service unhealthy (responded with "{found.name}")')

    def _port(self, port: int | str) -> int:
        if isinstance(port, int) or port.isdigit():
            return int(port)
        for declared in self._container.get("ports") or ():
            if declared.get("name") == port:
                return int(declared["containerPort"])
        raise ConfigError(f"couldn't find port: {port}")
