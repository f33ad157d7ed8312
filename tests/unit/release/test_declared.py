"""Which release is declared where a registry is asked, and what makes a manifest of a suggestion."""

from __future__ import annotations

from typing import Any

import pytest

from slipway.api import RegistrySpec, ResolvedModel
from slipway.release import canonical, declared_release, is_declared, release_hash, source_of, to_declare

RELEASE: dict[str, Any] = {
    "model": {"name": "fraud", "version": "1", "uri": "s3://models/fraud/1"},
    "container": {"image": "models.example/fraud:1"},
}
FROM = {"mlflow": {"model": "fraud", "alias": "production"}, "policy": "Automatic"}
FOUND = ResolvedModel(version="2", uri="s3://models/fraud/2")
DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def test_where_a_release_comes_from_moves_no_hash() -> None:
    assert release_hash(RELEASE | {"from": FROM}) == release_hash(RELEASE)
    assert release_hash(RELEASE | {"from": FROM | {"policy": "Suggest"}}) == release_hash(RELEASE)


def test_what_a_registry_names_takes_the_place_of_the_version() -> None:
    found = declared_release({"from": FROM, "model": {"name": "fraud"}, "container": RELEASE["container"]}, FOUND)
    assert found == RELEASE | {"model": {"name": "fraud", "version": "2", "uri": "s3://models/fraud/2"}}
    assert canonical(found) == canonical(RELEASE | {"model": RELEASE["model"] | {"version": "2", "uri": FOUND.uri}})


@pytest.mark.parametrize(
    ("declared", "found", "same"),
    [
        ({"version": "2"}, FOUND, True),
        ({"version": "1"}, FOUND, False),
        ({"version": "of ours", "uri": "s3://models/fraud/2"}, FOUND, True),
        ({"version": "2", "digest": DIGEST}, FOUND, True),
        ({"version": "2", "digest": DIGEST}, FOUND.model_copy(update={"digest": OTHER}), False),
        ({"version": "2"}, FOUND.model_copy(update={"digest": OTHER}), True),
        ({}, FOUND, False),
    ],
)
def test_the_same_version_or_address_is_declared_unless_digests_differ(
    declared: dict[str, str], found: ResolvedModel, same: bool
) -> None:
    assert is_declared(declared, found) is same


def test_a_patch_takes_away_what_is_known_of_the_other_version_alone() -> None:
    declared = {"name": "fraud", "version": "1", "digest": DIGEST}
    assert to_declare(declared, FOUND) == {
        "spec": {"release": {"model": {"version": "2", "uri": "s3://models/fraud/2", "digest": None}}}
    }


@pytest.mark.parametrize(
    ("named", "source"),
    [
        ({"mlflow": FROM["mlflow"]}, "MLflow models:/fraud@production"),
        ({"huggingFace": {"repository": "acme/fraud", "revision": "main"}}, "hf://acme/fraud@main"),
        (
            {"oci": {"repository": "registry.example/models/fraud", "tag": "v1"}},
            "oci://registry.example/models/fraud:v1",
        ),
        ({"s3": {"prefix": "s3://models/fraud/"}}, "the highest version below s3://models/fraud/"),
    ],
)
def test_what_is_asked_is_one_line(named: dict[str, Any], source: str) -> None:
    assert source_of(RegistrySpec.model_validate(named)) == source


def test_nothing_and_two_things_are_no_source() -> None:
    for named in ({}, {"s3": {"prefix": "s3://models/fraud"}, "mlflow": FROM["mlflow"]}):
        with pytest.raises(ValueError, match="name exactly one of mlflow"):
            source_of(RegistrySpec.model_validate(named))
