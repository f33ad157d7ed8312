"""The pages that are written from the code: the state machine, and the reasons with what a person can do."""

from pathlib import Path

import pytest

from slipway import analysis
from slipway.rollout import ADVICE, TABLE, reasons, status
from slipway.rollout.document import markdown, meanings, pages, reasons_markdown
from slipway.rollout.handbook import CONDITIONS, IDLE, SYMPTOMS

DOCS = Path(__file__).resolve().parents[3] / "docs"
SHOWN = sorted(
    {value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)}
    | {str(reason) for reason in analysis.Reason}
)


@pytest.mark.parametrize("path", pages())
def test_a_page_is_what_the_code_says(path):
    assert (DOCS / path).read_text() == pages()[path], "run `make generate`"


def test_every_transition_has_a_line():
    page = markdown()
    assert all(f"| {step.phase} | {step.event} | {step.next} |" in page for step in TABLE)


@pytest.mark.parametrize("reason", SHOWN)
def test_every_reason_has_a_meaning_and_something_to_do(reason):
    said = {name: text for section in meanings().values() for name, text in section.items()}
    assert said[reason].endswith(".")
    assert len(ADVICE[reason]) > 10
    assert f"| `{reason}` |" in reasons_markdown()


def test_there_is_no_advice_for_what_is_never_shown():
    assert ADVICE.keys() == set(SHOWN)


def test_every_reason_that_asks_something_of_a_person_stands_under_one_symptom():
    placed = [reason for symptom in SYMPTOMS for reason in symptom.reasons]
    asking = {reason for reason, advice in ADVICE.items() if not advice.startswith(IDLE)}
    assert sorted(placed) == sorted(asking), "place it in slipway.rollout.handbook.SYMPTOMS"


def test_every_condition_is_explained():
    named = {"READY", "AVAILABLE", "RECONCILING", "STALLED", "PAUSED", "DRIFTED", "RUNTIME_CHANGED"}
    named |= {"SUGGESTED", "REGISTRY_FAILING", "ARTIFACT_CHANGED"}
    constants = {name for name, value in vars(status).items() if name.isupper() and isinstance(value, str)}
    assert {getattr(status, name) for name in named} == CONDITIONS.keys()
    assert constants - {"HOLDING", "PHASE_INVALID_SPEC", "LABEL_MODEL_DEPLOYMENT", "LABEL_REVISION"} == named
