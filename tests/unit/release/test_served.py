"""What serves is what was settled when the revision was created."""

from __future__ import annotations

from typing import Any

import pytest

from slipway.api import ModelRevisionSpec
from slipway.release import release_hash, served_release, wants_runtime

SETTLED: dict[str, Any] = {
    "kind": "ClusterModelRuntime",
    "name": "mlserver",
    "digest": "sha256:" + "a" * 64,
    "container": {"image": "registry.example/mlserver:1", "args": ["start", "/mnt/models"]},
    "protocol": {"name": "MLflow"},
    "pod": {"terminationGracePeriodSeconds": 90},
}


def a_revision(release: dict[str, Any], runtime: dict[str, Any] | None = None) -> ModelRevisionSpec:
    named = {"model": {"name": "fraud", "version": "1", "format": "sklearn"}, **release}
    settled = {} if runtime is None else {"runtime": runtime}
    return ModelRevisionSpec.model_validate(
        {"modelDeployment": "fraud", "hash": release_hash(named), "release": named, **settled}
    )


def test_without_a_runtime_the_release_serves_as_it_was_declared() -> None:
    revision = a_revision({"container": {"image": "registry.example/fraud:1"}})
    assert served_release(revision) is revision.release


def test_of_a_runtime_serves_what_was_settled_and_nothing_of_it_is_worked_out_again() -> None:
    revision = a_revision({"container": {"args": ["other"]}, "protocol": {"name": "KServeV1"}}, SETTLED)
    served = served_release(revision)
    assert revision.runtime is not None
    assert (served.container, served.protocol, served.pod) == (
        revision.runtime.container,
        revision.runtime.protocol,
        revision.runtime.pod,
    )
    assert served.model == revision.release.model


def test_a_revision_that_says_nowhere_what_serves_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing says what serves"):
        served_release(a_revision({}))


@pytest.mark.parametrize(
    ("release", "wants"),
    [
        ({"container": {"image": "registry.example/fraud:1"}}, False),
        ({"container": {"image": "registry.example/fraud:1"}, "runtime": {"name": "mlserver"}}, True),
        ({"container": {"args": ["--workers=2"]}}, True),
        ({}, True),
    ],
)
def test_a_release_wants_a_runtime_where_it_names_one_or_no_image(release: dict[str, Any], wants: bool) -> None:
    assert wants_runtime(a_revision(release).release) is wants
