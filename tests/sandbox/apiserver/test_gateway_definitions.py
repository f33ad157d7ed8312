"""Our Gateway API definitions against the genuine ones: the same fields, limits, defaults, columns, and as many rules."""  # noqa: E501

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway_sandbox.gatewayapi import crds

GENUINE = Path(__file__).parents[3].parent / "shared" / "crds" / "gateway-api"


def _essence(value: Any) -> Any:
    """A schema without what only people read; rules are counted, since ours say the same in other words."""
    if isinstance(value, list):
        return [_essence(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for name, below in value.items():
        if (name == "description" and isinstance(below, str)) or (name == "minLength" and below == 0):
            continue
        if name == "x-kubernetes-validations":
            found[name] = len(below)
        else:
            found[name] = sorted(below) if name == "required" else _essence(below)
    return found


def _versions(definition: dict[str, Any]) -> dict[str, Any]:
    return {
        version["name"]: (
            version["storage"],
            bool(version.get("subresources")),
            _essence(version.get("additionalPrinterColumns")),
            _essence(version["schema"]["openAPIV3Schema"]),
        )
        for version in definition["spec"]["versions"]
        if version["served"]
    }


@pytest.mark.skipif(not GENUINE.is_dir(), reason="the genuine definitions are not on this machine")
@pytest.mark.parametrize("ours", crds(), ids=lambda definition: definition["spec"]["names"]["kind"])
def test_a_definition_says_what_the_genuine_one_says(ours: dict[str, Any]) -> None:
    file = GENUINE / f"gateway.networking.k8s.io_{ours['spec']['names']['plural']}.yaml"
    genuine = yaml.safe_load(file.read_text())
    assert ours["spec"]["names"] == genuine["spec"]["names"]
    assert _versions(ours) == _versions(genuine)
