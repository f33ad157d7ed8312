"""Feedback: what became of answers, reported afterwards by request id and revision.

`report` reads what comes in, `doorman` says who may send it, `terms` what counts, and `ledger` keeps it in ConfigMaps
(`segment`), each report once. `server` is the endpoint. What follows from reports is not decided here: whoever judges
a release asks the ledger how many reports a window has.
"""

from slipway.feedback.doorman import AUDIENCE, Doorman, RefusedError
from slipway.feedback.ledger import Ledger, Outcome
from slipway.feedback.report import Kind, Problem, Report, UnreadableError, parse
from slipway.feedback.segment import SegmentError
from slipway.feedback.server import LARGEST_BODY, Endpoint, Intake, serving_feedback
from slipway.feedback.terms import Key, NothingAskedError, Terms, read_terms

__all__ = [
    "AUDIENCE",
    "Doorman",
    "Endpoint",
    "Intake",
    "Key",
    "Kind",
    "LARGEST_BODY",
    "Ledger",
    "NothingAskedError",
    "Outcome",
    "Problem",
    "RefusedError",
    "Report",
    "SegmentError",
    "Terms",
    "UnreadableError",
    "parse",
    "read_terms",
    "serving_feedback",
]
