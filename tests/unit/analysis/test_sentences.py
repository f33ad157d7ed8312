"""The sentence of each kind of evidence: samples, size, worst case, evidence of what is needed, and the time left."""

import re

import pytest

from slipway.analysis import (
    ArmCounts,
    Gates,
    GaugeEvidence,
    Histogram,
    LatencyEvidence,
    PairedBatch,
    PairedEvidence,
    RatioEvidence,
    ScoreEvidence,
    ShareEvidence,
    SingleEvidence,
)

GUARD, PROOF, LIMIT = Gates(comparison_margin=0.01), Gates(non_inferiority_margin=0.02), Gates(threshold_max=0.05)


def ratio(gates, *, windows=30):
    evidence = RatioEvidence.begin(gates, steps=3)
    for _ in range(windows):
        evidence = evidence.fold(ArmCounts(1, 100), ArmCounts(9, 900), seconds=10)
    return evidence.judge().message


def latency():
    evidence = LatencyEvidence.begin(GUARD, steps=3, past=Histogram((0.01, 0.05, 0.1, 0.5), (600, 340, 50, 9, 1)))
    for _ in range(30):
        evidence = evidence.fold(
            Histogram(evidence.edges, (60, 34, 5, 1)), Histogram(evidence.edges, (540, 306, 45, 9)), seconds=10
        )
    return evidence.judge().message


def paired(*batch):
    return PairedEvidence.begin(Gates(non_inferiority_margin=0.02, min_samples=1), 600).fold(PairedBatch(*batch))


def alone(*answers):
    return SingleEvidence.begin(Gates(threshold_min=0.85, min_samples=1), 600).fold(*answers)


SENTENCES = {
    "comparison": ratio(GUARD),
    "non-inferiority": ratio(PROOF, windows=2),
    "limit": ratio(LIMIT, windows=2),
    "latency": latency(),
    "golden set beside stable": paired(4, 3, 280, 13).judge().message,
    "golden set alone": alone(95, 5, 0).judge().message,
    "scores": ScoreEvidence.begin(GUARD).fold([0.01, -0.02] * 80).judge().message,
}


@pytest.mark.parametrize("kind", SENTENCES)
def test_each_says_how_many_how_bad_how_bad_at_worst_and_how_sure(kind):
    sentence = SENTENCES[kind]
    parts = [
        r"^n=\d+",
        r"(diff|loss|rate|accuracy)=[+-]?\d+\.\d\d(pp|%)( of the scale)? \((margin|max|min) ",
        r"worst case ([≤≥] [+-]?\d+\.\d\d(pp|%) at 95%|not bounded yet)",
        r"evidence of [a-z ]+ [\d.]+ of \d+",
    ]
    places = [re.search(part, sentence) for part in parts]
    assert all(places), sentence
    starts = [place.start() for place in places if place]
    assert starts == sorted(starts), sentence


def test_the_sentences_in_full():
    assert SENTENCES["non-inferiority"] == (
        "n=200/1800, bad=2/18; diff=+0.00pp (margin 2.00pp), worst case ≤ +3.20pp at 95%, "
        "evidence of harm 0.6 of 100, evidence of safety 5.3 of 20, about 20s to decide"
    )
    assert SENTENCES["limit"] == (
        "n=200, bad=2; rate=1.00% (max 5.00%), worst case ≤ 4.32% at 95%, "
        "evidence of excess 0.5 of 100, evidence of safety 55.2 of 20"
    )
    assert SENTENCES["latency"] == (
        "n=3000/27000 slower than 0.01s: 40.00%, diff=+0.00pp (margin 5.00pp), worst case ≤ +2.50pp at 95%, "
        "evidence of harm 0.6 of 100, about 2m to decide"
    )
    assert SENTENCES["golden set beside stable"] == (
        "n=300 of 600; accuracy 94.33% beside stable's 94.67%, 4 lost and 3 won, loss=+0.33pp (margin 2.00pp), "
        "worst case ≤ +4.17pp at 95%, evidence of safety 2.0 of 40"
    )
    assert SENTENCES["golden set alone"] == (
        "n=100 of 600; accuracy=95.00% (min 85.00%), worst case ≥ 85.43% at 95%, "
        "evidence of a higher accuracy 54.7 of 40"
    )


@pytest.mark.parametrize(("gates", "windows"), [(GUARD, 2), (PROOF, 2), (LIMIT, 1)])
def test_live_evidence_says_how_long_a_verdict_takes_until_it_is_there(gates, windows):
    assert re.search(r"about \d+[smh] to decide$", ratio(gates, windows=windows))


def test_what_cannot_be_bounded_says_what_it_compares():
    gauge = GaugeEvidence.begin(Gates(comparison_relative=0.2), steps=3).fold([1.1, 1.3], [1.0, 1.0]).judge()
    share = ShareEvidence.begin().fold(30, 70, weight=0.1).judge()
    assert gauge.message.startswith("n=1 mean 1.2 beside stable's 1, worse by +20.0% (margin 20%), evidence of harm ")
    assert share.message.startswith("the candidate got 30.00% of 100 requests at a weight of 10.00%, evidence of ")
