"""Makes environments, each once: whoever asks for one that is being made waits for the same build."""

import asyncio
import contextlib
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from slipway_sandbox.images.environments import CACHE_VARIABLE, NO_DEPENDENCIES, Cache, Environment, Plan
from slipway_sandbox.images.interpreters import MissingPythonError
from slipway_sandbox.processes import Process

log = logging.getLogger(__name__)

BUILDS_AT_ONCE: Final = 2
LOCK_POLL_SECONDS: Final = 0.2
NETWORK_RETRIES: Final = 2
KEPT_OUTPUT_BYTES: Final = 20_000

_UNREACHABLE: Final = re.compile(
    r"NewConnectionError|Failed to establish a new connection|Temporary failure in name resolution|"
    r"Name or service not known|ConnectTimeoutError|ReadTimeoutError|Read timed out|ProxyError|Connection refused|"
    r"SSLError"
)
_HINTS: Final = {
    re.compile(r"Requires-Python|requires a different Python"): (
        "these packages are not made for this version of Python: run the sandbox with another one"
    ),
    _UNREACHABLE: (
        "the package index cannot be reached: connect to a network, or point pip to an index that can be reached "
        "(PIP_INDEX_URL, PIP_FIND_LINKS) before the sandbox is started; what is made once needs no network again"
    ),
    re.compile(r"No space left on device"): f"free some disk space, or move the cache with {CACHE_VARIABLE}",
    re.compile(r"ensurepip is not available|No module named (venv|ensurepip)"): (
        "this Python cannot make virtual environments: install its venv package (python3-venv on Debian)"
    ),
    re.compile(r"No matching distribution found|ResolutionImpossible|conflicting dependencies"): (
        "correct the requirements"
    ),
}
"""What to do, by what the installer says; the first that fits."""


class BuildError(RuntimeError):
    """An environment that could not be made; the message says why, what to do, and where the log is."""


class EnvironmentStore:
    """The environments of a cache, made when they are asked for.

    `variables` are added to the environment of the processes that build. A build goes on when the one who asked for
    it gives up, as an image is still pulled whose pod is gone; `close` ends what is under way.
    """

    def __init__(self, cache: Cache | None = None, variables: Mapping[str, str] | None = None) -> None:
        self.cache = cache or Cache()
        self._variables = dict(variables or {})
        self._builds: dict[str, asyncio.Task[Environment]] = {}
        self._places = asyncio.Semaphore(BUILDS_AT_ONCE)

    async def get(self, plan: Plan) -> Environment:
        """The environment for a plan, made now if there is none yet. Raises `BuildError` when it cannot be made."""
        try:
            key = await asyncio.to_thread(lambda: plan.key)
        except OSError as problem:
            raise BuildError(f"a file that the requirements name cannot be read: {problem}") from problem
        except MissingPythonError as problem:
            raise BuildError(str(problem)) from problem
        build = self._builds.get(key)
        if build is None:
            build = self._builds[key] = asyncio.create_task(self._build(plan))
            build.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(build)

    async def close(self) -> None:
        """End all builds."""
        builds = list(self._builds.values())
        for build in builds:
            build.cancel()
        if builds:
            await asyncio.wait(builds)

    def _ended(self, key: str, build: "asyncio.Task[Environment]") -> None:
        del self._builds[key]
        if not build.cancelled():
            build.exception()  # seen, also where nobody waits for it any more

    async def _build(self, plan: Plan) -> Environment:
        try:
            async with self._places:
                return await self._build_alone(plan)
        except OSError as problem:
            fix = _hint(str(problem)) or f"make it possible to write there, or move the cache with {CACHE_VARIABLE}"
            raise BuildError(f"the environment could not be made in {self.cache.folder}: {problem}: {fix}") from problem

    async def _build_alone(self, plan: Plan) -> Environment:
        while (lock := self.cache.try_lock(plan)) is None:  # noqa: ASYNC110 - its holder may be another process
            await asyncio.sleep(LOCK_POLL_SECONDS)
        try:
            ready = self.cache.find(plan)
            return ready if ready is not None else await self._make(plan)
        finally:
            lock.release()

    async def _make(self, plan: Plan) -> Environment:
        began = time.monotonic()
        folder = await asyncio.to_thread(self.cache.new_folder, plan)
        listed = folder / "requirements.txt"
        log.info("making the environment of %s; the log is %s", plan.title, self.cache.log_path(plan))
        try:
            with self.cache.log_path(plan).open("wb") as output:
                run = _Runner(plan, output.write, self.cache.log_path(plan), self._variables)
                await run([plan.interpreter.path, "-I", "-m", "venv", str(folder)])
                lines = [line for line in plan.requirements if line != NO_DEPENDENCIES]
                listed.write_text("\n".join(lines) + "\n")
                python = str(folder / "bin" / "python")
                await run([python, "-I", "-m", "pip", *_install_options(plan), "-r", str(listed)])
                # As pip would do, but the files shall say where they will be, not where they are built.
                place = str(self.cache.folder / plan.key)
                await run([python, "-I", "-m", "compileall", "-q", "-s", str(folder), "-p", place, str(folder / "lib")],
                          fails=False)  # fmt: skip
            return await asyncio.to_thread(self.cache.keep, plan, folder, time.monotonic() - began)
        except asyncio.CancelledError:
            shutil.rmtree(folder, ignore_errors=True)  # not in a thread: whoever cancels this is leaving
            raise
        except Exception:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise


def _install_options(plan: Plan) -> list[str]:
    return [
        "install", "--no-input", "--disable-pip-version-check", "--no-compile", "--progress-bar=off",
        f"--retries={NETWORK_RETRIES}", *([NO_DEPENDENCIES] if NO_DEPENDENCIES in plan.requirements else []),
    ]  # fmt: skip


class _Runner:
    """Runs the steps of a build, one after the other."""

    def __init__(
        self, plan: Plan, write: Callable[[bytes], object], log_path: Path, variables: Mapping[str, str]
    ) -> None:
        self._plan = plan
        self._write = write
        self._log_path = log_path
        own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self._environment = {**own, **variables}

    async def __call__(self, command: Sequence[str], *, fails: bool = True) -> None:
        """Run a step, after the pods of this machine. Raises `BuildError` for its failure, unless that says nothing."""
        heard = bytearray()

        def hear(data: bytes) -> None:
            self._write(data)
            heard.extend(data)
            del heard[:-KEPT_OUTPUT_BYTES]

        line = ["nice", *command] if shutil.which("nice") else list(command)
        process = await Process.start(line, env=self._environment, cwd=Path("/"), output=hear)
        try:
            code = await process.wait()
        finally:
            process.kill()
            with contextlib.suppress(asyncio.CancelledError):
                await process.wait()
        if code and fails:
            raise BuildError(_explained(heard.decode(errors="replace"), code, self._log_path))


def _explained(output: str, code: int, log_path: Path) -> str:
    """One line: the installer's own reason, what to do, and where all of it can be read."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    reason = " ".join(errors[-2:] if errors else lines[-1:]) or f"exit code {code}"
    fix = _hint(output)
    return f"{reason}{f': {fix}' if fix else ''} (log: {log_path})"


def _hint(output: str) -> str:
    return next((fix for pattern, fix in _HINTS.items() if pattern.search(output)), "")
