"""The page about the state machine."""

from pathlib import Path

from slipway.rollout import TABLE
from slipway.rollout.document import FILE, markdown

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_the_page_is_what_the_table_says():
    assert (DOCS / FILE).read_text() == markdown(), "run `make generate`"


def test_every_transition_has_a_line():
    page = markdown()
    assert all(f"| {step.phase} | {step.event} | {step.next} |" in page for step in TABLE)
