"""One of each kind of evidence, with something in it: for what holds of all of them."""

from slipway.analysis import (
    AgreementEvidence,
    ArmCounts,
    Dispersion,
    DriftEvidence,
    Gates,
    GaugeEvidence,
    Histogram,
    ItemScores,
    LabelCounts,
    LabelEvidence,
    LatencyEvidence,
    MeasureEvidence,
    PairedBatch,
    PairedEvidence,
    PodWindow,
    RatioEvidence,
    ScoreEvidence,
    ShareEvidence,
    SingleEvidence,
    SteadyEvidence,
)

GUARD = Gates(comparison_margin=0.005)
BOUNDS = (0.05, 0.1, 0.2, 0.5, 1.0)
PODS = PodWindow({"a": ArmCounts(1, 10)}, {"b": ArmCounts(1, 45), "c": ArmCounts(0, 45)})

RATIO = RatioEvidence.begin(Gates(comparison_margin=0.005, threshold_max=0.05), steps=2, dispersion=Dispersion()).fold(
    ArmCounts(1, 10), ArmCounts(1, 90), seconds=10, pods=PODS
)
LATENCY = LatencyEvidence.begin(
    Gates(comparison_margin=0.01), steps=2, past=Histogram(BOUNDS, (300, 400, 250, 40, 9, 1)), dispersed=True
).fold(Histogram(BOUNDS, (4, 4, 2, 0, 0, 0)), Histogram(BOUNDS, (30, 40, 15, 4, 1, 0)), seconds=10)

EVIDENCES = {
    "ratio": RATIO,
    "relative ratio": RatioEvidence.begin(Gates(non_inferiority_relative=0.2), steps=1).fold(
        ArmCounts(1, 10), ArmCounts(1, 90)
    ),
    "watched ratio": RATIO.watch().fold(ArmCounts(1, 100), ArmCounts(0, 0), seconds=10),
    "latency": LATENCY,
    "latency that learns": LatencyEvidence.begin(GUARD, steps=1).fold(
        Histogram(BOUNDS, (1, 0, 0, 0, 0, 0)), Histogram(BOUNDS, (9, 1, 0, 0, 0, 0))
    ),
    "paired": PairedEvidence.begin(Gates(non_inferiority_margin=0.02), 500).fold(PairedBatch(1, 1, 40, 8, 0)),
    "paired stream": PairedEvidence.begin(GUARD, None).fold(PairedBatch(1, 1, 40, 8, 0)),
    "single": SingleEvidence.begin(Gates(threshold_min=0.8), 500).fold(45, 5, 0),
    "agreement": AgreementEvidence.begin(Gates(threshold_max=0.1), 500).fold(45, 5, 1),
    "measure": MeasureEvidence.begin(Gates(comparison_margin=0.02), 500, scale=2.0).fold(
        [ItemScores(0.5, 0.7), ItemScores(1.0, 0.0)], excluded=1
    ),
    "labels": LabelEvidence.begin(RatioEvidence.begin(GUARD, steps=1), maturity=3600).fold(
        LabelCounts(12, 10, 1), LabelCounts(100, 84, 2), age=4000
    ),
    "labels that wait": LabelEvidence.begin(RatioEvidence.begin(GUARD, steps=1), maturity=0).fold(
        LabelCounts(12, 4, 1), LabelCounts(100, 84, 2), age=0
    ),
    "scores": ScoreEvidence.begin(Gates(comparison_margin=0.02)).fold([0.1, -0.2, 0.0, 1.0, -1.0], excluded=1),
    "gauge": GaugeEvidence.begin(Gates(comparison_relative=0.2), steps=2).fold([5.0], [4.0, 4.5]),
    "steady": SteadyEvidence.begin(maximum=10.0, duration=60).fold(11.0, seconds=0).fold(12.0, seconds=30),
    "drift": DriftEvidence.begin((100, 200, 300)).fold((3, 5, 9)),
    "share": ShareEvidence.begin().fold(9, 91, weight=0.1),
}
"""The name of a kind, and evidence of it."""
