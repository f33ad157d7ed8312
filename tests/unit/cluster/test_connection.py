"""Where credentials come from, and what is said when they cannot be had.

Covered: explicit path, KUBECONFIG, the usual file, service account; token, token file, basic auth, client certificate,
exec plugin; and each way in which there are none.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import kopf
import pytest
from unit.cluster.builders import a_kubeconfig

from slipway.cluster import CONFIG_MAP, ClusterError, Object, Unauthorized, connect, connection_info

SERVER = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def no_credentials_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def an_exec_plugin(tmp_path: Path, status: Object | None, code: int = 0) -> Object:
    """A user whose credentials a plugin prints; it also writes a line each time that it runs."""
    script = tmp_path / "plugin.py"
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    script.write_text(
        f"open({str(tmp_path / 'runs')!r}, 'a').write('ran\\n')\nprint({json.dumps(credential)!r})\nexit({code})"
    )
    api_version = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": api_version, "command": sys.executable, "args": [str(script)]}}


async def test_a_path_goes_before_the_environment_and_that_before_the_usual_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {}
    for place in ("given", "environment", "home/.kube"):
        (tmp_path / place).mkdir(parents=True)
        places[place] = a_kubeconfig(tmp_path / place, SERVER, {"token": place})
    (tmp_path / "home/.kube/kubeconfig").rename(tmp_path / "home/.kube/config")
    assert (await connection_info()).token == "home/.kube"
    monkeypatch.setenv("KUBECONFIG", places["environment"])
    assert (await connection_info()).token == "environment"
    assert (await connection_info(kubeconfig=places["given"])).token == "given"


@pytest.mark.parametrize(
    ("user", "header"),
    [
        ({"token": "abc"}, "Bearer abc"),
        ({"username": "me", "password": "pw"}, "Basic bWU6cHc="),
        ({}, None),
    ],
)
async def test_a_user_becomes_an_authorization(tmp_path: Path, user: Object, header: str | None) -> None:
    info = await connection_info(kubeconfig=a_kubeconfig(tmp_path, SERVER, user))
    assert info.server == SERVER
    assert info.default_namespace == "shop"
    assert (f"{info.scheme} {info.token}" if info.token else None) == header


async def test_the_fields_are_what_kopf_takes(tmp_path: Path) -> None:
    info = await connection_info(kubeconfig=a_kubeconfig(tmp_path, SERVER, {"token": "abc"}))
    assert kopf.ConnectionInfo(**asdict(info)).as_http_headers() == {"Authorization": "Bearer abc"}


async def test_a_token_is_not_shown(tmp_path: Path) -> None:
    info = await connection_info(kubeconfig=a_kubeconfig(tmp_path, SERVER, {"token": "s3cret"}))
    assert "s3cret" not in repr(info)


async def test_certificates_are_named_by_their_files(tmp_path: Path) -> None:
    for name in ("ca", "crt", "key"):
        (tmp_path / name).write_text(name)
    user = {"client-certificate": str(tmp_path / "crt"), "client-key": "key"}
    path = a_kubeconfig(tmp_path, "https://127.0.0.1:1", user, **{"certificate-authority": "ca"})
    info = await connection_info(kubeconfig=path)
    found = (info.ca_path, info.certificate_path, info.private_key_path)
    assert found == tuple(str(tmp_path / name) for name in ("ca", "crt", "key"))


async def test_certificates_that_cannot_be_loaded_are_said(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("not a certificate")
    path = a_kubeconfig(tmp_path, "https://127.0.0.1:1", {}, **{"certificate-authority": "ca"})
    cluster = await connect(kubeconfig=path)
    with pytest.raises(ClusterError, match="cannot be loaded"):
        await cluster.get(CONFIG_MAP, "shop", "golden")
    await cluster.close()


async def test_a_plugin_gives_a_token_and_its_end(tmp_path: Path) -> None:
    end = datetime(2030, 1, 1, tzinfo=UTC)
    status = {"token": "from-plugin", "expirationTimestamp": end.isoformat().replace("+00:00", "Z")}
    info = await connection_info(kubeconfig=a_kubeconfig(tmp_path, SERVER, an_exec_plugin(tmp_path, status)))
    assert (info.token, info.expiration) == ("from-plugin", end)


async def test_a_plugin_that_fails_is_said_at_once(tmp_path: Path) -> None:
    path = a_kubeconfig(tmp_path, SERVER, an_exec_plugin(tmp_path, None, code=3))
    with pytest.raises(Unauthorized, match="exec plugin"):
        await connect(kubeconfig=path)


@pytest.mark.parametrize(("minutes_left", "runs"), [(60, 1), (1, 2)])
async def test_a_plugin_runs_again_before_its_credentials_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minutes_left: int, runs: int
) -> None:
    monkeypatch.setattr("slipway.cluster.connection.RENEWAL_PAUSE", 0.0)
    end = datetime.now(UTC) + timedelta(minutes=minutes_left)
    status = {"token": "t", "expirationTimestamp": end.strftime("%Y-%m-%dT%H:%M:%SZ")}
    cluster = await connect(kubeconfig=a_kubeconfig(tmp_path, SERVER, an_exec_plugin(tmp_path, status)))
    with pytest.raises(ClusterError):
        await cluster.get(CONFIG_MAP, "shop", "golden")
    assert (tmp_path / "runs").read_text().count("ran") == runs
    await cluster.close()


async def test_a_pod_uses_its_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kubernetes.aio.config import incluster_config

    for name, content in (("token", "pod-token\n"), ("ca.crt", "a CA"), ("namespace", "slipway-system")):
        (tmp_path / name).write_text(content)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setattr("slipway.cluster.connection.SERVICE_ACCOUNT_NAMESPACE", tmp_path / "namespace")
    info = await connection_info()
    assert info.server == "https://[fd00::1]:443"
    assert (info.scheme, info.token, info.ca_path) == ("Bearer", "pod-token", str(tmp_path / "ca.crt"))
    assert info.default_namespace == "slipway-system"


async def test_without_any_credentials_it_says_where_it_looked() -> None:
    with pytest.raises(Unauthorized, match="KUBECONFIG"):
        await connect()


async def test_a_kubeconfig_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="nowhere: there is no such file"):
        await connect(kubeconfig=str(tmp_path / "nowhere"))


@pytest.mark.parametrize("content", ["", "[]", "just text", "clusters: {", "current-context: gone\ncontexts: []\n"])
async def test_a_kubeconfig_that_makes_no_sense_is_said(tmp_path: Path, content: str) -> None:
    (tmp_path / "bad").write_text(content)
    with pytest.raises(ClusterError, match="bad: cannot be read"):
        await connect(kubeconfig=str(tmp_path / "bad"))


async def test_a_context_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="elsewhere"):
        await connect(kubeconfig=a_kubeconfig(tmp_path, SERVER, {}), context="elsewhere")


async def test_the_users_kubeconfig_is_never_written(tmp_path: Path) -> None:
    path = a_kubeconfig(tmp_path, SERVER, {"token": "abc"})
    before = content_of(path)
    await connection_info(kubeconfig=path)
    assert content_of(path) == before


def content_of(path: str) -> bytes:
    return Path(path).read_bytes()


def test_importing_the_package_is_cheap() -> None:
    code = "import sys, slipway.cluster; print(sorted({'kubernetes', 'aiohttp', 'kopf', 'yaml'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
