"""Whose a command was."""

from __future__ import annotations

import pytest

from slipway.controller.giver import given_by

COMMAND = "abort@1a2b3c4d#1"


@pytest.mark.parametrize(
    ("by", "person"),
    [
        (f"{COMMAND} alice@example.com", "alice@example.com"),
        ("abort@1a2b3c4d#0 alice@example.com", "unknown, with kubectl-annotate"),  # of an earlier command
        (None, "unknown, with kubectl-annotate"),
        ("", "unknown, with kubectl-annotate"),
    ],
)
def test_who_gave_a_command_is_who_is_named_with_it(by: str | None, person: str) -> None:
    annotations = {"slipway.dev/command": COMMAND} | ({"slipway.dev/command-by": by} if by is not None else {})
    fields = {"f:metadata": {"f:annotations": {"f:slipway.dev/command": {}}}}
    managed = [{"manager": "helm", "fieldsV1": {}}, {"manager": "kubectl-annotate", "fieldsV1": fields}]
    assert given_by({"annotations": annotations, "managedFields": managed}) == person


def test_without_a_command_nobody_gave_one() -> None:
    assert given_by({"annotations": {"slipway.dev/command-by": "x y"}}) is None
    assert given_by({}) is None
