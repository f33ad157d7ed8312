"""Golden sets fetched from where users say they are, behind the administrator's guard."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest
from aiohttp import web
from unit.probes.builders import a_server

from slipway.outside import Egress, Outside
from slipway.probes import Format, GoldenSetError, Loaded, load_golden_set, map_file

LOCAL = Outside(Egress(("127.0.0.0/8",), object_stores=frozenset({"s3"})))


async def load(url: str, outside: Outside = LOCAL, **options: object) -> Loaded:
    return await load_golden_set(url, outside, namespace="ml", **options)  # type: ignore[arg-type]


async def test_a_file_is_fetched_with_its_version_and_the_format_of_its_name() -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x", headers={"etag": 'W/"abc-1"'})

    async with a_server(serve) as port:
        assert await load(f"http://127.0.0.1:{port}/a/golden.csv?sig=1") == Loaded(b"x", Format.CSV, "abc-1")
        assert (await load(f"http://127.0.0.1:{port}/golden.PARQUET")).form is Format.PARQUET
        assert (await load(f"http://127.0.0.1:{port}/golden", form=Format.JSON_LINES)).form is Format.JSON_LINES


async def test_redirects_lead_on_and_never_to_where_nobody_may_go() -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        if request.path == "/good.csv":
            return web.Response(status=302, headers={"location": "/real.csv"})
        if request.path == "/bad.csv":
            return web.Response(status=302, headers={"location": "http://169.254.169.254/latest/user-data"})
        return web.Response(body=b"real")

    async with a_server(serve) as port:
        assert (await load(f"http://127.0.0.1:{port}/good.csv")).data == b"real"
        with pytest.raises(GoldenSetError, match="metadata"):
            await load(f"http://127.0.0.1:{port}/bad.csv")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("golden.csv", "is no URL"),
        ("/etc/passwd", "is no URL"),
        ("http://127.0.0.1/golden", "a name that tells no format"),
        ("file:///etc/golden.csv", "file:// is not a scheme that the administrator allows: use one of http, https, s3"),
        ("memory://golden.csv", "memory:// is not a scheme"),
        ("gs://bucket/golden.csv", "gs:// is not a scheme"),
        ("s3://bucket/golden.csv::file:///etc/passwd.csv", "chains file systems"),
        ("simplecache::s3://bucket/golden.csv", "is no URL"),
        ("http://169.254.169.254/golden.csv", "metadata"),
        ("http://10.0.0.1/golden.csv", "private"),
        ("http://user:pw@127.0.0.1/golden.csv", "holds a user or a password"),
    ],
)
async def test_what_may_not_be_read_is_refused(url: str, problem: str) -> None:
    with pytest.raises(GoldenSetError, match=problem) as caught:
        await load(url)
    assert "pw" not in str(caught.value)


async def test_files_of_this_machine_are_never_read_whatever_is_allowed() -> None:
    careless = Outside(Egress(object_stores=frozenset({"file", "local", "memory", "s3"})))
    for url in ("file:///etc/golden.csv", "local:///etc/golden.csv", "memory://golden.csv"):
        with pytest.raises(GoldenSetError, match=r"use one of http, https, s3$"):
            await load(url, careless)


async def test_what_is_no_file_is_refused() -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        if request.path == "/login.csv":
            return web.Response(text="<html>", content_type="text/html")
        if request.path == "/large.csv":
            return web.Response(body=b"x" * 2000)
        if request.path == "/slow.csv":
            await asyncio.sleep(30)
        return web.Response(status=404)

    async with a_server(serve) as port:
        for name, problem in (
            ("login", "answered with a web page"), ("large", "more than 1000 bytes"), ("slow", "within 1s"),
            ("no", "HTTP 404"),
        ):  # fmt: skip
            timeout = 1 if name == "slow" else 20
            with pytest.raises(GoldenSetError, match=problem):
                await load(f"http://127.0.0.1:{port}/{name}.csv", limit=1000, timeout=timeout)


def test_a_file_on_a_disk_is_mapped_and_not_read(tmp_path: Path) -> None:
    (tmp_path / "golden.csv").write_bytes(b"data")
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    (tmp_path / "folder.csv").mkdir()
    data, form = map_file(tmp_path / "golden.csv")
    assert (data[:], form) == (b"data", Format.CSV)
    assert map_file(tmp_path / "empty.jsonl") == (b"", Format.JSON_LINES)
    for name, problem in (
        ("no.csv", "is no file"), ("loop.csv", "no file|cannot be read"), ("folder.csv", "is no file"),
        ("golden", "tells no format"),
    ):  # fmt: skip
        with pytest.raises(GoldenSetError, match=problem):
            map_file(tmp_path / name)


class TestStores:
    """A store of fsspec: its in-memory one, under a scheme that an administrator can allow."""

    @pytest.fixture(autouse=True)
    def a_store(self) -> str:
        fsspec = pytest.importorskip("fsspec", reason="the package fsspec is not installed")
        from fsspec.implementations.memory import MemoryFileSystem

        class Store(MemoryFileSystem):  # type: ignore[misc]
            protocol = "teststore"
            root_marker = ""

            @classmethod
            def _strip_protocol(cls, path: str) -> str:
                return "/" + path.removeprefix("teststore://").strip("/")

        fsspec.register_implementation("teststore", Store, clobber=True)
        self.store = Store()
        self.folder = uuid.uuid4().hex
        return self.folder

    def outside(self) -> Outside:
        return Outside(Egress(object_stores=frozenset({"teststore"})))

    async def test_a_store_that_is_allowed_is_read(self) -> None:
        self.store.pipe(f"/{self.folder}/golden.jsonl", b"data")
        loaded = await load(f"teststore://{self.folder}/golden.jsonl", self.outside())
        assert (loaded.data, loaded.form) == (b"data", Format.JSON_LINES)

    async def test_what_cannot_be_read_or_is_too_large_is_refused(self) -> None:
        self.store.pipe(f"/{self.folder}/golden.csv", b"x" * 2000)
        for name, problem in (("no.csv", "cannot be read"), ("golden.csv", "2000 bytes, more than 1000")):
            with pytest.raises(GoldenSetError, match=problem):
                await load(f"teststore://{self.folder}/{name}", self.outside(), limit=1000)
        with pytest.raises(GoldenSetError, match="is a folder"):
            await load(f"teststore://{self.folder}", self.outside(), form=Format.CSV)


async def test_a_store_whose_package_is_missing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    with pytest.raises(GoldenSetError, match=r"needs the package fsspec: install slipway\[stores\]"):
        await load("s3://bucket/golden.csv")
