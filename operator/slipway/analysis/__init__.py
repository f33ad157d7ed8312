"""The judge: verdicts on a candidate that hold at every look.

A rollout looks at its numbers every few seconds and may stop at any of these looks. Tests that are made for one look
cry wolf when they are read a hundred times: a limit with a failure count, or a z-test on a dashboard, hauls back
between a tenth and nearly all of the releases that changed nothing. Here evidence is the capital of bets that are fair,
or worse, as long as the candidate does no harm. Such capital seldom grows a hundredfold, and it does not matter when
one looks.

All kinds of evidence share one shape. Each begins with its gates, which belong to it (bets are placed against margins,
and a Fail stays one), is folded with disjoint counts or readings, is judged whenever asked, and is written down as
`Vectors`, a few dozen finite numbers from which it goes on as if nothing had happened. The data decide which kind:

| data | evidence |
|---|---|
| two counters an arm: errors, invalid outputs, disagreement with stable on mirrored requests | `RatioEvidence` |
| a latency histogram an arm | `LatencyEvidence` |
| the same labelled items, asked of both arms; mirrored requests, slower or faster | `PairedEvidence` |
| labelled items, asked of a first release | `SingleEvidence` |
| either of the two, with groups of items that are judged as well | `GroupedEvidence` |
| labelled items by another measure than right and wrong | `MeasureEvidence` |
| how well one label is found, F1 | `F1Evidence` |
| inputs without labels, answered like stable or otherwise | `AgreementEvidence` |
| labels that come hours later | `LabelEvidence` |
| paired scores in [0, 1] | `ScoreEvidence` |
| one reading a pod | `GaugeEvidence` |
| one reading for the whole release | `SteadyEvidence`, a heuristic |
| a distribution in bins, against a reference | `DriftEvidence` |
| requests an arm, against the weight | `ShareEvidence` |

A Fail needs evidence of harm and an estimated harm above the margin, a Pass evidence of the opposite; everything else
is Continue. `aggregate` turns the judgements on all metrics into one move, `alpha_budget` shares the probability of a
false Fail out among them, `plan` tells beforehand what a rollout can find out in its time. Nothing here reads a clock,
draws a random number or does I/O, and the standard library is all that it needs.
"""

from slipway.analysis.aggregate import MetricResult, Move, Outcome, Reason, aggregate
from slipway.analysis.agreement import AgreementEvidence
from slipway.analysis.budget import alpha_budget
from slipway.analysis.dispersion import Dispersion
from slipway.analysis.drift import DriftEvidence, Moved, Stability, binned, decile_edges, grouped
from slipway.analysis.eprocess import NO_REQUESTS, ArmCounts
from slipway.analysis.f1 import Cell as F1Cell
from slipway.analysis.f1 import F1Evidence
from slipway.analysis.gaps import (
    FairnessMeasure,
    Gap,
    GapJudgement,
    GroupOutcomes,
    Interval,
    Share,
    judge_gap,
    largest_gap,
    newcombe,
    wilson,
)
from slipway.analysis.gauge import GaugeEvidence
from slipway.analysis.golden import SingleEvidence
from slipway.analysis.groups import MAX_GROUPS, MIN_GROUP_ITEMS, GroupCounts, GroupedEvidence, GroupName, GroupStanding
from slipway.analysis.histogram import Histogram, quantile_edges
from slipway.analysis.labels import LabelCounts, LabelEvidence
from slipway.analysis.latency import LEARNED_REQUESTS, LatencyEvidence
from slipway.analysis.measures import ItemScores, MeasureEvidence
from slipway.analysis.paired import PairedBatch, PairedEvidence
from slipway.analysis.planning import (
    Plan,
    chance_to_pass,
    plan,
    requests_to_fail,
    requests_to_pass,
    smallest_harm,
)
from slipway.analysis.pods import PodWindow
from slipway.analysis.ratio import RatioEvidence
from slipway.analysis.scores import ScoreEvidence
from slipway.analysis.share import ShareEvidence
from slipway.analysis.steady import SteadyEvidence
from slipway.analysis.vectors import EvidenceError, Vectors
from slipway.analysis.verdict import (
    Action,
    Capital,
    Estimate,
    Gates,
    Judgement,
    Margin,
    Measure,
    Verdict,
    error,
    no_data,
)

__all__ = [
    "RatioEvidence",
    "ArmCounts",
    "NO_REQUESTS",
    "PodWindow",
    "Dispersion",
    "LatencyEvidence",
    "LEARNED_REQUESTS",
    "Histogram",
    "quantile_edges",
    "PairedEvidence",
    "PairedBatch",
    "SingleEvidence",
    "AgreementEvidence",
    "ItemScores",
    "MeasureEvidence",
    "F1Cell",
    "F1Evidence",
    "GroupedEvidence",
    "FairnessMeasure",
    "Gap",
    "GapJudgement",
    "GroupOutcomes",
    "Interval",
    "Share",
    "judge_gap",
    "largest_gap",
    "newcombe",
    "wilson",
    "GroupCounts",
    "GroupName",
    "GroupStanding",
    "MAX_GROUPS",
    "MIN_GROUP_ITEMS",
    "LabelEvidence",
    "LabelCounts",
    "ScoreEvidence",
    "GaugeEvidence",
    "SteadyEvidence",
    "DriftEvidence",
    "Stability",
    "decile_edges",
    "binned",
    "grouped",
    "Moved",
    "ShareEvidence",
    "Gates",
    "Margin",
    "Verdict",
    "Judgement",
    "Capital",
    "Estimate",
    "Measure",
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
    "alpha_budget",
    "Plan",
    "plan",
    "requests_to_fail",
    "requests_to_pass",
    "smallest_harm",
    "chance_to_pass",
]
