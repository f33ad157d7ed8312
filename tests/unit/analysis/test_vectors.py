"""Stored evidence is read as if a stranger had written it, and gates are checked before any evidence exists."""

import math

import pytest

from slipway.analysis import (
    ArmCounts,
    EvidenceError,
    Gates,
    PairedBatch,
    PairedEvidence,
    RatioEvidence,
    SingleEvidence,
)

RATIO = RatioEvidence.begin(Gates(comparison_margin=0.005, threshold_max=0.05), steps=2).fold(
    ArmCounts(1, 10), ArmCounts(1, 90)
)
PAIRED = PairedEvidence.begin(Gates(non_inferiority_margin=0.02), 500).fold(PairedBatch(1, 1, 40, 8, 0))
SINGLE = SingleEvidence.begin(Gates(threshold_min=0.8), 500).fold(45, 5, 0)
KINDS = [(RatioEvidence, RATIO), (PairedEvidence, PAIRED), (SingleEvidence, SINGLE)]


@pytest.mark.parametrize(("kind", "evidence"), KINDS)
@pytest.mark.parametrize("damage", ["missing", "too long", "not a number", "infinite", "text"])
def test_damaged_evidence_is_refused_and_the_vector_named(kind: type, evidence, damage: str) -> None:
    damages = {
        "too long": lambda values: (*values, 1.0),
        "not a number": lambda values: (math.nan, *values[1:]),
        "infinite": lambda values: (math.inf, *values[1:]),
        "text": lambda values: ("1", *values[1:]),
    }
    vectors = dict(evidence.to_vectors())
    for name, vector in vectors.items():
        if damage == "missing":
            if name.startswith("gate.") and name != "gate.min_samples":
                continue
            damaged = {key: values for key, values in vectors.items() if key != name}
        else:
            damaged = vectors | {name: damages[damage](vector)}
        with pytest.raises(EvidenceError, match=name.removeprefix("gate.")):
            kind.from_vectors(damaged)


@pytest.mark.parametrize(
    ("name", "vector"),
    [
        ("candidate", (11.0, 10.0)),
        ("candidate", (0.5, 10.0)),
        ("stable", (0.0, 1e300)),
        ("broken", (7.0,)),
        ("above", (1.5,) + (0.0,) * 7),
        ("comparison", (1.0,) * 32),
        ("gate.unheard_of", (1.0,)),
        ("gate.threshold_max", (2.0,)),
        ("gate.min_samples", (0.5,)),
    ],
)
def test_numbers_that_contradict_each_other_are_refused(name: str, vector: tuple[float, ...]) -> None:
    with pytest.raises(EvidenceError, match=name.rpartition(".")[2]):
        RatioEvidence.from_vectors({**RATIO.to_vectors(), name: vector})


@pytest.mark.parametrize(("kind", "evidence"), KINDS[1:])
def test_more_items_than_the_set_has_are_refused(kind: type, evidence) -> None:
    with pytest.raises(EvidenceError, match="counts"):
        kind.from_vectors({**evidence.to_vectors(), "size": (20.0,)})


@pytest.mark.parametrize(("kind", "evidence"), KINDS)
def test_evidence_of_another_kind_is_refused(kind: type, evidence) -> None:
    for other, _ in KINDS:
        if other is not kind:
            with pytest.raises(EvidenceError):
                other.from_vectors(evidence.to_vectors())


@pytest.mark.parametrize(("kind", "evidence"), KINDS)
def test_whole_numbers_that_json_turned_into_integers_are_read(kind: type, evidence) -> None:
    integers = {
        name: [int(number) if number.is_integer() else number for number in vector]
        for name, vector in evidence.to_vectors().items()
    }
    assert kind.from_vectors(integers) == evidence


@pytest.mark.parametrize(
    ("gate", "value"),
    [
        ("threshold_max", 0.0),
        ("threshold_max", 1.0),
        ("threshold_min", 1.0),
        ("threshold_min", math.nan),
        ("comparison_margin", -0.01),
        ("comparison_margin", 1.0),
        ("non_inferiority_margin", 0.0),
        ("fail_alpha", 0.0),
        ("pass_alpha", 1.0),
        ("min_samples", 0),
    ],
)
def test_a_gate_that_means_nothing_is_refused_by_name(gate: str, value: float) -> None:
    with pytest.raises(ValueError, match=gate):
        Gates(**{gate: value})
