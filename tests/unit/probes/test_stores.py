"""A store that speaks S3, as the client of the extra `stores` reads it."""

from __future__ import annotations

import pytest
from aiohttp import web
from unit.probes.builders import a_server

from slipway.outside import Egress, Outside
from slipway.probes import Format, GoldenSetError, Loaded, load_golden_set

pytest.importorskip("obstore", reason="the package obstore is not installed")

ALLOWED = Outside(Egress(object_stores=frozenset({"s3"})))
DATA = b'{"id": "g1"}\n' * 100


async def serve(request: web.Request) -> web.StreamResponse:
    """One bucket with one object, for who signs."""
    if "AWS4-HMAC-SHA256 Credential=key" not in request.headers.get("authorization", ""):
        return web.Response(status=403)
    if request.path != "/sets/fraud/v3.jsonl":
        return web.Response(status=404)
    wanted = request.http_range
    data = DATA[wanted]
    headers = {"etag": '"abc-1"', "last-modified": "Mon, 02 Mar 2026 09:00:00 GMT"}
    if wanted.start is not None:
        headers["content-range"] = f"bytes {wanted.start}-{wanted.start + len(data) - 1}/{len(DATA)}"
    if request.method == "HEAD":
        return web.Response(headers=headers | {"content-length": str(len(DATA))})
    return web.Response(status=206 if wanted.start is not None else 200, body=data, headers=headers)


async def test_an_object_is_read_with_the_credentials_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_server(serve) as port:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        found = await load_golden_set("s3://sets/fraud/v3.jsonl", ALLOWED, namespace="ml")
        assert found == Loaded(DATA, Format.JSON_LINES, "abc-1")
        with pytest.raises(GoldenSetError, match=r"s3://sets/none\.jsonl cannot be read"):
            await load_golden_set("s3://sets/none.jsonl", ALLOWED, namespace="ml", timeout=10)
        with pytest.raises(GoldenSetError, match="more than 10"):
            await load_golden_set("s3://sets/fraud/v3.jsonl", ALLOWED, namespace="ml", limit=10)
