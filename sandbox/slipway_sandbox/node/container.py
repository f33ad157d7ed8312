"""One container of a pod: pull, configure, start, probe, restart with back-off, end."""

import asyncio
import contextlib
import os
import shutil
import sys
import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

from slipway_sandbox.client import ApiError, Manifest
from slipway_sandbox.images import ImageEntry
from slipway_sandbox.node.context import NodeContext
from slipway_sandbox.node.environment import ConfigError, PodFacts, command_of, container_environment
from slipway_sandbox.node.expansion import PathRewriter, expand
from slipway_sandbox.node.lastwords import LastWords
from slipway_sandbox.node.logs import LogWriter
from slipway_sandbox.node.probes import Prober, ProbeResult
from slipway_sandbox.node.pulling import LONGEST_BACKOFF_SECONDS, ImagePuller, PulledImage
from slipway_sandbox.node.sessions import Sessions
from slipway_sandbox.node.status import ContainerState, now, terminated
from slipway_sandbox.node.volumes import Volumes
from slipway_sandbox.processes import MARKER, AttachedProcess, Process

BACKOFF_FORGOTTEN_SECONDS: Final = 600.0
KEPT_LOGS: Final = 2
DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Container:
    """Runs one container. `changed` is called whenever its state is another."""

    def __init__(
        self,
        node: NodeContext,
        facts: PodFacts,
        spec: Manifest,
        volumes: Volumes,
        changed: Callable[[], None],
        *,
        policy: str,
        is_init: bool = False,
    ) -> None:
        self.spec = spec
        self.policy = policy
        self._is_init = is_init and policy != "Always"
        self.state = ContainerState(spec["name"], spec["image"], restartable=policy == "Always")
        self.sessions = Sessions()
        self._node = node
        self._facts = facts
        self._volumes = volumes
        self._changed = changed
        self._process: Process | None = None
        self._probes: list[asyncio.Task[None]] = []
        self._environment: dict[str, str] = {}
        self._cwd = node.pods_folder
        self._paths = PathRewriter([])
        self._last_words = LastWords(spec, node.pods_folder / facts.pod["metadata"]["uid"])
        self._killing: asyncio.Task[None] | None = None
        self._stopping = False
        self._first_started = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._puller = ImagePuller(node, spec, self._wait_for, self._event)
        self._prober = Prober(node.session, facts.address, spec, self.execute)
        self._field = f"spec.containers{{{spec['name']}}}"

    # --- the life of a container ---------------------------------------------------------------------------------

    async def run(self) -> int:
        """Run it as often as its policy asks for; the last exit code, at once of one that is over from before."""
        if self.state.ended is not None:
            return int(self.state.ended["exitCode"])
        pause, last_start = 0.0, 0.0
        loop = asyncio.get_running_loop()
        while True:
            pulled = await self._puller.pull()
            await self._configure(pulled)
            self.state.restarts += self.state.has_run  # only now: what was asked for and not made yet is no restart
            last_start = loop.time()
            code = await self._run_once(pulled.entry)
            if self._stopping or self.policy == "Never" or (self.policy == "OnFailure" and code == 0):
                return code
            # A kubelet restarts the first time at once and only then begins to wait, twice as long each time.
            if loop.time() - last_start > BACKOFF_FORGOTTEN_SECONDS:
                pause = 0.0
            if pause:
                await self._back_off(pause)
            pause = min(pause * 2, LONGEST_BACKOFF_SECONDS) if pause else self._node.backoff_seconds

    async def started(self) -> None:
        """Wait until the startup probe has passed for the first time (or the process runs, without one)."""
        await self._first_started.wait()

    async def stop(self, grace: float) -> None:
        """End it for good: the preStop hook, SIGTERM, and SIGKILL after the grace period, which the hook is part of."""
        self._stopping = True
        if self._process is not None:
            await self._kill(grace)
        await self._idle.wait()

    def kill_now(self) -> None:
        """End its processes without waiting for them."""
        if self._process is not None:
            self._process.kill()

    @property
    def pid(self) -> int | None:
        """Its main process, while it runs."""
        return self._process.pid if self._process is not None else None

    @property
    def is_running(self) -> bool:
        """Its process runs now."""
        return self._process is not None

    def log_path(self) -> Path:
        """The log of the newest run, which is over where the container waits to run again."""
        return self._log_folder() / f"{self.state.restarts}.log"

    def previous_log_path(self) -> Path | None:
        """The log of the run that `lastState` tells of; None of a container that has none."""
        if self.state.last is None:
            return None
        return self._log_folder() / f"{self.state.restarts - (self.state.waiting is None)}.log"

    async def execute(self, command: list[str], timeout: float) -> tuple[int, str]:
        """Run a command beside the container's process, in its environment."""
        heard: list[bytes] = []
        line = [self._paths.rewrite(expand(part, self._environment)) for part in command]
        if not self._is_executable(line):
            return 126, f'exec: "{line[0] if line else ""}": executable file not found in $PATH'
        process = await Process.start(line, env=self._environment, cwd=self._cwd, output=heard.append)
        try:
            async with asyncio.timeout(timeout):
                code = await process.wait()
        except TimeoutError:
            code, heard = 124, [f"command timed out after {timeout:g} s".encode()]
        finally:
            process.kill()
        return code, b"".join(heard).decode(errors="replace")

    def session(self, command: list[str], *, terminal: bool) -> AbstractAsyncContextManager[AttachedProcess]:
        """Such a command, with its streams in the caller's hands. Raises `FileNotFoundError` where there is none."""
        line = [self._paths.rewrite(part) for part in command]
        if not self._is_executable(line):
            raise FileNotFoundError(f'exec: "{line[0] if line else ""}": executable file not found in $PATH')
        environment = {"TERM": "xterm", **self._environment} if terminal else self._environment
        return self.sessions.command(line, env=environment, cwd=self._cwd, terminal=terminal)

    def _is_executable(self, line: list[str]) -> bool:
        return bool(line) and shutil.which(line[0], path=self._environment.get("PATH")) is not None

    # --- before the start ----------------------------------------------------------------------------------------

    async def _configure(self, pulled: PulledImage) -> None:
        entry = pulled.entry
        while True:
            try:
                own = await container_environment(self._node.client, self.spec, self._facts)
                break
            except ConfigError as problem:
                self._wait_for("CreateContainerConfigError", str(problem))
                self._event("Warning", "Failed", f"Error: {problem}")
            except ApiError as refusal:
                self._wait_for("CreateContainerConfigError", refusal.message)
            await asyncio.sleep(1.0)
        folder = self._node.pods_folder / self._facts.pod["metadata"]["uid"]
        self._cwd = folder / "containers" / self.spec["name"]
        # A container that is restarted finds nothing of what the one before wrote outside of its volumes.
        await asyncio.to_thread(shutil.rmtree, self._cwd, ignore_errors=True)
        (self._cwd / "tmp").mkdir(parents=True, exist_ok=True)
        root = Path(entry.root) if entry.root else None
        mounts = [*self._volumes.mounts(self.spec, own), self._last_words.mount()]
        self._paths = PathRewriter(mounts, root, address=self._facts.address)
        variables = self._facts.image_variables()
        base = {
            "PATH": f"{_programs(pulled)}:{DEFAULT_PATH}",
            "HOME": str(self._cwd),
            "TMPDIR": str(self._cwd / "tmp"),
            "HOSTNAME": self._facts.pod["spec"].get("hostname") or self._facts.pod["metadata"]["name"],
            "LANG": "C.UTF-8",
        }
        image = {name: self._paths.rewrite(expand(value, variables)) for name, value in entry.env.items()}
        declared = {name: self._paths.rewrite(value) for name, value in own.items()}
        self._environment = {**base, **image, **declared, MARKER: str(self._node.state)}
        self._cwd = self._working_folder(entry)

    def _working_folder(self, entry: ImageEntry) -> Path:
        wanted = self.spec.get("workingDir")
        if wanted:
            # Only a folder of a mount or of the image: the same path on this machine is somebody else's.
            rewritten = self._paths.path(wanted)
            return Path(rewritten) if rewritten != wanted and Path(rewritten).is_dir() else self._cwd
        return Path(entry.working_dir) if entry.working_dir else self._cwd

    # --- one run -------------------------------------------------------------------------------------------------

    async def _run_once(self, entry: ImageEntry) -> int:
        state = self.state
        command = command_of(self.spec, entry, self._environment, self._facts, self._paths)
        identity = f"process://{uuid.uuid4().hex}{uuid.uuid4().hex}"
        problem = self._cannot_start(command)
        if problem:
            self._event("Warning", "Failed", f"Error: {problem}")
            return self._record_end(terminated(128, now(), identity, reason="StartError", message=problem))
        log = LogWriter(self._log_folder() / f"{state.restarts}.log")

        def hear(data: bytes) -> None:
            log.feed(data)
            self.sessions.hear(data)

        self._idle.clear()
        self._forget_old_logs()
        self._last_words.begin()
        try:
            process = await Process.start(command, env=self._environment, cwd=self._cwd, output=hear)
            self._process = process
            if self._stopping:
                process.kill()
            self._record_start(identity)
            self._start_probes()
            self._run_hook("postStart")
            code = await process.wait()
        except OSError as failure:
            return self._record_end(terminated(128, now(), identity, reason="StartError", message=str(failure)))
        finally:
            self._stop_probes()
            if self._process is not None:
                self._process.kill()
            self._process = None
            self._idle.set()
            log.close()
            self.sessions.end()
        message = self._last_words.read(code, log.tail)
        return self._record_end(terminated(code, state.running_since or now(), identity, message=message))

    def _cannot_start(self, command: list[str]) -> str:
        if not command:
            return "no command specified"
        if shutil.which(command[0], path=self._environment["PATH"]) is None:
            where = "no such file or directory" if "/" in command[0] else "executable file not found in $PATH"
            return f'failed to start container: exec: "{command[0]}": {where}'
        if not self._cwd.is_dir():
            return f"failed to start container: chdir to cwd ({self._cwd}): no such file or directory"
        return ""

    def _record_start(self, identity: str) -> None:
        state = self.state
        state.last = state.ended or state.last
        state.waiting, state.waiting_message, state.ended = None, "", None
        state.running_since, state.container_id = now(), identity
        state.image_id = f"sandbox://{self.spec['image']}"
        state.started = "startupProbe" not in self.spec
        state.ready = state.started and "readinessProbe" not in self.spec
        if state.started:
            self._first_started.set()
        self._event("Normal", "Created", f"Container created: {self.spec['name']}")
        self._event("Normal", "Started", f"Container started: {self.spec['name']}")
        self._changed()

    def _record_end(self, record: Manifest) -> int:
        state = self.state
        state.last = state.ended or state.last
        state.running_since, state.waiting = None, None
        # An init container that has done its work counts as ready.
        state.ended, state.ready, state.started = record, self._is_init and not record["exitCode"], False
        state.container_id = record["containerID"]
        self._changed()
        return int(record["exitCode"])

    async def _back_off(self, pause: float) -> None:
        metadata = self._facts.pod["metadata"]
        name, pod = self.spec["name"], f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        self._event("Warning", "BackOff", f"Back-off restarting failed container {name} in pod {pod}")
        shown = f"{pause:g}s" if pause < 60 else f"{int(pause // 60)}m{int(pause % 60)}s"
        self._wait_for("CrashLoopBackOff", f"back-off {shown} restarting failed container={name} pod={pod}")
        await asyncio.sleep(pause)

    def _wait_for(self, reason: str, message: str) -> None:
        state = self.state
        if state.ended is not None:
            state.last, state.ended = state.ended, None
        state.waiting, state.waiting_message = reason, message
        self._changed()

    # --- probes and hooks ----------------------------------------------------------------------------------------

    def _start_probes(self) -> None:
        if "startupProbe" in self.spec:
            probe = self.spec["startupProbe"]
            self._probe(probe, "Startup", None, self._startup_decided)
        else:
            self._start_steady_probes()

    def _start_steady_probes(self) -> None:
        if "livenessProbe" in self.spec:
            self._probe(self.spec["livenessProbe"], "Liveness", True, self._liveness_decided)
        if "readinessProbe" in self.spec:
            self._probe(self.spec["readinessProbe"], "Readiness", False, self._readiness_decided)

    def _probe(self, probe: Manifest, kind: str, initially: bool | None, decided: Callable[[bool], None]) -> None:
        def failed(message: str) -> None:
            if not self._stopping:
                self._event("Warning", "Unhealthy", f"{kind} probe failed: {message}")

        watching = self._prober.watch(probe, initially=initially, changed=decided, failed=failed)
        self._probes.append(asyncio.create_task(watching))

    def _startup_decided(self, passed: bool) -> None:
        if not passed:
            self._restart("startup", self.spec["startupProbe"])
            return
        self.state.started = True
        self._first_started.set()
        self.state.ready = "readinessProbe" not in self.spec
        self._changed()
        self._probes.pop(0).cancel()
        self._start_steady_probes()

    def _readiness_decided(self, passed: bool) -> None:
        self.state.ready = passed
        self._changed()

    def _liveness_decided(self, passed: bool) -> None:
        if not passed:
            self._restart("liveness", self.spec["livenessProbe"])

    def _restart(self, kind: str, probe: Manifest) -> None:
        if self._stopping or self._killing is not None:
            return
        name = self.spec["name"]
        self._event("Normal", "Killing", f"Container {name} failed {kind} probe, will be restarted")
        default = self._facts.pod["spec"].get("terminationGracePeriodSeconds", 30)
        self._killing = asyncio.create_task(self._kill(float(probe.get("terminationGracePeriodSeconds", default))))

    def _stop_probes(self) -> None:
        for task in self._probes:
            task.cancel()
        self._probes.clear()
        if self._killing is not None:
            self._killing.cancel()
            self._killing = None

    async def _kill(self, grace: float) -> None:
        process = self._process
        if process is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(grace, 0.0)):
                hook = self._hook("preStop", grace)
                if hook is not None:
                    await asyncio.wait([hook, asyncio.ensure_future(process.wait())], return_when="FIRST_COMPLETED")
                process.terminate()
                await process.wait()
        process.kill()
        await process.wait()

    def _run_hook(self, name: str) -> None:
        hook = self._hook(name, 60.0)
        if hook is not None:
            self._probes.append(hook)  # ends with the container, like a probe

    def _hook(self, name: str, timeout: float) -> "asyncio.Task[None] | None":
        handler = (self.spec.get("lifecycle") or {}).get(name)
        return asyncio.create_task(self._carry_out(name, handler, timeout)) if handler else None

    async def _carry_out(self, name: str, handler: Manifest, timeout: float) -> None:
        if "sleep" in handler:
            await asyncio.sleep(float(handler["sleep"]["seconds"]))
            return
        result: ProbeResult = await self._prober.check(handler, timeout)
        if not result.passed:
            reason = "FailedPostStartHook" if name == "postStart" else "FailedPreStopHook"
            self._event("Warning", reason, f"{name}Hook failed: {result.message}")
            if name == "postStart" and self._killing is None:
                self._killing = asyncio.create_task(self._kill(0.0))

    def _log_folder(self) -> Path:
        return self._node.pod_logs_folder(self._facts.pod) / str(self.spec["name"])

    def _forget_old_logs(self) -> None:
        oldest = self.state.restarts - KEPT_LOGS
        for suffix in (".log", ".log.1"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._log_folder() / f"{oldest}{suffix}")  # noqa: PTH108

    def _event(self, kind: str, reason: str, message: str) -> None:
        self._node.events.record(kind, self._facts.pod, reason, message, field=self._field)


def _programs(pulled: PulledImage) -> Path:
    """Where the image's own `python` is: in its environment, or else it is the one that runs the sandbox."""
    return pulled.environment.programs if pulled.environment is not None else Path(sys.executable).parent
