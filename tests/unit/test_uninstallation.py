"""What the page of the installation tells to delete is all that an installation leaves behind."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def test_the_command_that_deletes_the_crds_names_each_of_them() -> None:
    text = (ROOT / "docs" / "install.md").read_text()
    [named] = re.findall(r"`kubectl delete customresourcedefinitions ([^`]*)`", text)
    crds = [yaml.safe_load(path.read_text())["metadata"]["name"] for path in (ROOT / "crds").glob("*.yaml")]
    assert sorted(named.split()) == sorted(crds)
