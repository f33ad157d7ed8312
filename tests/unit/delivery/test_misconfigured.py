"""Wrong settings of whoever fetches say nothing of the model: that is tried again, and is no verdict."""

from __future__ import annotations

import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from unit.certificates import a_certificate
from unit.delivery.servers import Asked, Reply, Server, as_json, bucket, files, serving
from unit.delivery.test_mlflow import ROOT, a_server

from slipway import delivery
from slipway.delivery import Options, fetch, passes, verify

AWAY = "no such folder"


def trusted_by_itself(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate of loopback: the file, and what a server uses it with."""
    key, certificate = a_certificate(folder, "IP:127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return certificate, context


def refused(uri: str, into: Path, options: Options | None = None) -> delivery.DeliveryError:
    with pytest.raises(delivery.DeliveryError) as error:
        verify(uri, into, options or Options())
    return error.value


def test_a_certificate_that_is_not_trusted_is_no_verdict_and_fetched_from_once_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, context = trusted_by_itself(tmp_path)
    with serving(files({"/model.bin": b"x"}), context) as server:
        found = refused(f"{server.url}/model.bin", tmp_path / "model")
        assert (type(found), passes(found)) == (delivery.MisconfiguredError, True)
        assert str(found).startswith("credentials: the certificate of 127.0.0.1")
        assert "set SSL_CERT_FILE" in str(found)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert fetch(f"{server.url}/model.bin", tmp_path / "model").bytes == 1


def store(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"ENDPOINT_URL": server.url, "ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "REGION": "us-east-1"}
    for name, value in keys.items():
        monkeypatch.setenv(f"AWS_{name}", value)


def test_a_store_by_http_is_no_verdict_and_fetched_from_once_it_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("obstore", reason="the package obstore is not installed")
    with serving(bucket("models", {"v1/model.bin": b"x"})) as server:
        store(server, monkeypatch)
        found = refused("s3://models/v1", tmp_path / "model")
        assert (type(found), passes(found)) == (delivery.MisconfiguredError, True)
        assert "set AWS_ALLOW_HTTP=true" in str(found)
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        assert fetch("s3://models/v1", tmp_path / "model").bytes == 1


@pytest.mark.parametrize(
    ("uri", "given", "says"),
    [
        ("az://models/v1", {"AZURE_STORAGE_ACCOUNT_KEY": "a2V5"}, "check AZURE_STORAGE_ACCOUNT_NAME"),
        ("gs://models/v1", {"GOOGLE_SERVICE_ACCOUNT": AWAY}, "check the variables GOOGLE_… and the file"),
    ],
)
def test_a_store_that_cannot_be_asked_with_what_is_given_is_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, given: dict[str, str], says: str
) -> None:
    pytest.importorskip("obstore", reason="the package obstore is not installed")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    found = refused(uri, tmp_path / "model")
    assert (type(found), passes(found)) == (delivery.MisconfiguredError, True)
    assert says in str(found)
    assert AWAY not in str(found)


@pytest.mark.parametrize(
    ("package", "uri"),
    [
        ("obstore", "s3://models/v1"),
        ("huggingface_hub", "hf://org/name"),
        ("oras.container", "oci://registry.example/model:v1"),
    ],
)
def test_a_package_that_is_not_installed_is_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, uri: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    found = refused(uri, tmp_path / "model")
    assert (type(found), passes(found)) == (delivery.MisconfiguredError, True)
    assert str(found).startswith("uri: ")
    assert "install slipway[" in str(found)


def test_an_mlflow_server_that_nobody_names_is_no_verdict(tmp_path: Path) -> None:
    found = refused("mlflow:models:/fraud/3", tmp_path / "model")
    assert (type(found), passes(found)) == (delivery.MisconfiguredError, True)
    assert str(found).startswith("credentials: mlflow: needs a server: set MLFLOW_TRACKING_URI")


def test_a_claim_whose_folder_nobody_names_is_no_verdict(tmp_path: Path) -> None:
    found = refused("pvc://weights/v1", tmp_path / "model")
    assert (type(found), passes(found)) == (delivery.MisconfiguredError, True)


@pytest.mark.parametrize(
    "uri", ["dbfs://models/v1", "s3://key:secret@models/v1", "http://example.com/model.bin", "mlflow:models:/fraud"]
)
def test_a_uri_that_cannot_be_used_as_it_is_written_is_a_verdict(tmp_path: Path, uri: str) -> None:
    found = refused(uri, tmp_path / "model")
    assert (type(found), passes(found)) == (delivery.AddressError, False)


def an_authority(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate of an authority, and what a server on loopback uses whose certificate it signed. Some clients take
    no certificate that signed itself."""
    authority_key, authority = a_certificate(folder, "DNS:authority")
    (folder / "leaf").mkdir()
    key, request, leaf = (folder / "leaf" / name for name in ("key.pem", "request.pem", "cert.pem"))
    (folder / "leaf" / "about").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    for words in (
        ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=leaf",
         "-keyout", key, "-out", request],
        ["x509", "-req", "-in", request, "-CA", authority, "-CAkey", authority_key, "-days", "2",
         "-extfile", folder / "leaf" / "about", "-out", leaf],
    ):  # fmt: skip
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(leaf, key)
    return authority, context


def untrusting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def test_a_store_by_an_authority_of_ones_own_is_told_and_fetched_from_once_it_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("obstore", reason="the package obstore is not installed")
    authority, context = an_authority(tmp_path)
    untrusting(monkeypatch)
    with serving(bucket("models", {"v1/model.bin": b"x"}), context) as server:
        store(server, monkeypatch)
        found = refused("s3://models/v1", tmp_path / "model")
        assert (type(found), passes(found)) == (delivery.MisconfiguredError, True)
        assert "set SSL_CERT_FILE" in str(found)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        assert fetch("s3://models/v1", tmp_path / "model").bytes == 1


def test_who_gives_tokens_is_trusted_by_the_same_authorities_as_the_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Harbor does it, which gives tokens under its own name."""
    pytest.importorskip("oras.container", reason="the package oras is not installed")
    from unit.delivery.test_registry import TITLE, a_layer, a_manifest

    body, manifest = b"x", a_manifest(a_layer(b"x", **{TITLE: "w"}))
    authority, context = an_authority(tmp_path)
    untrusting(monkeypatch)

    def registry(asked: Asked) -> Reply:
        if asked.headers.get("authorization") == "Bearer t0ken":
            return Reply(200, manifest if "manifests" in asked.path else body)
        return Reply(401, b"", {"www-authenticate": f'Bearer realm="{tokens.url}/token",service="r",scope="x"'})

    with serving(lambda _: as_json({"token": "t0ken"}), context) as tokens, serving(registry) as server:
        uri = f"oci://127.0.0.1:{server.port}/team/model:v3"
        found = refused(uri, tmp_path / "model")
        assert (type(found), passes(found)) == (delivery.MisconfiguredError, True)
        assert "the certificate of who gives the registry's tokens is not trusted" in str(found)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        assert fetch(uri, tmp_path / "model").bytes == 1


def test_a_mirror_of_the_hub_by_an_authority_of_ones_own_is_told_and_fetched_from_once_it_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="the package huggingface-hub is not installed")
    from unit.delivery.test_hub import a_hub

    authority, context = an_authority(tmp_path)
    untrusting(monkeypatch)
    monkeypatch.setenv("HF_TOKEN", "hf_s3cret")
    with serving(a_hub({"config.json": b"{}"}), context) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        hub.close_session()
        try:
            found = refused("hf://org/bert@main", tmp_path / "model")
            assert (type(found), passes(found)) == (delivery.MisconfiguredError, True)
            assert "the certificate of the hub is not trusted" in str(found)
            monkeypatch.setenv("SSL_CERT_FILE", str(authority))
            hub.close_session()
            assert fetch("hf://org/bert@main", tmp_path / "model").bytes == 2
        finally:
            hub.close_session()


def test_a_line_break_after_a_credential_is_no_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Secrets have it that were made of a file, or by echo."""
    pytest.importorskip("obstore", reason="the package obstore is not installed")
    with serving(bucket("models", {"v1/model.bin": b"x"}, login="Credential=key/2")) as server:
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true\n")
        for name, value in {
            "ENDPOINT_URL": server.url,
            "ACCESS_KEY_ID": "key",
            "SECRET_ACCESS_KEY": "s3cret",
            "REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(f"AWS_{name}", f"{value}\n")
        assert fetch("s3://models/v1", tmp_path / "model").bytes == 1
    with serving(a_server(f"mlflow-artifacts:/{ROOT}", token="t0ken")) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{server.url}\n")
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken\n")
        assert fetch("mlflow:models:/fraud/3", tmp_path / "other").files == 2


@pytest.mark.parametrize("token", ["t0\nken", "t0\u2026ken"])
def test_a_credential_that_cannot_be_sent_is_told_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    with serving(a_server(f"mlflow-artifacts:/{ROOT}", token="t0ken")) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
        found = refused("mlflow:models:/fraud/3", tmp_path / "model")
    assert (type(found), passes(found)) == (delivery.Denied, True)
    assert "cannot be sent" in str(found)
    assert "ken" not in str(found).replace("token", "")


def test_a_key_that_the_client_of_stores_cannot_send_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("obstore", reason="the package obstore is not installed")
    with serving(bucket("models", {"v1/model.bin": b"x"})) as server:
        store(server, monkeypatch)
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k\ney")
        found = refused("s3://models/v1", tmp_path / "model")
    assert (type(found), passes(found)) == (delivery.MisconfiguredError, True)
    assert "check the variables" in str(found)
