"""exec, attach and port-forward, as kubectl of two generations speaks them.

| kubectl | exec, attach | port-forward |
|---|---|---|
| 1.32 | v5.channel.k8s.io | SPDY/3.1 inside a WebSocket |
| 1.37 | v5.channel.k8s.io | SPDY/3.1 inside a WebSocket |
"""

import asyncio
import contextlib
import json
import os
import pty
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from sandbox.runtime.kit import Space, a_container, a_pod, eventually, get

from slipway_sandbox.client import PODS, Manifest

OWN = Path(sys.executable).with_name("kubectl")
BINARIES = [str(OWN)] * OWN.exists() + [found for found in [shutil.which("kubectl", path=os.defpath)] if found]

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not BINARIES, reason="there is no kubectl here"),
]


@pytest.fixture(params=BINARIES, ids=["own", "machine"][: len(BINARIES)])
def binary(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def line(binary: str, space: Space, *words: str) -> list[str]:
    return [binary, f"--kubeconfig={space.sandbox.kubeconfig_path}", f"--namespace={space.name}", *words]


async def run(binary: str, space: Space, *words: str, stdin: bytes = b"") -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *line(binary, space, *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(stdin), 30)
    return process.returncode, out.decode(), err.decode()


async def ready(space: Space, *pods: Manifest) -> list[Manifest]:
    await space.apply(*pods)

    async def all_ready() -> list[Manifest] | None:
        found = [await space.get(PODS, pod["metadata"]["name"]) for pod in pods]
        conditions = [{c["type"]: c["status"] for c in pod["status"].get("conditions") or ()} for pod in found]
        return found if all(each.get("Ready") == "True" for each in conditions) else None

    found: list[Manifest] = await eventually(all_ready, 20)
    return found


async def test_exec_runs_in_the_environment_and_the_files_of_the_container(binary: str, space: Space) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "from map"}}
    await space.apply(config)
    container = a_container(volumeMounts=[{"name": "v", "mountPath": "/etc/conf"}], version="7", readinessProbe=None)
    await ready(space, a_pod("p", containers=[container], volumes=[{"name": "v", "configMap": {"name": "c"}}]))
    assert await run(binary, space, "exec", "p", "--", "cat", "/etc/conf/k") == (0, "from map", "")
    code, said, _ = await run(binary, space, "exec", "p", "--", "sh", "-c", "echo $VERSION; pwd; kill -0 $PPID")
    assert code == 0
    version, folder = said.split()
    assert version == "7"
    assert folder.startswith(str(space.sandbox.state_dir))


async def test_exec_keeps_output_and_errors_apart_and_tells_the_exit_code(binary: str, space: Space) -> None:
    await ready(space, a_pod("p", readinessProbe=None))
    code, out, err = await run(binary, space, "exec", "p", "--", "sh", "-c", "echo out; echo wrong >&2; exit 3")
    assert (code, out) == (3, "out\n")
    assert err.splitlines() == ["wrong", "command terminated with exit code 3"]


async def test_exec_takes_input_to_its_end_and_any_amount_of_it(space: Space) -> None:
    await ready(space, a_pod("p", readinessProbe=None))
    text = b"0123456789abcde\n" * 65536
    code, out, _ = await run(BINARIES[0], space, "exec", "-i", "p", "--", "cat", stdin=text)
    assert code == 0
    assert out.encode() == text
    # Without -i there is no input, so that a command that reads does not wait.
    assert (await run(BINARIES[0], space, "exec", "p", "--", "cat", stdin=text))[:2] == (0, "")


async def test_exec_with_a_terminal_gives_the_command_one(space: Space) -> None:
    await ready(space, a_pod("p", readinessProbe=None))
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *line(BINARIES[0], space, "exec", "-it", "p", "--", "sh", "-c", "test -t 1 && echo a terminal; read x; exit $x"),  # noqa: E501
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    os.set_blocking(ours, False)
    heard = bytearray()

    async def said() -> bool:
        with contextlib.suppress(BlockingIOError):
            heard.extend(os.read(ours, 4096))
        return b"a terminal" in heard

    await eventually(said, 10)
    os.write(ours, b"5\r")
    assert await asyncio.wait_for(process.wait(), 30) == 5
    os.close(ours)


async def test_what_cannot_be_executed_is_refused_in_words(space: Space) -> None:
    await ready(space, a_pod("p", readinessProbe=None))
    code, _, err = await run(BINARIES[0], space, "exec", "p", "--", "no-such-command")
    assert code == 1
    assert "executable file not found in $PATH" in err
    code, _, err = await run(BINARIES[0], space, "exec", "p", "-c", "other", "--", "true")
    assert code == 1
    assert "container other" in err


async def test_clients_of_the_protocol_before_are_served_too(space: Space) -> None:
    await ready(space, a_pod("p", readinessProbe=None))
    words = [("command", "sh"), ("command", "-c"), ("command", "read x; echo got $x; exit 4"), ("stdin", "true")]
    url = f"{space.sandbox.api_url}/api/v1/namespaces/{space.name}/pods/p/exec"
    heard: dict[int, bytes] = {}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, params=[*words, ("stdout", "true")], protocols=["v4.channel.k8s.io"]) as socket,
    ):
        assert socket.protocol == "v4.channel.k8s.io"
        await socket.send_bytes(b"\x00seven\n")
        async for message in socket:
            heard[message.data[0]] = heard.get(message.data[0], b"") + message.data[1:]
    assert heard[1] == b"got seven\n"
    assert json.loads(heard[3])["details"]["causes"] == [{"reason": "ExitCode", "message": "4"}]


async def test_a_stream_without_a_websocket_is_refused_with_what_to_do(space: Space) -> None:
    await ready(space, a_pod("p", readinessProbe=None))
    url = f"{space.sandbox.api_url}/api/v1/namespaces/{space.name}/pods/p"
    spdy = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io"}
    async with aiohttp.ClientSession() as session:
        for part in ("exec?command=true", "portforward"):
            async with session.post(f"{url}/{part}", headers=spdy) as response:
                assert response.status == 400
                assert "kubectl 1.31 and later" in (await response.json())["message"]


async def test_a_command_ends_with_the_client_that_asked_for_it(space: Space) -> None:
    await ready(space, a_pod("p", readinessProbe=None))
    words = line(BINARIES[0], space, "exec", "p", "--", "sh", "-c", "echo $$; exec sleep 60")
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    pid = int(await process.stdout.readline())
    process.kill()
    await process.wait()

    async def gone() -> bool:
        return not os.path.exists(f"/proc/{pid}")  # noqa: ASYNC240, PTH110

    await eventually(gone)


async def test_attach_shows_what_the_container_writes_until_it_ends(space: Space) -> None:
    program = "n=0; while [ ! -e enough ]; do n=$((n+1)); echo line $n; sleep 0.1; done; echo the end"
    pod = a_pod("p", command=["sh", "-c", program], args=[], readinessProbe=None, restartPolicy="Never")
    await ready(space, pod)
    words = line(BINARIES[0], space, "attach", "p")
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE, stderr=-3)
    assert process.stdout is not None
    assert (await asyncio.wait_for(process.stdout.readline(), 30)).startswith(b"line")
    await run(BINARIES[0], space, "exec", "p", "--", "touch", "enough")
    assert (await asyncio.wait_for(process.stdout.read(), 30)).endswith(b"the end\n")
    assert await process.wait() == 0


@contextlib.asynccontextmanager
async def forwarded(binary: str, space: Space, *words: str) -> AsyncIterator[tuple[int, asyncio.subprocess.Process]]:
    process = await asyncio.create_subprocess_exec(
        *line(binary, space, "port-forward", *words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        announced = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        found = re.search(r"127\.0\.0\.1:(\d+)", announced)
        assert found, announced
        yield int(found.group(1)), process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.communicate(), 30)


async def test_port_forward_carries_many_connections_at_once(binary: str, space: Space) -> None:
    [pod] = await ready(space, a_pod("p"))
    async with forwarded(binary, space, "pod/p", ":8080") as (port, _):
        answers = await asyncio.gather(*(get(f"http://127.0.0.1:{port}/") for _ in range(5)))
    assert {(status, body["ip"]) for status, body in answers} == {(200, pod["status"]["podIP"])}


async def test_port_forward_carries_much_and_ends_each_direction_by_itself(space: Space) -> None:
    echo = (
        "import os, socket\nserver = socket.create_server((os.environ['POD_IP'], 8080))\n"
        "while True:\n    peer, _ = server.accept(); got = b''\n"
        "    while block := peer.recv(65536): got += block\n    peer.sendall(got); peer.close()"
    )
    probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    await ready(space, a_pod("p", args=["-S", "-c", echo], readinessProbe=probe))
    payload = os.urandom(1_000_000)
    async with forwarded(BINARIES[0], space, "pod/p", ":8080") as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(payload)
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 30) == payload
        writer.close()


async def test_port_forward_says_that_nobody_listens(space: Space) -> None:
    await ready(space, a_pod("p", readinessProbe=None))
    async with forwarded(BINARIES[0], space, "pod/p", ":9999") as (port, process):
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await get(f"http://127.0.0.1:{port}/")
        assert process.stderr is not None
        heard = b""
        while b"error forwarding port 9999" not in heard:
            heard += await asyncio.wait_for(process.stderr.readline(), 30)
