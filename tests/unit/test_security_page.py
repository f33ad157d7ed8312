"""The threat model names the tests that try each attack: they are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.findall(r"`(tests/[a-z_/]+\.py)::(test_[a-z0-9_]+)`", (ROOT / "docs" / "security.md").read_text())


def test_each_test_that_the_threat_model_names_exists() -> None:
    assert len(NAMED) > 40
    gone = [f"{path}::{name}" for path, name in NAMED if f"def {name}(" not in (ROOT / path).read_text()]
    assert gone == []
