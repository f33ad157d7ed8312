"""What the Hugging Face Hub, OCI registries and S3 prefixes name, over real HTTP, and what is said when they do not."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from xml.sax.saxutils import escape

import pytest
from aiohttp import web
from unit.registries.mlflow_server import an_mlflow_server

from slipway.api import RegistrySpec, ResolvedModel
from slipway.outside import Egress, Outside, Resolved
from slipway.registries import Asker, Memory, Registry, RegistryError, find
from slipway.registries.objects import signed, version_order

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MANIFEST = json.dumps({"schemaVersion": 2, "layers": []})
DIGEST = sha256(MANIFEST.encode()).hexdigest()
KEYS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-central-1"}

Answer = Callable[[web.Request], Awaitable[web.Response] | web.Response]


@dataclass
class Server:
    """Answers as the test says."""

    answer: Answer | None = None
    asked: list[web.Request] = field(default_factory=list)
    host: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        assert self.answer is not None
        found = self.answer(request)
        return found if isinstance(found, web.Response) else await found


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.handle)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found.host = f"127.0.0.1:{runner.addresses[0][1]}"
        yield found
    finally:
        await runner.cleanup()


async def named(source: dict[str, Any], memory: Memory | None = None, **secret: str) -> ResolvedModel | None:
    asker = Asker(Outside(Egress(("127.0.0.0/8",))), "shop", secret)
    return await find(asker, RegistrySpec.model_validate(source), Registry(), memory or Memory())


async def refused(source: dict[str, Any], **secret: str) -> tuple[str, str]:
    with pytest.raises(RegistryError) as error:
        await named(source, **secret)
    return error.value.reason, str(error.value)


# --- Hugging Face -----------------------------------------------------------------------------------------------------

HUB = {"huggingFace": {"repository": "acme/fraud", "revision": "refs/pr/1"}}


async def test_a_branch_of_the_hub_is_a_commit(server: Server) -> None:
    server.answer = lambda _: web.json_response({"id": "acme/fraud", "sha": COMMIT})
    found = await named(HUB, HF_ENDPOINT=f"http://{server.host}", HF_TOKEN="hf_secret")
    assert found == ResolvedModel(version=COMMIT, uri=f"hf://acme/fraud@{COMMIT}")
    (request,) = server.asked
    assert request.raw_path == "/api/models/acme/fraud/revision/refs%2Fpr%2F1"
    assert request.headers["authorization"] == "Bearer hf_secret"


@pytest.mark.parametrize(
    ("answer", "reason", "said"),
    [
        ((401, {"error": "Invalid username or password."}), "RegistryRefused", "huggingFace.repository"),
        ((404, {"error": "Revision not found"}), "RegistryNotFound", "huggingFace.revision"),
        ((200, {"sha": "../../etc"}), "RegistryAnswer", "names no commit"),
        ((200, {}), "RegistryAnswer", "no text"),
        ((500, {}), "RegistryUnreachable", "HTTP 500"),
    ],
)
async def test_a_hub_that_names_no_commit_is_told(
    server: Server, answer: tuple[int, dict[str, str]], reason: str, said: str
) -> None:
    server.answer = lambda _: web.json_response(answer[1], status=answer[0])
    found, message = await refused(HUB, HF_ENDPOINT=f"http://{server.host}")
    assert (found, said in message) == (reason, True), message


# --- MLflow -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "uri"),
    [
        ("s3://models/fraud/7", "s3://models/fraud/7"),
        ("mlflow-artifacts:/1/abc/artifacts/model", "mlflow:models:/fraud/7"),
        ("wasbs://models@acc.blob.core.windows.net/1/abc", "mlflow:models:/fraud/7"),
        ("abfss://models@acc.dfs.core.windows.net/1/abc", "mlflow:models:/fraud/7"),
    ],
)
async def test_a_version_of_mlflow_is_its_address_where_that_says_everything_and_else_its_number(
    stored: str, uri: str
) -> None:
    """An account of Azure cannot be told by az://, so whoever fetches asks the server again."""
    async with an_mlflow_server() as mlflow:
        mlflow.aliases["production"] = "7"
        mlflow.versions["7"] = stored
        found = await named({"mlflow": {"uri": mlflow.url, "model": "fraud", "alias": "production"}})
    assert found == ResolvedModel(version="7", uri=uri)


async def test_a_server_that_does_not_go_by_this_name_is_told_and_no_credentials_are_blamed(server: Server) -> None:
    """As MLflow 3.5 and newer answer who asks by the name of their Service, unless they are told of it."""
    text = "Invalid Host header - possible DNS rebinding attack detected"
    server.answer = lambda _: web.Response(status=403, text=text)
    source = {"mlflow": {"uri": f"http://{server.host}", "model": "fraud", "alias": "production"}}
    reason, message = await refused(source)
    assert (reason, message.partition(":")[0]) == ("RegistryRefused", "spec.release.from.mlflow.uri")
    assert f"{server.host} takes no requests under this name: allow it there (MLflow: --allowed-hosts)" in message


# --- OCI --------------------------------------------------------------------------------------------------------------


def oci(server: Server) -> dict[str, Any]:
    return {"oci": {"repository": f"{server.host}/models/fraud", "tag": "production"}}


async def test_a_tag_is_the_manifest_that_it_names(server: Server) -> None:
    server.answer = lambda _: web.Response(text=MANIFEST)
    found = await named(oci(server))
    uri = f"oci://{server.host}/models/fraud@sha256:{DIGEST}"
    assert found == ResolvedModel(version=f"production-{DIGEST[:12]}", uri=uri)
    assert server.asked[0].path == "/v2/models/fraud/manifests/production"


@pytest.mark.parametrize("says", [True, False])
async def test_a_manifest_that_is_known_is_not_fetched_again(server: Server, says: bool) -> None:
    """Docker Hub counts who fetches one, and not who asks for its digest. Not every registry says that."""
    manifests = [MANIFEST]

    def answer(_: web.Request) -> web.Response:
        digest = sha256(manifests[-1].encode()).hexdigest()
        return web.Response(text=manifests[-1], headers={"etag": f'"sha256:{digest}"'} if says else {})

    server.answer, memory = answer, Memory()
    first = await named(oci(server), memory)
    assert await named(oci(server), memory) == first
    assert [request.method for request in server.asked] == ["GET", "HEAD", *([] if says else ["GET"])]
    manifests.append(json.dumps({"schemaVersion": 2, "layers": [], "annotations": {}}))
    moved = await named(oci(server), memory)
    assert (moved is not None, server.asked[-1].method) == (True, "GET")
    assert moved != first


async def test_who_asks_is_proved_for_a_manifest_that_is_known_too(server: Server) -> None:
    server.answer, memory = guarded(server, "Bearer", etag=f'"sha256:{DIGEST}"'), Memory()
    login = {".dockerconfigjson": docker_config(server)}
    first = await named(oci(server), memory, **login)
    assert await named(oci(server), memory, **login) == first
    assert [request.method for request in server.asked if request.path != "/token"] == ["GET", "GET", "HEAD", "HEAD"]


def guarded(server: Server, kind: str, *, etag: str = "") -> Answer:
    """A registry that asks who asks."""

    def answer(request: web.Request) -> web.Response:
        login = request.headers.get("authorization", "")
        if request.path == "/token":
            told = {"token": "t0ken"} if login == "Basic bWU6cHc=" else {}
            return web.json_response(told, status=200 if told else 401)
        if login in ("Bearer t0ken", "Basic bWU6cHc=" if kind == "Basic" else "-"):
            return web.Response(text=MANIFEST, headers={"etag": etag} if etag else {})
        realm = f'Bearer realm="http://{server.host}/token",service="registry",scope="repository:models/fraud:pull"'
        challenge = realm if kind == "Bearer" else 'Basic realm="registry"'
        return web.Response(status=401, headers={"www-authenticate": challenge})

    return answer


def docker_config(server: Server, password: str = "pw") -> str:
    login = base64.b64encode(f"me:{password}".encode()).decode()
    return json.dumps({"auths": {server.host: {"auth": login}}})


@pytest.mark.parametrize("kind", ["Basic", "Bearer"])
async def test_a_registry_is_told_who_asks_as_it_wants(server: Server, kind: str) -> None:
    server.answer = guarded(server, kind)
    found = await named(oci(server), **{".dockerconfigjson": docker_config(server)})
    assert found is not None
    assert found.version == f"production-{DIGEST[:12]}"


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
async def test_docker_hub_is_asked_where_it_answers(host: str) -> None:
    resolved = []

    async def resolve(name: str, port: int) -> Resolved:
        resolved.append((name, port))
        raise OSError

    asker = Asker(Outside(Egress(), resolver=resolve), "shop")
    spec = RegistrySpec.model_validate({"oci": {"repository": f"{host}/acme/fraud", "tag": "production"}})
    with pytest.raises(RegistryError, match="cannot be resolved"):
        await find(asker, spec, Registry(), Memory())
    assert resolved == [("registry-1.docker.io", 443)]


@pytest.mark.parametrize("config", [None, "wrong", '{"auths": []}', "{"])
async def test_a_registry_that_does_not_know_who_asks_is_told_by_its_field(server: Server, config: str | None) -> None:
    server.answer = guarded(server, "Bearer")
    text = docker_config(server, "wrong") if config == "wrong" else config
    reason, message = await refused(oci(server), **({".dockerconfigjson": text} if text is not None else {}))
    assert reason == "RegistryRefused"
    assert "spec.release.from.credentials" in message
    assert "bWU6" not in message


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (404, '{"errors": []}', "RegistryNotFound"),
        (200, "<html>", "RegistryAnswer"),
        (200, "{}", "RegistryAnswer"),
        (418, "{}", "RegistryAnswer"),
    ],
)
async def test_a_tag_that_is_no_manifest_is_told(server: Server, status: int, text: str, reason: str) -> None:
    server.answer = lambda _: web.Response(status=status, text=text)
    found, message = await refused(oci(server))
    assert (found, "spec.release.from.oci." in message) == (reason, True)


# --- S3 ---------------------------------------------------------------------------------------------------------------

S3 = {"s3": {"prefix": "s3://models/fraud"}}


@dataclass
class Bucket:
    """The objects of one bucket, by key: what their ETag is."""

    objects: dict[str, str] = field(default_factory=dict)
    size: int = 1000
    """Entries of a page."""

    def answer(self, request: web.Request) -> web.Response:
        assert request.path == "/models"
        prefix, delimited = request.query["prefix"], "delimiter" in request.query
        keys = sorted(key for key in self.objects if key.startswith(prefix))
        if delimited:
            keys = sorted(
                {prefix + key[len(prefix) :].split("/")[0] + "/" for key in keys if "/" in key[len(prefix) :]}
            )
        begin = int(request.query.get("continuation-token", 0))
        page, rest = keys[begin : begin + self.size], keys[begin + self.size :]
        entries = [
            f"<CommonPrefixes><Prefix>{escape(key)}</Prefix></CommonPrefixes>"
            if delimited
            else f"<Contents><Key>{escape(key)}</Key><ETag>{self.objects[key]}</ETag><Size>1</Size></Contents>"
            for key in page
        ]
        more = f"<NextContinuationToken>{begin + self.size}</NextContinuationToken>" if rest else ""
        space = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
        return web.Response(
            text=f"<?xml version='1.0'?><ListBucketResult {space}>{''.join(entries)}{more}</ListBucketResult>"
        )


def stored(server: Server, **objects: str) -> Bucket:
    bucket = Bucket({key.replace("__", "/"): etag for key, etag in objects.items()})
    server.answer = bucket.answer
    return bucket


def endpoint(server: Server) -> dict[str, str]:
    return KEYS | {"AWS_ENDPOINT_URL": f"http://{server.host}"}


async def test_the_highest_version_counts_once_it_is_the_same_at_two_looks(server: Server) -> None:
    bucket = stored(server, fraud__2__model="a", fraud__10__model="b", other__99__model="c")
    bucket.size = 1
    memory = Memory()
    assert await named(S3, memory, **endpoint(server)) is None
    bucket.objects["fraud/10/config"] = "d"  # still being uploaded
    assert await named(S3, memory, **endpoint(server)) is None
    found = ResolvedModel(version="10", uri="s3://models/fraud/10/")
    assert await named(S3, memory, **endpoint(server)) == found
    bucket.objects["fraud/11/model"] = "e"
    assert await named(S3, memory, **endpoint(server)) == found
    assert await named(S3, memory, **endpoint(server)) == ResolvedModel(version="11", uri="s3://models/fraud/11/")
    assert all("Credential=AKIA/" in request.headers["authorization"] for request in server.asked)
    assert "secret" not in str([dict(request.headers) for request in server.asked])


def test_numbers_in_names_count_as_numbers() -> None:
    names = ["10", "9", "v2", "v10", "2026-9-30", "2026-11-02"]
    assert sorted(names, key=version_order) == ["v2", "v10", "9", "10", "2026-9-30", "2026-11-02"]


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb">]><ListBucketResult>&b;</ListBucketResult>'


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (200, "<ListBucketResult></ListBucketResult>", "RegistryNotFound"),
        (404, "<Error><Code>NoSuchBucket</Code></Error>", "RegistryNotFound"),
        (403, "<Error><Code>AccessDenied</Code></Error>", "RegistryRefused"),
        (400, "<Error/>", "RegistryAnswer"),
        (200, BOMB, "RegistryAnswer"),
        (200, "{}", "RegistryAnswer"),
        (200, "<html></html>", "RegistryAnswer"),
    ],
)
async def test_a_store_that_names_no_version_is_told(server: Server, status: int, text: str, reason: str) -> None:
    server.answer = lambda _: web.Response(status=status, text=text)
    found, message = await refused(S3, **endpoint(server))
    assert (found, "spec.release.from." in message) == (reason, True)


async def test_a_prefix_with_too_much_below_it_is_told(server: Server) -> None:
    page = "<ListBucketResult><NextContinuationToken>x</NextContinuationToken></ListBucketResult>"
    server.answer = lambda _: web.Response(text=page)
    reason, message = await refused(S3, **endpoint(server))
    assert (reason, "name a prefix with fewer" in message, len(server.asked)) == ("RegistryAnswer", True, 10)


@pytest.mark.parametrize(
    ("said", "sent"), [("https://Minio.shop.svc:443", "https://minio.shop.svc"), ("http://minio:80", "http://minio")]
)
def test_the_host_is_signed_as_it_is_sent(said: str, sent: str) -> None:
    """A client of HTTP leaves out a port that goes without saying, and the store signs what it got."""
    then = datetime(2026, 3, 2, tzinfo=UTC)
    one, other = (signed(f"{url}/models?list-type=2", KEYS, "us-east-1", then) for url in (said, sent))
    assert one == other
    assert signed("https://minio:8443/models?list-type=2", KEYS, "us-east-1", then) != other


def test_requests_are_signed_as_amazon_documents_it() -> None:
    """The example of a list request in the documentation of Signature Version 4 for S3."""
    url = "https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J"
    secret = {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    }
    headers = signed(url, secret, "us-east-1", datetime(2013, 5, 24, tzinfo=UTC))
    assert headers["authorization"].endswith(
        "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    )
    assert signed(url, {}, "us-east-1", datetime(2013, 5, 24, tzinfo=UTC)) == {}
