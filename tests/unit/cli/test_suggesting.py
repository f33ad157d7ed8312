"""What a registry offers, at a terminal: as a patch for the manifest, and why there is none."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from unit.cli.builders import NOW, PROMOTED, Object, a_release, a_revision, a_shop, a_spec, merged
from unit.cli.conftest import Terminal

from slipway.api import format_time
from slipway.cli.exits import Exit
from slipway.cli.offer import nothing_suggested, suggested
from slipway.cli.picture import Picture
from slipway.cli.undo import earlier, patch

SHOP = ("--namespace", "shop")
FROM = {"mlflow": {"model": "fraud", "alias": "production"}}
SOURCE = "MLflow models:/fraud@production"
FOUND = {"model": {"version": "3", "uri": "s3://models/fraud/3"}}
SUGGESTION = {"release": FOUND, "seen": format_time(NOW), "source": SOURCE, "message": f"{SOURCE} is version 3"}
PROBLEM = {
    "reason": "RegistryUnreachable",
    "message": "spec.release.from.mlflow.uri: no answer",
    "since": format_time(NOW),
}
RESOLVED = {"release": FOUND, "hash": "a" * 64, "seen": format_time(NOW), "source": SOURCE}


AUTOMATIC: dict[str, Any] = {
    "from": FROM | {"policy": "Automatic"},
    "model": {"name": "fraud"},
    "container": {"image": "registry.example/fraud:1"},
}


def revisions() -> tuple[Object, Object]:
    return a_revision("v1", "Superseded", stableUntil=format_time(NOW)), a_revision("v2", "Stable")


def followed(status: Object, release: Object | None = None) -> dict[str, Any]:
    spec = a_spec("v2") | {"release": release or a_release("v2", **{"from": FROM})}
    return {"spec": spec, "status": merged(PROMOTED, status)}


def a_followed_shop(status: Object, release: Object | None = None) -> Picture:
    return a_shop(*revisions(), **followed(status, release))


def test_suggest_prints_a_patch_for_the_manifest(terminal: Terminal) -> None:
    terminal.shop(*revisions(), **followed({"suggestion": SUGGESTION}))
    code, out, _ = terminal("suggest", "fraud", *SHOP)
    assert code == 0
    assert yaml.safe_load(out) == {"spec": {"release": FOUND}}
    assert "version: '3'" in out  # a number without quotes would be refused


def test_suggest_says_why_there_is_nothing(terminal: Terminal) -> None:
    terminal.shop(*revisions(), **followed({"registry": {"problem": PROBLEM}}))
    code, _, err = terminal("suggest", "fraud", *SHOP)
    assert code == Exit.REFUSED
    assert "no answer" in err


def test_status_and_explain_show_what_is_suggested_and_what_fails(terminal: Terminal) -> None:
    terminal.shop(*revisions(), **followed({"suggestion": SUGGESTION, "registry": {"problem": PROBLEM}}))
    _, status, _ = terminal("status", "fraud", *SHOP)
    assert "suggested  3" in status
    assert "RegistryUnreachable" in status
    _, explained, _ = terminal("explain", "fraud", *SHOP)
    assert "uri: s3://models/fraud/3" in explained


@pytest.mark.parametrize(
    ("shop", "said"),
    [
        (a_shop(), "has no spec.release.from"),
        (a_followed_shop({}), "declares what its registry names"),
        (a_followed_shop({"registry": {"problem": PROBLEM}}), "no answer"),
        (
            a_followed_shop({"resolved": RESOLVED}, AUTOMATIC),
            "version 3 is declared",
        ),
    ],
)
def test_nothing_to_declare_has_a_reason(shop: Picture, said: str) -> None:
    assert suggested(shop) is None
    assert said in nothing_suggested(shop)


def test_going_back_keeps_the_registry_and_lets_it_only_suggest() -> None:
    shop = a_followed_shop({})
    to = earlier(shop)
    assert to is not None
    assert patch(shop, to)["spec"]["release"] == {"model": {"version": "v1"}}
    resolved = RESOLVED | {"release": {"model": {"version": "v2"}}}
    shop = a_followed_shop({"resolved": resolved}, AUTOMATIC)
    to = earlier(shop)
    assert to is not None
    assert to.version == "v1"
    assert patch(shop, to)["spec"]["release"] == {"model": {"version": "v1"}, "from": {"policy": "Suggest"}}
