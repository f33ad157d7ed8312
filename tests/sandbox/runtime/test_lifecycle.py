"""A sandbox from its start to its end, whichever end: the block, `down`, a crash, a caller that dies."""

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sandbox.runtime.kit import a_deployment, eventually, get

from slipway_sandbox import Sandbox, SandboxError
from slipway_sandbox.client import DEPLOYMENTS, NODES
from slipway_sandbox.processes import marked

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")]


def command(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "slipway_sandbox", *words], capture_output=True, text=True, timeout=60)


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def named(program: str, state: Path) -> list[int]:
    """The processes of a sandbox that run this program."""
    return [pid for pid in marked(str(state)) if program in Path(f"/proc/{pid}/comm").read_text()]


async def nothing_left(state: Path, pid: int) -> None:
    async def gone() -> bool:
        return not alive(pid) and not marked(str(state))

    await eventually(gone)


async def with_a_pod(sandbox: Sandbox) -> None:
    """Run a pod whose container has a child that left its process group."""
    await sandbox.apply(
        a_deployment(command=["sh", "-c", "setsid sleep 600 & exec sleep 600"], args=[], readinessProbe=None)
    )

    async def runs() -> bool:
        deployment = await sandbox.client.get(DEPLOYMENTS, "default", "web")
        return deployment.get("status", {}).get("readyReplicas") == 1 and len(marked(str(sandbox.state_dir))) >= 3

    await eventually(runs)


async def test_the_node_is_ready_when_the_block_begins_and_nothing_is_left_when_it_ends(tmp_path: Path) -> None:
    async with Sandbox(state_dir=tmp_path) as sandbox:
        node = await sandbox.client.get(NODES, None, "sandbox")
        assert {entry["type"]: entry["status"] for entry in node["status"]["conditions"]}["Ready"] == "True"
        await with_a_pod(sandbox)
        pid = sandbox.pid
    await nothing_left(tmp_path, pid)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_however_the_serving_process_ends_nothing_is_left(tmp_path: Path, number: signal.Signals) -> None:
    async with Sandbox(state_dir=tmp_path) as sandbox:
        await with_a_pod(sandbox)
        pid = sandbox.pid
        os.kill(pid, number)
        await nothing_left(tmp_path, pid)


async def test_the_sandbox_ends_when_its_caller_is_killed(tmp_path: Path) -> None:
    program = f"""
import asyncio
from slipway_sandbox import Sandbox
async def main():
    async with Sandbox(state_dir={str(tmp_path)!r}, gateway=False) as sandbox:
        print(sandbox.pid, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""
    caller = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert caller.stdout is not None
    pid = int(await caller.stdout.readline())
    caller.kill()
    await caller.wait()
    await nothing_left(tmp_path, pid)


async def test_a_folder_that_a_crash_left_behind_is_cleared_and_used_again(tmp_path: Path) -> None:
    async with Sandbox(state_dir=tmp_path, gateway=False) as sandbox:
        os.kill(sandbox.pid, signal.SIGKILL)
    (tmp_path / "pods" / "old").mkdir(parents=True)
    async with Sandbox(state_dir=tmp_path, gateway=False) as sandbox:
        assert await sandbox.client.reachable()
        assert not (tmp_path / "pods" / "old").exists()


async def test_two_sandboxes_run_side_by_side_without_sharing_addresses(tmp_path: Path) -> None:
    async with (
        Sandbox(state_dir=tmp_path / "a", gateway=False) as one,
        Sandbox(state_dir=tmp_path / "b", gateway=False) as two,
    ):
        nodes = [await sandbox.client.get(NODES, None, "sandbox") for sandbox in (one, two)]
        addresses = {node["status"]["addresses"][0]["address"] for node in nodes}
        assert len(addresses) == 2


async def test_a_second_sandbox_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    async with Sandbox(state_dir=tmp_path, gateway=False) as first:
        with pytest.raises(SandboxError, match="already running"):
            async with Sandbox(state_dir=tmp_path, gateway=False):
                pass
        assert await first.client.reachable()


TAKE = """
import sys
from pathlib import Path
from slipway_sandbox.sandbox import StateFolder
folder = StateFolder(Path(sys.argv[1]))
print("now", flush=True)
folder.acquire()
print("taken", flush=True)
"""


def test_who_asks_whether_a_sandbox_runs_does_not_keep_it_from_starting(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("a+") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        with subprocess.Popen([sys.executable, "-c", TAKE, tmp_path], stdout=subprocess.PIPE, text=True) as taking:
            assert taking.stdout is not None
            assert taking.stdout.readline() == "now\n"
            time.sleep(0.1)  # it tries while this one asks
            fcntl.flock(asking, fcntl.LOCK_UN)
            assert taking.stdout.readline() == "taken\n"


async def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises(SandboxError, match="in use"):
            async with Sandbox(state_dir=tmp_path, gateway=False, api_port=port):
                pass
    finally:
        server.close()
        await server.wait_closed()


def test_the_command_starts_says_so_and_ends_a_sandbox(tmp_path: Path) -> None:
    state = f"--state={tmp_path}"
    assert command("status", state).returncode == 3
    assert "No sandbox is running" in command("down", state).stdout
    first = command("up", state, "--no-gateway")
    try:
        assert first.returncode == 0, first.stderr
        assert f"export KUBECONFIG={tmp_path}/kubeconfig" in first.stdout
        assert "already running" in command("up", state).stderr
        status = command("status", state)
        assert status.returncode == 0
        assert "http://127.0.0.1:" in status.stdout
        assert command("kubeconfig", state).stdout.strip() == str(tmp_path / "kubeconfig")
        pid = json.loads((tmp_path / "endpoints.json").read_text())["pid"]
    finally:
        last = command("down", state)
    assert last.stdout.strip() == "The sandbox is down."
    assert not alive(pid)
    assert command("status", state).returncode == 3


async def test_a_gateway_that_crashes_is_started_again(tmp_path: Path) -> None:
    async with Sandbox(state_dir=tmp_path) as sandbox:
        [gateway] = named("traefik", tmp_path)
        os.kill(gateway, signal.SIGKILL)
        await eventually(lambda: asyncio.to_thread(lambda: not alive(gateway)))

        async def answers() -> bool:
            try:
                return (await get(sandbox.gateway_url))[0] == 404
            except OSError:
                return False

        await eventually(answers)
