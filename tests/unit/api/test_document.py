"""The pages on the kinds: written from the schemas, and every field of them says what it is for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from slipway.api import ModelDeploymentSpec
from slipway.api.common import format_duration
from slipway.api.crd import definitions
from slipway.api.document import DEFAULT, fields, file_name, main, markdown

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
CRDS = definitions()
ELSEWHERE = {"DriftSpec.reference"}
"""A default whose parts say theirs."""


def schema_of(crd: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


@pytest.mark.parametrize("crd", CRDS.values(), ids=CRDS)
def test_the_page_is_what_the_schema_says(crd: dict[str, Any]) -> None:
    assert (REFERENCE / file_name(crd)).read_text() == markdown(crd), "run `make generate`"


def test_the_generator_writes_a_page_for_each_kind(tmp_path: Path) -> None:
    main(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {file_name(crd) for crd in CRDS.values()}


@pytest.mark.parametrize("crd", CRDS.values(), ids=CRDS)
def test_every_field_says_what_it_is_for_unless_kubernetes_does(crd: dict[str, Any]) -> None:
    silent = [
        field.path
        for field in fields(schema_of(crd))
        if field.path != "metadata"  # an API server forbids to say anything of it
        and not field.copied
        and not DEFAULT.sub("", field.schema.get("description", ""))
    ]
    assert silent == []


@pytest.mark.parametrize("crd", CRDS.values(), ids=CRDS)
def test_every_field_and_every_rule_is_on_the_page(crd: dict[str, Any]) -> None:
    page = markdown(crd)
    for field in fields(schema_of(crd)):
        top, _, rest = field.path.partition(".")
        if top in {"spec", "status"}:
            inner = rest.partition(".")[2] or rest
            assert f"`{inner}`" in page or f"### {field.path}" in page or f"## {field.path}\n" in page, field.path
        for rule in field.schema.get("x-kubernetes-validations", ()):
            assert rule["message"].replace("<", "&lt;") in page or rule["message"] in page


def test_the_default_that_a_description_tells_is_the_one_of_the_model() -> None:
    told = {where: (said(info), written(info.default)) for where, info in declared(ModelDeploymentSpec)}
    assert len(told) > 40
    assert {where for where, (said_, real) in told.items() if not said_.startswith(real)} - ELSEWHERE == {
        "PodsSource.path"  # the preset's comes first
    }


def declared(model: type[BaseModel], seen: set[type[BaseModel]] | None = None) -> Iterator[tuple[str, FieldInfo]]:
    """Every field with a default that is a value, of a model and of those inside of it."""
    seen = set() if seen is None else seen
    if model in seen:
        return
    seen.add(model)
    for name, info in model.model_fields.items():
        if not info.is_required() and info.default is not None:
            yield f"{model.__name__}.{name}", info
        for inner in models(info.annotation):
            yield from declared(inner, seen)


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models(inner)


def said(info: FieldInfo) -> str:
    match = DEFAULT.search(info.description or "")
    return match["value"] if match else "nothing"


def written(default: Any) -> str:
    if isinstance(default, timedelta):
        return format_duration(default)
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, int | float) else str(default)
