"""OCI artifacts, by a small registry that wants tokens as real ones do."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from unit.delivery.servers import CHUNK, Answer, Asked, Reply, as_json, ranged, serving

from slipway import delivery
from slipway.delivery import Options, docker, fetch
from slipway.workload import delivery as workload

pytest.importorskip("oras", reason="the package oras is not installed")

BIG = random.Random(10).randbytes(5 * CHUNK + 3)
TITLE = "org.opencontainers.image.title"


def sha(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def a_layer(body: bytes, **annotations: str) -> dict[str, Any]:
    return {"mediaType": "application/octet-stream", "digest": sha(body), "size": len(body), "annotations": annotations}


def a_manifest(*layers: Mapping[str, Any]) -> bytes:
    return json.dumps({"schemaVersion": 2, "layers": layers}).encode()


def packed(**content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, body in content.items():
            about = tarfile.TarInfo(f"tokenizer/{name}")
            about.size = len(body)
            archive.addfile(about, io.BytesIO(body))
    return out.getvalue()


def a_registry(manifest: bytes, *blobs: bytes, login: str = "", ranges: bool = True) -> Answer:
    """A repository team/model with the tag v3; with a login, who has it gets tokens, each for 3 requests."""
    stored = {sha(body): body for body in blobs}
    tokens: dict[str, int] = {}

    def answer(asked: Asked) -> Reply:
        if asked.path == "/token":
            if asked.headers.get("authorization") != f"Basic {login}":
                return Reply(401)
            tokens[f"token-{len(tokens)}"] = 3
            return as_json({"token": f"token-{len(tokens) - 1}"})
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if login and not tokens.get(token):
            realm = (
                f'Bearer realm="http://{asked.headers["host"]}/token",service="r",scope="repository:team/model:pull"'
            )
            return Reply(401, b"", {"www-authenticate": realm})
        if login:
            tokens[token] -= 1
        if asked.path in ("/v2/team/model/manifests/v3", f"/v2/team/model/manifests/{sha(manifest)}"):
            return Reply(200, manifest, {"content-type": "application/vnd.oci.image.manifest.v1+json"})
        body = stored.get(asked.path.rpartition("/")[2])
        if body is None:
            return Reply(404)
        return ranged(asked, body) if ranges else Reply(200, body)

    return answer


def docker_config(folder: Path, host: str, login: str) -> str:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": login}}}))
    return str(folder)


@pytest.mark.parametrize("ranges", [True, False])
def test_titled_layers_are_files_and_packed_ones_are_folders(tmp_path: Path, ranges: bool) -> None:
    folder = packed(a=b"1", b=b"22")
    layers = (
        a_layer(BIG, **{TITLE: "weights.bin"}),
        a_layer(folder, **{TITLE: "tokenizer", "io.deis.oras.content.unpack": "true"}),
    )
    with serving(a_registry(a_manifest(*layers), BIG, folder, ranges=ranges)) as server:
        found = fetch(f"oci://127.0.0.1:{server.port}/team/model:v3", tmp_path / "model")
    assert (found.files, found.bytes) == (3, len(BIG) + 3)
    assert (tmp_path / "model" / "weights.bin").read_bytes() == BIG
    assert (tmp_path / "model" / "tokenizer" / "b").read_bytes() == b"22"


def test_tokens_are_had_by_the_login_of_dockers_file_and_renewed_when_they_expire(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = base64.b64encode(b"me:s3cret").decode()
    with serving(a_registry(a_manifest(a_layer(BIG, **{TITLE: "weights.bin"})), BIG, login=login)) as server:
        monkeypatch.setenv("DOCKER_CONFIG", docker_config(tmp_path / "docker", f"127.0.0.1:{server.port}", login))
        found = fetch(f"oci://127.0.0.1:{server.port}/team/model:v3", tmp_path / "model", Options(workers=1))
    assert found.bytes == len(BIG)
    assert sum(asked.path == "/token" for asked in server.asked) > 1
    assert not any(
        "Basic" in asked.headers.get("authorization", "") for asked in server.asked if asked.path != "/token"
    )


def a_login(host: str, **entry: str) -> str:
    return json.dumps({"auths": {"https://other.example": {"auth": "eDp5"}, host: entry}})


@pytest.mark.parametrize("place", ["DOCKER_CONFIG", "the credentials"])
@pytest.mark.parametrize(
    ("named", "entry"),
    [
        ("{host}", {"auth": "bWU6czNjcmV0"}),
        ("https://{host}", {"auth": "bWU6czNjcmV0"}),
        ("https://{host}/v2/", {"username": "me", "password": "s3cret"}),
    ],
)
def test_tokens_are_had_by_the_login_of_a_secret_for_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, entry: dict[str, str], place: str
) -> None:
    """As kubectl create secret docker-registry makes it, and as `from.oci` reads it."""
    folder = tmp_path / "secret"
    folder.mkdir()
    if place == "DOCKER_CONFIG":
        monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    else:
        monkeypatch.setattr("slipway.delivery.docker.CREDENTIALS", folder)
    manifest = a_manifest(a_layer(BIG, **{TITLE: "weights.bin"}))
    with serving(a_registry(manifest, BIG, login="bWU6czNjcmV0")) as server:
        host = f"127.0.0.1:{server.port}"
        (folder / ".dockerconfigjson").write_text(a_login(named.format(host=host), **entry))
        assert fetch(f"oci://{host}/team/model:v3", tmp_path / "model", Options(workers=1)).bytes == len(BIG)


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
@pytest.mark.parametrize("named", ["https://index.docker.io/v1/", "docker.io", "registry-1.docker.io"])
def test_docker_hub_has_one_login_by_all_its_names(host: str, named: str) -> None:
    """The first is what docker login and kubectl create secret docker-registry call it."""
    assert delivery.login_of(a_login(named, auth="bWU6czNjcmV0"), host) == ("me", "s3cret")
    assert delivery.login_of(a_login(named, auth="bWU6czNjcmV0"), "ghcr.io") is None


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_is_asked_where_it_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    asked = []

    def resolve(name: str, port: int, *_: object, **__: object) -> None:
        asked.append((name, port))
        raise OSError

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    with pytest.raises(delivery.Unreachable):
        fetch(f"oci://{host}/acme/model:v3", tmp_path / "model")
    assert set(asked) == {("registry-1.docker.io", 443)}


def test_the_credentials_are_looked_for_where_pods_have_them() -> None:
    assert str(docker.CREDENTIALS) == workload.CREDENTIALS


@pytest.mark.parametrize("text", ["{", '{"auths": []}', '{"auths": {"HOST": {"auth": "no base64"}}}'])
def test_a_file_of_logins_that_cannot_be_read_is_named_without_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with serving(a_registry(a_manifest(a_layer(BIG, **{TITLE: "w"})), BIG, login="eDp5")) as server:
        host = f"127.0.0.1:{server.port}"
        (tmp_path / ".dockerconfigjson").write_text(text.replace("HOST", host))
        with pytest.raises(delivery.Denied, match=r"^credentials: .*\.dockerconfigjson cannot be read") as denied:
            fetch(f"oci://{host}/team/model:v3", tmp_path / "model")
    assert "base64" not in str(denied.value)


def test_without_a_login_the_credentials_are_named(tmp_path: Path) -> None:
    with (
        serving(a_registry(a_manifest(a_layer(BIG, **{TITLE: "w"})), BIG, login="eDp5")) as server,
        pytest.raises(delivery.Denied, match=r"^credentials: "),
    ):
        fetch(f"oci://127.0.0.1:{server.port}/team/model:v3", tmp_path / "model")


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("status", [429, 503])
def test_who_gives_tokens_may_be_busy_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, known: bool
) -> None:
    """That says nothing of the login, and would pass for a wrong one."""
    login = "bWU6czNjcmV0"
    usual = a_registry(a_manifest(a_layer(BIG, **{TITLE: "w"})), BIG, login=login)
    turned_away = []

    def answer(asked: Asked) -> Reply:
        if asked.path == "/token" and len(turned_away) < 2:
            turned_away.append(asked)
            return Reply(status, b"", {"retry-after": "0"})
        return usual(asked)

    with serving(answer) as server:
        host = f"127.0.0.1:{server.port}"
        if known:
            monkeypatch.setenv("DOCKER_CONFIG", docker_config(tmp_path / "docker", host, login))
            assert fetch(f"oci://{host}/team/model:v3", tmp_path / "model", Options(workers=1)).bytes == len(BIG)
        else:
            with pytest.raises(delivery.Denied, match=r"^credentials: "):
                fetch(f"oci://{host}/team/model:v3", tmp_path / "model")
    assert len(turned_away) == 2


def test_a_manifest_that_is_not_that_of_its_digest_is_refused(tmp_path: Path) -> None:
    manifest = a_manifest(a_layer(b"1", **{TITLE: "w"}))
    usual = a_registry(manifest, b"1")
    with serving(usual) as server:
        assert fetch(f"oci://127.0.0.1:{server.port}/team/model@{sha(manifest)}", tmp_path / "one").files == 1

    def lying(asked: Asked) -> Reply:
        return Reply(200, a_manifest(a_layer(b"2", **{TITLE: "w"}))) if "manifests" in asked.path else usual(asked)

    with serving(lying) as server, pytest.raises(delivery.Incomplete, match="another manifest than the digest names"):
        fetch(f"oci://127.0.0.1:{server.port}/team/model@{sha(manifest)}", tmp_path / "two")


def test_a_blob_that_is_not_that_of_its_digest_is_refused(tmp_path: Path) -> None:
    usual = a_registry(a_manifest(a_layer(b"12", **{TITLE: "w"})), b"12")

    def lying(asked: Asked) -> Reply:
        return Reply(200, b"21") if "blobs" in asked.path else usual(asked)

    with serving(lying) as server, pytest.raises(delivery.Incomplete, match="its source says"):
        fetch(f"oci://127.0.0.1:{server.port}/team/model:v3", tmp_path / "model")


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        (a_manifest(a_layer(b"image")), "push the files with oras push, or mount the image as a volume"),
        (json.dumps({"manifests": []}).encode(), "an index of several manifests"),
        (a_manifest({"digest": "md5:1", "size": 1, "annotations": {TITLE: "w"}}), "without a sha256 and a size"),
        (a_manifest(a_layer(b"1", **{TITLE: "../w"})), "no plain relative path"),
        (b"<html>", "not JSON"),
    ],
)
def test_other_manifests_are_refused_with_what_to_do(tmp_path: Path, manifest: bytes, why: str) -> None:
    with serving(a_registry(manifest, b"1")) as server, pytest.raises(delivery.DeliveryError, match=why):
        fetch(f"oci://127.0.0.1:{server.port}/team/model:v3", tmp_path / "model")


def test_a_tag_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with serving(a_registry(b"{}")) as server, pytest.raises(delivery.NotFound, match="the registry has no v4"):
        fetch(f"oci://127.0.0.1:{server.port}/team/model:v4", tmp_path / "model")
