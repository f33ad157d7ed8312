"""What the verb that runs the operator makes of its options."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from slipway import controller
from slipway.cli.app import app


def settings_of(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[Any, str]:
    """The settings that the operator would run with, and what is said if it would not."""
    seen: list[Any] = []

    async def run(options: Any) -> None:
        seen.append(options)

    monkeypatch.setattr(controller, "run", run)
    result = CliRunner().invoke(app, ["run", *arguments])
    assert (result.exit_code == 0) is bool(seen)
    return (seen[0] if seen else result.exit_code), result.output


def test_each_rule_of_egress_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, _ = settings_of(monkeypatch, "--egress", "*.monitoring.svc", "--egress", "10.1.0.0/16")
    assert settings.egress.rules == ("*.monitoring.svc", "10.1.0.0/16")
    settings, _ = settings_of(monkeypatch)
    assert settings.egress.rules == ()


def test_the_rules_of_egress_can_be_the_whole_list(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_of(monkeypatch, "--no-public-egress")[0].egress.public is False
    assert settings_of(monkeypatch)[0].egress.public is True


def test_how_long_a_change_of_traffic_takes_can_be_said_and_is_the_routers_matter_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert settings_of(monkeypatch, "--settle-seconds", "0.5")[0].settle_seconds == 0.5
    assert settings_of(monkeypatch)[0].settle_seconds is None
    assert settings_of(monkeypatch, "--settle-seconds", "-1")[0] == 2


def test_a_rule_that_cannot_be_read_ends_the_operator_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = settings_of(monkeypatch, "--egress", "http://prometheus")
    assert code == 2
    assert "--egress: 'http://prometheus' is no egress rule" in said


def test_namespaces_are_named_or_selected(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, _ = settings_of(monkeypatch, "--namespace-selector", "shard=a")
    assert settings.namespace_selector == "shard=a"
    code, said = settings_of(monkeypatch, "--namespace-selector", "shard=a", "--namespace", "shop")
    assert code == 2
    assert "not both" in said


def test_a_longer_lease_is_kept_in_the_same_proportions(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, _ = settings_of(monkeypatch, "--leader-elect", "--lease-duration", "60")
    assert settings.elect
    assert (settings.lease.duration, settings.lease.renewal, settings.lease.look) == (60, 40, 1)
