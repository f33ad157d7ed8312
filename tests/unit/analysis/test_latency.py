"""Latency: histograms as they come, the edges that are fixed, and what is found how soon."""

import math
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.analysis import ArmCounts, Gates, Histogram, LatencyEvidence, Verdict
from slipway.analysis.histogram import edges_of

BOUNDS = tuple(round(0.01 * 1.25**i, 6) for i in range(30))
GUARD = Gates(comparison_margin=0.01)
SIGMA = 0.6


def drawn(rng: np.random.Generator, requests: int, factor: float = 1.0, hanging: float = 0.0) -> Histogram:
    """Log-normal latencies around 100 ms, slower by a factor, of which a share hangs six times as long."""
    seconds = 0.1 * factor * np.exp(SIGMA * rng.standard_normal(requests))
    seconds = np.where(rng.random(requests) < hanging, 6 * seconds, seconds)
    counts = np.bincount(np.searchsorted(BOUNDS, seconds), minlength=len(BOUNDS) + 1)
    return Histogram(BOUNDS, tuple(int(count) for count in counts))


def requests_to_fail(rng: np.random.Generator, looks: int = 90, **harm: float) -> int | None:
    evidence = LatencyEvidence.begin(GUARD, steps=1, past=drawn(rng, 20_000)).enter_step()
    for look in range(1, looks + 1):
        evidence = evidence.fold(drawn(rng, 100, **harm), drawn(rng, 900), seconds=10)
        if evidence.judge().verdict is Verdict.FAIL:
            return 100 * look
    return None


@pytest.mark.parametrize(("harm", "most"), [({"factor": 1.2}, 500), ({"hanging": 0.03}, 800), ({"factor": 1.1}, 1600)])
def test_slowness_is_found_wherever_it_shows(harm: dict[str, float], most: int) -> None:
    rng = np.random.default_rng(30)
    found = [requests_to_fail(rng, **harm) for _ in range(30)]
    assert all(found)
    assert median(count for count in found if count) <= most


def test_a_release_that_is_as_fast_is_seldom_hauled_back() -> None:
    rng = np.random.default_rng(31)
    assert sum(requests_to_fail(rng, looks=40) is not None for _ in range(40)) <= 1


def test_a_little_slower_than_the_margin_allows_nothing_but_no_harm_fails_within_it() -> None:
    rng = np.random.default_rng(32)
    tolerant = LatencyEvidence.begin(Gates(comparison_margin=0.05), steps=1, past=drawn(rng, 20_000))
    for _ in range(40):
        tolerant = tolerant.fold(drawn(rng, 1000, 1.1), drawn(rng, 9000))
    assert tolerant.judge().verdict is not Verdict.FAIL


def test_pass_needs_a_proof_at_every_edge() -> None:
    rng = np.random.default_rng(33)
    evidence = LatencyEvidence.begin(Gates(non_inferiority_margin=0.02), steps=1, past=drawn(rng, 20_000))
    alike = drawn(rng, 300)
    early = evidence.fold(alike, Histogram(BOUNDS, tuple(9 * count for count in alike.counts)), seconds=10)
    assert early.judge().verdict is Verdict.CONTINUE
    assert (early.judge().seconds_to_decide or 0) > 0
    for _ in range(30):
        early = early.fold(drawn(rng, 300), drawn(rng, 2700), seconds=10)
    assert early.judge().verdict is Verdict.PASS
    assert (early.judge().worst_case or 1) <= 0.1


def test_edges_are_where_stables_quantiles_lie() -> None:
    past = Histogram((0.1, 0.2, 0.5, 1.0), (50, 30, 15, 4, 1))
    assert [(edge.seconds, edge.width, edge.past) for edge in edges_of(past)] == [
        (0.1, 5.0, ArmCounts(50, 100)),
        (0.5, 2.0, ArmCounts(5, 100)),
        (1.0, 0.5, ArmCounts(1, 100)),
    ]


def test_quantiles_in_one_bucket_share_an_edge_and_the_tightest_margin() -> None:
    assert [(edge.seconds, edge.width) for edge in edges_of(Histogram((1.0, 2.0), (99, 1, 0)))] == [(1.0, 0.5)]


def test_requests_beyond_the_last_edge_are_judged_at_it() -> None:
    assert [edge.seconds for edge in edges_of(Histogram((1.0, 2.0), (0, 0, 9)))] == [2.0]


def test_without_a_past_the_edges_are_learned_from_stable_and_those_requests_are_no_evidence() -> None:
    rng = np.random.default_rng(34)
    evidence = LatencyEvidence.begin(GUARD, steps=1)
    evidence = evidence.fold(drawn(rng, 100, 9.0), drawn(rng, 150))
    assert evidence.judge().message == "n=0/150, 200 requests to stable wanted to know its latency"
    evidence = evidence.fold(drawn(rng, 100, 9.0), drawn(rng, 150))
    assert evidence.judge().verdict is Verdict.NO_DATA
    assert evidence.judge().message == "n=0/0, no requests on both arms in the same window yet"
    assert evidence.fold(drawn(rng, 100, 9.0), drawn(rng, 150)).judge().verdict is Verdict.FAIL


def test_the_sentence_names_the_edge_at_which_the_candidate_is_worst() -> None:
    rng = np.random.default_rng(35)
    evidence = LatencyEvidence.begin(GUARD, steps=1, past=drawn(rng, 20_000)).fold(
        drawn(rng, 1000, hanging=0.02), drawn(rng, 9000)
    )
    judgement = evidence.judge()
    assert judgement.message.startswith("n=1000/9000 slower than 0.")
    assert "(margin 0.50pp)" in judgement.message
    assert "evidence of harm" in judgement.message


def test_a_fail_stays_and_keeps_its_numbers() -> None:
    rng = np.random.default_rng(36)
    failed = LatencyEvidence.begin(GUARD, steps=1, past=drawn(rng, 20_000)).fold(drawn(rng, 500, 3.0), drawn(rng, 4500))
    assert failed.judge().verdict is Verdict.FAIL
    assert failed.fold(drawn(rng, 10**5), drawn(rng, 10**5)).enter_step() == failed


def test_requests_that_are_slow_together_are_discounted() -> None:
    rng = np.random.default_rng(37)
    past = drawn(rng, 20_000)
    plain, careful = (LatencyEvidence.begin(GUARD, steps=1, past=past, dispersed=choice) for choice in (False, True))
    for _ in range(2):
        window = drawn(rng, 200, 1.3), drawn(rng, 1800)
        plain, careful = plain.fold(*window), careful.fold(*window)
    assert careful.judge().evidence < plain.judge().evidence
    assert "for bursts until they are measured" in careful.judge().message


@given(
    st.lists(
        st.tuples(*[st.lists(st.integers(0, 10**8), min_size=4, max_size=4).map(tuple)] * 2), min_size=1, max_size=5
    ),
    st.floats(1e-4, 0.15),
)
@settings(max_examples=60, deadline=None)
def test_any_counts_keep_every_number_finite_and_survive_being_written_down(
    windows: list[tuple[tuple[int, ...], tuple[int, ...]]], margin: float
) -> None:
    evidence = LatencyEvidence.begin(Gates(non_inferiority_margin=margin), steps=2)
    for candidate, stable in windows:
        evidence = evidence.fold(Histogram((0.1, 0.2, 0.3), candidate), Histogram((0.1, 0.2, 0.3), stable)).enter_step()
        vectors = evidence.to_vectors()
        assert all(math.isfinite(number) for vector in vectors.values() for number in vector)
        assert LatencyEvidence.from_vectors(vectors) == evidence


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bounds", "counts", "named"),
    [
        ((), (1,), "bounds"),
        ((0.1, math.inf), (1, 1, 1), "bounds"),
        ((0.1, math.nan), (1, 1, 1), "bounds"),
        ((0.2, 0.1), (1, 1, 1), "bounds"),
        ((0.1, 0.1), (1, 1, 1), "bounds"),
        ((0.1,), (1,), "counts"),
        ((0.1,), (1, -1), "counts"),
        ((0.1,), (1, 1.5), "counts"),
        ((0.1,), (1, math.nan), "counts"),
    ],
)
def test_histograms_that_cannot_be_are_refused(bounds: tuple, counts: tuple, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Histogram(bounds, counts)


def test_a_cumulative_histogram_is_taken_apart() -> None:
    assert Histogram.of_cumulative({0.5: 9.0, 0.1: 4.0, math.inf: 10.0}) == Histogram((0.1, 0.5), (4, 5, 1))


@pytest.mark.parametrize(
    "buckets",
    [{}, {0.1: 4.0}, {0.1: 4.0, math.inf: 3.0}, {0.1: 4.5, math.inf: 9.0}, {0.1: math.nan, math.inf: 9.0}],
)
def test_buckets_that_do_not_add_up_are_refused(buckets: dict[float, float]) -> None:
    with pytest.raises(ValueError, match="buckets"):
        Histogram.of_cumulative(buckets)


def test_buckets_that_change_under_way_are_refused_and_nothing_is_lost() -> None:
    rng = np.random.default_rng(38)
    evidence = LatencyEvidence.begin(GUARD, steps=1, past=drawn(rng, 1000))
    with pytest.raises(ValueError, match="no bucket ends at"):
        evidence.fold(drawn(rng, 10), Histogram((0.007,), (5, 5)))
    with pytest.raises(ValueError, match="bounds"):
        LatencyEvidence.begin(GUARD, steps=1).fold(drawn(rng, 1), drawn(rng, 9)).fold(
            drawn(rng, 1), Histogram((0.007,), (5, 5))
        )


@pytest.mark.parametrize(
    "gates",
    [
        Gates(),
        Gates(threshold_max=0.1),
        Gates(comparison_relative=0.2),
        Gates(comparison_margin=0.1, threshold_min=0.5),
    ],
)
def test_gates_that_latency_cannot_meet_are_refused(gates: Gates) -> None:
    with pytest.raises(ValueError, match="gates"):
        LatencyEvidence.begin(gates, steps=1)


def test_an_empty_past_and_no_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="counts"):
        LatencyEvidence.begin(GUARD, steps=1, past=Histogram((0.1,), (0, 0)))
    with pytest.raises(ValueError, match="steps"):
        LatencyEvidence.begin(GUARD, steps=0)
    with pytest.raises(ValueError, match="seconds"):
        LatencyEvidence.begin(GUARD, steps=1).fold(Histogram((0.1,), (0, 0)), Histogram((0.1,), (0, 0)), seconds=-1)
