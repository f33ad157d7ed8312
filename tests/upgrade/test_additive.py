"""CRDs only grow. First that the comparison sees what would break somebody, then the comparison with every version."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from upgrade.additive import ADAPTERS, WIDER, Schema, breaches
from upgrade.frozen import VERSIONS, Frozen

from slipway.api.crd import definitions
from slipway.cli.rules import predicate
from slipway_sandbox.apiserver.cel import evaluate, to_cel

NAME = "modeldeployments.slipway.dev"


def spec_of(crd: Schema) -> Any:
    """The properties of ``spec``."""
    return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]


def _step(crd: Schema) -> Any:
    return spec_of(crd)["strategy"]["properties"]["canary"]["properties"]["steps"]["items"]


def _release(crd: Schema) -> Any:
    return spec_of(crd)["release"]


BREAKING: dict[str, Callable[[Schema], Any]] = {
    "rollback is gone": lambda crd: spec_of(crd).pop("rollback"),
    "type changed": lambda crd: spec_of(crd)["paused"].update(type="string"),
    "approval is required now": lambda crd: _step(crd).update(required=["weight", "approval"]),
    "maximum is tighter": lambda crd: _step(crd)["properties"]["weight"].update(maximum=99),
    "minItems is tighter": lambda crd: spec_of(crd)["strategy"]["properties"]["canary"]["properties"]["steps"].update(
        minItems=2
    ),
    "another pattern": lambda crd: _step(crd)["properties"]["minDuration"].update(pattern="^[0-9]+s$"),
    "a value of the enum is gone": lambda crd: _step(crd)["properties"]["approval"].update(enum=["Never"]),
    "a rule for objects that exist": lambda crd: (
        _step(crd).setdefault("x-kubernetes-validations", []).append({"rule": "self.weight > 5", "message": "more"})
    ),
    "x-kubernetes-list-type changed": lambda crd: spec_of(crd)["strategy"]["properties"]["canary"]["properties"][
        "steps"
    ].update({"x-kubernetes-list-type": "set"}),
    "version v1alpha1 is gone": lambda crd: crd["spec"]["versions"][0].update(name="v1"),
    "served changed": lambda crd: crd["spec"]["versions"][0].update(served=False),
    "subresources changed": lambda crd: crd["spec"]["versions"][0].update(subresources={}),
    "is gone or shows something else": lambda crd: crd["spec"]["versions"][0]["additionalPrinterColumns"].pop(0),
    "spec.names": lambda crd: crd["spec"]["names"].update(shortNames=[]),
}


@pytest.mark.parametrize("breach", BREAKING)
def test_what_would_break_somebody_is_seen(breach: str) -> None:
    old = definitions()[NAME]
    new = copy.deepcopy(old)
    BREAKING[breach](new)
    assert [found for found in breaches(old, new) if breach in found], breaches(old, new)


def test_what_only_adds_is_let_through() -> None:
    old = definitions()[NAME]
    new = copy.deepcopy(old)
    step = _step(new)
    step["properties"]["weight"]["maximum"] = 200
    step["properties"]["approval"]["enum"].append("Optional")
    step["properties"]["speed"] = {"type": "integer", "minimum": 1}
    rule = {"rule": "!has(self.speed) || has(self.minDuration)", "message": "speed needs minDuration"}
    step.setdefault("x-kubernetes-validations", []).append(rule)
    new["spec"]["versions"].append({**new["spec"]["versions"][0], "name": "v1", "storage": False})
    assert breaches(old, new) == []


@pytest.mark.parametrize("frozen", VERSIONS, ids=lambda frozen: frozen.version)
def test_the_crds_only_add_to_those_of_every_former_version(frozen: Frozen) -> None:
    assert frozen.crds.keys() <= definitions().keys()
    assert [breach for name, old in frozen.crds.items() for breach in breaches(old, definitions()[name])] == []


def test_adapters_that_were_taken_still_are() -> None:
    """Over addresses of every scheme, as the server's engine reads the rules."""
    schema = _release(definitions()[NAME])
    schemes = ("s3", "gs", "az", "hf", "http", "https", "oci", "file", "ftp")
    uris = [f"{scheme}://{login}host/a" for scheme in schemes for login in ("", "me:secret@")] + ["mlflow:models:/a/1"]

    def taken(rules: Iterable[str]) -> set[str]:
        values = {uri: to_cel(schema, {"adapters": [{"name": "a", "uri": uri}]}, root=schema) for uri in uris}
        return {uri for uri, value in values.items() if all(evaluate(rule, {"self": value}) for rule in rules)}

    assert taken(ADAPTERS) - taken(ADAPTERS.values()) == {"http://host/a"}
    assert taken(ADAPTERS.values()) < taken(ADAPTERS)


def test_rules_that_took_the_place_of_narrower_ones_let_through_what_those_did() -> None:
    """Over all sources of pods. Those of Prometheus still have the narrower rules, with a query in place of a gauge."""

    def passing(rules: Iterable[str], source: dict[str, str]) -> bool:
        found = [predicate(rule) for rule in rules]
        return all(holds is not None and holds(source) for holds in found)

    fields = ("bad", "total", "histogram", "gauge", "preset", "measure")
    sources = [dict.fromkeys(named, "MLServer") for n in range(7) for named in itertools.combinations(fields, n)]

    narrow = [rule.replace("self.gauge", "self.query") for rule in WIDER.values()]
    let_through = [
        source
        for source in sources
        if passing(narrow, {name.replace("gauge", "query"): it for name, it in source.items()})
    ]
    assert let_through
    assert [source for source in let_through if not passing(WIDER, source)] == []
