"""Wrong settings of whoever fetches say nothing of the model: that is tried again, and is no verdict."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

import pytest
from unit.certificates import a_certificate
from unit.delivery.servers import Server, bucket, files, serving
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
