"""The judge: verdicts on a candidate that hold at every look.

A rollout looks at its numbers every few seconds and may stop at any of these looks. Tests that are made for one look
cry wolf when they are read a hundred times: a limit with a failure count, or a z-test on a dashboard, hauls back
between a tenth and nearly all of the releases that changed nothing. Here evidence is the capital of bets that are fair,
or worse, as long as the candidate does no harm. Such capital seldom grows a hundredfold, and it does not matter when
one looks.

Three kinds of evidence share one shape. `RatioEvidence` compares live error rates window by window, `PairedEvidence`
replays a golden set on candidate and stable, `SingleEvidence` replays it on a first release. Each begins with its
gates, which belong to it (bets are placed against margins, and a Fail stays one), is folded with disjoint counts, is
judged whenever asked, and is written down as `Vectors`. Nothing here reads a clock, draws a random number or does I/O.

A Fail needs evidence of harm and an estimated harm above the margin, a Pass evidence of the opposite; everything else
is Continue. `aggregate` turns the judgements on all metrics into one move.
"""

from slipway.analysis.aggregate import MetricResult, Move, Outcome, Reason, aggregate
from slipway.analysis.eprocess import ArmCounts
from slipway.analysis.golden import SingleEvidence
from slipway.analysis.paired import PairedBatch, PairedEvidence
from slipway.analysis.ratio import RatioEvidence
from slipway.analysis.vectors import EvidenceError, Vectors
from slipway.analysis.verdict import Action, Gates, Judgement, Verdict, error, no_data

__all__ = [
    "RatioEvidence",
    "ArmCounts",
    "PairedEvidence",
    "PairedBatch",
    "SingleEvidence",
    "Gates",
    "Verdict",
    "Judgement",
    "error",
    "no_data",
    "Vectors",
    "EvidenceError",
    "Action",
    "MetricResult",
    "Move",
    "Reason",
    "Outcome",
    "aggregate",
]
