"""The server as the node starts it: a process, its options, the address it binds, and how it ends."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from slipway_sandbox.modelserver import Readiness, create_app, load_model
from slipway_sandbox.modelserver.__main__ import LameDuckServer

HOST = "127.41.0.2"
OTHER_HOST = "127.41.0.3"
DEADLINE = 30

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the server with these options and additional environment; it is gone when the test is."""
    processes: list[subprocess.Popen[str]] = []

    def run(*options: str, **env: str) -> subprocess.Popen[str]:
        clean = {name: value for name, value in os.environ.items() if name not in {"HOST", "PORT", "MODEL_ROOT"}}
        process = subprocess.Popen(
            [sys.executable, "-m", "slipway_sandbox.modelserver", *options],
            env=clean | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE} s"
        time.sleep(0.02)


def answers(port: int, path: str = "/v2/health/ready", host: str = HOST) -> int | None:
    """The status code, or None while nobody listens. Cheap enough to see what holds for a second on a busy machine."""
    connection = http.client.HTTPConnection(host, port, timeout=DEADLINE)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except ConnectionError:
        return None
    finally:
        connection.close()


def started(start: Start, model: Path, port: int) -> subprocess.Popen[str]:
    process = start("--model-name", "m", "--model-uri", model.as_uri(), "--host", HOST, "--port", str(port))
    until(lambda: process.poll() is not None or answers(port) == 200, "ready")
    return process


def test_options_may_come_from_the_environment(start: Start, lookup: Path, port: int) -> None:
    start(
        SLIPWAY_MODEL_NAME="m",
        SLIPWAY_MODEL_URI=f"file:///{lookup.name}",
        SLIPWAY_MODEL_VERSION="v9",
        MODEL_ROOT=str(lookup.parent),
        HOST=HOST,
        PORT=str(port),
    )
    until(lambda: answers(port) == 200, "ready")
    assert answers(port, "/v2/models/m/versions/v9") == 200


def test_only_the_given_address_is_bound(start: Start, lookup: Path, port: int) -> None:
    started(start, lookup, port)
    assert answers(port) == 200
    assert answers(port, host=OTHER_HOST) is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--model-digest", "sha256:00"], "digest mismatch"),
        (["--model-uri", "file:///none.onnx"], "No such file"),
        (["--host", "192.0.2.1"], "cannot listen"),
    ],
)
def test_a_server_that_cannot_serve_says_why_in_one_line_and_exits(
    start: Start, lookup: Path, port: int, options: list[str], reason: str
) -> None:
    good = ["--model-name", "m", "--model-uri", lookup.as_uri(), "--host", HOST, "--port", str(port)]
    process = start(*good, *options)
    _, stderr = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert stderr.startswith("modelserver: ")
    assert reason in stderr
    assert stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--port", "70000"], "'70000' is not a port from 1 to 65535"),
        (["--port", "http"], "'http' is not a port from 1 to 65535"),
        ([], "required: --model-name, --model-uri"),
    ],
)
def test_options_that_make_no_sense_are_named(start: Start, options: list[str], reason: str) -> None:
    process = start(*options)
    _, stderr = process.communicate(timeout=DEADLINE)
    assert process.returncode == 2
    assert reason in stderr


def test_a_broken_model_is_refused_at_once(start: Start, tmp_path: Path, port: int) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    process = start("--model-name", "m", "--model-uri", broken.as_uri(), "--host", HOST, "--port", str(port))
    _, stderr = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert stderr.startswith("modelserver: ")
    assert stderr.count("\n") == 1


def test_a_port_that_is_taken_is_an_error_in_one_line(start: Start, lookup: Path, port: int) -> None:
    started(start, lookup, port)
    second = start("--model-name", "m", "--model-uri", lookup.as_uri(), "--host", HOST, "--port", str(port))
    _, stderr = second.communicate(timeout=DEADLINE)
    assert second.returncode == 1
    assert stderr == f"modelserver: cannot listen on {HOST}:{port}: Address already in use\n"


def test_on_sigterm_readiness_goes_first_then_the_listener_then_the_requests_in_flight(
    start: Start, lookup: Path, port: int
) -> None:
    process = started(start, lookup, port)
    body = b'{"inputs":[{"name":"x","shape":[1],"datatype":"INT64","data":[1]}]}'
    head = f"POST /v2/models/m/infer HTTP/1.1\r\nHost: m\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection((HOST, port), timeout=DEADLINE) as in_flight:
        in_flight.sendall(head + body[:10])
        until(lambda: answers(port) == 200, "the half request to be read")
        process.send_signal(signal.SIGTERM)
        until(lambda: answers(port) == 503, "not ready while still listening")
        assert answers(port, "/v2/health/live") == 200
        until(lambda: answers(port) is None, "the listener to close")
        assert process.poll() is None
        in_flight.sendall(body[10:])
        reply = b""
        while piece := in_flight.recv(65536):
            reply += piece
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"data":[20.0]' in reply
    stdout, stderr = process.communicate(timeout=DEADLINE)
    assert (process.returncode, stdout, stderr) == (0, "", "")


def test_an_idle_connection_does_not_delay_the_end(start: Start, lookup: Path, port: int) -> None:
    process = started(start, lookup, port)
    with httpx.Client() as keep_alive:
        assert keep_alive.get(f"http://{HOST}:{port}/v2/health/live").status_code == 200
        before = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
        assert time.monotonic() - before < DEADLINE / 2  # a second of grace, and room for a busy machine


def test_replies_on_a_kept_connection_do_not_wait_for_an_acknowledgement(start: Start, lookup: Path, port: int) -> None:
    started(start, lookup, port)
    with httpx.Client(base_url=f"http://{HOST}:{port}") as client:
        seconds = [client.get("/v2/health/live").elapsed.total_seconds() for _ in range(20)]
    assert min(seconds[1:]) < 0.03  # a delayed acknowledgement takes 0.04


async def test_the_first_signal_waits_for_gateways_and_a_second_one_does_not(lookup: Path) -> None:
    readiness = Readiness()
    server = LameDuckServer(uvicorn.Config(create_app(load_model("m", lookup.as_uri()), readiness)), readiness)
    assert not await server.on_tick(1)
    server.handle_exit(signal.SIGTERM, None)
    assert not readiness.ready
    assert not await server.on_tick(1)
    server.handle_exit(signal.SIGTERM, None)
    assert await server.on_tick(1)


def test_a_failing_request_and_a_bad_one_leave_the_log_empty(start: Start, lookup: Path, port: int) -> None:
    process = started(start, lookup, port)
    url = f"http://{HOST}:{port}/v2/models/m/infer"
    tensor = {"name": "x", "shape": [1], "datatype": "INT64", "data": [99]}
    assert httpx.post(url, json={"inputs": [tensor]}).status_code == 500
    assert httpx.post(url, content=b"{").status_code == 400
    assert httpx.post(url, content=b" " * 5_000_000).status_code == 413
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=DEADLINE)
    assert (stdout, stderr) == ("", "")
