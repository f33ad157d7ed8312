"""That a version can be frozen at all is found out before its release, not by it."""

from pathlib import Path

from upgrade.freeze import freeze
from upgrade.frozen import Frozen

from slipway.api import Phase


def test_what_is_checked_out_can_be_frozen(tmp_path: Path) -> None:
    frozen = Frozen(freeze(tmp_path, "0" * 40))
    assert frozen.about == {"version": frozen.version[1:], "commit": "0" * 40}
    examples = {entry["example"].split("/")[1] for entry in frozen.releases}
    assert {"fraud", "llm", "registries", "runtimes", "transformer"} <= examples
    assert any("deployment" in entry for entry in frozen.releases)
    assert {obj["status"]["phase"] for obj in frozen.states if obj["kind"] == "ModelRevision"} == set(Phase)
    assert {obj["kind"] for obj in frozen.midway["objects"]} >= {"ModelDeployment", "ModelRevision", "Deployment"}
