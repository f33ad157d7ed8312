"""The pages that are written from the code: the state machine, and the reasons with what a person can do."""

from pathlib import Path

import pytest

from slipway import analysis
from slipway.rollout import ADVICE, TABLE, reasons
from slipway.rollout.document import FILE, REASONS_FILE, markdown, meanings, reasons_markdown

DOCS = Path(__file__).resolve().parents[3] / "docs"
SHOWN = sorted(
    {value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)}
    | {str(reason) for reason in analysis.Reason}
)


def test_the_page_is_what_the_table_says():
    assert (DOCS / FILE).read_text() == markdown(), "run `make generate`"


def test_every_transition_has_a_line():
    page = markdown()
    assert all(f"| {step.phase} | {step.event} | {step.next} |" in page for step in TABLE)


def test_the_page_of_reasons_is_what_the_code_says():
    assert (DOCS / REASONS_FILE).read_text() == reasons_markdown(), "run `make generate`"


@pytest.mark.parametrize("reason", SHOWN)
def test_every_reason_has_a_meaning_and_something_to_do(reason):
    said = {name: text for section in meanings().values() for name, text in section.items()}
    assert said[reason].endswith(".")
    assert len(ADVICE[reason]) > 10
    assert f"| `{reason}` |" in reasons_markdown()


def test_there_is_no_advice_for_what_is_never_shown():
    assert ADVICE.keys() == set(SHOWN)
