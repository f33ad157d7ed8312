"""Processes never outlive the sandbox: groups, parent death, the guard."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slipway_sandbox.processes import MARKER, Process, kill_marked, marked, start_guard

LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals and /proc are Linux's")


def environment(state: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], MARKER: str(state)}


def wait_for(condition: object, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)


async def test_output_arrives_in_order_and_the_exit_code_is_the_programs(tmp_path: Path) -> None:
    heard = bytearray()
    process = await Process.start(
        ["sh", "-c", "echo one; echo two >&2; echo three; exit 7"],
        env=environment(tmp_path),
        cwd=tmp_path,
        output=heard.extend,
    )
    assert await process.wait() == 7
    assert heard == b"one\ntwo\nthree\n"


async def test_an_end_by_a_signal_is_128_and_the_signal(tmp_path: Path) -> None:
    process = await Process.start(["sleep", "60"], env=environment(tmp_path), cwd=tmp_path, output=lambda _: None)
    process.kill()
    assert await process.wait() == 128 + signal.SIGKILL


@LINUX_ONLY
async def test_what_a_program_leaves_in_its_group_ends_with_it(tmp_path: Path) -> None:
    process = await Process.start(
        ["sh", "-c", "sleep 60 & exit 0"], env=environment(tmp_path), cwd=tmp_path, output=lambda _: None
    )
    assert await process.wait() == 0
    await asyncio.to_thread(wait_for, lambda: not marked(str(tmp_path)))


@LINUX_ONLY
def test_the_guard_kills_what_is_left_when_its_pipe_closes(tmp_path: Path) -> None:
    guard = start_guard(tmp_path)
    escaped = subprocess.Popen(["sleep", "60"], env=environment(tmp_path), start_new_session=True)
    wait_for(lambda: marked(str(tmp_path)) == [escaped.pid])
    assert guard.stdin is not None
    guard.stdin.close()
    assert escaped.wait(60) == -signal.SIGKILL
    assert guard.wait(60) == 0


@LINUX_ONLY
def test_killing_by_the_marker_spares_other_sandboxes(tmp_path: Path) -> None:
    mine, other = tmp_path / "a", tmp_path / "ab"
    left = subprocess.Popen(["sleep", "60"], env=environment(mine))
    spared = subprocess.Popen(["sleep", "60"], env=environment(other))
    try:
        wait_for(lambda: marked(str(mine)) and marked(str(other)))
        assert kill_marked(str(mine)) == 1
        assert left.wait(60) == -signal.SIGKILL
        assert spared.poll() is None
    finally:
        spared.kill()
        spared.wait()


@LINUX_ONLY
def test_a_process_dies_with_the_one_that_started_it(tmp_path: Path) -> None:
    program = f"""
import asyncio, os, pathlib
from slipway_sandbox.processes import Process
async def main():
    env = {{"PATH": os.environ["PATH"], "{MARKER}": {str(tmp_path)!r}}}
    await Process.start(["sleep", "60"], env=env, cwd=pathlib.Path("/"), output=lambda data: None)
    print("started", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"started\n"
    wait_for(lambda: [Path(f"/proc/{pid}/comm").read_text().strip() for pid in marked(str(tmp_path))] == ["sleep"])
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_for(lambda: not marked(str(tmp_path)))
