"""Stored evidence is read as if a stranger had written it, and gates are checked before any evidence exists."""

import json
import math

import pytest
from unit.analysis.kinds import EVIDENCES, LATENCY, RATIO

from slipway.analysis import EvidenceError, Gates, LatencyEvidence, RatioEvidence

STREAM = "paired stream"
"""Its size is an empty vector, in which nothing can be damaged."""


@pytest.mark.parametrize("kind", EVIDENCES)
def test_evidence_that_was_written_down_as_json_is_read_as_it_was(kind: str) -> None:
    evidence = EVIDENCES[kind]
    vectors = json.loads(json.dumps(evidence.to_vectors(), allow_nan=False))
    read = type(evidence).from_vectors(vectors)
    assert read == evidence
    assert read.judge() == evidence.judge()


@pytest.mark.parametrize("kind", EVIDENCES)
def test_evidence_fits_into_a_status(kind: str) -> None:
    vectors = EVIDENCES[kind].to_vectors()
    assert len(vectors) <= 32
    assert max(map(len, vectors.values())) <= 256
    assert sum(map(len, vectors.values())) <= 150


@pytest.mark.parametrize("kind", [kind for kind in EVIDENCES if kind != STREAM])
@pytest.mark.parametrize("damage", ["too long", "not a number", "infinite", "text"])
def test_damaged_evidence_is_refused_and_the_vector_named(kind: str, damage: str) -> None:
    damages = {
        "too long": lambda values: (*values, 1.0),
        "not a number": lambda values: (math.nan, *values[1:]),
        "infinite": lambda values: (math.inf, *values[1:]),
        "text": lambda values: ("1", *values[1:]),
    }
    evidence = EVIDENCES[kind]
    vectors = evidence.to_vectors()
    for name, vector in vectors.items():
        with pytest.raises(EvidenceError):
            type(evidence).from_vectors({**vectors, name: damages[damage](vector)})


OPTIONAL = ("gate.", "pods.", "dispersion", "watched", "bounds", "learned", "size")
"""Vectors that are there or not by what the evidence is of."""


@pytest.mark.parametrize("kind", EVIDENCES)
def test_missing_evidence_is_refused_and_the_vector_named(kind: str) -> None:
    evidence = EVIDENCES[kind]
    for name in evidence.to_vectors():
        if name.startswith(OPTIONAL) and name != "gate.min_samples":
            continue
        less = {key: values for key, values in evidence.to_vectors().items() if key != name}
        with pytest.raises(EvidenceError, match=name.removeprefix("gate.")):
            type(evidence).from_vectors(less)


@pytest.mark.parametrize(
    ("name", "vector"),
    [
        ("candidate", (11.0, 10.0)),
        ("candidate", (0.5, 10.0)),
        ("stable", (0.0, 1e300)),
        ("broken", (7.0,)),
        ("above", (1.5,) + (0.0,) * 7),
        ("comparison", (0.0,) * 11 + (1.5,) + (0.0,) * 21),
        ("comparison", (0.0, 1.0) * 2 + (2.0, 1.0, 0.0) * 2 + (0.0,) * 23),
        ("pace", (-1.0, 5.0)),
        ("dispersion", (-1.0, 5.0, 0.0, 0.0)),
        ("pods.stable", (1.0, 7.0)),
        ("pods.stable", (-1.0,)),
        ("pods.minute", (1.0, 7.0, 5.0, 3.0)),
        ("watched", (0.0, 0.0, 0.0)),
        ("gate.unheard_of", (1.0,)),
        ("gate.threshold_max", (2.0,)),
        ("gate.min_samples", (0.5,)),
    ],
)
def test_numbers_that_contradict_each_other_are_refused(name: str, vector: tuple[float, ...]) -> None:
    with pytest.raises(EvidenceError, match=name.removeprefix("gate.")):
        RatioEvidence.from_vectors({**RATIO.to_vectors(), name: vector})


@pytest.mark.parametrize(
    ("kind", "name", "vector"),
    [
        ("paired", "size", (20.0,)),
        ("single", "size", (20.0,)),
        ("scores", "sums", (3.0, 5.0, 1.0, 0.0)),
        ("gauge", "means", (-1.0, 1.0)),
        ("steady", "sides", (-1.0, 0.0)),
        ("drift", "reference", (1.0,)),
        ("share", "weight", (2.0,)),
        ("share", "mismatch", (7.0,)),
        ("gauge", "flags", (0.0, 2.0)),
        ("latency", "flags", (0.5, 0.0)),
        ("latency", "edges", (0.1,)),
        ("labels", "labels.maturity", (-1.0,)),
    ],
)
def test_such_numbers_are_refused_of_other_kinds_too(kind: str, name: str, vector: tuple[float, ...]) -> None:
    with pytest.raises(EvidenceError):
        type(EVIDENCES[kind]).from_vectors({**EVIDENCES[kind].to_vectors(), name: vector})


def test_evidence_of_another_kind_is_refused() -> None:
    for evidence in EVIDENCES.values():
        for other in {type(other) for other in EVIDENCES.values()} - {type(evidence), RatioEvidence}:
            with pytest.raises(EvidenceError):
                other.from_vectors(evidence.to_vectors())
    with pytest.raises(EvidenceError):
        RatioEvidence.from_vectors(LATENCY.to_vectors())


@pytest.mark.parametrize("kind", EVIDENCES)
def test_whole_numbers_that_json_turned_into_integers_are_read(kind: str) -> None:
    evidence = EVIDENCES[kind]
    integers = {
        name: [int(number) if number.is_integer() else number for number in vector]
        for name, vector in evidence.to_vectors().items()
    }
    assert type(evidence).from_vectors(integers) == evidence


def test_edges_without_their_comparisons_are_refused() -> None:
    vectors = {name: vector for name, vector in LATENCY.to_vectors().items() if name != "comparison.1"}
    with pytest.raises(EvidenceError, match=r"comparison\.1"):
        LatencyEvidence.from_vectors(vectors)


@pytest.mark.parametrize(
    ("gate", "value"),
    [
        ("threshold_max", 0.0),
        ("threshold_max", 1.0),
        ("threshold_min", 1.0),
        ("threshold_min", math.nan),
        ("comparison_margin", -0.01),
        ("comparison_margin", 1.0),
        ("comparison_margin", math.nan),
        ("comparison_relative", 0.0),
        ("comparison_relative", math.inf),
        ("non_inferiority_relative", -0.5),
        ("non_inferiority_margin", 0.0),
        ("fail_alpha", 0.0),
        ("pass_alpha", 1.0),
        ("min_samples", 0),
    ],
)
def test_a_gate_that_means_nothing_is_refused_by_name(gate: str, value: float) -> None:
    with pytest.raises(ValueError, match=gate):
        Gates(**{gate: value})


def test_a_margin_is_a_difference_or_a_share_and_not_both() -> None:
    with pytest.raises(ValueError, match="comparison_relative"):
        Gates(comparison_margin=0.01, comparison_relative=0.2)
    both = Gates(comparison_margin=0.01, non_inferiority_relative=0.2)
    assert (both.harm_margin.at(0.5), both.proof_margin.at(0.5)) == (0.01, 0.1)
