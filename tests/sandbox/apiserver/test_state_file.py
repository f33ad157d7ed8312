"""Objects that outlive the server: over a stop, over a kill, and what is said of files that are of no use."""

# ruff: noqa: ASYNC240 - the files are small, and nothing else runs meanwhile

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from sandbox.apiserver.conftest import BOATS, Client, a_boat, a_definition

from slipway_sandbox.apiserver import ApiServer, StateFileError

MAPS = "/api/v1/namespaces/default/configmaps"


def a_map(name: str = "m", **data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@asynccontextmanager
async def a_run(file: Path, token: str | None = None) -> AsyncIterator[Client]:
    """One start of a server on a state file."""
    server = ApiServer(token=token, state_file=file)
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Client(server.url, session)
    finally:
        await server.stop()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "objects.sqlite"


async def test_objects_are_the_same_after_a_stop(file: Path) -> None:
    async with a_run(file) as first:
        kept = (await first.post(MAPS, a_map(text="grüße 🛥"))).body
        await first.post(MAPS, a_map("gone"))
        await first.delete(f"{MAPS}/gone")
    async with a_run(file) as second:
        assert (await second.get(MAPS)).body["items"] == [
            {name: value for name, value in kept.items() if name not in {"kind", "apiVersion"}}
        ]


async def test_versions_go_on_after_the_last_one_even_if_that_was_a_deletion(file: Path) -> None:
    async with a_run(file) as first:
        await first.post(MAPS, a_map())
        await first.delete(f"{MAPS}/m")
        last = (await first.get(MAPS)).body["metadata"]["resourceVersion"]
    async with a_run(file) as second:
        created = (await second.post(MAPS, a_map())).body
        assert int(created["metadata"]["resourceVersion"]) > int(last)


async def test_a_watch_from_before_the_stop_is_told_to_list_again(file: Path) -> None:
    async with a_run(file) as first:
        version = (await first.post(MAPS, a_map())).body["metadata"]["resourceVersion"]
    async with a_run(file) as second:
        (event,) = await second.watch(MAPS, 1, resourceVersion=version)
        assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
        relisted = (await second.get(MAPS)).body["metadata"]["resourceVersion"]
        await second.post(MAPS, a_map("later"))
        (event,) = await second.watch(MAPS, 1, resourceVersion=relisted)
        assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "later")


async def test_a_custom_kind_is_served_again_from_the_first_request_on(file: Path) -> None:
    async with a_run(file) as first:
        await first.define(a_definition())
        await first.post(BOATS, a_boat(crew=3))
    async with a_run(file) as second:
        assert (await second.get(f"{BOATS}/b")).body["spec"] == {"crew": 3}


async def test_namespaces_keep_their_identity(file: Path) -> None:
    async with a_run(file) as first:
        before = (await first.get("/api/v1/namespaces/default")).body
    async with a_run(file) as second:
        assert (await second.get("/api/v1/namespaces/default")).body == before


async def test_a_service_account_token_is_still_good(file: Path) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "s"}}
    async with a_run(file) as first:
        await first.post("/api/v1/namespaces/default/serviceaccounts", account)
        path = "/api/v1/namespaces/default/serviceaccounts/s/token"
        issued = await first.post(path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
    async with a_run(file, token="admin") as second, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {issued.body['status']['token']}"}
        async with session.get(second.url + "/version", headers=headers) as answer:
            assert answer.status == 200


async def test_a_kill_loses_nothing_that_was_answered(file: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "slipway_sandbox.apiserver", "--state-file", str(file), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    answered = []
    try:
        async with aiohttp.ClientSession() as session:
            client = Client(url, session)

            async def write(writer: int) -> None:
                for number in range(1000):
                    answer = await client.post(MAPS, a_map(f"m{writer}-{number}"))
                    answered.append(answer.body["metadata"]["name"])
                    if len(answered) == 60:
                        process.kill()

            async with asyncio.timeout(30):
                await asyncio.gather(*(write(number) for number in range(4)), return_exceptions=True)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    assert len(answered) >= 60
    async with a_run(file) as second:
        kept = {item["metadata"]["name"] for item in (await second.get(MAPS)).body["items"]}
    assert set(answered) <= kept


async def test_a_stop_leaves_one_file_for_its_owner_alone(file: Path) -> None:
    async with a_run(file) as first:
        await first.post(MAPS, a_map())
    assert [found.name for found in file.parent.iterdir()] == [file.name]
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_second_server_on_the_same_file_is_refused(file: Path) -> None:
    async with a_run(file):
        with pytest.raises(StateFileError, match="in use by another server"):
            await ApiServer(state_file=file).start()


async def test_a_damaged_file_is_refused(file: Path) -> None:
    async with a_run(file) as first:
        for number in range(50):
            await first.post(MAPS, a_map(f"m{number}", text="x" * 500))
    whole = file.read_bytes()
    for damaged in (b"no database at all" * 100, whole[:5000], whole[:4096] + b"\xff" * (len(whole) - 4096)):
        file.write_bytes(damaged)
        with pytest.raises(StateFileError, match="damaged"):
            await ApiServer(state_file=file).start()


async def test_another_programs_database_is_left_alone(file: Path) -> None:
    with sqlite3.connect(file) as theirs:
        theirs.execute("CREATE TABLE accounts (name TEXT)")
    theirs.close()
    before = file.read_bytes()
    with pytest.raises(StateFileError, match="something else"):
        await ApiServer(state_file=file).start()
    assert file.read_bytes() == before


async def test_a_file_of_another_format_is_refused(file: Path) -> None:
    async with a_run(file):
        pass
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StateFileError, match="format 99"):
        await ApiServer(state_file=file).start()


async def test_a_path_that_cannot_be_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateFileError, match="cannot open"):
        await ApiServer(state_file=tmp_path / "missing" / "file").start()
